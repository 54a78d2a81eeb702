//! MLS credentials: X.509 chains [device, identity, issuing, successors of the root] (RFC 9420 §5.3), judged by the trust anchor.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use mls_rs::identity::{CredentialType, SigningIdentity};
use mls_rs::{ExtensionList, IdentityProvider};
use mls_rs_core::crypto::SignaturePublicKey;
use mls_rs_core::error::IntoAnyError;
use mls_rs_core::identity::{CertificateChain, DerCertificate, MemberValidationContext};
use mls_rs_core::time::MlsTime;
use openchat_identity::device_list::key_hash;
use openchat_identity::{TrustAnchor, TrustError, Validity};
use openchat_protocol::{DeviceId, Timestamp, codec};

/// Verified chains that are remembered: more than the members of a few large rooms. About 2 KiB each.
const CACHED: usize = 4096;

/// Why a leaf's credential is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// A basic credential, or one of a kind this build does not know.
    #[error("the credential is no X.509 chain")]
    NotX509,
    /// The chain breaks the profile, or does not lead to this server's authority.
    #[error("the certificate is refused: {0}")]
    Trust(#[from] TrustError),
    /// The leaf signs with a key that is not the certified one.
    #[error("the leaf's signature key is not the certificate's")]
    KeyMismatch,
    /// Nobody outside the room may propose.
    #[error("external senders have no place in a room")]
    ExternalSender,
}

impl IntoAnyError for CredentialError {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

/// Who a leaf belongs to, as its certificates prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) device: DeviceId,
    /// When the certificates end. Members stay members after that; only new leaves are measured by it.
    pub(crate) expires: Timestamp,
    /// The device's key, as lists of devices have it.
    pub(crate) key: [u8; 32],
}

/// Judges credentials. Clones share the cache.
#[derive(Clone)]
pub(crate) struct Credentials {
    anchor: Arc<TrustAnchor>,
    verified: Arc<Mutex<Verified>>,
}

/// Chains that were found good, by the leaf key they certify. MLS asks for every member again and again, so a look must
/// cost no hash over the chain. What is remembered does not depend on the time.
type Verified = HashMap<SignaturePublicKey, (CertificateChain, Holder)>;

impl Credentials {
    pub(crate) fn new(anchor: TrustAnchor) -> Self {
        Self { anchor: Arc::new(anchor), verified: Arc::default() }
    }

    /// Who holds a leaf, whatever the time.
    pub(crate) fn holder(&self, identity: &SigningIdentity) -> Result<Holder, CredentialError> {
        let chain = identity.credential.as_x509().ok_or(CredentialError::NotX509)?;
        if let Some((known, holder)) = self.lock().get(&identity.signature_key)
            && known == chain
        {
            return Ok(*holder);
        }
        let holder = self.verify(identity, Validity::Ignored)?;
        let mut verified = self.lock();
        if verified.len() >= CACHED {
            verified.clear();
        }
        verified.insert(identity.signature_key.clone(), (chain.clone(), holder));
        Ok(holder)
    }

    /// Who holds a new leaf, whose certificates must be valid at `time`. The cache has no part in this.
    pub(crate) fn holder_at(
        &self,
        identity: &SigningIdentity,
        time: Timestamp,
    ) -> Result<Holder, CredentialError> {
        self.verify(identity, Validity::At(time))
    }

    /// The identity key (SubjectPublicKeyInfo, DER) above a leaf, whatever the time.
    pub(crate) fn identity_key(&self, identity: &SigningIdentity) -> Result<Vec<u8>, CredentialError> {
        let chain = identity.credential.as_x509().ok_or(CredentialError::NotX509)?;
        Ok(self.anchor.verify_device(chain, Validity::Ignored)?.identity_spki().to_vec())
    }

    fn verify(&self, identity: &SigningIdentity, validity: Validity) -> Result<Holder, CredentialError> {
        let chain = identity.credential.as_x509().ok_or(CredentialError::NotX509)?;
        let member = self.anchor.verify_device(chain, validity)?;
        if member.device_key()[..] != *identity.signature_key.as_bytes() {
            return Err(CredentialError::KeyMismatch);
        }
        Ok(Holder { device: member.device(), expires: member.expires(), key: key_hash(member.device_key()) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// A chain as MLS carries it.
pub(crate) fn chain(certificates: &[Vec<u8>]) -> CertificateChain {
    certificates.iter().map(|der| DerCertificate::new(der.clone())).collect()
}

/// MLS counts seconds, the log milliseconds. Everybody rounds down alike.
pub(crate) fn mls_time(time: Timestamp) -> MlsTime {
    MlsTime::from(time.as_seconds())
}

fn timestamp(time: MlsTime) -> Timestamp {
    Timestamp(time.seconds_since_epoch().saturating_mul(1000))
}

impl IdentityProvider for Credentials {
    type Error = CredentialError;

    fn validate_member(
        &self,
        identity: &SigningIdentity,
        time: Option<MlsTime>,
        _: MemberValidationContext<'_>,
    ) -> Result<(), CredentialError> {
        match time {
            Some(time) => self.holder_at(identity, timestamp(time)).map(drop),
            None => self.holder(identity).map(drop),
        }
    }

    fn validate_external_sender(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: Option<&ExtensionList>,
    ) -> Result<(), CredentialError> {
        Err(CredentialError::ExternalSender)
    }

    /// One leaf per device (RFC 9420 §8.2 wants identities to be unique).
    fn identity(&self, identity: &SigningIdentity, _: &ExtensionList) -> Result<Vec<u8>, CredentialError> {
        Ok(codec::encode(&self.holder(identity)?.device))
    }

    /// A device may renew its certificate and key; nobody may become somebody else.
    fn valid_successor(
        &self,
        before: &SigningIdentity,
        after: &SigningIdentity,
        _: &ExtensionList,
    ) -> Result<bool, CredentialError> {
        Ok(self.holder(before)?.device == self.holder(after)?.device)
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        vec![CredentialType::X509]
    }
}
