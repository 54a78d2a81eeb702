//! SIGKILL, again and again: nothing acknowledged is lost, nothing comes twice, everybody sees one order.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use openchat_client::{Access, ClientHandle, Entry, RoomSuite, Span};
use openchat_identity::Password;
use openchat_protocol::{RoomId, RoomName};
use openchat_tests::binary::PASSWORD;
use openchat_tests::{Openchat, ServerProcess};

const PATIENCE: Duration = Duration::from_secs(60);

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

async fn open(home: &Openchat, name: &str) -> ClientHandle {
    let folder = home.profile(name);
    let opened =
        tokio::task::spawn_blocking(move || openchat_client::open(&folder, &Password::new(PASSWORD)));
    let (client, _) = opened.await.unwrap().unwrap();
    client.online().await.unwrap();
    client
}

/// What is in the log of the room, as this client reads it, in order.
async fn sent(client: &ClientHandle, room: RoomId) -> Vec<String> {
    let lines = client.history(room, Span::Newest, 100_000).await.unwrap();
    let in_log = lines.into_iter().filter(|line| line.sequence.is_some());
    in_log
        .filter_map(|line| match line.entry {
            Entry::Text { text, .. } => Some(text),
            _ => None,
        })
        .collect()
}

/// Waits until the client's view of the log satisfies `enough`.
async fn wait(
    client: &ClientHandle,
    room: RoomId,
    what: &str,
    enough: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    let mut events = client.events();
    let seen = async {
        loop {
            let texts = sent(client, room).await;
            if enough(&texts) {
                return texts;
            }
            events.next().await.expect("the client runs");
        }
    };
    match tokio::time::timeout(PATIENCE, seen).await {
        Ok(texts) => texts,
        Err(_) => panic!("waited in vain: {what}; {:?}", sent(client, room).await),
    }
}

/// Attack 22: a crash or a full disk after an answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_again_and_again_loses_and_repeats_nothing() {
    const MESSAGES: usize = 120;
    let home = Openchat::new();
    let mut server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    home.join("bob", home.run("alice", &["invite"]).ok().trim());
    let (alice, bob) = (open(&home, "alice").await, open(&home, "bob").await);
    let lobby: RoomName = "lobby".parse().unwrap();
    let room = alice.create_room(lobby.clone(), Access::Listed, RoomSuite::default()).await.unwrap();
    bob.join_room(lobby).await.unwrap();

    let mut dice = Dice(0x5eed);
    for round in 0..8 {
        for number in 0..MESSAGES / 8 {
            let (speaker, name) = if dice.below(2) == 0 { (&alice, "alice") } else { (&bob, "bob") };
            speaker.send(room, format!("{round}.{number} {name}")).await.unwrap();
        }
        // Somewhere in the middle of them.
        let some = round * (MESSAGES / 8) + usize::try_from(dice.below(MESSAGES as u64 / 8)).unwrap();
        wait(&alice, room, "some messages", |texts| texts.len() >= some).await;
        let address = server.kill();
        server = ServerProcess::start_at(&home, address, &[]);
        alice.reconnect().await.unwrap();
        bob.reconnect().await.unwrap();
    }
    let at_alice = wait(&alice, room, "all messages at Alice", |texts| texts.len() >= MESSAGES).await;
    let at_bob = wait(&bob, room, "all messages at Bob", |texts| texts.len() >= MESSAGES).await;
    assert_eq!(at_alice, at_bob, "one order");
    assert_eq!(at_alice.len(), MESSAGES, "nothing twice");
    assert_eq!(at_alice.iter().collect::<HashSet<_>>().len(), MESSAGES, "nothing lost");
    alice.stop().await;
    bob.stop().await;
}

/// Attack 22: a crash or a full disk after an answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_killed_again_and_again_loses_and_repeats_nothing() {
    const ROUNDS: u64 = 6;
    const LINES: u64 = 12;
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    home.join("bob", home.run("alice", &["invite"]).ok().trim());
    let bob = open(&home, "bob").await;
    let lobby: RoomName = "lobby".parse().unwrap();
    let room = bob.create_room(lobby, Access::Listed, RoomSuite::default()).await.unwrap();

    let mut dice = Dice(0xfeed);
    let (mut acknowledged, mut typed) = (HashSet::new(), HashSet::new());
    for round in 0..ROUNDS {
        let mut child = home
            .command("alice", &["chat", "lobby"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        for number in 0..LINES {
            let words = format!("line {round}.{number}");
            writeln!(input, "{words}").unwrap();
            typed.insert(words);
        }
        // A line that she sees at its place in the log is acknowledged. Kill her after some of them.
        let mut wanted = 1 + dice.below(LINES);
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            if let Some((_, words)) = line.split_once("alice  line ") {
                let words = format!("line {words}");
                if !words.contains("(") && words.starts_with(&format!("line {round}.")) {
                    acknowledged.insert(words);
                    wanted -= 1;
                }
            }
            if wanted == 0 {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // One quiet visit, so that what waits in her outbox goes out.
    home.run_with_input("alice", &["chat", "lobby"], "the end\n").ok();
    let texts = wait(&bob, room, "the end", |texts| texts.iter().any(|text| text == "the end")).await;
    let distinct: HashSet<String> = texts.iter().cloned().collect();
    assert_eq!(distinct.len(), texts.len(), "nothing twice: {texts:?}");
    assert!(acknowledged.is_subset(&distinct), "nothing acknowledged is lost");
    assert!(!acknowledged.is_empty());
    assert!(distinct.iter().all(|text| text == "the end" || typed.contains(text)), "nothing invented");
    bob.stop().await;
}
