//! Rules of rooms, their names and their list.

use openchat_protocol::limits::ROOMS_PER_USER;
use openchat_protocol::record::{Base, Position};
use openchat_protocol::room::{CreateRoom, RoomSelector};
use openchat_protocol::{DeviceId, Did, RoomId, Timestamp};
use tokio::task::JoinSet;

use super::World;
use super::world::NOW;
use crate::room::{CreateRoomError, Interval, LISTED_AFTER_THE_LAST_MEMBER};
use crate::room_log::AppendError;

/// From the first record on.
pub async fn a_creator_is_the_member_of_its_room(world: &World) {
    let alice = world.user("alice").await;
    let create = world.create(Some("lobby"));
    world.store.create_room(create.clone(), alice, NOW).await.unwrap();
    let membership = world.store.membership(create.room, alice).await.unwrap().unwrap();
    assert_eq!(membership.intervals, [Interval { joined_at: 0, ended_at: None }]);
    assert_eq!(membership.head, 0);
    let rooms = world.store.rooms_of(alice).await.unwrap();
    assert_eq!(rooms.len(), 1);
    assert_eq!((rooms[0].room, &rooms[0].name, rooms[0].head), (create.room, &create.name, 0));
    let info = world.join_info(&RoomSelector::Id(create.room), alice).await.unwrap();
    let start = Base { incarnation: world.store.incarnation(), commit: Position::start(create.room) };
    assert_eq!((info.base, info.group, info.name), (start, create.group, create.name));
    let bob = world.user("bob").await;
    assert_eq!(world.store.membership(create.room, bob).await, Ok(None));
    assert_eq!(world.store.rooms_of(bob).await, Ok(vec![]));
    assert_eq!(world.store.membership(RoomId([0; 16]), alice).await, Ok(None));
}

/// The same request again is answered as the first time; nobody else gets the identifier.
pub async fn a_room_is_made_once(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let create = world.create(Some("lobby"));
    world.store.create_room(create.clone(), alice, NOW).await.unwrap();
    world.say(create.room, alice, "hello").await;
    assert_eq!(world.store.create_room(create.clone(), alice, NOW).await, Ok(()));
    assert_eq!(world.sequences(create.room, alice, 0).await, [1], "the room is as it was");
    assert_eq!(world.store.create_room(create.clone(), bob, NOW).await, Err(CreateRoomError::IdTaken));
    let renamed = CreateRoom { name: Some("other".parse().unwrap()), ..create };
    assert_eq!(world.store.create_room(renamed, alice, NOW).await, Err(CreateRoomError::IdTaken));
    let unknown = DeviceId { did: Did([0; 10]), ..alice };
    let refused = world.store.create_room(world.create(None), unknown, NOW).await;
    assert_eq!(refused, Err(CreateRoomError::DeviceUnknown));
}

/// Rooms that look alike are one name; private rooms have none.
pub async fn a_room_name_and_its_look_alikes_are_taken_once(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.room(Some("mike"), alice).await;
    for name in ["mike", "rnike"] {
        let refused = world.store.create_room(world.create(Some(name)), bob, NOW).await;
        assert_eq!(refused, Err(CreateRoomError::NameTaken), "{name}");
    }
    let look_alike = RoomSelector::Name("rnike".parse().unwrap());
    assert_eq!(world.join_info(&look_alike, bob).await, None);
    world.room(None, alice).await;
    world.room(None, bob).await;
}

/// Until then it can be joined again; afterwards it is the new room's.
pub async fn the_name_of_a_room_without_members_is_free(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let old = world.room(Some("lobby"), alice).await;
    world.leave(old, alice).await;
    let selector = RoomSelector::Name("lobby".parse().unwrap());
    let found = async || world.join_info(&selector, bob).await.map(|info| info.room);
    assert_eq!(found().await, Some(old));
    let new = world.room(Some("l0bby"), bob).await;
    assert_eq!(found().await, None, "the old name is gone");
    assert_eq!(world.join_info(&RoomSelector::Id(old), bob).await, None);
    let listed = world.store.list_rooms(NOW).await.unwrap();
    assert_eq!(listed.iter().map(|room| room.room).collect::<Vec<_>>(), [new]);
    let join = world.commit(old, bob, &[bob], &[]).await;
    assert_eq!(world.try_append(join).await, Err(AppendError::NotAMember));
    assert_eq!(world.sequences(old, alice, 0).await, [1], "who was there reads on to its end");
}

/// Members keep a room in the list however quiet it is.
pub async fn a_room_is_listed_for_seven_days_after_its_last_member(world: &World) {
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    let week = NOW.plus(LISTED_AFTER_THE_LAST_MEMBER);
    let after = Timestamp(week.0 + 1);
    let listed = async |now| world.store.list_rooms(now).await.unwrap().len();
    assert_eq!(listed(after).await, 1);
    world.leave(room, alice).await;
    assert_eq!((listed(week).await, listed(after).await), (1, 0));
}

/// Activity is the last record. That a member was connected says nothing about a room.
pub async fn the_list_counts_users_and_shows_the_most_active_first(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let second = world.device(alice.uid).await;
    let lobby = world.room(Some("lobby"), alice).await;
    let other = world.room(Some("other"), bob).await;
    world.add(lobby, alice, &[second, bob]).await;
    world.leave(lobby, bob).await;
    let order = async || {
        let listed = world.store.list_rooms(NOW).await.unwrap();
        listed.iter().map(|r| (r.room, r.members, r.last_activity.0 - NOW.0)).collect::<Vec<_>>()
    };
    world.store.touch_device(second, Timestamp(NOW.0 + 10)).await.unwrap();
    assert_eq!(order().await, [(lobby, 1, 0), (other, 1, 0)]);
    let message = world.message(other, bob, "hello").await;
    world.store.append(message, Timestamp(NOW.0 + 20)).await.unwrap();
    assert_eq!(order().await, [(other, 1, 20), (lobby, 1, 0)]);
}

/// To anybody but the members' own devices a private room does not exist.
pub async fn private_rooms_are_hidden_from_strangers(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(None, alice).await;
    assert_eq!(world.store.list_rooms(NOW).await, Ok(vec![]));
    let id = RoomSelector::Id(room);
    assert_eq!(world.join_info(&id, bob).await, None);
    let second = world.device(alice.uid).await;
    assert!(world.join_info(&id, second).await.is_some(), "another device of a member");
    world.leave(room, alice).await;
    assert_eq!(world.join_info(&id, second).await, None, "of a former member");
}

/// Rooms that were left do not count.
pub async fn rooms_of_a_user_are_limited(world: &World) {
    let alice = world.user("alice").await;
    let first = world.room(None, alice).await;
    let mut tasks = JoinSet::new();
    for _ in 1..ROOMS_PER_USER {
        let (store, create) = (world.store.clone(), world.create(None));
        tasks.spawn(async move { store.create_room(create, alice, NOW).await });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    let one_more = world.create(None);
    let refused = world.store.create_room(one_more.clone(), alice, NOW).await;
    assert_eq!(refused, Err(CreateRoomError::TooManyRooms));
    let bob = world.user("bob").await;
    let room = world.room(Some("lobby"), bob).await;
    let refused = Err(AppendError::TooManyRooms(alice.uid));
    let join = world.commit(room, alice, &[alice], &[]).await;
    assert_eq!(world.try_append(join.clone()).await, refused);
    let added = world.commit(room, bob, &[alice], &[]).await;
    assert_eq!(world.try_append(added).await, refused);
    world.leave(first, alice).await;
    world.append(join).await;
}
