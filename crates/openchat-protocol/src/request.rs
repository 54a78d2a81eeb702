//! What a client asks.

use minicbor::{Decode, Encode};

use crate::account::{
    AccountSelector, AcknowledgeWelcome, ClaimKeyPackages, CreateInvite, EnrolDevice, Hello, Login,
    PublishKeyPackages, Register, RenewIdentity,
};
use crate::append::Append;
use crate::device_list::SignedDeviceList;
use crate::give_back::{GiveBackAccount, GiveBackLeaves, GiveBackRecords};
use crate::ids::RoomId;
use crate::key_log::{CompareHeads, FollowLog, Prove};
use crate::linking::{LinkSlot, ReceiveLink, SendLink};
use crate::reset::AskReset;
use crate::room::{CreateRoom, FetchJoinInfo, Follow};

/// A request. Each is answered once, under its own id, in any order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// First on every connection. → `Greeting`
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// Before login. → `Registered`
    #[n(1)]
    Register(#[n(0)] Register),
    /// Before login. → `Done`
    #[n(2)]
    EnrolDevice(#[n(0)] EnrolDevice),
    /// On a connection with a device certificate. → `LoggedIn`; waiting Welcomes follow as events, then `WelcomesSent`.
    #[n(3)]
    Login(#[n(0)] Login),
    /// → `Done`
    #[n(4)]
    CreateInvite(#[n(0)] CreateInvite),
    /// Listed rooms that are active. → `Rooms`
    #[n(5)]
    ListRooms,
    /// → `Done`
    #[n(6)]
    CreateRoom(#[n(0)] CreateRoom),
    /// → `JoinInfo`
    #[n(7)]
    FetchJoinInfo(#[n(0)] FetchJoinInfo),
    /// → `Appended`
    #[n(8)]
    Append(#[n(0)] Append),
    /// → `Done`; pages follow as events until [`Request::Unfollow`] or the end of membership.
    #[n(9)]
    Follow(#[n(0)] Follow),
    /// → `Done`
    #[n(10)]
    Unfollow(#[n(0)] RoomId),
    /// → `Account`
    #[n(11)]
    LookUp(#[n(0)] AccountSelector),
    /// → `KeyPackageCount`
    #[n(12)]
    PublishKeyPackages(#[n(0)] PublishKeyPackages),
    /// One for each device of a user that has one. → `KeyPackages`
    #[n(13)]
    ClaimKeyPackages(#[n(0)] ClaimKeyPackages),
    /// → `Done`
    #[n(14)]
    AcknowledgeWelcome(#[n(0)] AcknowledgeWelcome),
    /// Keeps the connection and finds dead ones. → `Done`
    #[n(15)]
    Ping,
    /// Another certificate for an identity key; also before login. → `Registered`
    #[n(16)]
    RenewIdentity(#[n(0)] RenewIdentity),
    /// The key log from some leaf on; also before login. → `LogTail`
    #[n(20)]
    FollowLog(#[n(0)] FollowLog),
    /// A user, with proofs of the key log. → `Proven`
    #[n(21)]
    Prove(#[n(0)] Prove),
    /// Whether a head that somebody else has seen belongs to this log. → `Compared`
    #[n(22)]
    CompareHeads(#[n(0)] CompareHeads),
    /// A new list of the asker's own devices. → `Done`
    #[n(23)]
    PublishDevices(#[n(0)] SignedDeviceList),
    /// Records that a restored server has lost. → `LogEnd`
    #[n(30)]
    GiveBackRecords(#[n(0)] GiveBackRecords),
    /// Leaves of the key log that it has lost; also before login. → `Done`
    #[n(31)]
    GiveBackLeaves(#[n(0)] GiveBackLeaves),
    /// An account, or a device of one, that it has lost; also before login. → `Done`
    #[n(32)]
    GiveBackAccount(#[n(0)] GiveBackAccount),
    /// A rendezvous for a new device of the asker's user; the one before is over. → `LinkOpened`
    #[n(24)]
    OpenLink,
    /// Also before login. → `LinkEntered`
    #[n(25)]
    EnterLink(#[n(0)] LinkSlot),
    /// Also before login. → `Done`
    #[n(26)]
    SendLink(#[n(0)] SendLink),
    /// Also before login. → `LinkMessage`
    #[n(27)]
    ReceiveLink(#[n(0)] ReceiveLink),
    /// By the device that has opened it. → `Done`
    #[n(28)]
    CloseLink(#[n(0)] LinkSlot),
    /// A name for a new key, by a reset link; also before login. → `ResetState`
    #[n(33)]
    AskReset(#[n(0)] AskReset),
    /// Objects to a new key for the asker's own name. → `Done`
    #[n(34)]
    ObjectToReset,
}
