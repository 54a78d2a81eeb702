//! Rules of the log of keys.

use openchat_protocol::Timestamp;
use openchat_protocol::account::AccountSelector;
use openchat_transparency::tree::Frontier;
use openchat_transparency::{Body, Head, Kind, Label, Leaf};

use super::World;
use super::world::NOW;
use crate::key_log::{DeviceListError, LogState, LoggedTail, NewDeviceList};

async fn state(world: &World) -> LogState {
    world.store.log_state().await.unwrap()
}

async fn leaves(world: &World) -> Vec<Leaf> {
    world.store.log_tail(0, 0, 1000).await.unwrap().leaves
}

/// An account is in the log when it is there, or neither is.
pub async fn an_account_comes_with_its_leaves(world: &World) {
    let new = world.account("alice");
    let refused = world.account("alice");
    world.store.create_account(new.clone(), None, NOW).await.unwrap();
    world.store.create_account(refused, None, NOW).await.unwrap_err();
    let leaves = leaves(world).await;
    let labels: Vec<_> = leaves.iter().map(|leaf| (leaf.label, leaf.kind, leaf.seq)).collect();
    let expected = new.log.clone().map(|leaf| (leaf.label, Kind::IdentityIssued, 1));
    assert_eq!(labels, expected);
    assert_eq!(world.store.unlogged_accounts(10).await, Ok(vec![]));
    world.store.log_account(new.uid, new.log.to_vec(), NOW).await.unwrap();
    assert_eq!(state(world).await.size, 2, "it is in the log already");
}

/// What comes out fits together under one root, whatever the sizes.
pub async fn the_log_is_a_tree_with_proofs(world: &World) {
    let mut frontier = Frontier::default();
    for number in 0..20 {
        let leaf = world.leaf(Kind::IdentityIssued, Label([number; 32]));
        let leaf = if number == 0 { world.leaf(Kind::Heartbeat, Label::LOG) } else { leaf };
        world.store.append_to_log(vec![leaf], NOW).await.unwrap();
    }
    for leaf in leaves(world).await {
        frontier.push(&leaf);
    }
    let LogState { size, root, heartbeat } = state(world).await;
    assert_eq!((size, root, heartbeat), (20, frontier.root(), Some(NOW)));
    let head = Head { size, root };
    let labels = vec![Label([3; 32]), Label([99; 32]), Label([7; 32])];
    let found = world.store.log_entries(labels, 13).await.unwrap();
    assert_eq!((found.size, found.root), (size, root));
    let indices: Vec<_> = found.entries.iter().map(|it| it.as_ref().map(|entry| entry.index)).collect();
    assert_eq!(indices, [Some(3), None, Some(7)]);
    for entry in found.entries.iter().flatten() {
        entry.inclusion.check_inclusion(&entry.leaf, entry.index, &head).unwrap();
        assert_eq!(entry.opening.commitment(), entry.leaf.commitment);
    }
    let (old, path) = world.store.log_compare(13, 20).await.unwrap().unwrap();
    assert_eq!(path, found.consistency);
    path.check_consistency(&Head { size: 13, root: old }, &head).unwrap();
    for (old, new) in [(14, 13), (13, 21)] {
        assert_eq!(world.store.log_compare(old, new).await, Ok(None), "{old} {new}");
    }
}

/// The newest event of the authority is found behind the heartbeats after it.
pub async fn the_last_event_of_the_authority_is_found(world: &World) {
    assert_eq!(world.store.last_authority_event().await, Ok(None));
    let leaf = |kind, nonce| {
        let mut leaf = world.leaf(kind, Label::LOG);
        leaf.opening.nonce = [nonce; 32];
        leaf
    };
    let leaves = vec![leaf(Kind::Authority, 1), leaf(Kind::Authority, 2), leaf(Kind::Heartbeat, 3)];
    world.store.append_to_log(leaves.clone(), NOW).await.unwrap();
    assert_eq!(world.store.last_authority_event().await, Ok(Some(leaves[1].opening.clone())));
}

/// Each page proves itself; beyond the end there is nothing.
pub async fn the_log_is_read_in_pages(world: &World) {
    let heartbeat = || world.leaf(Kind::Heartbeat, Label::LOG);
    for number in 0..7 {
        world.store.append_to_log(vec![heartbeat()], Timestamp(NOW.0 + number)).await.unwrap();
    }
    let mut frontier = Frontier::default();
    while frontier.size() < 7 {
        let LoggedTail { size, root, leaves, beyond, .. } =
            world.store.log_tail(0, frontier.size(), 3).await.unwrap();
        leaves.iter().for_each(|leaf| frontier.push(leaf));
        let page_end = Head { size: frontier.size(), root: frontier.root() };
        beyond.check_consistency(&page_end, &Head { size, root }).unwrap();
    }
    assert_eq!(world.store.log_tail(0, 7, 3).await.unwrap().leaves, []);
    assert_eq!(world.store.log_tail(100, 100, 3).await.unwrap().leaves, []);
}

