//! The log of keys as a store keeps it: leaves, what they stand for, and the nodes of the tree over them.

use openchat_protocol::{Did, Timestamp};
use openchat_transparency::tree::{self, Nodes};
use openchat_transparency::{Body, Entry, Hash, Kind, Label, Leaf, Opening, Path, TreeError};

use crate::StoreError;

/// A leaf that is to be added. Where it stands, and after which one of its label, is the store's affair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLeaf {
    /// What happened.
    pub kind: Kind,
    /// To whom.
    pub label: Label,
    /// What exactly.
    pub opening: Opening,
}

impl NewLeaf {
    /// The leaf after the newest one of its label, which stands at that index with that number. Time does not go back.
    pub(crate) fn after(&self, newest: Option<(u64, u32)>, latest: Timestamp, now: Timestamp) -> Leaf {
        Leaf {
            kind: self.kind,
            time: now.max(latest),
            label: self.label,
            seq: newest.map_or(1, |(_, seq)| seq.saturating_add(1)),
            previous: newest.map(|(index, _)| index),
            commitment: self.opening.commitment(),
        }
    }
}

/// A list of devices that is to be logged. Its signature has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeviceList {
    /// One more than that of the list before; 1 for the first.
    pub version: u32,
    /// Under the label of its user.
    pub leaf: NewLeaf,
    /// The devices in it. Those of the user that are not are revoked.
    pub devices: Vec<Did>,
}

impl NewDeviceList {
    /// Whether the newest leaf of the label is about this very list. Its signature may be another one: to sign it again
    /// after an answer was lost gives one.
    pub(crate) fn is_in(&self, newest: &Opening) -> bool {
        let list = |opening: &Opening| match Body::read(Kind::DeviceList, &opening.body) {
            Ok(Body::DeviceList(signed)) => Some(signed.list),
            _ => None,
        };
        list(newest).is_some_and(|known| list(&self.leaf.opening) == Some(known))
    }
}

/// How far the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The time of the last heartbeat.
    pub heartbeat: Option<Timestamp>,
}

/// The newest leaves of some labels, all under one head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEntries {
    /// How many leaves the log had.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// That it continues the log of the size that was asked about; empty when there never was such a log.
    pub consistency: Path,
    /// In the order of the labels. Nothing for a label without leaves, or whose newest opening was erased.
    pub entries: Vec<Option<Entry>>,
}

/// Leaves one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedTail {
    /// How many leaves the log had.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// That it continues the log of the size that was asked about; empty when there never was such a log.
    pub consistency: Path,
    /// The leaves.
    pub leaves: Vec<Leaf>,
    /// That the log with these leaves at its end is the beginning of the whole one.
    pub beyond: Path,
}

/// Why a list of devices was not logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceListError {
    /// The user has no account here.
    #[error("this user has no account here: register first")]
    AccountUnknown,
    /// Not the list after the newest one.
    #[error("the log has version {known} of this user's devices: the next one is version {next}", next = known.saturating_add(1))]
    Version {
        /// The newest one.
        known: u32,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// That the log of `size` leaves continues the one of `known`.
pub(crate) fn consistency<N: Nodes>(known: u64, size: u64, nodes: &N) -> Result<Path, TreeError<N::Error>> {
    if known > size { Ok(Path::default()) } else { tree::prove_consistency(known, size, nodes) }
}

/// A leaf with the proof that it stands in the log of `size` leaves.
pub(crate) fn entry<N: Nodes>(
    index: u64,
    leaf: Leaf,
    opening: Opening,
    size: u64,
    nodes: &N,
) -> Result<Entry, TreeError<N::Error>> {
    Ok(Entry { index, leaf, opening, inclusion: tree::prove_inclusion(index, size, nodes)? })
}

/// The root of the log when it had `old` leaves, and the proof that the one of `new` leaves begins so.
pub(crate) fn compare<N: Nodes>(
    old: u64,
    new: u64,
    size: u64,
    nodes: &N,
) -> Result<Option<(Hash, Path)>, TreeError<N::Error>> {
    if old > new || new > size {
        return Ok(None);
    }
    Ok(Some((tree::root(old, nodes)?, tree::prove_consistency(old, new, nodes)?)))
}
