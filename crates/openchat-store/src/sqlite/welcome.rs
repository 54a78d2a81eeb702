//! Waiting Welcomes in SQLite.

use openchat_protocol::account::AcknowledgeWelcome;
use openchat_protocol::append::CommitBundle;
use openchat_protocol::record::{Base, Position};
use openchat_protocol::room::PendingWelcome;
use openchat_protocol::{DeviceId, Incarnation, RoomId, Timestamp, codec};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{damaged, device_row, int};
use super::failure::Failure;
use super::log_index::Fresh;
use super::{group, membership, room_log};
use crate::StoreError;
use crate::room::MembershipChange;
use crate::welcome::QueuedWelcome;

/// Stores the Welcomes of the commit at `sequence`, whose devices are known and whose tree is there.
pub(super) fn queue(
    connection: &Connection,
    room: i64,
    sequence: u64,
    bundle: &CommitBundle,
    now: Timestamp,
) -> rusqlite::Result<()> {
    if bundle.welcomes.is_empty() {
        return Ok(());
    }
    let tree = codec::encode(&group::tree(connection, room)?);
    connection
        .prepare_cached("INSERT INTO welcome_tree (room, sequence, queued, tree) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![room, int(sequence), int(now.0), tree])?;
    let mut add = connection
        .prepare_cached("INSERT INTO welcome (device, room, sequence, message) VALUES (?1, ?2, ?3, ?4)")?;
    for welcome in &bundle.welcomes {
        let device = device_row(connection, welcome.device)?;
        add.execute(params![device, room, int(sequence), welcome.message.as_slice()])?;
    }
    Ok(())
}

pub(super) fn waits(
    connection: &Connection,
    device: DeviceId,
    cursor: u64,
) -> Result<bool, Failure<StoreError>> {
    let Some(device) = device_row(connection, device)? else { return Ok(false) };
    let mut find = connection.prepare_cached("SELECT 1 FROM welcome WHERE device = ?1 AND id > ?2")?;
    Ok(find.exists(params![device, int(cursor)])?)
}

pub(super) fn next(
    connection: &Connection,
    fresh: &Fresh,
    device: DeviceId,
    cursor: u64,
    incarnation: Incarnation,
) -> Result<Option<QueuedWelcome>, Failure<StoreError>> {
    let Some(device) = device_row(connection, device)? else { return Ok(None) };
    let queued = |row: &Row<'_>| {
        let (room, sequence) = (RoomId(row.get(1)?), row.get(3)?);
        let chain = room_log::chain_of(connection, fresh, row.get(2)?, room, sequence)?;
        let commit = Position { sequence, chain: chain.ok_or(rusqlite::Error::QueryReturnedNoRows)? };
        let welcome = PendingWelcome {
            room,
            base: Base { incarnation, commit },
            welcome: row.get::<_, Vec<u8>>(4)?.into(),
            tree: codec::decode(row.get_ref(5)?.as_blob()?).map_err(|error| damaged(5, error))?,
        };
        Ok(QueuedWelcome { cursor: row.get(0)?, welcome })
    };
    let found = connection
        .prepare_cached(
            "SELECT w.id, r.room, r.id, w.sequence, w.message, t.tree
             FROM welcome w
             JOIN room r ON r.id = w.room
             JOIN welcome_tree t ON t.room = w.room AND t.sequence = w.sequence
             WHERE w.device = ?1 AND w.id > ?2 ORDER BY w.id LIMIT 1",
        )?
        .query_row(params![device, int(cursor)], queued)
        .optional()?;
    Ok(found)
}

pub(super) fn acknowledge(
    connection: &Connection,
    device: DeviceId,
    done: AcknowledgeWelcome,
) -> Result<MembershipChange, Failure<StoreError>> {
    let unchanged = MembershipChange::default();
    let Some(row) = device_row(connection, device)? else { return Ok(unchanged) };
    let Some(room) = connection
        .prepare_cached("SELECT id FROM room WHERE room = ?1")?
        .query_row([done.room.0], |row| row.get::<_, i64>(0))
        .optional()?
    else {
        return Ok(unchanged);
    };
    connection
        .prepare_cached("DELETE FROM welcome WHERE room = ?1 AND sequence = ?2 AND device = ?3")?
        .execute(params![room, int(done.sequence), row])?;
    connection
        .prepare_cached(
            "DELETE FROM welcome_tree WHERE room = ?1 AND sequence = ?2
             AND NOT EXISTS (SELECT 1 FROM welcome WHERE room = ?1 AND sequence = ?2)",
        )?
        .execute(params![room, int(done.sequence)])?;
    if done.joined || !membership::end_what_began_at(connection, room, row, done.sequence)? {
        return Ok(unchanged);
    }
    Ok(MembershipChange { ended: vec![device], ..unchanged })
}

pub(super) fn forget_all(connection: &Connection, device: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM welcome WHERE device = ?1")?.execute([device])?;
    connection
        .prepare_cached(
            "DELETE FROM welcome_tree WHERE NOT EXISTS
             (SELECT 1 FROM welcome w WHERE w.room = welcome_tree.room AND w.sequence = welcome_tree.sequence)",
        )?
        .execute([])
        .map(drop)
}
