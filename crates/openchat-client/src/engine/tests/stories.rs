//! What people do: create, join, talk, add, remove, leave.

use std::time::Duration;

use super::world::{ALICE, BOB, CAROL, World, kind};
use crate::command::{Access, Answer, Command, RoomDetails, RoomSuite};
use crate::error::ErrorKind;
use crate::event::{EpochChanged, Event, Membership};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn two_people_talk() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.create(ALICE, "lobby", Access::Listed);
    world.say(ALICE, room, "is anybody here?");
    world.join(BOB, "lobby");
    world.say(BOB, room, "hello alice");
    world.say(ALICE, room, "hello bob");

    assert_eq!(
        world.view(ALICE, room),
        ["alice created", "alice: is anybody here?", "bob joined", "bob: hello alice", "alice: hello bob"]
    );
    assert_eq!(world.view(BOB, room), ["bob joined", "bob: hello alice", "alice: hello bob"]);
    assert_eq!(world.epoch(ALICE, room), world.epoch(BOB, room));
}

#[test]
fn what_has_come_meanwhile_is_taken_in_together_and_its_keys_are_written_once() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    for number in 1..=5 {
        world.begin(BOB, Command::Send { room, text: number.to_string() });
    }
    while world.exchange(BOB) {}
    assert!(world.clients[ALICE].incoming.len() >= 5, "each came in a frame of its own");
    assert_eq!(world.hear_all(ALICE), 1);
    assert_eq!(world.said(ALICE, room), ["bob: 1", "bob: 2", "bob: 3", "bob: 4", "bob: 5"]);
    let shown = world.clients[ALICE].events.iter().filter(|it| matches!(it, Event::Line(_))).count();
    assert!(shown >= 5, "each is told of: {shown}");
    world.restart(ALICE);
    world.connect(ALICE);
    world.settle();
    world.say(BOB, room, "6");
    world.say(ALICE, room, "7");
    assert_eq!(world.said(ALICE, room)[5..], ["bob: 6", "alice: 7"]);
    assert_eq!(world.said(BOB, room), world.said(ALICE, room));
}

#[test]
fn members_are_named_by_their_certificates() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.lobby();
    let Ok(Answer::Members(mut members)) = world.ask(CAROL, Command::Members { room }) else { panic!() };
    members.sort_by_key(|member| member.person.to_string());
    let names: Vec<_> = members.iter().map(|member| member.person.to_string()).collect();
    assert_eq!(names, ["alice", "bob", "carol"]);
    assert_eq!(members.iter().map(|it| it.is_admin).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(members.iter().map(|it| it.is_me).collect::<Vec<_>>(), [false, false, true]);
    let nameless = |event: &Event| matches!(event, Event::Line(line) if line.author.name.is_none());
    assert!(!world.clients[CAROL].events.iter().any(nameless), "events wait for names");
}

#[test]
fn a_room_tells_how_it_is_encrypted_and_for_whom_without_a_connection() {
    let mut world = World::of(&["alice", "bob"]);
    for suite in [RoomSuite::PostQuantum, RoomSuite::Interoperable] {
        let name = format!("{suite:?}").to_lowercase();
        let create = Command::CreateRoom { name: name.parse().unwrap(), access: Access::Listed, suite };
        let Ok(Answer::Room(room)) = world.ask(ALICE, create) else { panic!() };
        world.join(BOB, &name);
        world.disconnect(BOB);
        world.restart(BOB);
        for (client, is_admin) in [(ALICE, true), (BOB, false)] {
            let Ok(Answer::Details(details)) = world.ask(client, Command::Details { room }) else { panic!() };
            let RoomDetails { members, .. } = &*details;
            assert_eq!(members.len(), 2);
            assert_eq!(Some(details.epoch), world.epoch(ALICE, room));
            assert_eq!((details.room, details.suite, details.is_admin), (room, suite, is_admin));
        }
        world.connect(BOB);
        world.settle();
        world.ask(BOB, Command::LeaveRoom { room }).unwrap();
        world.pass(MINUTE);
        let out = world.ask(BOB, Command::Details { room });
        assert_eq!(kind(out), Err(ErrorKind::Refused), "no keys, no details");
    }
}

#[test]
fn who_is_called_by_name_is_told_so_until_it_was_read() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.say(BOB, room, "@alice: are you there?");
    world.say(ALICE, room, "@bob: yes, @alice is here");
    world.say(BOB, room, "fine");
    let overview = |world: &World, client| world.overviews(client).remove(0);
    let alice = overview(&world, ALICE);
    assert_eq!((alice.unread, alice.mentions), (2, 1));
    assert_eq!(Some(alice.latest), world.lines(ALICE, room).last().map(|line| line.time));
    assert_eq!(overview(&world, BOB).mentions, 1);
    world.ask(ALICE, Command::MarkRead { room, sequence: alice.head }).unwrap();
    let alice = overview(&world, ALICE);
    assert_eq!((alice.unread, alice.mentions), (0, 0));
}

