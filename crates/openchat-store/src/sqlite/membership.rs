//! The mirror of each room's members in SQLite.

use openchat_protocol::Uid;
use rusqlite::{Connection, params};

use super::columns::int;
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

/// Ends the interval that the commit at `sequence` opened, if it is open. Whether it was.
pub(super) fn end_what_began_at(
    connection: &Connection,
    room: i64,
    device: i64,
    sequence: u64,
) -> rusqlite::Result<bool> {
    let ended = connection
        .prepare_cached(
            "UPDATE membership SET ended_at = joined_at
             WHERE device = ?1 AND room = ?2 AND joined_at = ?3 AND joined_at > 0 AND ended_at IS NULL",
        )?
        .execute(params![device, room, int(sequence)])?;
    Ok(ended > 0)
}
