//! The room log: records, their order, and the hash chain that ties them.

use aws_lc_rs::digest::{Context, SHA256};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::codec::{self, DecodeError};
use crate::ids::{ChainHash, DeviceId, Incarnation, MessageId, RoomId};
use crate::time::Timestamp;

/// What a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RecordKind {
    /// A sealed message: an MLS PrivateMessage with application data.
    #[n(0)]
    Message,
    /// An MLS commit: a PrivateMessage, or a PublicMessage from a new member (external commit).
    #[n(1)]
    Commit,
    /// A signed [`crate::statement::LeaveNotice`]: its author has left.
    #[n(2)]
    Leave,
}

/// One entry of a room's log, as the server stores, hashes and forwards it: encoded once, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// Position in the room, from 1, without gaps.
    #[cbor(n(0), decode_with = "codec::decode_count")]
    pub sequence: u64,
    /// When the server accepted it; never earlier than the record before.
    #[n(1)]
    pub time: Timestamp,
    /// Who appended it, by login. Members check it against what the payload proves.
    #[n(2)]
    pub author: DeviceId,
    /// The author's identifier of this record.
    #[n(3)]
    pub message_id: MessageId,
    /// What the payload is.
    #[n(4)]
    pub kind: RecordKind,
    /// The sealed bytes.
    #[n(5)]
    pub payload: ByteVec,
}

impl Record {
    /// The record in `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes)
    }

    /// The bytes that are stored, hashed and sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

impl ChainHash {
    /// The chain of a room without records.
    pub fn start(room: RoomId) -> Self {
        Self::of(b"OpenChat room log v1\0", &[room.as_bytes()])
    }

    /// The chain after one more record, given as its exact bytes.
    #[must_use]
    pub fn then(self, record: &[u8]) -> Self {
        Self::of(b"OpenChat record v1\0", &[&self.0, record])
    }

    fn of(domain: &[u8], parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(domain);
        parts.iter().for_each(|part| context.update(part));
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }
}

/// A place in a room's log: after record `sequence`, where the chain stood at `chain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Position {
    /// The last record before this place; 0 before the first.
    #[cbor(n(0), decode_with = "codec::decode_count")]
    pub sequence: u64,
    /// The chain after that record.
    #[n(1)]
    pub chain: ChainHash,
}

impl Position {
    /// Before the first record of a room.
    pub fn start(room: RoomId) -> Self {
        Self { sequence: 0, chain: ChainHash::start(room) }
    }
}

/// What an append builds on: the last *commit* record that its author has processed (valid or skipped), or the start
/// of the room. Every record between that commit and the append was sealed for the same epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Base {
    /// The life of the database in which the author read that commit.
    #[n(0)]
    pub incarnation: Incarnation,
    /// Where that commit stands, and the chain after it.
    #[n(1)]
    pub commit: Position,
}
