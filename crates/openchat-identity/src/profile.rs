//! What each certificate looks like, exactly: the one table from which they are made and against which they are read.

use std::fmt;
use std::time::Duration;

use openchat_protocol::{DeviceId, Did, Timestamp, Uid, limits};
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;
use x509_parser::asn1_rs::{BitString, Oid, oid};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::nom::Parser as _;
use x509_parser::x509::{AlgorithmIdentifier, X509Version};

use crate::signature::PublicKey;

/// How long before its making a certificate is valid, for clocks that run behind.
pub const SKEW: Duration = Duration::from_secs(5 * 60);
/// The one name of every server: clients know servers by their fingerprint, not by a host name.
pub const SERVER_NAME: &str = "server.openchat.alt";
/// Below this domain every user has a subtree of their own. `.alt` is never in the DNS (RFC 9476).
const USERS: &str = ".users.openchat.alt";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const SUBJECT_KEY_ID: Oid<'static> = oid!(2.5.29.14);
const KEY_USAGE: Oid<'static> = oid!(2.5.29.15);
const SUBJECT_ALT_NAME: Oid<'static> = oid!(2.5.29.17);
const BASIC_CONSTRAINTS: Oid<'static> = oid!(2.5.29.19);
const NAME_CONSTRAINTS: Oid<'static> = oid!(2.5.29.30);
const AUTHORITY_KEY_ID: Oid<'static> = oid!(2.5.29.35);
const EXTENDED_KEY_USAGE: Oid<'static> = oid!(2.5.29.37);
/// The server's other public keys, in the root (experimental arc).
const GENESIS: Oid<'static> = oid!(1.3.6.1.3.8442.1);
const ECDSA_WITH_SHA384: Oid<'static> = oid!(1.2.840.10045.4.3.3);

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The server's identity: signs issuing certificates only.
    Root,
    /// Signs identity and server certificates.
    Issuing,
    /// A user; signs the certificates of that user's devices.
    Identity,
    /// A device of a user: TLS client and MLS leaf.
    Device,
    /// The TLS server.
    Server,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Issuing => "issuing",
            Self::Identity => "identity",
            Self::Device => "device",
            Self::Server => "server",
        })
    }
}

/// What a certificate, or the chain it stands in, must be. Named, so that a refusal says which one was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// It is one certificate in DER, of a reasonable size.
    Encoding,
    /// It is of version 3 and has no unique identifiers.
    Version,
    /// Its serial number is positive and of at most 20 bytes.
    Serial,
    /// It is signed with ecdsa-with-SHA384, and says so twice.
    Algorithm,
    /// Its key is a point of P-384, uncompressed.
    Key,
    /// Its subject is the one of its role.
    Subject,
    /// It names the one above it as its issuer, by name and by key identifier.
    Issuer,
    /// It lives no longer than its role allows.
    Lifetime,
    /// Each extension is critical or not as the profile says.
    Criticality,
    /// No extension stands in it twice.
    Repeated,
    /// It has no extension beyond the profile's.
    Unknown,
    /// CA or not, and how many CAs may follow.
    BasicConstraints,
    /// What its key may sign.
    KeyUsage,
    /// TLS client and instant messaging for a device, TLS server for the server, none for others.
    ExtendedKeyUsage,
    /// An identity may name devices of one user, and nothing else.
    NameConstraints,
    /// A device or server has exactly one name, a dNSName of the profile's form.
    SubjectAltName,
    /// The key identifier is the hash of the key.
    SubjectKeyId,
    /// The root carries the log key and the VRF key.
    Genesis,
    /// The user identifier in an identity is the hash of its own key.
    UserOfKey,
    /// The user identifier in a device is the one of the identity that issued it.
    UserOfIssuer,
    /// The chain has all certificates of its kind, in order.
    Length,
    /// The signature was made by the key of the certificate above it.
    Signature,
    /// It has not expired.
    Expired,
    /// It is valid already.
    NotYetValid,
    /// All certificates of the chain were valid at one moment.
    NeverValid,
    /// The path holds by RFC 5280 §6 as well.
    Path,
    /// The root has the expected fingerprint.
    Fingerprint,
}

impl Rule {
    /// A stable name, for logs and tests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::Version => "version",
            Self::Serial => "serial",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Subject => "subject",
            Self::Issuer => "issuer",
            Self::Lifetime => "lifetime",
            Self::Criticality => "criticality",
            Self::Repeated => "repeated-extension",
            Self::Unknown => "unknown-extension",
            Self::BasicConstraints => "basic-constraints",
            Self::KeyUsage => "key-usage",
            Self::ExtendedKeyUsage => "extended-key-usage",
            Self::NameConstraints => "name-constraints",
            Self::SubjectAltName => "subject-alt-name",
            Self::SubjectKeyId => "subject-key-id",
            Self::Genesis => "genesis",
            Self::UserOfKey => "user-of-key",
            Self::UserOfIssuer => "user-of-issuer",
            Self::Length => "length",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::NeverValid => "never-valid",
            Self::Path => "path",
            Self::Fingerprint => "fingerprint",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A certificate is not what its role demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {role} certificate breaks the rule `{rule}` of the certificate profile")]
pub struct ProfileError {
    /// What the certificate should be.
    pub role: Role,
    /// What it breaks.
    pub rule: Rule,
}

/// The server's public keys for the transparency log: Ed25519, and ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenesisKeys {
    /// Signs checkpoints of the log.
    pub log: [u8; 32],
    /// Makes the labels of the log unguessable.
    pub vrf: [u8; 32],
}

