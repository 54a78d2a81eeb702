//! Coming, going, and who understands whom.

use openchat_protocol::mls_head::Head;
use openchat_protocol::record::RecordKind;
use openchat_protocol::statement::Statement;
use openchat_protocol::tree::Tree;

use super::*;
use crate::change::ChangeError;
use crate::leave::LeaveError;
use crate::rules::RuleError;
use crate::{AcceptError, CommitError, Garbage};

#[test]
fn a_listed_room_is_joined_by_name_while_nobody_is_there() {
    for suite in Suite::ALL {
        let mut world = World::new(false, suite);
        world.say(ALICE, "before Bob");
        let joined = world.join(BOB);
        let expected = EpochChange {
            epoch: 1,
            by: world.id(BOB),
            joined: vec![world.id(BOB)],
            removed: vec![],
            external: true,
            i_am_removed: false,
        };
        assert_eq!(joined, expected);
        world.assert_hears(BOB, &[]);
        let heard = world.read(ALICE);
        assert_eq!(heard[1], Ok(Opened::Commit(expected)));
        assert_eq!(texts(&heard), ["by 1 in 1"]);
        world.join(CAROL);
        world.read_all();
        world.assert_hears(CAROL, &[ALICE, BOB]);
        assert_eq!(world.members(ALICE), world.sorted(&[ALICE, BOB, CAROL]));
        assert_eq!(world.members(CAROL), world.members(ALICE));
        assert!(world.group(CAROL).roster().iter().filter(|member| member.is_me).count() == 1);
        let name = |world: &mut World, who: usize| world.group(who).policy().name().to_string();
        assert_eq!((name(&mut world, CAROL), world.group(CAROL).suite()), ("lobby".to_owned(), suite));
        let keys = [ALICE, BOB, CAROL].map(|who| world.group(who).fernet_key().unwrap().id());
        assert_eq!((keys[0], keys[1]), (keys[1], keys[2]));
    }
}

#[test]
fn a_private_room_is_entered_by_welcome_while_away() {
    for suite in Suite::ALL {
        let mut world = World::new(true, suite);
        let change = world.add(ALICE, &[BOB, CAROL]);
        assert_eq!((change.joined, change.external), (world.sorted(&[BOB, CAROL]), false));
        world.say(ALICE, "before they looked");
        assert_eq!(world.join_welcome(CAROL), world.id(ALICE));
        assert_eq!(texts(&world.read(CAROL)), ["before they looked"]);
        world.join_welcome(BOB);
        world.read_all();
        world.assert_hears(BOB, &[ALICE, CAROL]);
        assert_eq!(world.members(BOB), world.sorted(&[ALICE, BOB, CAROL]));
        assert_eq!(world.group(BOB).policy().room_key().cloned(), world.room_key);
        // A member that is no administrator adds the next one.
        world.add(CAROL, &[DAVE]);
        world.join_welcome(DAVE);
        world.read_all();
        world.assert_hears(DAVE, &[ALICE, BOB, CAROL]);
    }
}

#[test]
fn a_private_room_tells_the_server_nothing() {
    let mut world = World::new(true, Suite::default());
    world.add(ALICE, &[BOB]);
    let nodes: Vec<_> = world.snapshot.tree.nodes().collect();
    let stored = [&world.snapshot.group_info[..], &nodes.concat()].concat();
    let listed = World::new(false, Suite::default()).snapshot;
    let contains = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(contains(&listed.group_info, b"lobby"), "the test can fail");
    assert!(!contains(&stored, b"lobby"));
    assert!(!contains(&stored, &world.people[ALICE].identity_certificate[..40]));
}

#[test]
fn a_joiner_cannot_open_what_came_before() {
    let mut world = World::of(2);
    world.say(ALICE, "secret");
    let before = world.records.len() - 1;
    world.join(CAROL);
    let heard = world.people[CAROL].group().open(&world.records[before]);
    assert!(matches!(heard, Err(OpenError::Garbage(Garbage::Epoch { message: 1, room: 2 }))), "{heard:?}");
}

