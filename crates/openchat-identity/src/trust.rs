//! The verifier behind every door: a chain becomes a member, an identity or a server only here.

use std::sync::Arc;
use std::time::Duration;

use openchat_protocol::{DeviceId, Genesis, ServerFingerprint, Timestamp, Uid};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::aws_lc_rs::ECDSA_P384_SHA384;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::asn1_rs::{Any, FromDer};

use crate::certificate;
use crate::profile::{self, Certificate, GenesisKeys, Profile, ProfileError, Role, Rule};
use crate::signature::{POINT, PublicKey, verify_signature};

/// When the certificates of a chain must be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// At this moment.
    At(Timestamp),
    /// At any one moment, past ones included: for the members of a group that one joins, whose certificates were
    /// checked when they were new.
    Ignored,
}

/// Why a chain is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A certificate is not what its role demands, or was not signed by the one above it.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A certificate has expired, or the clock of this machine is wrong.
    #[error("the {role} certificate expired on {}: renew it, or set the clock of this machine right", readable(*not_after))]
    Expired {
        /// Which certificate.
        role: Role,
        /// Its last moment.
        not_after: Timestamp,
    },
    /// A certificate is not valid yet: the clock of this machine, or of the issuer, is wrong.
    #[error("the {role} certificate is valid only from {}: set the clock of this machine right", readable(*not_before))]
    NotYetValid {
        /// Which certificate.
        role: Role,
        /// Its first moment.
        not_before: Timestamp,
    },
    /// No moment lies within the validity of all certificates.
    #[error("the certificates of the chain were never valid at the same time")]
    NeverValid,
    /// Too few or too many certificates.
    #[error("a chain of {found} certificates where {expected} are needed")]
    Length {
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Another server than the pinned one.
    #[error("this is another server: its fingerprint is {found}, the known one is {pinned}")]
    OtherServer {
        /// What was pinned.
        pinned: ServerFingerprint,
        /// What the root certificate says.
        found: ServerFingerprint,
    },
}

pub(crate) fn readable(time: Timestamp) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    certificate::date(time).format(format).unwrap_or_default()
}

impl TrustError {
    /// The rule that was broken.
    pub fn rule(&self) -> Rule {
        match self {
            Self::Profile(error) => error.rule,
            Self::Expired { .. } => Rule::Expired,
            Self::NotYetValid { .. } => Rule::NotYetValid,
            Self::NeverValid => Rule::NeverValid,
            Self::Length { .. } => Rule::Length,
            Self::OtherServer { .. } => Rule::Fingerprint,
        }
    }
}

/// Successors of a root that are followed: with one in ten years, more than anybody needs.
pub const SUCCESSORS: usize = 8;

/// A server's first root certificate: everything that is trusted is trusted below one of these, or below
/// a successor that it has certified. Successors come with what is certified below them, so that an anchor never changes.
#[derive(Debug, Clone)]
pub struct TrustAnchor(Arc<Root>);

#[derive(Debug)]
struct Root {
    der: CertificateDer<'static>,
    key: PublicKey,
    genesis: GenesisKeys,
    validity: Window,
    fingerprint: ServerFingerprint,
}

/// The validity of a root, which rustls would not check.
#[derive(Debug, Clone, Copy)]
struct Window {
    role: Role,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Window {
    fn of(certificate: &Certificate<'_>) -> Self {
        let Certificate { not_before, not_after, .. } = *certificate;
        Self { role: certificate.role(), not_before, not_after }
    }

    fn check(&self, at: Timestamp) -> Result<(), TrustError> {
        let Self { role, not_before, not_after } = *self;
        match at.as_seconds() {
            now if now < not_before.as_seconds() => Err(TrustError::NotYetValid { role, not_before }),
            now if now > not_after.as_seconds() => Err(TrustError::Expired { role, not_after }),
            _ => Ok(()),
        }
    }
}

/// A device that a chain has proven to be a user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedMember {
    device: DeviceId,
    device_key: PublicKey,
    identity: PublicKey,
    expires: Timestamp,
}

impl VerifiedMember {
    /// Which device of which user.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The device's public key as an uncompressed point.
    pub fn device_key(&self) -> &[u8; POINT] {
        self.device_key.point()
    }

    /// The user's identity key as SubjectPublicKeyInfo.
    pub fn identity_spki(&self) -> &[u8] {
        self.identity.spki_der()
    }

    /// The last moment at which the whole chain is valid.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }
}

/// A user that an identity certificate has proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedIdentity {
    key: PublicKey,
    expires: Timestamp,
}

impl VerifiedIdentity {
    /// Which user.
    pub fn uid(&self) -> Uid {
        self.key.uid()
    }

    /// The identity key as SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> &[u8] {
        self.key.spki_der()
    }

    /// SHA-256 over it: what people compare.
    pub fn spki_fingerprint(&self) -> [u8; 32] {
        self.key.fingerprint()
    }

    /// The last moment at which the identity and the authority above it are valid.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }
}

