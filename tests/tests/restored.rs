//! A server whose older copy is put back: its host says so, and its users give back what it has lost; or says nothing, and
//! is refused.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openchat_client::{Access, Alarm, ClientHandle, Entry, Event, Events, RoomSuite, Span};
use openchat_identity::Password;
use openchat_protocol::{RoomId, RoomName};
use openchat_tests::binary::PASSWORD;
use openchat_tests::{Openchat, ServerProcess};

const PATIENCE: Duration = Duration::from_secs(60);

/// The server's folder, as a backup keeps it while no server runs.
fn copy_folder(from: &Path, to: &Path) {
    drop(fs::remove_dir_all(to));
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy_folder(&source, &target),
            kind if kind.is_file() => drop(fs::copy(source, target).unwrap()),
            _ => {}
        }
    }
}

struct Person {
    client: ClientHandle,
    events: Events,
}

impl Person {
    async fn open(home: &Openchat, name: &str) -> Self {
        let folder = home.profile(name);
        let opened =
            tokio::task::spawn_blocking(move || openchat_client::open(&folder, &Password::new(PASSWORD)));
        let (client, events) = opened.await.unwrap().unwrap();
        client.online().await.unwrap();
        Self { client, events }
    }

    /// The same person, once the log of keys is followed to its end, and not only heard of.
    async fn caught_up(self, home: &Openchat, name: &str) -> Self {
        self.client.stop().await;
        let mut again = Self::open(home, name).await;
        let told = async { while again.events.next().await.expect("the client runs") != Event::CaughtUp {} };
        tokio::time::timeout(PATIENCE, told).await.expect("the end of the log");
        again
    }

    /// What was said and is in the log, as this person reads it.
    async fn said(&self, room: RoomId) -> Vec<String> {
        let lines = self.client.history(room, Span::Newest, 1_000).await.unwrap();
        let in_log = lines.into_iter().filter(|line| line.sequence.is_some());
        in_log
            .filter_map(|line| if let Entry::Text { text, .. } = line.entry { Some(text) } else { None })
            .collect()
    }

    async fn until_said(&mut self, room: RoomId, words: &[&str]) {
        let seen = async {
            while self.said(room).await != words {
                self.events.next().await.expect("the client runs");
            }
        };
        if tokio::time::timeout(PATIENCE, seen).await.is_err() {
            panic!("waited in vain for {words:?}: {:?}", self.said(room).await);
        }
    }

