//! Reads certificates against the profile: one door for each role.

use std::time::Duration;

use openchat_protocol::{Timestamp, Uid, limits};
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;
use x509_parser::asn1_rs::Oid;
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::nom::Parser as _;
use x509_parser::x509::X509Version;

use super::{
    Extension, GENESIS, GenesisKeys, NAME_CONSTRAINTS, Profile, ProfileError, Role, Rule, SKEW,
    SUBJECT_ALT_NAME, common_name, is_ecdsa_with_sha384, parse_device_name, parse_subtree,
};
use crate::signature::PublicKey;

/// A certificate that fits its profile. Who signed it, and when it is valid, is for [`crate::trust`] to say.
#[derive(Debug)]
pub(crate) struct Certificate<'a> {
    pub(crate) der: &'a [u8],
    pub(crate) profile: Profile,
    pub(crate) key: PublicKey,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    x509: X509Certificate<'a>,
}

/// A self-issued root with the keys of the log.
pub(crate) fn read_root(der: &[u8]) -> Result<Certificate<'_>, ProfileError> {
    read(Role::Root, der, None, |x509, _| {
        let value = find(x509, &GENESIS).ok_or(Rule::Genesis)?;
        let keys = value.strip_prefix(&[0x04, 0x40]).ok_or(Rule::Genesis)?;
        let (log, vrf) = keys.split_first_chunk().ok_or(Rule::Genesis)?;
        let vrf = vrf.try_into().map_err(|_| Rule::Genesis)?;
        Ok(Profile::Root(GenesisKeys { log: *log, vrf }))
    })
}

/// A root that the one with the key `issuer` has made its successor, of the server with the same keys of the log.
pub(crate) fn read_successor<'a>(
    der: &'a [u8],
    issuer: &PublicKey,
    keys: &GenesisKeys,
) -> Result<Certificate<'a>, ProfileError> {
    read(Role::Successor, der, Some(issuer), |_, _| Ok(Profile::Successor(*keys)))
}

/// An issuing certificate below the root with key `issuer`.
pub(crate) fn read_issuing<'a>(der: &'a [u8], issuer: &PublicKey) -> Result<Certificate<'a>, ProfileError> {
    read(Role::Issuing, der, Some(issuer), |_, _| Ok(Profile::Issuing))
}

/// A user's identity, whose constraint names the hash of its own key.
pub(crate) fn read_identity<'a>(der: &'a [u8], issuer: &PublicKey) -> Result<Certificate<'a>, ProfileError> {
    read(Role::Identity, der, Some(issuer), |x509, key| {
        let uid = key.uid();
        let constraint = find(x509, &NAME_CONSTRAINTS).ok_or(Rule::NameConstraints)?;
        match parse_subtree(constraint) {
            Some(other) if other != uid => Err(Rule::UserOfKey),
            _ => Ok(Profile::Identity(uid)),
        }
    })
}

/// A device of the user `uid`, whose identity key is `issuer`.
pub(crate) fn read_device<'a>(
    der: &'a [u8],
    issuer: &PublicKey,
    uid: Uid,
) -> Result<Certificate<'a>, ProfileError> {
    read(Role::Device, der, Some(issuer), |x509, _| {
        let name = find(x509, &SUBJECT_ALT_NAME).and_then(parse_device_name).ok_or(Rule::SubjectAltName)?;
        if name.uid == uid { Ok(Profile::Device(name)) } else { Err(Rule::UserOfIssuer) }
    })
}

/// The TLS server's certificate.
pub(crate) fn read_server<'a>(der: &'a [u8], issuer: &PublicKey) -> Result<Certificate<'a>, ProfileError> {
    read(Role::Server, der, Some(issuer), |_, _| Ok(Profile::Server))
}

