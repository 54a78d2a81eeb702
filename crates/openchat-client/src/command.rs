//! What a screen or a script can ask the client to do, and what it answers.

use std::fmt;
use std::time::Duration;

use openchat_e2ee::Suite;
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::key_log::SeenHead;
use openchat_protocol::room::RoomSummary;
use openchat_protocol::{Did, LinkSlot, MessageId, Request, Response, RoomId, RoomName, UserName};

use crate::event::Member;
use crate::trust::Acquaintance;

/// Who may come into a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// In the server's list; everybody with an account joins by its name.
    Listed,
    /// Members add others; the server knows neither its name nor what is in its tree.
    Private,
}

/// How a room is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RoomSuite {
    /// Post-quantum hybrid key exchange, P-384 signatures.
    #[default]
    PostQuantum,
    /// P-384 throughout, as RFC 9420 registers it: other MLS programs can join.
    Interoperable,
}

impl From<RoomSuite> for Suite {
    fn from(suite: RoomSuite) -> Self {
        match suite {
            RoomSuite::PostQuantum => Self::Hybrid,
            RoomSuite::Interoperable => Self::P384,
        }
    }
}

impl From<Suite> for RoomSuite {
    fn from(suite: Suite) -> Self {
        match suite {
            Suite::Hybrid => Self::PostQuantum,
            Suite::P384 => Self::Interoperable,
        }
    }
}

/// Something to be done. Each is answered once: when it is done, or when it is safely on disk and will be done.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// Makes a room with this profile as its first member. → [`Answer::Room`]
    CreateRoom {
        /// Its name; in a private room only members read it.
        name: RoomName,
        /// Who may come in.
        access: Access,
        /// How it is encrypted.
        suite: RoomSuite,
    },
    /// Joins a listed room; nobody there needs to be online. → [`Answer::Room`]
    JoinRoom {
        /// The name in the server's list.
        name: RoomName,
    },
    /// The server's active rooms. → [`Answer::Listing`]
    ListRooms,
    /// Says something. Answered as soon as it is in the outbox, online or not; [`crate::Event::Delivery`] tells the
    /// rest. → [`Answer::Queued`]
    Send {
        /// Where.
        room: RoomId,
        /// What.
        text: String,
    },
    /// Tries a failed message again. → [`Answer::Done`]
    Retry {
        /// Which.
        message: MessageId,
    },
    /// Forgets a message that failed. → [`Answer::Done`]
    Discard {
        /// Which.
        message: MessageId,
    },
    /// Leaves. Answered when it is on disk; without a connection the server hears of it later. → [`Answer::Done`]
    LeaveRoom {
        /// Which.
        room: RoomId,
    },
    /// Adds every device of a user, online or not. → [`Answer::Done`]
    AddMember {
        /// Where.
        room: RoomId,
        /// Whom.
        name: UserName,
    },
    /// Removes every device of a user. → [`Answer::Done`]
    RemoveMember {
        /// Where.
        room: RoomId,
        /// Whom.
        name: UserName,
    },
    /// New keys of this device in a room, now. → [`Answer::Done`]
    UpdateKeys {
        /// Where.
        room: RoomId,
    },
    /// Who is in a room, by the room's own key tree. → [`Answer::Members`]
    Members {
        /// Which.
        room: RoomId,
    },
    /// How a room is encrypted, and for whom; answered without the server. → [`Answer::Details`]
    Details {
        /// Which.
        room: RoomId,
    },
    /// Everything up to `sequence` was seen by a person. → [`Answer::Done`]
    MarkRead {
        /// Which room.
        room: RoomId,
        /// The newest line that was seen.
        sequence: u64,
    },
    /// Makes a link that makes accounts. → [`Answer::Invite`]
    CreateInvite {
        /// How long it is good.
        valid: Duration,
        /// How many accounts it makes.
        uses: u32,
        /// The listed room that the invited joins.
        room: Option<RoomName>,
    },
    /// Everybody whose name is known, and what that rests on. → [`Answer::Acquaintances`]
    Acquaintances,
    /// What two people compare to know each other's keys. → [`Answer::Acquaintance`]
    SafetyNumber {
        /// With whom.
        name: UserName,
    },
    /// Takes a key for the right one if `code` is the number of both. → [`Answer::Done`]
    CompareNumber {
        /// Whose.
        name: UserName,
        /// What the other one's program shows: the digits, or what its QR code says.
        code: String,
    },
    /// Begins to compare with somebody over a room that both are in, or takes part in what they have begun;
    /// [`crate::Event::Comparison`] tells the rest. → [`Answer::Done`]
    Compare {
        /// Where.
        room: RoomId,
        /// With whom.
        name: UserName,
    },
    /// The codes of both were compared. → [`Answer::Done`]
    Decide {
        /// With whom.
        name: UserName,
        /// Whether they were the same.
        same: bool,
    },
    /// Takes the newest key to which the server has given this name for the right one. → [`Answer::Done`]
    AcceptKey {
        /// Whose.
        name: UserName,
    },
    /// The devices of this user. → [`Answer::Devices`]
    Devices,
    /// Publishes a list without a device; the server ends it at once, and rooms put it out. → [`Answer::Done`]
    RevokeDevice {
        /// The beginning of its identifier.
        id: String,
    },
    /// A rendezvous for a device that is to be linked. → [`Answer::LinkOpened`]
    OpenLink,
    /// A request in which the engine has no part. → [`Answer::PassedOn`]
    PassOn(Box<Request>),
    /// Looks whether there is a new list of this user's devices. → [`Answer::Done`]
    FollowDevices,
}