/// Attack 17: a removed member reads or posts.
#[test]
fn an_administrator_removes_and_the_removed_opens_nothing_more() {
    let mut world = World::of(3);
    let (carol, now) = (world.id(CAROL), world.now);
    let draft = world.group(ALICE).remove(&[carol], &[], now).unwrap();
    let removal = world.commit(ALICE, draft);
    assert_eq!((removal.removed.clone(), removal.i_am_removed), (vec![carol], false));
    let seen = change(world.read_one(CAROL));
    assert_eq!(seen, EpochChange { i_am_removed: true, ..removal.clone() });
    assert_eq!(world.read_one(BOB), Ok(Opened::Commit(removal)));
    world.assert_hears(BOB, &[ALICE]);
    assert!(matches!(world.read_one(CAROL), Err(OpenError::Garbage(Garbage::Epoch { .. }))));
    assert_eq!(world.members(BOB), world.sorted(&[ALICE, BOB]));
    // What the removed sends is for an epoch that is over.
    let payload = world.seal(CAROL, "still here");
    world.append_raw(carol, RecordKind::Message, payload);
    assert!(matches!(world.read_one(ALICE), Err(OpenError::Garbage(Garbage::Epoch { .. }))));
    let secret = |world: &mut World, who: usize| world.group(who).room_secret("label").unwrap();
    assert_ne!(secret(&mut world, CAROL), secret(&mut world, BOB));
}

#[test]
fn only_administrators_remove_other_people() {
    let mut world = World::of(3);
    let (carol, now) = (world.id(CAROL), world.now);
    let error = world.group(BOB).remove(&[carol], &[], now).unwrap_err();
    assert_eq!(error, CommitError::Change(ChangeError::NotAllowed { by: world.id(BOB), target: carol }));
    let bob = world.id(BOB);
    assert_eq!(world.group(BOB).remove(&[bob], &[], now).unwrap_err(), CommitError::Myself);
    world.assert_hears(BOB, &[ALICE, CAROL]);
}

#[test]
fn users_remove_their_own_devices() {
    let mut world = World::of(3);
    let (identity, certificate) = {
        let bob = &world.people[BOB];
        (IdentityKey::from_pkcs8(&bob.identity.to_pkcs8()).unwrap(), bob.identity_certificate.clone())
    };
    let phone =
        new_device(DeviceKey::generate(), &world.authority, &identity, &certificate, Did([9; 10]), world.now);
    let mut person = new_person(&world.authority, world.now);
    (person.identity, person.identity_certificate, person.device) = (identity, certificate, phone);
    world.people.push(person);
    let phone = world.people.len() - 1;
    world.join(phone);
    world.read_all();
    assert_eq!(world.id(phone).uid, world.id(BOB).uid);
    let (id, now) = (world.id(phone), world.now);
    let draft = world.group(BOB).remove(&[id], &[], now).unwrap();
    world.commit(BOB, draft);
    world.read_all();
    assert_eq!(world.members(CAROL), world.sorted(&[ALICE, BOB, CAROL]));
    world.assert_hears(BOB, &[ALICE, CAROL]);
}

#[test]
fn who_leaves_is_removed_by_anybody_with_the_notice() {
    let mut world = World::of(3);
    world.leave(BOB);
    let Ok(Opened::Leave(notice)) = world.read_one(CAROL) else { panic!("no leave") };
    assert_eq!(notice.device, world.id(BOB));
    let now = world.now;
    let draft = world.group(CAROL).remove(&[], std::slice::from_ref(&notice), now).unwrap();
    let change = world.commit(CAROL, draft);
    assert_eq!(change.removed, [world.id(BOB)]);
    assert_eq!(world.read(BOB).len(), 2);
    world.read_all();
    world.assert_hears(CAROL, &[ALICE]);
    // After a rejoin the notice is void.
    world.join(BOB);
    world.read_all();
    let error = world.group(CAROL).remove(&[], &[notice], now).unwrap_err();
    let void = LeaveError::OtherLeaf(world.id(BOB));
    assert_eq!(error, CommitError::Change(ChangeError::Leave(void)));
}

#[test]
fn a_leave_notice_is_its_authors() {
    let mut world = World::of(3);
    let notice = world.group(BOB).leave_notice().unwrap();
    let carol = world.id(CAROL);
    world.append_raw(carol, RecordKind::Leave, codec::encode(&notice));
    let expected = Garbage::Author { author: carol, sender: notice.device };
    assert_eq!(world.read_one(ALICE), Err(OpenError::Garbage(expected)));
    let mut forged = world.group(BOB).leave_notice().unwrap();
    forged.device = carol;
    world.append_raw(carol, RecordKind::Leave, codec::encode(&forged));
    let expected = Garbage::Leave(LeaveError::OtherLeaf(carol));
    assert_eq!(world.read_one(ALICE), Err(OpenError::Garbage(expected)));
    let mut forged = world.group(CAROL).leave_notice().unwrap();
    forged.signature = notice.signature;
    world.append_raw(carol, RecordKind::Leave, codec::encode(&forged));
    let expected = Garbage::Leave(LeaveError::Signature(carol));
    assert_eq!(world.read_one(ALICE), Err(OpenError::Garbage(expected)));
    world.append_raw(carol, RecordKind::Leave, b"\xff".to_vec());
    assert!(matches!(
        world.read_one(ALICE),
        Err(OpenError::Garbage(Garbage::Leave(LeaveError::Malformed(_))))
    ));
}

