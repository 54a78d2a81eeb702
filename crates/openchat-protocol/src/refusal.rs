//! Why the server does not do what was asked.

use minicbor::{Decode, Encode};

/// The kind of a refusal: what a program acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum RefusalCode {
    /// The request breaks its own rules.
    #[n(0)]
    Malformed,
    /// The server does not know this request.
    #[n(1)]
    Unsupported,
    /// No protocol version in common.
    #[n(2)]
    Version,
    /// The request wants a login first, or the state of the connection does not allow it.
    #[n(3)]
    NotLoggedIn,
    /// The proof of login does not hold.
    #[n(4)]
    LoginFailed,
    /// The account is unknown here.
    #[n(5)]
    AccountUnknown,
    /// An administrator has disabled the account.
    #[n(6)]
    AccountDisabled,
    /// The device was revoked.
    #[n(7)]
    DeviceRevoked,
    /// Registration is closed, or wants an invite.
    #[n(8)]
    RegistrationClosed,
    /// The name, or one that looks like it, is taken.
    #[n(9)]
    NameTaken,
    /// This key has an account already.
    #[n(10)]
    KeyTaken,
    /// No such invite.
    #[n(11)]
    InviteUnknown,
    /// The invite has made all its accounts.
    #[n(12)]
    InviteUsed,
    /// The invite is too old.
    #[n(13)]
    InviteExpired,
    /// A certificate or signing request breaks the profile.
    #[n(14)]
    Certificate,
    /// No such room, or not for this device.
    #[n(15)]
    RoomUnknown,
    /// The room's name, or one that looks like it, is taken.
    #[n(16)]
    RoomTaken,
    /// Only members may.
    #[n(17)]
    NotAMember,
    /// The client's log is not a prefix of the server's.
    #[n(18)]
    LogDiverged,
    /// Over a size limit.
    #[n(19)]
    TooLarge,
    /// Over a quota that does not pass with time.
    #[n(20)]
    Quota,
    /// Too fast: wait `retry_after`.
    #[n(21)]
    RateLimited,
    /// The server cannot write: its disk is full or broken.
    #[n(22)]
    Storage,
    /// The server is stopping: connect again.
    #[n(23)]
    Stopping,
    /// A fault of the server, in its log under the time of this answer.
    #[n(24)]
    Internal,
    /// The group is by somebody whom the device doubts; another member was asked for a new one, if one is online.
    #[n(25)]
    GroupUnavailable,
    /// The list of devices does not follow the newest one in the log, or is not signed by its user.
    #[n(26)]
    DeviceList,
    /// The key log has no such leaf or size.
    #[n(27)]
    LogRange,
    /// The commit's change is for another ratchet tree than the server holds: make it anew with the whole tree.
    #[n(28)]
    OtherTree,
    /// The server's database is older than what the asker has of it: it was set back.
    #[n(30)]
    SetBack,
    /// There is no such rendezvous: it was closed, is too old, or its three tries were used up.
    #[n(29)]
    LinkUnknown,
    /// Nobody asks for this name, or there is nothing left to object to.
    #[n(31)]
    NoReset,
}

/// A request was not carried out, and nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// For programs. A code this build does not know decodes as absent.
    #[cbor(n(0), with = "known_code")]
    pub code: Option<RefusalCode>,
    /// For people: what happened and why, in one sentence.
    #[n(1)]
    pub detail: String,
    /// Milliseconds after which the same request may be carried out.
    #[n(2)]
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal that time alone does not lift.
    pub fn new(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self { code: Some(code), detail: detail.into(), retry_after: None }
    }
}

/// A code as its number, so that one from a later version does not spoil the whole refusal.
mod known_code {
    use minicbor::decode::{self, Decoder};
    use minicbor::encode::{self, Encoder, Write};

    use super::RefusalCode;
    use crate::codec;

    pub(super) fn encode<C, W: Write>(
        code: &Option<RefusalCode>,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.encode_with(code, context)?.ok()
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Option<RefusalCode>, decode::Error> {
        let number: Option<u32> = d.decode()?;
        Ok(number.and_then(|number| codec::decode(&codec::encode(&number)).ok()))
    }
}
