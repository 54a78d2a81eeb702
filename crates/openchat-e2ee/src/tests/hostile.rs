//! Bytes that somebody made up: never a panic, never a change of the group, never taken for the real thing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use openchat_protocol::tree::Tree;

use super::*;
use crate::key_package::parse;

/// One way to spoil bytes.
#[derive(Debug, Clone)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index, usize),
    Length(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let at = any::<prop::sample::Index>;
    let one = prop_oneof![
        4 => (at(), 1u8..).prop_map(|(at, with)| Damage::Flip(at, with)),
        1 => at().prop_map(Damage::Cut),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        1 => (at(), 1usize..64).prop_map(|(at, count)| Damage::Remove(at, count)),
        1 => at().prop_map(Damage::Length),
    ];
    prop::collection::vec(one, 1..4)
}

fn spoil(bytes: &[u8], damage: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for damage in damage {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        match damage {
            Damage::Flip(at, with) => bytes[at.index(length)] ^= with,
            Damage::Cut(at) => bytes.truncate(at.index(length)),
            Damage::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Damage::Remove(at, count) => {
                let at = at.index(length);
                bytes.drain(at..(at + count).min(length));
            }
            // Looks like a long vector (RFC 9420 §2.1.2).
            Damage::Length(at) => bytes[at.index(length)] = 0xbf,
        }
    }
    bytes
}

/// A room, and one of everything that comes from outside.
struct Fixture {
    world: World,
    records: Vec<Record>,
    key_package: ClaimedKeyPackage,
    welcome: PendingWelcome,
    secrets: HashMap<Vec<u8>, Zeroizing<Vec<u8>>>,
    state: Vec<u8>,
}

fn fixture() -> Fixture {
    let mut world = World::of(3);
    let now = world.now;
    let guest = world.claim(DAVE);
    let payload = world.seal(BOB, "hello");
    let (bob, carol, dave) = (world.id(BOB), world.id(CAROL), world.id(DAVE));
    world.append_raw(bob, RecordKind::Message, payload);
    let update = world.group(BOB).update(now).unwrap();
    world.append_raw(bob, RecordKind::Commit, update.payload);
    let adding = world.group(CAROL).add(std::slice::from_ref(&guest), now).unwrap();
    world.append_raw(carol, RecordKind::Commit, adding.payload.clone());
    let (_, joining) = world.draft_join(DAVE).unwrap();
    world.append_raw(dave, RecordKind::Commit, joining.payload);
    let notice = world.group(BOB).leave_notice().unwrap();
    world.append_raw(bob, RecordKind::Leave, codec::encode(&notice));
    world.group(BOB).discard_commit();
    let gone = world.group(CAROL).leave_notice().unwrap();
    let removal = world.group(BOB).remove(&[], &[gone], now).unwrap();
    world.append_raw(bob, RecordKind::Commit, removal.payload);
    let records = world.records.split_off(world.people[ALICE].read);
    let message = adding.bundle.welcomes[0].message.clone();
    let welcome = PendingWelcome { room: ROOM, base: base(0), welcome: message, tree: adding.tree };
    let secrets = world.people[DAVE].secrets.clone();
    let state = world.group(ALICE).state().unwrap().to_bytes().to_vec();
    Fixture { world, records, key_package: guest, welcome, secrets, state }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() }
}

/// Spoils the node that the damage's bytes fall into. Whether that changed anything.
fn spoil_tree(tree: &mut Tree, damage: &[Damage]) -> bool {
    let mut nodes: Vec<_> = tree.nodes().map(<[u8]>::to_vec).collect();
    let spoiled = spoil(&nodes.concat(), damage);
    // The lengths that are left over, or missing, are the last node's.
    let lengths: Vec<_> = nodes.iter().map(Vec::len).collect();
    let mut rest = &spoiled[..];
    for (node, length) in nodes.iter_mut().zip(lengths) {
        let (part, after) = rest.split_at(length.min(rest.len()));
        (*node, rest) = (part.to_vec(), after);
    }
    nodes.last_mut().unwrap().extend_from_slice(rest);
    let spoiled = Tree::new(nodes);
    let is_other = spoiled != *tree;
    *tree = spoiled;
    is_other
}

/// Proptest would shrink over and over; one clear failure is enough.
fn check(test: impl FnOnce() + std::panic::UnwindSafe) -> Result<(), TestCaseError> {
    catch_unwind(test).map_err(|_| TestCaseError::fail("panicked"))
}

#[test]
fn what_is_not_spoiled_is_taken() {
    let mut fixture = fixture();
    let state = GroupState::from_bytes(&fixture.state).unwrap();
    let alice = fixture.world.people[ALICE].device.clone();
    for record in &fixture.records {
        let opened = alice.load(&state).unwrap().open(record);
        assert!(opened.is_ok(), "{:?}: {opened:?}", record.kind);
    }
    let dave = &fixture.world.people[DAVE].device;
    dave.join_welcome(&fixture.welcome, |id| fixture.secrets.get(id).cloned()).unwrap();
    let now = fixture.world.now;
    fixture.world.group(ALICE).add(&[fixture.key_package], now).unwrap();
}

