//! Identifiers: fixed-size bytes on the wire, base32 or base64url for people.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64URL_NOPAD, Encoding, Specification};
use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};

/// Text that is no identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}")]
pub struct IdError {
    text: String,
    kind: &'static str,
}

/// RFC 4648 base32 in lower case without padding: what stands in certificates (DNS labels) and is read aloud.
fn base32() -> &'static Encoding {
    static ENCODING: std::sync::OnceLock<Encoding> = std::sync::OnceLock::new();
    ENCODING.get_or_init(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
        #[expect(clippy::expect_used, reason = "a constant alphabet of 32 distinct symbols is valid")]
        specification.encoding().expect("valid alphabet")
    })
}

fn base64url() -> &'static Encoding {
    static ENCODING: Encoding = BASE64URL_NOPAD;
    &ENCODING
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $length:literal, $encoding:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// Length in bytes.
            pub const LENGTH: usize = $length;

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;

            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                let error = || IdError { text: format!("{} bytes", bytes.len()), kind: $kind };
                bytes.try_into().map(Self).map_err(|_| error())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$encoding().encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = || IdError { text: text.chars().take(80).collect(), kind: $kind };
                let bytes = $encoding().decode(text.as_bytes()).map_err(|_| error())?;
                bytes.as_slice().try_into().map(Self).map_err(|_| error())
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let bytes = d.bytes()?;
                bytes.try_into().map(Self).map_err(|_| decode::Error::message(concat!("length of ", $kind)))
            }
        }
    };
}

identifier! {
    /// A user: the first 16 bytes of SHA-256 over the identity key's SubjectPublicKeyInfo, hence self-certifying.
    Uid, 16, base32, "user identifier"
}
identifier! {
    /// A device of a user: random, chosen by the device; it stays when the device's key is renewed.
    Did, 10, base32, "device identifier"
}
identifier! {
    /// A room, and its MLS group (RFC 9420 `group_id`).
    RoomId, 16, base32, "room identifier"
}
identifier! {
    /// A message: random, chosen by its author, unique per device.
    MessageId, 16, base32, "message identifier"
}
identifier! {
    /// SHA-256 over the server's genesis record (root key, log key, VRF key).
    ServerFingerprint, 32, base64url, "server fingerprint"
}
identifier! {
    /// The head of a room's hash chain after some record.
    ChainHash, 32, base64url, "chain hash"
}
identifier! {
    /// One life of the server's database: a restored backup begins another one.
    Incarnation, 8, base32, "incarnation"
}
identifier! {
    /// SHA-256 over the `redeem` secret of an invite: what the server keeps of it.
    InviteHash, 32, base64url, "invite hash"
}

/// One device of one user: the unit that logs in, sends, and is a leaf of the ratchet tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub struct DeviceId {
    /// Whose device.
    #[n(0)]
    pub uid: Uid,
    /// Which of that user's devices.
    #[n(1)]
    pub did: Did,
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.did, self.uid)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({self})")
    }
}
