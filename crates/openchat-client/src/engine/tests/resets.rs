//! Names that are asked for by another key, with certificates that are renewed before, meanwhile and afterwards.

use std::time::Duration;

use openchat_protocol::account::Account;
use openchat_transparency::body::ResetStep;

use super::world::{ALICE, BOB, CAROL, World};
use crate::command::{Access, Command};
use crate::event::Alarm;
use crate::trust::Trust;

const HOUR: Duration = Duration::from_secs(3600);
/// How long whoever asks has to wait.
const WAIT: Duration = Duration::from_secs(72 * 3600);
/// Longer than between two looks at the log.
const LOOK: Duration = Duration::from_secs(11 * 60);

/// What Mallory's key is under the name of Bob.
fn impostor(world: &World) -> Account {
    Account { name: "bob".parse().unwrap(), ..world.account(CAROL) }
}

fn step(world: &mut World, step: ResetStep) {
    let (account, now) = (impostor(world), world.now);
    world.server.log.reset(&account, step, now);
}

/// The server says that Bob's name is Mallory's.
fn take(world: &mut World) {
    let (account, now) = (impostor(world), world.now);
    world.server.log.issue_name(&account, now);
    world.server.accounts.retain(|known| known.name.as_str() != "bob" && known.uid != account.uid);
    world.server.accounts.push(account);
}

/// Whether Alice takes what the server says of Bob.
fn is_believed(world: &mut World) -> bool {
    let room = world.create(ALICE, "secret", Access::Private);
    world.ask(ALICE, Command::AddMember { room, name: "bob".parse().unwrap() }).is_ok()
}

fn come_back(world: &mut World, client: usize) {
    world.restart(client);
    world.clients[client].events.clear();
    world.connect(client);
    world.settle();
}

#[track_caller]
fn nobody_is_alarmed(world: &World, clients: &[usize]) {
    for client in clients {
        assert_eq!(world.alarms(*client), Vec::<&Alarm>::new(), "client {client}");
    }
}

#[test]
fn a_renewal_neither_hides_a_wish_for_the_name_nor_changes_its_time() {
    use ResetStep::{Asked, Objected};
    for (objects, too_soon) in [(false, Duration::ZERO), (false, HOUR), (true, Duration::ZERO)] {
        let mut world = World::of(&["alice", "bob", "mallory"]);
        world.lobby();
        let phone = world.link(BOB);
        world.pass(LOOK);
        world.disconnect(phone);
        let until = world.now.plus(WAIT);
        step(&mut world, Asked);
        world.pass(LOOK);
        let wanted = |objected| Alarm::NameWanted { until, objected, approved: false };
        assert_eq!(world.alarms(BOB), [&wanted(false)]);
        world.renew_identity(BOB);
        if objects {
            step(&mut world, Objected);
        }
        world.pass(LOOK);
        assert_eq!(world.alarms(BOB).last(), Some(&&wanted(objects)));
        // Another device was away for both; and the one that renewed tells of the wish again.
        for client in [BOB, phone] {
            come_back(&mut world, client);
            assert_eq!(world.alarms(client), [&wanted(objects)], "client {client}");
            assert_eq!(world.own_names(client), 3 + u32::from(objects));
        }
        // Any device of hers goes on from there.
        world.disconnect(BOB);
        let place = world.own_names(phone);
        world.renew_identity(phone);
        world.pass(until.since(world.now) - too_soon);
        assert_eq!(world.own_names(phone), place + 1);
        assert_eq!(world.alarms(phone), [&wanted(objects)]);
        nobody_is_alarmed(&world, &[ALICE]);
        take(&mut world);
        let is_lawful = !objects && too_soon.is_zero();
        assert_eq!(is_believed(&mut world), is_lawful, "{objects} {too_soon:?}");
        let moved = world.alarms(ALICE).iter().any(|alarm| matches!(alarm, Alarm::NameMoved { .. }));
        assert_eq!(moved, !is_lawful);
    }
}

#[test]
fn who_gets_a_name_by_a_reset_is_not_alarmed_by_what_was_under_it_before() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.renew_identity(BOB);
    world.pass(LOOK);
    nobody_is_alarmed(&world, &[ALICE, BOB]);
    world.disconnect(ALICE);
    world.disconnect(BOB);
    let old = world.account(BOB);
    let new = world.add_client_after("bob", |world, account| {
        let now = world.now;
        world.server.log.reset(account, ResetStep::Asked, now);
        world.pass(WAIT);
        let now = world.now;
        world.server.log.retire(&old, now);
        world.server.accounts.retain(|known| known.uid != old.uid);
    });
    world.server.accounts.push(old);
    world.connect(new);
    world.pass(LOOK);
    nobody_is_alarmed(&world, &[new]);
    assert_eq!(world.own_names(new), 4, "a certificate, a renewal, a wish, and its own");
    world.renew_identity(new);
    world.pass(LOOK);
    come_back(&mut world, new);
    world.pass(LOOK);
    nobody_is_alarmed(&world, &[new]);
    assert_eq!(world.own_names(new), 5);

    // Alice was away for all of it.
    come_back(&mut world, ALICE);
    world.pass(LOOK);
    nobody_is_alarmed(&world, &[ALICE]);
    world.join(new, "lobby");
    world.say(new, room, "the same name");
    world.say(ALICE, room, "another key");
    assert_eq!(world.said(ALICE, room), ["bob: the same name", "alice: another key"]);
    assert_eq!(world.said(new, room), ["bob: the same name", "alice: another key"]);
    assert_eq!(world.trust(ALICE, new), Trust::FirstUse);
    let carol = world.add_client("carol");
    world.connect(carol);
    world.settle();
    world.join(carol, "lobby");
    world.say(carol, room, "hello");
    assert_eq!(world.said(new, room).last().unwrap(), "carol: hello");
    nobody_is_alarmed(&world, &[ALICE, carol, new]);
}

/// Wishes and renewals explain themselves, and nothing else.
#[test]
fn a_key_of_somebody_else_is_not_hidden_among_wishes_and_renewals() {
    use ResetStep::{Asked, Denied};
    let foreign = |world: &mut World| {
        let (account, now) = (impostor(world), world.now);
        world.server.log.issue_name(&account, now);
    };
    let as_renewal = |world: &mut World| {
        let (account, now) = (impostor(world), world.now);
        world.server.log.renew(&account, vec![7; 100], now);
    };
    let not_asked_for = |world: &mut World| {
        let (account, now) = (world.account(BOB), world.now);
        world.server.log.renew(&account, vec![7; 100], now);
    };
    let attacks: [&dyn Fn(&mut World); 3] = [&foreign, &as_renewal, &not_asked_for];
    for (number, attack) in attacks.into_iter().enumerate() {
        let mut world = World::of(&["alice", "bob", "mallory"]);
        world.renew_identity(BOB);
        for said in [Asked, Denied] {
            step(&mut world, said);
        }
        world.pass(LOOK);
        nobody_is_alarmed(&world, &[ALICE, BOB]);
        attack(&mut world);
        // Whatever comes behind it.
        step(&mut world, Asked);
        world.pass(LOOK);
        assert!(
            matches!(world.alarms(BOB)[..], [Alarm::OwnKeys { .. }]),
            "{number}: {:?}",
            world.alarms(BOB)
        );
        come_back(&mut world, BOB);
        world.pass(LOOK);
        assert!(world.alarms(BOB).iter().any(|alarm| matches!(alarm, Alarm::OwnKeys { .. })), "{number}");
    }
}
