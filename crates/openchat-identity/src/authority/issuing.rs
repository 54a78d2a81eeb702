//! The issuing key with its certificate: what a server signs with, day by day, below its root.

use openchat_protocol::Timestamp;
use zeroize::Zeroizing;

use super::folder::{CERTIFICATE, KEY};
use crate::certificate;
use crate::ecdsa::KeyPair;
use crate::profile::Profile;
use crate::signature::pem;
use crate::trust::{TrustAnchor, TrustError};

/// A key, and the certificate (DER) by which the root lets it issue.
pub(super) struct Issuing {
    pub(super) key: KeyPair,
    pub(super) certificate: Vec<u8>,
    /// What leads from the first root to the one above it, the newest first.
    pub(super) successors: Vec<Vec<u8>>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Issuing {
    /// A new one below the newest of these roots, whose key is `root`.
    pub(super) fn create(
        anchor: &TrustAnchor,
        successors: &[Vec<u8>],
        root: &KeyPair,
        now: Timestamp,
    ) -> Result<Self, TrustError> {
        let key = KeyPair::generate();
        let certificate = certificate::issue(Profile::Issuing, key.public(), root, now);
        Self::below(anchor, successors, key, certificate)?.ok_or(TrustError::NeverValid)
    }

    /// Takes over a key with its certificate, which is checked but for its dates, below any of these roots. Nothing when it
    /// is of another key.
    pub(super) fn new(
        anchor: &TrustAnchor,
        successors: &[Vec<u8>],
        key: KeyPair,
        certificate: Vec<u8>,
    ) -> Result<Option<Self>, TrustError> {
        let is_above = |skipped: &usize| {
            let above = successors.get(*skipped..).unwrap_or_default();
            anchor.verify_issuing(&certificate, above).is_ok()
        };
        // Below none, the newest one says what is wrong.
        let skipped = (0..=successors.len()).find(is_above).unwrap_or_default();
        Self::below(anchor, successors.get(skipped..).unwrap_or_default(), key, certificate)
    }

    fn below(
        anchor: &TrustAnchor,
        successors: &[Vec<u8>],
        key: KeyPair,
        certificate: Vec<u8>,
    ) -> Result<Option<Self>, TrustError> {
        let certified = anchor.verify_issuing(&certificate, successors)?;
        let (from, until) = (certified.not_before, certified.not_after);
        let is_its_own = certified.key == *key.public();
        let successors = successors.to_vec();
        Ok(is_its_own.then(|| Self { key, certificate, successors, from, until }))
    }

    /// The content of its file: the key, and behind it the certificate.
    pub(super) fn to_pem(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(pem(&self.key.to_pkcs8(), KEY));
        Zeroizing::new([key.as_str(), &pem(&self.certificate, CERTIFICATE)].concat())
    }
}