#[test]
fn the_epochs_that_were_told_are_there_after_a_restart() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.create(ALICE, "secret", Access::Private);
    for name in ["bob", "carol"] {
        world.ask(ALICE, Command::AddMember { room, name: name.parse().unwrap() }).unwrap();
    }
    world.ask(ALICE, Command::RemoveMember { room, name: "bob".parse().unwrap() }).unwrap();
    world.ask(CAROL, Command::UpdateKeys { room }).unwrap();
    let device = |client: usize| world.clients[client].device;
    let (alice, bob, carol) = (device(ALICE), device(BOB), device(CAROL));
    for client in [ALICE, BOB, CAROL] {
        let told = world.clients[client].events.iter();
        let told: Vec<_> =
            told.filter_map(|it| if let Event::Epoch(it) = it { Some(it.clone()) } else { None }).collect();
        world.restart(client);
        assert_eq!(world.epochs(client, room), told, "client {client}");
    }
    let what = |it: EpochChanged| (it.epoch, it.by.to_string(), it.joined, it.removed);
    let epochs: Vec<_> = world.epochs(ALICE, room).into_iter().map(what).collect();
    assert_eq!(
        epochs,
        [
            (0, "alice".to_owned(), vec![alice], vec![]),
            (1, "alice".to_owned(), vec![bob], vec![]),
            (2, "alice".to_owned(), vec![carol], vec![]),
            (3, "alice".to_owned(), vec![], vec![bob]),
            (4, "carol".to_owned(), vec![], vec![]),
        ]
    );
    let seen = world.epochs(BOB, room).into_iter().map(|it| it.epoch).collect::<Vec<_>>();
    assert_eq!(seen, [1, 2, 3], "from his coming to his going");
    assert!(world.epochs(ALICE, room).is_sorted_by_key(|it| (it.sequence, it.time)));
}

#[test]
fn who_leaves_is_removed_and_reads_nothing_more() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.lobby();
    let before = world.epoch(ALICE, room);
    assert_eq!(world.ask(BOB, Command::LeaveRoom { room }), Ok(Answer::Done));
    world.pass(MINUTE);
    assert_eq!(world.epoch(ALICE, room), before.map(|epoch| epoch + 1), "one commit, by one of them");
    assert_eq!(world.epoch(CAROL, room), world.epoch(ALICE, room));
    world.say(ALICE, room, "he is gone");
    assert_eq!(world.view(BOB, room).last().unwrap(), "bob left");
    assert_eq!(world.view(CAROL, room)[1..], ["bob left", "alice: he is gone"]);
    assert_eq!(world.epoch(BOB, room), None, "no keys are left");
    let again = world.ask(BOB, Command::Send { room, text: "hello?".into() });
    assert_eq!(kind(again), Err(ErrorKind::Refused));
}

#[test]
fn nothing_is_said_to_those_who_left() {
    // Whoever's turn it is to remove bob, one of these two speaks before the other has done it.
    for (speaker, away) in [(ALICE, CAROL), (CAROL, ALICE)] {
        let mut world = World::of(&["alice", "bob", "carol"]);
        let room = world.lobby();
        let epoch = world.epoch(speaker, room).unwrap();
        world.disconnect(away);
        world.begin(BOB, Command::LeaveRoom { room });
        world.settle();
        world.begin(speaker, Command::Send { room, text: "now".into() });
        world.settle();
        assert_eq!(world.epoch(speaker, room), Some(epoch + 1));
        world.connect(away);
        world.settle();
        let view = world.view(away, room);
        assert!(view[view.len() - 2] == "bob left" && view[view.len() - 1].ends_with(": now"), "{view:?}");
    }
}

#[test]
fn when_one_member_is_away_another_removes_who_left() {
    for away in [ALICE, CAROL] {
        let mut world = World::of(&["alice", "bob", "carol"]);
        let room = world.lobby();
        world.disconnect(away);
        let epoch = world.epoch(ALICE + CAROL - away, room).unwrap();
        world.ask(BOB, Command::LeaveRoom { room }).unwrap();
        world.pass(MINUTE);
        assert_eq!(world.epoch(ALICE + CAROL - away, room), Some(epoch + 1));
    }
}