impl TrustAnchor {
    /// Reads a root certificate (DER) that is trusted for its fingerprint, or because it is ours.
    pub fn from_root(der: &[u8]) -> Result<Self, TrustError> {
        let root = profile::read_root(der)?;
        check_signature(&root, &root.key)?;
        let Profile::Root(genesis) = root.profile else { return Err(broken(Role::Root, Rule::Genesis)) };
        let fingerprint = fingerprint(&root.key, &genesis);
        let der = CertificateDer::from(der.to_vec());
        Ok(Self(Arc::new(Root { der, validity: Window::of(&root), key: root.key, genesis, fingerprint })))
    }

    /// What people and invites know the server by.
    pub fn fingerprint(&self) -> ServerFingerprint {
        self.0.fingerprint
    }

    /// The root certificate, DER.
    pub fn root_certificate(&self) -> &[u8] {
        &self.0.der
    }

    /// The keys of the server's transparency log.
    pub fn genesis(&self) -> &GenesisKeys {
        &self.0.genesis
    }

    /// All that the fingerprint is made of.
    pub fn genesis_record(&self) -> Genesis {
        genesis(&self.0.key, &self.0.genesis)
    }

    /// The newest root: the first one, or the one to which these successors lead, the newest of them first.
    pub(crate) fn newest<'a>(&'a self, successors: &'a [impl AsRef<[u8]>]) -> Result<Newest<'a>, TrustError> {
        if successors.len() > SUCCESSORS {
            return Err(length(SUCCESSORS, successors.len()));
        }
        let Root { der, key, genesis, validity, .. } = &*self.0;
        let mut newest = Newest { der, key: key.clone(), validity: *validity };
        for der in successors.iter().rev().map(AsRef::as_ref) {
            let next = profile::read_successor(der, &newest.key, genesis)?;
            check_signature(&next, &newest.key)?;
            // The one before it was valid when it made this one, and need not be so for ever.
            newest.validity.check(next.not_before)?;
            newest = Newest { der, validity: Window::of(&next), key: next.key };
        }
        Ok(newest)
    }

    /// Checks an issuing certificate and the successors above it, dates apart.
    pub(crate) fn verify_issuing<'a>(
        &self,
        issuing: &'a [u8],
        successors: &[impl AsRef<[u8]>],
    ) -> Result<Certificate<'a>, TrustError> {
        let newest = self.newest(successors)?;
        let issuing = profile::read_issuing(issuing, &newest.key)?;
        check_signature(&issuing, &newest.key)?;
        Ok(issuing)
    }

    /// Checks [device, identity, issuing], each DER, as TLS and MLS carry them; below a root that is not the first one,
    /// with all the successors that lead to it behind them, the newest first.
    pub fn verify_device(
        &self,
        chain: &[impl AsRef<[u8]>],
        validity: Validity,
    ) -> Result<VerifiedMember, TrustError> {
        let [device, identity, issuing, successors @ ..] = chain else { return Err(length(3, chain.len())) };
        let root = self.newest(successors)?;
        let issuing = profile::read_issuing(issuing.as_ref(), &root.key)?;
        let identity = profile::read_identity(identity.as_ref(), &issuing.key)?;
        let device = profile::read_device(device.as_ref(), &identity.key, identity.key.uid())?;
        let Profile::Device(id) = device.profile else {
            return Err(broken(Role::Device, Rule::SubjectAltName));
        };
        let expires = root.check_dates(&[&issuing, &identity, &device], validity)?;
        root.check_path(&device, &[&identity, &issuing], KeyUsage::client_auth(), expires)?;
        Ok(VerifiedMember { device: id, device_key: device.key, identity: identity.key, expires })
    }

    /// Checks an identity certificate and [what is above it](above), DER.
    pub fn verify_identity(
        &self,
        identity: &[u8],
        above: &[u8],
        validity: Validity,
    ) -> Result<VerifiedIdentity, TrustError> {
        let above = split(above);
        let [issuing, successors @ ..] = above.as_slice() else { return Err(length(2, 1)) };
        let root = self.newest(successors)?;
        let issuing = profile::read_issuing(issuing, &root.key)?;
        let identity = profile::read_identity(identity, &issuing.key)?;
        let expires = root.check_dates(&[&issuing, &identity], validity)?;
        // webpki builds paths to end entities only; below, the profile leaves nothing but the signatures to check.
        check_signature(&issuing, &root.key)?;
        check_signature(&identity, &issuing.key)?;
        Ok(VerifiedIdentity { key: identity.key, expires })
    }

    /// Checks [leaf, issuing, root] of a TLS server, which is trusted for its first root's fingerprint alone; successors
    /// of that root, the newest first, stand before it.
    pub fn verify_server(
        chain: &[impl AsRef<[u8]>],
        pinned: &ServerFingerprint,
        now: Timestamp,
    ) -> Result<Self, TrustError> {
        let [leaf, issuing, successors @ .., root] = chain else { return Err(length(3, chain.len())) };
        let anchor = Self::from_root(root.as_ref())?;
        if anchor.fingerprint() != *pinned {
            return Err(TrustError::OtherServer { pinned: *pinned, found: anchor.fingerprint() });
        }
        let newest = anchor.newest(successors)?;
        let issuing = profile::read_issuing(issuing.as_ref(), &newest.key)?;
        let leaf = profile::read_server(leaf.as_ref(), &issuing.key)?;
        newest.check_dates(&[&issuing, &leaf], Validity::At(now))?;
        newest.check_path(&leaf, &[&issuing], KeyUsage::server_auth(), now)?;
        Ok(anchor)
    }
}