#[test]
fn spoiled_records_change_nothing() {
    let fixture = fixture();
    let state = GroupState::from_bytes(&fixture.state).unwrap();
    let device = fixture.world.people[ALICE].device.clone();
    let mut group = device.load(&state).unwrap();
    let before = group.state().unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let group = std::cell::RefCell::new(group);
    let outcome = runner.run(&(any::<prop::sample::Index>(), damage()), |(which, damage)| {
        let mut record = which.get(&fixture.records).clone();
        let spoiled = spoil(&record.payload, &damage);
        prop_assume!(spoiled != record.payload[..]);
        record.payload = spoiled.into();
        let opened = catch_unwind(AssertUnwindSafe(|| group.borrow_mut().open(&record)));
        prop_assert!(matches!(opened, Ok(Err(OpenError::Garbage(_)))), "{:?} {:?}", record.kind, opened);
        prop_assert!(group.borrow_mut().state().unwrap() == before, "the group has changed");
        Ok(())
    });
    outcome.unwrap();
    // And it still works.
    let mut group = group.into_inner();
    assert!(matches!(group.open(&fixture.records[0]), Ok(Opened::Message { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_no_record(bytes in prop::collection::vec(any::<u8>(), 0..600), kind in 0u8..3) {
        let mut world = World::of(1);
        let kind = [RecordKind::Message, RecordKind::Commit, RecordKind::Leave][usize::from(kind)];
        let stranger = DeviceId { uid: openchat_protocol::Uid([1; 16]), did: Did([1; 10]) };
        world.append_raw(stranger, kind, bytes.clone());
        let opened = world.read_one(ALICE);
        prop_assert!(matches!(opened, Err(OpenError::Garbage(_))), "{:?}", opened);
        let _ = parse(&bytes);
        prop_assert!(GroupState::from_bytes(&bytes).is_err());
    }
}

#[test]
fn spoiled_invitations_let_nobody_in() {
    let fixture = fixture();
    let device = &fixture.world.people[DAVE].device;
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let outcome = runner.run(&(any::<bool>(), damage()), |(tree, damage)| {
        let mut pending = fixture.welcome.clone();
        if tree {
            prop_assume!(spoil_tree(&mut pending.tree, &damage));
        } else {
            let spoiled = spoil(&pending.welcome, &damage);
            prop_assume!(spoiled != pending.welcome[..]);
            pending.welcome = spoiled.into();
        }
        let joined = catch_unwind(AssertUnwindSafe(|| {
            device.join_welcome(&pending, |id| fixture.secrets.get(id).cloned()).is_ok()
        }));
        prop_assert!(matches!(joined, Ok(false)), "{joined:?}");
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn spoiled_group_information_lets_nobody_join() {
    let fixture = fixture();
    let device = &fixture.world.people[DAVE].device;
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let outcome = runner.run(&(any::<bool>(), damage()), |(tree, damage)| {
        let mut info = fixture.world.join_info();
        if tree {
            prop_assume!(spoil_tree(&mut info.group.tree, &damage));
        } else {
            let spoiled = spoil(&info.group.group_info, &damage);
            prop_assume!(spoiled != info.group.group_info[..]);
            info.group.group_info = spoiled.into();
        }
        let joined = catch_unwind(AssertUnwindSafe(|| device.join_external(&info, None, NOW).is_ok()));
        prop_assert!(matches!(joined, Ok(false)), "{joined:?}");
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn spoiled_key_packages_are_not_added() {
    let mut fixture = fixture();
    let state = fixture.world.group(ALICE).state().unwrap();
    let group = std::cell::RefCell::new(fixture.world.people[ALICE].device.load(&state).unwrap());
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let outcome = runner.run(&damage(), |damage| {
        let spoiled = spoil(&fixture.key_package.key_package, &damage);
        prop_assume!(spoiled != fixture.key_package.key_package[..]);
        let claimed = ClaimedKeyPackage { key_package: spoiled.into(), ..fixture.key_package.clone() };
        let added = catch_unwind(AssertUnwindSafe(|| group.borrow_mut().add(&[claimed], NOW).is_ok()));
        prop_assert!(matches!(added, Ok(false)), "{added:?}");
        Ok(())
    });
    outcome.unwrap();
    group.into_inner().add(&[fixture.key_package], NOW).unwrap();
}

#[test]
fn a_damaged_vault_is_an_error() {
    let fixture = fixture();
    let device = &fixture.world.people[ALICE].device;
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let outcome = runner.run(&damage(), |damage| {
        let spoiled = spoil(&fixture.state, &damage);
        check(AssertUnwindSafe(|| {
            let _ = GroupState::from_bytes(&spoiled).map(|state| device.load(&state).map(|_| ()));
        }))
    });
    outcome.unwrap();
}
