//! The transparency log of a server's keys: what it is made of, what proves it, and what a client makes of the proofs.
//!
//! No I/O, no clock, no randomness: a server puts its store behind [`tree::Nodes`], a client keeps the bytes of an
//! [`auditor::Auditor`]. `docs/transparency.md` has the formats.

pub mod auditor;
pub mod body;
pub mod checkpoint;
pub mod fork;
pub mod label;
pub mod leaf;
pub mod proof;
pub mod reset;
pub mod tail;
pub mod tree;

pub use auditor::{Auditor, Violation};
pub use body::{Body, BodyError};
pub use checkpoint::{CheckpointError, Head, LogKey, LogSigner, SignedHead};
pub use fork::{Fork, ForkError};
pub use label::{Label, LabelError, Subject, VrfKey, VrfProof, VrfSecret};
pub use leaf::{Commitment, Kind, Leaf, LeafError, Opening};
pub use proof::{Entry, Lookup, Path, ProofError};
pub use reset::{History, NameState, ResetFault};
pub use tail::Tail;
pub use tree::{Frontier, Hash, TreeError};