/// Leaves of one label name each other, and time does not go back, whatever the clock does.
pub async fn leaves_of_a_label_are_a_chain(world: &World) {
    let label = Label([5; 32]);
    for now in [NOW.0, NOW.0 - 9, NOW.0 + 9] {
        let leaves = vec![world.leaf(Kind::DeviceList, label), world.leaf(Kind::Heartbeat, Label::LOG)];
        world.store.append_to_log(leaves, Timestamp(now)).await.unwrap();
    }
    let all = leaves(world).await;
    let chain: Vec<_> = all.iter().filter(|it| it.label == label).map(|it| (it.seq, it.previous)).collect();
    assert_eq!(chain, [(1, None), (2, Some(0)), (3, Some(2))]);
    assert!(all.is_sorted_by_key(|leaf| leaf.time));
    assert_eq!(all.last().unwrap().time, Timestamp(NOW.0 + 9));
}

/// One version after the other, each with its leaf; the same one again is no error.
pub async fn versions_of_a_device_list_only_grow(world: &World) {
    let uid = world.user("alice").await.uid;
    let before = state(world).await.size;
    let list = |version| world.list(version, Label([6; 32]));
    let publish = async |list: NewDeviceList| world.store.publish_devices(uid, list, NOW).await;
    let first = list(1);
    assert_eq!(publish(list(2)).await, Err(DeviceListError::Version { known: 0 }));
    assert_eq!(publish(first.clone()).await, Ok(()));
    let mut again = first.clone();
    let Ok(Body::DeviceList(mut signed)) = Body::read(Kind::DeviceList, &first.leaf.opening.body) else {
        panic!("a list")
    };
    signed.signature = vec![9].into();
    again.leaf.opening.body = Body::DeviceList(signed).to_bytes();
    assert_eq!(publish(again).await, Ok(()), "its answer was lost");
    assert_eq!(publish(list(1)).await, Err(DeviceListError::Version { known: 1 }));
    assert_eq!(publish(list(2)).await, Ok(()));
    assert_eq!(state(world).await.size, before + 2);
    let stranger = world.account("bob").uid;
    let refused = world.store.publish_devices(stranger, list(1), NOW).await;
    assert_eq!(refused, Err(DeviceListError::AccountUnknown));
}

/// A new device and the list with it come together, or not at all.
pub async fn a_device_comes_with_its_list(world: &World) {
    let uid = world.user("alice").await.uid;
    let before = state(world).await.size;
    let mut new = world.new_device(uid);
    let list = NewDeviceList { devices: vec![new.device.did], ..world.list(2, Label([6; 32])) };
    new.list = Some(list.clone());
    world.store.enrol_device(new.clone(), NOW).await.unwrap_err();
    assert_eq!(world.store.device(new.device).await, Ok(None));
    assert_eq!(state(world).await.size, before);
    new.list = Some(NewDeviceList { version: 1, ..list });
    world.store.enrol_device(new.clone(), NOW).await.unwrap();
    world.store.enrol_device(new.clone(), NOW).await.unwrap();
    assert!(world.store.device(new.device).await.unwrap().is_some());
    assert_eq!(state(world).await.size, before + 1);
}

/// What a list leaves out cannot log in any more, nor be added to a room; others' devices have nothing to do with it.
pub async fn a_device_that_is_listed_no_more_is_revoked(world: &World) {
    let uid = world.user("alice").await.uid;
    let (kept, lost) = (world.device(uid).await, world.device(uid).await);
    let other = world.user("bob").await;
    let list = NewDeviceList { devices: vec![kept.did], ..world.list(1, Label([6; 32])) };
    world.store.publish_devices(uid, list, NOW).await.unwrap();
    let is_revoked = async |device| world.store.device(device).await.unwrap().unwrap().revoked;
    assert!(is_revoked(lost).await);
    assert!(!is_revoked(kept).await && !is_revoked(other).await);
}

/// What a leaf stands for goes, for all leaves of the label; the tree stays.
pub async fn an_erased_label_leaves_the_tree_as_it_is(world: &World) {
    let alice = world.account("alice");
    world.store.create_account(alice.clone(), None, NOW).await.unwrap();
    let before = state(world).await;
    let labels: Vec<_> = alice.log.iter().map(|leaf| leaf.label).collect();
    world.store.erase_log(labels[0]).await.unwrap();
    assert_eq!(state(world).await, before);
    let found = world.store.log_entries(labels, 0).await.unwrap();
    assert!(found.entries[0].is_none() && found.entries[1].is_some());
    assert!(world.store.account(&AccountSelector::Uid(alice.uid)).await.unwrap().is_some());
}
