//! A member, or the server, does what is not allowed: all honest members skip it alike, and the room goes on.

use std::sync::atomic::Ordering::SeqCst;

use mls_rs::Group;
use mls_rs::client_builder::MlsConfig;
use mls_rs::group::CommitBuilder;
use mls_rs::{CipherSuite, ExtensionList, ProtocolVersion};
use openchat_protocol::statement::{LeaveNotice, Statement};

use super::evil::{self, EvilCrypto};
use super::*;
use crate::change::ChangeError;
use crate::leave::LeaveError;
use crate::rules::RuleError;
use crate::{CommitError, Garbage, KeyPackageError};

const HONEST: [usize; 3] = [ALICE, BOB, CAROL];

/// Puts `payload` into the log as Mallory's commit; all honest members must refuse it for the same reason and go on.
fn refused_by_all(world: &mut World, payload: Vec<u8>) -> Garbage {
    let mallory = world.id(DAVE);
    world.append_raw(mallory, RecordKind::Commit, payload);
    let heard = HONEST.map(|who| world.read_one(who));
    let Err(OpenError::Garbage(reason)) = heard[0].clone() else { panic!("{heard:?}") };
    assert!(heard.iter().all(|it| *it == heard[0]), "{heard:?}");
    world.assert_hears(BOB, &[ALICE, CAROL]);
    world.read(BOB);
    reason
}

fn statement(joined: &[DeviceId], removed: &[DeviceId], leaves: &[LeaveNotice]) -> Vec<u8> {
    codec::encode(&Statement {
        joined: joined.to_vec(),
        removed: removed.to_vec(),
        leaves: leaves.to_vec(),
        admins: None,
    })
}