    async fn until_alarm(&mut self, what: impl Fn(&Alarm) -> bool) {
        let told = async {
            loop {
                match self.events.next().await.expect("the client runs") {
                    Event::Alarm(alarm) if what(&alarm) => return,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, told).await.expect("the alarm");
    }

    async fn say(&self, room: RoomId, words: &str) {
        self.client.send(room, words.to_owned()).await.unwrap();
    }
}

/// A server with two people in a room, and a copy of its folder as it was then.
struct Story {
    home: Openchat,
    data: PathBuf,
    copy: PathBuf,
    address: SocketAddr,
    room: RoomId,
}

impl Story {
    async fn begin() -> (Self, Person, Person) {
        let home = Openchat::new();
        let (data, copy) = (home.folder().join("server"), home.folder().join("copy"));
        let server = ServerProcess::start(&home);
        home.join("alice", &server.first_invite());
        home.join("bob", home.run("alice", &["invite"]).ok().trim());
        let (mut alice, mut bob) = (Person::open(&home, "alice").await, Person::open(&home, "bob").await);
        let lobby: RoomName = "lobby".parse().unwrap();
        let room =
            alice.client.create_room(lobby.clone(), Access::Listed, RoomSuite::default()).await.unwrap();
        bob.client.join_room(lobby).await.unwrap();
        alice.say(room, "before the copy").await;
        for person in [&mut alice, &mut bob] {
            person.until_said(room, &["before the copy"]).await;
        }
        let address = server.kill();
        copy_folder(&data, &copy);
        (Self { home, data, copy, address, room }, alice, bob)
    }

    fn start(&self, more: &[&str]) -> ServerProcess {
        ServerProcess::start_at(&self.home, self.address, more)
    }

    /// The copy takes the place of the server's folder.
    fn put_copy_back(&self) {
        copy_folder(&self.copy, &self.data);
    }
}

/// What stands in a file once `words` stand there.
async fn until_written(file: &Path, words: &str) -> String {
    let written = async {
        loop {
            let text = fs::read_to_string(file).unwrap();
            if text.contains(words) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let written = tokio::time::timeout(PATIENCE, written).await;
    written.unwrap_or_else(|_| panic!("`{words}` is not in {}", fs::read_to_string(file).unwrap()))
}

fn is_restored(alarm: &Alarm) -> bool {
    matches!(alarm, Alarm::ServerRestored { until: Some(_) })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_gets_back_what_its_users_hold_and_nobody_loses_a_message() {
    let (story, mut alice, mut bob) = Story::begin().await;
    let room = story.room;
    let server = story.start(&[]);
    alice.client.reconnect().await.unwrap();
    bob.client.reconnect().await.unwrap();
    bob.say(room, "after it").await;
    alice.until_said(room, &["before the copy", "after it"]).await;
    let den: RoomName = "den".parse().unwrap();
    let den = alice.client.create_room(den, Access::Private, RoomSuite::default()).await.unwrap();
    alice.client.add_member(den, "bob".parse().unwrap()).await.unwrap();
    alice.say(den, "in a room of its own").await;
    bob.until_said(den, &["in a room of its own"]).await;
    let day = Duration::from_secs(24 * 3600);
    let link = alice.client.create_invite(day, 1, None).await.unwrap();
    story.home.join("carol", &link);
    let mut carol = Person::open(&story.home, "carol").await;
    carol.client.join_room("lobby".parse().unwrap()).await.unwrap();
    carol.say(room, "I am new").await;
    let lost = ["before the copy", "after it", "I am new"];
    alice.until_said(room, &lost).await;
    carol.until_said(room, &lost[2..]).await;
    let mut alice = alice.caught_up(&story.home, "alice").await;
    let mut carol = carol.caught_up(&story.home, "carol").await;
    server.kill();

    story.put_copy_back();
    let server = story.start(&["--restored=20"]);
    for person in [&mut alice, &mut bob, &mut carol] {
        person.client.reconnect().await.unwrap();
        person.until_alarm(is_restored).await;
    }
    bob.say(room, "this waits").await;
    carol.say(room, "this, too").await;
    alice.say(den, "here, too").await;
    bob.until_said(den, &["in a room of its own", "here, too"]).await;
    let end = async {
        loop {
            let said = alice.said(room).await;
            if said.len() == 5 {
                return said;
            }
            alice.events.next().await.expect("the client runs");
        }
    };
    let said = tokio::time::timeout(PATIENCE, end).await.expect("what waited");
    assert_eq!(said[..3], lost);
    bob.until_said(room, &said.iter().map(String::as_str).collect::<Vec<_>>()).await;
    carol.until_said(room, &said[2..].iter().map(String::as_str).collect::<Vec<_>>()).await;
    for person in [alice, bob, carol] {
        person.client.stop().await;
    }
    let place = format!("{}@{}", server.fingerprint, story.address);
    story.home.run("nobody", &["log", "audit", &place]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_set_back_without_a_word_is_refused_until_its_host_says_so() {
    let (story, mut alice, bob) = Story::begin().await;
    let room = story.room;
    let server = story.start(&[]);
    bob.client.stop().await;
    alice.client.reconnect().await.unwrap();
    alice.say(room, "after the copy").await;
    alice.until_said(room, &["before the copy", "after the copy"]).await;
    let link = alice.client.create_invite(Duration::from_secs(3600), 1, None).await.unwrap();
    story.home.join("carol", &link);
    let carol = Person::open(&story.home, "carol").await;
    carol.client.join_room("lobby".parse().unwrap()).await.unwrap();
    carol.say(room, "I am new").await;
    let lost = ["before the copy", "after the copy", "I am new"];
    alice.until_said(room, &lost).await;
    let mut alice = alice.caught_up(&story.home, "alice").await;
    let mut carol = carol.caught_up(&story.home, "carol").await;
    server.kill();

    story.put_copy_back();
    let log = story.home.folder().join("log");
    let listen = story.address.to_string();
    let mut command = story.home.command("default", &["serve", "--json", "--listen", &listen]);
    command.env("RUST_LOG", "warn").stderr(fs::File::create(&log).unwrap());
    let server = ServerProcess::spawn(command, story.address);
    alice.client.reconnect().await.unwrap();
    alice.until_alarm(|alarm| matches!(alarm, Alarm::KeyLogRolledBack { .. })).await;
    alice.say(room, "this does not go out").await;
    let log = until_written(&log, "OLDER THAN WHAT THE SERVER HAS SIGNED").await;
    assert!(log.contains("--restored"), "{log}");
    let newcomer = story.home.run("dave", &["join", &link, "--name", "dave", "--only"]);
    newcomer.fails(8, &["older than what its users have seen"]);
    assert_eq!(alice.said(room).await, lost);
    server.kill();

    story.put_copy_back();
    let _server = story.start(&["--restored=5"]);
    alice.client.reconnect().await.unwrap();
    carol.client.reconnect().await.unwrap();
    let said = [&lost[..], &["this does not go out"]].concat();
    alice.until_said(room, &said).await;
    carol.until_said(room, &said[2..]).await;
    let mut bob = Person::open(&story.home, "bob").await;
    bob.until_said(room, &said).await;
}
