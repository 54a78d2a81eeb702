//! Evidence that a server has signed two logs: checked by anybody who knows its fingerprint, without asking the server.

use minicbor::{Decode, Encode};
use openchat_protocol::{Genesis, ServerFingerprint, codec};

use crate::checkpoint::{CheckpointError, Head, LogKey, SignedHead};
use crate::proof::{Path, ProofError};
use crate::tree::Hash;

/// Why evidence convicts nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForkError {
    /// Not the one encoding of evidence.
    #[error("this is no evidence file, or it is damaged")]
    Malformed,
    /// The keys in it are not those of the server.
    #[error("the evidence is about another server")]
    OtherServer,
    /// A head in it was not signed by the server.
    #[error("the evidence does not hold: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The larger head does not commit to what is said to be its beginning.
    #[error("the evidence does not hold: {0}")]
    Proof(#[from] ProofError),
    /// Both heads can be of one log.
    #[error("the two heads agree: they are no evidence")]
    Agree,
}

/// Two signed heads that cannot be of one log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Fork {
    /// What the server's fingerprint stands for.
    #[n(0)]
    pub genesis: Genesis,
    /// The signed note of the head with fewer leaves, or as many.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub smaller: Vec<u8>,
    /// The signed note of the other one.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub larger: Vec<u8>,
    /// The root that the larger log had when it was as small as the smaller one.
    #[n(3)]
    pub beginning: Hash,
    /// That it had this root. Empty when both have the same size.
    #[n(4)]
    pub proof: Path,
}

impl Fork {
    /// The evidence in two heads of the same size; none when they agree, or differ in size.
    pub fn between(genesis: &Genesis, one: &SignedHead, other: &SignedHead) -> Option<Self> {
        let same_size = one.head().size == other.head().size;
        (same_size && one.head().root != other.head().root).then(|| Self {
            genesis: genesis.clone(),
            smaller: one.note().to_vec(),
            larger: other.note().to_vec(),
            beginning: other.head().root,
            proof: Path::default(),
        })
    }

    /// Whether the server with this fingerprint is convicted; gives the two heads.
    pub fn verify(&self, server: &ServerFingerprint) -> Result<(Head, Head), ForkError> {
        if self.genesis.fingerprint() != *server {
            return Err(ForkError::OtherServer);
        }
        let key = LogKey::new(&self.genesis);
        let (smaller, larger) = (key.open(&self.smaller)?.head(), key.open(&self.larger)?.head());
        let beginning = Head { size: smaller.size, root: self.beginning };
        self.proof.check_consistency(&beginning, &larger)?;
        if beginning.root == smaller.root {
            return Err(ForkError::Agree);
        }
        Ok((smaller, larger))
    }

    /// CBOR: the evidence file.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads what [`Self::to_bytes`] wrote, and nothing else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ForkError> {
        let fork: Self = codec::decode(bytes).map_err(|_| ForkError::Malformed)?;
        if fork.to_bytes() == bytes { Ok(fork) } else { Err(ForkError::Malformed) }
    }
}
