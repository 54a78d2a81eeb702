//! Room logs in SQLite.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use bytes::Bytes;
use openchat_protocol::limits::{ROOM_DEVICES, ROOMS_PER_USER};
use openchat_protocol::record::{Base, Position, Record};
use openchat_protocol::statement::Statement;
use openchat_protocol::tree::TreeMarks;
use openchat_protocol::{ChainHash, DeviceId, Incarnation, MessageId, RoomId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{damaged, device_row, int, position, usable_device_row};
use super::database::Database;
use super::failure::Failure;
use super::log_index::Fresh;
use super::room::{Author, State};
use super::{administrator, group, membership, room, welcome};
use crate::StoreError;
use crate::effect::Effect;
use crate::room::MembershipChange;
use crate::room_log::{
    AppendError, AppendOutcome, LogPage, NewContent, NewRecord, PageInProgress, PageLimit, ReadError,
    StoredRecord,
};

/// A message that fails has written nothing before, unless SQLite fails at its very last statement.
pub(super) fn append(
    connection: &Database,
    mut new: NewRecord,
    now: Timestamp,
    incarnation: Incarnation,
) -> Result<AppendOutcome, Failure<AppendError>> {
    let (room, author) =
        connection.author(new.room, new.author)?.ok_or(Failure::Rule(AppendError::RoomUnknown))?;
    let Some(Author { row: author, is_member }) = author else {
        return Err(Failure::Rule(AppendError::NotAMember));
    };
    let may_append = is_member || (new.is_join() && room::is_open_to(connection, &room, new.author.uid)?);
    let is_current = new.base == Base { incarnation, commit: room.last_commit };
    if !may_append || !is_current {
        // What was stored before is so for good, whoever its author is by now and whatever has come since.
        return match repeated(connection, &room, author, new.message_id)? {
            Some(repeated) => Ok(repeated),
            None if may_append => Ok(AppendOutcome::Stale { last_commit: room.last_commit.sequence }),
            None => Err(Failure::Rule(AppendError::NotAMember)),
        };
    }
    let effects = match &new.content {
        NewContent::Commit(commit) => Some(Effects {
            marks: group::marks_after(connection, room.row, &commit.bundle().group.tree)?,
            mirror: effect(connection, &room, commit.statement(), new.author)?,
        }),
        NewContent::Message | NewContent::Leave => None,
    };
    let record = record(&room, &mut new, now);
    let bytes = Bytes::from(record.to_bytes());
    let position = Position { sequence: record.sequence, chain: room.head.chain.then(&bytes) };
    if !insert(connection, &room, author, &record, position, &bytes)? {
        let repeated = repeated(connection, &room, author, new.message_id)?;
        return repeated.ok_or(Failure::Sqlite(rusqlite::Error::QueryReturnedNoRows));
    }
    connection.moved(new.room, position, record.time);
    let change = follow(connection, &room, author, &new, effects.as_ref(), position, record.time)?;
    Ok(AppendOutcome::Stored(StoredRecord { position, time: record.time, bytes, change }))
}

fn repeated(
    connection: &Database,
    room: &State,
    author: i64,
    message_id: MessageId,
) -> Result<Option<AppendOutcome>, Failure<AppendError>> {
    let fresh = connection.fresh();
    let Some(sequence) = fresh.sequence(connection, (room.row, author, message_id))? else { return Ok(None) };
    let Some(row) = fresh.row(connection, room.row, sequence)? else { return Ok(None) };
    let found = connection
        .prepare_cached("SELECT sequence, chain, record FROM log WHERE id = ?1")?
        .query_row([row], |row| {
            let record = Record::from_bytes(row.get_ref(2)?.as_blob()?).map_err(|error| damaged(2, error))?;
            Ok(AppendOutcome::Repeated { position: position(row, 0)?, time: record.time })
        })
        .optional()?;
    Ok(found)
}

/// What the commit does, if no limit forbids it.
pub(super) fn effect(
    connection: &Connection,
    room: &State,
    statement: &Statement,
    author: DeviceId,
) -> Result<Effect, Failure<AppendError>> {
    let is_member = |device| match device_row(connection, device)? {
        Some(row) => membership::is_member(connection, room.row, row),
        None => Ok(false),
    };
    let by_administrator = administrator::is_one(connection, room.row, author.uid)?;
    let effect = Effect::of(statement, author, by_administrator, is_member)?;
    let mut new_devices = BTreeSet::new();
    for &device in &statement.joined {
        let unknown = Failure::Rule(AppendError::DeviceUnknown(device));
        let row = usable_device_row(connection, device)?.ok_or(unknown)?;
        if !membership::is_member(connection, room.row, row)? {
            new_devices.insert(device);
        }
        check_rooms_of(connection, room, device)?;
    }
    let gone = effect.change().ended.len();
    if membership::count(connection, room.row)? + new_devices.len() - gone > ROOM_DEVICES {
        return Err(Failure::Rule(AppendError::RoomFull));
    }
    Ok(effect)
}

fn check_rooms_of(
    connection: &Connection,
    room: &State,
    device: DeviceId,
) -> Result<(), Failure<AppendError>> {
    let uid = device.uid;
    if !membership::has_user(connection, room.row, uid)?
        && membership::rooms_of_user(connection, uid)? >= ROOMS_PER_USER
    {
        return Err(Failure::Rule(AppendError::TooManyRooms(uid)));
    }
    Ok(())
}

/// The next record of the room; the payload moves into it.
fn record(room: &State, new: &mut NewRecord, now: Timestamp) -> Record {
    Record {
        sequence: room.head.sequence + 1,
        time: now.max(room.time),
        author: new.author,
        message_id: new.message_id,
        kind: new.kind(),
        payload: std::mem::take(&mut new.payload).into(),
    }
}

/// Adds a record to the log, unless its author has one under this identifier already.
pub(super) fn insert(
    connection: &Database,
    room: &State,
    author: i64,
    record: &Record,
    position: Position,
    bytes: &[u8],
) -> rusqlite::Result<bool> {
    let (fresh, name) = (connection.fresh(), (room.row, author, record.message_id));
    if fresh.sequence(connection, name)?.is_some() {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "INSERT INTO log (id, room, sequence, author, message_id, chain, record)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            fresh.next_row(),
            room.row,
            int(position.sequence),
            author,
            record.message_id.0,
            position.chain.0,
            bytes,
        ])?;
    fresh.add(name, record.sequence);
    connection
        .prepare_cached("UPDATE room SET head = ?2, chain = ?3, time = ?4 WHERE id = ?1")?
        .execute(params![room.row, int(position.sequence), position.chain.0, int(record.time.0)])?;
    Ok(true)
}

