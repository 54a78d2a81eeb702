//! A tail: leaves that follow those which a client has, a page at a time, with the proofs that they are the server's.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use openchat_protocol::codec;

use crate::leaf::Leaf;
use crate::proof::{Path, ProofError};

/// What the server sends to who follows its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The signed head under which all of this is proven.
    pub note: Vec<u8>,
    /// That this head continues the asker's own.
    pub consistency: Path,
    /// The next leaves: all up to the head, or a first page of them.
    pub leaves: Vec<Leaf>,
    /// That the log with these leaves at its end is the beginning of the one with the head.
    pub beyond: Path,
}

#[derive(Encode, Decode)]
struct Raw {
    #[n(0)]
    note: ByteVec,
    #[n(1)]
    consistency: Path,
    #[n(2)]
    leaves: ByteVec,
    #[n(3)]
    beyond: Path,
}

impl Tail {
    /// CBOR.
    pub fn to_bytes(&self) -> Vec<u8> {
        let leaves: Vec<u8> = self.leaves.iter().flat_map(Leaf::to_bytes).collect();
        codec::encode(&Raw {
            note: self.note.clone().into(),
            consistency: self.consistency.clone(),
            leaves: leaves.into(),
            beyond: self.beyond.clone(),
        })
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        let raw: Raw = codec::decode(bytes).map_err(|_| ProofError::Malformed)?;
        let leaves = Leaf::read_tail(&raw.leaves).map_err(|_| ProofError::Malformed)?;
        Ok(Self { note: raw.note.into(), consistency: raw.consistency, leaves, beyond: raw.beyond })
    }
}
