//! A room with two people in it.

use openchat_protocol::RoomId;
use openchat_protocol::record::Position;

use crate::wire::Wire;
use crate::world::{Device, World, append};

/// Alice has made a room and Bob has joined it.
pub(crate) struct Two {
    pub(crate) world: World,
    pub(crate) alice: Wire,
    pub(crate) bob: Wire,
    pub(crate) alices: Device,
    pub(crate) bobs: Device,
    pub(crate) room: RoomId,
    /// Bob's joining commit.
    pub(crate) joined: Position,
}

impl Two {
    pub(crate) async fn new() -> Self {
        Self::in_world(World::new().await).await
    }

    pub(crate) async fn in_world(world: World) -> Self {
        let (alices, bobs) = (world.user("alice").await, world.user("bobby").await);
        let (mut alice, mut bob) = (Wire::log_in(&world, &alices).await, Wire::log_in(&world, &bobs).await);
        let room = world.room(&mut alice, "lobby").await;
        let joined = append(&mut bob, world.join(room, Position::start(room), &bobs)).await;
        Self { world, alice, bob, alices, bobs, room, joined }
    }
}
