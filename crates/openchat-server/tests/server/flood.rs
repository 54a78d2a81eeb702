//! Many who never log in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use openchat_protocol::record::Position;
use openchat_protocol::{RefusalCode, Request, Response};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wire::{Wire, dial};
use crate::world::{World, append, config};

/// Waits until the server has closed so many of `streams`.
async fn until_closed(streams: Vec<TcpStream>, count: usize) {
    let ends: FuturesUnordered<_> = streams
        .into_iter()
        .map(async |mut stream| while stream.read(&mut [0; 64]).await.is_ok_and(|length| length > 0) {})
        .collect();
    let closed = timeout(Duration::from_secs(30), ends.take(count).count()).await;
    assert_eq!(closed, Ok(count));
}

/// Attack 21: floods, slow connections, huge frames.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_silent_connections_is_capped_and_an_honest_login_works() {
    let mut config = config();
    config.limits.connections_before_login = 20;
    let world = World::with(&config).await;
    let alice = world.user("alice").await;
    let mut flood = Vec::new();
    for _ in 0..100 {
        flood.push(dial([127, 0, 0, 2], world.server.addr()).await.unwrap());
    }
    let mut wire = Wire::log_in(&world, &alice).await;
    assert!(world.server.connections().0 <= 20);
    until_closed(flood, 80).await;
    wire.hello().await;
}

/// Attack 21: floods, slow connections, huge frames.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_cannot_keep_others_out() {
    let mut config = config();
    config.limits.connections_per_minute = 30;
    let world = World::with(&config).await;
    let alice = world.user("alice").await;
    let mut flood = Vec::new();
    for _ in 0..200 {
        flood.push(dial([127, 0, 0, 2], world.server.addr()).await.unwrap());
    }
    Wire::log_in(&world, &alice).await;
    assert!((1..=32).contains(&world.server.connections().0), "{:?}", world.server.connections());
    until_closed(flood, 168).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_keeps_those_it_has() {
    let mut config = config();
    config.limits.connections = 2;
    let world = World::with(&config).await;
    let alice = world.user("alice").await;
    let (mut one, _two) = (Wire::log_in(&world, &alice).await, Wire::log_in(&world, &alice).await);
    assert!(Wire::try_connect(&world, Some(&alice)).await.is_err());
    one.hello().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_log_in_in_time_has_to_go() {
    let mut config = config();
    config.limits.login_seconds = 1;
    config.limits.handshake_seconds = 1;
    let world = World::with(&config).await;
    let alice = world.user("alice").await;
    let mut silent = dial([127, 0, 0, 1], world.server.addr()).await.unwrap();
    let mut idle = Wire::connect(&world, Some(&alice)).await;
    let mut logged_in = Wire::log_in(&world, &alice).await;
    idle.hello().await;
    assert_eq!(idle.goodbye().await.code, Some(RefusalCode::NotLoggedIn));
    assert_eq!(silent.read(&mut [0; 64]).await.unwrap_or(0), 0);
    logged_in.hello().await;
}

/// Messages that somebody honest says during a flood.
const SAID: u64 = 50;
/// What is looked at of a flood for each of them, at most: many times what a fair server looks at.
const FLOODED_PER_MESSAGE: u64 = 5_000;
/// Requests that wait at the server at any time.
const FLOOD: usize = 500;

/// Asks without a pause until `over`. Says how many requests were answered and how many refused.
async fn flood(wire: &mut Wire, over: &AtomicBool) -> (u64, u64) {
    let (mut taken, mut refused) = (0, 0);
    while !over.load(Ordering::Relaxed) || refused < FLOOD as u64 {
        for id in wire.send_many(&Request::Ping, FLOOD).await {
            match wire.answer(id).await {
                Ok(Response::Done) => taken += 1,
                Err(refusal) if refusal.code == Some(RefusalCode::RateLimited) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    (taken, refused)
}

/// Attack 21: floods, slow connections, huge frames.
/// Whoever floods the server with requests is throttled, and what somebody honest asks meanwhile is answered, each time
/// before much more of the flood is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_21_an_honest_user_is_answered_while_another_floods() {
    let mut config = config();
    config.limits.requests_per_second = 10;
    let world = World::with(&config).await;
    let (alice, mallory) = (world.user("alice").await, world.user("mallory").await);
    let mut honest = Wire::log_in(&world, &alice).await;
    let room = world.room(&mut honest, "lobby").await;
    let (mut one, mut two) = (Wire::log_in(&world, &mallory).await, Wire::log_in(&world, &mallory).await);
    let over = AtomicBool::new(false);
    let talk = async {
        for number in 0..SAID {
            append(&mut honest, world.message(room, Position::start(room), number, b"hello")).await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let ((), first, second) = tokio::join!(talk, flood(&mut one, &over), flood(&mut two, &over));
    let (taken, refused) = (first.0 + second.0, first.1 + second.1);
    assert!(taken < refused, "{taken} taken, {refused} refused");
    let most = SAID * FLOODED_PER_MESSAGE;
    assert!(taken + refused < most, "{taken} taken and {refused} refused for {SAID} messages");
}
