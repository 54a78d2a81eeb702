//! Bodies: what a leaf commits to, by its kind. CBOR of a format number and the value, in exactly one encoding.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use openchat_protocol::device_list::SignedDeviceList;
use openchat_protocol::{Uid, UserName, codec};

use crate::leaf::Kind;

const FORMAT: u8 = 1;

/// Why a body says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not the one encoding of a body of this kind.
    #[error("what a record of the log stands for is malformed")]
    Malformed,
    /// A format of another time.
    #[error(
        "what a record of the log stands for has the format {0}, which this version does not know: update OpenChat"
    )]
    Format(u8),
}

/// An identity certificate was issued, or a later one for the same key. The same body stands under the name and the uid.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct IdentityIssued {
    /// For whom.
    #[n(0)]
    pub uid: Uid,
    /// Under which name.
    #[n(1)]
    pub name: UserName,
    /// SHA-256 over the certificate, DER.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub certificate: [u8; 32],
    /// In a leaf for a later certificate of the same key: the key's signature over the place of this very leaf (K28).
    #[n(3)]
    pub renewal: Option<ByteVec>,
}

/// Somebody does not have a name, or an identity, any more.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NoLonger {
    /// Who.
    #[n(0)]
    pub uid: Uid,
    /// The name of that time.
    #[n(1)]
    pub name: UserName,
}

/// The authority itself has changed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum AuthorityEvent {
    /// It issues under another certificate from here on.
    #[n(0)]
    Issuing {
        /// SHA-256 over the issuing certificate, DER.
        #[cbor(n(0), with = "minicbor::bytes")]
        certificate: [u8; 32],
        /// The same over that of the root above it, unless it is the first one.
        #[n(1)]
        root: Option<ByteVec>,
    },
}

/// A new key asks for a name, under whose label this stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Reset {
    /// The new identity.
    #[n(0)]
    pub uid: Uid,
    /// The name that it asks for.
    #[n(1)]
    pub name: UserName,
    /// What has happened.
    #[n(2)]
    pub step: ResetStep,
}

/// What has happened to a wish for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ResetStep {
    /// It was made.
    #[n(0)]
    Asked,
    /// A device of the name's owner has objected.
    #[n(1)]
    Objected,
    /// An administrator has decided for it, after an objection.
    #[n(2)]
    Approved,
    /// An administrator has decided against it.
    #[n(3)]
    Denied,
}

/// What a leaf is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    Heartbeat,
    /// See there.
    IdentityIssued(IdentityIssued),
    /// The identity is not used any more.
    IdentityRetired(NoLonger),
    /// All devices of a user.
    DeviceList(SignedDeviceList),
    /// See there.
    Authority(AuthorityEvent),
    /// The name is free again.
    NameReleased(NoLonger),
    /// A new key asks for a name.
    Reset(Reset),
}

impl Body {
    /// The kind of the leaf that commits to it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Heartbeat => Kind::Heartbeat,
            Self::IdentityIssued(_) => Kind::IdentityIssued,
            Self::IdentityRetired(_) => Kind::IdentityRetired,
            Self::DeviceList(_) => Kind::DeviceList,
            Self::Authority(_) => Kind::Authority,
            Self::NameReleased(_) => Kind::NameReleased,
            Self::Reset(_) => Kind::Reset,
        }
    }

    /// CBOR.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Heartbeat => codec::encode(&(FORMAT,)),
            Self::IdentityIssued(body) => codec::encode(&(FORMAT, body)),
            Self::IdentityRetired(body) | Self::NameReleased(body) => codec::encode(&(FORMAT, body)),
            Self::DeviceList(body) => codec::encode(&(FORMAT, body)),
            Self::Authority(body) => codec::encode(&(FORMAT, body)),
            Self::Reset(body) => codec::encode(&(FORMAT, body)),
        }
    }

    /// Reads what [`Self::to_bytes`] wrote for a leaf of this kind, and nothing else.
    pub fn read(kind: Kind, bytes: &[u8]) -> Result<Self, BodyError> {
        let body = match kind {
            Kind::Heartbeat => codec::decode::<(u8,)>(bytes).map(|_| Self::Heartbeat),
            Kind::IdentityIssued => value(bytes).map(Self::IdentityIssued),
            Kind::IdentityRetired => value(bytes).map(Self::IdentityRetired),
            Kind::DeviceList => value(bytes).map(Self::DeviceList),
            Kind::Authority => value(bytes).map(Self::Authority),
            Kind::NameReleased => value(bytes).map(Self::NameReleased),
            Kind::Reset => value(bytes).map(Self::Reset),
        };
        match (body, format(bytes)) {
            (_, Some(format)) if format != FORMAT => Err(BodyError::Format(format)),
            (Ok(body), _) if body.to_bytes() == bytes => Ok(body),
            _ => Err(BodyError::Malformed),
        }
    }
}

fn value<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, codec::DecodeError> {
    codec::decode::<(u8, T)>(bytes).map(|(_, value)| value)
}

/// The number in front.
fn format(bytes: &[u8]) -> Option<u8> {
    let mut decoder = minicbor::Decoder::new(bytes);
    decoder.array().ok()?;
    decoder.u8().ok()
}
