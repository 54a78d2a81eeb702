use openchat_protocol::append::{GroupUpdate, Welcome};
use openchat_protocol::record::{Base, Position};
use openchat_protocol::tree::{Tree, TreeChange};
use openchat_protocol::{Did, Incarnation, MessageId, RoomId, Uid};

use super::*;

const ROOM: RoomId = RoomId([9; 16]);
const ME: DeviceId = device(1);
const OTHER: DeviceId = device(2);

const fn device(number: u8) -> DeviceId {
    DeviceId { uid: Uid([number; 16]), did: Did([number; 10]) }
}

/// The clear head of an MLS message, as RFC 9420 §6 lays it out, and a body that nobody reads.
fn mls(room: RoomId, framing: Framing, content_type: u8, authenticated_data: &[u8]) -> Vec<u8> {
    let wire_format = if framing == Framing::Private { 2 } else { 1 };
    let mut message = vec![0, 1, 0, wire_format, 16];
    message.extend_from_slice(room.as_bytes());
    message.extend_from_slice(&7u64.to_be_bytes());
    let mut data = match u8::try_from(authenticated_data.len()) {
        Ok(length) if length < 64 => vec![length],
        _ => (u16::try_from(authenticated_data.len()).unwrap() | 0x4000).to_be_bytes().to_vec(),
    };
    data.extend_from_slice(authenticated_data);
    match framing {
        Framing::Private => message.push(content_type),
        Framing::PublicMember => message.extend_from_slice(&[1, 0, 0, 0, 0]),
        Framing::PublicOther => message.push(3),
        Framing::PublicNewMember => message.push(4),
    }
    message.extend_from_slice(&data);
    if framing != Framing::Private {
        message.push(content_type);
    }
    message
}

const APPLICATION: u8 = 1;
const PROPOSAL: u8 = 2;
const COMMIT_TYPE: u8 = 3;

fn append(kind: RecordKind, payload: Vec<u8>) -> Append {
    let base = Base { incarnation: Incarnation([1; 8]), commit: Position::start(ROOM) };
    Append { room: ROOM, message_id: MessageId([3; 16]), base, kind, payload: payload.into(), bundle: None }
}

fn group(group_info: usize, tree: usize) -> GroupUpdate {
    let tree = TreeChange::whole(&Tree::new(vec![vec![0; tree]]));
    GroupUpdate { group_info: vec![0; group_info].into(), tree }
}

fn commit(framing: Framing, statement: &Statement, welcomes: Vec<Welcome>) -> Append {
    let payload = mls(ROOM, framing, COMMIT_TYPE, &codec::encode(statement));
    let bundle = Some(CommitBundle { group: group(1, 1), welcomes });
    Append { bundle, ..append(RecordKind::Commit, payload) }
}

fn adds(joined: &[DeviceId]) -> Statement {
    Statement { joined: joined.to_vec(), ..Statement::default() }
}

fn code(append: Append) -> Option<RefusalCode> {
    checked(append, ME).err().and_then(|refusal| refusal.code)
}

const MALFORMED: Option<RefusalCode> = Some(RefusalCode::Malformed);
const TOO_LARGE: Option<RefusalCode> = Some(RefusalCode::TooLarge);

#[test]
fn a_message_is_a_private_application_message_of_its_room() {
    let message = |payload| code(append(RecordKind::Message, payload));
    assert_eq!(message(mls(ROOM, Framing::Private, APPLICATION, b"")), None);
    for bad in [
        mls(ROOM, Framing::Private, COMMIT_TYPE, b""),
        mls(ROOM, Framing::Private, PROPOSAL, b""),
        mls(ROOM, Framing::PublicMember, APPLICATION, b""),
        mls(RoomId([8; 16]), Framing::Private, APPLICATION, b""),
        b"hello".to_vec(),
        Vec::new(),
    ] {
        assert_eq!(message(bad), MALFORMED);
    }
    let mut long = mls(ROOM, Framing::Private, APPLICATION, b"");
    long.resize(MESSAGE + 1, 0);
    assert_eq!(message(long), TOO_LARGE);
}

#[test]
fn a_message_brings_no_bundle() {
    let message = append(RecordKind::Message, mls(ROOM, Framing::Private, APPLICATION, b""));
    let bundle = Some(CommitBundle { group: group(1, 1), welcomes: Vec::new() });
    assert_eq!(code(Append { bundle, ..message }), MALFORMED);
}

#[test]
fn a_commit_is_private_or_external_and_says_which() {
    assert_eq!(code(commit(Framing::Private, &adds(&[OTHER]), Vec::new())), None);
    assert_eq!(code(commit(Framing::PublicNewMember, &adds(&[ME]), Vec::new())), None);
    assert_eq!(code(commit(Framing::Private, &adds(&[ME]), Vec::new())), MALFORMED);
    assert_eq!(code(commit(Framing::PublicNewMember, &adds(&[]), Vec::new())), MALFORMED);
    assert_eq!(code(commit(Framing::PublicNewMember, &adds(&[ME, OTHER]), Vec::new())), MALFORMED);
    for framing in [Framing::PublicMember, Framing::PublicOther] {
        assert_eq!(code(commit(framing, &adds(&[]), Vec::new())), MALFORMED, "{framing:?}");
    }
}

#[test]
fn a_commit_needs_its_statement_and_its_group() {
    let good = commit(Framing::Private, &adds(&[]), Vec::new());
    assert_eq!(code(Append { bundle: None, ..good.clone() }), MALFORMED);
    let payload = mls(ROOM, Framing::Private, COMMIT_TYPE, b"no statement");
    assert_eq!(code(Append { payload: payload.into(), ..good }), MALFORMED);
}

#[test]
fn every_part_of_a_bundle_has_its_limit() {
    let welcome = |length: usize| Welcome { device: OTHER, message: vec![0; length].into() };
    let with = |group_info: usize, tree: usize, welcomes| {
        let bundle = Some(CommitBundle { group: group(group_info, tree), welcomes });
        code(Append { bundle, ..commit(Framing::Private, &adds(&[OTHER]), Vec::new()) })
    };
    use openchat_protocol::limits::{GROUP_INFO, TREE};
    assert_eq!(with(GROUP_INFO, TREE, vec![welcome(WELCOME)]), None);
    assert_eq!(with(GROUP_INFO + 1, 0, Vec::new()), TOO_LARGE);
    assert_eq!(with(0, TREE + 1, Vec::new()), TOO_LARGE);
    assert_eq!(with(0, 0, vec![welcome(WELCOME + 1)]), TOO_LARGE);
    assert_eq!(with(0, 0, vec![welcome(1); WELCOMES + 1]), TOO_LARGE);
}

#[test]
fn a_leave_notice_is_its_authors() {
    let notice =
        |device| LeaveNotice { device, leaf_key_hash: vec![1; 32].into(), signature: vec![2; 100].into() };
    let leave = |payload| code(append(RecordKind::Leave, payload));
    assert_eq!(leave(codec::encode(&notice(ME))), None);
    assert_eq!(leave(codec::encode(&notice(OTHER))), MALFORMED);
    assert_eq!(leave(mls(ROOM, Framing::Private, APPLICATION, b"")), MALFORMED);
}