#[test]
fn keys_are_updated_and_the_room_goes_on() {
    let mut world = World::of(3);
    let now = world.now;
    let draft = world.group(BOB).update(now).unwrap();
    let change = world.commit(BOB, draft);
    assert_eq!((change.joined, change.removed, change.by), (vec![], vec![], world.id(BOB)));
    world.read_all();
    for (speaker, hearers) in [(ALICE, [BOB, CAROL]), (BOB, [ALICE, CAROL]), (CAROL, [ALICE, BOB])] {
        world.assert_hears(speaker, &hearers);
        world.read(speaker);
    }
}

#[test]
fn a_device_that_lost_its_state_joins_again() {
    for private in [false, true] {
        let mut world = World::new(private, Suite::default());
        world.add(ALICE, &[BOB, CAROL]);
        world.join_welcome(BOB);
        world.join_welcome(CAROL);
        world.people[BOB].group = None;
        world.say(ALICE, "lost");
        let change = world.join(BOB);
        let bob = world.id(BOB);
        assert_eq!((change.joined, change.removed), (vec![bob], vec![bob]));
        world.read_all();
        assert_eq!(world.members(ALICE), world.sorted(&[ALICE, BOB, CAROL]));
        world.assert_hears(BOB, &[ALICE, CAROL]);
    }
}

#[test]
fn another_device_of_a_member_enters_a_private_room_by_itself() {
    let mut world = World::new(true, Suite::default());
    let alice = &world.people[ALICE];
    let identity = IdentityKey::from_pkcs8(&alice.identity.to_pkcs8()).unwrap();
    let certificate = alice.identity_certificate.clone();
    let device =
        new_device(DeviceKey::generate(), &world.authority, &identity, &certificate, Did([9; 10]), world.now);
    world.people[BOB].device = device;
    world.join(BOB);
    world.read_all();
    world.assert_hears(BOB, &[ALICE]);
}

#[test]
fn a_stranger_stays_out_of_a_private_room_even_with_the_key() {
    let world = World::new(true, Suite::default());
    let error = world.draft_join(BOB).unwrap_err();
    assert_eq!(error, JoinError::Rule(RuleError::NotInvited(world.id(BOB))));
    let device = &world.people[BOB].device;
    let other = RoomKey::generate().unwrap();
    let unseal = device.join_external(&world.join_info(), Some(&other), world.now).unwrap_err();
    assert!(matches!(unseal, JoinError::Unseal(_)), "{unseal}");
    let sealed = device.join_external(&world.join_info(), None, world.now).unwrap_err();
    assert!(matches!(sealed, JoinError::Mls(_)), "{sealed}");
}

#[test]
fn a_private_room_is_joined_only_through_its_key() {
    let world = World::new(true, Suite::default());
    let key = world.room_key.as_ref();
    let group_info = crate::policy::unseal(key, ROOM, &world.snapshot.group_info).unwrap().into();
    let tree = crate::tree::from_wire(&world.snapshot.tree, key, ROOM).unwrap();
    let group = GroupSnapshot { group_info, tree: crate::tree::to_wire(&tree, None, ROOM).unwrap() };
    let bare = JoinInfo { group, ..world.join_info() };
    let error = world.people[ALICE].device.join_external(&bare, None, NOW).unwrap_err();
    assert!(matches!(error, JoinError::Unseal(_)), "{error}");
}

#[test]
fn the_server_cannot_pass_off_one_room_as_another() {
    let world = World::new(false, Suite::default());
    let device = &world.people[BOB].device;
    let join = |info: &JoinInfo| device.join_external(info, None, world.now).map(|_| ()).unwrap_err();
    let renamed = JoinInfo { name: Some("other".parse().unwrap()), ..world.join_info() };
    assert!(matches!(join(&renamed), JoinError::OtherName { .. }));
    let unnamed = JoinInfo { name: None, ..world.join_info() };
    assert!(matches!(join(&unnamed), JoinError::OtherName { .. }));
    let moved = JoinInfo { room: RoomId([8; 16]), ..world.join_info() };
    assert_eq!(join(&moved), JoinError::OtherRoom);
    let mut mixed = world.join_info();
    mixed.group.tree = World::new(false, Suite::default()).snapshot.tree;
    assert!(matches!(join(&mixed), JoinError::Mls(_) | JoinError::Credential(_)));
}

