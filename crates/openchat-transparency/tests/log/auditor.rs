//! What a client notices of a server that does not keep its log, by the name of the rule.

use std::collections::BTreeMap;

use openchat_protocol::Timestamp;
use openchat_transparency::auditor::FROZEN_AFTER;
use openchat_transparency::{
    Auditor, CheckpointError, Frontier, LabelError, Leaf, Opening, ProofError, Tail, Violation, tree,
};
use proptest::prelude::*;

use crate::server::{HOUR, NOW, Server, genesis, hours, name, user};

#[test]
fn an_honest_log_is_followed_and_believed() {
    let mut server = Server::with_users(5);
    let mut auditor = server.follower();
    let mut kept = BTreeMap::new();
    for round in 1..40 {
        server.issue(&name("alice"), &format!("alice is number {round}"), hours(round));
        server.heartbeat(hours(round));
        let known = auditor.head().unwrap().head().size;
        let found =
            auditor.check(&name("alice"), &server.lookup(&name("alice"), known), hours(round)).unwrap();
        assert_eq!(found.body, format!("alice is number {round}").into_bytes());
        assert_eq!((found.index, u64::from(found.leaf.seq)), (server.size() - 2, round));
        if round % 3 == 0 {
            auditor.advance(&server.tail(&auditor), hours(round)).unwrap();
            kept.extend(auditor.take_labels());
            auditor = Auditor::resume(genesis(), &auditor.state(), kept.clone()).unwrap();
        }
    }
    assert_eq!(auditor.head(), Some(&server.head()));
}

#[test]
fn a_client_may_begin_in_the_middle() {
    let mut server = Server::with_users(6);
    let mut auditor = Auditor::from_head(genesis(), &server.note(), server.frontier(), NOW).unwrap();
    server.issue(&user(2), "another key", hours(1));
    server.heartbeat(hours(1));
    auditor.advance(&server.tail(&auditor), hours(1)).unwrap();
    let lookup = server.lookup(&user(2), auditor.followed());
    assert_eq!(auditor.check(&user(2), &lookup, hours(1)).unwrap().body, b"another key");

    let wrong = Auditor::from_head(genesis(), &server.note(), Frontier::default(), NOW);
    assert_eq!(wrong.unwrap_err(), Violation::OtherRecords { size: server.size() });
}

#[test]
fn a_forked_log_is_noticed() {
    let mut server = Server::with_users(9);
    let mut victim = server.follower();
    let forked = server.rewritten(4, |leaf| leaf.commitment.0[0] ^= 1);
    let lookup = forked.lookup(&user(1), forked.size());
    assert!(
        matches!(victim.check(&user(1), &lookup, NOW), Err(Violation::Fork(_))),
        "as large as the own one"
    );
    assert!(matches!(victim.advance(&forked.tail(&victim), NOW), Err(Violation::Fork(_))));

    server.heartbeat(hours(1));
    let forked = server.rewritten(4, |leaf| leaf.commitment.0[0] ^= 1);
    let lookup = forked.lookup(&user(1), victim.followed());
    assert_eq!(victim.check(&user(1), &lookup, NOW), Err(ProofError::Consistency.into()), "larger");
    let mut tail = forked.tail(&victim);
    assert_eq!(victim.advance(&tail, NOW), Err(ProofError::Consistency.into()));
    (tail.note, tail.consistency) = (server.note(), server.tail(&victim).consistency);
    tail.leaves[0].commitment.0[0] ^= 1;
    let expected = Violation::OtherRecords { size: server.size() };
    assert_eq!(victim.advance(&tail, NOW), Err(expected), "under the true head");
    assert_eq!(victim.advance(&server.tail(&victim), NOW), Ok(()), "it still follows the true one");
}

#[test]
fn a_log_that_was_rolled_back_is_noticed() {
    let server = Server::with_users(9);
    let mut follower = server.follower();
    let labels = follower.take_labels();
    let mut auditor = Auditor::resume(genesis(), &follower.state(), labels).unwrap();
    let old = server.rolled_back(6);
    let expected = Violation::RolledBack { known: 10, shown: 6 };
    assert_eq!(auditor.check(&user(1), &old.lookup(&user(1), 0), NOW), Err(expected.clone()));
    assert_eq!(auditor.advance(&old.tail(&auditor), NOW), Err(expected));
}

