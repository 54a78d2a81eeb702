//! Rules of removals: whom the mirror follows when a commit puts somebody out.

use openchat_protocol::DeviceId;

use super::World;

/// Alice has made the room; Bob and Carol are in it.
async fn three(world: &World) -> [DeviceId; 3] {
    [world.user("alice").await, world.user("bob").await, world.user("carol").await]
}

/// At once, and with nobody's help: also in a room of two. Who made the room is its administrator.
pub async fn an_administrator_removes_anybody(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(Some("lobby"), alice).await;
    world.add(room, alice, &[bob]).await;
    let removal = world.remove(room, alice, &[bob]).await;
    assert_eq!(removal.change.ended, [bob]);
    world.say(room, alice, "after").await;
    assert!(!world.is_member(room, bob).await);
    assert_eq!(
        world.sequences(room, bob, 0).await,
        [1, removal.position.sequence],
        "nothing after its removal"
    );
}

/// Neither does the one who claims to be an administrator.
pub async fn two_who_work_together_remove_nobody(world: &World) {
    let [alice, bob, carol] = three(world).await;
    let room = world.room(Some("lobby"), alice).await;
    world.add(room, alice, &[bob, carol]).await;
    world.append(world.administrators(room, bob, &[bob.uid, carol.uid]).await).await;
    for accomplice in [bob, carol] {
        let removal = world.remove(room, accomplice, &[alice]).await;
        assert_eq!(removal.change.ended, []);
    }
    assert!(world.is_member(room, alice).await);
    let last = world.say(room, alice, "still here").await.position.sequence;
    assert_eq!(world.sequences(room, alice, 0).await, (1..=last).collect::<Vec<_>>());
}

/// From the commit that says so on; who is not named again is an administrator no more.
pub async fn administrators_hand_over(world: &World) {
    let [alice, bob, carol] = three(world).await;
    let room = world.room(Some("lobby"), alice).await;
    let other = world.room(Some("other"), alice).await;
    for room in [room, other] {
        world.add(room, alice, &[bob, carol]).await;
    }
    world.append(world.administrators(room, alice, &[bob.uid, bob.uid]).await).await;
    assert_eq!(world.remove(room, alice, &[carol]).await.change.ended, []);
    assert_eq!(world.remove(other, bob, &[carol]).await.change.ended, [], "each room has its own");
    assert_eq!(world.remove(room, bob, &[carol, alice]).await.change.ended.len(), 2);
    world.append(world.administrators(room, bob, &[]).await).await;
    world.join(room, carol).await;
    assert_eq!(world.remove(room, bob, &[carol]).await.change.ended, [], "nobody is one any more");
}

/// Whoever removes them; and who has left is gone already.
pub async fn own_devices_go_at_once(world: &World) {
    let [alice, bob, carol] = three(world).await;
    let second = world.device(bob.uid).await;
    let room = world.room(Some("lobby"), alice).await;
    world.add(room, alice, &[bob, second, carol]).await;
    let left = world.leave(room, carol).await.position.sequence;
    let removal = world.remove(room, bob, &[second, carol, alice]).await;
    assert_eq!(removal.change.ended, [second]);
    assert_eq!(world.sequences(room, carol, 0).await, [1, left]);
    assert_eq!(world.sequences(room, second, 0).await, [1, left, removal.position.sequence]);
}

/// Its old leaf goes, its new one stays.
pub async fn who_is_removed_and_added_by_one_commit_stays(world: &World) {
    let [alice, bob, carol] = three(world).await;
    let room = world.room(Some("lobby"), alice).await;
    world.add(room, alice, &[bob, carol]).await;
    let swap = world.append(world.commit(room, alice, &[bob], &[bob]).await).await;
    assert_eq!((swap.change.joined, swap.change.ended), (vec![bob], vec![]));
    world.say(room, bob, "still here").await;
    assert_eq!(world.sequences(room, bob, 0).await, [1, 2, 3]);
}
