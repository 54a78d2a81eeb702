//! What the two ends of an invite keep until they know each other.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use openchat_identity::VouchKey;
use openchat_protocol::{InviteHash, RoomId, RoomName, Timestamp, Uid};
use zeroize::Zeroize;

/// An invite that this profile has made for one person.
#[derive(Clone, Encode, Decode)]
pub struct StoredInvite {
    /// How the server knows it.
    #[n(0)]
    pub hash: InviteHash,
    /// By which whoever comes is known.
    #[n(1)]
    key: ByteArray<32>,
    /// Where it leads.
    #[n(2)]
    pub room: Option<RoomName>,
    /// From when on the server refuses it.
    #[n(3)]
    pub expires: Timestamp,
    /// Who has proven to have come by it.
    #[n(4)]
    pub proven_by: Option<Uid>,
}

impl StoredInvite {
    /// One that nobody has come by yet.
    pub fn new(hash: InviteHash, key: &VouchKey, room: Option<RoomName>, expires: Timestamp) -> Self {
        Self { hash, key: (*key.as_bytes()).into(), room, expires, proven_by: None }
    }

    /// By which whoever comes is known.
    pub fn key(&self) -> VouchKey {
        VouchKey::from_bytes(*self.key)
    }
}

impl Drop for StoredInvite {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// The invite that this profile has come by, until its inviter has answered.
#[derive(Clone, Encode, Decode)]
pub struct Voucher {
    /// How the server knows it.
    #[n(0)]
    pub hash: InviteHash,
    /// By which the two ends know each other.
    #[n(1)]
    key: ByteArray<32>,
    /// Who made it, by the link.
    #[n(2)]
    pub inviter: Uid,
    /// Where the server says that it leads.
    #[n(3)]
    pub room: Option<RoomName>,
    /// Where the proof was given already.
    #[n(4)]
    pub offered: Vec<RoomId>,
}

impl Voucher {
    /// Of an invite that was just used.
    pub fn new(hash: InviteHash, key: &VouchKey, inviter: Uid, room: Option<RoomName>) -> Self {
        Self { hash, key: (*key.as_bytes()).into(), inviter, room, offered: Vec::new() }
    }

    /// By which the two ends know each other.
    pub fn key(&self) -> VouchKey {
        VouchKey::from_bytes(*self.key)
    }
}

impl Drop for Voucher {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}