#[test]
fn who_left_may_come_back() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.say(ALICE, room, "one");
    world.ask(BOB, Command::LeaveRoom { room }).unwrap();
    world.pass(MINUTE);
    world.say(ALICE, room, "two");
    world.join(BOB, "lobby");
    world.say(ALICE, room, "three");
    let bob = ["bob joined", "alice: one", "bob left", "bob joined", "alice: three"];
    assert_eq!(world.view(BOB, room), bob);
}

#[test]
fn a_private_room_lets_in_whom_a_member_adds_even_while_away() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.create(ALICE, "secret", Access::Private);
    assert!(!world.server.rooms[&room].is_member(world.clients[BOB].device));
    let by_name = world.ask(BOB, Command::JoinRoom { name: "secret".parse().unwrap() });
    assert_eq!(kind(by_name), Err(ErrorKind::NotFound), "the server does not know its name");

    world.disconnect(BOB);
    let packages = world.server.key_packages[&(world.clients[BOB].device, 0xF0C1)].one_time.len();
    let add = Command::AddMember { room, name: "bob".parse().unwrap() };
    assert_eq!(world.ask(ALICE, add.clone()), Ok(Answer::Done));
    world.say(ALICE, room, "welcome");
    world.clients[BOB].events.clear();
    world.connect(BOB);
    world.settle();
    assert_eq!(world.view(BOB, room), ["alice added bob", "alice: welcome"]);
    assert_eq!(world.clients[BOB].events.last(), Some(&Event::CaughtUp), "not before the Welcome");
    world.pass(MINUTE);
    world.say(BOB, room, "thank you");
    assert_eq!(world.said(ALICE, room), ["alice: welcome", "bob: thank you"]);
    assert_eq!(world.server.key_packages[&(world.clients[BOB].device, 0xF0C1)].one_time.len(), packages - 1);
    assert_eq!(world.seen("acknowledge welcome"), 1);
    assert_eq!(kind(world.ask(ALICE, add)), Err(ErrorKind::Refused), "he is in already");
}

#[test]
fn a_member_is_removed_and_added_again() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.create(ALICE, "secret", Access::Private);
    let name = || "bob".parse().unwrap();
    world.ask(ALICE, Command::AddMember { room, name: name() }).unwrap();
    let mutiny = world.ask(BOB, Command::RemoveMember { room, name: "alice".parse().unwrap() });
    assert_eq!(kind(mutiny), Err(ErrorKind::Refused), "only an administrator removes others");
    world.disconnect(BOB);
    world.ask(ALICE, Command::RemoveMember { room, name: name() }).unwrap();
    world.say(ALICE, room, "without bob");
    world.ask(ALICE, Command::AddMember { room, name: name() }).unwrap();
    world.say(ALICE, room, "with bob");
    world.connect(BOB);
    world.pass(MINUTE);
    let bob = ["alice added bob", "alice removed bob", "alice added bob", "alice: with bob"];
    assert_eq!(world.view(BOB, room), bob);
}

#[test]
fn a_removal_takes_effect_at_once() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.lobby();
    world.ask(ALICE, Command::RemoveMember { room, name: "bob".parse().unwrap() }).unwrap();
    assert!(!world.server.rooms[&room].is_member(world.clients[BOB].device));
    world.say(CAROL, room, "who was that?");
    assert_eq!(world.view(BOB, room).last().unwrap(), "alice removed bob");
    assert_eq!(world.view(ALICE, room)[3..], ["alice removed bob", "carol: who was that?"]);
    let removed = Event::Room { room, name: "lobby".parse().unwrap(), membership: Membership::Removed };
    assert!(world.clients[BOB].events.contains(&removed));
}

#[test]
fn what_is_said_offline_is_sent_later_in_its_order() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.disconnect(ALICE);
    world.say(ALICE, room, "one");
    world.say(ALICE, room, "two");
    assert_eq!(world.said(ALICE, room), ["alice: one (Pending)", "alice: two (Pending)"]);
    world.restart(ALICE);
    world.connect(ALICE);
    world.settle();
    assert_eq!(world.said(ALICE, room), ["alice: one", "alice: two"]);
    assert_eq!(world.said(BOB, room), world.said(ALICE, room));
}

#[test]
fn who_was_away_catches_up_in_pages() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.disconnect(BOB);
    let texts: Vec<_> = (0..11).map(|number| format!("alice: {number}")).collect();
    for number in 0..11 {
        world.say(ALICE, room, &number.to_string());
    }
    world.restart(BOB);
    world.clients[BOB].events.clear();
    world.connect(BOB);
    world.settle();
    assert_eq!(world.said(BOB, room), texts);
    let events = &world.clients[BOB].events;
    let lines = events.iter().filter(|event| matches!(event, Event::Line(_))).count();
    assert_eq!((lines, events.last()), (11, Some(&Event::CaughtUp)));
}

