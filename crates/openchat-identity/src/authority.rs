//! The server's certificate authority: root, issuing, log and VRF keys, and what is issued with them.

use std::fmt;

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use openchat_protocol::{ServerFingerprint, Timestamp, Uid, limits};
use rustls_pki_types::PrivatePkcs8KeyDer;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::certificate;
use crate::ecdsa::{KeyPair, infallible};
use crate::profile::{self, GenesisKeys, Profile};
use crate::signature::{PublicKey, pem, verify_signature};
use crate::trust::{self, TrustAnchor, TrustError};

mod folder;
mod issuing;
mod root;
mod term;

pub use folder::AuthorityError;
pub use root::{RootKey, RootKeyError, VerifiedExport};
pub use term::{Ending, Term};

use issuing::Issuing;

/// Why a certificate signing request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Not one PKCS#10 request in DER, or too large.
    #[error("the certificate signing request is malformed")]
    Malformed,
    /// The key is not one of P-384.
    #[error("the certificate signing request is for a key that is not P-384")]
    Key,
    /// The signature is not ECDSA with SHA-384, or not of the key that the request is for.
    #[error("the certificate signing request is not signed by its own key")]
    Signature,
    /// The request was made for another server.
    #[error("the certificate signing request was made for another server")]
    OtherServer,
}

/// An identity certificate, fresh from the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedIdentity {
    /// Whose it is.
    pub uid: Uid,
    /// The identity key as SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
}

/// What the TLS server shows and signs with.
pub struct ServerLeaf {
    /// leaf, issuing, successors of the root if there are any, the newest first, root; DER.
    pub chain: Vec<Vec<u8>>,
    /// The leaf's private key.
    pub key_pkcs8: PrivatePkcs8KeyDer<'static>,
}

impl fmt::Debug for ServerLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLeaf").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// All that makes a server this server.
pub struct Authority {
    anchor: TrustAnchor,
    /// Roots after the first one, the newest first.
    successors: Vec<Vec<u8>>,
    /// The newest root.
    root: Term,
    issuing: Issuing,
    log_key: Ed25519KeyPair,
    /// An ECVRF-EDWARDS25519-SHA512-TAI key is made as an Ed25519 key is (RFC 9381 §5.5).
    vrf_key: Ed25519KeyPair,
    /// Needed for another issuing certificate or root only, so it is kept just until it is written to its file.
    root_key: Option<KeyPair>,
}

impl Authority {
    /// A new server identity. [`Self::save`] it before anybody learns its fingerprint.
    pub fn create(now: Timestamp) -> Result<Self, TrustError> {
        let root_key = KeyPair::generate();
        let (log_key, vrf_key) =
            (infallible(Ed25519KeyPair::generate()), infallible(Ed25519KeyPair::generate()));
        let genesis = Profile::Root(GenesisKeys { log: public(&log_key), vrf: public(&vrf_key) });
        let root = certificate::issue(genesis, root_key.public(), &root_key, now);
        let anchor = TrustAnchor::from_root(&root)?;
        let successors = Vec::new();
        let term = Term::of_root(&anchor.newest(&successors)?);
        let issuing = Issuing::create(&anchor, &successors, &root_key, now)?;
        Ok(Self { anchor, successors, root: term, issuing, log_key, vrf_key, root_key: Some(root_key) })
    }

    /// What the server is known by.
    pub fn fingerprint(&self) -> ServerFingerprint {
        self.anchor.fingerprint()
    }

    /// What members are verified against.
    pub fn anchor(&self) -> &TrustAnchor {
        &self.anchor
    }

    /// The first root, DER.
    pub fn root_certificate(&self) -> &[u8] {
        self.anchor.root_certificate()
    }

    /// DER.
    pub fn issuing_certificate(&self) -> &[u8] {
        &self.issuing.certificate
    }

    /// What is [above](crate::trust::above) the identities that are issued now.
    pub fn above_identity(&self) -> Vec<u8> {
        let Issuing { certificate, successors, .. } = &self.issuing;
        trust::above([certificate].into_iter().chain(successors).map(Vec::as_slice))
    }

