//! Device keys: what a device logs in with, and signs its MLS leaves with.

use std::fmt;

use openchat_protocol::{DeviceId, Did, Timestamp};
use zeroize::Zeroizing;

use crate::certificate;
use crate::ecdsa::KeyPair;
use crate::key_file::IdentityKey;
use crate::profile::Profile;
use crate::signature::{POINT, PublicKey};

/// A device's private key (P-384). It lives in the encrypted vault, never in a file of its own.
pub struct DeviceKey(KeyPair);

/// Bytes that are no P-384 private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a P-384 private key in PKCS#8")]
pub struct DeviceKeyError;

impl DeviceKey {
    /// A new key.
    pub fn generate() -> Self {
        Self(KeyPair::generate())
    }

    /// Reads what [`Self::to_pkcs8`] wrote.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, DeviceKeyError> {
        KeyPair::from_der(der).map(Self).map_err(|_| DeviceKeyError)
    }

    /// For the vault, and for TLS.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.0.to_pkcs8()
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        self.0.public()
    }

    /// The public half as an MLS signature key.
    pub fn public_point(&self) -> [u8; POINT] {
        *self.0.public().point()
    }

    /// The private scalar, big-endian, as MLS providers take it.
    pub fn scalar(&self) -> Zeroizing<[u8; 48]> {
        self.0.scalar()
    }

    /// ECDSA P-384 with SHA-384, DER. Checked by [`crate::signature::verify_signature`].
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message)
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey(..)")
    }
}

/// A certificate (DER, 90 days) by which `identity` speaks for the device with key `device`.
pub fn issue_device_certificate(
    identity: &IdentityKey,
    device: &PublicKey,
    did: Did,
    now: Timestamp,
) -> Vec<u8> {
    let profile = Profile::Device(DeviceId { uid: identity.uid(), did });
    certificate::issue(profile, device, identity.pair(), now)
}