#[test]
fn a_frozen_log_is_noticed() {
    let mut server = Server::with_users(3);
    let mut auditor = server.follower();
    let lookup = server.lookup(&user(1), auditor.followed());
    let last = Timestamp(NOW.plus(FROZEN_AFTER).0 - 1);
    assert_eq!(auditor.check_fresh(last), Ok(()));
    assert!(auditor.check(&user(1), &lookup, last).is_ok());
    assert_eq!(auditor.check(&user(1), &lookup, hours(49)), Err(Violation::Frozen { since: NOW }));
    server.heartbeat(hours(49));
    auditor.advance(&server.tail(&auditor), hours(49)).unwrap();
    assert_eq!(auditor.check_fresh(hours(49)), Ok(()));
}

#[test]
fn other_records_than_heartbeats_do_not_keep_a_log_alive() {
    let mut server = Server::with_users(3);
    let mut auditor = server.follower();
    server.issue(&user(7), "key", hours(49));
    auditor.advance(&server.tail(&auditor), hours(49)).unwrap();
    assert_eq!(auditor.check_fresh(hours(49)), Err(Violation::Frozen { since: NOW }));
}

#[test]
fn a_newcomer_notices_that_a_log_was_frozen_before() {
    let server = Server::with_users(3);
    let mut auditor = Auditor::new(genesis(), hours(100)).unwrap();
    auditor.advance(&server.tail(&auditor), hours(100)).unwrap();
    assert_eq!(auditor.check_fresh(hours(100)), Err(Violation::Frozen { since: NOW }));
}

#[test]
fn heartbeats_cannot_be_made_in_advance() {
    let mut server = Server::new();
    let mut auditor = server.follower();
    server.heartbeat(Timestamp(hours(1).0 + 1));
    let advanced = auditor.advance(&server.tail(&auditor), NOW);
    assert_eq!(advanced, Err(Violation::FromTheFuture { index: 1 }));
}

#[test]
fn time_does_not_go_back() {
    let mut server = Server::new();
    let mut auditor = server.follower();
    server.heartbeat(Timestamp(NOW.0 - 1));
    let advanced = auditor.advance(&server.tail(&auditor), NOW);
    assert_eq!(advanced, Err(Violation::TimeWentBack { index: 1 }));
}

#[test]
fn a_label_that_was_swapped_is_noticed() {
    let server = Server::with_users(5);
    let mut auditor = server.follower();
    let mallory = server.lookup(&user(4), auditor.followed());
    assert_eq!(
        auditor.check(&user(1), &mallory, NOW),
        Err(LabelError::Unproven(user(1)).into()),
        "the label of somebody else"
    );
    let swapped = server.lookup_at(&user(1), 5, auditor.followed());
    assert_eq!(
        auditor.check(&user(1), &swapped, NOW),
        Err(Violation::OtherLabel),
        "the leaf of somebody else"
    );
}

#[test]
fn a_leaf_that_is_not_in_the_log_is_noticed() {
    let server = Server::with_users(5);
    let mut auditor = server.follower();
    let mut lookup = server.lookup(&user(1), auditor.followed());
    lookup.entry.opening = Opening { nonce: [9; 32], body: b"the key of mallory".to_vec() };
    assert_eq!(auditor.check(&user(1), &lookup, NOW), Err(Violation::Commitment));
    lookup.entry.leaf.commitment = lookup.entry.opening.commitment();
    assert_eq!(auditor.check(&user(1), &lookup, NOW), Err(ProofError::Inclusion.into()));
}

#[test]
fn a_head_that_the_server_did_not_sign_is_refused() {
    let server = Server::with_users(5);
    let mut auditor = server.follower();
    let mut lookup = server.lookup(&user(1), auditor.followed());
    let last = lookup.note.len() - 5;
    lookup.note[last] ^= 1;
    assert_eq!(auditor.check(&user(1), &lookup, NOW), Err(CheckpointError::Signature.into()));
}