#[test]
fn keys_change_by_themselves_within_eight_days() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let epoch = world.epoch(ALICE, room).unwrap();
    world.pass(6 * DAY);
    assert_eq!(world.epoch(ALICE, room), Some(epoch), "not before their time");
    world.pass(2 * DAY);
    assert_eq!(world.epoch(ALICE, room), Some(epoch + 2), "both have changed theirs");
    assert_eq!(world.epoch(BOB, room), world.epoch(ALICE, room));
}

#[test]
fn key_packages_are_kept_in_stock() {
    let mut world = World::of(&["alice", "bob"]);
    let bob = world.clients[BOB].device;
    let stock = world.server.key_packages.get_mut(&(bob, 0xF0C1)).unwrap();
    assert_eq!((stock.one_time.len(), stock.last_resort.is_some()), (50, true));
    stock.one_time.truncate(3);
    world.disconnect(BOB);
    world.connect(BOB);
    world.settle();
    assert_eq!(world.server.key_packages[&(bob, 0xF0C1)].one_time.len(), 53);
}

#[test]
fn what_needs_the_server_says_so_when_there_is_none() {
    let mut world = World::of(&["alice"]);
    world.disconnect(ALICE);
    for command in [Command::ListRooms, Command::JoinRoom { name: "lobby".parse().unwrap() }] {
        assert_eq!(kind(world.ask(ALICE, command)), Err(ErrorKind::Network));
    }
}

#[test]
fn who_may_not_remove_somebody_is_told_in_names() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.lobby();
    let mut remove = |client, name: &str| {
        let error = world.ask(client, Command::RemoveMember { room, name: name.parse().unwrap() });
        let error = error.unwrap_err();
        (error.kind(), error.to_string(), error.help().unwrap_or_default().to_owned())
    };
    let only_alice = "only alice may remove people from #lobby".to_owned();
    assert_eq!(remove(BOB, "carol"), (ErrorKind::Refused, only_alice, "ask alice".to_owned()));
    let (kind, what, help) = remove(ALICE, "carrol");
    assert_eq!((kind, what.as_str()), (ErrorKind::NotFound, "there is no carrol in #lobby"));
    assert_eq!(help, "did you mean carol?");
    let (_, what, help) = remove(ALICE, "zebra");
    assert_eq!(what, "there is no zebra in #lobby");
    assert!(!help.contains("mean"), "{help}");
    assert!(remove(ALICE, "alice").1.contains("leave"), "nobody is expected to know the rules of leaves");
}

#[test]
fn a_link_names_the_address_that_the_host_has_set() {
    let mut world = World::of(&["alice"]);
    let invite = Command::CreateInvite { valid: MINUTE, uses: 1, room: None };
    let link = |world: &mut World| match world.ask(ALICE, invite.clone()) {
        Ok(Answer::Invite(link)) => link,
        other => panic!("{other:?}"),
    };
    let own = link(&mut world);
    world.server.address = Some("[2001:db8::7]:7443".parse().unwrap());
    world.disconnect(ALICE);
    world.connect(ALICE);
    world.settle();
    assert!(!own.contains("2001:db8"), "{own}");
    assert!(link(&mut world).starts_with("openchat://[2001:db8::7]:7443/#"));
}

#[test]
fn a_message_that_is_too_long_is_told_with_both_lengths() {
    let mut world = World::of(&["alice"]);
    let room = world.create(ALICE, "lobby", Access::Listed);
    let error = world.ask(ALICE, Command::Send { room, text: "x".repeat(50_000) }).unwrap_err();
    assert!(error.to_string().contains("50000") && error.to_string().contains("49152"), "{error}");
    world.say(ALICE, room, &"x".repeat(49_152));
}

#[test]
fn a_private_room_for_other_mls_programs_takes_people_in() {
    let mut world = World::of(&["alice", "bob"]);
    let (name, access) = ("den".parse().unwrap(), Access::Private);
    let create = Command::CreateRoom { name, access, suite: RoomSuite::Interoperable };
    let Ok(Answer::Room(room)) = world.ask(ALICE, create) else { panic!("no room") };
    world.disconnect(BOB);
    world.ask(ALICE, Command::AddMember { room, name: "bob".parse().unwrap() }).unwrap();
    world.say(ALICE, room, "hello");
    world.connect(BOB);
    world.pass(MINUTE);
    assert_eq!(world.view(BOB, room), ["alice added bob", "alice: hello"]);
}