#[test]
fn a_welcome_needs_its_key_package() {
    let mut world = World::new(true, Suite::default());
    world.add(ALICE, &[BOB, CAROL]);
    let pending = world.welcomes[&world.id(BOB)].clone();
    let unknown = world.people[BOB].device.join_welcome(&pending, |_| None).map(|_| ()).unwrap_err();
    assert_eq!(unknown, JoinError::KeyPackageUnknown);
    // Bob's Welcome is of no use to Carol, whatever she offers.
    let carols = world.people[CAROL].secrets.values().next().unwrap().clone();
    let stolen = world.people[CAROL].device.join_welcome(&pending, |_| Some(carols.clone()));
    assert!(stolen.is_err());
}

#[test]
fn a_last_resort_key_package_serves_twice() {
    let mut world = World::new(true, Suite::default());
    let made = world.people[BOB].device.key_packages(world.suite, 1, true, world.now).unwrap().remove(0);
    assert!(made.last_resort);
    world.people[BOB].secrets.insert(made.id.clone(), made.secret.clone());
    let claimed = ClaimedKeyPackage { device: world.id(BOB), key_package: made.public.into() };
    let (now, bob) = (world.now, world.id(BOB));
    for _ in 0..2 {
        let draft = world.group(ALICE).add(std::slice::from_ref(&claimed), now).unwrap();
        world.commit(ALICE, draft);
        let pending = world.welcomes[&bob].clone();
        let joined = world.people[BOB]
            .device
            .join_welcome(&pending, |id| (id == made.id).then(|| made.secret.clone()));
        assert_eq!(joined.unwrap().key_package, made.id);
        let draft = world.group(ALICE).remove(&[bob], &[], now).unwrap();
        world.commit(ALICE, draft);
    }
}

#[test]
fn key_packages_are_checked_before_they_are_used() {
    let mut world = World::of(2);
    let now = world.now;
    let claimed = world.claim(CAROL);
    let mut reason =
        |claimed: &ClaimedKeyPackage| match world.group(ALICE).add(std::slice::from_ref(claimed), now) {
            Err(CommitError::KeyPackage { device, reason }) => (device, reason.to_string()),
            other => panic!("{other:?}"),
        };
    let (carol, dave) = (claimed.device, DeviceId { did: Did([1; 10]), ..claimed.device });
    let other = ClaimedKeyPackage { device: dave, ..claimed.clone() };
    assert_eq!(reason(&other).0, dave);
    assert!(reason(&other).1.contains(&carol.to_string()));
    let broken = ClaimedKeyPackage { key_package: vec![0, 1].into(), ..claimed.clone() };
    assert_eq!(reason(&broken), (carol, "it is malformed".to_owned()));
    let foreign = world.people[CAROL].device.key_packages(Suite::P384, 1, false, now).unwrap().remove(0);
    let foreign = ClaimedKeyPackage { key_package: foreign.public.into(), ..claimed.clone() };
    let error = world.group(ALICE).add(&[foreign], now).unwrap_err();
    assert!(error.to_string().contains("cipher suite 0x0007"), "{error}");
    let twice = [claimed.clone(), claimed.clone()];
    assert_eq!(world.group(ALICE).add(&twice, now).unwrap_err(), CommitError::AlreadyMember(carol));
    let member = world.claim(BOB);
    let bob = member.device;
    assert_eq!(world.group(ALICE).add(&[member], now).unwrap_err(), CommitError::AlreadyMember(bob));
    let draft = world.group(ALICE).add(&[claimed], now).unwrap();
    assert_eq!(world.commit(ALICE, draft).joined, [carol]);
}