#[test]
fn an_old_key_is_refused_when_the_log_has_a_newer_one() {
    let mut server = Server::with_users(5);
    server.issue(&user(1), "a new key", NOW);
    let mut auditor = server.follower();
    let old = server.lookup_at(&user(1), 2, auditor.followed());
    assert_eq!(auditor.check(&user(1), &old, NOW), Err(Violation::LaterLeaf { index: 6 }));
}

#[test]
fn an_old_key_is_refused_when_a_newer_one_was_shown() {
    let mut server = Server::with_users(5);
    let mut auditor = server.follower();
    server.issue(&user(1), "a new key", NOW);
    let (new, old) = (server.lookup(&user(1), 6), server.lookup_at(&user(1), 2, 7));
    auditor.check(&user(1), &new, NOW).unwrap();
    let expected = Violation::OlderThanSeen { known: 2, shown: 1 };
    assert_eq!(auditor.check(&user(1), &old, NOW), Err(expected), "the tail does not have it yet");
}

#[test]
fn a_later_record_has_a_later_version() {
    let mut server = Server::with_users(5);
    let mut auditor = server.follower();
    auditor.check(&user(1), &server.lookup(&user(1), 6), NOW).unwrap();
    server.issue(&user(1), "a new key", NOW);
    let server = server.rewritten(6, |leaf| (leaf.seq, leaf.previous) = (1, None));
    let checked = auditor.check(&user(1), &server.lookup(&user(1), 6), NOW);
    assert_eq!(checked, Err(Violation::BrokenChain { index: 6 }));
}

#[test]
fn a_lookup_that_hid_a_newer_key_is_found_out_by_the_tail() {
    let mut server = Server::with_users(5);
    let mut auditor = server.follower();
    server.issue(&user(1), "a new key", NOW);
    auditor.check(&user(1), &server.lookup_at(&user(1), 2, 6), NOW).unwrap();
    let advanced = auditor.advance(&server.tail(&auditor), NOW);
    assert_eq!(advanced, Err(Violation::HiddenLeaf { index: 6 }));
}

#[test]
fn records_about_one_person_are_a_chain() {
    let break_it = |change: fn(&mut Leaf)| {
        let mut server = Server::with_users(5);
        let mut auditor = server.follower();
        server.issue(&user(1), "a new key", NOW);
        let server = server.rewritten(6, change);
        auditor.advance(&server.tail(&auditor), NOW)
    };
    assert_eq!(break_it(|_| {}), Ok(()));
    let broken = Err(Violation::BrokenChain { index: 6 });
    assert_eq!(break_it(|leaf| leaf.seq = 3), broken, "a version is missing");
    assert_eq!(break_it(|leaf| leaf.previous = Some(3)), broken, "after somebody else's");
    assert_eq!(break_it(|leaf| (leaf.seq, leaf.previous) = (1, None)), broken, "the first once more");
}

#[test]
fn a_first_record_stands_for_itself_also_for_who_began_late() {
    let late = |previous: u64| {
        let mut server = Server::with_users(5);
        let mut auditor = Auditor::from_head(genesis(), &server.note(), server.frontier(), NOW).unwrap();
        server.issue(&user(1), "a new key", NOW);
        let server = server.rewritten(6, |leaf| leaf.previous = Some(previous));
        auditor.advance(&server.tail(&auditor), NOW)
    };
    assert_eq!(late(2), Ok(()), "before this client began");
    assert_eq!(late(6), Err(Violation::BrokenChain { index: 6 }), "itself");
}

#[test]
fn a_tail_is_complete() {
    let mut server = Server::with_users(5);
    let mut auditor = server.follower();
    server.heartbeat(hours(1));
    let advanced = auditor.advance(&server.page(&auditor, 0), hours(1));
    assert_eq!(advanced, Err(Violation::TailLength { wanted: 1, sent: 0 }));
    let mut tail = server.tail(&auditor);
    tail.leaves.push(tail.leaves[0]);
    let advanced = auditor.advance(&tail, hours(1));
    assert_eq!(advanced, Err(Violation::TailLength { wanted: 1, sent: 2 }));
}