/// What a commit does to what is kept beside the log.
struct Effects {
    mirror: Effect,
    marks: TreeMarks,
}

/// Lets the mirror follow what the record at `position` does.
fn follow(
    connection: &Connection,
    room: &State,
    author: i64,
    new: &NewRecord,
    effects: Option<&Effects>,
    position: Position,
    now: Timestamp,
) -> rusqlite::Result<MembershipChange> {
    match (&new.content, effects) {
        (NewContent::Leave, _) => {
            membership::end(connection, room.row, author, position.sequence)?;
            Ok(MembershipChange { joined: Vec::new(), ended: vec![new.author] })
        }
        (NewContent::Commit(commit), Some(Effects { mirror, marks })) => {
            set_last_commit(connection, room.row, position)?;
            group::update(connection, room.row, new.author.uid, &commit.bundle().group, marks)?;
            apply(connection, room.row, mirror, position.sequence)?;
            welcome::queue(connection, room.row, position.sequence, commit.bundle(), now)?;
            Ok(mirror.change())
        }
        (NewContent::Message | NewContent::Commit(_), _) => Ok(MembershipChange::default()),
    }
}

pub(super) fn set_last_commit(
    connection: &Connection,
    room: i64,
    position: Position,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE room SET commit_sequence = ?2, commit_chain = ?3 WHERE id = ?1")?
        .execute(params![room, int(position.sequence), position.chain.0])
        .map(drop)
}

