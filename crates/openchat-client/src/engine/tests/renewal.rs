//! Identity certificates that are renewed: a matter of their owner, and nobody's alarm; and what a server may make of it.

use std::time::Duration;

use super::world::{ALICE, BOB, CAROL, World, kind};
use crate::command::{Access, Command};
use crate::error::ErrorKind;
use crate::event::Alarm;
use crate::trust::Trust;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Longer than between two looks at the log.
const LOOK: Duration = Duration::from_secs(11 * 60);

#[track_caller]
fn nobody_is_alarmed(world: &World) {
    for client in 0..world.clients.len() {
        assert_eq!(world.alarms(client), Vec::<&Alarm>::new(), "client {client}");
    }
}

#[test]
fn a_renewed_identity_goes_to_rooms_and_devices_and_alarms_nobody() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.create(ALICE, "lobby", Access::Listed);
    world.join(BOB, "lobby");
    let phone = world.link(ALICE);
    world.pass(DAY);
    let before = world.clients[phone].credentials().chain[1].clone();
    let epoch = world.epoch(BOB, room).unwrap();
    for renewal in 1..3 {
        world.pass(DAY);
        world.renew_identity(ALICE);
        world.pass(LOOK);
        nobody_is_alarmed(&world);
        let [desk, phone] = [ALICE, phone].map(|client| world.clients[client].credentials().chain.clone());
        assert_eq!(desk[1], world.account(ALICE).identity_certificate);
        assert_eq!(phone[1..], desk[1..], "the phone has learned it from the log, {renewal}");
        assert_ne!(phone[1], before);
    }
    assert!(world.epoch(BOB, room).unwrap() > epoch, "the rooms have it");
    for client in [ALICE, phone, BOB] {
        world.restart(client);
        world.connect(client);
        world.settle();
    }
    world.say(ALICE, room, "the same as ever");
    world.say(phone, room, "and here");
    world.join(CAROL, "lobby");
    world.say(CAROL, room, "hello alice");
    world.say(ALICE, room, "hello carol");
    let said = ["alice: the same as ever", "alice: and here", "carol: hello alice", "alice: hello carol"];
    assert_eq!(world.said(BOB, room), said);
    assert_eq!(world.said(CAROL, room), said[2..]);
    assert_eq!((world.trust(BOB, ALICE), world.trust(CAROL, ALICE)), (Trust::FirstUse, Trust::FirstUse));
    nobody_is_alarmed(&world);
}

#[test]
fn who_comes_when_a_certificate_was_renewed_before_is_not_alarmed() {
    let mut world = World::unconnected(&["alice", "bob"], None);
    world.reissue(ALICE, 2);
    for client in [ALICE, BOB] {
        world.connect(client);
    }
    world.settle();
    let room = world.lobby();
    world.say(ALICE, room, "new here");
    assert_eq!(world.said(BOB, room), ["alice: new here"]);
    nobody_is_alarmed(&world);
    world.renew_identity(ALICE);
    world.pass(LOOK);
    nobody_is_alarmed(&world);
}

/// A certificate of one's own key does not hide what the log has of another key: the key signs for one place only, and for
/// none of which it does not know what is before it.
#[test]
fn a_key_of_somebody_else_is_not_hidden_behind_a_renewal() {
    let unsigned = |world: &mut World| {
        let (alice, now) = (world.account(ALICE), world.now);
        world.server.log.issue_name(&alice, now);
    };
    let with_another_signature = |world: &mut World| {
        let (alice, now) = (world.account(ALICE), world.now);
        world.server.log.renew(&alice, vec![7; 100], now);
    };
    let signed_for_another_place = |world: &mut World| world.reissue(ALICE, 2);
    let attacks: [&dyn Fn(&mut World); 3] = [&unsigned, &with_another_signature, &signed_for_another_place];
    for (number, attack) in attacks.into_iter().enumerate() {
        let mut world = World::of(&["alice", "mallory"]);
        let (now, mut impostor) = (world.now, world.account(BOB));
        impostor.name = "alice".parse().unwrap();
        world.server.log.issue_name(&impostor, now);
        attack(&mut world);
        world.pass(LOOK);
        let alarms = world.alarms(ALICE);
        assert!(matches!(alarms[..], [Alarm::OwnKeys { .. }]), "{number}: {alarms:?}");
    }
}

/// A server that does not say what the new record is gets a moment, and no more.
#[test]
fn a_record_under_the_own_name_that_is_left_unexplained_is_an_alarm() {
    let mut world = World::of(&["alice", "mallory"]);
    let (now, mut impostor) = (world.now, world.account(BOB));
    impostor.name = "alice".parse().unwrap();
    world.server.log.issue_name(&impostor, now);
    world.server.hides_accounts = true;
    world.pass(2 * LOOK);
    let is_own = |alarm: &&&Alarm| matches!(alarm, Alarm::OwnKeys { .. });
    assert_eq!(world.alarms(ALICE).iter().filter(is_own).count(), 1, "{:?}", world.alarms(ALICE));
}

#[test]
fn a_certificate_that_its_key_has_not_asked_for_is_believed_by_nobody() {
    let mut world = World::of(&["alice", "bob"]);
    let now = world.now;
    let signed = world.account(BOB);
    world.server.log.renew(&signed, vec![7; 100], now);
    let room = world.create(ALICE, "secret", Access::Private);
    let added = world.ask(ALICE, Command::AddMember { room, name: "bob".parse().unwrap() });
    assert_eq!(kind(added), Err(ErrorKind::Alarm));
    world.pass(LOOK);
    assert!(world.alarms(BOB).iter().any(|alarm| matches!(alarm, Alarm::OwnKeys { .. })));
}
