//! Rules of who may append what.

use openchat_protocol::limits::{DEVICES_PER_USER, ROOM_DEVICES};
use openchat_protocol::{DeviceId, Did, RoomId};
use tokio::task::JoinSet;

use super::World;
use crate::room_log::{AppendError, PageLimit, ReadError};

/// Neither with a message nor with a commit or a leave that is not theirs; nor do they read.
pub async fn strangers_are_refused(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(Some("lobby"), alice).await;
    let attempts = [
        world.message(room, bob, "hello").await,
        world.commit(room, bob, &[], &[alice]).await,
        world.commit(room, bob, &[alice], &[]).await,
        world.leave_notice(room, bob).await,
    ];
    for attempt in attempts {
        assert_eq!(world.try_append(attempt).await, Err(AppendError::NotAMember));
    }
    let unknown = DeviceId { did: Did([0; 10]), ..bob };
    let message = world.message(room, unknown, "hello").await;
    assert_eq!(world.try_append(message).await, Err(AppendError::NotAMember));
    let nowhere = RoomId([0; 16]);
    let message = world.message(nowhere, alice, "hello").await;
    assert_eq!(world.try_append(message).await, Err(AppendError::RoomUnknown));
    for (room, device) in [(room, bob), (room, unknown), (nowhere, alice)] {
        assert_eq!(world.store.read(room, device, 0, PageLimit::PROTOCOL).await, Err(ReadError::NotAMember));
    }
    assert!(world.sequences(room, alice, 0).await.is_empty());
}

/// By a commit of its own, against the base that the room shows.
pub async fn anybody_joins_a_room_with_a_name(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(Some("lobby"), alice).await;
    let stored = world.join(room, bob).await;
    assert_eq!((stored.change.joined, stored.change.ended), (vec![bob], vec![]));
    world.say(room, bob, "hello").await;
}

/// Their other devices need nobody; everybody else has to be added.
pub async fn only_devices_of_members_join_a_private_room(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let second = world.device(alice.uid).await;
    let room = world.room(None, alice).await;
    let join = world.commit(room, bob, &[bob], &[]).await;
    assert_eq!(world.try_append(join).await, Err(AppendError::NotAMember));
    world.join(room, second).await;
    assert_eq!(world.add(room, second, &[bob]).await.change.joined, [bob]);
    world.say(room, bob, "hello").await;
    world.leave(room, alice).await;
    world.leave(room, second).await;
    let back = world.commit(room, alice, &[alice], &[]).await;
    assert_eq!(world.try_append(back).await, Err(AppendError::NotAMember), "no device of hers is left");
}

/// A member that cannot log in would never leave.
pub async fn unknown_devices_are_not_added(world: &World) {
    let alice = world.user("alice").await;
    let room = world.room(None, alice).await;
    let revoked = world.user("bob").await;
    world.store.revoke_device(revoked).await.unwrap();
    for unknown in [DeviceId { did: Did([0; 10]), ..alice }, revoked] {
        let commit = world.commit(room, alice, &[unknown], &[]).await;
        assert_eq!(world.try_append(commit).await, Err(AppendError::DeviceUnknown(unknown)));
    }
    let removes_unknown = world.remove(room, alice, &[DeviceId { did: Did([0; 10]), ..alice }]).await;
    assert_eq!(removes_unknown.change.ended, [], "who is no member needs no removal");
}

/// A full room takes a device in only for one that goes at once.
pub async fn devices_of_a_room_are_limited(world: &World) {
    let mut users = JoinSet::new();
    for number in 0..ROOM_DEVICES / DEVICES_PER_USER + 1 {
        let world = world.clone();
        users.spawn(async move {
            let mut devices = vec![world.user(&format!("user-{number}")).await];
            for _ in 1..DEVICES_PER_USER {
                devices.push(world.device(devices[0].uid).await);
            }
            devices
        });
    }
    let devices = users.join_all().await.concat();
    let (members, others) = devices.split_at(ROOM_DEVICES);
    let (first, second, other) = (members[0], members[1], others[0]);
    let room = world.room(Some("lobby"), first).await;
    world.add(room, first, &members[1..]).await;
    let refused = Err(AppendError::RoomFull);
    let join = world.commit(room, other, &[other], &[]).await;
    assert_eq!(world.try_append(join).await, refused);
    let swap = world.commit(room, first, &[other], &[other]).await;
    assert_eq!(world.try_append(swap).await, refused);
    let swap = world.commit(room, first, &[other], &[second]).await;
    world.append(swap).await;
    let swap_foreign = world.commit(room, members[20], &[second], &[first]).await;
    assert_eq!(world.try_append(swap_foreign).await, refused, "a removal that is not followed makes no room");
    world.say(room, first, "everything else goes on").await;
    let rejoin = world.commit(room, other, &[other], &[other]).await;
    world.append(rejoin).await;
}
