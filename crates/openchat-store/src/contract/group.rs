//! Rules of the group that joiners get.

use openchat_protocol::Uid;
use openchat_protocol::append::{CommitBundle, GroupUpdate};
use openchat_protocol::room::RoomSelector;
use openchat_protocol::tree::{Tree, TreeChange, TreeError};

use super::World;
use super::world::NOW;
use crate::group::JoinOffer;
use crate::room_log::{AppendError, AppendOutcome, NewContent};

/// Joiners get the group as it is after the last commit, the base it belongs to, and who made it.
pub async fn a_commit_replaces_the_group(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let create = world.create(Some("lobby"));
    let room = create.room;
    world.store.create_room(create.clone(), alice, NOW).await.unwrap();
    let selector = RoomSelector::Name("lobby".parse().unwrap());
    let first = world.join_info(&selector, bob).await.unwrap();
    assert_eq!((first.group, first.by), (create.group.clone(), alice.uid));
    let record = world.commit(room, bob, &[bob], &[]).await;
    let NewContent::Commit(commit) = &record.content else { panic!("no commit") };
    let update = commit.bundle().group.clone();
    assert!(update.tree.changed.len() < create.group.tree.nodes().len(), "one node stays");
    let group = create.group.after(&update).unwrap();
    let stored = world.append(record).await;
    world.say(room, alice, "hello").await;
    let info = world.join_info(&selector, bob).await.unwrap();
    assert_eq!((info.base.commit, info.group, info.by), (stored.position, group, bob.uid));
    assert_eq!(info.base.incarnation, world.store.incarnation());
}

/// A commit that was made for another tree is refused and changes nothing; one that brings the whole tree is not. A
/// tree may become shorter and longer.
pub async fn a_commit_for_another_tree_is_refused(world: &World) {
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    let selector = RoomSelector::Id(room);
    let before = world.join_info(&selector, alice).await.unwrap();
    let tree = |nodes: &[&[u8]]| Tree::new(nodes.iter().map(|node| node.to_vec()).collect());
    let commit = async |tree: TreeChange| {
        let group = GroupUpdate { group_info: b"info".to_vec().into(), tree };
        let bundle = CommitBundle { group, welcomes: Vec::new() };
        world.try_append(world.commit_bringing(room, alice, bundle).await).await
    };
    let (other, next) = (tree(&[b"x", b"y"]), tree(&[b"x", b"z"]));
    let refused = commit(TreeChange::between(&other, &next)).await;
    assert_eq!(refused, Err(AppendError::Tree(TreeError::OtherTree)));
    assert_eq!(world.join_info(&selector, alice).await, Some(before));

    let mut last = other;
    assert!(matches!(commit(TreeChange::whole(&last)).await, Ok(AppendOutcome::Stored(_))));
    for nodes in [&[&b"x"[..]][..], &[b"x", b"", b"w"], &[b"v", b"", b"w"]] {
        let next = tree(nodes);
        let stored = commit(TreeChange::between(&last, &next)).await;
        assert!(matches!(stored, Ok(AppendOutcome::Stored(_))), "{stored:?}");
        let info = world.join_info(&selector, alice).await.unwrap();
        assert_eq!(info.group.tree, next);
        last = next;
    }
}

/// Helpers are devices that are members now, of users who are neither doubted nor the one who asks.
pub async fn who_doubts_the_last_author_gets_no_group_but_helpers(world: &World) {
    let (alice, bob, carol) = (world.user("alice").await, world.user("bob").await, world.user("carol").await);
    let (dave, second) = (world.user("dave").await, world.device(carol.uid).await);
    let room = world.room(Some("lobby"), alice).await;
    world.add(room, alice, &[bob, carol, second, dave]).await;
    world.leave(room, dave).await;
    world.add(room, bob, &[]).await;
    let selector = RoomSelector::Id(room);
    let helpers = async |joiner, doubted: &[Uid]| match world.join_offer(&selector, joiner, doubted).await {
        Some(JoinOffer::Doubted { room: of, mut helpers }) if of == room => {
            helpers.sort();
            Some(helpers)
        }
        Some(JoinOffer::Group(info)) if info.by == bob.uid => None,
        other => panic!("{other:?}"),
    };
    let sorted = |mut devices: Vec<_>| {
        devices.sort();
        Some(devices)
    };
    let erin = world.user("erin").await;
    assert_eq!(helpers(erin, &[alice.uid, carol.uid]).await, None, "they have not made it");
    assert_eq!(helpers(erin, &[bob.uid]).await, sorted(vec![alice, carol, second]));
    assert_eq!(helpers(erin, &[bob.uid, alice.uid]).await, sorted(vec![carol, second]));
    assert_eq!(helpers(second, &[bob.uid]).await, sorted(vec![alice]));
    assert_eq!(helpers(erin, &[alice.uid, bob.uid, carol.uid]).await, sorted(vec![]));
    world.add(room, carol, &[]).await;
    let offer = world.join_offer(&selector, erin, &[bob.uid]).await;
    assert!(matches!(offer, Some(JoinOffer::Group(info)) if info.by == carol.uid));
    let private = world.room(None, bob).await;
    assert_eq!(world.join_offer(&RoomSelector::Id(private), erin, &[bob.uid]).await, None);
}
