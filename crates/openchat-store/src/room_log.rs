//! The room log: what is appended, under which rules, and how it is read.

use bytes::Bytes;
use openchat_protocol::append::{Append, Appended, CommitBundle};
use openchat_protocol::limits::{ADMINISTRATORS, ROOM_DEVICES};
use openchat_protocol::record::{Base, Position, RecordKind};
use openchat_protocol::statement::Statement;
use openchat_protocol::tree::TreeError;
use openchat_protocol::{DeviceId, MessageId, RoomId, Timestamp, Uid};

use crate::StoreError;
use crate::room::{Membership, MembershipChange};

/// A record that is to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Where to.
    pub room: RoomId,
    /// Who appends it, by login.
    pub author: DeviceId,
    /// The author's identifier of this record, unique among its records in the room.
    pub message_id: MessageId,
    /// What the author had processed.
    pub base: Base,
    /// The sealed bytes.
    pub payload: Vec<u8>,
    /// What the payload is, and what comes with it.
    pub content: NewContent,
}

/// What a [`NewRecord`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewContent {
    /// A sealed message.
    Message,
    /// An MLS commit.
    Commit(Box<NewCommit>),
    /// A signed leave notice.
    Leave,
}

/// What comes with a commit. Only [`NewRecord::new`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit {
    statement: Statement,
    bundle: CommitBundle,
}

impl NewCommit {
    /// What the commit says it does, in clear.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The group after the commit, and the Welcomes.
    pub fn bundle(&self) -> &CommitBundle {
        &self.bundle
    }
}

/// An append whose parts do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A commit without its group or without its statement.
    #[error("a commit comes with a group and a statement")]
    CommitIncomplete,
    /// Something else than a commit with a group or a statement.
    #[error("only a commit comes with a group and a statement")]
    NotACommit,
    /// More devices than a room can have.
    #[error("a commit adds or removes more devices than a room can have")]
    TooManyDevices,
    /// More administrators than a room can have.
    #[error("a commit names more administrators than a room can have")]
    TooManyAdministrators,
    /// A Welcome for a device that the statement does not add.
    #[error("a Welcome for {0}, which the commit does not add")]
    Welcome(DeviceId),
    /// A commit by which its author joins does nothing but that (RFC 9420 §12.4.3.2).
    #[error(
        "a commit by which its author joins changes neither anybody else's membership nor the administrators"
    )]
    External,
}

impl NewRecord {
    /// The record that `append`, by `author`, asks for. `statement` is the commit's authenticated data.
    pub fn new(append: Append, author: DeviceId, statement: Option<Statement>) -> Result<Self, ShapeError> {
        let Append { room, message_id, base, kind, payload, bundle } = append;
        let content = match (kind, bundle, statement) {
            (RecordKind::Message, None, None) => NewContent::Message,
            (RecordKind::Leave, None, None) => NewContent::Leave,
            (RecordKind::Message | RecordKind::Leave, ..) => return Err(ShapeError::NotACommit),
            (RecordKind::Commit, Some(bundle), Some(statement)) => {
                check_commit(&statement, &bundle, author)?;
                NewContent::Commit(Box::new(NewCommit { statement, bundle }))
            }
            (RecordKind::Commit, ..) => return Err(ShapeError::CommitIncomplete),
        };
        Ok(Self { room, author, message_id, base, payload: payload.into(), content })
    }

    /// The kind of the record.
    pub fn kind(&self) -> RecordKind {
        match self.content {
            NewContent::Message => RecordKind::Message,
            NewContent::Commit(_) => RecordKind::Commit,
            NewContent::Leave => RecordKind::Leave,
        }
    }

    /// Whether the author joins by this very record (an external commit).
    pub fn is_join(&self) -> bool {
        matches!(&self.content, NewContent::Commit(commit) if commit.statement.joined.contains(&self.author))
    }
}

fn check_commit(statement: &Statement, bundle: &CommitBundle, author: DeviceId) -> Result<(), ShapeError> {
    check_statement(statement, author)?;
    if let Some(welcome) = bundle.welcomes.iter().find(|w| !statement.joined.contains(&w.device)) {
        return Err(ShapeError::Welcome(welcome.device));
    }
    let external = statement.joined.contains(&author);
    if external && !bundle.welcomes.is_empty() { Err(ShapeError::External) } else { Ok(()) }
}

