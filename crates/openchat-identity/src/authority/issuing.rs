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
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Issuing {
    /// A new one below `anchor`, whose key is `root`.
    pub(super) fn create(anchor: &TrustAnchor, root: &KeyPair, now: Timestamp) -> Result<Self, TrustError> {
        let key = KeyPair::generate();
        let certificate = certificate::issue(Profile::Issuing, key.public(), root, now);
        let (from, until) = dates(anchor, &certificate, &key)?.ok_or(TrustError::NeverValid)?;
        Ok(Self { key, certificate, from, until })
    }

    /// Takes over a key with its certificate, which is checked but for its dates. Nothing when it is of another key.
    pub(super) fn new(
        anchor: &TrustAnchor,
        key: KeyPair,
        certificate: Vec<u8>,
    ) -> Result<Option<Self>, TrustError> {
        let dates = dates(anchor, &certificate, &key)?;
        Ok(dates.map(|(from, until)| Self { key, certificate, from, until }))
    }

    /// The content of its file: the key, and behind it the certificate.
    pub(super) fn to_pem(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(pem(&self.key.to_pkcs8(), KEY));
        Zeroizing::new([key.as_str(), &pem(&self.certificate, CERTIFICATE)].concat())
    }
}

fn dates(
    anchor: &TrustAnchor,
    certificate: &[u8],
    key: &KeyPair,
) -> Result<Option<(Timestamp, Timestamp)>, TrustError> {
    let certified = anchor.verify_issuing(certificate)?;
    Ok((certified.key == *key.public()).then_some((certified.not_before, certified.not_after)))
}
