//! What time ends in SQLite, piece by piece.

use openchat_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::int;
use super::database::Database;
use super::failure::Failure;
use crate::StoreError;
use crate::sweep::{Swept, oldest_room, oldest_welcome};

/// Commits whose Welcomes, or rooms, that one piece takes.
const SOME: usize = 16;
/// Records that one piece takes; each may be of a megabyte.
const RECORDS: usize = 128;

/// Rooms that may be over. Looking at all rooms takes its time, so a reader does it.
pub(super) fn deserted(connection: &Connection, now: Timestamp) -> Result<Vec<i64>, Failure<StoreError>> {
    let mut find =
        connection.prepare_cached(&format!("SELECT id FROM room r WHERE {DESERTED} LIMIT {SOME}"))?;
    Ok(find.query_map([int(oldest_room(now).0)], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

const DESERTED: &str = "r.room IS NOT NULL AND r.time < ?1 AND NOT EXISTS
    (SELECT 1 FROM membership m WHERE m.room = r.id AND m.ended_at IS NULL)";

/// Does one piece of the work, `rooms` among it if they are still over.
pub(super) fn sweep(
    connection: &Database,
    rooms: &[i64],
    now: Timestamp,
) -> Result<Swept, Failure<StoreError>> {
    let (welcomes, more_welcomes) = forget_welcomes(connection, now)?;
    let mut forgotten = 0;
    for room in rooms {
        forgotten += usize::from(forget_room(connection, *room, now)?);
    }
    let more_records = clear_logs(connection)?;
    let more = more_welcomes || more_records || rooms.len() == SOME;
    Ok(Swept { welcomes, rooms: forgotten, more })
}

fn forget_welcomes(connection: &Connection, now: Timestamp) -> rusqlite::Result<(usize, bool)> {
    let mut old = connection.prepare_cached(
        "SELECT room, sequence FROM welcome_tree WHERE queued < ?1 ORDER BY queued LIMIT ?2",
    )?;
    let old: Vec<(i64, i64)> = old
        .query_map(params![int(oldest_welcome(now).0), SOME], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut count = 0;
    for (room, sequence) in &old {
        count += connection
            .prepare_cached("DELETE FROM welcome WHERE room = ?1 AND sequence = ?2")?
            .execute(params![room, sequence])?;
        connection
            .prepare_cached("DELETE FROM welcome_tree WHERE room = ?1 AND sequence = ?2")?
            .execute(params![room, sequence])?;
    }
    Ok((count, old.len() == SOME))
}

/// Takes a room away from everybody, if it is still over. Its records go later.
fn forget_room(connection: &Connection, room: i64, now: Timestamp) -> rusqlite::Result<bool> {
    let over = connection
        .prepare_cached(&format!("SELECT 1 FROM room r WHERE {DESERTED} AND r.id = ?2"))?
        .exists(params![int(oldest_room(now).0), room])?;
    if !over {
        return Ok(false);
    }
    for table in ["welcome", "welcome_tree", "room_group", "room_node", "administrator", "membership"] {
        connection.prepare_cached(&format!("DELETE FROM {table} WHERE room = ?1"))?.execute([room])?;
    }
    connection
        .prepare_cached("UPDATE room SET room = NULL, name = NULL, skeleton = NULL WHERE id = ?1")?
        .execute([room])?;
    Ok(true)
}

/// Deletes some records of rooms that are gone, and the last trace of those that have none. Whether there are more.
fn clear_logs(connection: &Database) -> rusqlite::Result<bool> {
    let Some(room) = connection
        .prepare_cached("SELECT id FROM room WHERE room IS NULL LIMIT 1")?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?
    else {
        return Ok(false);
    };
    connection.write_places()?;
    let mut some = connection.prepare_cached(
        "SELECT l.id, l.sequence, l.author, l.message_id FROM log_place p JOIN log l ON l.id = p.record
         WHERE p.room = ?1 LIMIT ?2",
    )?;
    let some: Vec<(i64, i64, i64, [u8; 16])> = some
        .query_map(params![room, RECORDS], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_, _>>()?;
    for (record, sequence, author, message) in &some {
        connection.prepare_cached("DELETE FROM log WHERE id = ?1")?.execute([record])?;
        connection
            .prepare_cached("DELETE FROM log_place WHERE room = ?1 AND sequence = ?2")?
            .execute(params![room, sequence])?;
        connection
            .prepare_cached("DELETE FROM log_name WHERE room = ?1 AND author = ?2 AND message_id = ?3")?
            .execute(params![room, author, message])?;
    }
    // Another room may get its row, so that must go when no places under it are in memory any more.
    if some.is_empty() {
        connection.prepare_cached("DELETE FROM room WHERE id = ?1")?.execute([room])?;
    }
    Ok(true)
}
