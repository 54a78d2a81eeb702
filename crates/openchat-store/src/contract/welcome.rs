//! Rules of Welcomes.

use openchat_protocol::account::AcknowledgeWelcome;
use openchat_protocol::room::RoomSelector;

use super::World;

/// Each with the tree of its own commit and the base to read on from.
pub async fn welcomes_wait_in_order_until_acknowledged(world: &World) {
    let (alice, bob, carol) = (world.user("alice").await, world.user("bob").await, world.user("carol").await);
    assert_eq!(world.store.next_welcome(bob, 0).await, Ok(None));
    let mut expected = Vec::new();
    for _ in 0..2 {
        let room = world.room(None, alice).await;
        let stored = world.add(room, alice, &[bob, carol]).await;
        let info = world.store.join_info(&RoomSelector::Id(room), alice).await.unwrap().unwrap();
        assert_eq!(info.base.commit, stored.position);
        expected.push((room, info.base, info.group.tree));
        world.add(room, alice, &[]).await;
    }
    let waiting = async |device| {
        let (mut found, mut cursor) = (Vec::new(), 0);
        while let Some(queued) = world.store.next_welcome(device, cursor).await.unwrap() {
            assert_eq!(queued.welcome.welcome.as_slice(), b"welcome");
            found.push((queued.welcome.room, queued.welcome.base, queued.welcome.tree));
            cursor = queued.cursor;
        }
        found
    };
    assert_eq!(waiting(bob).await, expected);
    let (room, base, _) = expected[0].clone();
    let done = AcknowledgeWelcome { room, sequence: base.commit.sequence };
    for _ in 0..2 {
        world.store.acknowledge_welcome(bob, done).await.unwrap();
        assert_eq!(waiting(bob).await, expected[1..]);
    }
    assert_eq!(waiting(carol).await, expected, "each device has its own");
    world.store.acknowledge_welcome(carol, done).await.unwrap();
    assert_eq!(waiting(carol).await, expected[1..]);
    let nowhere = AcknowledgeWelcome { room: openchat_protocol::RoomId([0; 16]), sequence: u64::MAX };
    assert_eq!(world.store.acknowledge_welcome(carol, nowhere).await, Ok(()));
}

/// Nothing waits for a device that cannot come.
pub async fn a_revoked_device_has_no_welcomes(world: &World) {
    let (alice, bob, carol) = (world.user("alice").await, world.user("bob").await, world.user("carol").await);
    let room = world.room(None, alice).await;
    world.add(room, alice, &[bob, carol]).await;
    world.store.revoke_device(bob).await.unwrap();
    assert_eq!(world.store.next_welcome(bob, 0).await, Ok(None));
    assert!(world.store.next_welcome(carol, 0).await.unwrap().is_some());
}