#[test]
fn a_long_tail_comes_in_pages_each_of_which_is_proven() {
    let server = Server::with_users(19);
    let mut auditor = Auditor::new(genesis(), NOW).unwrap();
    let mut bad = server.page(&auditor, 7);
    bad.leaves[3].commitment.0[0] ^= 1;
    assert_eq!(auditor.advance(&bad, NOW), Err(Violation::OtherRecords { size: 7 }));
    let mut pages = 0;
    while !auditor.is_complete() {
        let tail = Tail::from_bytes(&server.page(&auditor, 7).to_bytes()).unwrap();
        auditor.advance(&tail, NOW).unwrap();
        pages += 1;
    }
    assert_eq!((pages, auditor.followed()), (3, 20));
    assert_eq!(auditor.head(), server.follower().head());
    assert_eq!(auditor.count(&server.leaves[5].label), 1);
}

#[test]
fn a_tail_leads_to_every_head_that_was_shown() {
    let mut server = Server::with_users(5);
    let mut auditor = Auditor::new(genesis(), NOW).unwrap();
    auditor.check(&user(1), &server.lookup(&user(1), 0), NOW).unwrap();
    assert_eq!((auditor.followed(), auditor.head().unwrap().head().size), (0, 6));
    server.heartbeat(hours(1));
    let forked = server.rewritten(3, |leaf| leaf.commitment.0[0] ^= 1);
    assert_eq!(auditor.advance(&forked.tail(&auditor), NOW), Err(ProofError::Consistency.into()));
    let mut tail = forked.tail(&auditor);
    tail.consistency = server.tail(&auditor).consistency;
    tail.note = server.note();
    let expected = Violation::OtherRecords { size: 6 };
    assert_eq!(auditor.advance(&tail, NOW), Err(expected), "the leaves of another log");
    assert_eq!(auditor.advance(&server.tail(&auditor), NOW), Ok(()));
}

#[test]
fn what_breaks_a_rule_changes_nothing() {
    let mut server = Server::with_users(5);
    let mut auditor = server.follower();
    let before = auditor.state();
    auditor.take_labels();
    server.issue(&user(1), "a new key", NOW);
    server.heartbeat(Timestamp(NOW.0 + 2 * HOUR));
    auditor.advance(&server.tail(&auditor), NOW).unwrap_err();
    auditor.check(&user(2), &server.lookup(&user(1), 6), NOW).unwrap_err();
    assert_eq!(auditor.state(), before);
    assert_eq!(auditor.take_labels(), []);
}

proptest! {
    #[test]
    fn no_record_of_a_tail_can_be_altered(at in 0..20_usize, byte in 0..Leaf::LENGTH, mask in 1..=255_u8, known in 1..20_usize) {
        let server = Server::with_users(19);
        let mut auditor = server.rolled_back(known).follower();
        prop_assume!(at >= known);
        let mut tail = server.tail(&auditor);
        let mut bytes = tail.leaves[at - known].to_bytes();
        bytes[byte] ^= mask;
        if let Ok(leaf) = Leaf::from_bytes(&bytes) {
            tail.leaves[at - known] = leaf;
            prop_assert!(auditor.advance(&tail, NOW).is_err());
        }
    }

    #[test]
    fn a_consistency_proof_of_another_size_is_refused(known in 1..30_u64, proven in 1..30_u64) {
        let server = Server::with_users(29);
        let mut auditor = server.rolled_back(known as usize).follower();
        let mut lookup = server.lookup(&user(0), known);
        lookup.consistency = tree::prove_consistency(proven, server.size(), &server.nodes).unwrap();
        let same = lookup.consistency == tree::prove_consistency(known, server.size(), &server.nodes).unwrap();
        prop_assert_eq!(auditor.check(&user(0), &lookup, NOW).is_ok(), same);
    }
}
