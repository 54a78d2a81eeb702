//! Proofs: that a leaf stands in the log, that a log only grew, and the answer to "who is this".

use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};
use openchat_protocol::codec;

use crate::checkpoint::Head;
use crate::label::VrfProof;
use crate::leaf::{Leaf, Opening};
use crate::tree::Hash;

/// More hashes than any tree with a size below 2^63 asks for.
const MAX_PATH: usize = 64;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not the one encoding of a proof.
    #[error("the server's proof is malformed")]
    Malformed,
    /// The leaf is not at this place of the log.
    #[error("the server did not prove that the record stands in its log")]
    Inclusion,
    /// The older log is not the beginning of the newer one.
    #[error("the server did not prove that its log only grew")]
    Consistency,
}

/// Hashes beside a way through the tree, in the order of RFC 6962 §2.1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(pub(crate) Vec<Hash>);

impl Path {
    /// The hashes.
    pub fn hashes(&self) -> &[Hash] {
        &self.0
    }

    /// The hashes in one string.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.0).collect()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || hashes.len() > MAX_PATH {
            return Err(ProofError::Malformed);
        }
        Ok(Self(hashes.iter().copied().map(Hash).collect()))
    }

    /// That `leaf` stands at `index` in the log with this head.
    pub fn check_inclusion(&self, leaf: &Leaf, index: u64, head: &Head) -> Result<(), ProofError> {
        let (hash, root) = (Hash::of(leaf).into(), head.root.into());
        tlog_tiles::check_record(&self.to_tlog(), head.size, root, index, hash)
            .map_err(|_| ProofError::Inclusion)
    }

    /// That the log with the head `new` begins with the one with the head `old`.
    pub fn check_consistency(&self, old: &Head, new: &Head) -> Result<(), ProofError> {
        if old.size == 0 {
            let empty = old.root == Hash::EMPTY && self.0.is_empty();
            let same = new.size != 0 || new.root == Hash::EMPTY;
            return if empty && same { Ok(()) } else { Err(ProofError::Consistency) };
        }
        tlog_tiles::check_tree(&self.to_tlog(), new.size, new.root.into(), old.size, old.root.into())
            .map_err(|_| ProofError::Consistency)
    }

    fn to_tlog(&self) -> Vec<tlog_tiles::Hash> {
        self.0.iter().copied().map(tlog_tiles::Hash::from).collect()
    }
}

impl From<Vec<tlog_tiles::Hash>> for Path {
    fn from(hashes: Vec<tlog_tiles::Hash>) -> Self {
        Self(hashes.into_iter().map(Hash::from).collect())
    }
}

/// One string of all the hashes.
impl<C> Encode<C> for Path {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.to_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Path {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::from_bytes(d.bytes()?).map_err(decode::Error::custom)
    }
}

/// The newest leaf of a label, with all that is needed to believe it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Where the leaf stands.
    #[cbor(n(0), decode_with = "codec::decode_count")]
    pub index: u64,
    /// The leaf.
    #[n(1)]
    pub leaf: Leaf,
    /// What the leaf is about.
    #[n(2)]
    pub opening: Opening,
    /// That the leaf stands there.
    #[n(3)]
    pub inclusion: Path,
}

impl<C> Encode<C> for Leaf {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.to_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Leaf {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::from_bytes(d.bytes()?).map_err(decode::Error::custom)
    }
}

/// The server's answer to a question about a name or a user.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Lookup {
    /// The signed head under which all of this is proven.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub note: Vec<u8>,
    /// That this head continues the asker's own.
    #[n(1)]
    pub consistency: Path,
    /// Under which label the log keeps who was asked for.
    #[n(2)]
    pub vrf: VrfProof,
    /// The newest leaf of that label.
    #[n(3)]
    pub entry: Entry,
}

impl Lookup {
    /// CBOR.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads what [`Self::to_bytes`] wrote, and nothing else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        let lookup: Self = codec::decode(bytes).map_err(|_| ProofError::Malformed)?;
        if lookup.to_bytes() == bytes { Ok(lookup) } else { Err(ProofError::Malformed) }
    }
}
