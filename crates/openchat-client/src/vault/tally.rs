//! What is unread in each room: counted when a line comes or is read, so that a list of rooms reads no history.

use openchat_protocol::{RoomId, Timestamp};
use rusqlite::{Connection, params};

use super::load;
use super::record::{Notice, StoredLine};

/// A line is new in the history. Its room need not be there yet.
pub(super) fn add(database: &Connection, line: &StoredLine) -> rusqlite::Result<()> {
    let StoredLine { room, sequence, time: Timestamp(time), notice, .. } = line;
    let read = "SELECT read FROM room WHERE id = ?1";
    let is_read = load::one(database, read, [room.as_bytes()], |row| row.get::<_, u64>(0))?
        .is_some_and(|read| *sequence <= read);
    let unread = !is_read && *notice != Notice::Nothing;
    let mention = !is_read && *notice == Notice::Mention;
    let mut add = database.prepare_cached(
        "INSERT INTO tally (room, unread, mentions, latest) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (room) DO UPDATE SET unread = unread + excluded.unread,
             mentions = mentions + excluded.mentions, latest = max(latest, excluded.latest)",
    )?;
    add.execute(params![room.as_bytes(), unread, mention, time]).map(drop)
}

/// Lines were read: what comes after them is counted.
pub(super) fn count(database: &Connection, room: RoomId) -> rusqlite::Result<()> {
    let mut count = database.prepare_cached(
        "UPDATE tally SET (unread, mentions) =
             (SELECT count(*), count(*) FILTER (WHERE notice = 2) FROM history INDEXED BY history_notice
              WHERE room = ?1 AND sequence > (SELECT read FROM room WHERE id = ?1) AND notice > 0)
         WHERE room = ?1",
    )?;
    count.execute([room.as_bytes()]).map(drop)
}

/// Finds out how each line counts, as the engine does it with new ones, and counts them.
pub(super) fn count_all(database: &Connection) -> rusqlite::Result<()> {
    for (notice, (room, sequence, part)) in notices(database)? {
        database
            .prepare_cached("UPDATE history SET notice = ?1 WHERE room = ?2 AND sequence = ?3 AND part = ?4")?
            .execute(params![notice as u8, room, sequence, part])?;
    }
    let rooms = load::all(database, "SELECT room FROM tally", [], |row| row.get(0).map(RoomId))?;
    rooms.into_iter().try_for_each(|room| count(database, room))
}

/// The place of a line: room, sequence and part.
type Place = (Vec<u8>, u64, u32);

fn notices(database: &Connection) -> rusqlite::Result<Vec<(Notice, Place)>> {
    let me = load::credentials(database)?;
    let mut lines = database.prepare("SELECT entry, author, room, sequence, part FROM history")?;
    let notices = lines.query_map([], |row| {
        let notice = Notice::of(&load::decoded(row, 0)?, load::uid(row, 1)?, &me);
        let place = (row.get(2)?, row.get(3)?, row.get(4)?);
        Ok((notice != Notice::Nothing).then_some((notice, place)))
    })?;
    notices.filter_map(Result::transpose).collect()
}
