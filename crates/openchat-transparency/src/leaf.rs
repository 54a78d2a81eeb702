//! A leaf of the log: 86 bytes that say that something happened, and to whom only for those who may know.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use minicbor::{Decode, Encode};
use openchat_protocol::Timestamp;

use crate::label::Label;

const VERSION: u8 = 1;
const NO_PREVIOUS: u64 = u64::MAX;
const COMMITMENT_DOMAIN: &[u8] = b"OpenChat log commitment v1";

/// Why bytes are no leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Too short or too long.
    #[error("a record of the log is {0} bytes long where {length} are needed", length = Leaf::LENGTH)]
    Length(usize),
    /// A format of another time.
    #[error("a record of the log has the format {0}, which this version does not know: update OpenChat")]
    Version(u8),
    /// An event that this version does not know.
    #[error("a record of the log is of the kind {0}, which this version does not know: update OpenChat")]
    Kind(u8),
    /// A time or an index over 2^63 - 1.
    #[error("a record of the log has a number that is too large")]
    Number,
    /// An event of the server as a whole is kept under somebody's label, or the other way round.
    #[error("a record of the log is about the wrong one: the server as a whole, or one person")]
    Label,
    /// The first record of a label names one before it, or a later one names none.
    #[error("a record of the log is the {seq}. of its label, and says the opposite about the one before it")]
    Previous {
        /// What it counts itself as.
        seq: u32,
    },
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Nothing: the log is alive. At least one a day.
    Heartbeat = 0,
    /// An identity certificate was issued.
    IdentityIssued = 1,
    /// An identity is not used any more.
    IdentityRetired = 2,
    /// The devices of a user changed.
    DeviceList = 3,
    /// The authority itself changed: a new root, log or issuing key.
    Authority = 4,
    /// A name is free again.
    NameReleased = 5,
    /// A new key asks for a name, or what was said to that.
    Reset = 6,
}

impl Kind {
    /// Such leaves have [`Label::LOG`], and only these.
    fn is_about_the_server(self) -> bool {
        matches!(self, Self::Heartbeat | Self::Authority)
    }
}

impl TryFrom<u8> for Kind {
    type Error = LeafError;

    fn try_from(byte: u8) -> Result<Self, LeafError> {
        let all = [
            Self::Heartbeat,
            Self::IdentityIssued,
            Self::IdentityRetired,
            Self::DeviceList,
            Self::Authority,
            Self::NameReleased,
            Self::Reset,
        ];
        all.into_iter().find(|kind| *kind as u8 == byte).ok_or(LeafError::Kind(byte))
    }
}

/// One record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// What happened.
    pub kind: Kind,
    /// When, by the server's clock.
    pub time: Timestamp,
    /// To whom. [`Label::LOG`] for what concerns the server as a whole.
    pub label: Label,
    /// Counts the leaves of this label, from 1.
    pub seq: u32,
    /// Where the leaf of this label before this one stands; nowhere for the first.
    pub previous: Option<u64>,
    /// What exactly, for those who are shown the opening.
    pub commitment: Commitment,
}

impl Leaf {
    /// Length in bytes.
    pub const LENGTH: usize = 86;

    /// version ‖ kind ‖ time (u64) ‖ label (32) ‖ seq (u32) ‖ previous (u64) ‖ commitment (32), big-endian.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let previous = self.previous.unwrap_or(NO_PREVIOUS);
        let parts: [&[u8]; 6] = [
            &[VERSION, self.kind as u8],
            &self.time.0.to_be_bytes(),
            &self.label.0,
            &self.seq.to_be_bytes(),
            &previous.to_be_bytes(),
            &self.commitment.0,
        ];
        for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote, and nothing else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LeafError> {
        let mut rest = bytes;
        let mut leaf = || {
            let [version, kind] = take(&mut rest)?;
            let (time, label) = (u64::from_be_bytes(take(&mut rest)?), Label(take(&mut rest)?));
            let (seq, previous) =
                (u32::from_be_bytes(take(&mut rest)?), u64::from_be_bytes(take(&mut rest)?));
            let commitment = Commitment(take(&mut rest)?);
            rest.is_empty().then_some((version, kind, time, label, seq, previous, commitment))
        };
        let (version, kind, time, label, seq, previous, commitment) =
            leaf().ok_or(LeafError::Length(bytes.len()))?;
        if version != VERSION {
            return Err(LeafError::Version(version));
        }
        let kind = Kind::try_from(kind)?;
        let previous = (previous != NO_PREVIOUS).then_some(previous);
        if [time, previous.unwrap_or(0)].into_iter().any(|number| i64::try_from(number).is_err()) {
            return Err(LeafError::Number);
        }
        if kind.is_about_the_server() != (label == Label::LOG) {
            return Err(LeafError::Label);
        }
        if seq == 0 || (seq == 1) != previous.is_none() {
            return Err(LeafError::Previous { seq });
        }
        Ok(Self { kind, time: Timestamp(time), label, seq, previous, commitment })
    }

    /// Reads a tail of the log: leaves one after the other.
    pub fn read_tail(bytes: &[u8]) -> Result<Vec<Self>, LeafError> {
        bytes.chunks(Self::LENGTH).map(Self::from_bytes).collect()
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*first)
}

/// A hash that says nothing without its [`Opening`], and can be opened in one way only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Commitment(pub [u8; 32]);

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({})", crate::tree::Hash(self.0))
    }
}

/// What a leaf is about. Deleting all copies of it erases a person from the log, which stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Opening {
    /// Random, so that the commitment cannot be guessed from the body.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub nonce: [u8; 32],
    /// What happened, in the form of the leaf's kind.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub body: Vec<u8>,
}

impl Opening {
    /// SHA-256(domain ‖ nonce ‖ body): the domain and the nonce have a fixed length.
    pub fn commitment(&self) -> Commitment {
        let mut hash = Context::new(&SHA256);
        for part in [COMMITMENT_DOMAIN, &self.nonce, &self.body] {
            hash.update(part);
        }
        Commitment(*hash.finish().as_ref().first_chunk().unwrap_or(&[0; 32]))
    }
}
