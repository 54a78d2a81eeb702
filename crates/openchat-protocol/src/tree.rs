//! A room's ratchet tree on its way to joiners: node by node, so that a commit brings only those that it changes.

use aws_lc_rs::digest::{Context, SHA256, digest};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::limits;

/// The exported ratchet tree (RFC 9420 §12.4.3.3): each entry an `optional<Node>`, in a private room sealed by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Tree(#[n(0)] Vec<ByteVec>);

/// What a commit makes of the tree that the server holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TreeChange {
    /// The nodes of the new tree; those that are not in `changed` stay as they are.
    #[n(0)]
    pub length: u32,
    /// The nodes that are new or other than before, by their place.
    #[n(1)]
    pub changed: Vec<ChangedNode>,
    /// The new tree: the server stores nothing that its author did not mean.
    #[n(2)]
    pub result: TreeDigest,
}

/// One node of a [`TreeChange`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ChangedNode {
    /// Its index in the tree (RFC 9420 §4.1.2).
    #[n(0)]
    pub index: u32,
    /// What is there now.
    #[n(1)]
    pub node: ByteVec,
}

/// SHA-256 over the SHA-256 of each node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct TreeDigest(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// Digest and size of each node: what is needed of a tree to check what changes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TreeMarks(Vec<Mark>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    digest: [u8; 32],
    size: u32,
}

/// Bytes that are not [`TreeMarks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the marks of a ratchet tree are malformed")]
pub struct NoMarks;

/// Why a change was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Made for another tree than the one that is held. Send the whole tree.
    #[error("the change is for another ratchet tree than the one here: send the whole tree")]
    OtherTree,
    /// Over [`limits::TREE`].
    #[error("the ratchet tree has {0} bytes, at most {max} fit", max = limits::TREE)]
    TooLarge(usize),
    /// Over [`limits::TREE_NODES`].
    #[error("the ratchet tree has {0} nodes, at most {max} fit", max = limits::TREE_NODES)]
    TooMany(usize),
}

impl Tree {
    /// The tree with these nodes.
    pub fn new(nodes: Vec<Vec<u8>>) -> Self {
        Self(nodes.into_iter().map(ByteVec::from).collect())
    }

    /// Each node's bytes, by index.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.iter().map(|node| node.as_slice())
    }

    /// The bytes of all nodes.
    pub fn size(&self) -> usize {
        self.0.iter().map(|node| node.len()).sum()
    }

    /// Digest and size of each node.
    pub fn marks(&self) -> TreeMarks {
        TreeMarks(self.nodes().map(Mark::of).collect())
    }

    /// This tree with what `change` makes of it.
    pub fn after(&self, change: &TreeChange) -> Result<Self, TreeError> {
        self.marks().after(change)?;
        let mut nodes = self.0.clone();
        nodes.resize(change.length as usize, ByteVec::from(Vec::new()));
        for ChangedNode { index, node } in &change.changed {
            let place = nodes.get_mut(*index as usize).ok_or(TreeError::OtherTree)?;
            place.clone_from(node);
        }
        Ok(Self(nodes))
    }
}

impl TreeChange {
    /// What makes `after` of `before`.
    pub fn between(before: &Tree, after: &Tree) -> Self {
        let is_new = |(index, node): &(u32, &ByteVec)| before.0.get(*index as usize) != Some(*node);
        let numbered = (0..).zip(&after.0);
        let changed = numbered.filter(is_new).map(|(index, node)| ChangedNode { index, node: node.clone() });
        Self { changed: changed.collect(), ..Self::nothing_of(after) }
    }

    /// What makes `after` of any tree.
    pub fn whole(after: &Tree) -> Self {
        let changed = (0..).zip(&after.0).map(|(index, node)| ChangedNode { index, node: node.clone() });
        Self { changed: changed.collect(), ..Self::nothing_of(after) }
    }

    /// The bytes of the nodes that it brings.
    pub fn size(&self) -> usize {
        self.changed.iter().map(|changed| changed.node.len()).sum()
    }

    fn nothing_of(after: &Tree) -> Self {
        let length = u32::try_from(after.0.len()).unwrap_or(u32::MAX);
        Self { length, changed: Vec::new(), result: after.marks().digest() }
    }
}

