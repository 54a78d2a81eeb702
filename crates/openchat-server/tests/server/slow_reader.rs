//! Readers that do not read: they cost neither memory nor anybody's time.

use openchat_protocol::record::Position;
use openchat_protocol::{Request, Response};

use crate::wire::Wire;
use crate::world::{World, append, config};

const SLOW: usize = 32;
const MESSAGES: u64 = 1000;
const SIZE: usize = 16 << 10;

/// Memory of this process, in bytes.
pub(crate) fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Attack 21: floods, slow connections, huge frames.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_cost_no_memory_and_delay_nobody() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let mut sender = Wire::log_in(&world, &alice).await;
    let room = world.room(&mut sender, "lobby").await;
    let mut at = Position::start(room);
    let mut wires = Vec::new();
    for number in 0..=SLOW {
        let device = world.user(&format!("reader-{number}")).await;
        let mut wire = Wire::log_in(&world, &device).await;
        at = append(&mut wire, world.join(room, at, &device)).await;
        wires.push(wire);
    }
    for wire in &mut wires {
        wire.follow(room, at).await;
    }
    let mut fast = wires.pop().unwrap();
    let before = resident();
    let body = vec![0; SIZE];
    let sending = async {
        for number in 0..MESSAGES {
            append(&mut sender, world.message(room, at, number, &body)).await;
        }
    };
    let ((), records) = tokio::join!(sending, fast.records(room, MESSAGES as usize));
    assert!(records.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
    drop(records);
    // The store keeps the log once, in memory here; a queue for each slow reader would be the log another 32 times.
    let log = MESSAGES as usize * SIZE;
    let grown = resident().saturating_sub(before);
    assert!(grown < 10 * log, "{} MiB for a log of {} MiB", grown >> 20, log >> 20);

    // They have missed nothing.
    let mut slow = wires.swap_remove(0);
    let records = slow.records(room, MESSAGES as usize).await;
    assert_eq!(records.first().map(|record| record.sequence), Some(at.sequence + 1));
    assert_eq!(slow.ask(Request::Ping).await, Ok(Response::Done));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_for_long_is_let_go() {
    let mut config = config();
    config.limits.write_seconds = 1;
    let world = World::with(&config).await;
    let alice = world.user("alice").await;
    let mut sender = Wire::log_in(&world, &alice).await;
    let room = world.room(&mut sender, "lobby").await;
    let mut dead = Wire::log_in(&world, &alice).await;
    dead.follow(room, Position::start(room)).await;
    assert_eq!(world.server.connections(), (0, 2));
    let body = vec![0; 60_000];
    let mut number = 0;
    while world.server.connections() == (0, 2) {
        append(&mut sender, world.message(room, Position::start(room), number, &body)).await;
        number += 1;
    }
    assert_eq!(world.server.connections(), (0, 1));
}
