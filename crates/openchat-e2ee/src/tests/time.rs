//! Certificates age: new leaves are measured at the time of the record, members stay members.

use std::time::Duration;

use super::*;
use crate::{AcceptError, CommitError, Garbage};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A newer certificate for `who`, with a new key.
fn renew(world: &mut World, who: usize) {
    let person = &world.people[who];
    let did = person.device.id().did;
    let device = new_device(
        DeviceKey::generate(),
        &world.authority,
        &person.identity,
        &person.identity_certificate,
        did,
        world.now,
    );
    world.people[who].device = device;
    let state = world.group(who).state().unwrap();
    world.people[who].group = Some(world.people[who].device.load(&state).unwrap());
}

#[test]
fn a_member_whose_certificate_ends_stays_and_is_heard() {
    let mut world = World::of(2);
    world.now = NOW.plus(100 * DAY);
    assert!(world.group(ALICE).roster().iter().all(|member| member.expires < world.now));
    world.assert_hears(ALICE, &[BOB]);
    // It keeps nobody out either.
    world.people[CAROL] = new_person(&world.authority, world.now);
    world.join(CAROL);
    world.read_all();
    world.assert_hears(CAROL, &[ALICE, BOB]);
    // But it cannot commit, which would be a new leaf.
    let now = world.now;
    assert!(matches!(world.draft_join(BOB), Err(JoinError::Credential(_))));
    world.group(BOB).update(NOW).unwrap();
    assert!(matches!(world.group(BOB).accept_commit(now), Err(AcceptError::Late(_))));
}

#[test]
fn a_renewed_certificate_goes_into_the_room_with_the_next_update() {
    let mut world = World::of(3);
    world.now = NOW.plus(60 * DAY);
    assert!(!world.group(BOB).is_renewal_due());
    renew(&mut world, BOB);
    assert!(world.group(BOB).is_renewal_due());
    world.assert_hears(BOB, &[ALICE, CAROL]);
    assert!(world.group(BOB).leave_notice().is_err(), "the leaf has the old key still");
    let now = world.now;
    let draft = world.group(BOB).update(now).unwrap();
    world.commit(BOB, draft);
    world.people[BOB].restart();
    world.read_all();
    assert!(!world.group(BOB).is_renewal_due());
    world.now = NOW.plus(120 * DAY);
    world.assert_hears(BOB, &[ALICE, CAROL]);
    let bob = world.id(BOB);
    let members = world.group(CAROL).roster();
    assert!(members.iter().any(|member| member.device == bob && member.expires > NOW.plus(120 * DAY)));
    world.leave(BOB);
    assert!(matches!(world.read_one(ALICE), Ok(Opened::Leave(_))));
}

#[test]
fn a_commit_that_is_stored_too_late_is_void_for_all_alike() {
    let mut world = World::of(2);
    let claimed = world.claim(CAROL);
    let now = world.now;
    let draft = world.group(ALICE).add(&[claimed], now).unwrap();
    world.append_commit(ALICE, draft).unwrap();
    let record = world.records.last_mut().unwrap();
    record.time = NOW.plus(91 * DAY);
    let record = record.clone();
    let bobs = world.group(BOB).open(&record);
    assert!(matches!(bobs, Err(OpenError::Garbage(Garbage::Mls(_)))), "{bobs:?}");
    assert_eq!(world.group(ALICE).open(&record), Ok(Opened::OwnCommit));
    let alices = world.group(ALICE).accept_commit(record.time);
    assert!(matches!(alices, Err(AcceptError::Late(_) | AcceptError::LateKeyPackage)), "{alices:?}");
    assert_eq!(world.group(ALICE).open(&record), Ok(Opened::Own), "no reason to rejoin");
    for who in [ALICE, BOB] {
        (world.people[who].read, world.people[who].base) = (world.records.len(), world.last_commit);
    }
    world.assert_hears(ALICE, &[BOB]);
}

