//! Rules of who reads which part of a log.

use openchat_protocol::account::AcknowledgeWelcome;

use super::World;
use crate::room::Interval;
use crate::room_log::{AppendError, PageLimit};

/// Its own commit is the first record it gets.
pub async fn a_joiner_reads_nothing_from_before(world: &World) {
    let (alice, bob, carol) = (world.user("alice").await, world.user("bob").await, world.user("carol").await);
    let room = world.room(Some("lobby"), alice).await;
    world.say(room, alice, "before").await;
    world.join(room, bob).await;
    world.add(room, alice, &[carol]).await;
    world.say(room, alice, "after").await;
    assert_eq!(world.sequences(room, alice, 0).await, [1, 2, 3, 4]);
    assert_eq!(world.sequences(room, bob, 0).await, [2, 3, 4]);
    assert_eq!(world.sequences(room, carol, 0).await, [3, 4]);
    assert_eq!(world.sequences(room, bob, 3).await, [4]);
}

/// Attack 17: a removed member reads or posts.
/// Its leave is the last record it gets, and the page says so.
pub async fn who_left_reads_nothing_after(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(Some("lobby"), alice).await;
    world.join(room, bob).await;
    let left = world.leave(room, bob).await;
    assert_eq!((left.change.joined, left.change.ended), (vec![], vec![bob]));
    world.say(room, alice, "after").await;
    assert_eq!(world.sequences(room, bob, 0).await, [1, 2]);
    let page = async |after, records| {
        let limit = PageLimit { records, bytes: usize::MAX };
        let page = world.store.read(room, bob, after, limit).await.unwrap();
        (page.records.len(), page.head, page.ended)
    };
    assert_eq!(page(0, 1).await, (1, 2, false), "more to come");
    assert_eq!(page(1, 1).await, (1, 2, true));
    assert_eq!(page(2, 1).await, (0, 2, true));
    assert!(!world.is_member(room, bob).await);
    assert_eq!(world.store.rooms_of(bob).await, Ok(vec![]));
    let message = world.message(room, bob, "hello").await;
    assert_eq!(world.try_append(message).await, Err(AppendError::NotAMember));
}

/// What was said between is not theirs. A page does not reach over the gap.
pub async fn who_comes_back_reads_both_stretches_only(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(Some("lobby"), alice).await;
    world.join(room, bob).await;
    world.leave(room, bob).await;
    world.say(room, alice, "between").await;
    world.join(room, bob).await;
    world.say(room, alice, "after").await;
    assert_eq!(world.sequences(room, bob, 0).await, [1, 2, 4, 5]);
    assert_eq!(world.sequences(room, bob, 3).await, [4, 5]);
    let page = world.store.read(room, bob, 0, PageLimit::PROTOCOL).await.unwrap();
    assert_eq!((page.records.len(), page.cursor, page.head, page.ended), (2, 2, 5, false));
    let intervals = world.store.membership(room, bob).await.unwrap().unwrap().intervals;
    let expected = [Interval { joined_at: 1, ended_at: Some(2) }, Interval { joined_at: 4, ended_at: None }];
    assert_eq!(intervals, expected);
}

/// It reads each record once.
pub async fn a_device_that_rejoins_stays_a_member(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(Some("lobby"), alice).await;
    world.join(room, bob).await;
    let again = world.append(world.commit(room, bob, &[bob], &[bob]).await).await;
    assert_eq!((again.change.joined, again.change.ended), (vec![bob], vec![]));
    world.say(room, bob, "hello").await;
    assert!(world.is_member(room, bob).await);
    assert_eq!(world.sequences(room, bob, 0).await, [1, 2, 3]);
    assert_eq!(world.store.rooms_of(bob).await.unwrap().len(), 1);
}

/// Else whoever adds it with a Welcome that it cannot use would have ended its membership.
pub async fn a_member_is_not_added_anew(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(Some("lobby"), alice).await;
    world.join(room, bob).await;
    let again = world.append(world.commit(room, bob, &[alice], &[alice]).await).await;
    assert_eq!((again.change.joined, again.change.ended), (vec![], vec![]));
    let refusal = AcknowledgeWelcome { room, sequence: again.position.sequence, joined: false };
    assert!(world.store.next_welcome(alice, 0).await.unwrap().is_some());
    assert_eq!(world.acknowledge(alice, refusal).await, []);
    assert_eq!(world.store.next_welcome(alice, 0).await, Ok(None));
    assert!(world.is_member(room, alice).await);
}
