//! Just enough of an MLS message for a server that reads no further than the clear head (RFC 9420 §6).

use openchat_protocol::codec;
use openchat_protocol::record::RecordKind;
use openchat_protocol::statement::{LeaveNotice, Statement};
use openchat_protocol::{DeviceId, RoomId};

/// An application message with `body` in the place of the ciphertext.
pub(crate) fn message(room: RoomId, body: &[u8]) -> Vec<u8> {
    [private(room, 1, b""), body.to_vec()].concat()
}

/// A commit by a member.
pub(crate) fn commit(room: RoomId, statement: &Statement) -> Vec<u8> {
    private(room, 3, &codec::encode(statement))
}

/// A commit by which its author joins.
pub(crate) fn external_commit(room: RoomId, statement: &Statement) -> Vec<u8> {
    let new_member = 4;
    [head(room, 1), vec![new_member], vector(&codec::encode(statement)), vec![3]].concat()
}

/// "I left", with a signature that only members would check.
pub(crate) fn leave(device: DeviceId) -> Vec<u8> {
    codec::encode(&LeaveNotice { device, leaf_key_hash: vec![1; 32].into(), signature: vec![2; 100].into() })
}

/// The body of a message that [`message`] made.
pub(crate) fn body(kind: RecordKind, payload: &[u8]) -> &[u8] {
    assert_eq!(kind, RecordKind::Message);
    &payload[31..]
}

fn private(room: RoomId, content_type: u8, authenticated_data: &[u8]) -> Vec<u8> {
    [head(room, 2), vec![content_type], vector(authenticated_data)].concat()
}

fn head(room: RoomId, wire_format: u8) -> Vec<u8> {
    [&[0, 1, 0, wire_format][..], &vector(room.as_bytes()), &7u64.to_be_bytes()].concat()
}

fn vector(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let prefix = match u8::try_from(length) {
        Ok(length) if length < 64 => vec![length],
        _ => (length | 0x4000).to_be_bytes().to_vec(),
    };
    [&prefix, bytes].concat()
}