#[test]
fn a_commit_that_outlives_a_key_package_is_void_for_all_alike() {
    let mut world = World::of(2);
    let hour = Duration::from_secs(3600);
    let client = evil::client(&world, CAROL, evil::EvilCrypto::harmless(), true);
    let client = client.to_builder(None).key_package_lifetime(hour).build();
    let now = Some(crate::credential::mls_time(NOW));
    let made = client.generate_key_package_message(Default::default(), Default::default(), now).unwrap();
    let claimed = ClaimedKeyPackage { device: world.id(CAROL), key_package: made.to_bytes().unwrap().into() };
    let draft = world.group(ALICE).add(&[claimed], NOW).unwrap();
    world.append_commit(ALICE, draft).unwrap();
    let record = world.records.last_mut().unwrap();
    record.time = NOW.plus(2 * hour);
    let record = record.clone();
    assert!(matches!(world.group(BOB).open(&record), Err(OpenError::Garbage(Garbage::Mls(_)))));
    assert_eq!(world.group(ALICE).accept_commit(record.time), Err(AcceptError::LateKeyPackage));
}

#[test]
fn an_old_key_package_is_refused() {
    let mut world = World::of(1);
    let claimed = world.claim(BOB);
    let now = NOW.plus(89 * DAY);
    world.group(ALICE).add(std::slice::from_ref(&claimed), now).unwrap();
    world.group(ALICE).discard_commit();
    renew(&mut world, ALICE);
    let error = world.group(ALICE).add(&[claimed], NOW.plus(91 * DAY)).unwrap_err();
    assert!(matches!(error, CommitError::KeyPackage { .. }), "{error}");
}

#[test]
fn a_clock_that_is_behind_refuses_no_fresh_key_package() {
    let mut world = World::of(1);
    let claimed = world.claim(BOB);
    world.group(ALICE).add(&[claimed], Timestamp(NOW.0 - 4 * 60 * 1000)).unwrap();
}

#[test]
fn an_invitation_for_an_earlier_certificate_lets_in() {
    let mut world = World::new(true, Suite::default());
    let key = DeviceKey::generate();
    let certified = |world: &World, now| {
        let Person { device, identity, identity_certificate, .. } = &world.people[BOB];
        let key = DeviceKey::from_pkcs8(&key.to_pkcs8()).unwrap();
        new_device(key, &world.authority, identity, identity_certificate, device.id().did, now)
    };
    world.people[BOB].device = certified(&world, world.now);
    world.add(ALICE, &[BOB]);
    world.now = NOW.plus(60 * DAY);
    world.people[BOB].device = certified(&world, world.now);
    assert_eq!(world.join_welcome(BOB), world.id(ALICE));
    assert!(world.group(BOB).is_renewal_due());
    world.read_all();
    world.assert_hears(BOB, &[ALICE]);
    world.assert_hears(ALICE, &[BOB]);
}

#[test]
fn an_invitation_for_an_earlier_device_key_is_told_apart() {
    let mut world = World::new(true, Suite::default());
    world.add(ALICE, &[BOB]);
    let pending = world.welcomes[&world.id(BOB)].clone();
    let bob = &world.people[BOB];
    let did = bob.device.id().did;
    let renewed = new_device(
        DeviceKey::generate(),
        &world.authority,
        &bob.identity,
        &bob.identity_certificate,
        did,
        world.now,
    );
    let joined = renewed.join_welcome(&pending, |id| bob.secrets.get(id).cloned());
    assert_eq!(joined.map(|_| ()), Err(JoinError::KeyRenewed));
    world.people[BOB].device = renewed;
    world.join(BOB);
    world.read_all();
    world.assert_hears(BOB, &[ALICE]);
}

#[test]
fn key_packages_live_no_longer_than_the_certificate() {
    let (begin, lifetime) = crate::key_package::lifetime(NOW, NOW.plus(10 * DAY));
    assert_eq!(begin.plus(lifetime), NOW.plus(10 * DAY));
    let (begin, lifetime) = crate::key_package::lifetime(NOW, NOW.plus(1000 * DAY));
    assert_eq!(begin.plus(lifetime), NOW.plus(90 * DAY));
}