impl TreeMarks {
    /// The marks of the tree that `change` makes of the marked one, if it is what the change says.
    pub fn after(&self, change: &TreeChange) -> Result<Self, TreeError> {
        let length = change.length as usize;
        if length > limits::TREE_NODES {
            return Err(TreeError::TooMany(length));
        }
        let mut marks: Vec<_> = self.0.iter().copied().map(Some).collect();
        marks.resize(length, None);
        for ChangedNode { index, node } in &change.changed {
            *marks.get_mut(*index as usize).ok_or(TreeError::OtherTree)? = Some(Mark::of(node));
        }
        let marks = Self(marks.into_iter().collect::<Option<_>>().ok_or(TreeError::OtherTree)?);
        match marks.size() {
            size if size > limits::TREE => Err(TreeError::TooLarge(size)),
            _ if marks.digest() != change.result => Err(TreeError::OtherTree),
            _ => Ok(marks),
        }
    }

    /// The digest of the tree.
    pub fn digest(&self) -> TreeDigest {
        let mut context = Context::new(&SHA256);
        self.0.iter().for_each(|mark| context.update(&mark.digest));
        TreeDigest(array(context.finish().as_ref()))
    }

    /// For a database: 36 bytes for each node.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|mark| mark.digest.into_iter().chain(mark.size.to_be_bytes())).collect()
    }

    /// From a database.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoMarks> {
        let (marks, rest) = bytes.as_chunks::<36>();
        let mark = |bytes: &[u8; 36]| {
            let (digest, size) = bytes.split_first_chunk::<32>()?;
            Some(Mark { digest: *digest, size: u32::from_be_bytes(*size.first_chunk()?) })
        };
        let marks = marks.iter().map(mark).collect::<Option<_>>();
        marks.filter(|_| rest.is_empty()).map(Self).ok_or(NoMarks)
    }

    fn size(&self) -> usize {
        self.0.iter().map(|mark| mark.size as usize).sum()
    }
}

impl Mark {
    fn of(node: &[u8]) -> Self {
        let size = u32::try_from(node.len()).unwrap_or(u32::MAX);
        Self { digest: array(digest(&SHA256, node).as_ref()), size }
    }
}

fn array(digest: &[u8]) -> [u8; 32] {
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(nodes: &[&str]) -> Tree {
        Tree::new(nodes.iter().map(|node| node.as_bytes().to_vec()).collect())
    }

    #[test]
    fn a_change_brings_only_what_is_other() {
        let (before, after) = (tree(&["a", "b", "c"]), tree(&["a", "x", "c", "d"]));
        let change = TreeChange::between(&before, &after);
        assert_eq!(change.changed.iter().map(|it| it.index).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(before.after(&change), Ok(after));
    }

    #[test]
    fn a_change_for_another_tree_is_refused_and_a_whole_one_is_not() {
        let (before, after) = (tree(&["a", "b", "c"]), tree(&["a", "x", "c"]));
        for other in [tree(&["z", "b", "c"]), tree(&["a", "b"]), Tree::default()] {
            assert_eq!(other.after(&TreeChange::between(&before, &after)), Err(TreeError::OtherTree));
            assert_eq!(other.after(&TreeChange::whole(&after)), Ok(after.clone()));
        }
        // A longer one is cut off, which the change may mean or not: what results decides.
        assert_eq!(tree(&["a", "b", "c", "d"]).after(&TreeChange::between(&before, &after)), Ok(after));
    }

    #[test]
    fn a_node_beyond_the_tree_and_a_tree_beyond_the_limit_are_refused() {
        let mut change = TreeChange::whole(&tree(&["a"]));
        change.changed.push(ChangedNode { index: 1, node: ByteVec::from(vec![0]) });
        assert_eq!(Tree::default().after(&change), Err(TreeError::OtherTree));

        let large = Tree::new(vec![vec![0; limits::TREE], vec![0]]);
        let refused = Err(TreeError::TooLarge(limits::TREE + 1));
        assert_eq!(Tree::default().after(&TreeChange::whole(&large)), refused);
        let endless = TreeChange { length: u32::MAX, ..TreeChange::whole(&tree(&["a"])) };
        assert!(matches!(Tree::default().after(&endless), Err(TreeError::TooMany(_))));
    }

    #[test]
    fn marks_survive_a_database() {
        let marks = tree(&["a", "", "ccc"]).marks();
        assert_eq!(TreeMarks::from_bytes(&marks.to_bytes()), Ok(marks));
        assert_eq!(TreeMarks::from_bytes(&[0; 35]), Err(NoMarks));
    }

    proptest! {
        #[test]
        fn what_lies_between_two_trees_makes_one_of_the_other(
            before in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3), 0..9),
            after in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3), 0..9),
        ) {
            let (before, after) = (Tree::new(before), Tree::new(after));
            let change = TreeChange::between(&before, &after);
            prop_assert_eq!(before.marks().after(&change), Ok(after.marks()));
            prop_assert_eq!(before.after(&change), Ok(after));
        }
    }
}
