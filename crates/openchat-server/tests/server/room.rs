//! Rooms: appending, following, joining, leaving.

use std::sync::Arc;

use openchat_identity::IdentityKey;
use openchat_identity::device::DeviceKey;
use openchat_protocol::account::AcknowledgeWelcome;
use openchat_protocol::append::{Appended, Welcome};
use openchat_protocol::record::{Position, Record, RecordKind};
use openchat_protocol::room::{FetchJoinInfo, Follow, RoomSelector};
use openchat_protocol::statement::Statement;
use openchat_protocol::{ChainHash, Did, Event, RefusalCode, Request, Response, RoomId};
use openchat_store::SqliteStore;

use crate::mls;
use crate::two::Two;
use crate::wire::{Wire, code};
use crate::world::{World, append, config, group};

fn sequences(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.sequence).collect()
}

#[tokio::test]
async fn what_one_appends_the_other_reads() {
    let mut two = Two::new().await;
    two.bob.follow(two.room, two.joined).await;
    let caught_up = two.bob.page().await;
    assert_eq!((caught_up.records.len(), caught_up.head, caught_up.ended), (0, 1, false));
    let position = append(&mut two.alice, two.world.message(two.room, two.joined, 1, b"hello")).await;
    let records = two.bob.records(two.room, 1).await;
    assert_eq!(mls::body(records[0].kind, &records[0].payload), b"hello");
    assert_eq!(two.joined.chain.then(&records[0].to_bytes()), position.chain);
}

#[tokio::test]
async fn a_room_from_its_beginning() {
    let mut two = Two::new().await;
    append(&mut two.bob, two.world.message(two.room, two.joined, 1, b"hello")).await;
    two.alice.follow(two.room, Position::start(two.room)).await;
    let records = two.alice.records(two.room, 2).await;
    assert_eq!(sequences(&records), [1, 2]);
    assert_eq!(records[0].kind, RecordKind::Commit);
    let mut chain = ChainHash::start(two.room);
    records.iter().for_each(|record| chain = chain.then(&record.to_bytes()));
    two.alice.follow(two.room, Position { sequence: 2, chain }).await;
}

#[tokio::test]
async fn an_append_on_an_old_commit_is_stale_and_one_repeated_is_stored_once() {
    let mut two = Two::new().await;
    let late = two.world.message(two.room, Position::start(two.room), 1, b"late");
    assert_eq!(
        two.alice.ask(Request::Append(late)).await,
        Ok(Response::Appended(Appended::Stale { last_commit: 1 }))
    );
    let message = two.world.message(two.room, two.joined, 2, b"once");
    let first = append(&mut two.alice, message.clone()).await;
    assert_eq!(append(&mut two.alice, message).await, first);
    two.bob.follow(two.room, two.joined).await;
    assert_eq!(two.bob.records(two.room, 1).await[0].sequence, first.sequence);
}

#[tokio::test]
async fn strangers_neither_read_nor_write_a_room() {
    let mut two = Two::new().await;
    let eve = two.world.user("eve").await;
    let mut eve = Wire::log_in(&two.world, &eve).await;
    let message = two.world.message(two.room, two.joined, 1, b"hello");
    assert_eq!(code(eve.ask(Request::Append(message)).await), RefusalCode::NotAMember);
    let follow = Follow { room: two.room, after: Position::start(two.room) };
    assert_eq!(code(eve.ask(Request::Follow(follow)).await), RefusalCode::NotAMember);
    let nowhere = two.world.message(RoomId([7; 16]), two.joined, 1, b"hello");
    assert_eq!(code(two.bob.ask(Request::Append(nowhere)).await), RefusalCode::RoomUnknown);
}

#[tokio::test]
async fn a_log_that_is_not_the_servers_is_not_followed() {
    let mut two = Two::new().await;
    for (after, refusal) in [
        (Position { sequence: 1, chain: ChainHash([7; 32]) }, RefusalCode::LogDiverged),
        (Position { sequence: 0, chain: two.joined.chain }, RefusalCode::LogDiverged),
        (Position { sequence: 9, chain: two.joined.chain }, RefusalCode::SetBack),
    ] {
        let follow = Request::Follow(Follow { room: two.room, after });
        assert_eq!(code(two.alice.ask(follow).await), refusal);
    }
}

async fn listed(wire: &mut Wire) -> Vec<(RoomId, u32)> {
    let Ok(Response::Rooms(rooms)) = wire.ask(Request::ListRooms).await else { panic!("rooms") };
    rooms.iter().map(|room| (room.room, room.members)).collect()
}

#[tokio::test]
async fn rooms_that_are_made_joined_and_left_show_at_once() {
    let mut two = Two::new().await;
    assert_eq!(listed(&mut two.alice).await, [(two.room, 2)]);
    append(&mut two.bob, two.world.leave(two.room, two.joined, &two.bobs)).await;
    assert_eq!(listed(&mut two.alice).await, [(two.room, 1)]);
    let other = two.world.room(&mut two.bob, "other").await;
    assert!(listed(&mut two.alice).await.contains(&(other, 1)));
}

