//! Opening the records of a room's log.
//!
//! What is wrong with a record is wrong for all members, who skip it alike; the one exception is
//! [`OpenError::NeedsRejoin`]. Nothing here asks what time it is or whom this user trusts.

use mls_rs::MlsMessage;
use mls_rs::group::{ApplicationMessageDescription, CommitEffect, CommitMessageDescription, ReceivedMessage};
use openchat_protocol::codec;
use openchat_protocol::mls_head::{ContentType, Framing, Head, HeadError};
use openchat_protocol::record::{Record, RecordKind};
use openchat_protocol::statement::{LeaveNotice, Statement};
use openchat_protocol::{DeviceId, limits};

use crate::change::{
    ChangeError, EpochChange, Moves, View, check_new_leaves, check_path, check_removals, check_statement,
};
use crate::commit::hash;
use crate::content::{Content, ContentError};
use crate::credential::{Credentials, mls_time};
use crate::device::MlsGroup;
use crate::guard::{Failure, guarded};
use crate::key_package::parse;
use crate::leave::LeaveError;
use crate::policy::{PolicyError, RoomPolicy};
use crate::room_group::RoomGroup;

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// Somebody else's message.
    Message {
        /// Whose, as its signature proves.
        sender: DeviceId,
        /// What it says.
        content: Content,
    },
    /// Somebody else's commit: the group is in the next epoch, and a pending commit of this device is gone.
    Commit(EpochChange),
    /// A member has left; its leaf stays until somebody removes it with this notice.
    Leave(LeaveNotice),
    /// A record of this device. Nothing changed.
    Own,
    /// The pending commit of this device: to be accepted by [`RoomGroup::accept_commit`]. Nothing changed yet.
    OwnCommit,
}

