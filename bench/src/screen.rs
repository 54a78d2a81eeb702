//! The full screen: how soon it shows what is on disk, how soon what is typed, and what memory it takes.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use openchat_client::vault::{Change, Notice, RoomRecord, StoredGroup, StoredLine, Vault, Write};
use openchat_client::{Delivery, Entry, Membership, Password};
use openchat_e2ee::{RoomPolicy, Suite};
use openchat_protocol::record::Position;
use openchat_protocol::{ChainHash, MessageId, RoomId, RoomName, Timestamp};
use openchat_tests::binary::PASSWORD;
use openchat_tests::{Openchat, ServerProcess, Terminal, free_address};

use crate::flood::{Flood, device};
use crate::machine::{Cpu, memory};

/// Messages that arrive until the memory is looked at for the last time.
pub(crate) const ARRIVING: u64 = 200_000;
/// Looks at the memory meanwhile.
const LOOKS: u64 = 8;
pub(crate) const ROUNDS: usize = 3;
const ROOMS: u64 = 200;
const MESSAGES: u64 = 100_000;
/// Between two messages.
const PACE: Duration = Duration::from_millis(1);
/// Keys pressed while messages arrive, and the time between two.
const KEYS: usize = 400;
const BETWEEN_KEYS: Duration = Duration::from_millis(50);

/// After how long it is looked again.
const GLANCE: Duration = Duration::from_millis(100);

pub(crate) fn run(arriving: u64) {
    println!("load before: {}", load());
    paint(ROUNDS);
    echo(arriving);
    println!("load after: {}", load());
}

