//! What a database that was restored from an older copy has lost, and takes back from those who still hold it.

use bytes::Bytes;
use openchat_protocol::record::{Position, Record, RecordKind};
use openchat_protocol::statement::Statement;
use openchat_protocol::{ChainHash, DeviceId, RoomId, Timestamp, Uid, UserName};
use openchat_transparency::{Hash, Label, Leaf, Opening};

use crate::StoreError;
use crate::device::NewDevice;
use crate::room_log::{AppendError, ShapeError, StoredRecord, check_statement};

/// Records of one room, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRecords {
    /// Which room.
    pub room: RoomId,
    /// Who gives them back, by login.
    pub by: DeviceId,
    /// In their order. Without any, nothing is changed.
    pub records: Vec<LostRecord>,
    /// The place after the last of them.
    pub end: Position,
    /// Nothing is taken when the log has a record of this time or a later one: it is new.
    pub before: Timestamp,
}

impl LostRecords {
    /// The chain after each record, from the place before the first of them on.
    pub(crate) fn chained(&self, before: ChainHash) -> impl Iterator<Item = (&LostRecord, Position)> {
        self.records.iter().scan(before, |chain, lost| {
            *chain = chain.then(&lost.bytes);
            Some((lost, Position { sequence: lost.record.sequence, chain: *chain }))
        })
    }

    /// Whether these records lead from `before` to where they are said to lead.
    pub(crate) fn lead(&self, before: ChainHash) -> bool {
        self.chained(before).last().is_none_or(|(_, end)| end == self.end)
    }

    /// The sequence before the first record.
    pub(crate) fn after(&self) -> Option<u64> {
        self.records.first().map(|lost| lost.record.sequence.saturating_sub(1))
    }
}

/// A record that was in the log. Its payload has been held against its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRecord {
    pub(crate) record: Record,
    pub(crate) bytes: Bytes,
    pub(crate) statement: Option<Statement>,
}

impl LostRecord {
    /// The record in `bytes`. `statement` is the authenticated data of a commit.
    pub fn new(record: Record, bytes: Bytes, statement: Option<Statement>) -> Result<Self, ShapeError> {
        match (record.kind, &statement) {
            (RecordKind::Commit, Some(statement)) => check_statement(statement, record.author)?,
            (RecordKind::Commit, None) => return Err(ShapeError::CommitIncomplete),
            (_, Some(_)) => return Err(ShapeError::NotACommit),
            (_, None) => {}
        }
        Ok(Self { record, bytes, statement })
    }

    /// Whether its author joins by it (an external commit).
    pub(crate) fn is_join(&self) -> bool {
        self.statement.as_ref().is_some_and(|statement| statement.joined.contains(&self.record.author))
    }
}

/// What became of [`LostRecords`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// Those that the log did not have.
    pub stored: Vec<StoredRecord>,
    /// Where it ends now.
    pub end: Position,
}

/// Why records were not taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TakeBackError {
    /// No such room.
    #[error("there is no such room here")]
    RoomUnknown,
    /// Who gives them is no member where the log ends.
    #[error("only members of a room, as it is here, may give its records back")]
    NotAMember,
    /// The log has other records in their place, or they do not lead where they are said to lead.
    #[error("these records do not go on from those that the server has")]
    Diverged,
    /// The log has something new already.
    #[error("the room has gone on without these records")]
    TooLate,
    /// They could not have been in the log: a gap, a time that goes back, an author who was no member, a repetition.
    #[error("these records cannot have been in the log one after the other")]
    Impossible,
    /// A record is of, or adds, a device that is unknown here: it has to be given back first.
    #[error("device {0} is unknown here: its account has to be given back first")]
    DeviceUnknown(DeviceId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AppendError> for TakeBackError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::RoomUnknown => Self::RoomUnknown,
            AppendError::DeviceUnknown(device) => Self::DeviceUnknown(device),
            AppendError::Store(error) => Self::Store(error),
            AppendError::NotAMember
            | AppendError::RoomFull
            | AppendError::TooManyRooms(_)
            | AppendError::Tree(_) => Self::Impossible,
        }
    }
}

/// The last leaves of a key log of which the server has signed the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostLeaves {
    /// Leaves of that log.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// Up to its end.
    pub leaves: Vec<Leaf>,
}

impl LostLeaves {
    /// Those after the first `size` leaves of the log; nothing when some of them are missing.
    pub(crate) fn after(&self, size: u64) -> Option<&[Leaf]> {
        let missing = usize::try_from(self.size.checked_sub(size)?).ok()?;
        self.leaves.get(self.leaves.len().checked_sub(missing)?..)
    }
}

/// Why leaves were not taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TakeLeavesError {
    /// Leaves before these are missing here, too.
    #[error("the key log has {size} records here, and some before these are missing")]
    Gap {
        /// Leaves that are here.
        size: u64,
    },
    /// The log has other leaves than the one whose head was signed.
    #[error("the key log here is another one than that whose head was signed")]
    Diverged,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An account and one device of it. Certificates and list have been checked, and say what the openings say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostAccount {
    /// Its name.
    pub name: UserName,
    /// SubjectPublicKeyInfo of the identity key, DER.
    pub identity_spki: Vec<u8>,
    /// The device, with the certificates of the identity and of the authority behind its own.
    pub device: NewDevice,
    /// The version of the list of devices.
    pub version: u32,
    /// What the newest leaf under the name was made for.
    pub by_name: (Label, Opening),
    /// What the newest leaf under the uid was made for.
    pub by_uid: (Label, Opening),
}

impl LostAccount {
    /// Whose it is.
    pub(crate) fn uid(&self) -> Uid {
        self.device.device.uid
    }

    /// The certificate of the identity, and those of the authority above it as one value.
    pub(crate) fn certificates(&self) -> (Vec<u8>, Vec<u8>) {
        let identity = self.device.chain.get(1).cloned().unwrap_or_default();
        (identity, self.device.chain.get(2..).unwrap_or_default().concat())
    }
}

/// Why an account was not taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TakeAccountError {
    /// The newest leaves under its name and its uid were made for something else, or are not there.
    #[error("the key log here does not have this account, or has newer records of it")]
    NotInLog,
    /// Another account has the name by now, or one that looks like it.
    #[error("another account has this name by now, or one that looks like it")]
    NameTaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
