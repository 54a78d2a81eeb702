//! The genesis record: the three keys that a server is known by, and the fingerprint over them.

use aws_lc_rs::digest::{Context, SHA256};
use minicbor::{Decode, Encode};

use crate::ServerFingerprint;

const DOMAIN: &[u8] = b"OpenChat genesis v1";

/// What a server fingerprint stands for. Whoever knows the fingerprint can check these keys without the server.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Genesis {
    /// The root's key as SubjectPublicKeyInfo, DER.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub root_spki: Vec<u8>,
    /// The Ed25519 key that signs the transparency log's heads (RFC 8032).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub log_key: [u8; 32],
    /// The ECVRF-EDWARDS25519-SHA512-TAI key that makes the log's labels (RFC 9381).
    #[cbor(n(2), with = "minicbor::bytes")]
    pub vrf_key: [u8; 32],
}

impl Genesis {
    /// SHA-256 over the record: a domain, the root's SubjectPublicKeyInfo, the log key and the VRF key, each after
    /// its length as a big-endian u32.
    pub fn fingerprint(&self) -> ServerFingerprint {
        let mut hash = Context::new(&SHA256);
        for part in [DOMAIN, &self.root_spki, &self.log_key, &self.vrf_key] {
            hash.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(part);
        }
        ServerFingerprint(*hash.finish().as_ref().first_chunk().unwrap_or(&[0; 32]))
    }
}
