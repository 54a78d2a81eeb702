//! Rules of what time ends.

use openchat_protocol::Timestamp;
use openchat_protocol::limits::ROOMS_PER_USER;
use openchat_protocol::room::RoomSelector;
use tokio::task::JoinSet;

use super::World;
use super::world::NOW;
use crate::room::{CreateRoomError, LISTED_AFTER_THE_LAST_MEMBER};
use crate::room_log::{PageLimit, ReadError};
use crate::sweep::Swept;
use crate::welcome::WELCOME_LIFE;

/// Sweeps until there is no more to do.
pub(crate) async fn sweep(world: &World, now: Timestamp) -> (usize, usize) {
    let (mut welcomes, mut rooms) = (0, 0);
    loop {
        let swept: Swept = world.store.sweep(now).await.unwrap();
        welcomes += swept.welcomes;
        rooms += swept.rooms;
        if !swept.more {
            return (welcomes, rooms);
        }
    }
}

fn after(moment: Timestamp) -> Timestamp {
    Timestamp(moment.0 + 1)
}

/// All Welcomes of a commit at once. The device stays a member: it may join by itself.
pub async fn a_welcome_is_forgotten_after_its_life(world: &World) {
    let (alice, bob, carol) = (world.user("alice").await, world.user("bob").await, world.user("carol").await);
    let room = world.room(None, alice).await;
    world.add(room, alice, &[bob, carol]).await;
    let mut later = world.commit(room, alice, &[world.device(bob.uid).await], &[]).await;
    later.message_id.0[0] ^= 1;
    world.store.append(later, after(NOW)).await.unwrap();
    let end = NOW.plus(WELCOME_LIFE);
    assert_eq!(sweep(world, end).await, (0, 0));
    assert_eq!(sweep(world, after(end)).await, (2, 0));
    assert_eq!(world.store.next_welcome(bob, 0).await, Ok(None));
    assert!(world.is_member(room, bob).await);
    assert_eq!(sweep(world, after(after(end))).await, (1, 0));
}

/// As if it had never been: its name and its identifier are free.
pub async fn a_room_that_everybody_left_is_forgotten_after_its_time(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let create = world.create(Some("lobby"));
    let room = create.room;
    world.store.create_room(create.clone(), alice, NOW).await.unwrap();
    world.add(room, alice, &[bob]).await;
    world.say(room, alice, "hello").await;
    world.leave(room, bob).await;
    world.leave(room, alice).await;
    let end = NOW.plus(LISTED_AFTER_THE_LAST_MEMBER);
    assert_eq!(sweep(world, end).await, (0, 0));
    assert_eq!(world.sequences(room, alice, 0).await, [1, 2, 3, 4]);
    assert_eq!(sweep(world, after(end)).await, (0, 1));
    assert_eq!(world.join_info(&RoomSelector::Id(room), bob).await, None);
    assert_eq!(world.store.membership(room, alice).await, Ok(None));
    assert_eq!(world.store.read(room, alice, 0, PageLimit::PROTOCOL).await, Err(ReadError::NotAMember));
    assert_eq!(world.store.chain_at(room, 1).await, Ok(None));
    assert_eq!(world.store.next_welcome(bob, 0).await, Ok(None));
    world.store.create_room(create, bob, NOW).await.unwrap();
    assert_eq!(world.sequences(room, bob, 0).await, [0; 0]);
}

/// And one that was left and joined again in time.
pub async fn a_room_with_members_stays_however_quiet(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (quiet, back) = (world.room(Some("quiet"), alice).await, world.room(Some("back"), alice).await);
    world.leave(back, alice).await;
    world.join(back, bob).await;
    let late = Timestamp(NOW.0 * 2);
    assert_eq!(sweep(world, late).await, (0, 0));
    assert_eq!(world.store.list_rooms(late).await.unwrap().len(), 2);
    world.say(quiet, alice, "hello").await;
}

/// Else making rooms and leaving them would fill the disk.
pub async fn rooms_that_were_left_count_until_they_are_swept(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let mut tasks = JoinSet::new();
    for _ in 0..ROOMS_PER_USER {
        let world = world.clone();
        tasks.spawn(async move {
            let room = world.room(None, alice).await;
            world.leave(room, alice).await;
        });
    }
    tasks.join_all().await;
    let create = world.create(None);
    let refused = world.store.create_room(create.clone(), alice, NOW).await;
    assert_eq!(refused, Err(CreateRoomError::TooManyRooms));
    let lobby = world.room(Some("lobby"), bob).await;
    world.join(lobby, alice).await;
    let late = after(NOW.plus(LISTED_AFTER_THE_LAST_MEMBER));
    assert_eq!(sweep(world, late).await, (0, ROOMS_PER_USER));
    world.store.create_room(create, alice, late).await.unwrap();
}
