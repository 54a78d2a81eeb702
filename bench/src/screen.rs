//! The full screen: how soon it shows what is on disk, how soon what is typed, and what memory it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use openchat_client::vault::{Change, Notice, RoomRecord, StoredLine, Vault, Write};
use openchat_client::{Delivery, Entry, Membership, Password};
use openchat_protocol::record::Position;
use openchat_protocol::{ChainHash, MessageId, RoomId, RoomName, Timestamp};
use openchat_tests::binary::PASSWORD;
use openchat_tests::{Openchat, ServerProcess, Terminal};
use tokio::runtime::Runtime;

use crate::process;

const ROUNDS: usize = 3;
const ROOMS: u64 = 200;
const MESSAGES: u64 = 100_000;
/// Between two messages of the one who sends. Nobody else is in the room, so that little but the screen opens them.
const PACE: Duration = Duration::from_millis(1);
/// Keys pressed while messages arrive, and the time between two.
const KEYS: usize = 400;
const BETWEEN_KEYS: Duration = Duration::from_millis(50);

pub(crate) fn run() {
    println!("load before: {}", load());
    paint();
    echo();
    println!("load after: {}", load());
}

/// From the password to the first picture that shows a room's newest message, without a server.
fn paint() {
    println!("first picture, from Enter on the password, no server running (key derivation included):");
    for (rooms, messages) in [(1, 1), (ROOMS, MESSAGES)] {
        let home = stored(rooms, messages);
        let rounds: Vec<_> = (0..ROUNDS).map(|_| first_picture(&home, messages / rooms)).collect();
        let times: Vec<_> = rounds.iter().map(|(time, _)| format!("{:.0}", millis(*time))).collect();
        let memory = rounds.iter().map(|(_, memory)| *memory).max().unwrap_or(0);
        println!(
            "  {messages:>6} messages in {rounds:>3} rooms: {} ms; memory {memory} KiB",
            times.join(" "),
            rounds = rooms
        );
    }
}

/// A profile whose store holds so much.
fn stored(rooms: u64, messages: u64) -> Openchat {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    server.kill();
    let mut vault = Vault::open(&home.profile("alice"), &Password::new(PASSWORD)).expect("the vault opens");
    let credentials = vault.credentials().expect("its owner");
    let author = credentials.device.uid;
    let each = messages / rooms;
    for room in 0..rooms {
        let id = RoomId(u128::from(room + 1).to_be_bytes());
        let end = Position { sequence: each, chain: ChainHash([1; 32]) };
        let lines = (1..=each).map(|sequence| {
            let number = room * each + sequence;
            let text =
                format!("message {number}: the quick brown fox jumps over the lazy dog, **again** and again");
            let message = MessageId(u128::from(number).to_be_bytes());
            let entry = Entry::Text { message, text, delivery: Delivery::Sent };
            let notice = Notice::of(&entry, author, &credentials);
            let time = Timestamp(1_790_000_000_000 + number * 1_000);
            Write::Line(StoredLine { room: id, sequence, part: 0, time, author, entry, notice })
        });
        let first = Write::Room(Box::new(record(id, room, end)));
        vault.apply(&Change::from_iter(std::iter::once(first).chain(lines))).expect("the lines are stored");
    }
    home
}

/// A room that this device is in, with so many records.
pub(crate) fn record(room: RoomId, number: u64, end: Position) -> RoomRecord {
    RoomRecord {
        room,
        name: name(number),
        listed: true,
        membership: Membership::Member,
        cursor: end,
        commit: end,
        sealed: 0,
        until_update: u32::MAX,
        update_at: Timestamp::END,
        departed: Vec::new(),
        was_in: true,
        unheard: None,
        room_key: None,
    }
}

fn name(number: u64) -> RoomName {
    format!("room-{number}").parse().expect("a room's name")
}

fn first_picture(home: &Openchat, newest: u64) -> (Duration, u64) {
    let mut terminal = Terminal::open::<&str>(home, "alice", &[]);
    terminal.sees("Password");
    terminal.type_text(PASSWORD);
    let start = Instant::now();
    terminal.press("enter");
    terminal.sees(&format!("message {newest}:"));
    (start.elapsed(), memory(&terminal))
}

