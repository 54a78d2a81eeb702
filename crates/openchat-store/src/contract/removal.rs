//! Rules of removals: who decides that a commit put somebody out.

use super::World;
use crate::room::ConfirmError;
use openchat_protocol::room::Confirm;

/// Not its author, not who is removed, not a stranger, not who came after; and a vote against changes nothing.
pub async fn a_removal_waits_for_another_member(world: &World) {
    let [alice, bob, carol, dave, eve] = five(world).await;
    let room = world.room(Some("lobby"), alice).await;
    let second = world.device(alice.uid).await;
    world.add(room, alice, &[bob, carol, second]).await;
    let removal = world.remove(room, alice, &[bob]).await;
    assert_eq!(removal.change.ended, [], "not yet");
    let at = removal.position.sequence;
    world.join(room, dave).await;
    for no_judge in [alice, second, bob, dave] {
        assert_eq!(world.vote(room, at, no_judge, true).await, [], "{no_judge}");
    }
    assert_eq!(world.vote(room, at, carol, false).await, []);
    let stranger = world.store.confirm(Confirm { room, sequence: at, valid: true }, eve).await;
    assert_eq!(stranger, Err(ConfirmError::NotAMember));
    world.say(room, bob, "still here").await;
    for elsewhere in [at - 1, at + 1, u64::MAX] {
        assert_eq!(world.vote(room, elsewhere, carol, true).await, []);
    }
    assert!(world.is_member(room, bob).await);
    assert_eq!(world.vote(room, at, carol, true).await, [bob]);
    assert!(!world.is_member(room, bob).await);
    assert_eq!(world.sequences(room, bob, 0).await, [1, at], "nothing after its removal");
    assert_eq!(world.vote(room, at, carol, true).await, [], "once");
}

async fn five(world: &World) -> [openchat_protocol::DeviceId; 5] {
    [
        world.user("alice").await,
        world.user("bob").await,
        world.user("carol").await,
        world.user("dave").await,
        world.user("erin").await,
    ]
}

/// Nobody judges the commit that let it in.
pub async fn who_is_added_by_a_commit_has_no_vote_on_it(world: &World) {
    let [alice, bob, carol, dave, _] = five(world).await;
    let room = world.room(Some("lobby"), alice).await;
    world.add(room, alice, &[bob, carol]).await;
    let swap = world.append(world.commit(room, alice, &[dave], &[bob]).await).await;
    assert_eq!((swap.change.joined, swap.change.ended), (vec![dave], vec![]));
    assert_eq!(world.vote(room, swap.position.sequence, dave, true).await, []);
    assert!(world.is_member(room, bob).await);
    assert_eq!(world.vote(room, swap.position.sequence, carol, true).await, [bob]);
}

/// Its old leaf goes, its new one stays.
pub async fn who_is_removed_and_added_by_one_commit_stays(world: &World) {
    let [alice, bob, carol, ..] = five(world).await;
    let room = world.room(Some("lobby"), alice).await;
    world.add(room, alice, &[bob, carol]).await;
    let swap = world.append(world.commit(room, alice, &[bob], &[bob]).await).await.position.sequence;
    assert_eq!(world.vote(room, swap, carol, true).await, []);
    assert!(world.is_member(room, bob).await);
    world.say(room, bob, "still here").await;
    assert_eq!(world.sequences(room, bob, 0).await, [1, 2, 3]);
}

/// Else a member under removal could silence the others by adding them once more.
pub async fn who_is_added_again_keeps_its_vote(world: &World) {
    let [alice, bob, carol, ..] = five(world).await;
    let room = world.room(Some("lobby"), alice).await;
    world.add(room, alice, &[bob, carol]).await;
    let removal = world.remove(room, alice, &[bob]).await.position.sequence;
    world.add(room, bob, &[alice, carol]).await;
    assert_eq!(world.vote(room, removal, carol, true).await, [bob]);
}

/// Nobody else is concerned.
pub async fn own_devices_and_those_that_left_go_at_once(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let second = world.device(alice.uid).await;
    let room = world.room(Some("lobby"), alice).await;
    world.add(room, alice, &[bob, second]).await;
    let left = world.leave(room, bob).await.position.sequence;
    let removal = world.remove(room, alice, &[second, bob]).await;
    assert_eq!(removal.change.ended, [second], "bob had left before");
    assert_eq!(world.sequences(room, bob, 0).await, [1, left]);
    assert_eq!(world.sequences(room, second, 0).await, [1, left, removal.position.sequence]);
}

/// A commit is valid or it is not.
pub async fn one_foreign_device_makes_all_wait(world: &World) {
    let [alice, bob, carol, ..] = five(world).await;
    let second = world.device(alice.uid).await;
    let room = world.room(Some("lobby"), alice).await;
    world.add(room, alice, &[bob, carol, second]).await;
    let removal = world.remove(room, alice, &[second, bob]).await;
    assert_eq!(removal.change.ended, []);
    assert!(world.is_member(room, second).await);
    let mut ended = world.vote(room, removal.position.sequence, carol, true).await;
    ended.sort();
    let mut expected = [second, bob];
    expected.sort();
    assert_eq!(ended, expected);
}

/// Who was removed and has come back before the vote keeps what it has since.
pub async fn a_late_vote_does_not_reach_into_a_rejoin(world: &World) {
    let [alice, bob, carol, ..] = five(world).await;
    let room = world.room(Some("lobby"), alice).await;
    world.add(room, alice, &[bob, carol]).await;
    let removal = world.remove(room, alice, &[bob]).await.position.sequence;
    world.say(room, alice, "between").await;
    let back = world.join(room, bob).await.position.sequence;
    assert_eq!(world.vote(room, removal, carol, true).await, []);
    assert!(world.is_member(room, bob).await);
    assert_eq!(world.sequences(room, bob, 0).await, [1, removal, back]);
}

/// A leave does not keep open what a removal before it had closed.
pub async fn a_late_vote_cuts_what_came_after_a_removal(world: &World) {
    let [alice, bob, carol, ..] = five(world).await;
    let room = world.room(Some("lobby"), alice).await;
    world.add(room, alice, &[bob, carol]).await;
    let removal = world.remove(room, alice, &[bob]).await.position.sequence;
    world.say(room, alice, "between").await;
    world.leave(room, bob).await;
    assert_eq!(world.vote(room, removal, carol, true).await, [], "it had left");
    assert_eq!(world.sequences(room, bob, 0).await, [1, removal]);
}