#[test]
fn the_policy_is_the_administrators() {
    let mut world = World::of(3);
    let (now, bob) = (world.now, world.id(BOB));
    let wider = world.group(ALICE).policy().clone().with_admins(vec![bob.uid, world.id(ALICE).uid]).unwrap();
    let error = world.group(BOB).set_policy(wider.clone(), now).unwrap_err();
    assert_eq!(error, CommitError::Rule(RuleError::NotAdmin(bob)));
    let draft = world.group(ALICE).set_policy(wider.clone(), now).unwrap();
    let head = Head::parse(&draft.payload).unwrap();
    let statement: Statement = codec::decode(head.authenticated_data).unwrap();
    assert_eq!(statement.admins.as_deref(), Some(wider.admins()), "the server follows it");
    world.commit(ALICE, draft);
    world.read_all();
    for who in [ALICE, BOB, CAROL] {
        assert_eq!(world.group(who).policy(), &wider);
    }
    let renamed = wider.with_name("other".parse().unwrap());
    let error = world.group(BOB).set_policy(renamed, now).unwrap_err();
    assert_eq!(error, CommitError::Rule(RuleError::PolicyChange));
    let carol = world.id(CAROL);
    let draft = world.group(BOB).remove(&[carol], &[], now).unwrap();
    world.commit(BOB, draft);
    assert_eq!(change(world.read_one(ALICE)).removed, [carol]);
}

#[test]
fn a_new_room_key_seals_what_comes_after() {
    let mut world = World::new(true, Suite::default());
    world.add(ALICE, &[BOB]);
    world.join_welcome(BOB);
    let (now, creator) = (world.now, world.id(ALICE).uid);
    let key = RoomKey::generate().unwrap();
    let policy = RoomPolicy::private("den".parse().unwrap(), creator, key.clone());
    let draft = world.group(ALICE).set_policy(policy, now).unwrap();
    world.commit(ALICE, draft);
    world.read_all();
    world.room_key = Some(key);
    world.join(BOB);
    world.read_all();
    assert_eq!(world.group(BOB).policy().name().as_str(), "den");
    world.assert_hears(BOB, &[ALICE]);
}

#[test]
fn there_is_nothing_to_accept_without_a_draft() {
    let mut world = World::of(2);
    let now = world.now;
    assert_eq!(world.group(ALICE).accept_commit(now), Err(AcceptError::NotPending));
}

#[test]
fn a_commit_brings_only_the_nodes_that_it_changes() {
    for private in [false, true] {
        let mut world = World::new(private, Suite::default());
        world.add(ALICE, &[BOB, CAROL, DAVE]);
        for who in [BOB, CAROL, DAVE] {
            world.join_welcome(who);
        }
        world.read_all();
        // Everybody's first commit fills the paths.
        for who in [ALICE, BOB, CAROL, DAVE, BOB] {
            let now = world.now;
            let draft = world.group(who).update(now).unwrap();
            let changed: Vec<_> = draft.bundle.group.tree.changed.iter().map(|it| it.index).collect();
            let path = match who {
                ALICE => vec![0, 1, 3],
                BOB => vec![1, 2, 3],
                CAROL => vec![3, 4, 5],
                _ => vec![3, 5, 6],
            };
            assert_eq!(changed, path);
            world.commit(who, draft);
            world.read_all();
        }
        world.assert_hears(BOB, &[ALICE, CAROL, DAVE]);
    }
}

#[test]
fn who_comes_in_from_outside_builds_on_the_tree_that_was_given() {
    let world = World::of(3);
    let (_, draft) = world.draft_join(DAVE).unwrap();
    let change = &draft.bundle.group.tree;
    assert!(change.changed.len() < 7 && change.length == 7, "{change:?}");
    world.snapshot.after(&draft.bundle.group).unwrap();
    // A server that holds another tree says so, and gets the whole one.
    let mut other = world.snapshot.clone();
    other.tree = World::new(false, Suite::default()).snapshot.tree;
    other.after(&draft.bundle.group).unwrap_err();
    let tree = draft.tree.clone();
    assert_eq!(other.after(&draft.with_whole_tree().bundle.group).unwrap().tree, tree);
}

#[test]
fn nodes_of_a_private_room_open_only_where_they_belong() {
    let mut world = World::new(true, Suite::default());
    world.add(ALICE, &[BOB]);
    let (key, tree) = (world.room_key.clone(), world.snapshot.tree.clone());
    let open = |tree: &Tree, room| crate::tree::from_wire(tree, key.as_ref(), room).is_ok();
    assert!(open(&tree, ROOM));
    assert!(!open(&tree, RoomId([8; 16])));
    let nodes: Vec<_> = tree.nodes().map(<[u8]>::to_vec).collect();
    let swapped = [nodes[2].clone(), nodes[1].clone(), nodes[0].clone()];
    assert!(!open(&Tree::new(swapped.to_vec()), ROOM));
    assert!(!open(&Tree::new(nodes.iter().map(|node| node[1..].to_vec()).collect()), ROOM));
}