#[tokio::test]
async fn rooms_are_listed_and_join_info_is_given() {
    let mut two = Two::new().await;
    assert_eq!(listed(&mut two.alice).await, [(two.room, 2)]);
    let by_name = |name: &str| {
        let room = RoomSelector::Name(name.parse().unwrap());
        Request::FetchJoinInfo(FetchJoinInfo { room, doubted: vec![two.alices.id.uid] })
    };
    let Ok(Response::JoinInfo(info)) = two.alice.ask(by_name("lobby")).await else { panic!("join info") };
    assert_eq!(
        (info.room, info.base, info.group, info.by),
        (two.room, two.world.base(two.joined), group(), two.bobs.id.uid)
    );
    assert_eq!(code(two.alice.ask(by_name("nowhere")).await), RefusalCode::RoomUnknown);
}

#[tokio::test]
async fn who_leaves_gets_the_leave_and_nothing_after_it() {
    let mut two = Two::new().await;
    let bob = two.world.user("bob-2").await;
    let mut wire = Wire::log_in(&two.world, &bob).await;
    let joined = append(&mut wire, two.world.join(two.room, two.joined, &bob)).await;
    wire.follow(two.room, joined).await;
    assert_eq!(wire.page().await.head, 2);
    let leave = wire.send(Request::Append(two.world.leave(two.room, joined, &bob))).await;
    assert!(wire.answer(leave).await.is_ok());
    append(&mut two.alice, two.world.message(two.room, joined, 1, b"they are gone")).await;
    let mut records = Vec::new();
    loop {
        let page = wire.page().await;
        records.extend(page.records.iter().map(|record| Record::from_bytes(record).unwrap()));
        if page.ended {
            break;
        }
    }
    assert_eq!(sequences(&records), [3]);
    assert_eq!(records[0].kind, RecordKind::Leave);
    let message = two.world.message(two.room, joined, 2, b"hello?");
    assert_eq!(code(wire.ask(Request::Append(message)).await), RefusalCode::NotAMember);
    assert!(wire.events.is_empty(), "{:?}", wire.events);
}

#[tokio::test]
async fn a_device_that_joins_anew_reads_on_after_the_gap() {
    let mut two = Two::new().await;
    let eve = two.world.user("eve").await;
    let mut eves = Wire::log_in(&two.world, &eve).await;
    let joined = append(&mut eves, two.world.join(two.room, two.joined, &eve)).await;
    append(&mut eves, two.world.leave(two.room, joined, &eve)).await;
    append(&mut two.alice, two.world.message(two.room, joined, 1, b"not for eve")).await;
    let mut again = two.world.join(two.room, joined, &eve);
    again.message_id.0[0] = 9;
    append(&mut eves, again).await;
    eves.follow(two.room, joined).await;
    assert_eq!(sequences(&eves.records(two.room, 2).await), [3, 5]);
}

#[tokio::test]
async fn a_welcome_comes_live_and_at_each_login_until_it_is_acknowledged() {
    let mut two = Two::new().await;
    let carol = two.world.user("carol").await;
    let mut live = Wire::log_in(&two.world, &carol).await;
    let statement = Statement { joined: vec![carol.id], ..Statement::default() };
    let welcome = Welcome { device: carol.id, message: b"welcome".to_vec().into() };
    let added =
        append(&mut two.alice, two.world.commit(two.room, two.joined, &statement, vec![welcome])).await;
    let mut received = Vec::new();
    let mut later = Wire::log_in(&two.world, &carol).await;
    for wire in [&mut live, &mut later] {
        match wire.event().await {
            Event::Welcome(welcome) => received.push(welcome),
            other => panic!("{other:?}"),
        }
    }
    for welcome in &received {
        assert_eq!((welcome.room, welcome.base), (two.room, two.world.base(added)));
        assert_eq!(welcome.welcome.as_slice(), b"welcome");
    }
    let acknowledge = AcknowledgeWelcome { room: two.room, sequence: added.sequence, joined: true };
    assert_eq!(live.ask(Request::AcknowledgeWelcome(acknowledge)).await, Ok(Response::Done));
    let (mut last, logged_in) = Wire::try_log_in(&two.world, &carol).await.unwrap();
    assert_eq!(logged_in.rooms.len(), 1);
    assert_eq!(last.ask(Request::Ping).await, Ok(Response::Done));
    last.follow(two.room, added).await;
    assert!(matches!(last.event().await, Event::Page(_)), "no Welcome before it");
}