/// Without what people say.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateRoom { .. } => "CreateRoom",
            Self::JoinRoom { .. } => "JoinRoom",
            Self::ListRooms => "ListRooms",
            Self::Send { .. } => "Send",
            Self::Retry { .. } => "Retry",
            Self::Discard { .. } => "Discard",
            Self::LeaveRoom { .. } => "LeaveRoom",
            Self::AddMember { .. } => "AddMember",
            Self::RemoveMember { .. } => "RemoveMember",
            Self::UpdateKeys { .. } => "UpdateKeys",
            Self::Members { .. } => "Members",
            Self::Details { .. } => "Details",
            Self::MarkRead { .. } => "MarkRead",
            Self::CreateInvite { .. } => "CreateInvite",
            Self::Acquaintances => "Acquaintances",
            Self::SafetyNumber { .. } => "SafetyNumber",
            Self::CompareNumber { .. } => "CompareNumber",
            Self::Compare { .. } => "Compare",
            Self::Decide { .. } => "Decide",
            Self::AcceptKey { .. } => "AcceptKey",
            Self::Devices => "Devices",
            Self::RevokeDevice { .. } => "RevokeDevice",
            Self::OpenLink => "OpenLink",
            Self::PassOn(_) => "PassOn",
            Self::FollowDevices => "FollowDevices",
        })
    }
}

/// A room as this device's own copy of its key tree shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomDetails {
    /// Which.
    pub room: RoomId,
    /// The present epoch: how many commits have changed the keys since the room was made.
    pub epoch: u64,
    /// How it is encrypted.
    pub suite: RoomSuite,
    /// Who is in it.
    pub members: Vec<Member>,
    /// Whether the room's policy lets this profile remove others.
    pub is_admin: bool,
}

/// A device of this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnDevice {
    /// Its identifier.
    pub did: Did,
    /// This very one.
    pub is_this: bool,
    /// In how many of this device's rooms it is.
    pub rooms: usize,
}

/// A rendezvous that is open, and what the new device is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkOpened {
    /// Its number.
    pub slot: LinkSlot,
    /// Where the new device reaches the server.
    pub host: String,
    /// And its port.
    pub port: u16,
    /// The version of the newest list of devices.
    pub version: u32,
    /// The devices in it.
    pub devices: Vec<ListedDevice>,
    /// The newest head of the log of keys that this device was shown.
    pub head: Option<SeenHead>,
}

/// The answer to a [`Command`] that was carried out.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing more to say.
    Done,
    /// The room that was made or joined.
    Room(RoomId),
    /// To [`Command::ListRooms`]: the most recently active first.
    Listing(Vec<RoomSummary>),
    /// To [`Command::Send`]: the message is on disk and goes out as soon as it can.
    Queued(MessageId),
    /// To [`Command::Members`].
    Members(Vec<Member>),
    /// To [`Command::Details`].
    Details(Box<RoomDetails>),
    /// To [`Command::CreateInvite`]: the link, a secret.
    Invite(String),
    /// To [`Command::Acquaintances`], by name.
    Acquaintances(Vec<Acquaintance>),
    /// To [`Command::SafetyNumber`].
    Acquaintance(Box<Acquaintance>),
    /// To [`Command::Devices`].
    Devices(Vec<OwnDevice>),
    /// To [`Command::OpenLink`].
    LinkOpened(Box<LinkOpened>),
    /// The server's, to [`Command::PassOn`].
    PassedOn(Box<Response>),
}

/// Without the secret of an invite.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Room(room) => write!(f, "Room({room})"),
            Self::Listing(rooms) => f.debug_tuple("Listing").field(rooms).finish(),
            Self::Queued(message) => write!(f, "Queued({message})"),
            Self::Members(members) => f.debug_tuple("Members").field(members).finish(),
            Self::Details(details) => f.debug_tuple("Details").field(details).finish(),
            Self::Invite(_) => f.write_str("Invite(..)"),
            Self::Acquaintances(all) => f.debug_tuple("Acquaintances").field(all).finish(),
            Self::Acquaintance(one) => f.debug_tuple("Acquaintance").field(one).finish(),
            Self::Devices(devices) => f.debug_tuple("Devices").field(devices).finish(),
            Self::LinkOpened(opened) => f.debug_tuple("LinkOpened").field(opened).finish(),
            Self::PassedOn(_) => f.write_str("PassedOn(..)"),
        }
    }
}
