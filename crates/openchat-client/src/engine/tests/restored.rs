//! An older copy of the server's database takes the place of a newer one.

use std::time::Duration;

use openchat_protocol::RoomId;
use openchat_protocol::record::Record;

use super::lost::Backup;
use super::world::{ALICE, BOB, CAROL, World, kind};
use crate::command::{Access, Answer, Command};
use crate::event::{Alarm, Membership};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
const TAKES_BACK: Duration = Duration::from_secs(600);

fn everybody_is_gone(world: &mut World) {
    for client in 0..world.clients.len() {
        if world.clients[client].connected {
            world.disconnect(client);
        }
        world.clients[client].events.clear();
    }
}

fn restore(world: &mut World, copy: &Backup) {
    everybody_is_gone(world);
    world.server.now = world.now;
    world.server.restore(copy, TAKES_BACK);
}

fn log(world: &World, room: RoomId) -> Vec<Record> {
    world.server.rooms[&room].log.iter().map(|(record, _)| record.clone()).collect()
}

fn add(room: RoomId, name: &str) -> Command {
    Command::AddMember { room, name: name.parse().unwrap() }
}

fn restored(world: &World, client: usize) -> bool {
    world.alarms(client).iter().any(|alarm| matches!(alarm, Alarm::ServerRestored { until: Some(_) }))
}

/// Nothing but that the host has restored it.
fn no_other_alarm(world: &World, client: usize) {
    let others = world.alarms(client);
    let others: Vec<_> =
        others.iter().filter(|alarm| !matches!(alarm, Alarm::ServerRestored { .. })).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn what_a_restored_server_has_lost_is_given_back_and_then_all_goes_on() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.say(ALICE, room, "before the copy");
    let copy = world.server.copy();
    world.pass(3 * DAY);
    world.say(BOB, room, "after it");
    world.ask(ALICE, Command::UpdateKeys { room }).unwrap();
    world.say(ALICE, room, "and in new keys");
    let before = log(&world, room);
    restore(&mut world, &copy);
    assert!(log(&world, room).len() + 3 <= before.len());
    world.connect(BOB);
    world.connect(ALICE);
    world.settle();
    assert_eq!(log(&world, room), before, "in their places, with their times");
    world.say(BOB, room, "what waits");
    assert!(world.said(ALICE, room).iter().all(|line| line != "bob: what waits"), "nothing new yet");
    world.pass(2 * TAKES_BACK);
    let said = ["alice: before the copy", "bob: after it", "alice: and in new keys", "bob: what waits"];
    assert_eq!([world.said(ALICE, room), world.said(BOB, room)], [said, said]);
    assert!(restored(&world, ALICE) && restored(&world, BOB));
    no_other_alarm(&world, ALICE);
    no_other_alarm(&world, BOB);
}

#[test]
fn everybody_gives_what_they_have_and_who_is_behind_catches_up() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.lobby();
    world.disconnect(CAROL);
    let copy = world.server.copy();
    world.say(ALICE, room, "one");
    world.disconnect(ALICE);
    world.say(BOB, room, "two");
    let before = log(&world, room);
    restore(&mut world, &copy);
    for client in [CAROL, ALICE] {
        world.connect(client);
    }
    world.pass(MINUTE);
    assert_eq!(log(&world, room), before[..before.len() - 1], "Bob alone has the last one");
    world.connect(BOB);
    world.pass(MINUTE);
    assert_eq!(log(&world, room), before);
    world.pass(TAKES_BACK);
    world.say(CAROL, room, "three");
    let said = ["alice: one", "bob: two", "carol: three"];
    assert_eq!([ALICE, BOB, CAROL].map(|client| world.said(client, room)), [said; 3]);
    [ALICE, BOB, CAROL].into_iter().for_each(|client| no_other_alarm(&world, client));
}

/// A join, an addition, a leave: the server's mirror of the members follows, and joiners get a group anew.
#[test]
fn who_came_and_went_since_the_copy_is_known_again() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let (dave, room) = (3, world.create(ALICE, "lobby", Access::Listed));
    let copy = world.server.copy();
    world.join(BOB, "lobby");
    world.ask(ALICE, add(room, "carol")).unwrap();
    world.pass(MINUTE);
    world.ask(CAROL, Command::LeaveRoom { room }).unwrap();
    world.pass(MINUTE);
    world.say(BOB, room, "hello");
    let before = log(&world, room);
    restore(&mut world, &copy);
    for client in [CAROL, BOB, ALICE] {
        world.connect(client);
    }
    world.pass(2 * TAKES_BACK);
    assert_eq!(log(&world, room)[..before.len()], before);
    let member = |world: &World, client: usize| {
        let device = world.clients[client].device;
        world.server.rooms[&room].is_member(device)
    };
    assert_eq!([ALICE, BOB, CAROL].map(|client| member(&world, client)), [true, true, false]);
    world.connect(dave);
    world.settle();
    assert_eq!(
        kind(world.ask(dave, Command::JoinRoom { name: "lobby".parse().unwrap() })),
        Ok(Answer::Room(room))
    );
    world.pass(MINUTE);
    world.say(dave, room, "I am new");
    assert_eq!(world.said(BOB, room), ["bob: hello", "dave: I am new"]);
}

