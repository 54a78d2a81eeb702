//! Joiners that are given a useless group, or one in which nobody is; and what may be said in the meantime.

use std::time::Duration;

use openchat_protocol::append::GroupSnapshot;
use openchat_protocol::record::RecordKind;
use openchat_protocol::tree::Tree;
use openchat_protocol::{Refusal, RefusalCode, RoomId};

use super::trouble::copy_files;
use super::world::{ALICE, BOB, CAROL, World, kind};
use crate::command::{Access, Answer, Command};
use crate::error::ErrorKind;
use crate::event::Event;

const MINUTE: Duration = Duration::from_secs(60);

fn send(room: RoomId, text: &str) -> Command {
    Command::Send { room, text: text.into() }
}

fn add(room: RoomId, name: &str) -> Command {
    Command::AddMember { room, name: name.parse().unwrap() }
}

fn join_lobby() -> Command {
    Command::JoinRoom { name: "lobby".parse().unwrap() }
}

/// The server gives joiners `group`, as if `author` had made it.
fn poison(world: &mut World, room: RoomId, author: usize, group: GroupSnapshot) {
    let by = world.clients[author].device.uid;
    let fake = world.server.rooms.get_mut(&room).unwrap();
    (fake.group, fake.by) = (group, by);
}

/// The group of an epoch that is over: whoever joins by it is alone.
fn stale_group(world: &mut World, room: RoomId) -> GroupSnapshot {
    let group = world.server.rooms[&room].group.clone();
    world.ask(ALICE, Command::UpdateKeys { room }).unwrap();
    group
}

fn useless_group() -> GroupSnapshot {
    GroupSnapshot { group_info: vec![1; 20].into(), tree: Tree::new(vec![vec![2; 20]]) }
}

/// Messages of `author` in the server's log.
fn messages_of(world: &World, room: RoomId, author: usize) -> usize {
    let author = world.clients[author].device;
    let by = world.server.rooms[&room].log.iter().filter(|(record, _)| record.author == author);
    by.filter(|(record, _)| record.kind == RecordKind::Message).count()
}

fn troubles(world: &World, client: usize) -> usize {
    world.clients[client].events.iter().filter(|event| matches!(event, Event::Trouble(_))).count()
}

/// A private room of Alice, Bob and Carol.
fn den(world: &mut World) -> RoomId {
    let room = world.create(ALICE, "den", Access::Private);
    for name in ["bob", "carol"] {
        world.ask(ALICE, add(room, name)).unwrap();
    }
    world.pass(MINUTE);
    room
}

/// Bob is set back to a copy of his data, so that he has to join again; he is not connected.
fn set_back_bob(world: &mut World, room: RoomId) {
    let copy = tempfile::tempdir().unwrap();
    world.disconnect(BOB);
    world.restart_after(BOB, |folder| copy_files(folder, copy.path()));
    world.connect(BOB);
    world.settle();
    world.ask(BOB, Command::UpdateKeys { room }).unwrap();
    world.disconnect(BOB);
    world.restart_after(BOB, |folder| copy_files(copy.path(), folder));
}

#[test]
fn a_joiner_who_was_led_astray_comes_back_and_says_it_again() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.create(ALICE, "lobby", Access::Listed);
    world.join(BOB, "lobby");
    let stale = stale_group(&mut world, room);
    poison(&mut world, room, BOB, stale);
    world.begin(CAROL, join_lobby());
    world.settle();
    world.begin(CAROL, send(room, "hello?"));
    world.pass(MINUTE);
    assert_eq!(world.said(ALICE, room).last().unwrap(), "carol: hello?");
    assert_eq!(world.said(CAROL, room), ["carol: hello?"]);
    world.say(BOB, room, "hello");
    assert_eq!(world.said(CAROL, room), ["carol: hello?", "bob: hello"]);
    let readable = |who| world.said(who, room).into_iter().filter(|it| it == "carol: hello?").count();
    assert_eq!([readable(ALICE), readable(BOB)], [1, 1]);
}

#[test]
fn being_led_astray_survives_a_restart() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.create(ALICE, "lobby", Access::Listed);
    world.join(BOB, "lobby");
    let stale = stale_group(&mut world, room);
    poison(&mut world, room, BOB, stale);
    world.disconnect(ALICE);
    world.disconnect(BOB);
    world.ask(CAROL, join_lobby()).unwrap();
    world.say(CAROL, room, "is anybody here?");
    assert_eq!(world.said(CAROL, room), ["carol: is anybody here?"]);
    world.restart(CAROL);
    assert_eq!(world.said(CAROL, room), ["carol: is anybody here?"]);
    world.connect(CAROL);
    world.connect(ALICE);
    world.pass(MINUTE);
    assert_eq!(world.said(ALICE, room).last().unwrap(), "carol: is anybody here?");
    assert_eq!(world.said(CAROL, room), ["carol: is anybody here?"]);
}

#[test]
fn nothing_is_said_in_a_private_room_before_somebody_is_heard() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = den(&mut world);
    set_back_bob(&mut world, room);
    world.disconnect(ALICE);
    world.disconnect(CAROL);
    let before = messages_of(&world, room, BOB);
    world.connect(BOB);
    world.say(BOB, room, "my secret");
    world.pass(MINUTE);
    assert_eq!(messages_of(&world, room, BOB), before, "nobody has shown to be in these keys");
    assert_eq!(world.said(BOB, room), ["bob: my secret (Pending)"]);
    world.connect(ALICE);
    world.pass(MINUTE);
    assert_eq!(world.said(ALICE, room), ["bob: my secret"]);
    assert_eq!(world.said(BOB, room), ["bob: my secret"]);
}

