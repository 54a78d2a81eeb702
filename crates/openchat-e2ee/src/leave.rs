//! Leaving: a notice signed with the device key, so that any member may remove the leaf it names.

use aws_lc_rs::digest::{SHA256, digest};
use mls_rs::group::LeafNode;
use openchat_identity::DeviceKey;
use openchat_identity::signature::verify_signature;
use openchat_protocol::statement::LeaveNotice;
use openchat_protocol::{DeviceId, RoomId};

/// Why a notice does not prove that its device left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaveError {
    /// The bytes are no notice.
    #[error("the leave notice is malformed: {0}")]
    Malformed(#[from] openchat_protocol::codec::DecodeError),
    /// Its device is not in the room.
    #[error("{0} is no member, so it cannot leave")]
    NotAMember(DeviceId),
    /// It names another leaf: it was made before the device updated its keys or rejoined.
    #[error("the leave notice of {0} names a leaf that is no longer its leaf")]
    OtherLeaf(DeviceId),
    /// The signature is not the leaf's.
    #[error("the leave notice of {0} is not signed by it")]
    Signature(DeviceId),
    /// The device's key was renewed, and the leaf still carries the old one.
    #[error("the device key was renewed: update the keys in the room before leaving")]
    KeyRenewed,
}

/// A notice for `leaf`, which `key` signs for.
pub(crate) fn sign(
    key: &DeviceKey,
    room: RoomId,
    device: DeviceId,
    leaf: &LeafNode,
) -> Result<LeaveNotice, LeaveError> {
    if leaf.signing_identity.signature_key.as_bytes() != key.public_point() {
        return Err(LeaveError::KeyRenewed);
    }
    let hash = leaf_key_hash(leaf);
    let signature = key.sign(&message(room, device, &hash));
    Ok(LeaveNotice { device, leaf_key_hash: hash.to_vec().into(), signature: signature.into() })
}

/// Whether `notice` proves that the holder of `leaf` left.
pub(crate) fn verify(notice: &LeaveNotice, room: RoomId, leaf: &LeafNode) -> Result<(), LeaveError> {
    let hash = leaf_key_hash(leaf);
    if notice.leaf_key_hash[..] != hash {
        return Err(LeaveError::OtherLeaf(notice.device));
    }
    let message = message(room, notice.device, &hash);
    verify_signature(leaf.signing_identity.signature_key.as_bytes(), &message, &notice.signature)
        .map_err(|_| LeaveError::Signature(notice.device))
}

fn leaf_key_hash(leaf: &LeafNode) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &leaf.public_key).as_ref());
    hash
}

fn message(room: RoomId, device: DeviceId, leaf_key_hash: &[u8; 32]) -> Vec<u8> {
    [b"OpenChat leave v1\0", room.as_bytes(), device.uid.as_bytes(), device.did.as_bytes(), leaf_key_hash]
        .concat()
}

#[cfg(test)]
mod tests {
    use openchat_protocol::{Did, Uid};

    use super::*;

    /// A last-resort key package brings the same leaf into several rooms; leaving one is not leaving the others.
    #[test]
    fn a_notice_is_bound_to_room_device_and_leaf() {
        let device = DeviceId { uid: Uid([2; 16]), did: Did([3; 10]) };
        let signed = message(RoomId([1; 16]), device, &[4; 32]);
        assert_eq!(signed.len(), b"OpenChat leave v1\0".len() + 16 + 16 + 10 + 32);
        assert_ne!(signed, message(RoomId([9; 16]), device, &[4; 32]));
        assert_ne!(signed, message(RoomId([1; 16]), DeviceId { did: Did([9; 10]), ..device }, &[4; 32]));
        assert_ne!(signed, message(RoomId([1; 16]), device, &[9; 32]));
    }
}