/// The root that certifies now: what a path ends at.
#[derive(Debug)]
pub(crate) struct Newest<'a> {
    pub(crate) der: &'a [u8],
    pub(crate) key: PublicKey,
    validity: Window,
}

impl Newest<'_> {
    /// First root or successor, and from when to when it is valid.
    pub(crate) fn term(&self) -> (Role, Timestamp, Timestamp) {
        let Window { role, not_before, not_after } = self.validity;
        (role, not_before, not_after)
    }

    /// Checks the dates of a chain and of the root, and says when the first of them expires.
    fn check_dates(&self, chain: &[&Certificate<'_>], validity: Validity) -> Result<Timestamp, TrustError> {
        let windows = || chain.iter().map(|it| Window::of(it)).chain([self.validity]);
        let first = windows().map(|it| it.not_before).max().unwrap_or(self.validity.not_before);
        let last = windows().map(|it| it.not_after).min().unwrap_or(self.validity.not_after);
        match validity {
            Validity::At(now) => windows().try_for_each(|it| it.check(now))?,
            Validity::Ignored if first > last => return Err(TrustError::NeverValid),
            Validity::Ignored => {}
        }
        Ok(last)
    }

    /// Path building and signatures by RFC 5280 §6, at a moment at which the dates are known to hold.
    fn check_path(
        &self,
        leaf: &Certificate<'_>,
        above: &[&Certificate<'_>],
        usage: KeyUsage,
        at: Timestamp,
    ) -> Result<(), TrustError> {
        let above_der: Vec<_> = above.iter().map(|it| CertificateDer::from(it.der)).collect();
        if self.build_path(leaf, &above_der, usage, at).is_ok() {
            return Ok(());
        }
        // webpki does not say which certificate is to blame.
        let signers = above.iter().map(|it| &it.key).chain([&self.key]);
        std::iter::once(&leaf).chain(above).zip(signers).try_for_each(|(it, by)| check_signature(it, by))?;
        Err(broken(leaf.role(), Rule::Path))
    }

    fn build_path(
        &self,
        leaf: &Certificate<'_>,
        above: &[CertificateDer<'_>],
        usage: KeyUsage,
        at: Timestamp,
    ) -> Result<(), webpki::Error> {
        let der = CertificateDer::from(leaf.der);
        let end_entity = EndEntityCert::try_from(&der)?;
        let root = CertificateDer::from(self.der);
        let anchor = webpki::anchor_from_trusted_cert(&root)?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at.as_seconds()));
        end_entity.verify_for_usage(&[ECDSA_P384_SHA384], &[anchor], above, at, usage, None, None)?;
        Ok(())
    }
}

/// What is above an identity as one value: the issuing certificate, and behind it the successors of the first root that
/// lead to the root above it, the newest first; each DER, which says itself where it ends.
pub fn above<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    certificates.into_iter().flatten().copied().collect()
}

/// The certificates in such a value. What is no certificate is left as it is, for whoever reads it to refuse.
pub fn split(mut above: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while !above.is_empty() && all.len() <= SUCCESSORS {
        let rest = Any::from_der(above).map_or(&[][..], |(rest, _)| rest);
        let (first, rest) = above.split_at(above.len() - rest.len());
        all.push(first);
        above = rest;
    }
    if !above.is_empty() {
        all.push(above);
    }
    all
}

pub(crate) fn fingerprint(root: &PublicKey, keys: &GenesisKeys) -> ServerFingerprint {
    genesis(root, keys).fingerprint()
}

fn genesis(root: &PublicKey, keys: &GenesisKeys) -> Genesis {
    Genesis { root_spki: root.spki_der().to_vec(), log_key: keys.log, vrf_key: keys.vrf }
}

fn check_signature(certificate: &Certificate<'_>, signer: &PublicKey) -> Result<(), TrustError> {
    verify_signature(signer.point(), certificate.signed(), certificate.signature())
        .map_err(|_| broken(certificate.role(), Rule::Signature))
}

fn broken(role: Role, rule: Rule) -> TrustError {
    ProfileError { role, rule }.into()
}

fn length(expected: usize, found: usize) -> TrustError {
    TrustError::Length { expected, found }
}

#[cfg(test)]
mod tests;