/// A role, with all that it leaves open but keys, dates and serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Root(GenesisKeys),
    Issuing,
    Identity(Uid),
    Device(DeviceId),
    Server,
}

/// One extension as it must be, and the rule that is broken when it is missing or has another value.
pub(crate) struct Extension {
    pub(crate) oid: Oid<'static>,
    pub(crate) critical: bool,
    pub(crate) value: Vec<u8>,
    rule: Rule,
}

impl Profile {
    pub(crate) fn role(&self) -> Role {
        match self {
            Self::Root(_) => Role::Root,
            Self::Issuing => Role::Issuing,
            Self::Identity(_) => Role::Identity,
            Self::Device(_) => Role::Device,
            Self::Server => Role::Server,
        }
    }

    /// The subject's common name, its only attribute. No names of people: they change, and are nobody's business.
    pub(crate) fn subject(&self) -> String {
        match self {
            Self::Root(_) => "OpenChat root".to_owned(),
            Self::Issuing => "OpenChat issuing".to_owned(),
            Self::Identity(uid) => uid.to_string(),
            Self::Device(_) => "OpenChat device".to_owned(),
            Self::Server => "OpenChat server".to_owned(),
        }
    }

    /// The issuer's common name.
    pub(crate) fn issuer(&self) -> String {
        match self {
            Self::Root(_) => self.subject(),
            Self::Issuing => "OpenChat root".to_owned(),
            Self::Identity(_) | Self::Server => Self::Issuing.subject(),
            Self::Device(device) => Self::Identity(device.uid).subject(),
        }
    }

    pub(crate) fn lifetime(&self) -> Duration {
        match self {
            Self::Root(_) => 20 * YEAR,
            Self::Issuing => 10 * YEAR,
            Self::Identity(_) => 2 * YEAR,
            Self::Device(_) => 90 * DAY,
            Self::Server => YEAR,
        }
    }

    /// All extensions of the certificate for `subject`, issued by `issuer`.
    pub(crate) fn extensions(&self, subject: &PublicKey, issuer: &PublicKey) -> Vec<Extension> {
        let mut all = self.own_extensions();
        all.push(Extension::plain(SUBJECT_KEY_ID, octets(&key_id(subject)), Rule::SubjectKeyId));
        // A root is its own issuer and needs no pointer to it (RFC 5280 §4.2.1.1).
        if self.role() != Role::Root {
            let pointer = tlv(0x30, &tlv(0x80, &key_id(issuer)));
            all.push(Extension::plain(AUTHORITY_KEY_ID, pointer, Rule::Issuer));
        }
        all
    }

    fn own_extensions(&self) -> Vec<Extension> {
        const SIGN_CERTIFICATES: &[u8] = &[0x03, 0x02, 0x02, 0x04];
        const SIGN_BOTH: &[u8] = &[0x03, 0x02, 0x02, 0x84];
        const SIGN_DATA: &[u8] = &[0x03, 0x02, 0x07, 0x80];
        match self {
            Self::Root(keys) => {
                let genesis = Extension::plain(GENESIS, genesis_value(keys), Rule::Genesis);
                vec![basic_constraints(Some(2)), key_usage(SIGN_CERTIFICATES), genesis]
            }
            Self::Issuing => vec![basic_constraints(Some(1)), key_usage(SIGN_CERTIFICATES)],
            Self::Identity(uid) => {
                let names = Extension::critical(NAME_CONSTRAINTS, subtree_of(*uid), Rule::NameConstraints);
                vec![basic_constraints(Some(0)), key_usage(SIGN_BOTH), names]
            }
            Self::Device(device) => vec![
                basic_constraints(None),
                key_usage(SIGN_DATA),
                extended_key_usage(&[CLIENT_AUTH, IM_URI]),
                Extension::plain(SUBJECT_ALT_NAME, one_name(&device_name(*device)), Rule::SubjectAltName),
            ],
            Self::Server => vec![
                basic_constraints(None),
                key_usage(SIGN_DATA),
                extended_key_usage(&[SERVER_AUTH]),
                Extension::plain(SUBJECT_ALT_NAME, one_name(SERVER_NAME), Rule::SubjectAltName),
            ],
        }
    }
}

impl Extension {
    fn plain(oid: Oid<'static>, value: Vec<u8>, rule: Rule) -> Self {
        Self { oid, critical: false, value, rule }
    }

