//! What goes wrong: races, crashes, lost keys, and servers and members that misbehave.

use std::path::Path;
use std::time::Duration;

use openchat_protocol::record::{Position, Record, RecordKind};
use openchat_protocol::tree::Tree;
use openchat_protocol::{MessageId, Refusal, RefusalCode, RoomId};

use super::world::{ALICE, BOB, CAROL, World, kind};
use crate::command::{Answer, Command};
use crate::error::ErrorKind;
use crate::event::{Alarm, Delivery, Event};

const MINUTE: Duration = Duration::from_secs(60);

fn send(room: RoomId, text: &str) -> Command {
    Command::Send { room, text: text.into() }
}

#[test]
fn commits_at_the_same_moment_both_take_effect() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.lobby();
    let epoch = world.epoch(ALICE, room).unwrap();
    let tickets: Vec<_> =
        [ALICE, BOB, CAROL].map(|client| (client, world.begin(client, Command::UpdateKeys { room }))).into();
    world.begin(BOB, send(room, "in the middle of it"));
    world.pass(MINUTE);
    for (client, ticket) in tickets {
        assert_eq!(world.answer(client, ticket), Some(Ok(Answer::Done)));
        assert_eq!(world.epoch(client, room), Some(epoch + 3));
        assert_eq!(world.said(client, room), ["bob: in the middle of it"]);
    }
}

#[test]
fn two_join_at_the_same_moment() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.create(ALICE, "lobby", crate::command::Access::Listed);
    let join = || Command::JoinRoom { name: "lobby".parse().unwrap() };
    let (bob, carol) = (world.begin(BOB, join()), world.begin(CAROL, join()));
    world.pass(MINUTE);
    assert_eq!(world.answer(BOB, bob), Some(Ok(Answer::Room(room))));
    assert_eq!(world.answer(CAROL, carol), Some(Ok(Answer::Room(room))));
    world.say(BOB, room, "hello");
    assert_eq!(world.said(CAROL, room), ["bob: hello"]);
}

#[test]
fn a_message_sealed_for_the_epoch_before_is_sealed_again() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    // Both go out before either is answered; whoever is second was too late.
    world.begin(ALICE, Command::UpdateKeys { room });
    world.begin(BOB, send(room, "one"));
    world.begin(BOB, send(room, "two"));
    world.pass(MINUTE);
    assert_eq!(world.said(ALICE, room), ["bob: one", "bob: two"]);
    assert_eq!(world.said(BOB, room), world.said(ALICE, room));
}

#[test]
fn a_crash_between_disk_and_wire_loses_nothing() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.clients[ALICE].die_before_sending = true;
    world.begin(ALICE, send(room, "out of the ashes"));
    world.connect(ALICE);
    world.pass(MINUTE);
    world.say(ALICE, room, "and on");
    assert_eq!(world.said(BOB, room), ["alice: out of the ashes", "alice: and on"]);
    assert_eq!(world.said(ALICE, room), world.said(BOB, room));
}

#[test]
fn a_crash_after_the_server_has_stored_a_message_doubles_nothing() {
    for crash in [true, false] {
        let mut world = World::of(&["alice", "bob"]);
        let room = world.lobby();
        world.clients[ALICE].answers_are_lost = true;
        world.say(ALICE, room, "once");
        assert_eq!(world.said(BOB, room), ["alice: once"]);
        assert_eq!(world.said(ALICE, room), ["alice: once (Pending)"]);
        if crash {
            world.restart(ALICE);
        } else {
            world.disconnect(ALICE);
        }
        world.connect(ALICE);
        world.pass(MINUTE);
        assert_eq!(world.said(ALICE, room), ["alice: once"]);
        world.say(BOB, room, "yes");
        assert_eq!(world.said(ALICE, room), world.said(BOB, room));
    }
}

#[test]
fn a_commit_survives_a_crash_before_and_after_it_is_stored() {
    for stored in [true, false] {
        let mut world = World::of(&["alice", "bob"]);
        let room = world.lobby();
        let epoch = world.epoch(BOB, room).unwrap();
        world.clients[ALICE].answers_are_lost = stored;
        world.clients[ALICE].die_before_sending = !stored;
        world.begin(ALICE, Command::UpdateKeys { room });
        world.settle();
        if stored {
            world.restart(ALICE);
        }
        world.connect(ALICE);
        world.pass(MINUTE);
        assert_eq!(world.epoch(BOB, room), Some(epoch + 1), "stored: {stored}");
        assert_eq!(world.epoch(ALICE, room), Some(epoch + 1));
        world.say(ALICE, room, "still here");
        assert_eq!(world.said(BOB, room), ["alice: still here"]);
    }
}

