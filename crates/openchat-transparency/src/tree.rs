//! The tree over the leaves (RFC 6962 §2.1), with its nodes in the order of C2SP's tlog and a store behind a trait.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;

use data_encoding::BASE64;
use minicbor::{Decode, Encode};
use tlog_tiles::HashReader;

use crate::leaf::Leaf;
use crate::proof::Path;

/// The hash of a leaf, of a node, or of a whole tree: SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Hash(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl Hash {
    /// The root of a log without leaves.
    pub const EMPTY: Self = Self(tlog_tiles::EMPTY_HASH.0);

    /// The hash of a leaf.
    pub fn of(leaf: &Leaf) -> Self {
        tlog_tiles::record_hash(&leaf.to_bytes()).into()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl From<tlog_tiles::Hash> for Hash {
    fn from(hash: tlog_tiles::Hash) -> Self {
        Self(hash.0)
    }
}

impl From<Hash> for tlog_tiles::Hash {
    fn from(hash: Hash) -> Self {
        Self(hash.0)
    }
}

/// Why a tree cannot be worked with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError<E> {
    /// The store failed.
    #[error("the store of the log failed: {0}")]
    Store(E),
    /// The store does not hold what a log of this size consists of.
    #[error("nodes of the log are missing in the store: put back the database from a backup")]
    Missing,
    /// A leaf or a size that the log does not have.
    #[error("the log has no such leaf or size")]
    OutOfRange,
}

/// Where the nodes of a tree are kept: a row of hashes, to which each leaf adds one or more at the end.
pub trait Nodes {
    /// What can go wrong.
    type Error;

    /// The nodes with these numbers, in this order.
    fn read(&self, numbers: &[u64]) -> Result<Vec<Hash>, Self::Error>;
}

/// Nodes in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryNodes(Vec<Hash>);

impl Nodes for MemoryNodes {
    type Error = Infallible;

    fn read(&self, numbers: &[u64]) -> Result<Vec<Hash>, Infallible> {
        let get = |number: &u64| self.0.get(usize::try_from(*number).ok()?).copied();
        Ok(numbers.iter().filter_map(get).collect())
    }
}

impl MemoryNodes {
    /// Adds what [`nodes_of`] says.
    pub fn extend(&mut self, nodes: &[Hash]) {
        self.0.extend(nodes);
    }
}

/// The number of the first node that the leaf at `index` adds.
pub fn first_node(index: u64) -> Result<u64, TreeError<Infallible>> {
    check_size(index)?;
    Ok(tlog_tiles::stored_hash_index(0, index))
}

/// The nodes that a leaf adds to a log of `size` leaves; the first of them has the number [`first_node`]`(size)`.
pub fn nodes_of<N: Nodes>(leaf: &Leaf, size: u64, nodes: &N) -> Result<Vec<Hash>, TreeError<N::Error>> {
    check_size(size)?;
    let hash = Hash::of(leaf).into();
    let added = Reader::run(nodes, |reader| tlog_tiles::stored_hashes_for_record_hash(size, hash, reader))?;
    Ok(added.into_iter().map(Hash::from).collect())
}

/// The root over the first `size` leaves.
pub fn root<N: Nodes>(size: u64, nodes: &N) -> Result<Hash, TreeError<N::Error>> {
    check_size(size)?;
    Reader::run(nodes, |reader| tlog_tiles::tree_hash(size, reader)).map(Hash::from)
}

/// Proves to who knows the root over `size` leaves that a leaf stands at `index` (RFC 6962 §2.1.1).
pub fn prove_inclusion<N: Nodes>(index: u64, size: u64, nodes: &N) -> Result<Path, TreeError<N::Error>> {
    check_size(size)?;
    if index >= size {
        return Err(TreeError::OutOfRange);
    }
    Reader::run(nodes, |reader| tlog_tiles::prove_record(size, index, reader)).map(Path::from)
}

/// Proves to who knows the root over `old` leaves that the log of `new` leaves begins with them (RFC 6962 §2.1.2).
pub fn prove_consistency<N: Nodes>(old: u64, new: u64, nodes: &N) -> Result<Path, TreeError<N::Error>> {
    check_size(new)?;
    match old {
        0 => Ok(Path::default()),
        _ if old > new => Err(TreeError::OutOfRange),
        _ => Reader::run(nodes, |reader| tlog_tiles::prove_tree(new, old, reader)).map(Path::from),
    }
}

fn check_size<E>(size: u64) -> Result<(), TreeError<E>> {
    // Twice as many nodes have numbers, and these must fit into a database too.
    if size < 1 << 62 { Ok(()) } else { Err(TreeError::OutOfRange) }
}

/// Lends a store to `tlog_tiles`, which panics on too few nodes and knows no errors of others.
struct Reader<'a, N: Nodes> {
    nodes: &'a N,
    failure: RefCell<Option<N::Error>>,
}

impl<N: Nodes> HashReader for Reader<'_, N> {
    fn read_hashes(&self, numbers: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        match self.nodes.read(numbers) {
            Ok(found) if found.len() == numbers.len() => {
                Ok(found.into_iter().map(tlog_tiles::Hash::from).collect())
            }
            Ok(_) => Err(tlog_tiles::Error::IndexesNotInTree),
            Err(error) => {
                self.failure.replace(Some(error));
                Err(tlog_tiles::Error::IndexesNotInTree)
            }
        }
    }
}

impl<'a, N: Nodes> Reader<'a, N> {
    fn run<T>(
        nodes: &'a N,
        work: impl FnOnce(&Self) -> Result<T, tlog_tiles::Error>,
    ) -> Result<T, TreeError<N::Error>> {
        let reader = Self { nodes, failure: RefCell::new(None) };
        work(&reader).map_err(|_| reader.failure.take().map_or(TreeError::Missing, TreeError::Store))
    }
}

/// All that is needed of a tree to go on with it: the roots of its full subtrees, the largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Frontier {
    #[cbor(n(0), decode_with = "openchat_protocol::codec::decode_count")]
    size: u64,
    #[n(1)]
    subtrees: Path,
}

impl Frontier {
    /// The frontier of a log of `size` leaves; none when a log of that size has another number of subtrees.
    pub fn new(size: u64, subtrees: Path) -> Option<Self> {
        let fits = u32::try_from(subtrees.hashes().len()).is_ok_and(|count| count == size.count_ones());
        (fits && i64::try_from(size).is_ok()).then_some(Self { size, subtrees })
    }

    /// The frontier of a log of `size` leaves in a store.
    pub fn read<N: Nodes>(size: u64, nodes: &N) -> Result<Self, TreeError<N::Error>> {
        check_size(size)?;
        let numbers = tlog_tiles::sub_tree_index(0, size, Vec::new());
        let subtrees = nodes.read(&numbers).map_err(TreeError::Store)?;
        Self::new(size, subtrees.into_iter().map(tlog_tiles::Hash::from).collect::<Vec<_>>().into())
            .ok_or(TreeError::Missing)
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the full subtrees, the largest first.
    pub fn subtrees(&self) -> &Path {
        &self.subtrees
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: &Leaf) {
        let mut hash = tlog_tiles::Hash::from(Hash::of(leaf));
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.0.pop() {
                hash = tlog_tiles::node_hash(left.into(), hash);
            }
        }
        self.subtrees.0.push(hash.into());
        self.size = self.size.saturating_add(1);
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let subtrees = self.subtrees.hashes().iter().copied().map(tlog_tiles::Hash::from);
        subtrees
            .rev()
            .reduce(|right, left| tlog_tiles::node_hash(left, right))
            .map_or(Hash::EMPTY, Hash::from)
    }
}
