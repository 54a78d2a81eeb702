//! What each certificate looks like, exactly: the one table from which they are made and against which they are read.

use std::time::Duration;

use openchat_protocol::{DeviceId, Did, Uid};
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::x509::AlgorithmIdentifier;

use crate::signature::PublicKey;

mod read;
mod rule;

pub(crate) use read::{
    Certificate, read_device, read_identity, read_issuing, read_root, read_server, read_successor,
};
pub use rule::{ProfileError, Role, Rule};

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
    Successor(GenesisKeys),
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
            Self::Successor(_) => Role::Successor,
            Self::Issuing => Role::Issuing,
            Self::Identity(_) => Role::Identity,
            Self::Device(_) => Role::Device,
            Self::Server => Role::Server,
        }
    }

    /// The subject's common name, its only attribute. No names of people: they change, and are nobody's business.
    pub(crate) fn subject(&self) -> String {
        match self {
            Self::Root(_) | Self::Successor(_) => "OpenChat root".to_owned(),
            Self::Issuing => "OpenChat issuing".to_owned(),
            Self::Identity(uid) => uid.to_string(),
            Self::Device(_) => "OpenChat device".to_owned(),
            Self::Server => "OpenChat server".to_owned(),
        }
    }

    /// The issuer's common name.
    pub(crate) fn issuer(&self) -> String {
        match self {
            Self::Root(_) | Self::Successor(_) => self.subject(),
            Self::Issuing => "OpenChat root".to_owned(),
            Self::Identity(_) | Self::Server => Self::Issuing.subject(),
            Self::Device(device) => Self::Identity(device.uid).subject(),
        }
    }

    pub(crate) fn lifetime(&self) -> Duration {
        match self {
            Self::Root(_) | Self::Successor(_) => 20 * YEAR,
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
            Self::Root(keys) | Self::Successor(keys) => {
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

/// A Name whose only attribute is a common name in UTF8String (RFC 5280 §4.1.2.4).
pub(crate) fn common_name(text: &str) -> Vec<u8> {
    const COMMON_NAME: Oid<'static> = oid!(2.5.4.3);
    let attribute = [tlv(0x06, COMMON_NAME.as_bytes()), tlv(0x0c, text.as_bytes())].concat();
    tlv(0x30, &tlv(0x31, &tlv(0x30, &attribute)))
}

/// Whether signatures are ECDSA with SHA-384 (RFC 5758 §3.2: without parameters).
pub(crate) fn is_ecdsa_with_sha384(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    algorithm.algorithm == ECDSA_WITH_SHA384 && algorithm.parameters.is_none()
}
