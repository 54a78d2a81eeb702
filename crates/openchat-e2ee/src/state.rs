//! A group at rest: one snapshot for the vault, and the memory that MLS writes it to.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use mls_rs_core::group::{EpochRecord, GroupState as MlsState, GroupStateStorage};
use openchat_protocol::{RoomId, codec};
use zeroize::Zeroizing;

use crate::change::EpochChange;
use crate::suites::Suite;

/// Bytes from the vault that are no group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Not what [`GroupState::to_bytes`] wrote.
    #[error("the stored group is damaged ({0}): rejoin the room")]
    Malformed(#[from] codec::DecodeError),
    /// A suite this build does not have.
    #[error("the stored group uses cipher suite {0:#06x}, which this build does not have: update OpenChat")]
    Suite(u16),
    /// MLS refuses the snapshot, or could not make one.
    #[error("the stored group cannot be used ({0}): rejoin the room")]
    Mls(String),
}

/// Everything about a room's group, secrets included: for the encrypted vault only.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupState {
    pub(crate) suite: Suite,
    pub(crate) room: RoomId,
    pub(crate) snapshot: Zeroizing<Vec<u8>>,
    /// The ratchet tree. The snapshot goes without it.
    pub(crate) tree: Arc<[u8]>,
    pub(crate) own: OwnCommits,
}

/// What is remembered of the commits of this device, so that their echoes are known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct OwnCommits {
    /// Made, its fate unknown.
    #[n(0)]
    pub(crate) pending: Option<Pending>,
    /// SHA-256 of the last one that was accepted or given up.
    #[n(1)]
    pub(crate) settled: Option<ByteVec>,
}

/// A commit that was made and whose fate is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Pending {
    /// SHA-256 of its payload.
    #[n(0)]
    pub(crate) hash: ByteVec,
    /// What it will have done.
    #[n(1)]
    pub(crate) change: EpochChange,
    /// By it this device joins: the group is in the new epoch already.
    #[n(2)]
    pub(crate) joins: bool,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Wire<'a> {
    #[n(0)]
    suite: u16,
    #[n(1)]
    room: RoomId,
    #[cbor(b(2), with = "minicbor::bytes")]
    snapshot: &'a [u8],
    #[cbor(b(3), with = "minicbor::bytes")]
    tree: &'a [u8],
    #[n(4)]
    own: OwnCommits,
}

impl GroupState {
    /// Which room.
    pub fn room(&self) -> RoomId {
        self.room
    }

    /// For the vault.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.encode(&self.tree)
    }

    /// For a vault that keeps [`Self::tree`] apart: all the rest.
    pub fn to_bytes_without_tree(&self) -> Zeroizing<Vec<u8>> {
        self.encode(&[])
    }

    /// The ratchet tree: the greater part by far, and the same throughout an epoch.
    pub fn tree(&self) -> &[u8] {
        &self.tree
    }

    /// What was read without its tree, with it.
    #[must_use]
    pub fn with_tree(self, tree: Vec<u8>) -> Self {
        Self { tree: tree.into(), ..self }
    }

    fn encode(&self, tree: &[u8]) -> Zeroizing<Vec<u8>> {
        // Room for all, so that growing leaves no copy of a secret behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.snapshot.len() + tree.len() + (64 << 10)));
        let (suite, own) = (self.suite.id(), self.own.clone());
        let wire = Wire { suite, room: self.room, snapshot: &self.snapshot, tree, own };
        codec::encode_into(&wire, &mut bytes);
        bytes
    }

    /// From the vault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let wire: Wire<'_> = codec::decode(bytes)?;
        Ok(Self {
            suite: Suite::from_id(wire.suite).ok_or(StateError::Suite(wire.suite))?,
            room: wire.room,
            snapshot: Zeroizing::new(wire.snapshot.to_vec()),
            tree: wire.tree.into(),
            own: wire.own,
        })
    }
}

impl fmt::Debug for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupState")
            .field("room", &self.room)
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}

/// Where MLS writes the snapshot of one group. Earlier epochs are not kept: the log's `base` rule puts every record
/// into the epoch that is current at its place.
#[derive(Clone, Default)]
pub(crate) struct StateStorage(Arc<Mutex<Zeroizing<Vec<u8>>>>);

impl StateStorage {
    pub(crate) fn with(snapshot: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(Zeroizing::new(snapshot.to_vec()))))
    }

    /// The snapshot; afterwards there is none.
    pub(crate) fn take(&self) -> Zeroizing<Vec<u8>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl GroupStateStorage for StateStorage {
    type Error = Infallible;

    fn state(&self, _: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Infallible> {
        Ok(Some(self.take()))
    }

    fn epoch(&self, _: &[u8], _: u64) -> Result<Option<Zeroizing<Vec<u8>>>, Infallible> {
        Ok(None)
    }

    fn write(&mut self, state: MlsState, _: Vec<EpochRecord>, _: Vec<EpochRecord>) -> Result<(), Infallible> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state.data;
        Ok(())
    }

    fn max_epoch_id(&self, _: &[u8]) -> Result<Option<u64>, Infallible> {
        Ok(None)
    }
}

impl fmt::Debug for StateStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateStorage(..)")
    }
}
