//! The mirror of each room's members in SQLite.

use openchat_protocol::{DeviceId, Uid};
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{device_id, int};
use crate::room::Interval;

pub(super) fn is_member(connection: &Connection, room: i64, device: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM membership WHERE device = ?1 AND room = ?2 AND ended_at IS NULL")?
        .exists(params![device, room])
}

pub(super) fn has_user(connection: &Connection, room: i64, uid: Uid) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM device d JOIN membership m ON m.device = d.id
             WHERE d.uid = ?1 AND m.room = ?2 AND m.ended_at IS NULL",
        )?
        .exists(params![uid.0, room])
}

/// Devices in a room.
pub(super) fn count(connection: &Connection, room: i64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("SELECT count(*) FROM membership WHERE room = ?1 AND ended_at IS NULL")?
        .query_row([room], |row| row.get(0))
}

pub(super) fn rooms_of_user(connection: &Connection, uid: Uid) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "SELECT count(DISTINCT m.room) FROM device d JOIN membership m ON m.device = d.id
             WHERE d.uid = ?1 AND m.ended_at IS NULL",
        )?
        .query_row([uid.0], |row| row.get(0))
}

pub(super) fn intervals(connection: &Connection, room: i64, device: i64) -> rusqlite::Result<Vec<Interval>> {
    connection
        .prepare_cached(
            "SELECT joined_at, ended_at FROM membership WHERE room = ?1 AND device = ?2 ORDER BY joined_at",
        )?
        .query_map(params![room, device], |row| {
            Ok(Interval { joined_at: row.get(0)?, ended_at: row.get(1)? })
        })?
        .collect()
}

/// Makes a device a member from the record at `sequence` on. An interval that is open ends there.
pub(super) fn open(connection: &Connection, room: i64, device: i64, sequence: u64) -> rusqlite::Result<()> {
    end(connection, room, device, sequence)?;
    connection
        .prepare_cached("INSERT INTO membership (room, device, joined_at) VALUES (?1, ?2, ?3)")?
        .execute(params![room, device, int(sequence)])
        .map(drop)
}

pub(super) fn end(connection: &Connection, room: i64, device: i64, sequence: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE membership SET ended_at = ?3 WHERE device = ?1 AND room = ?2 AND ended_at IS NULL",
        )?
        .execute(params![device, room, int(sequence)])
        .map(drop)
}

/// Notes that a member is removed by the commit at `sequence`, once that is confirmed.
pub(super) fn removal_waits(
    connection: &Connection,
    room: i64,
    device: i64,
    sequence: u64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO removal (room, sequence, device) VALUES (?1, ?2, ?3)")?
        .execute(params![room, int(sequence), device])
        .map(drop)
}

/// Whether a member's vote counts: it is no device of the commit's author, nor removed by it.
pub(super) fn may_decide(
    connection: &Connection,
    room: i64,
    sequence: u64,
    by: DeviceId,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM log l JOIN device a ON a.id = l.author JOIN device d ON d.uid = ?3 AND d.did = ?4
             WHERE l.room = ?1 AND l.sequence = ?2 AND a.uid <> d.uid AND NOT EXISTS
             (SELECT 1 FROM removal WHERE room = ?1 AND sequence = ?2 AND device = d.id)",
        )?
        .exists(params![room, int(sequence), by.uid.0, by.did.0])
}

/// Ends the intervals of those who wait to be removed by the commit at `sequence`, and names those who are no members
/// any more. Who has rejoined since keeps the later interval.
pub(super) fn apply_removals(
    connection: &Connection,
    room: i64,
    sequence: u64,
) -> rusqlite::Result<Vec<DeviceId>> {
    let sequence = int(sequence);
    let mut ended = Vec::new();
    for (row, device) in waiting(connection, room, sequence)? {
        if end_at(connection, room, row, sequence)? {
            ended.push(device);
        }
    }
    connection
        .prepare_cached("DELETE FROM removal WHERE room = ?1 AND sequence = ?2")?
        .execute(params![room, sequence])?;
    Ok(ended)
}

fn waiting(connection: &Connection, room: i64, sequence: i64) -> rusqlite::Result<Vec<(i64, DeviceId)>> {
    connection
        .prepare_cached(
            "SELECT d.id, d.uid, d.did FROM removal w JOIN device d ON d.id = w.device
             WHERE w.room = ?1 AND w.sequence = ?2 ORDER BY d.uid, d.did",
        )?
        .query_map(params![room, sequence], |row| Ok((row.get(0)?, device_id(row, 1)?)))?
        .collect()
}

/// Ends the interval that contains `sequence`. Whether it was open.
fn end_at(connection: &Connection, room: i64, device: i64, sequence: i64) -> rusqlite::Result<bool> {
    let found: Option<(i64, Option<i64>)> = connection
        .prepare_cached(
            "SELECT joined_at, ended_at FROM membership WHERE room = ?1 AND device = ?2 AND joined_at < ?3
             AND (ended_at IS NULL OR ended_at >= ?3)",
        )?
        .query_row(params![room, device, sequence], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((joined_at, ended_at)) = found else { return Ok(false) };
    connection
        .prepare_cached(
            "UPDATE membership SET ended_at = ?4 WHERE room = ?1 AND device = ?2 AND joined_at = ?3",
        )?
        .execute(params![room, device, joined_at, sequence])?;
    Ok(ended_at.is_none())
}