    fn critical(oid: Oid<'static>, value: Vec<u8>, rule: Rule) -> Self {
        Self { oid, critical: true, value, rule }
    }
}

/// CA with at most `following` CAs below it, or no CA (RFC 5280 §4.2.1.9).
fn basic_constraints(following: Option<u8>) -> Extension {
    let ca = following.map(|limit| [&[0x01, 0x01, 0xff][..], &[0x02, 0x01, limit]].concat());
    Extension::critical(BASIC_CONSTRAINTS, tlv(0x30, &ca.unwrap_or_default()), Rule::BasicConstraints)
}

fn key_usage(bits: &[u8]) -> Extension {
    Extension::critical(KEY_USAGE, bits.to_vec(), Rule::KeyUsage)
}

const SERVER_AUTH: Oid<'static> = oid!(1.3.6.1.5.5.7.3.1);
const CLIENT_AUTH: Oid<'static> = oid!(1.3.6.1.5.5.7.3.2);
/// Instant messaging (RFC 9734).
const IM_URI: Oid<'static> = oid!(1.3.6.1.5.5.7.3.40);

fn extended_key_usage(purposes: &[Oid<'static>]) -> Extension {
    let list: Vec<u8> = purposes.iter().flat_map(|oid| tlv(0x06, oid.as_bytes())).collect();
    Extension::plain(EXTENDED_KEY_USAGE, tlv(0x30, &list), Rule::ExtendedKeyUsage)
}

/// The domain below which the devices of a user have their names.
fn user_domain(uid: Uid) -> String {
    format!("{uid}{USERS}")
}

fn device_name(device: DeviceId) -> String {
    format!("{}.{}", device.did, user_domain(device.uid))
}

/// GeneralNames with one dNSName (RFC 5280 §4.2.1.6).
fn one_name(name: &str) -> Vec<u8> {
    tlv(0x30, &tlv(0x82, name.as_bytes()))
}

/// NameConstraints that permit the dNSNames below one user's domain (RFC 5280 §4.2.1.10).
fn subtree_of(uid: Uid) -> Vec<u8> {
    tlv(0x30, &tlv(0xa0, &one_name(&user_domain(uid))))
}

fn genesis_value(keys: &GenesisKeys) -> Vec<u8> {
    octets(&[keys.log, keys.vrf].concat())
}

/// RFC 7093 §2, method 1.
fn key_id(key: &PublicKey) -> [u8; 20] {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.point());
    *hash.as_ref().first_chunk().unwrap_or(&[0; 20])
}

fn octets(content: &[u8]) -> Vec<u8> {
    tlv(0x04, content)
}

/// One DER value of less than 128 bytes: all that stands in these extensions is shorter.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    debug_assert!(content.len() < 128, "the short form of a DER length");
    [&[tag, u8::try_from(content.len()).unwrap_or_default()], content].concat()
}

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
        // A second parser, which knows DER only and does not read what the first one reads leniently.
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

/// Whether signatures are ECDSA with SHA-384 (RFC 5758 §3.2: without parameters).
pub(crate) fn is_ecdsa_with_sha384(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    algorithm.algorithm == ECDSA_WITH_SHA384 && algorithm.parameters.is_none()
}

fn check_names(x509: &X509Certificate<'_>, profile: &Profile) -> Result<(), Rule> {
    match () {
        () if x509.subject().as_raw() != common_name(&profile.subject()) => Err(Rule::Subject),
        () if x509.issuer().as_raw() != common_name(&profile.issuer()) => Err(Rule::Issuer),
        () => Ok(()),
    }
}

/// A Name whose only attribute is a common name in UTF8String (RFC 5280 §4.1.2.4).
pub(crate) fn common_name(text: &str) -> Vec<u8> {
    const COMMON_NAME: Oid<'static> = oid!(2.5.4.3);
    let attribute = [tlv(0x06, COMMON_NAME.as_bytes()), tlv(0x0c, text.as_bytes())].concat();
    tlv(0x30, &tlv(0x31, &tlv(0x30, &attribute)))
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

/// The user of name constraints that have the profile's form.
fn parse_subtree(value: &[u8]) -> Option<Uid> {
    let start = subtree_of(Uid([0; 16])).len().checked_sub(user_domain(Uid([0; 16])).len())?;
    let domain = std::str::from_utf8(value.get(start..)?).ok()?;
    let uid = domain.strip_suffix(USERS)?.parse().ok()?;
    (subtree_of(uid) == value).then_some(uid)
}

/// The device of a name that has the profile's form.
fn parse_device_name(value: &[u8]) -> Option<DeviceId> {
    let (_header, name) = value.split_at_checked(4)?;
    let (did, uid) = std::str::from_utf8(name).ok()?.strip_suffix(USERS)?.split_once('.')?;
    let device = DeviceId { uid: uid.parse::<Uid>().ok()?, did: did.parse::<Did>().ok()? };
    (one_name(&device_name(device)) == value).then_some(device)
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
    pub(crate) fn signature(&self) -> &BitString<'_> {
        &self.x509.signature_value
    }
}
