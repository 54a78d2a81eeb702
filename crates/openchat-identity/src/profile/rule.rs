//! The roles of certificates, and the rules that a certificate or a chain can break.

use std::fmt;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The server's identity: signs issuing certificates and its own successor.
    Root,
    /// A root after the first one, certified by the one before it: signs issuing certificates and its own successor.
    Successor,
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
            Self::Successor => "successor root",
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
    /// A root carries the log key and the VRF key, and each successor the same.
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