/// From a key to the picture that shows it, while much arrives in the open room.
fn echo() {
    let home = Openchat::new();
    // Without the limits of one account: 200 requests a second.
    let limits = home.file("server.toml", include_str!("../peers/openchat.toml"));
    let limits = limits.display().to_string();
    let server = ServerProcess::start_at(&home, process::free_address(), &["--config", &limits]);
    home.join("alice", &server.first_invite());
    home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    home.join("bob", home.run("alice", &["invite", "lobby"]).ok().trim());
    let mut terminal = Terminal::open::<&str>(&home, "alice", &[]);
    terminal.sees("Password");
    terminal.enter(PASSWORD);
    terminal.sees("online");
    terminal.sees("made the room");
    println!("echo of a key, {KEYS} keys, one in {} ms:", BETWEEN_KEYS.as_millis());
    report("nobody says anything", &mut typed(&mut terminal));
    let before = memory(&terminal);
    let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let runtime = Runtime::new().expect("a runtime");
    let start = Instant::now();
    runtime.spawn(say(home.profile("bob"), Arc::clone(&over), Arc::clone(&sent)));
    terminal.sees("the quick brown fox");
    for round in 1..=ROUNDS {
        let (from, at) = (sent.load(Ordering::Relaxed), Instant::now());
        let mut times = typed(&mut terminal);
        let rate = (sent.load(Ordering::Relaxed) - from) as f64 / at.elapsed().as_secs_f64();
        report(&format!("round {round}, {rate:.0} messages/s arrive"), &mut times);
    }
    over.store(true, Ordering::Relaxed);
    let (sent, after) = (sent.load(Ordering::Relaxed), memory(&terminal));
    println!(
        "memory of the screen: {before} KiB, and {after} KiB after {sent} messages in {:.0} s",
        start.elapsed().as_secs_f64()
    );
}

/// Says something again and again in #lobby; counts what the server has acknowledged.
async fn say(folder: std::path::PathBuf, over: Arc<AtomicBool>, sent: Arc<AtomicU64>) {
    let opened =
        tokio::task::spawn_blocking(move || openchat_client::open(&folder, &Password::new(PASSWORD)));
    let (client, mut events) = opened.await.expect("no panic").expect("a profile");
    client.online().await.expect("a connection");
    let room = client.join_room("lobby".parse().expect("a name")).await.expect("the room");
    let counter = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if matches!(event, openchat_client::Event::Delivery { delivery: Delivery::Sent, .. }) {
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let mut pace = tokio::time::interval(PACE);
    while !over.load(Ordering::Relaxed) {
        pace.tick().await;
        client.send(room, "the quick brown fox jumps over the lazy dog".to_owned()).await.expect("queued");
    }
    client.stop().await;
    counter.abort();
}

/// Presses keys, and waits for each to be shown.
fn typed(terminal: &mut Terminal) -> Vec<Duration> {
    // Nobody ever sends: a wait for a while.
    let (_keep, never) = mpsc::channel::<()>();
    let mut times = Vec::new();
    for number in 0..KEYS {
        // A few rows at most: what is typed is taken back.
        if number % 40 == 0 {
            terminal.press("ctrl+u");
        }
        let wanted = "x".repeat(number % 40 + 1);
        let start = Instant::now();
        terminal.type_text("x");
        terminal.sees(&format!("> {wanted}"));
        let time = start.elapsed();
        times.push(time);
        assert_eq!(never.recv_timeout(BETWEEN_KEYS.saturating_sub(time)), Err(RecvTimeoutError::Timeout));
    }
    terminal.press("ctrl+u");
    times
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| millis(*time));
    let most = times.last().map_or(0.0, |time| millis(*time));
    println!("  {what}: p50 {:.1} ms, p99 {:.1} ms, most {most:.1} ms", at(50), at(99));
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Resident memory of the program in the terminal, in KiB.
fn memory(terminal: &Terminal) -> u64 {
    let path = format!("/proc/{}/status", terminal.process().as_raw_nonzero());
    let status = std::fs::read_to_string(path).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// What else goes on on this machine.
fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").expect("Linux").trim().to_owned()
}
