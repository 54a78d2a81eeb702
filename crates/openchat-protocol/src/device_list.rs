//! The devices of a user, as the identity key signs them: what the key log keeps, and what leaves of rooms are held against.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::ids::{Did, Uid};

/// One device in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ListedDevice {
    /// Which of the user's devices.
    #[n(0)]
    pub did: Did,
    /// SHA-256 over the device key's uncompressed point (97 bytes).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub key: [u8; 32],
}

/// All devices of a user at one time.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeviceList {
    /// Whose.
    #[n(0)]
    pub uid: Uid,
    /// Counts the lists of this user, from 1.
    #[n(1)]
    pub version: u32,
    /// Sorted by identifier, at most [`DEVICES_PER_USER`](crate::limits::DEVICES_PER_USER).
    #[n(2)]
    pub devices: Vec<ListedDevice>,
}

/// A list with the signature that proves it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedDeviceList {
    /// The CBOR of a [`DeviceList`], as it was signed.
    #[n(0)]
    pub list: ByteVec,
    /// ECDSA P-384 / SHA-384 (ASN.1 DER) by the identity key over a domain, the server's fingerprint and the list.
    #[n(1)]
    pub signature: ByteVec,
}