#[test]
fn joining_and_creating_survive_a_crash() {
    for stored in [true, false] {
        let mut world = World::of(&["alice", "bob"]);
        let crash = |world: &mut World, client: usize, command: Command| {
            world.clients[client].answers_are_lost = stored;
            world.clients[client].die_before_sending = !stored;
            world.begin(client, command);
            world.settle();
            world.restart(client);
            world.connect(client);
            world.pass(MINUTE);
        };
        let name = || "lobby".parse().unwrap();
        let (access, suite) = (crate::command::Access::Listed, crate::command::RoomSuite::default());
        crash(&mut world, ALICE, Command::CreateRoom { name: name(), access, suite });
        let room = *world.server.rooms.keys().next().expect("the room");
        if stored {
            world.join(BOB, "lobby");
        } else {
            // Asking for join information changes nothing on disk: the crash comes with the commit.
            world.clients[BOB].die_before_sending = false;
            world.begin(BOB, Command::JoinRoom { name: name() });
            world.exchange(BOB);
            world.clients[BOB].die_before_sending = true;
            world.settle();
            world.connect(BOB);
            world.pass(MINUTE);
        }
        world.say(BOB, room, "hello");
        assert_eq!(world.said(ALICE, room), ["bob: hello"], "stored: {stored}");
    }
}

pub(super) fn copy_files(from: &Path, to: &Path) {
    for file in ["vault.db", "vault.key"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

#[test]
fn a_device_that_was_restored_from_a_copy_joins_again() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let copy = tempfile::tempdir().unwrap();
    world.disconnect(BOB);
    world.restart_after(BOB, |folder| copy_files(folder, copy.path()));
    world.connect(BOB);
    world.settle();
    world.say(BOB, room, "forgotten");
    world.ask(BOB, Command::UpdateKeys { room }).unwrap();
    world.disconnect(BOB);
    world.restart_after(BOB, |folder| copy_files(copy.path(), folder));
    world.connect(BOB);
    world.pass(MINUTE);
    world.say(BOB, room, "back again");
    world.say(ALICE, room, "good");
    let bob = ["bob joined", "unreadable, by bob", "bob rejoined", "bob: back again", "alice: good"];
    assert_eq!(world.view(BOB, room), bob);
    assert_eq!(world.view(ALICE, room)[3..], ["bob rejoined", "bob: back again", "alice: good"]);
}

#[test]
fn a_message_that_the_server_withholds_is_missed() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.say(ALICE, room, "one");
    world.server.swallow = true;
    world.say(ALICE, room, "two");
    world.say(ALICE, room, "three");
    assert_eq!(world.view(BOB, room)[1..], ["alice: one", "1 of alice missing", "alice: three"]);
    let alarms = world.alarms(ALICE);
    assert!(matches!(alarms[..], [Alarm::LogDiverged { .. }]), "{alarms:?}");
}

#[test]
fn two_histories_of_one_room_are_noticed() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.say(ALICE, room, "one");
    let bob = world.clients[BOB].device;
    world.server.shows_another_log.insert(bob);
    world.say(ALICE, room, "two");
    world.say(ALICE, room, "three");
    let alarms = world.alarms(BOB);
    assert!(matches!(alarms[..], [Alarm::Fork { .. }]), "once, whatever more she says: {alarms:?}");
    assert!(world.alarms(ALICE).is_empty());
}

#[test]
fn another_log_than_before_stops_the_room() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.say(ALICE, room, "one");
    world.disconnect(BOB);
    let fake = world.server.rooms.get_mut(&room).unwrap();
    let (last, _) = fake.log.pop().unwrap();
    let before = fake.head(room);
    let other = Record { message_id: MessageId([9; 16]), ..last };
    let place = Position { sequence: other.sequence, chain: before.chain.then(&other.to_bytes()) };
    fake.take(other, place, None);
    world.connect(BOB);
    world.pass(MINUTE);
    assert!(matches!(world.alarms(BOB)[..], [Alarm::LogDiverged { .. }]));
    assert_eq!(world.view(BOB, room).last().unwrap(), "diverged");
    assert_eq!(kind(world.ask(BOB, send(room, "hello?"))), Err(ErrorKind::Refused));
    world.restart(BOB);
    assert_eq!(kind(world.ask(BOB, send(room, "hello?"))), Err(ErrorKind::Refused), "it is remembered");
}

