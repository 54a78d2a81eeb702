//! What people read: lines and rooms with names, from the disk alone.

use openchat_protocol::{RoomId, Timestamp, Uid};
use rusqlite::{Connection, Row, params};

use super::load;
use super::names::Names;
use super::record::{OutboxMessage, RoomRecord, StoredEpoch};
use crate::event::{Delivery, Entry, EpochChanged, Line, Person, RoomOverview};
use crate::trust::RoomTrust;

/// Which part of a room's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The newest lines, and what waits in the outbox.
    Newest,
    /// The lines before a sequence.
    Before(u64),
    /// The lines after a sequence, and what waits in the outbox when they are the last ones.
    After(u64),
}

/// A message in the outbox as a line.
pub(crate) fn pending_line(message: &OutboxMessage, author: Person) -> Line {
    let delivery = match &message.failed {
        Some(reason) => Delivery::Failed { reason: reason.clone() },
        None => Delivery::Pending,
    };
    Line {
        room: message.room,
        sequence: None,
        part: 0,
        time: message.time,
        author,
        entry: Entry::Text { message: message.message, text: message.text.clone(), delivery },
    }
}

/// A step to the next epoch as people see it.
pub(crate) fn epoch_changed(stored: StoredEpoch, names: &Names) -> EpochChanged {
    let StoredEpoch { room, epoch, sequence, time, by, joined, removed } = stored;
    EpochChanged { room, epoch, sequence, time, by: names.person(by), joined, removed }
}

pub(super) fn names(database: &Connection) -> rusqlite::Result<Names> {
    let me = load::credentials(database)?.device.uid;
    Ok(Names::new(me, load::contacts(database)?))
}

/// At most `limit` records' lines, the oldest first; lines of one record stay together.
pub(super) fn lines(
    database: &Connection,
    room: RoomId,
    span: Span,
    limit: u32,
    me: Uid,
) -> rusqlite::Result<Vec<Line>> {
    let names = names(database)?;
    let (chosen, sequence) = match span {
        Span::Newest => (BEFORE, i64::MAX.unsigned_abs()),
        Span::Before(sequence) => (BEFORE, sequence),
        Span::After(sequence) => (AFTER, sequence),
    };
    let mut lines = records(database, room, (chosen, sequence, limit), &names)?;
    let at_end = match span {
        Span::Newest => true,
        Span::Before(_) => false,
        Span::After(_) => lines.len() < limit as usize,
    };
    if at_end {
        let waiting =
            load::outbox(database)?.into_iter().filter(|it| it.room == room && !it.in_log && it.is_said());
        lines.extend(waiting.map(|message| pending_line(&message, names.person(me))));
    }
    Ok(lines)
}

const BEFORE: &str = "sequence < ?2 ORDER BY sequence DESC";
const AFTER: &str = "sequence > ?2 ORDER BY sequence";

/// Lines of the records that [`BEFORE`] or [`AFTER`] picks around `sequence`.
fn records(
    database: &Connection,
    room: RoomId,
    (chosen, sequence, limit): (&str, u64, u32),
    names: &Names,
) -> rusqlite::Result<Vec<Line>> {
    let mut statement = database.prepare_cached(&format!(
        "SELECT sequence, part, time, author, entry FROM history WHERE room = ?1 AND sequence IN
             (SELECT DISTINCT sequence FROM history WHERE room = ?1 AND {chosen} LIMIT ?3)
         ORDER BY sequence, part",
    ))?;
    statement.query_map(params![room.as_bytes(), sequence, limit], |row| line(row, room, names))?.collect()
}

pub(super) fn line(row: &Row<'_>, room: RoomId, names: &Names) -> rusqlite::Result<Line> {
    let entry: Entry<Uid> = load::decoded(row, 4)?;
    Ok(Line {
        room,
        sequence: Some(row.get(0)?),
        part: row.get(1)?,
        time: Timestamp(row.get(2)?),
        author: names.person(load::uid(row, 3)?),
        entry: entry.map(|uid| names.person(uid)),
    })
}

/// All rooms, by name.
pub(super) fn rooms(database: &Connection) -> rusqlite::Result<Vec<RoomOverview>> {
    let mut statement = database.prepare_cached(
        "SELECT record, read, coalesce(unread, 0), coalesce(mentions, 0), coalesce(latest, 0), people
         FROM room LEFT JOIN tally ON tally.room = room.id LEFT JOIN room_people ON room_people.room = room.id",
    )?;
    let names = names(database)?;
    let rooms = statement.query_map([], |row| overview(row, &names))?;
    let mut rooms = rooms.collect::<rusqlite::Result<Vec<_>>>()?;
    rooms.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(rooms)
}

fn overview(row: &Row<'_>, names: &Names) -> rusqlite::Result<RoomOverview> {
    let RoomRecord { room, name, listed, membership, cursor, .. } = load::decoded(row, 0)?;
    Ok(RoomOverview {
        room,
        name,
        listed,
        membership,
        head: cursor.sequence,
        read: row.get(1)?,
        unread: row.get(2)?,
        mentions: row.get(3)?,
        latest: Timestamp(row.get(4)?),
        trust: trust(row, names)?,
    })
}

/// What the keys rest on of those who were in the room in its newest epoch.
fn trust(row: &Row<'_>, names: &Names) -> rusqlite::Result<RoomTrust> {
    let mut trust = RoomTrust::default();
    if row.get_ref(5)?.as_blob_or_null()?.is_some() {
        for uid in load::decoded::<Vec<Uid>>(row, 5)? {
            trust.count(names.trust(uid));
            trust.is_stopped |= names.stops(uid);
        }
    }
    Ok(trust)
}

/// The newest `limit` epochs of a room, the oldest of them first.
pub(super) fn epochs(database: &Connection, room: RoomId, limit: u32) -> rusqlite::Result<Vec<EpochChanged>> {
    let names = names(database)?;
    let mut statement = database
        .prepare_cached("SELECT change FROM epoch_log WHERE room = ?1 ORDER BY sequence DESC LIMIT ?2")?;
    let changes = statement.query_map(params![room.as_bytes(), limit], |row| {
        Ok(epoch_changed(load::decoded(row, 0)?, &names))
    })?;
    let mut epochs = changes.collect::<rusqlite::Result<Vec<_>>>()?;
    epochs.reverse();
    Ok(epochs)
}
