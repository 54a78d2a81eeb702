//! Changes: what the engine wants on disk, typed, and written together or not at all.

use std::fmt;

use openchat_protocol::record::Position;
use openchat_protocol::{DeviceId, Incarnation, InviteHash, MessageId, RoomId, Uid};
use openchat_transparency::{Label, Leaf};

use super::invite::{StoredInvite, Voucher};
use super::logged::{LoggedPerson, StoredKeyLog};
use super::record::{
    Contact, Credentials, EpochKey, OutboxMessage, OwnCommit, RoomRecord, StoredEpoch, StoredGroup,
    StoredKeyPackage, StoredLine,
};

/// One thing to write.
pub enum Write {
    /// Who this profile is.
    Credentials(Box<Credentials>),
    /// A person's name, and what it rests on.
    Contact(Contact),
    /// Nothing is known of somebody any more.
    ContactRemoved(Uid),
    /// An invite of this profile.
    Invite(Box<StoredInvite>),
    /// An invite is over.
    InviteRemoved(InviteHash),
    /// What this profile has to prove of the invite it came by; nothing any more when that is done.
    Voucher(Option<Box<Voucher>>),
    /// Who is in a room, by its newest keys.
    People(RoomId, Vec<Uid>),
    /// A new room, or what changed about one.
    Room(Box<RoomRecord>),
    /// A room that never came to be, with everything of it.
    RoomForgotten(RoomId),
    /// A room this device is out of: its keys go, history and outbox stay.
    RoomClosed(RoomId),
    /// The keys of a room.
    Group(RoomId, StoredGroup),
    /// A commit is on its way, or no more.
    OwnCommit(RoomId, Option<Box<OwnCommit>>),
    /// A message is new in the outbox, or changed.
    Outbox(Box<OutboxMessage>),
    /// A message is in the history now, or given up.
    OutboxRemoved(MessageId),
    /// A line of history.
    Line(StoredLine),
    /// A message is out of the history: it is to be sent again.
    LineRemoved(RoomId, Uid, MessageId),
    /// The hash chain after a record.
    Chain(RoomId, Position),
    /// The newest counter of a sender.
    Counter(RoomId, DeviceId, u64),
    /// Counters begin anew: this device came in again.
    CountersCleared(RoomId),
    /// A person has seen the room up to here.
    Read(RoomId, u64),
    /// The secret half of a key package.
    KeyPackage(StoredKeyPackage),
    /// A key package was used up, or is too old.
    KeyPackageRemoved(Vec<u8>),
    /// A key for sealed files and pipes.
    EpochKey(RoomId, EpochKey),
    /// A room's step to its next epoch.
    Epoch(StoredEpoch),
    /// How far the log of keys was followed.
    KeyLog(Box<StoredKeyLog>),
    /// What is known of a label of it.
    KeyLogLabel(Label, Vec<u8>),
    /// What it says of somebody.
    KeyLogPerson(LoggedPerson),
    /// A record of a room and the place after it, to be given back should the server lose it.
    Record(RoomId, Position, Vec<u8>),
    /// Records of a room that do not lead to where this device reads on.
    RecordsForgotten(RoomId),
    /// Leaves of the log of keys, from a place on.
    Leaves(u64, Vec<Leaf>),
    /// The life of the server's database.
    Life(Incarnation),
    /// What the screen remembers under a key; nothing is kept any more without a value.
    Setting(String, Option<Vec<u8>>),
}

/// Without what is written.
impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(_) => f.write_str("Credentials"),
            Self::Contact(contact) => write!(f, "{contact:?}"),
            Self::ContactRemoved(uid) => write!(f, "ContactRemoved({uid})"),
            Self::Invite(_) => f.write_str("Invite"),
            Self::InviteRemoved(_) => f.write_str("InviteRemoved"),
            Self::Voucher(voucher) => write!(f, "Voucher({})", voucher.is_some()),
            Self::People(room, people) => write!(f, "People({room}, {})", people.len()),
            Self::Room(record) => write!(f, "{record:?}"),
            Self::RoomForgotten(room) => write!(f, "RoomForgotten({room})"),
            Self::RoomClosed(room) => write!(f, "RoomClosed({room})"),
            Self::Group(room, _) => write!(f, "Group({room})"),
            Self::OwnCommit(room, commit) => write!(f, "OwnCommit({room}, {})", commit.is_some()),
            Self::Outbox(message) => write!(f, "{message:?}"),
            Self::OutboxRemoved(message) => write!(f, "OutboxRemoved({message})"),
            Self::Line(line) => write!(f, "{line:?}"),
            Self::LineRemoved(room, _, message) => write!(f, "LineRemoved({room}, {message})"),
            Self::Chain(room, position) => write!(f, "Chain({room}, {})", position.sequence),
            Self::Counter(room, device, last) => write!(f, "Counter({room}, {device}, {last})"),
            Self::CountersCleared(room) => write!(f, "CountersCleared({room})"),
            Self::Read(room, sequence) => write!(f, "Read({room}, {sequence})"),
            Self::KeyPackage(package) => write!(f, "{package:?}"),
            Self::KeyPackageRemoved(_) => f.write_str("KeyPackageRemoved"),
            Self::EpochKey(room, key) => write!(f, "EpochKey({room}, {key:?})"),
            Self::Epoch(epoch) => write!(f, "{epoch:?}"),
            Self::KeyLog(_) => f.write_str("KeyLog"),
            Self::KeyLogLabel(label, _) => write!(f, "KeyLogLabel({label:?})"),
            Self::KeyLogPerson(person) => write!(f, "{person:?}"),
            Self::Record(room, place, _) => write!(f, "Record({room}, {})", place.sequence),
            Self::RecordsForgotten(room) => write!(f, "RecordsForgotten({room})"),
            Self::Leaves(from, leaves) => write!(f, "Leaves({from}, {})", leaves.len()),
            Self::Life(incarnation) => write!(f, "Life({incarnation})"),
            Self::Setting(key, value) => write!(f, "Setting({key}, {})", value.is_some()),
        }
    }
}

/// What one step of the engine changes: one transaction.
#[derive(Debug, Default)]
pub struct Change(Vec<Write>);

impl Change {
    /// Nothing to write.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more thing to write, after the others.
    pub fn push(&mut self, write: Write) {
        self.0.push(write);
    }

    /// All that `other` has to write, after the rest.
    pub fn append(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }

    /// In the order in which they were pushed.
    pub fn writes(&self) -> impl Iterator<Item = &Write> {
        self.0.iter()
    }
}

impl FromIterator<Write> for Change {
    fn from_iter<I: IntoIterator<Item = Write>>(writes: I) -> Self {
        Self(writes.into_iter().collect())
    }
}
