//! A name that is asked for by a new key, because everything with the old one is lost.

use std::time::Duration;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::names::UserName;
use crate::time::Timestamp;

/// How long a name stays where it is after it was asked for, by the times in the log of keys.
pub const RESET_WAIT: Duration = Duration::from_secs(72 * 3600);

/// Asks for the name that a reset link is for, or how far that is. Allowed before login.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AskReset {
    /// PKCS#10 (RFC 2986), DER, signed by the new identity key.
    #[n(0)]
    pub csr: ByteVec,
    /// The `redeem` secret of the link (32 bytes).
    #[n(1)]
    pub redeem: ByteVec,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ResetState {
    /// The name that is asked for.
    #[n(0)]
    pub name: UserName,
    /// From when on the name can be taken, by the server's clock.
    #[n(1)]
    pub until: Timestamp,
    /// What has become of it.
    #[n(2)]
    pub phase: ResetPhase,
}

/// What has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ResetPhase {
    /// Nobody has objected, and the time is not over.
    #[n(0)]
    Waiting,
    /// A device of the name's owner has objected: an administrator decides.
    #[n(1)]
    Objected,
    /// An administrator has decided for it, and the time is not over.
    #[n(2)]
    Approved,
    /// An administrator has decided against it.
    #[n(3)]
    Denied,
    /// The name can be taken by `Register`, or was.
    #[n(4)]
    Due,
}