#[tokio::test]
async fn commits_are_counted_per_device_and_room_and_messages_are_not() {
    let mut config = config();
    config.limits.commits_per_minute = 3;
    let mut two = Two::in_world(World::with(&config).await).await;
    let mut base = two.joined;
    for _ in 0..3 {
        base =
            append(&mut two.alice, two.world.commit(two.room, base, &Statement::default(), Vec::new())).await;
    }
    let fourth = two.world.commit(two.room, base, &Statement::default(), Vec::new());
    let refusal = two.alice.ask(Request::Append(fourth.clone())).await.unwrap_err();
    assert_eq!(refusal.code, Some(RefusalCode::RateLimited));
    assert!(refusal.retry_after.is_some_and(|wait| (1..=20_001).contains(&wait)), "{refusal:?}");
    append(&mut two.alice, two.world.message(two.room, base, 1, b"still here")).await;
    append(&mut two.bob, fourth).await;
}

#[tokio::test]
async fn requests_of_one_account_are_counted() {
    let mut config = config();
    config.limits.requests_per_second = 1;
    let world = World::with(&config).await;
    let (alice, carol) = (world.user("alice").await, world.user("carol").await);
    let (mut alices, mut carols) = (Wire::log_in(&world, &alice).await, Wire::log_in(&world, &carol).await);
    let mut refused = 0;
    for _ in 0..20 {
        refused += usize::from(alices.ask(Request::Ping).await.is_err());
    }
    assert!((8..=10).contains(&refused), "{refused}");
    assert_eq!(carols.ask(Request::Ping).await, Ok(Response::Done));
}

/// Many requests at once, in one round: the appends of one connection are stored in the order they were sent.
async fn pipelined(world: World) {
    const COUNT: u64 = 300;
    let mut two = Two::in_world(world).await;
    two.bob.follow(two.room, two.joined).await;
    let sender = async {
        let mut ids = Vec::new();
        for number in 1..=COUNT {
            let message = two.world.message(two.room, two.joined, number, &number.to_be_bytes());
            ids.push(two.alice.send(Request::Append(message)).await);
        }
        for (id, number) in ids.into_iter().zip(1..) {
            let answer = two.alice.answer(id).await;
            let Ok(Response::Appended(Appended::Stored { position, .. })) = answer else {
                panic!("{answer:?}")
            };
            assert_eq!(position.sequence, two.joined.sequence + number);
        }
    };
    let records = two.bob.records(two.room, COUNT as usize);
    let (records, ()) = tokio::join!(records, sender);
    for (record, number) in records.iter().zip(1u64..) {
        assert_eq!(record.sequence, two.joined.sequence + number);
        assert_eq!(mls::body(record.kind, &record.payload), number.to_be_bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_one_connection_keep_their_order() {
    pipelined(World::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_one_connection_keep_their_order_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("server.db")).unwrap();
    pipelined(World::on(&config(), Arc::new(store)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_comes_and_goes_gets_each_record_exactly_once() {
    const COUNT: usize = 2000;
    let mut two = Two::new().await;
    let bobby = {
        let identity = IdentityKey::generate();
        let registered = two.world.register(&identity, "rover", None).await.unwrap();
        let device = two.world.device(identity, &registered, Did([1; 10]), DeviceKey::generate());
        two.world.enrol(&device).await.unwrap();
        device
    };
    let mut wire = Wire::log_in(&two.world, &bobby).await;
    let joined = append(&mut wire, two.world.join(two.room, two.joined, &bobby)).await;
    let (world, room) = (&two.world, two.room);
    let sender = async {
        for number in 0..COUNT as u64 {
            append(&mut two.alice, world.message(room, joined, number, &[])).await;
        }
    };
    let reader = async {
        let (mut at, mut count) = (joined, 0);
        while count < COUNT {
            let mut wire = Wire::log_in(world, &bobby).await;
            wire.follow(room, at).await;
            // Some pages, then the connection is torn in the middle of whatever is under way.
            for _ in 0..5 {
                if count == COUNT {
                    break;
                }
                for bytes in wire.page().await.records {
                    let record = Record::from_bytes(&bytes).unwrap();
                    assert_eq!(record.sequence, at.sequence + 1);
                    at = Position { sequence: record.sequence, chain: at.chain.then(&bytes) };
                    count += 1;
                }
            }
        }
        at
    };
    let ((), at) = tokio::join!(sender, reader);
    assert_eq!(two.world.store.chain_at(room, at.sequence).await.unwrap(), Some(at.chain));
}

#[tokio::test]
async fn unfollowing_stops_the_pages() {
    let mut two = Two::new().await;
    two.bob.follow(two.room, two.joined).await;
    two.bob.page().await;
    assert_eq!(two.bob.ask(Request::Unfollow(two.room)).await, Ok(Response::Done));
    append(&mut two.alice, two.world.message(two.room, two.joined, 1, b"unheard")).await;
    assert_eq!(two.bob.ask(Request::Ping).await, Ok(Response::Done));
    assert!(two.bob.events.is_empty());
}
