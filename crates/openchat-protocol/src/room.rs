//! Rooms as the server knows them.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::append::GroupSnapshot;
use crate::ids::{RoomId, Uid};
use crate::names::RoomName;
use crate::record::{Base, Position};
use crate::time::Timestamp;
use crate::tree::Tree;

/// Asks for a new room whose only member is the asking device, at epoch 0.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CreateRoom {
    /// Random, chosen by the creator.
    #[n(0)]
    pub room: RoomId,
    /// Listed and open to all under this name; a private room gives none (its name is inside the encryption).
    #[n(1)]
    pub name: Option<RoomName>,
    /// How to join epoch 0.
    #[n(2)]
    pub group: GroupSnapshot,
}

/// Which room: by identifier, or a listed one by name.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum RoomSelector {
    /// By identifier.
    #[n(0)]
    Id(#[n(0)] RoomId),
    /// By its public name.
    #[n(1)]
    Name(#[n(0)] RoomName),
}

/// Asks for what an external joiner needs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FetchJoinInfo {
    /// Which room.
    #[n(0)]
    pub room: RoomSelector,
    /// Users whose group this device could not use: if the group is by one of them, the server asks a member of another
    /// user for a new one. At most [`crate::limits::DOUBTED`].
    #[n(1)]
    pub doubted: Vec<Uid>,
}

/// What an external joiner needs (RFC 9420 §12.4.3.2).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct JoinInfo {
    /// The room.
    #[n(0)]
    pub room: RoomId,
    /// Its public name, if it has one.
    #[n(1)]
    pub name: Option<RoomName>,
    /// What the joining commit builds on.
    #[n(2)]
    pub base: Base,
    /// The group at that place.
    #[n(3)]
    pub group: GroupSnapshot,
    /// Who made it: the author of that commit.
    #[n(4)]
    pub by: Uid,
}

/// One line of the room list.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RoomSummary {
    /// The room.
    #[n(0)]
    pub room: RoomId,
    /// Its public name.
    #[n(1)]
    pub name: RoomName,
    /// Users (not devices) in it, by the server's mirror.
    #[n(2)]
    pub members: u32,
    /// When the last record came.
    #[n(3)]
    pub last_activity: Timestamp,
}

/// A room that the logged-in device is in, by the server's mirror.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct JoinedRoom {
    /// The room.
    #[n(0)]
    pub room: RoomId,
    /// Its public name, if it has one.
    #[n(1)]
    pub name: Option<RoomName>,
    /// The newest record's sequence.
    #[n(2)]
    pub head: u64,
}

/// A Welcome that waits for this device, with all that is needed to use it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PendingWelcome {
    /// Which room.
    #[n(0)]
    pub room: RoomId,
    /// The commit that adds this device; reading starts after it.
    #[n(1)]
    pub base: Base,
    /// The MLS Welcome.
    #[n(2)]
    pub welcome: ByteVec,
    /// The ratchet tree after that commit.
    #[n(3)]
    pub tree: Tree,
}

/// Asks for the records of a room after a place, now and as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Follow {
    /// Which room.
    #[n(0)]
    pub room: RoomId,
    /// The last record that the client has on disk.
    #[n(1)]
    pub after: Position,
}

/// Consecutive records of one room.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Page {
    /// Which room.
    #[n(0)]
    pub room: RoomId,
    /// Encoded [`crate::record::Record`]s, in order.
    #[n(1)]
    pub records: Vec<ByteVec>,
    /// The newest record's sequence in the room when this page was made: equal to the last one here when caught up.
    #[n(2)]
    pub head: u64,
    /// Set on the last page a removed or departed device gets.
    #[n(3)]
    pub ended: bool,
}
