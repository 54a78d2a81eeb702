//! One append to a room's log, and the bundle that a commit brings.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::ids::{DeviceId, MessageId, RoomId};
use crate::record::{Base, Position, RecordKind};
use crate::time::Timestamp;
use crate::tree::{Tree, TreeChange, TreeError};

/// Asks the server to put one record at the end of a room's log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Append {
    /// Where to.
    #[n(0)]
    pub room: RoomId,
    /// Chosen by the author; the same identifier again yields the first answer again.
    #[n(1)]
    pub message_id: MessageId,
    /// What the author had processed.
    #[n(2)]
    pub base: Base,
    /// What the payload is. The server checks it against the payload's head.
    #[n(3)]
    pub kind: RecordKind,
    /// The sealed bytes.
    #[n(4)]
    pub payload: ByteVec,
    /// Present exactly when `kind` is a commit.
    #[n(5)]
    pub bundle: Option<CommitBundle>,
}

/// What is stored in the same transaction as a commit.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CommitBundle {
    /// How to join after this commit.
    #[n(0)]
    pub group: GroupUpdate,
    /// One Welcome for each added device.
    #[n(1)]
    pub welcomes: Vec<Welcome>,
}

/// What a commit makes of the [`GroupSnapshot`] before it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GroupUpdate {
    /// The new GroupInfo.
    #[n(0)]
    pub group_info: ByteVec,
    /// What becomes of the tree.
    #[n(1)]
    pub tree: TreeChange,
}

/// What a joiner needs of one epoch. In a private room both parts are sealed under the room's key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GroupSnapshot {
    /// MLS GroupInfo without the ratchet tree (RFC 9420 §12.4.3).
    #[n(0)]
    pub group_info: ByteVec,
    /// The ratchet tree.
    #[n(1)]
    pub tree: Tree,
}

impl GroupSnapshot {
    /// What joiners need after the commit that came with `update`.
    pub fn after(&self, update: &GroupUpdate) -> Result<Self, TreeError> {
        Ok(Self { group_info: update.group_info.clone(), tree: self.tree.after(&update.tree)? })
    }
}

/// An MLS Welcome on its way to one device (RFC 9420 §12.4.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Welcome {
    /// Whom it lets in.
    #[n(0)]
    pub device: DeviceId,
    /// The MLS message.
    #[n(1)]
    pub message: ByteVec,
}

/// What became of an [`Append`] that broke no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Appended {
    /// On disk, at this place.
    #[n(0)]
    Stored {
        /// The record's sequence, and the chain after it.
        #[n(0)]
        position: Position,
        /// The record's time.
        #[n(1)]
        time: Timestamp,
    },
    /// The room has moved on: catch up to `last_commit`, seal again, and try again.
    #[n(1)]
    Stale {
        /// The sequence of the room's last commit.
        #[n(0)]
        last_commit: u64,
    },
}
