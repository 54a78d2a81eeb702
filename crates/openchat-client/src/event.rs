//! What the client says by itself, and the lines and rooms that people see.

use std::fmt;
use std::time::Duration;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use openchat_protocol::{DeviceId, MessageId, RoomId, RoomName, ServerFingerprint, Timestamp, Uid, UserName};

pub use crate::alarm::{Alarm, InviteFault};
use crate::error::ClientError;
use crate::trust::{Comparing, RoomTrust, Trust, TrustChange};

/// Something happened. All of it that matters later is in the vault too: after [`Event::Lagged`] read it there.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The connection is in another state.
    Connection(ConnectionState),
    /// Every room was read to its end after a login: what follows happens now.
    CaughtUp,
    /// This device stands otherwise to a room.
    Room {
        /// Which.
        room: RoomId,
        /// Its name.
        name: RoomName,
        /// How it stands now.
        membership: Membership,
    },
    /// A line was added to a room.
    Line(Line),
    /// A message of this profile is in another state.
    Delivery {
        /// Where.
        room: RoomId,
        /// Which.
        message: MessageId,
        /// In which state it is now.
        delivery: Delivery,
    },
    /// A room has new keys.
    Epoch(EpochChanged),
    /// A person's name or trust is now known, or is another one than before.
    Person(Person),
    /// Two people compare their keys over a room, and one of them is at this device.
    Comparison {
        /// Where.
        room: RoomId,
        /// With whom: under the name that is in dispute, if it is.
        with: Person,
        /// How far it is.
        stage: Comparing,
    },
    /// Something in the background could not be done.
    Trouble(ClientError),
    /// Something that must not happen: show it where it cannot be overlooked.
    Alarm(Alarm),
    /// The listener was too slow and this many events are lost to it: read the vault again.
    Lagged(u64),
}

/// How the client stands to its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    /// Trying.
    Connecting,
    /// Logged in.
    Online,
    /// Not connected; the next try comes after `retry_in`.
    Offline {
        /// Why.
        why: ClientError,
        /// Until the next try.
        retry_in: Duration,
    },
    /// Not connected, and trying again would not help.
    Ended(ClientError),
}

/// Someone, by the identity that signs. The name is the server's word at first sight, kept from then on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Person {
    /// Self-certifying.
    pub uid: Uid,
    /// Absent until the server was asked.
    pub name: Option<UserName>,
    /// How far it can be relied on that this is whose key the name says, as of now.
    pub trust: Trust,
}

/// The name, or the beginning of the identifier.
impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.pad(name.as_str()),
            None => f.pad(&self.uid.to_string().chars().take(8).chain(['…']).collect::<String>()),
        }
    }
}

/// One line of a room's history. Lines are ordered by `sequence`, then `part`; those without a sequence come last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where.
    pub room: RoomId,
    /// The record it comes from; absent while it waits in the outbox.
    pub sequence: Option<u64>,
    /// Which of the lines of one record this is.
    pub part: u32,
    /// When the server accepted it, or when it was written.
    pub time: Timestamp,
    /// Who said or did it.
    pub author: Person,
    /// What.
    pub entry: Entry<Person>,
}

/// What a line says. `P` is how a person is given: [`Uid`] in the vault, [`Person`] to the outside.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum Entry<P> {
    /// Words.
    #[n(0)]
    Text {
        /// Its identifier.
        #[n(0)]
        message: MessageId,
        /// What was said, exactly: it may hold control characters.
        #[n(1)]
        text: String,
        /// Where it is on its way. Others' messages are always sent.
        #[n(2)]
        delivery: Delivery,
    },
    /// A message of a kind that this version does not know.
    #[n(1)]
    Newer {
        /// Its identifier.
        #[n(0)]
        message: MessageId,
        /// The whole content as it came, for a version that knows it.
        #[n(1)]
        content: ByteVec,
    },
    /// The room was made, by the author.
    #[n(2)]
    Created,
    /// Someone came in: by himself, or added by the author.
    #[n(3)]
    Joined {
        /// Who.
        #[n(0)]
        who: P,
    },
    /// Someone who is in the room already has one more device in it.
    #[n(4)]
    DeviceJoined {
        /// Whose device.
        #[n(0)]
        who: P,
    },
    /// The author left.
    #[n(5)]
    Left,
    /// The author removed someone.
    #[n(6)]
    Removed {
        /// Whom.
        #[n(0)]
        who: P,
    },
    /// A device of the author had lost its place in the room's keys and took a new one.
    #[n(7)]
    Rejoined,
    /// Messages of the author never arrived: the server holds them back, or they were lost.
    #[n(8)]
    Missing {
        /// How many.
        #[n(0)]
        count: u64,
    },
    /// A record of the author that cannot be read.
    #[n(9)]
    Unreadable {
        /// Why.
        #[n(0)]
        reason: String,
    },
    /// The server is said to show different histories of this room; see [`Alarm`].
    #[n(10)]
    Diverged {
        /// What was compared.
        #[n(0)]
        reason: String,
    },
    /// Something became known about whose key it is that somebody speaks with.
    #[n(11)]
    Trust {
        /// Whose.
        #[n(0)]
        who: P,
        /// The name that it is about.
        #[n(1)]
        name: UserName,
        /// What.
        #[n(2)]
        change: TrustChange,
    },
}