pub(super) fn apply(
    connection: &Connection,
    room: i64,
    effect: &Effect,
    sequence: u64,
) -> rusqlite::Result<()> {
    for device in &effect.removed {
        let Some(device) = device_row(connection, *device)? else { continue };
        membership::end(connection, room, device, sequence)?;
    }
    for device in &effect.joined {
        let Some(device) = device_row(connection, *device)? else { continue };
        membership::open(connection, room, device, sequence)?;
    }
    if let Some(uids) = &effect.administrators {
        administrator::replace(connection, room, uids.iter().copied())?;
    }
    Ok(())
}

pub(super) fn read(
    connection: &Connection,
    fresh: &Fresh,
    room: RoomId,
    device: DeviceId,
    after: u64,
    limit: PageLimit,
) -> Result<LogPage, Failure<ReadError>> {
    let found = room::membership(connection, room, device)?;
    let (room, membership) = found.ok_or(Failure::Rule(ReadError::NotAMember))?;
    let mut page = PageInProgress::new(after, &membership, limit);
    if let Some((first, last)) = membership.next_stretch(after) {
        fill(connection, fresh, room.row, first..=last, limit.records, |sequence, record| {
            page.push(sequence, record)
        })?;
    }
    Ok(page.finish())
}

/// Gives `push` records of a room in their order for as long as it takes them.
fn fill(
    connection: &Connection,
    fresh: &Fresh,
    room: i64,
    numbers: RangeInclusive<u64>,
    limit: usize,
    mut push: impl FnMut(u64, Bytes) -> bool,
) -> rusqlite::Result<()> {
    let (begin, places) = fresh.rows(room, numbers.clone(), limit.max(1));
    let mut written = connection.prepare_cached(
        "SELECT s.sequence, l.record FROM log_place s JOIN log l ON l.id = s.record
         WHERE s.room = ?1 AND s.sequence BETWEEN ?2 AND ?3 ORDER BY s.sequence",
    )?;
    let last = begin.saturating_sub(1).min(*numbers.end());
    let mut rows = written.query(params![room, int(*numbers.start()), int(last)])?;
    while let Some(row) = rows.next()? {
        if !push(row.get(0)?, Bytes::from(row.get::<_, Vec<u8>>(1)?)) {
            return Ok(());
        }
    }
    let mut statement = connection.prepare_cached("SELECT record FROM log WHERE id = ?1")?;
    for (place, sequence) in places.into_iter().zip(begin..) {
        let record = statement.query_row([place], |row| row.get::<_, Vec<u8>>(0))?;
        if !push(sequence, Bytes::from(record)) {
            return Ok(());
        }
    }
    Ok(())
}

pub(super) fn chain_at(
    connection: &Connection,
    fresh: &Fresh,
    room: RoomId,
    sequence: u64,
) -> Result<Option<ChainHash>, Failure<StoreError>> {
    let Some(state) = room::state(connection, room)? else { return Ok(None) };
    Ok(chain_of(connection, fresh, state.row, room, sequence)?)
}

/// The chain of a known room after the record at `sequence`.
pub(super) fn chain_of(
    connection: &Connection,
    fresh: &Fresh,
    row: i64,
    room: RoomId,
    sequence: u64,
) -> rusqlite::Result<Option<ChainHash>> {
    if sequence == 0 {
        return Ok(Some(ChainHash::start(room)));
    }
    let Some(record) = fresh.row(connection, row, sequence)? else { return Ok(None) };
    connection
        .prepare_cached("SELECT chain FROM log WHERE id = ?1")?
        .query_row([record], |row| row.get(0).map(ChainHash))
        .optional()
}
