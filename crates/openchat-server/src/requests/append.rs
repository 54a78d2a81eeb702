//! Append: one record at the end of a room's log.

use openchat_protocol::append::{Append, CommitBundle, GroupSnapshot};
use openchat_protocol::limits::{COMMIT, GROUP_INFO, MESSAGE, TREE, TREE_NODES, WELCOME, WELCOMES};
use openchat_protocol::mls_head::{ContentType, Framing, Head};
use openchat_protocol::record::RecordKind;
use openchat_protocol::statement::{LeaveNotice, Statement};
use openchat_protocol::tree::TreeError;
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Response, RoomId, codec};
use openchat_store::room::MembershipChange;
use openchat_store::room_log::{AppendError, AppendOutcome, NewRecord};

use crate::requests::{Answer, malformed, store_failed, within};
use crate::state::State;

#[cfg(test)]
mod tests;

pub(crate) async fn handle(state: &State, device: DeviceId, request: Append) -> Answer {
    state.check_takes_new()?;
    let room = request.room;
    let welcomed: Vec<_> =
        request.bundle.iter().flat_map(|bundle| &bundle.welcomes).map(|welcome| welcome.device).collect();
    let record = checked(request, device)?;
    if record.kind() == RecordKind::Commit {
        state.rates.commits.check(&(device, room))?;
    }
    let outcome = state.store.append(record, state.now()).await.map_err(|error| refusal(&error))?;
    if let AppendOutcome::Stored(stored) = &outcome {
        state.rooms.stored(room, stored);
        if stored.change != MembershipChange::default() {
            state.listing.forget();
        }
        welcomed.into_iter().for_each(|device| state.live.ring_welcome(device));
    }
    Ok(Response::Appended(outcome.answer()))
}

/// The record that is asked for, if its payload is what the request says.
fn checked(append: Append, author: DeviceId) -> Result<NewRecord, Refusal> {
    let statement = check_payload(append.room, author, append.kind, &append.payload)?;
    if let Some(bundle) = &append.bundle {
        check_bundle(bundle)?;
    }
    NewRecord::new(append, author, statement).map_err(|error| malformed(error.to_string()))
}

/// Holds a payload against its kind; the statement of a commit.
pub(super) fn check_payload(
    room: RoomId,
    author: DeviceId,
    kind: RecordKind,
    payload: &[u8],
) -> Result<Option<Statement>, Refusal> {
    match kind {
        RecordKind::Message => check_message(room, payload).map(|()| None),
        RecordKind::Commit => check_commit(room, payload, author).map(Some),
        RecordKind::Leave => check_leave(payload, author).map(|()| None),
    }
}

fn check_message(room: RoomId, payload: &[u8]) -> Result<(), Refusal> {
    within("a message", payload.len(), MESSAGE)?;
    let head = head(room, payload)?;
    match (head.framing, head.content_type) {
        (Framing::Private, ContentType::Application) => Ok(()),
        _ => Err(malformed("a message is an MLS PrivateMessage with application data (RFC 9420 §6.3)")),
    }
}

/// What the commit says about itself in clear. An external commit says that its author joins, and no other does.
fn check_commit(room: RoomId, payload: &[u8], author: DeviceId) -> Result<Statement, Refusal> {
    within("a commit", payload.len(), COMMIT)?;
    let head = head(room, payload)?;
    let external = match (head.framing, head.content_type) {
        (Framing::Private, ContentType::Commit) => false,
        (Framing::PublicNewMember, ContentType::Commit) => true,
        _ => {
            return Err(malformed(
                "a commit is an MLS PrivateMessage, or the PublicMessage of who joins by it",
            ));
        }
    };
    let statement: Statement = codec::decode(head.authenticated_data)
        .map_err(|error| malformed(format!("the authenticated data of a commit is a statement: {error}")))?;
    if statement.joined.contains(&author) != external {
        return Err(malformed("a commit's author joins by it exactly when it is an external commit"));
    }
    Ok(statement)
}

fn check_leave(payload: &[u8], author: DeviceId) -> Result<(), Refusal> {
    within("a leave notice", payload.len(), MESSAGE)?;
    let notice: LeaveNotice =
        codec::decode(payload).map_err(|error| malformed(format!("no leave notice: {error}")))?;
    if notice.device == author { Ok(()) } else { Err(malformed("a leave notice for another device")) }
}

fn head(room: RoomId, payload: &[u8]) -> Result<Head<'_>, Refusal> {
    let head = Head::parse(payload).map_err(|error| malformed(error.to_string()))?;
    if head.room == room { Ok(head) } else { Err(malformed("an MLS message of another room")) }
}

fn check_bundle(bundle: &CommitBundle) -> Result<(), Refusal> {
    within("a GroupInfo", bundle.group.group_info.len(), GROUP_INFO)?;
    within("a ratchet tree", bundle.group.tree.size(), TREE)?;
    within("the Welcomes of a commit", bundle.welcomes.len(), WELCOMES)?;
    bundle.welcomes.iter().try_for_each(|welcome| within("a Welcome", welcome.message.len(), WELCOME))
}

pub(super) fn check_group(group: &GroupSnapshot) -> Result<(), Refusal> {
    within("a GroupInfo", group.group_info.len(), GROUP_INFO)?;
    within("a ratchet tree", group.tree.size(), TREE)?;
    within("the nodes of a ratchet tree", group.tree.nodes().len(), TREE_NODES)
}

fn refusal(error: &AppendError) -> Refusal {
    let code = match error {
        AppendError::RoomUnknown => RefusalCode::RoomUnknown,
        AppendError::NotAMember => RefusalCode::NotAMember,
        AppendError::DeviceUnknown(_) => RefusalCode::AccountUnknown,
        AppendError::RoomFull | AppendError::TooManyRooms(_) => RefusalCode::Quota,
        AppendError::Tree(TreeError::OtherTree) => RefusalCode::OtherTree,
        AppendError::Tree(TreeError::TooLarge(_) | TreeError::TooMany(_)) => RefusalCode::TooLarge,
        AppendError::Store(error) => return store_failed(error),
    };
    Refusal::new(code, error.to_string())
}
