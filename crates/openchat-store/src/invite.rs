//! Invites: permissions to make an account, known by a hash only.

use openchat_protocol::{InviteHash, RoomName, Timestamp, Uid};

use crate::StoreError;

/// An invite that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvite {
    /// SHA-256 over its `redeem` secret.
    pub hash: InviteHash,
    /// Who invites; nobody when the server itself does, for its first user.
    pub creator: Option<Uid>,
    /// From when on it is refused.
    pub expires: Timestamp,
    /// How many accounts it makes.
    pub uses: u32,
    /// The listed room that the invited joins.
    pub room: Option<RoomName>,
}

/// How long after its expiry an invite is still told from one that never was.
pub const KEPT_AFTER_EXPIRY: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

/// Why no invite was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateInviteError {
    /// Somebody else has made an invite of this hash. (The same creator making it again is answered as the first time.)
    #[error("this invite exists already: make another one")]
    Taken,
    /// The creator has [`INVITES_PER_USER`](openchat_protocol::limits::INVITES_PER_USER) open invites.
    #[error("this user has too many open invites: wait until some are used or expire")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
