//! The history as another device of this user gets it.

use openchat_protocol::{RoomId, Timestamp};
use rusqlite::{Connection, params};

use super::history::rooms;
use super::load::{decoded, uid};
use crate::linking::{PastLine, PastRoom, Place};

/// Before all lines.
const START: Place = Place { room: RoomId([0; 16]), sequence: 0, part: 0 };

const AFTER: &str = "FROM history WHERE (room, sequence, part) > (?1, ?2, ?3)";

pub(super) fn count(database: &Connection, after: Option<Place>) -> rusqlite::Result<u64> {
    let Place { room, sequence, part } = after.unwrap_or(START);
    let mut statement = database.prepare_cached(&format!("SELECT count(*) {AFTER}"))?;
    statement.query_row(params![room.as_bytes(), sequence, part], |row| row.get(0))
}

pub(super) fn lines(
    database: &Connection,
    after: Option<Place>,
    limit: u32,
) -> rusqlite::Result<Vec<PastLine>> {
    let Place { room, sequence, part } = after.unwrap_or(START);
    let mut statement = database.prepare_cached(&format!(
        "SELECT room, sequence, part, time, author, entry {AFTER} ORDER BY room, sequence, part LIMIT ?4"
    ))?;
    let lines = statement.query_map(params![room.as_bytes(), sequence, part, limit], |row| {
        Ok(PastLine {
            place: Place { room: RoomId(row.get(0)?), sequence: row.get(1)?, part: row.get(2)? },
            time: Timestamp(row.get(3)?),
            author: uid(row, 4)?,
            entry: decoded(row, 5)?,
        })
    })?;
    lines.collect()
}

pub(super) fn past_rooms(database: &Connection) -> rusqlite::Result<Vec<PastRoom>> {
    let past = |room: crate::event::RoomOverview| PastRoom {
        room: room.room,
        name: room.name,
        listed: room.listed,
        read: room.read,
    };
    Ok(rooms(database)?.into_iter().map(past).collect())
}