/// Builds a commit and forgets it.
fn make<C: MlsConfig>(
    group: &mut Group<C>,
    authenticated_data: Vec<u8>,
    plan: impl FnOnce(CommitBuilder<'_, C>) -> CommitBuilder<'_, C>,
) -> Vec<u8>
where
    Group<C>: Clone,
{
    let builder = group.commit_builder().authenticated_data(authenticated_data);
    let output = plan(builder.commit_time(crate::credential::mls_time(NOW))).build().unwrap();
    group.clear_pending_commit();
    output.commit_message.to_bytes().unwrap()
}

fn leaf(world: &mut World, who: usize) -> u32 {
    let id = world.id(who);
    world.group(ALICE).roster().iter().find(|member| member.device == id).unwrap().leaf
}

/// The evil client is not refused for what it is.
#[test]
fn an_honest_commit_of_the_evil_client_is_taken() {
    let (mut world, mut group) = evil::room(3, true);
    let payload = make(&mut group, statement(&[], &[], &[]), |it| it);
    let mallory = world.id(DAVE);
    world.append_raw(mallory, RecordKind::Commit, payload);
    for who in HONEST {
        assert_eq!(change(world.read_one(who)).by, mallory);
    }
    world.assert_hears(CAROL, &[ALICE, BOB]);
}

#[test]
fn a_member_cannot_remove_another() {
    let (mut world, mut group) = evil::room(3, true);
    let (carol, mallory, index) = (world.id(CAROL), world.id(DAVE), leaf(&mut world, CAROL));
    let removal = |group: &mut _, data| make(group, data, |it| it.remove_member(index).unwrap());
    let not_allowed = Garbage::Change(ChangeError::NotAllowed { by: mallory, target: carol });
    let payload = removal(&mut group, statement(&[], &[carol], &[]));
    assert_eq!(refused_by_all(&mut world, payload), not_allowed);
    // A leave notice by somebody else, for somebody else, or for nobody.
    let bobs = world.group(BOB).leave_notice().unwrap();
    let forged = LeaveNotice { device: carol, ..bobs.clone() };
    let payload = removal(&mut group, statement(&[], &[carol], &[forged]));
    let other_leaf = Garbage::Change(ChangeError::Leave(LeaveError::OtherLeaf(carol)));
    assert_eq!(refused_by_all(&mut world, payload), other_leaf);
    let payload = removal(&mut group, statement(&[], &[carol], std::slice::from_ref(&bobs)));
    let idle = |device| Garbage::Change(ChangeError::IdleNotice(device));
    assert_eq!(refused_by_all(&mut world, payload), idle(bobs.device));
    let carols = world.group(CAROL).leave_notice().unwrap();
    let payload = removal(&mut group, statement(&[], &[carol], &[carols.clone(), carols.clone()]));
    assert_eq!(refused_by_all(&mut world, payload), idle(carol));
    // With the true notice it may.
    let payload = removal(&mut group, statement(&[], &[carol], &[carols]));
    world.append_raw(mallory, RecordKind::Commit, payload);
    assert_eq!(change(world.read_one(BOB)).removed, [carol]);
    assert!(change(world.read_one(CAROL)).i_am_removed);
}

#[test]
fn a_commit_says_what_it_does() {
    let (mut world, mut group) = evil::room(3, true);
    let mallory = world.id(DAVE);
    let differs = Garbage::Change(ChangeError::StatementDiffers);
    // An administrator that the policy does not name: the server would believe it.
    let claim = Statement { admins: Some(vec![mallory.uid]), ..Statement::default() };
    let payload = make(&mut group, codec::encode(&claim), |it| it);
    assert_eq!(refused_by_all(&mut world, payload), differs);
    let payload = make(&mut group, statement(&[], &[mallory], &[]), |it| it);
    assert_eq!(refused_by_all(&mut world, payload), differs);
    let mut guest = new_person(&world.authority, NOW);
    std::mem::swap(&mut guest, &mut world.people[DAVE]);
    let claimed = world.claim(DAVE);
    std::mem::swap(&mut guest, &mut world.people[DAVE]);
    let added = mls_rs::MlsMessage::from_bytes(&claimed.key_package).unwrap();
    let payload = make(&mut group, statement(&[], &[], &[]), |it| it.add_member(added.clone()).unwrap());
    assert_eq!(refused_by_all(&mut world, payload), differs);
    let payload = make(&mut group, vec![], |it| it);
    assert!(matches!(refused_by_all(&mut world, payload), Garbage::Change(ChangeError::NoStatement(_))));
    let payload = make(&mut group, [&statement(&[], &[], &[])[..], b"more"].concat(), |it| it);
    assert!(matches!(refused_by_all(&mut world, payload), Garbage::Change(ChangeError::NoStatement(_))));
    let payload =
        make(&mut group, statement(&[claimed.device], &[], &[]), |it| it.add_member(added).unwrap());
    world.append_raw(mallory, RecordKind::Commit, payload);
    assert_eq!(change(world.read_one(ALICE)).joined, [claimed.device]);
}

/// What the rules of rooms forbid comes back through MLS as text.
fn refused_by_rule(world: &mut World, payload: Vec<u8>, rule: &RuleError) {
    assert_eq!(refused_by_all(world, payload), Garbage::Mls(rule.to_string()));
}

#[test]
fn a_member_cannot_change_the_policy() {
    let (mut world, mut group) = evil::room(3, true);
    let mallory = world.id(DAVE);
    let coup = world.group(ALICE).policy().clone().with_admins(vec![mallory.uid]).unwrap().to_extensions();
    let payload = make(&mut group, statement(&[], &[], &[]), |it| it.set_group_context_ext(coup).unwrap());
    refused_by_rule(&mut world, payload, &RuleError::NotAdmin(mallory));
    let payload = make(&mut group, statement(&[], &[], &[]), |it| {
        it.set_group_context_ext(ExtensionList::new()).unwrap()
    });
    refused_by_rule(&mut world, payload, &RuleError::Policy(crate::policy::PolicyError::Missing));
}

#[test]
fn proposals_that_rooms_do_not_have_are_refused() {
    let (mut world, mut group) = evil::room(3, true);
    let empty = || statement(&[], &[], &[]);
    let payload = make(&mut group, empty(), |it| it.add_external_psk(evil::psk()).unwrap());
    refused_by_rule(&mut world, payload, &RuleError::Proposal);
    let payload = make(&mut group, empty(), |it| {
        it.reinit(None, ProtocolVersion::MLS_10, CipherSuite::P384_AES256, ExtensionList::new()).unwrap()
    });
    refused_by_rule(&mut world, payload, &RuleError::Proposal);
    // A proposal by itself is no record, and a commit that refers to it refers to nothing.
    let proposal = group.propose_update(vec![]).unwrap().to_bytes().unwrap();
    assert_eq!(refused_by_all(&mut world, proposal), Garbage::Kind);
    group.clear_proposal_cache();
    let index = leaf(&mut world, CAROL);
    group.propose_remove(index, vec![]).unwrap();
    let payload = make(&mut group, statement(&[], &[world.id(CAROL)], &[]), |it| it);
    assert!(matches!(refused_by_all(&mut world, payload), Garbage::Mls(_)));
}

#[test]
fn a_member_cannot_become_somebody_else() {
    let (mut world, mut group) = evil::room(3, true);
    let guest = new_person(&world.authority, NOW).device;
    let payload = make(&mut group, statement(&[], &[], &[]), |it| {
        it.set_new_signing_identity(guest.signer(), guest.signing_identity().clone())
    });
    assert!(matches!(refused_by_all(&mut world, payload), Garbage::Mls(_)));
}

#[test]
fn a_certificate_serves_only_with_its_key() {
    let mut world = World::of(3);
    let victim = new_person(&world.authority, NOW).device;
    let stolen = mls_rs::identity::SigningIdentity {
        signature_key: world.people[DAVE].device.signing_identity().signature_key.clone(),
        ..victim.signing_identity().clone()
    };
    let client = evil::gullible(&world, stolen, world.people[DAVE].device.signer());
    let (_, payload) = evil::draft_join(&world, victim.id(), &client);
    world.append_raw(victim.id(), RecordKind::Commit, payload);
    for who in HONEST {
        let heard = world.read_one(who);
        assert!(
            matches!(&heard, Err(OpenError::Garbage(Garbage::Mls(why))) if why.contains("signature key")),
            "{heard:?}"
        );
    }
}

#[test]
fn a_members_commit_is_encrypted() {
    let (mut world, mut group) = evil::room(3, false);
    let payload = make(&mut group, statement(&[], &[], &[]), |it| it);
    assert_eq!(refused_by_all(&mut world, payload), Garbage::Kind);
}

#[test]
fn a_stranger_cannot_enter_a_private_room_with_other_rules() {
    let mut world = World::new(true, Suite::default());
    world.add(ALICE, &[BOB]);
    world.join_welcome(BOB);
    world.read_all();
    let client = evil::client(&world, DAVE, EvilCrypto::harmless(), true);
    evil::join(&mut world, DAVE, &client);
    let rule = RuleError::NotInvited(world.id(DAVE));
    for who in [ALICE, BOB] {
        assert_eq!(world.read_one(who), Err(OpenError::Garbage(Garbage::Mls(rule.to_string()))));
    }
    world.assert_hears(BOB, &[ALICE]);
}

/// Attack 18: a forged sender.
#[test]
fn the_author_of_a_record_is_who_made_it() {
    let mut world = World::of(3);
    let (alice, bob) = (world.id(ALICE), world.id(BOB));
    let payload = world.seal(BOB, "said Bob");
    world.append_raw(alice, RecordKind::Message, payload.clone());
    let forged = Garbage::Author { author: alice, sender: bob };
    assert_eq!(world.read_one(CAROL), Err(OpenError::Garbage(forged)));
    let now = world.now;
    let draft = world.group(BOB).update(now).unwrap();
    world.append_raw(alice, RecordKind::Commit, draft.payload);
    let forged = Garbage::Author { author: alice, sender: bob };
    assert_eq!(world.read_one(CAROL), Err(OpenError::Garbage(forged)));
    // For an external commit it is the joiner.
    let (_, draft) = world.draft_join(DAVE).unwrap();
    world.append_raw(alice, RecordKind::Commit, draft.payload);
    let forged = Garbage::Author { author: alice, sender: world.id(DAVE) };
    assert_eq!(world.read_one(CAROL), Err(OpenError::Garbage(forged)));
    // The message itself was good all the time.
    world.append_raw(bob, RecordKind::Message, payload);
    assert_eq!(texts(&world.read(CAROL)), ["said Bob"]);
}

#[test]
fn an_altered_message_does_not_spoil_the_true_one() {
    let mut world = World::of(2);
    let payload = world.seal(ALICE, "true");
    let mut altered = payload.clone();
    *altered.last_mut().unwrap() ^= 1;
    let alice = world.id(ALICE);
    world.append_raw(alice, RecordKind::Message, altered);
    assert!(matches!(world.read_one(BOB), Err(OpenError::Garbage(Garbage::Mls(_)))));
    world.append_raw(alice, RecordKind::Message, payload);
    assert_eq!(texts(&world.read(BOB)), ["true"]);
}

#[test]
fn a_message_carries_a_content_and_nothing_in_clear() {
    let (mut world, mut group) = evil::room(2, true);
    let mallory = world.id(DAVE);
    let mut say = |world: &mut World, data: &[u8], clear: &[u8]| {
        let payload = group.encrypt_application_message(data, clear.to_vec()).unwrap().to_bytes().unwrap();
        world.append_raw(mallory, RecordKind::Message, payload);
        [ALICE, BOB].map(|who| world.read_one(who).unwrap_err())
    };
    let content = Content::text(MessageId([1; 16]), 1, None, "hi");
    let [alices, bobs] = say(&mut world, &content.to_padded().unwrap(), b"clear");
    assert_eq!(alices, OpenError::Garbage(Garbage::Kind));
    assert_eq!(alices, bobs);
    let [alices, bobs] = say(&mut world, &content.to_bytes(), b"");
    assert!(matches!(alices, OpenError::Garbage(Garbage::Content(_))), "{alices}");
    assert_eq!(alices, bobs);
    let padded = content.to_padded().unwrap();
    let payload = group.encrypt_application_message(&padded, vec![]).unwrap().to_bytes().unwrap();
    world.append_raw(mallory, RecordKind::Message, payload);
    assert_eq!(world.read_one(BOB), Ok(Opened::Message { sender: mallory, content }));
}

/// Who cannot open its part, and sees that the others refuse the commit anyway, stays as well.
#[test]
fn a_forbidden_commit_makes_nobody_rejoin() {
    let mut world = World::of(3);
    let crypto = EvilCrypto::harmless();
    let client = evil::client(&world, DAVE, crypto.clone(), true);
    let mut group = evil::join(&mut world, DAVE, &client);
    world.read_all();
    let (bob, index) = (world.id(BOB), leaf(&mut world, BOB));
    crypto.damaged.store(0, SeqCst);
    let payload = make(&mut group, statement(&[], &[bob], &[]), |it| it.remove_member(index).unwrap());
    let not_allowed = Garbage::Change(ChangeError::NotAllowed { by: world.id(DAVE), target: bob });
    assert_eq!(refused_by_all(&mut world, payload), not_allowed);
    assert!(crypto.damaged.load(SeqCst) < 0, "a secret was damaged");
}

#[test]
fn a_statement_of_a_joiner_carries_no_idle_notice() {
    let mut world = World::of(3);
    let notice = world.group(CAROL).leave_notice().unwrap();
    let carol = notice.device;
    let client = evil::client(&world, DAVE, EvilCrypto::harmless(), true);
    let data = statement(&[world.id(DAVE)], &[], &[notice]);
    let payload = evil::draft_join_stating(&world, data, &client).1;
    assert_eq!(refused_by_all(&mut world, payload), Garbage::Change(ChangeError::IdleNotice(carol)));
}

#[test]
fn a_leaf_is_of_reasonable_size() {
    let mut world = World::of(3);
    let client = evil::client(&world, DAVE, EvilCrypto::harmless(), true);
    let data = statement(&[world.id(DAVE)], &[], &[]);
    let mut extensions = ExtensionList::new();
    extensions.set(mls_rs::Extension::new(crate::policy::EXTENSION, vec![0; 500_000]));
    let payload = evil::join_builder(&world, data, &client).with_leaf_node_extensions(extensions);
    let payload = payload.build(evil::group_info(&world)).unwrap().1.to_bytes().unwrap();
    let too_large = Garbage::Change(ChangeError::Leaf(world.id(DAVE)));
    assert_eq!(refused_by_all(&mut world, payload), too_large);
}

/// Keys that were passed over are not kept: the log is in the order in which a device seals.
#[test]
fn messages_come_in_the_order_in_which_they_were_sealed() {
    let mut world = World::of(3);
    let (first, second) = (world.seal(ALICE, "first"), world.seal(ALICE, "second"));
    let alice = world.id(ALICE);
    world.append_raw(alice, RecordKind::Message, second);
    world.append_raw(alice, RecordKind::Message, first);
    for who in [BOB, CAROL] {
        let heard = world.read(who);
        assert_eq!(texts(&heard), ["second"]);
        assert!(matches!(heard[1], Err(OpenError::Garbage(Garbage::Mls(_)))));
    }
}

#[test]
fn a_garbage_commit_blocks_nobody() {
    let mut world = World::of(3);
    let (_, draft) = world.draft_join(DAVE).unwrap();
    // The confirmation tag stands last and is not signed.
    let mut payload = draft.payload;
    *payload.last_mut().unwrap() ^= 1;
    assert!(matches!(refused_by_all(&mut world, payload), Garbage::Mls(_)));
    let good = world.group(ALICE).snapshot().unwrap();
    world.snapshot = good;
    world.people[ALICE].base = world.last_commit;
    world.join(DAVE);
    world.read_all();
    world.assert_hears(DAVE, &HONEST);
}

/// Mallory's commit carries a damaged path secret for one member. The tree has Alice, Bob, Carol and Mallory as leaves
/// 0 to 3, so the first secret of a path of Mallory's is for Carol.
#[test]
fn a_commit_that_is_good_for_some_makes_the_others_rejoin() {
    partly_good_commit(|crypto| crypto.damaged.store(0, SeqCst));
}

/// As before, but the secret opens and is the wrong one.
#[test]
fn a_wrong_path_secret_makes_its_member_rejoin() {
    partly_good_commit(|crypto| crypto.wrong.store(0, SeqCst));
}

fn partly_good_commit(corrupt: impl FnOnce(&EvilCrypto)) {
    let mut world = World::of(3);
    let crypto = EvilCrypto::harmless();
    let client = evil::client(&world, DAVE, crypto.clone(), true);
    let mut group = evil::join(&mut world, DAVE, &client);
    world.read_all();
    corrupt(&crypto);
    let payload = make(&mut group, statement(&[], &[], &[]), |it| it);
    let mallory = world.id(DAVE);
    world.append_raw(mallory, RecordKind::Commit, payload);
    let lost = world.read_one(CAROL);
    assert!(matches!(lost, Err(OpenError::NeedsRejoin(_))), "{lost:?}");
    for who in [ALICE, BOB] {
        assert_eq!(change(world.read_one(who)).by, mallory);
    }
    world.assert_hears(ALICE, &[BOB]);
    assert!(matches!(world.read_one(CAROL), Err(OpenError::Garbage(Garbage::Epoch { .. }))));
    let snapshot = world.group(ALICE).snapshot().unwrap();
    world.snapshot = snapshot;
    let carol = world.id(CAROL);
    assert_eq!(world.join(CAROL).removed, [carol]);
    world.read_all();
    world.assert_hears(CAROL, &[ALICE, BOB]);
}

#[test]
fn an_unusable_encryption_key_does_not_get_into_the_tree() {
    for suite in Suite::ALL {
        let mut world = World::new(false, suite);
        world.join(BOB);
        world.read_all();
        // In a key package: the first key is the init key, the second the leaf's.
        for broken in 0..2 {
            let crypto = EvilCrypto::harmless();
            crypto.generate.store(broken, SeqCst);
            let client = evil::client(&world, DAVE, crypto, true);
            let made =
                client.generate_key_package_message(Default::default(), Default::default(), None).unwrap();
            let claimed =
                ClaimedKeyPackage { device: world.id(DAVE), key_package: made.to_bytes().unwrap().into() };
            // Valid by its dates, whatever the machine's clock says.
            let now = world.now;
            let error = world.group(ALICE).add(&[claimed], now).unwrap_err();
            let expected =
                CommitError::KeyPackage { device: world.id(DAVE), reason: KeyPackageError::KemKey };
            assert_eq!(error, expected, "{suite:?} {broken}");
        }
        // In the leaf of somebody who joins from outside: the second key that is made.
        let crypto = EvilCrypto::harmless();
        crypto.generate.store(1, SeqCst);
        let client = evil::client(&world, DAVE, crypto, true);
        evil::join(&mut world, DAVE, &client);
        let expected = Garbage::Change(ChangeError::KemKey(world.id(DAVE)));
        for who in [ALICE, BOB] {
            assert_eq!(world.read_one(who), Err(OpenError::Garbage(expected.clone())), "{suite:?}");
        }
        world.people[ALICE].base = world.last_commit;
        let now = world.now;
        let draft = world.group(ALICE).update(now).unwrap();
        world.commit(ALICE, draft);
    }
}

#[test]
fn nobody_brings_in_a_leaf_that_cannot_be_encrypted_to() {
    let (mut world, mut group) = evil::room(3, true);
    let guest = new_person(&world.authority, NOW);
    world.people.push(guest);
    let guest = world.people.len() - 1;
    let crypto = EvilCrypto::harmless();
    crypto.generate.store(1, SeqCst);
    let client = evil::client(&world, guest, crypto, true);
    let now = Some(crate::credential::mls_time(NOW));
    let made = client.generate_key_package_message(Default::default(), Default::default(), now).unwrap();
    let data = statement(&[world.id(guest)], &[], &[]);
    let payload = make(&mut group, data, |it| it.add_member(made).unwrap());
    let unusable = Garbage::Change(ChangeError::KemKey(world.id(guest)));
    assert_eq!(refused_by_all(&mut world, payload), unusable);
}

/// One that the library would take: the keys below the root are new, the root is the one from before.
#[test]
fn a_path_that_ends_early_is_refused() {
    use mls_rs::group::ExportedTree;
    use mls_rs::mls_rs_codec::MlsEncode;

    use crate::change::{View, check_path};

    let mut world = World::of(4);
    let now = world.now;
    let tree = |world: &mut World| world.group(ALICE).group.export_tree().into_owned();
    let before = tree(&mut world);
    let draft = world.group(ALICE).update(now).unwrap();
    world.commit(ALICE, draft);
    let after = tree(&mut world);
    let credentials = world.people[ALICE].device.credentials().clone();
    let check = |after: &ExportedTree<'_>| {
        let view = |tree| View { tree, credentials: &credentials };
        check_path(0, view(&before), view(after))
    };
    assert_eq!(check(&after), Ok(()));
    assert_eq!(check(&before), Ok(()), "no path at all, as when somebody is only added");
    for (index, name) in [(3, "root"), (1, "below"), (0, "leaf")] {
        let mut nodes = after.nodes().to_vec();
        nodes[index] = before.nodes()[index].clone();
        let mixed = ExportedTree::from_bytes(&nodes.mls_encode_to_vec().unwrap()).unwrap();
        let expected = if name == "leaf" { Ok(()) } else { Err(ChangeError::Path) };
        assert_eq!(check(&mixed), expected, "{name}");
    }
}