#[test]
fn a_room_that_is_younger_than_the_copy_is_made_again_by_who_made_it() {
    let mut world = World::of(&["alice", "bob"]);
    let copy = world.server.copy();
    let room = world.create(ALICE, "den", Access::Private);
    world.ask(ALICE, add(room, "bob")).unwrap();
    world.pass(MINUTE);
    world.say(BOB, room, "between us");
    let before = log(&world, room);
    restore(&mut world, &copy);
    world.connect(BOB);
    world.pass(MINUTE);
    assert!(!world.server.rooms.contains_key(&room), "Bob cannot");
    world.connect(ALICE);
    world.pass(2 * TAKES_BACK);
    assert_eq!(log(&world, room)[..before.len()], before);
    world.say(ALICE, room, "as before");
    let said = ["bob: between us", "alice: as before"];
    assert_eq!([world.said(ALICE, room), world.said(BOB, room)], [said, said]);
}

/// Bob has come, and said something, after the copy of a server where Alice was.
fn newcomer_after_the_copy() -> (World, Backup, RoomId, usize) {
    let mut world = World::of(&["alice"]);
    let room = world.create(ALICE, "lobby", Access::Listed);
    world.pass(MINUTE);
    let copy = world.server.copy();
    let bob = world.add_client("bob");
    world.connect(bob);
    world.pass(MINUTE);
    world.join(bob, "lobby");
    world.pass(MINUTE);
    world.say(bob, room, "new here");
    (world, copy, room, bob)
}

#[test]
fn an_account_that_is_younger_than_the_copy_comes_back_by_the_log_of_keys() {
    let (mut world, copy, room, bob) = newcomer_after_the_copy();
    let before = log(&world, room);
    restore(&mut world, &copy);
    world.connect(bob);
    world.connect(ALICE);
    world.pass(2 * TAKES_BACK);
    assert_eq!(log(&world, room)[..before.len()], before);
    world.say(bob, room, "still here");
    assert_eq!(world.said(ALICE, room), ["bob: new here", "bob: still here"]);
    no_other_alarm(&world, ALICE);
    no_other_alarm(&world, bob);
}

/// His friends have what proves that the server knew him.
#[test]
fn an_account_that_is_away_is_given_back_by_its_friends() {
    let (mut world, copy, room, bob) = newcomer_after_the_copy();
    world.say(ALICE, room, "welcome");
    let before = log(&world, room);
    restore(&mut world, &copy);
    world.connect(ALICE);
    world.pass(2 * TAKES_BACK);
    assert_eq!(log(&world, room)[..before.len()], before);
    world.connect(bob);
    world.pass(MINUTE);
    world.say(bob, room, "I was away");
    assert_eq!(world.said(ALICE, room).last().unwrap(), "bob: I was away");
    no_other_alarm(&world, bob);
}

#[test]
fn a_server_that_was_set_back_without_a_word_is_refused_and_nothing_is_given_up() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let copy = world.server.copy();
    world.pass(3 * DAY);
    world.say(BOB, room, "after the copy");
    let before = log(&world, room);
    everybody_is_gone(&mut world);
    world.server.put_back(&copy);
    world.server.log.frozen = true;
    world.connect(ALICE);
    world.connect(BOB);
    world.pass(MINUTE);
    world.say(BOB, room, "does this go out?");
    for client in [ALICE, BOB] {
        let alarms = world.alarms(client);
        assert!(alarms.contains(&&Alarm::LogSetBack { room }), "{alarms:?}");
        assert!(alarms.iter().any(|alarm| matches!(alarm, Alarm::KeyLogRolledBack { .. })), "{alarms:?}");
        assert_eq!(world.overviews(client)[0].membership, Membership::Member);
    }
    assert!(world.seen("give back leaves") > 0, "the server is shown what it has signed");
    assert_eq!(log(&world, room).len(), before.len() - 1);
    restore(&mut world, &copy);
    world.connect(ALICE);
    world.connect(BOB);
    world.pass(2 * TAKES_BACK);
    assert_eq!(log(&world, room)[..before.len()], before);
    assert_eq!(world.said(ALICE, room), ["bob: after the copy", "bob: does this go out?"]);
}