#[test]
fn what_is_meant_for_a_private_room_never_goes_into_a_forged_one() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = den(&mut world);
    set_back_bob(&mut world, room);
    let stale = stale_group(&mut world, room);
    poison(&mut world, room, CAROL, stale);
    let before = messages_of(&world, room, BOB);
    world.disconnect(ALICE);
    world.disconnect(CAROL);
    world.connect(BOB);
    world.say(BOB, room, "my secret");
    assert_eq!(messages_of(&world, room, BOB), before);
    world.connect(ALICE);
    world.pass(MINUTE);
    assert_eq!(world.view(ALICE, room).last().unwrap(), "bob: my secret", "and no unreadable one before it");
    assert_eq!(world.said(ALICE, room).len(), 1);
}

#[test]
fn a_useless_group_is_replaced_when_a_joiner_asks() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.create(ALICE, "lobby", Access::Listed);
    world.join(BOB, "lobby");
    poison(&mut world, room, BOB, useless_group());
    assert_eq!(kind(world.ask(CAROL, join_lobby())), Ok(Answer::Room(room)));
    world.say(CAROL, room, "hello");
    assert_eq!(world.said(ALICE, room), ["carol: hello"]);
}

#[test]
fn a_newcomer_is_told_when_nobody_can_help_and_tries_again_later() {
    let mut world = World::of(&["alice", "carol"]);
    let (alice, carol) = (0, 1);
    let room = world.create(alice, "lobby", Access::Listed);
    poison(&mut world, room, alice, useless_group());
    world.disconnect(alice);
    let ticket = world.begin(carol, join_lobby());
    world.pass(Duration::from_secs(15));
    assert_eq!(world.answer(carol, ticket).map(kind), Some(Err(ErrorKind::Refused)));
    world.connect(alice);
    world.settle();
    world.ask(alice, Command::UpdateKeys { room }).unwrap();
    assert_eq!(kind(world.ask(carol, join_lobby())), Ok(Answer::Room(room)));
}

#[test]
fn a_room_that_one_was_in_is_not_given_up_for_a_useless_group() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = den(&mut world);
    set_back_bob(&mut world, room);
    poison(&mut world, room, CAROL, useless_group());
    world.disconnect(ALICE);
    world.disconnect(CAROL);
    world.connect(BOB);
    world.pass(10 * MINUTE);
    assert_eq!(troubles(&world, BOB), 1, "said once");
    world.connect(ALICE);
    world.pass(2 * MINUTE);
    world.say(BOB, room, "back");
    assert_eq!(world.said(ALICE, room), ["bob: back"]);
}

#[test]
fn damaged_keys_of_a_private_room_are_replaced_by_coming_in_again() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = den(&mut world);
    world.disconnect(BOB);
    world.damage_keys(BOB, room);
    world.connect(BOB);
    world.pass(MINUTE);
    world.say(BOB, room, "mended");
    assert_eq!(world.said(ALICE, room), ["bob: mended"]);
    assert_eq!(world.view(BOB, room).last().unwrap(), "bob: mended");
}

#[test]
fn a_group_that_is_wanted_again_and_again_is_made_now_and_then() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let epoch = world.epoch(ALICE, room).unwrap();
    for _ in 0..50 {
        world.want_group(ALICE, room);
        world.pass(Duration::from_secs(1));
    }
    let made = world.epoch(ALICE, room).unwrap() - epoch;
    assert!((4..=6).contains(&made), "{made} in 50 s");
}

#[test]
fn nothing_is_said_while_somebody_who_has_left_is_still_in_the_keys() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.disconnect(ALICE);
    world.ask(BOB, Command::LeaveRoom { room }).unwrap();
    world.server.refuse_append = Some(Refusal::new(RefusalCode::Quota, "too many commits"));
    world.connect(ALICE);
    world.say(ALICE, room, "among ourselves");
    world.pass(MINUTE);
    assert_eq!(world.said(ALICE, room), ["alice: among ourselves"]);
    assert_eq!(troubles(&world, ALICE), 1);
    let kinds: Vec<_> = world.server.rooms[&room].log.iter().map(|(record, _)| record.kind).collect();
    assert_eq!(kinds[kinds.len() - 3..], [RecordKind::Leave, RecordKind::Commit, RecordKind::Message]);
}

#[test]
fn an_invitation_that_is_of_no_use_leaves_nobody_half_in() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.create(ALICE, "den", Access::Private);
    world.server.spoil_welcome = true;
    world.ask(ALICE, add(room, "bob")).unwrap();
    world.pass(MINUTE);
    let bob = world.clients[BOB].device;
    assert!(!world.server.rooms[&room].is_member(bob));
    assert_eq!(troubles(&world, BOB), 1);
    world.restart(BOB);
    world.connect(BOB);
    world.pass(MINUTE);
    assert_eq!(kind(world.ask(BOB, send(room, "hello?"))), Err(ErrorKind::NotFound));
}
