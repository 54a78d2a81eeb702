//! Many who never log in.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use openchat_protocol::RefusalCode;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wire::{Wire, dial};
use crate::world::{World, config};

/// Waits until the server has closed so many of `streams`.
async fn until_closed(streams: Vec<TcpStream>, count: usize) {
    let ends: FuturesUnordered<_> = streams
        .into_iter()
        .map(async |mut stream| while stream.read(&mut [0; 64]).await.is_ok_and(|length| length > 0) {})
        .collect();
    let closed = timeout(Duration::from_secs(30), ends.take(count).count()).await;
    assert_eq!(closed, Ok(count));
}

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
