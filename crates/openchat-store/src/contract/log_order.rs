//! Rules of a room's log: one order, one chain, one clock.

use openchat_protocol::record::{Base, Position, Record};
use openchat_protocol::{ChainHash, Incarnation, RoomId, Timestamp};

use super::world::NOW;
use super::{World, acknowledged_records_are_there, many_authors_at_once};
use crate::room_log::{AppendOutcome, PageLimit};

/// Whoever reads recomputes the chain and finds every answer confirmed.
pub async fn sequences_have_no_gaps_and_the_chain_holds(world: &World) {
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    let mut chain = ChainHash::start(room);
    assert_eq!(world.store.chain_at(room, 0).await, Ok(Some(chain)));
    for sequence in 1..=7 {
        let stored = world.say(room, alice, "hello").await;
        chain = chain.then(&stored.bytes);
        assert_eq!(stored.position, Position { sequence, chain });
        assert_eq!(world.store.chain_at(room, sequence).await, Ok(Some(chain)));
    }
    let record = Record::from_bytes(&world.read_bytes(room, alice, 6).await[0]).unwrap();
    assert_eq!((record.sequence, record.author, record.payload.as_slice()), (7, alice, &b"hello"[..]));
    for nowhere in [8, u64::MAX] {
        assert_eq!(world.store.chain_at(room, nowhere).await, Ok(None));
    }
    assert_eq!(world.store.chain_at(RoomId([0; 16]), 0).await, Ok(None));
}

/// A clock that is set back stands still in the log.
pub async fn time_never_goes_back(world: &World) {
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    for (clock, expected) in [(-9, 0), (5, 5), (-60_000, 5), (6, 6)] {
        let message = world.message(room, alice, "hello").await;
        let now = Timestamp(NOW.0.saturating_add_signed(clock));
        let AppendOutcome::Stored(stored) = world.store.append(message, now).await.unwrap() else {
            panic!("not stored");
        };
        assert_eq!(stored.time, Timestamp(NOW.0 + expected));
        assert_eq!(Record::from_bytes(&stored.bytes).unwrap().time, stored.time);
    }
}

/// Everything acknowledged is there, once, and everybody's messages are in the order they were sent.
pub async fn eight_authors_make_one_order(world: &World) {
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    let acknowledged = many_authors_at_once(world, room, alice, 25).await;
    assert_eq!(acknowledged.keys().copied().collect::<Vec<_>>(), (2..=201).collect::<Vec<_>>());
    acknowledged_records_are_there(world, room, alice, &acknowledged).await;
    let mut last = std::collections::BTreeMap::new();
    for bytes in world.read_bytes(room, alice, 1).await {
        let record = Record::from_bytes(&bytes).unwrap();
        let number: u64 = std::str::from_utf8(&record.payload).unwrap().parse().unwrap();
        assert_eq!(number, last.insert(record.author, number).map_or(0, |before| before + 1));
    }
}

/// The first answer again, even when the room has moved on; per author and room.
pub async fn the_same_message_is_stored_once(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(Some("lobby"), alice).await;
    let message = world.message(room, alice, "hello").await;
    let first = world.store.append(message.clone(), NOW).await.unwrap();
    world.join(room, bob).await;
    let again = world.store.append(message.clone(), Timestamp(NOW.0 + 9)).await.unwrap();
    assert!(matches!(again, AppendOutcome::Repeated { .. }));
    assert_eq!(again.answer(), first.answer());
    let mut of_bob = world.message(room, bob, "hello").await;
    of_bob.message_id = message.message_id;
    world.append(of_bob).await;
    let other = world.room(None, alice).await;
    let mut elsewhere = world.message(other, alice, "hello").await;
    elsewhere.message_id = message.message_id;
    world.append(elsewhere).await;
    assert_eq!(world.sequences(room, alice, 0).await, [1, 2, 3]);
}

/// Its last record may be the one whose answer was lost.
pub async fn a_message_is_known_again_after_its_author_left(world: &World) {
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    let notice = world.leave_notice(room, alice).await;
    let first = world.try_append(notice.clone()).await.unwrap();
    assert_eq!(world.try_append(notice).await.unwrap().answer(), first.answer());
}

/// A base names the last commit exactly: its sequence, its chain, and the life of the database.
pub async fn a_stale_base_changes_nothing(world: &World) {
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    let before = world.message(room, alice, "too late").await;
    let commit = world.add(room, alice, &[]).await;
    let good = world.message(room, alice, "hello").await;
    let Base { incarnation, commit: position } = good.base;
    assert_eq!(position, commit.position);
    let wrong = [
        before.base,
        Base { incarnation: Incarnation([0; 8]), commit: position },
        Base { incarnation, commit: Position { chain: ChainHash([0; 32]), ..position } },
        Base { incarnation, commit: Position { sequence: position.sequence + 1, ..position } },
    ];
    for base in wrong {
        let mut message = good.clone();
        message.base = base;
        let outcome = world.try_append(message).await.unwrap();
        assert_eq!(outcome, AppendOutcome::Stale { last_commit: commit.position.sequence }, "{base:?}");
    }
    assert_eq!(world.sequences(room, alice, 0).await, [1]);
    world.say(room, alice, "a message moves no base").await;
    assert_eq!(world.append(good).await.position.sequence, 3);
}

/// By records or by bytes, whichever comes first, and never empty while there is more.
pub async fn pages_end_at_their_limits(world: &World) {
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    let mut sizes = Vec::new();
    for _ in 0..5 {
        sizes.push(world.say(room, alice, "hello").await.bytes.len());
    }
    let page = async |after, records, bytes| {
        let page = world.store.read(room, alice, after, PageLimit { records, bytes }).await.unwrap();
        assert_eq!((page.head, page.ended), (5, false));
        (page.records.len(), page.cursor)
    };
    assert_eq!(page(0, 2, usize::MAX).await, (2, 2));
    assert_eq!(page(2, 2, usize::MAX).await, (2, 4));
    assert_eq!(page(4, 2, usize::MAX).await, (1, 5));
    assert_eq!(page(5, 2, usize::MAX).await, (0, 5));
    assert_eq!(page(0, 9, sizes[0] + 1).await, (2, 2), "the one that crosses the limit is the last");
    assert_eq!(page(0, 9, 0).await, (1, 1));
    assert_eq!(page(0, 0, 0).await, (1, 1));
    assert_eq!(page(u64::MAX, 9, usize::MAX).await, (0, u64::MAX));
}
