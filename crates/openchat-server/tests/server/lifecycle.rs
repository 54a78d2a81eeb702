//! Starting and stopping.

use std::sync::Arc;

use openchat_identity::authority::Authority;
use openchat_protocol::append::Appended;
use openchat_protocol::record::Position;
use openchat_protocol::{Event, RefusalCode, Request, Response, ServerFrame, Timestamp};
use openchat_server::{Config, Server, StartError};
use openchat_store::{MemoryStore, SqliteStore};
use tokio::net::TcpStream;

use crate::wire::Wire;
use crate::world::{World, config};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_it_has_begun_and_tells_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("server.db")).unwrap();
    let world = World::on(&config(), Arc::new(store)).await;
    let alice = world.user("alice").await;
    let mut wire = Wire::log_in(&world, &alice).await;
    let room = world.room(&mut wire, "lobby").await;
    let mut stranger = Wire::connect(&world, None).await;
    stranger.hello().await;
    let mut silent = TcpStream::connect(world.server.addr()).await.unwrap();
    for number in 0..400 {
        let message = world.message(room, Position::start(room), number, b"last words");
        wire.send(Request::Append(message)).await;
    }
    // All of them have been read once the first is answered, or are not read at all.
    let first = wire.frame().await;
    assert!(matches!(first, Some(ServerFrame::Answer { .. })), "{first:?}");
    let World { server, store, .. } = world;
    let address = server.addr();
    let stop = tokio::spawn(server.stop());
    let mut stored = 1;
    let reason = loop {
        match wire.frame().await.expect("a goodbye") {
            ServerFrame::Answer { response: Response::Appended(Appended::Stored { .. }), .. } => stored += 1,
            ServerFrame::Event(Event::Goodbye(reason)) => break reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reason.code, Some(RefusalCode::Stopping));
    assert_eq!(wire.frame().await, None);
    assert_eq!(stranger.goodbye().await.code, Some(RefusalCode::Stopping));
    assert_eq!(tokio::io::AsyncReadExt::read(&mut silent, &mut [0; 8]).await.unwrap_or(0), 0);
    stop.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    let head = store.membership(room, alice.id).await.unwrap().unwrap().head;
    assert_eq!(head, stored, "each append that was stored was answered");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let world = World::new().await;
    let config = Config { listen: world.server.addr(), ..config() };
    let authority = Authority::create(Timestamp::now()).unwrap();
    let error = Server::start(&config, authority, Arc::new(MemoryStore::new().unwrap())).await.err().unwrap();
    assert!(matches!(error, StartError::PortInUse(address) if address == world.server.addr()));
    assert!(error.to_string().starts_with(&format!("port {} is in use", world.server.addr().port())));
}

#[tokio::test]
async fn an_address_of_another_machine_cannot_be_listened_on() {
    let config = Config { listen: ([192, 0, 2, 1], 7443).into(), ..config() };
    let authority = Authority::create(Timestamp::now()).unwrap();
    let error = Server::start(&config, authority, Arc::new(MemoryStore::new().unwrap())).await.err().unwrap();
    assert!(matches!(error, StartError::Address { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_server_stops_it() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let mut wire = Wire::log_in(&world, &alice).await;
    drop(world);
    assert_eq!(wire.goodbye().await.code, Some(RefusalCode::Stopping));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_servers_store_is_not_mixed_up() {
    let (one, other) = (World::new().await, World::new().await);
    assert_ne!(one.server.fingerprint(), other.server.fingerprint());
    let alice = one.user("alice").await;
    Wire::log_in(&one, &alice).await;
    other.user("alice").await;
}
