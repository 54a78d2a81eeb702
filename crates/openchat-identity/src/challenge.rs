//! The login: a device signs the server's nonce, bound to the TLS channel it came through.

use openchat_protocol::{DeviceId, ServerFingerprint};

use crate::device::DeviceKey;
use crate::signature::{SignatureError, verify_signature};

const DOMAIN: &[u8] = b"OpenChat login v1\0";

/// What is signed. Every part has a fixed length, so that no two logins have the same bytes.
pub fn login_message(
    server: &ServerFingerprint,
    device: DeviceId,
    nonce: &[u8; 32],
    exporter: &[u8; 32],
) -> Vec<u8> {
    [DOMAIN, server.as_bytes(), device.uid.as_bytes(), device.did.as_bytes(), nonce, exporter].concat()
}

/// Proves possession of the device key on the channel that `exporter` names (RFC 9266).
pub fn sign(
    key: &DeviceKey,
    server: &ServerFingerprint,
    device: DeviceId,
    nonce: &[u8; 32],
    exporter: &[u8; 32],
) -> Vec<u8> {
    key.sign(&login_message(server, device, nonce, exporter))
}

/// Checks such a proof with the device's key at `point`, which comes from the database, never from the peer.
pub fn verify(
    point: &[u8],
    server: &ServerFingerprint,
    device: DeviceId,
    nonce: &[u8; 32],
    exporter: &[u8; 32],
    signature: &[u8],
) -> Result<(), SignatureError> {
    verify_signature(point, &login_message(server, device, nonce, exporter), signature)
}

#[cfg(test)]
mod tests {
    use openchat_protocol::{Did, Uid};

    use super::*;

    #[test]
    fn a_proof_holds_for_one_server_device_nonce_and_channel() {
        let key = DeviceKey::generate();
        let (server, device) =
            (ServerFingerprint([1; 32]), DeviceId { uid: Uid([2; 16]), did: Did([3; 10]) });
        let proof = sign(&key, &server, device, &[4; 32], &[5; 32]);
        let point = key.public_point();
        let other_device = DeviceId { did: Did([0; 10]), ..device };
        let other_user = DeviceId { uid: Uid([0; 16]), ..device };
        assert_eq!(verify(&point, &server, device, &[4; 32], &[5; 32], &proof), Ok(()));
        for (server, device, nonce, exporter) in [
            (ServerFingerprint([0; 32]), device, 4, 5),
            (server, other_device, 4, 5),
            (server, other_user, 4, 5),
            (server, device, 0, 5),
            (server, device, 4, 0),
        ] {
            let result = verify(&point, &server, device, &[nonce; 32], &[exporter; 32], &proof);
            assert_eq!(result, Err(SignatureError::Mismatch));
        }
        let stranger = DeviceKey::generate().public_point();
        assert!(verify(&stranger, &server, device, &[4; 32], &[5; 32], &proof).is_err());
    }
}
