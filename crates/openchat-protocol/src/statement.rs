//! What a commit says in clear about membership, so that the server's mirror can follow, and the proof of a leave.
//!
//! A [`Statement`] is the `authenticated_data` of every commit (RFC 9420 §6). Members decide: they reject a commit
//! whose statement differs from what the commit does.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::ids::{DeviceId, Uid};

/// The membership change of one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Statement {
    /// Devices that become members, the author of an external commit included. Sorted.
    #[n(0)]
    pub joined: Vec<DeviceId>,
    /// Devices whose leaf is removed. A device that rejoins stands in both lists. Sorted.
    #[n(1)]
    pub removed: Vec<DeviceId>,
    /// For each removed device that had left by itself: its notice, so that any member may remove it.
    #[n(2)]
    pub leaves: Vec<LeaveNotice>,
    /// The room's administrators from here on, when the commit changes the room's policy. Sorted.
    #[n(3)]
    pub admins: Option<Vec<Uid>>,
}

/// "I left": signed with the device key, bound to the room and to the leaf that is to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LeaveNotice {
    /// Who leaves.
    #[n(0)]
    pub device: DeviceId,
    /// SHA-256 over the leaf's HPKE public key: a notice is void after a rejoin.
    #[n(1)]
    pub leaf_key_hash: ByteVec,
    /// ECDSA P-384 / SHA-384 (ASN.1 DER) by the leaf's signature key over the room, the device and the hash.
    #[n(2)]
    pub signature: ByteVec,
}
