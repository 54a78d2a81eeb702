//! What the server answers.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::account::{Account, ClaimedKeyPackage, Greeting, LoggedIn, Registered};
use crate::append::Appended;
use crate::key_log::{Compared, Proven};
use crate::linking::{LinkEntered, LinkMessage, LinkSlot};
use crate::record::Position;
use crate::reset::ResetState;
use crate::room::{JoinInfo, RoomSummary};

/// The answer to a [`crate::Request`] that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Response {
    /// Nothing more to say.
    #[n(0)]
    Done,
    /// To `Hello`.
    #[n(1)]
    Greeting(#[n(0)] Greeting),
    /// To `Register`.
    #[n(2)]
    Registered(#[n(0)] Registered),
    /// To `Login`.
    #[n(3)]
    LoggedIn(#[n(0)] LoggedIn),
    /// To `ListRooms`: the most recently active first.
    #[n(4)]
    Rooms(#[n(0)] Vec<RoomSummary>),
    /// To `FetchJoinInfo`.
    #[n(5)]
    JoinInfo(#[n(0)] JoinInfo),
    /// To `Append`.
    #[n(6)]
    Appended(#[n(0)] Appended),
    /// To `LookUp`.
    #[n(7)]
    Account(#[n(0)] Account),
    /// To `PublishKeyPackages`: one-time packages of that suite now on the server.
    #[n(8)]
    KeyPackageCount(#[n(0)] u32),
    /// To `ClaimKeyPackages`.
    #[n(9)]
    KeyPackages(#[n(0)] Vec<ClaimedKeyPackage>),
    /// To `FollowLog`: a tail of the key log.
    #[n(20)]
    LogTail(#[n(0)] ByteVec),
    /// To `Prove`.
    #[n(21)]
    Proven(#[n(0)] Proven),
    /// To `CompareHeads`.
    #[n(22)]
    Compared(#[n(0)] Compared),
    /// To `GiveBackRecords`: where the room's log ends now.
    #[n(30)]
    LogEnd(#[n(0)] Position),
    /// To `OpenLink`.
    #[n(23)]
    LinkOpened(#[n(0)] LinkSlot),
    /// To `EnterLink`.
    #[n(24)]
    LinkEntered(#[n(0)] LinkEntered),
    /// To `ReceiveLink`: nothing when nothing has come yet.
    #[n(25)]
    LinkMessage(#[n(0)] Option<LinkMessage>),
    /// To `AskReset`.
    #[n(31)]
    ResetState(#[n(0)] ResetState),
}
