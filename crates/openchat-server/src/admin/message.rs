//! What an operator asks a running server, and what it answers: one frame each.

use minicbor::{Decode, Encode};
use openchat_protocol::{DeviceId, Did, Timestamp, Uid, UserName};

/// A frame in either direction.
pub(super) const FRAME: usize = 1 << 20;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) enum Request {
    /// → `Status`
    #[n(0)]
    Status,
    /// → `Done`
    #[n(1)]
    SetDisabled(#[n(0)] UserName, #[n(1)] bool),
    /// → `Done`
    #[n(2)]
    RevokeDevice(#[n(0)] DeviceId),
    /// Accounts after this name, in the order of names. → `Accounts`
    #[n(3)]
    Accounts(#[n(0)] Option<UserName>),
    /// → `Done`
    #[n(4)]
    ReloadAuthority,
    /// A link that resets the account of this name. → `ResetLink`
    #[n(5)]
    OfferReset(#[n(0)] UserName),
    /// For or against a reset. → `Done`
    #[n(6)]
    DecideReset(#[n(0)] UserName, #[n(1)] bool),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) enum Answer {
    #[n(0)]
    Status(#[n(0)] Status),
    #[n(1)]
    Done,
    /// Empty after the last account.
    #[n(2)]
    Accounts(#[n(0)] Vec<AccountLine>),
    /// Why not, in a sentence.
    #[n(3)]
    Refused(#[n(0)] String),
    /// A secret.
    #[n(4)]
    ResetLink(#[n(0)] String),
}

/// How a server is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Status {
    /// The version of the running server.
    #[n(0)]
    pub version: String,
    /// Seconds since it was started.
    #[n(1)]
    pub uptime: u64,
    /// Connections that have not logged in.
    #[n(2)]
    pub strangers: u64,
    /// Connections of devices that are logged in.
    #[n(3)]
    pub connections: u64,
    /// Accounts, disabled ones included.
    #[n(4)]
    pub accounts: u64,
    /// Rooms, those included that everybody has left a short while ago.
    #[n(5)]
    pub rooms: u64,
    /// Records in all rooms.
    #[n(6)]
    pub records: u64,
    /// Names that a new key asks for.
    #[n(7)]
    #[cbor(default)]
    pub resets: Vec<ResetLine>,
}

/// A name that a new key asks for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ResetLine {
    /// The name.
    #[n(0)]
    pub name: UserName,
    /// The new identity.
    #[n(1)]
    pub uid: Uid,
    /// From when on it can take the name.
    #[n(2)]
    pub until: Timestamp,
    /// The owner is against it.
    #[n(3)]
    pub objected: bool,
    /// An administrator has decided for it all the same.
    #[n(4)]
    pub approved: bool,
}

/// An account as its operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AccountLine {
    /// Its name.
    #[n(0)]
    pub name: UserName,
    /// Its identifier.
    #[n(1)]
    pub uid: Uid,
    /// It cannot log in.
    #[n(2)]
    pub disabled: bool,
    /// When it was made.
    #[n(3)]
    pub created: Timestamp,
    /// Its devices, in the order of enrolment.
    #[n(4)]
    pub devices: Vec<DeviceLine>,
}

/// A device as its operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeviceLine {
    /// Its identifier.
    #[n(0)]
    pub did: Did,
    /// It cannot log in any more.
    #[n(1)]
    pub revoked: bool,
    /// When it was last connected, or enrolled.
    #[n(2)]
    pub last_seen: Timestamp,
}