impl<P> Entry<P> {
    /// The same entry with persons given otherwise.
    pub fn map<Q>(self, mut person: impl FnMut(P) -> Q) -> Entry<Q> {
        match self {
            Self::Text { message, text, delivery } => Entry::Text { message, text, delivery },
            Self::Newer { message, content } => Entry::Newer { message, content },
            Self::Created => Entry::Created,
            Self::Joined { who } => Entry::Joined { who: person(who) },
            Self::DeviceJoined { who } => Entry::DeviceJoined { who: person(who) },
            Self::Left => Entry::Left,
            Self::Removed { who } => Entry::Removed { who: person(who) },
            Self::Rejoined => Entry::Rejoined,
            Self::Missing { count } => Entry::Missing { count },
            Self::Unreadable { reason } => Entry::Unreadable { reason },
            Self::Diverged { reason } => Entry::Diverged { reason },
            Self::Trust { who, name, change } => Entry::Trust { who: person(who), name, change },
        }
    }

    /// Whether somebody said it: what counts as unread when it is new.
    pub fn is_message(&self) -> bool {
        self.message().is_some()
    }

    /// The message that this is; nothing when it tells of something else.
    pub fn message(&self) -> Option<MessageId> {
        match self {
            Self::Text { message, .. } | Self::Newer { message, .. } => Some(*message),
            _ => None,
        }
    }
}

/// Without what people say.
impl<P: fmt::Debug> fmt::Debug for Entry<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { message, delivery, .. } => write!(f, "Text({message}, {delivery:?})"),
            Self::Newer { message, .. } => write!(f, "Newer({message})"),
            Self::Created => f.write_str("Created"),
            Self::Joined { who } => write!(f, "Joined({who:?})"),
            Self::DeviceJoined { who } => write!(f, "DeviceJoined({who:?})"),
            Self::Left => f.write_str("Left"),
            Self::Removed { who } => write!(f, "Removed({who:?})"),
            Self::Rejoined => f.write_str("Rejoined"),
            Self::Missing { count } => write!(f, "Missing({count})"),
            Self::Unreadable { reason } => write!(f, "Unreadable({reason})"),
            Self::Diverged { reason } => write!(f, "Diverged({reason})"),
            Self::Trust { who, change, .. } => write!(f, "Trust({who:?}, {change:?})"),
        }
    }
}

/// How far a message is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Delivery {
    /// In the outbox, on this disk.
    #[n(0)]
    Pending,
    /// In the room's log: every member gets it.
    #[n(1)]
    Sent,
    /// Not accepted, and trying again by itself would not help.
    #[n(2)]
    Failed {
        /// Why.
        #[n(0)]
        reason: String,
    },
}

/// A room has gone to its next epoch: new keys for whoever is in it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochChanged {
    /// Which room.
    pub room: RoomId,
    /// The new epoch.
    pub epoch: u64,
    /// The record of the commit that did it; 0 when the room was made.
    pub sequence: u64,
    /// When the server accepted the commit; by this device's clock when it made the room, or was added to it.
    pub time: Timestamp,
    /// Whose device committed.
    pub by: Person,
    /// Devices that came in.
    pub joined: Vec<DeviceId>,
    /// Devices that are out.
    pub removed: Vec<DeviceId>,
}

/// One room as this profile knows it, readable without a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomOverview {
    /// Which.
    pub room: RoomId,
    /// Its name, as the room's own encrypted policy gives it.
    pub name: RoomName,
    /// Whether the server lists it.
    pub listed: bool,
    /// Whether this device is in it.
    pub membership: Membership,
    /// The newest record that was read.
    pub head: u64,
    /// The newest record that a person has seen.
    pub read: u64,
    /// Messages of others after `read`.
    pub unread: u64,
    /// Those among the unread that call this profile by its name, see [`crate::mentions`].
    pub mentions: u64,
    /// The newest time of a line of the history, 0 without any; what waits in the outbox does not count.
    pub latest: Timestamp,
    /// What the keys of its people rest on.
    pub trust: RoomTrust,
}

/// How this device stands to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
#[non_exhaustive]
pub enum Membership {
    /// Being made by this device.
    #[n(0)]
    Creating,
    /// On the way in.
    #[n(1)]
    Joining,
    /// In.
    #[n(2)]
    Member,
    /// On the way out.
    #[n(3)]
    Leaving,
    /// Left by itself.
    #[n(4)]
    Left,
    /// Removed by someone else.
    #[n(5)]
    Removed,
    /// The server's log of this room differs from what was seen before: nothing is read or sent any more.
    #[n(6)]
    Diverged,
}

/// Someone in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub person: Person,
    /// Leaves of the key tree that are his or hers.
    pub devices: Vec<DeviceId>,
    /// Whether it is this profile's identity.
    pub is_me: bool,
    /// Whether the room's policy lets him or her remove others.
    pub is_admin: bool,
}

/// This profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// This device.
    pub device: DeviceId,
    /// The account's name.
    pub name: UserName,
    /// Where the server is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who the server is.
    pub server: ServerFingerprint,
    /// When the device's certificate ends.
    pub expires: Timestamp,
}