/// A commit that no member accepts is in the log, and what came with it is what joiners get.
fn append_garbage(world: &mut World, room: RoomId, author: usize) {
    let author = world.clients[author].device;
    let fake = world.server.rooms.get_mut(&room).unwrap();
    let (last, before) = fake.log.last().cloned().unwrap();
    let sequence = before.sequence + 1;
    let (message_id, kind, payload) = (MessageId([9; 16]), RecordKind::Commit, last.payload);
    let record = Record { sequence, time: world.now, author, message_id, kind, payload };
    let position = Position { sequence, chain: before.chain.then(&record.to_bytes()) };
    fake.take(record, position, None);
    fake.group.tree = Tree::new(vec![vec![0; 10]]);
}

#[test]
fn a_garbage_commit_blocks_nobody_and_is_replaced_for_joiners() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.create(ALICE, "lobby", crate::command::Access::Listed);
    world.join(BOB, "lobby");
    append_garbage(&mut world, room, BOB);
    world.say(ALICE, room, "undisturbed");
    world.pass(MINUTE);
    assert_eq!(world.said(BOB, room), ["alice: undisturbed"]);
    world.join(CAROL, "lobby");
    world.say(CAROL, room, "came in");
    assert_eq!(world.said(BOB, room), ["alice: undisturbed", "carol: came in"]);
}

#[test]
fn a_garbage_commit_in_the_way_of_ones_own_delays_it_only() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let epoch = world.epoch(ALICE, room).unwrap();
    let ticket = world.begin(ALICE, Command::UpdateKeys { room });
    append_garbage(&mut world, room, BOB);
    world.pass(MINUTE);
    assert_eq!(world.answer(ALICE, ticket), Some(Ok(Answer::Done)));
    assert_eq!(world.epoch(BOB, room), Some(epoch + 1));
}

#[test]
fn words_that_were_not_sent_outlive_the_membership() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.disconnect(BOB);
    world.say(BOB, room, "too late");
    world.ask(ALICE, Command::RemoveMember { room, name: "bob".parse().unwrap() }).unwrap();
    world.connect(BOB);
    world.pass(MINUTE);
    let view = world.view(BOB, room);
    assert!(view.last().unwrap().starts_with("bob: too late (Failed"), "{view:?}");
    assert_eq!(world.said(ALICE, room), [""; 0]);
}

#[test]
fn keys_of_messages_that_a_restored_device_has_forgotten_are_not_used_twice() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let copy = tempfile::tempdir().unwrap();
    world.disconnect(BOB);
    world.restart_after(BOB, |folder| copy_files(folder, copy.path()));
    world.connect(BOB);
    world.say(BOB, room, "forgotten");
    world.disconnect(BOB);
    world.restart_after(BOB, |folder| copy_files(copy.path(), folder));
    world.connect(BOB);
    world.say(BOB, room, "remembered");
    world.pass(MINUTE);
    assert_eq!(world.view(BOB, room), ["bob joined", "unreadable, by bob", "bob: remembered"]);
    assert_eq!(world.said(ALICE, room), ["bob: forgotten", "bob: remembered"]);
}

#[test]
fn the_server_cannot_have_somebody_else_added() {
    let mut world = World::of(&["alice", "bob", "eve"]);
    let room = world.create(ALICE, "secret", crate::command::Access::Private);
    world.server.claims_instead = Some(world.clients[CAROL].device.uid);
    let add = Command::AddMember { room, name: "bob".parse().unwrap() };
    assert_eq!(kind(world.ask(ALICE, add.clone())), Err(ErrorKind::Alarm));
    assert_eq!(world.epoch(ALICE, room), Some(0), "nobody came in");
    world.server.claims_instead = None;
    assert_eq!(kind(world.ask(ALICE, add)), Ok(Answer::Done));
    assert_eq!(world.epoch(ALICE, room), Some(1));
}

#[test]
fn the_server_cannot_give_somebody_another_name() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.say(BOB, room, "I am bob");
    let bob = world.clients[BOB].device.uid;
    let account = world.server.accounts.iter_mut().find(|account| account.uid == bob).unwrap();
    account.name = "boss".parse().unwrap();
    world.server.log.issue_name(account, world.now);
    let add = Command::AddMember { room, name: "boss".parse().unwrap() };
    assert_eq!(kind(world.ask(ALICE, add)), Err(ErrorKind::Alarm));
    assert_eq!(world.said(ALICE, room), ["bob: I am bob"]);
}