/// What a statement may say, whatever comes with it.
pub(crate) fn check_statement(statement: &Statement, author: DeviceId) -> Result<(), ShapeError> {
    if statement.joined.len().max(statement.removed.len()) > ROOM_DEVICES {
        return Err(ShapeError::TooManyDevices);
    }
    if statement.admins.as_ref().is_some_and(|named| named.len() > ADMINISTRATORS) {
        return Err(ShapeError::TooManyAdministrators);
    }
    let external = statement.joined.contains(&author);
    let only_own = statement.joined.iter().all(|device| *device == author)
        && statement.removed.iter().all(|device| device.uid == author.uid)
        && statement.admins.is_none();
    if external && !only_own { Err(ShapeError::External) } else { Ok(()) }
}

/// What became of a [`NewRecord`] that broke no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendOutcome {
    /// On disk, now.
    Stored(StoredRecord),
    /// On disk since an earlier append under the same message identifier; nothing was changed.
    Repeated {
        /// The first record's sequence, and the chain after it.
        position: Position,
        /// The first record's time.
        time: Timestamp,
    },
    /// Made for an earlier state of the room, or another life of the database; nothing was changed.
    Stale {
        /// The sequence of the room's last commit.
        last_commit: u64,
    },
}

/// A record that was just stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its sequence, and the chain after it.
    pub position: Position,
    /// Its time.
    pub time: Timestamp,
    /// The encoded [`Record`](openchat_protocol::record::Record): what every reader gets.
    pub bytes: Bytes,
    /// Whose membership it changed.
    pub change: MembershipChange,
}

impl AppendOutcome {
    /// What the author is told.
    pub fn answer(&self) -> Appended {
        match *self {
            Self::Stored(StoredRecord { position, time, .. }) | Self::Repeated { position, time } => {
                Appended::Stored { position, time }
            }
            Self::Stale { last_commit } => Appended::Stale { last_commit },
        }
    }
}

/// Why a record was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// No such room.
    #[error("there is no such room here")]
    RoomUnknown,
    /// The author is no member, and does not join by this record or may not.
    #[error("only members of a room may add to it: join it first")]
    NotAMember,
    /// The commit adds a device that is unknown here or revoked.
    #[error("device {0} is unknown here or revoked: add the others without it")]
    DeviceUnknown(DeviceId),
    /// The room would have more than [`ROOM_DEVICES`] devices.
    #[error("the room is full: remove devices that are no longer used")]
    RoomFull,
    /// The user would be in more than [`ROOMS_PER_USER`](openchat_protocol::limits::ROOMS_PER_USER) rooms.
    #[error("user {0} is in too many rooms: one has to be left first")]
    TooManyRooms(Uid),
    /// The group that comes with the commit does not follow the one that is here.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How much one read may yield. At least one record is given when there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit {
    /// At most so many records.
    pub records: usize,
    /// No further record once so many bytes are reached.
    pub bytes: usize,
}

impl PageLimit {
    /// The protocol's page.
    pub const PROTOCOL: Self = Self {
        records: openchat_protocol::limits::PAGE_RECORDS,
        bytes: openchat_protocol::limits::PAGE_BYTES,
    };
}

/// Consecutive records of one room, as one device may read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The encoded records, in order.
    pub records: Vec<Bytes>,
    /// The sequence to read after next: the last one here, or what was asked for when there is none.
    pub cursor: u64,
    /// The newest record that the device may read.
    pub head: u64,
    /// The device is no member any more, and this page ends with the last record it may read.
    pub ended: bool,
}

/// A page that is being filled for one device.
pub(crate) struct PageInProgress<'a> {
    membership: &'a Membership,
    limit: PageLimit,
    records: Vec<Bytes>,
    bytes: usize,
    cursor: u64,
}

impl<'a> PageInProgress<'a> {
    /// Nothing yet of what comes after `after`.
    pub(crate) fn new(after: u64, membership: &'a Membership, limit: PageLimit) -> Self {
        Self { membership, limit, records: Vec::new(), bytes: 0, cursor: after }
    }

    /// Takes one more record, unless the page is full: `false`.
    pub(crate) fn push(&mut self, sequence: u64, record: Bytes) -> bool {
        let full = self.records.len() >= self.limit.records || self.bytes >= self.limit.bytes;
        if full && !self.records.is_empty() {
            return false;
        }
        self.bytes += record.len();
        self.records.push(record);
        self.cursor = sequence;
        true
    }

    /// The page as it is now.
    pub(crate) fn finish(self) -> LogPage {
        let head = self.membership.visible_head();
        let ended = !self.membership.is_member() && self.cursor >= head;
        LogPage { records: self.records, cursor: self.cursor, head, ended }
    }
}

/// Why nothing was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No such room, or the device never was a member of it.
    #[error("only members of a room may read it: join it first")]
    NotAMember,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