fn read<'a>(
    role: Role,
    der: &'a [u8],
    issuer: Option<&PublicKey>,
    profile: impl FnOnce(&X509Certificate<'a>, &PublicKey) -> Result<Profile, Rule>,
) -> Result<Certificate<'a>, ProfileError> {
    let read = || {
        let x509 = parse(der)?;
        let key = PublicKey::from_spki_der(x509.public_key().raw).map_err(|_| Rule::Key)?;
        let profile = profile(&x509, &key)?;
        check_form(&x509)?;
        check_names(&x509, &profile)?;
        check_extensions(&x509, &profile.extensions(&key, issuer.unwrap_or(&key)))?;
        let (not_before, not_after) = check_lifetime(&x509, profile.lifetime())?;
        // A second parser, which refuses what the first one reads although it is not DER.
        EndEntityCert::try_from(&CertificateDer::from(der)).map_err(|_| Rule::Encoding)?;
        Ok(Certificate { der, profile, key, not_before, not_after, x509 })
    };
    read().map_err(|rule| ProfileError { role, rule })
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Rule> {
    if der.len() > limits::CERTIFICATE {
        return Err(Rule::Encoding);
    }
    let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
    match parser.parse(der) {
        Ok(([], x509)) => Ok(x509),
        _ => Err(Rule::Encoding),
    }
}

fn check_form(x509: &X509Certificate<'_>) -> Result<(), Rule> {
    let unique = x509.issuer_uid.is_some() || x509.subject_uid.is_some();
    let serial = x509.raw_serial();
    let positive = matches!(serial, [first, ..] if *first < 0x80 && serial.iter().any(|byte| *byte != 0));
    match () {
        () if x509.version() != X509Version::V3 || unique => Err(Rule::Version),
        () if serial.len() > 20 || !positive => Err(Rule::Serial),
        () if !is_ecdsa_with_sha384(&x509.signature) || !is_ecdsa_with_sha384(&x509.signature_algorithm) => {
            Err(Rule::Algorithm)
        }
        () => Ok(()),
    }
}

fn check_names(x509: &X509Certificate<'_>, profile: &Profile) -> Result<(), Rule> {
    match () {
        () if x509.subject().as_raw() != common_name(&profile.subject()) => Err(Rule::Subject),
        () if x509.issuer().as_raw() != common_name(&profile.issuer()) => Err(Rule::Issuer),
        () => Ok(()),
    }
}

fn check_extensions(x509: &X509Certificate<'_>, expected: &[Extension]) -> Result<(), Rule> {
    for (index, found) in x509.extensions().iter().enumerate() {
        if x509.iter_extensions().take(index).any(|earlier| earlier.oid == found.oid) {
            return Err(Rule::Repeated);
        }
        if !expected.iter().any(|it| it.oid == found.oid) {
            return Err(if found.oid == NAME_CONSTRAINTS { Rule::NameConstraints } else { Rule::Unknown });
        }
    }
    expected.iter().try_for_each(|wanted| match x509.iter_extensions().find(|it| it.oid == wanted.oid) {
        Some(found) if found.value != wanted.value => Err(wanted.rule),
        Some(found) if found.critical != wanted.critical => Err(Rule::Criticality),
        Some(_) => Ok(()),
        None => Err(wanted.rule),
    })
}

fn check_lifetime(x509: &X509Certificate<'_>, longest: Duration) -> Result<(Timestamp, Timestamp), Rule> {
    let time = |seconds: i64| Timestamp(u64::try_from(seconds).unwrap_or_default().saturating_mul(1000));
    let validity = x509.validity();
    let (from, to) = (time(validity.not_before.timestamp()), time(validity.not_after.timestamp()));
    // Both ends are rounded down to seconds when a certificate is made.
    let good = from <= to && to.since(from) <= longest + SKEW + Duration::from_secs(1);
    if good { Ok((from, to)) } else { Err(Rule::Lifetime) }
}

/// The value of an extension; when there are several of this kind, a later check refuses them.
fn find<'a>(x509: &X509Certificate<'a>, oid: &Oid<'_>) -> Option<&'a [u8]> {
    x509.iter_extensions().find(|it| it.oid == *oid).map(|it| it.value)
}

impl Certificate<'_> {
    pub(crate) fn role(&self) -> Role {
        self.profile.role()
    }

    /// The signed bytes.
    pub(crate) fn signed(&self) -> &[u8] {
        self.x509.tbs_certificate.as_ref()
    }

    /// The signature over them.
    pub(crate) fn signature(&self) -> &[u8] {
        &self.x509.signature_value.data
    }
}