#[test]
fn a_name_that_moves_to_somebody_else_is_an_alarm() {
    let mut world = World::of(&["alice", "bob", "mallory"]);
    let lobby = world.lobby();
    let (bob, mallory) = (world.clients[BOB].device.uid, world.clients[CAROL].device.uid);
    for account in &mut world.server.accounts {
        let name = if account.uid == mallory { "bob" } else { "other" };
        account.name = name.parse().unwrap();
        if account.uid == mallory {
            world.server.log.issue_name(account, world.now);
        }
    }
    let room = world.create(ALICE, "secret", crate::command::Access::Private);
    let answer = world.ask(ALICE, Command::AddMember { room, name: "bob".parse().unwrap() });
    assert_eq!(kind(answer), Err(ErrorKind::Alarm));
    let moved = Alarm::NameMoved { name: "bob".parse().unwrap(), from: bob, to: mallory };
    assert_eq!(world.alarms(ALICE), [&moved]);
    world.say(BOB, lobby, "I am still bob");
    assert_eq!(world.said(ALICE, lobby), ["bob: I am still bob"]);
}

#[test]
fn a_renewed_certificate_reaches_the_rooms() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let epoch = world.epoch(ALICE, room).unwrap();
    world.pass(Duration::from_secs(24 * 3600));
    world.renew_certificate(BOB);
    world.pass(MINUTE);
    assert_eq!(world.epoch(ALICE, room), Some(epoch + 1), "one commit carries it into the room");
    world.restart(BOB);
    world.connect(BOB);
    world.say(BOB, room, "with my new papers");
    assert_eq!(world.said(ALICE, room), ["bob: with my new papers"]);
    assert_eq!(world.epoch(ALICE, room), Some(epoch + 1));
}

#[test]
fn a_refused_message_fails_is_tried_again_and_keeps_nobody_waiting() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.server.refuse_append = Some(Refusal::new(RefusalCode::Quota, "too much"));
    let Ok(Answer::Queued(message)) = world.ask(ALICE, send(room, "one")) else { panic!() };
    let failed = Delivery::Failed { reason: "too much".into() };
    assert!(world.clients[ALICE].events.contains(&Event::Delivery { room, message, delivery: failed }));
    world.say(ALICE, room, "two");
    assert_eq!(world.view(BOB, room)[1..], ["alice: two"], "and nothing is missing before it");
    world.ask(ALICE, Command::Retry { message }).unwrap();
    assert_eq!(world.view(BOB, room)[1..], ["alice: two", "alice: one"]);
    assert_eq!(kind(world.ask(ALICE, Command::Discard { message })), Err(ErrorKind::NotFound));
}

#[test]
fn a_server_in_trouble_is_asked_again_later() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    for code in [RefusalCode::Storage, RefusalCode::RateLimited] {
        world.server.refuse_append = Some(Refusal::new(code, "later"));
        world.begin(ALICE, send(room, "patience"));
        world.settle();
    }
    assert_eq!(world.said(BOB, room), [""; 0]);
    world.pass(MINUTE);
    assert_eq!(world.said(BOB, room), ["alice: patience", "alice: patience"]);
}

#[test]
fn a_silent_server_is_asked_for_a_sign_of_life_then_given_up() {
    let mut world = World::of(&["alice"]);
    world.pass(MINUTE);
    assert!(world.seen("ping") >= 1 && world.clients[ALICE].connected);
    world.clients[ALICE].answers_are_lost = true;
    world.pass(MINUTE);
    assert!(!world.clients[ALICE].connected);
}

#[test]
fn a_commit_that_was_made_for_another_tree_is_made_anew_with_the_whole_one() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.create(ALICE, "lobby", crate::command::Access::Listed);
    world.join(BOB, "lobby");
    let good = world.server.rooms[&room].group.tree.clone();
    world.server.rooms.get_mut(&room).unwrap().group.tree = Tree::new(vec![vec![0; 10]]);
    world.ask(ALICE, Command::UpdateKeys { room }).unwrap();
    assert_eq!(world.server.rooms[&room].group.tree.nodes().len(), good.nodes().len());
    // The one after it brings only what it changes again.
    let before = world.server.rooms[&room].group.tree.clone();
    world.ask(BOB, Command::UpdateKeys { room }).unwrap();
    let after = world.server.rooms[&room].group.tree.clone();
    assert_eq!(after.nodes().zip(before.nodes()).filter(|(now, then)| now == then).count(), 1);
    world.join(CAROL, "lobby");
    world.say(CAROL, room, "came in");
    assert_eq!(world.said(BOB, room), ["carol: came in"]);
}