#[test]
fn a_long_run_of_messages_survives_a_bad_one_anywhere() {
    let mut world = World::of(2);
    let alice = world.id(ALICE);
    let messages: Vec<_> = (0..150).map(|number| world.seal(ALICE, &number.to_string())).collect();
    for (number, payload) in messages.into_iter().enumerate() {
        if number % 40 == 25 {
            let mut altered = payload.clone();
            *altered.last_mut().unwrap() ^= 1;
            world.append_raw(alice, RecordKind::Message, altered);
        }
        if number == 100 {
            world.people[BOB].restart();
        }
        world.append_raw(alice, RecordKind::Message, payload);
    }
    let heard = world.read(BOB);
    let opened_before_the_last_bad_one = world.records[146].clone();
    let again = world.group(BOB).open(&opened_before_the_last_bad_one);
    assert!(again.is_err(), "a used key comes back");
    let expected: Vec<_> = (0..150).map(|number| number.to_string()).collect();
    assert_eq!(texts(&heard), expected);
    assert_eq!(heard.iter().filter(|it| it.is_err()).count(), 4);
}

/// What a bad message undoes must not be something that was sent: a key would be used twice.
#[test]
fn a_bad_message_does_not_undo_a_seal() {
    let mut world = World::of(2);
    let bob = world.id(BOB);
    world.say(BOB, "before");
    world.read(ALICE);
    let first = world.seal(ALICE, "first");
    let mut altered = world.seal(BOB, "altered");
    *altered.last_mut().unwrap() ^= 1;
    world.append_raw(bob, RecordKind::Message, altered);
    assert!(world.read_one(ALICE).is_err());
    let second = world.seal(ALICE, "second");
    let alice = world.id(ALICE);
    world.append_raw(alice, RecordKind::Message, first);
    world.append_raw(alice, RecordKind::Message, second);
    assert_eq!(texts(&world.read(BOB)), ["first", "second"]);
}
