//! What clients give back to a server that was restored from an older copy of its database: records of rooms, leaves of
//! the key log, and accounts. It takes them in the bytes in which it had them.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::ids::RoomId;
use crate::names::UserName;
use crate::record::Position;

/// Records of one room, one after the other, in their exact bytes. Without any, asks where the room's log ends.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GiveBackRecords {
    /// Which room.
    #[n(0)]
    pub room: RoomId,
    /// Those that the server has already are passed over.
    #[n(1)]
    pub records: Vec<ByteVec>,
    /// The place after the last of them.
    #[n(2)]
    pub end: Position,
}

/// The last leaves of the key log as it was when the server signed `note`. Allowed before login.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GiveBackLeaves {
    /// The signed head (C2SP checkpoint).
    #[n(0)]
    pub note: ByteVec,
    /// The leaves up to that head, 86 bytes each. Those that the server has already are passed over.
    #[n(1)]
    pub leaves: ByteVec,
}

/// An account, with what proves that the server made it. Allowed before login, and to everybody.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GiveBackAccount {
    /// Its name.
    #[n(0)]
    pub name: UserName,
    /// X.509, DER: the device's, the identity's and the issuing certificate.
    #[n(1)]
    pub chain: Vec<ByteVec>,
    /// What the newest leaf under the name was made for.
    #[n(2)]
    pub name_opening: Disclosed,
    /// What the newest leaf under the uid was made for: the list of devices.
    #[n(3)]
    pub user_opening: Disclosed,
}

/// What a leaf of the key log was made for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Disclosed {
    /// Hides the body from whoever knows the leaf alone.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub nonce: [u8; 32],
    /// What happened.
    #[n(1)]
    pub body: ByteVec,
}
