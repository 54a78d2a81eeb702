//! Rules of Welcomes.

use openchat_protocol::RoomId;
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
        let info = world.join_info(&RoomSelector::Id(room), alice).await.unwrap();
        assert_eq!(info.base.commit, stored.position);
        expected.push((room, info.base, info.group.tree));
        world.add(room, alice, &[]).await;
    }
    let waiting = async |device| {
        let (mut found, mut cursor) = (Vec::new(), 0);
        while let Some(queued) = world.store.next_welcome(device, cursor).await.unwrap() {
            assert_eq!(queued.welcome.welcome.as_slice(), b"welcome");
            found.push((queued.welcome.room, queued.welcome.base, queued.welcome.tree));
            assert_eq!(world.store.welcome_waits(device, cursor).await, Ok(true));
            cursor = queued.cursor;
        }
        assert_eq!(world.store.welcome_waits(device, cursor).await, Ok(false));
        found
    };
    assert_eq!(waiting(bob).await, expected);
    let (room, base, _) = expected[0].clone();
    let done = AcknowledgeWelcome { room, sequence: base.commit.sequence, joined: true };
    for _ in 0..2 {
        assert_eq!(world.acknowledge(bob, done).await, []);
        assert_eq!(waiting(bob).await, expected[1..]);
    }
    assert_eq!(waiting(carol).await, expected, "each device has its own");
    assert_eq!(world.acknowledge(carol, done).await, []);
    assert_eq!(waiting(carol).await, expected[1..]);
    for joined in [true, false] {
        let nowhere = AcknowledgeWelcome { room: RoomId([0; 16]), sequence: u64::MAX, joined };
        assert_eq!(world.acknowledge(carol, nowhere).await, []);
    }
    assert!(world.is_member(room, bob).await && world.is_member(room, carol).await);
}

/// It reads no record but the one that would have let it in, and may be added again.
pub async fn who_did_not_come_in_is_no_member(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(None, alice).await;
    let sequence = world.add(room, alice, &[bob]).await.position.sequence;
    world.say(room, alice, "after").await;
    let refusal = AcknowledgeWelcome { room, sequence, joined: false };
    assert_eq!(world.acknowledge(bob, refusal).await, [bob]);
    assert_eq!(world.store.next_welcome(bob, 0).await, Ok(None));
    assert!(!world.is_member(room, bob).await);
    assert_eq!(world.sequences(room, bob, 0).await, [sequence]);
    assert_eq!(world.acknowledge(bob, refusal).await, [], "once");
    world.add(room, alice, &[bob]).await;
    assert_eq!(world.acknowledge(bob, refusal).await, [], "the new membership is another commit's");
    assert!(world.is_member(room, bob).await);
}

/// Neither what began before nor what has begun since, nor what no commit began.
pub async fn a_late_refusal_ends_no_other_membership(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(Some("lobby"), alice).await;
    let added = world.add(room, alice, &[bob]).await.position.sequence;
    let again = world.append(world.commit(room, bob, &[bob], &[bob]).await).await.position.sequence;
    for sequence in [added, again + 1] {
        let refusal = AcknowledgeWelcome { room, sequence, joined: false };
        assert_eq!(world.acknowledge(bob, refusal).await, []);
    }
    let creation = AcknowledgeWelcome { room, sequence: 0, joined: false };
    assert_eq!(world.acknowledge(alice, creation).await, []);
    assert!(world.is_member(room, alice).await && world.is_member(room, bob).await);
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