/// Why a record does not open. The group is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// All members skip it, too.
    #[error("skipped: {0}")]
    Garbage(#[from] Garbage),
    /// The others may have gone on without this device, which cannot tell: its part of the commit is missing or
    /// damaged, or it has lost a commit of its own. It joins again from outside. Should a later record of the present
    /// epoch open, then nobody went on, and there is no need to.
    #[error("this device cannot follow the room any further ({0}): it has to rejoin")]
    NeedsRejoin(String),
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Garbage {
    /// No MLS group message at all.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Over the limit.
    #[error("the record is too large")]
    TooLarge,
    /// Of another room.
    #[error("the message belongs to another room")]
    OtherRoom,
    /// Another kind of message than the record says.
    #[error("the message is not what the record says")]
    Kind,
    /// Made in another epoch than the one it was put into.
    #[error("the message was made in epoch {message}, the room is in epoch {room}")]
    Epoch {
        /// The message's.
        message: u64,
        /// The room's, here.
        room: u64,
    },
    /// The login that appended it is not the one who made it.
    #[error("the message is by {sender}, but {author} appended it")]
    Author {
        /// Who appended it.
        author: DeviceId,
        /// Who signed it.
        sender: DeviceId,
    },
    /// MLS refuses it.
    #[error("the message is refused: {0}")]
    Mls(String),
    /// A commit that is not allowed, or does not say what it does.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A commit leaves the room without a policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A message without a content.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A leave notice that proves nothing.
    #[error(transparent)]
    Leave(#[from] LeaveError),
}

impl RoomGroup {
    /// Opens the next record of the log. On an error the group is as it was.
    pub fn open(&mut self, record: &Record) -> Result<Opened, OpenError> {
        if record.author == self.me.id() {
            return self.open_own(record);
        }
        match record.kind {
            RecordKind::Leave => Ok(self.open_leave(record)?),
            RecordKind::Message => self.open_message(record),
            RecordKind::Commit => self.open_commit(record),
        }
    }

    /// An echo. It is never given to MLS, whose keys for sending are gone.
    fn open_own(&self, record: &Record) -> Result<Opened, OpenError> {
        if record.kind != RecordKind::Commit {
            return Ok(Opened::Own);
        }
        let hash = hash(&record.payload);
        if self.own.pending.as_ref().is_some_and(|pending| pending.hash == hash) {
            return Ok(Opened::OwnCommit);
        }
        let head = Head::parse(&record.payload).map_err(Garbage::from)?;
        if head.epoch == self.epoch() && self.own.settled.as_ref() != Some(&hash) {
            let lost = "the log has a commit of this device that it does not remember";
            return Err(OpenError::NeedsRejoin(lost.to_owned()));
        }
        Ok(Opened::Own)
    }

    fn open_leave(&self, record: &Record) -> Result<Opened, Garbage> {
        let notice: LeaveNotice = codec::decode(&record.payload).map_err(LeaveError::from)?;
        if notice.device != record.author {
            return Err(Garbage::Author { author: record.author, sender: notice.device });
        }
        self.check_leave(&notice)?;
        Ok(Opened::Leave(notice))
    }

    fn open_message(&mut self, record: &Record) -> Result<Opened, OpenError> {
        let message = self.check_head(record)?;
        let credentials = self.me.credentials();
        let read = |group: &MlsGroup, received| match received {
            ReceivedMessage::ApplicationMessage(message) => {
                read_message(record, group, credentials, &message)
            }
            _ => Err(Garbage::Kind.into()),
        };
        self.group.open(message, mls_time(record.time), read)
    }

    fn open_commit(&mut self, record: &Record) -> Result<Opened, OpenError> {
        let message = self.check_head(record)?;
        let mut group = MlsGroup::clone(&self.group);
        let received = guarded(|| group.process_incoming_message_with_time(message, mls_time(record.time)));
        match received.map_err(|failure| self.judge(record, &failure))? {
            ReceivedMessage::Commit(commit) => Ok(self.take_commit(record, group, &commit)?),
            _ => Err(Garbage::Kind.into()),
        }
    }

    /// Whether a commit that failed here is good for others. What they would refuse it for can be told in part although
    /// it did not open: its statement must be one that its author may make.
    fn judge(&self, record: &Record, failure: &Failure) -> OpenError {
        if !failure.is_ours_alone() {
            return Garbage::Mls(failure.to_string()).into();
        }
        match self.check_claim(record) {
            Ok(()) => OpenError::NeedsRejoin(failure.to_string()),
            Err(garbage) => garbage.into(),
        }
    }

    fn check_claim(&self, record: &Record) -> Result<(), Garbage> {
        let head = Head::parse(&record.payload)?;
        let statement: Statement = codec::decode(head.authenticated_data).map_err(ChangeError::from)?;
        if statement.admins.is_some() && !self.policy.is_admin(record.author.uid) {
            return Err(ChangeError::StatementDiffers.into());
        }
        let tree = self.group.export_tree();
        Ok(check_removals(record.author, &statement, &self.policy, self.room, self.view(&tree))?)
    }

    /// What can be told without a key: the record's kind, its room and its epoch.
    fn check_head(&self, record: &Record) -> Result<MlsMessage, Garbage> {
        let head = Head::parse(&record.payload)?;
        let limit = match (record.kind, head.framing, head.content_type) {
            (RecordKind::Message, Framing::Private, ContentType::Application) => limits::MESSAGE,
            (RecordKind::Commit, Framing::Private | Framing::PublicNewMember, ContentType::Commit) => {
                limits::COMMIT
            }
            _ => return Err(Garbage::Kind),
        };
        if record.payload.len() > limit {
            return Err(Garbage::TooLarge);
        }
        if head.room != self.room {
            return Err(Garbage::OtherRoom);
        }
        if head.epoch != self.epoch() {
            return Err(Garbage::Epoch { message: head.epoch, room: self.epoch() });
        }
        parse(&record.payload).ok_or(Garbage::Head(HeadError::Malformed))
    }

    /// `group` has processed `commit`; it is kept if the commit was allowed.
    fn take_commit(
        &mut self,
        record: &Record,
        mut group: MlsGroup,
        commit: &CommitMessageDescription,
    ) -> Result<Opened, Garbage> {
        let change = self.check_commit(record, &group, commit)?;
        if !change.i_am_removed {
            self.policy = RoomPolicy::from_extensions(&group.context().extensions)?;
        }
        group.clear_pending_commit();
        self.group = group.into();
        self.settle();
        Ok(Opened::Commit(change))
    }

    fn check_commit(
        &self,
        record: &Record,
        group: &MlsGroup,
        commit: &CommitMessageDescription,
    ) -> Result<EpochChange, Garbage> {
        let (epoch, i_am_removed) = match &commit.effect {
            CommitEffect::NewEpoch(epoch) => (epoch, false),
            CommitEffect::Removed { new_epoch, .. } => (new_epoch, true),
            CommitEffect::ReInit(_) => return Err(Garbage::Kind),
        };
        let (before, after) = (self.group.export_tree(), group.export_tree());
        let (before, after) = (self.view(&before), self.view(&after));
        let by = author(commit, before, after)?;
        check_author(record, by)?;
        let proposals = epoch.applied_proposals().iter().map(|info| &info.proposal);
        let moves = Moves::of(proposals, before, commit.is_external.then_some(by))?;
        let statement = check_statement(&commit.authenticated_data, &moves)?;
        check_removals(by, &statement, &self.policy, self.room, before)?;
        if !i_am_removed {
            check_path(commit.committer, before, after)?;
            check_new_leaves(self.suite, commit.committer, &moves, after)?;
        }
        let Moves { joined, removed, .. } = moves;
        Ok(EpochChange {
            epoch: epoch.epoch(),
            by,
            joined,
            removed,
            external: commit.is_external,
            i_am_removed,
        })
    }
}

/// Who made a commit: a joiner is only in the tree that it made.
fn author(
    commit: &CommitMessageDescription,
    before: View<'_>,
    after: View<'_>,
) -> Result<DeviceId, ChangeError> {
    let tree = if commit.is_external { after } else { before };
    tree.device(commit.committer)
}

fn check_author(record: &Record, sender: DeviceId) -> Result<(), Garbage> {
    let author = record.author;
    if sender == author { Ok(()) } else { Err(Garbage::Author { author, sender }) }
}

fn read_message(
    record: &Record,
    group: &MlsGroup,
    credentials: &Credentials,
    message: &ApplicationMessageDescription,
) -> Result<Opened, OpenError> {
    let member =
        group.member_at_index(message.sender_index).ok_or(Garbage::Change(ChangeError::NoSuchMember))?;
    let sender = credentials
        .holder(&member.signing_identity)
        .map_err(ChangeError::from)
        .map_err(Garbage::from)?
        .device;
    check_author(record, sender)?;
    if !message.authenticated_data.is_empty() {
        return Err(Garbage::Kind.into());
    }
    let content = Content::from_padded(message.data()).map_err(Garbage::from)?;
    Ok(Opened::Message { sender, content })
}

/// Of a message: nothing about it is one member's alone.
impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Garbage::Mls(failure.to_string()).into()
    }
}