    /// SHA-256 over the certificate of the root above the issuing certificate, unless it is the first one.
    pub fn successor_in_use(&self) -> Option<[u8; 32]> {
        self.issuing.successors.first().map(|der| term::hash(der))
    }

    /// How many roots there were after the first one.
    pub fn succession(&self) -> usize {
        self.successors.len()
    }

    /// All roots, the first one first, and the issuing certificate, as PEM.
    pub fn certificates_pem(&self) -> String {
        let successors = self.successors.iter().rev().map(Vec::as_slice);
        let all = std::iter::once(self.root_certificate()).chain(successors);
        all.chain([self.issuing_certificate()]).map(|der| pem(der, folder::CERTIFICATE).to_string()).collect()
    }

    /// The secret bytes of the key that signs the heads of the transparency log (RFC 8032 §5.1.5).
    pub fn log_seed(&self) -> Zeroizing<[u8; 32]> {
        seed(&self.log_key)
    }

    /// The secret bytes of the key that makes the labels of the transparency log (RFC 9381 §5.5).
    pub fn vrf_seed(&self) -> Zeroizing<[u8; 32]> {
        seed(&self.vrf_key)
    }

    /// Certifies the key of a request that [`crate::IdentityKey::sign_csr`] made for this server. Nothing else that
    /// stands in the request finds its way into the certificate.
    pub fn issue_identity(&self, csr: &[u8], now: Timestamp) -> Result<IssuedIdentity, CsrError> {
        Ok(self.issue_again(&self.requested_key(csr)?, now))
    }

    /// The key of such a request.
    pub fn requested_key(&self, csr: &[u8]) -> Result<PublicKey, CsrError> {
        read_request(csr, &self.fingerprint())
    }

    /// Certifies a key that has an account here already.
    pub fn issue_again(&self, key: &PublicKey, now: Timestamp) -> IssuedIdentity {
        let uid = key.uid();
        let certificate = certificate::issue(Profile::Identity(uid), key, &self.issuing.key, now);
        IssuedIdentity { uid, spki: key.spki_der().to_vec(), certificate }
    }

    /// A new TLS key with its chain, good for a year. Made at each start, and never written to a file.
    pub fn issue_server_leaf(&self, now: Timestamp) -> ServerLeaf {
        let key = KeyPair::generate();
        let leaf = certificate::issue(Profile::Server, key.public(), &self.issuing.key, now);
        let mut chain = vec![leaf, self.issuing.certificate.clone()];
        chain.extend(self.issuing.successors.iter().cloned());
        chain.push(self.root_certificate().to_vec());
        ServerLeaf { chain, key_pkcs8: key.to_pkcs8().to_vec().into() }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.fingerprint())
    }
}

fn public(key: &Ed25519KeyPair) -> [u8; 32] {
    *key.public_key().as_ref().first_chunk().unwrap_or(&[0; 32])
}

fn seed(key: &Ed25519KeyPair) -> Zeroizing<[u8; 32]> {
    let bytes = infallible(infallible(key.seed()).as_be_bytes());
    Zeroizing::new(*bytes.as_ref().first_chunk().unwrap_or(&[0; 32]))
}

fn read_request(der: &[u8], server: &ServerFingerprint) -> Result<PublicKey, CsrError> {
    if der.len() > limits::CERTIFICATE {
        return Err(CsrError::Malformed);
    }
    let Ok(([], request)) = X509CertificationRequest::from_der(der) else { return Err(CsrError::Malformed) };
    let info = &request.certification_request_info;
    let key = PublicKey::from_spki_der(info.subject_pki.raw).map_err(|_| CsrError::Key)?;
    if !profile::is_ecdsa_with_sha384(&request.signature_algorithm) {
        return Err(CsrError::Signature);
    }
    verify_signature(key.point(), info.raw, &request.signature_value.data)
        .map_err(|_| CsrError::Signature)?;
    if info.subject.as_raw() != profile::common_name(&server.to_string()) {
        return Err(CsrError::OtherServer);
    }
    Ok(key)
}

#[cfg(test)]
mod tests;