/// Somebody is proven under a newer head, and the connection ends before the leaves up to it have come.
#[test]
fn a_server_that_was_set_back_is_shown_a_note_whose_leaves_nobody_keeps() {
    let mut world = World::of(&["alice", "bob"]);
    world.lobby();
    let copy = world.server.copy();
    let carol = world.add_client("carol");
    world.connect(carol);
    world.settle();
    world.begin(carol, Command::JoinRoom { name: "lobby".parse().unwrap() });
    while world.has_all_leaves(ALICE) {
        assert!(world.exchange(carol) | world.exchange(ALICE), "nothing more comes");
    }
    everybody_is_gone(&mut world);
    world.server.put_back(&copy);
    world.connect(ALICE);
    world.pass(MINUTE);
    let alarms = world.alarms(ALICE);
    assert!(alarms.iter().any(|alarm| matches!(alarm, Alarm::KeyLogRolledBack { .. })), "{alarms:?}");
    assert_eq!(world.seen("give back leaves"), 1);
}

#[test]
fn who_comes_when_others_have_gone_on_is_told_and_loses_nothing() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.lobby();
    let copy = world.server.copy();
    world.disconnect(ALICE);
    world.disconnect(CAROL);
    world.say(BOB, room, "nobody else has read this");
    restore(&mut world, &copy);
    world.connect(ALICE);
    world.connect(CAROL);
    world.pass(2 * TAKES_BACK);
    world.say(ALICE, room, "we go on");
    world.connect(BOB);
    world.pass(MINUTE);
    let alarms = world.alarms(BOB);
    assert!(alarms.contains(&&Alarm::ServerRestored { until: None }), "{alarms:?}");
    assert!(alarms.iter().any(|alarm| matches!(alarm, Alarm::LogDiverged { .. })), "{alarms:?}");
    assert_eq!(world.said(BOB, room), ["bob: nobody else has read this", "diverged"][..1]);
    world.ask(BOB, Command::LeaveRoom { room }).unwrap();
    world.join(BOB, "lobby");
    world.pass(MINUTE);
    world.say(BOB, room, "again");
    assert_eq!(world.said(ALICE, room), ["alice: we go on", "bob: again"]);
    assert_eq!(world.said(BOB, room)[0], "bob: nobody else has read this", "it stays on his disk");
}

/// A message that was acknowledged and whose echo its author has not read is said once, whoever gives it back.
#[test]
fn what_was_under_way_is_said_once() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let copy = world.server.copy();
    world.clients[BOB].answers_are_lost = true;
    world.say(BOB, room, "once");
    assert_eq!(world.said(ALICE, room), ["bob: once"]);
    restore(&mut world, &copy);
    world.restart(BOB);
    world.connect(BOB);
    world.pass(MINUTE);
    world.connect(ALICE);
    world.pass(2 * TAKES_BACK);
    assert_eq!(world.said(ALICE, room), ["bob: once"]);
    assert_eq!(world.said(BOB, room), ["bob: once"]);
    let said = log(&world, room);
    assert_eq!(
        said.iter().filter(|it| it.author == world.clients[BOB].device && it.payload.len() < 1000).count(),
        1
    );
}

/// Who is not known any more keeps trying: the account may be given back.
#[test]
fn an_account_that_a_server_set_back_does_not_know_waits_for_its_host() {
    let mut world = World::of(&["alice"]);
    let copy = world.server.copy();
    let bob = world.add_client("bob");
    world.connect(bob);
    world.pass(MINUTE);
    everybody_is_gone(&mut world);
    world.server.put_back(&copy);
    world.connect(bob);
    world.pass(MINUTE);
    assert!(!world.clients[bob].connected, "refused, and not for good");
    restore(&mut world, &copy);
    world.connect(bob);
    world.pass(MINUTE);
    assert!(world.clients[bob].connected);
    no_other_alarm(&world, bob);
}

/// Where nothing new was said, it is never too late.
#[test]
fn a_quiet_room_takes_back_what_comes_late() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let copy = world.server.copy();
    world.disconnect(ALICE);
    world.say(BOB, room, "nobody else has read this");
    restore(&mut world, &copy);
    world.connect(ALICE);
    world.pass(2 * TAKES_BACK);
    world.connect(BOB);
    world.pass(MINUTE);
    world.say(ALICE, room, "now I have");
    let said = ["bob: nobody else has read this", "alice: now I have"];
    assert_eq!([world.said(ALICE, room), world.said(BOB, room)], [said, said]);
    no_other_alarm(&world, BOB);
}

/// What lies between is held by somebody who never comes: this device says so, and can go.
#[test]
fn who_is_ahead_for_good_is_told_and_may_leave() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let copy = world.server.copy();
    world.disconnect(BOB);
    world.say(ALICE, room, "only Alice has this");
    world.damage_keys(BOB, room);
    world.connect(BOB);
    world.pass(MINUTE);
    world.say(BOB, room, "back with new keys");
    restore(&mut world, &copy);
    world.connect(BOB);
    world.pass(2 * TAKES_BACK);
    let alarms = world.alarms(BOB);
    assert!(alarms.contains(&&Alarm::LogSetBack { room }), "{alarms:?}");
    assert_eq!(world.overviews(BOB)[0].membership, Membership::Member, "nothing is given up");
    world.ask(BOB, Command::LeaveRoom { room }).unwrap();
    assert_eq!(world.overviews(BOB)[0].membership, Membership::Left);
}