/// From the password to the first picture that shows a room's newest message, without a server.
pub(crate) fn paint(rounds: usize) {
    println!(
        "first picture, from Enter on the password, no server running; the derivation of the key by itself; the rest:"
    );
    for (rooms, messages) in [(1, 1), (ROOMS, MESSAGES)] {
        let home = stored(rooms, messages);
        let (mut all, mut derivations) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let vault =
                Vault::open(&home.profile("alice"), &Password::new(PASSWORD)).expect("the vault opens");
            let start = Instant::now();
            vault.check_password(&Password::new(PASSWORD)).expect("the password");
            let derivation = start.elapsed();
            drop(vault);
            let (time, memory) = first_picture(&home, messages / rooms);
            println!(
                "  {messages:>6} messages in {rooms:>3} rooms: {:.0} ms; {:.0} ms; {:.0} ms; memory {memory} KiB",
                millis(time),
                millis(derivation),
                millis(time.saturating_sub(derivation))
            );
            all.push(time);
            derivations.push(derivation);
        }
        // What else goes on on the machine adds to both, and least to the least.
        all.sort();
        derivations.sort();
        let at = |times: &[Duration], index: usize| times.get(index).copied().map_or(0.0, millis);
        let (middle, derivation) = (at(&all, rounds / 2), at(&derivations, rounds / 2));
        let (least, least_derivation) = (at(&all, 0), at(&derivations, 0));
        println!(
            "  the middle of {rounds}: {middle:.0} ms; {derivation:.0} ms; {:.0} ms",
            middle - derivation
        );
        println!("  the least: {least:.0} ms; {least_derivation:.0} ms; {:.0} ms", least - least_derivation);
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
    let device = device(&credentials);
    let each = messages / rooms;
    for room in 0..rooms {
        let id = RoomId(u128::from(room + 1).to_be_bytes());
        let end = Position { sequence: each, chain: ChainHash([1; 32]) };
        let lines = (1..=each).flat_map(|sequence| {
            let number = room * each + sequence;
            let text =
                format!("message {number}: the quick brown fox jumps over the lazy dog, **again** and again");
            let message = MessageId(u128::from(number).to_be_bytes());
            let entry = Entry::Text { message, text, delivery: Delivery::Sent };
            let notice = Notice::of(&entry, author, &credentials);
            let time = Timestamp(1_790_000_000_000 + number * 1_000);
            let place = Position { sequence, chain: ChainHash([1; 32]) };
            let line = StoredLine { room: id, sequence, part: 0, time, author, entry, notice };
            [Write::Line(line), Write::Chain(id, place)]
        });
        let policy = RoomPolicy::listed(name(room), author);
        let made = device.create_room(id, policy, Suite::Hybrid, Timestamp::now());
        let keys = made.expect("a room").0.state().expect("its keys");
        let keys = StoredGroup { secret: keys.to_bytes_without_tree(), tree: Some(keys.tree().to_vec()) };
        let first = [Write::Room(Box::new(record(id, room, end))), Write::Group(id, keys)];
        vault.apply(&Change::from_iter(first.into_iter().chain(lines))).expect("the lines are stored");
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
    (start.elapsed(), memory(id(&terminal)))
}

/// From a key to the picture that shows it, while much arrives in the open room; then what so much leaves behind.
fn echo(arriving: u64) {
    let home = Openchat::new();
    // Without the limits of one account: 200 requests a second.
    let limits = home.file("server.toml", include_str!("../peers/openchat.toml"));
    let limits = limits.display().to_string();
    let server = ServerProcess::start_at(&home, free_address(), &["--config", &limits]);
    home.join("alice", &server.first_invite());
    home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    let mut flood = Flood::gather(&home);
    let mut terminal = Terminal::open::<&str>(&home, "alice", &[]);
    terminal.sees("Password");
    terminal.enter(PASSWORD);
    terminal.sees("online");
    terminal.sees("speaker-1");
    println!("echo of a key, {KEYS} keys, one in {} ms:", BETWEEN_KEYS.as_millis());
    report("nobody says anything", &mut typed(&mut terminal));
    println!("memory of the screen: {} KiB", memory(id(&terminal)));
    let (start, cpu) = (Instant::now(), Cpu::of(id(&terminal)));
    flood.begin(PACE);
    terminal.sees("the quick brown fox");
    for round in 1..=ROUNDS {
        let (from, at) = (flood.said(), Instant::now());
        let mut times = typed(&mut terminal);
        let rate = (flood.said() - from) as f64 / at.elapsed().as_secs_f64();
        report(&format!("round {round}, {rate:.0} messages/s arrive"), &mut times);
    }
    watch(&terminal, &flood, arriving);
    let (minutes, said) = (start.elapsed().as_secs_f64() / 60.0, flood.said());
    let last = "that was the last word";
    flood.end(last);
    let end = Instant::now();
    terminal.sees(last);
    let behind = millis(end.elapsed());
    let each = Cpu::of(id(&terminal)).since(&cpu).as_secs_f64() * 1e6 / said as f64;
    println!(
        "after {minutes:.1} min the screen is {behind:.0} ms behind; {each:.0} µs of CPU for each message in all"
    );
}

/// What the screen takes while messages arrive and nobody types: memory, and CPU for each message.
fn watch(terminal: &Terminal, flood: &Flood, arriving: u64) {
    let process = id(terminal);
    let (mut cpu, mut said) = (Cpu::of(process), flood.said());
    let before = said;
    for look in 1..=LOOKS {
        // Nobody ever sends: a wait for a while.
        let (_keep, never) = mpsc::channel::<()>();
        while flood.said() < before + arriving * look / LOOKS {
            assert_eq!(never.recv_timeout(GLANCE), Err(RecvTimeoutError::Timeout));
        }
        let (now, all) = (Cpu::of(process), flood.said());
        let each = now.since(&cpu).as_secs_f64() * 1e6 / (all - said).max(1) as f64;
        println!("  after {all} messages: {} KiB; {each:.0} µs of CPU for each message", memory(process));
        (cpu, said) = (now, all);
    }
}

/// The process in the terminal.
fn id(terminal: &Terminal) -> u32 {
    terminal.process().as_raw_nonzero().get().unsigned_abs()
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

/// What else goes on on this machine.
fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").expect("Linux").trim().to_owned()
}
