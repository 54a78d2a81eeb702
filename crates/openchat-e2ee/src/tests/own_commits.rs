//! What becomes of a commit of one's own: stored, stale, lost in a crash, heard again.

use super::*;
use crate::{AcceptError, CommitError};

#[test]
fn an_echo_changes_nothing_but_is_recognised() {
    let mut world = World::of(2);
    world.say(ALICE, "mine");
    let now = world.now;
    let draft = world.group(ALICE).update(now).unwrap();
    world.append_commit(ALICE, draft).unwrap();
    let epoch = world.group(ALICE).epoch();
    let records = world.records[world.people[ALICE].read..].to_vec();
    assert_eq!(world.group(ALICE).open(&records[0]), Ok(Opened::Own));
    assert_eq!(world.group(ALICE).open(&records[1]), Ok(Opened::OwnCommit));
    assert_eq!(world.group(ALICE).epoch(), epoch);
    world.group(ALICE).accept_commit(now).unwrap();
    assert_eq!(world.group(ALICE).epoch(), epoch + 1);
    assert_eq!(world.group(ALICE).open(&records[1]), Ok(Opened::Own));
}

#[test]
fn a_commit_survives_a_crash_before_and_after_it_is_stored() {
    let mut world = World::of(3);
    let (carol, now) = (world.id(CAROL), world.now);
    let draft = world.group(ALICE).remove(&[carol], &[], now).unwrap();
    world.people[ALICE].restart();
    assert!(world.group(ALICE).has_pending_commit());
    world.append_commit(ALICE, draft).unwrap();
    world.people[ALICE].restart();
    world.read_all();
    assert!(!world.group(ALICE).has_pending_commit());
    assert_eq!(world.members(ALICE), world.sorted(&[ALICE, BOB]));
    world.people[ALICE].restart();
    world.assert_hears(ALICE, &[BOB]);
    world.assert_hears(BOB, &[]);
    assert_eq!(texts(&world.read(ALICE)).len(), 1);
}

#[test]
fn a_join_survives_a_crash() {
    let mut world = World::of(2);
    let (group, draft) = world.draft_join(CAROL).unwrap();
    let person = &mut world.people[CAROL];
    (person.group, person.base, person.read) = (Some(group), 1, 1);
    person.restart();
    assert!(world.group(CAROL).has_pending_commit());
    world.append_commit(CAROL, draft).unwrap();
    assert_eq!(world.read(CAROL), [Ok(Opened::OwnCommit)]);
    world.read_all();
    world.assert_hears(CAROL, &[ALICE, BOB]);
}

#[test]
fn of_two_commits_one_wins_and_the_other_is_made_again() {
    let mut world = World::of(3);
    let now = world.now;
    let (alices, bobs) = (world.group(ALICE).update(now).unwrap(), world.group(BOB).update(now).unwrap());
    assert_eq!(world.group(BOB).update(now).unwrap_err(), CommitError::Pending);
    world.append_commit(ALICE, alices).unwrap();
    assert_eq!(world.append_commit(BOB, bobs), Err(Stale));
    world.read_all();
    assert!(!world.group(BOB).has_pending_commit(), "the winner took its place");
    assert_eq!(world.group(BOB).accept_commit(now), Err(AcceptError::NotPending));
    let again = world.group(BOB).update(now).unwrap();
    world.commit(BOB, again);
    world.read_all();
    assert_eq!([ALICE, BOB, CAROL].map(|who| world.group(who).epoch()), [4; 3]);
    world.assert_hears(CAROL, &[ALICE, BOB]);
}

#[test]
fn a_discarded_commit_leaves_the_group_usable() {
    let mut world = World::of(2);
    let now = world.now;
    world.group(ALICE).update(now).unwrap();
    world.group(ALICE).discard_commit();
    world.people[ALICE].restart();
    assert!(!world.group(ALICE).has_pending_commit());
    world.assert_hears(ALICE, &[BOB]);
    let draft = world.group(ALICE).update(now).unwrap();
    world.commit(ALICE, draft);
    world.read_all();
    world.assert_hears(BOB, &[ALICE]);
}

#[test]
fn messages_of_the_old_epoch_are_read_while_a_commit_is_pending() {
    let mut world = World::of(2);
    let now = world.now;
    let draft = world.group(ALICE).update(now).unwrap();
    world.say(BOB, "meanwhile");
    assert_eq!(texts(&world.read(ALICE)), ["meanwhile"]);
    world.people[ALICE].restart();
    world.commit(ALICE, draft);
    world.read_all();
    world.assert_hears(BOB, &[ALICE]);
}

#[test]
fn a_forgotten_commit_of_ones_own_asks_for_a_rejoin() {
    let mut world = World::of(2);
    let now = world.now;
    let backup = world.group(ALICE).state().unwrap();
    let draft = world.group(ALICE).update(now).unwrap();
    world.append_commit(ALICE, draft).unwrap();
    world.people[ALICE].group = Some(world.people[ALICE].device.load(&backup).unwrap());
    assert!(matches!(world.read_one(ALICE), Err(OpenError::NeedsRejoin(_))));
    world.join(ALICE);
    world.read_all();
    world.assert_hears(ALICE, &[BOB]);
}

#[test]
fn a_restart_repeats_no_key_and_loses_no_message() {
    let mut world = World::of(2);
    world.say(ALICE, "one");
    world.people[ALICE].restart();
    world.say(ALICE, "two");
    assert_eq!(world.read(BOB).len(), 2);
    world.people[BOB].restart();
    let again = world.records.last().unwrap().clone();
    assert!(matches!(world.group(BOB).open(&again), Err(OpenError::Garbage(_))), "its key is used up");
    world.assert_hears(ALICE, &[BOB]);
}
