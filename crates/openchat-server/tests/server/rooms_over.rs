//! Rooms that are over: how many one can make, and what becomes of those that everybody has left.

use std::time::Duration;

use openchat_protocol::record::Position;
use openchat_protocol::room::CreateRoom;
use openchat_protocol::{RefusalCode, Request, Response, RoomId};

use crate::wire::{Wire, code};
use crate::world::{World, append, config, group};

#[tokio::test]
async fn rooms_of_one_account_are_counted() {
    let mut config = config();
    config.limits.rooms_per_hour = 2;
    let world = World::with(&config).await;
    let alice = world.user("alice").await;
    let mut wire = Wire::log_in(&world, &alice).await;
    let create =
        |number| Request::CreateRoom(CreateRoom { room: RoomId([number; 16]), name: None, group: group() });
    for number in 0..2 {
        assert_eq!(wire.ask(create(number)).await, Ok(Response::Done));
    }
    assert_eq!(code(wire.ask(create(3)).await), RefusalCode::RateLimited);
}

#[tokio::test]
async fn a_room_that_everybody_has_left_is_forgotten_by_and_by() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let mut wire = Wire::log_in(&world, &alice).await;
    let room = world.room(&mut wire, "lobby").await;
    append(&mut wire, world.leave(room, Position::start(room), &alice)).await;
    assert!(world.store.membership(room, alice.id).await.unwrap().is_some());
    let week = openchat_store::room::LISTED_AFTER_THE_LAST_MEMBER + Duration::from_secs(1);
    world.advance(week.as_millis() as u64);
    let forgotten = async {
        while world.store.membership(room, alice.id).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), forgotten).await.expect("a sweep");
}
