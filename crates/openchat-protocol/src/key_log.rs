//! The key log as it crosses the wire. What proofs and leaves consist of is the transparency crate's affair.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::account::{Account, AccountSelector};
use crate::codec;

/// Asks for leaves of the key log. Allowed before login: whoever knows the server may audit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct FollowLog {
    /// Size of the newest head that the asker has; 0 without one.
    #[cbor(n(0), decode_with = "codec::decode_count")]
    pub known: u64,
    /// The first leaf that is wanted.
    #[cbor(n(1), decode_with = "codec::decode_count")]
    pub from: u64,
}

/// Asks who somebody is, with proofs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Prove {
    /// Who.
    #[n(0)]
    pub who: AccountSelector,
    /// Size of the newest head that the asker has; 0 without one.
    #[cbor(n(1), decode_with = "codec::decode_count")]
    pub known: u64,
}

/// Who somebody is. Both answers of the log are of one head; the second one continues the first.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Proven {
    /// As the server has it.
    #[n(0)]
    pub account: Account,
    /// What the log has under the account's name.
    #[n(1)]
    pub name: ByteVec,
    /// What the log has under its uid.
    #[n(2)]
    pub user: ByteVec,
    /// When the log has more than one record under the name: those before the newest one, with proofs for the same head.
    #[n(3)]
    pub history: Option<ByteVec>,
}

/// Asks how two sizes of the log belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct CompareHeads {
    /// The smaller size.
    #[cbor(n(0), decode_with = "codec::decode_count")]
    pub old: u64,
    /// The larger one.
    #[cbor(n(1), decode_with = "codec::decode_count")]
    pub new: u64,
}

/// How they do.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Compared {
    /// The root of the log when it had the smaller size.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub root: [u8; 32],
    /// That the larger log begins with that one: hashes in one string (RFC 6962 §2.1.2).
    #[n(1)]
    pub proof: ByteVec,
}

/// A head of the key log in few bytes: what people tell each other, inside the encryption of their messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SeenHead {
    /// How many leaves.
    #[cbor(n(0), decode_with = "codec::decode_count")]
    pub size: u64,
    /// The root over them.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub root: [u8; 32],
    /// The log key's signature on the head's note (Ed25519), so that two heads that disagree convict the server.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}
