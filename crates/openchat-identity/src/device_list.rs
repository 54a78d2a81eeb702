//! Device lists: which devices an identity stands for, signed by its key.

use aws_lc_rs::digest::{SHA256, digest};
use openchat_protocol::device_list::{DeviceList, ListedDevice, SignedDeviceList};
use openchat_protocol::{ServerFingerprint, codec, limits};

use crate::key_file::IdentityKey;
use crate::signature::{PublicKey, verify_signature};

const DOMAIN: &[u8] = b"OpenChat device list v1\0";

/// Why a list of devices is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceListError {
    /// Not a list in its one encoding, or with too many devices, or without an order.
    #[error("the list of devices is malformed")]
    Malformed,
    /// Signed by another key, or altered since.
    #[error("the list of devices is not signed by the identity key of its user")]
    Signature,
    /// The list of somebody else.
    #[error("the list of devices is about somebody else")]
    OtherUser,
}

/// How a device stands in a list: SHA-256 over its key's uncompressed point.
pub fn key_hash(point: &[u8]) -> [u8; 32] {
    *digest(&SHA256, point).as_ref().first_chunk().unwrap_or(&[0; 32])
}

/// Signs `devices` as the list of this version on this server.
pub fn sign(
    identity: &IdentityKey,
    server: &ServerFingerprint,
    version: u32,
    mut devices: Vec<ListedDevice>,
) -> SignedDeviceList {
    devices.sort();
    let list = codec::encode(&DeviceList { uid: identity.uid(), version, devices });
    let signature = identity.pair().sign(&message(server, &list));
    SignedDeviceList { list: list.into(), signature: signature.into() }
}

/// The list, if `identity` has signed it for this server.
pub fn verify(
    identity: &PublicKey,
    server: &ServerFingerprint,
    signed: &SignedDeviceList,
) -> Result<DeviceList, DeviceListError> {
    verify_signature(identity.point(), &message(server, &signed.list), &signed.signature)
        .map_err(|_| DeviceListError::Signature)?;
    let list: DeviceList = codec::decode(&signed.list).map_err(|_| DeviceListError::Malformed)?;
    let sorted = list.devices.is_sorted_by(|one, next| one.did < next.did);
    let fits = list.version > 0 && sorted && list.devices.len() <= limits::DEVICES_PER_USER;
    if !fits || codec::encode(&list) != signed.list.as_slice() {
        return Err(DeviceListError::Malformed);
    }
    if list.uid != identity.uid() {
        return Err(DeviceListError::OtherUser);
    }
    Ok(list)
}

fn message(server: &ServerFingerprint, list: &[u8]) -> Vec<u8> {
    [DOMAIN, server.as_bytes(), list].concat()
}

#[cfg(test)]
mod tests {
    use openchat_protocol::Did;

    use super::*;

    fn devices(dids: &[u8]) -> Vec<ListedDevice> {
        dids.iter().map(|did| ListedDevice { did: Did([*did; 10]), key: [7; 32] }).collect()
    }

    #[test]
    fn a_device_list_is_good_for_one_identity_and_one_server() {
        let (alice, mallory) = (IdentityKey::generate(), IdentityKey::generate());
        let (here, elsewhere) = (ServerFingerprint([1; 32]), ServerFingerprint([2; 32]));
        let signed = sign(&alice, &here, 3, devices(&[2, 1]));
        let list = verify(alice.public_key(), &here, &signed).unwrap();
        assert_eq!((list.uid, list.version, list.devices), (alice.uid(), 3, devices(&[1, 2])));
        assert_eq!(verify(mallory.public_key(), &here, &signed), Err(DeviceListError::Signature));
        assert_eq!(verify(alice.public_key(), &elsewhere, &signed), Err(DeviceListError::Signature));
        let mut altered = signed;
        altered.list[0] ^= 1;
        assert_eq!(verify(alice.public_key(), &here, &altered), Err(DeviceListError::Signature));
    }

    #[test]
    fn a_device_list_that_is_none_is_refused_though_it_is_signed() {
        let alice = IdentityKey::generate();
        let here = ServerFingerprint([1; 32]);
        let refused = |version, dids: &[u8]| {
            let signed = sign(&alice, &here, version, devices(dids));
            verify(alice.public_key(), &here, &signed).unwrap_err()
        };
        assert_eq!(refused(0, &[1]), DeviceListError::Malformed);
        assert_eq!(refused(1, &[1, 1]), DeviceListError::Malformed);
        assert_eq!(refused(1, &(0..17).collect::<Vec<_>>()), DeviceListError::Malformed);
    }
}
