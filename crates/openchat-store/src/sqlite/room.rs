//! Rooms and their members in SQLite.

use openchat_protocol::limits::{LISTED_ROOMS, ROOMS_PER_USER};
use openchat_protocol::record::Position;
use openchat_protocol::room::{CreateRoom, JoinedRoom, RoomSummary};
use openchat_protocol::{DeviceId, RoomId, RoomName, Timestamp, Uid};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{damaged, device_row, int, position, room_name, timestamp, usable_device_row};
use super::failure::Failure;
use super::{administrator, group, membership};
use crate::StoreError;
use crate::room::{CreateRoomError, Membership};
use crate::sweep::oldest_room;

pub(super) fn create(
    connection: &Connection,
    new: &CreateRoom,
    creator: DeviceId,
    now: Timestamp,
) -> Result<(), Failure<CreateRoomError>> {
    let device = device_row(connection, creator)?;
    if let Some(known) = creator_and_name(connection, new.room)? {
        let same = (device, &new.name) == (Some(known.0), &known.1);
        return if same { Ok(()) } else { Err(Failure::Rule(CreateRoomError::IdTaken)) };
    }
    let device =
        usable_device_row(connection, creator)?.ok_or(Failure::Rule(CreateRoomError::DeviceUnknown))?;
    let rooms = membership::rooms_of_user(connection, creator.uid)? + deserted_by(connection, creator.uid)?;
    if rooms >= ROOMS_PER_USER {
        return Err(Failure::Rule(CreateRoomError::TooManyRooms));
    }
    if let Some(name) = &new.name {
        free_name(connection, name)?;
    }
    let room = insert(connection, new, device, now)?;
    group::create(connection, room, creator.uid, &new.group)?;
    administrator::replace(connection, room, [creator.uid])?;
    membership::open(connection, room, device, 0)?;
    Ok(())
}

fn creator_and_name(
    connection: &Connection,
    room: RoomId,
) -> rusqlite::Result<Option<(i64, Option<RoomName>)>> {
    connection
        .prepare_cached("SELECT creator, name FROM room WHERE room = ?1")?
        .query_row([room.0], |row| Ok((row.get(0)?, room_name(row, 1)?)))
        .optional()
}

/// Rooms that a user has made and that have no members any more.
fn deserted_by(connection: &Connection, uid: Uid) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM device d JOIN room r ON r.creator = d.id WHERE d.uid = ?1 AND NOT EXISTS
             (SELECT 1 FROM membership m WHERE m.room = r.id AND m.ended_at IS NULL)",
        )?
        .query_row([uid.0], |row| row.get(0))
}

/// Takes the name from a room that has lost its last member.
fn free_name(connection: &Connection, name: &RoomName) -> Result<(), Failure<CreateRoomError>> {
    let holder = connection
        .prepare_cached("SELECT id FROM room WHERE skeleton = ?1")?
        .query_row([name.skeleton()], |row| row.get(0))
        .optional()?;
    let Some(holder) = holder else { return Ok(()) };
    if membership::count(connection, holder)? > 0 {
        return Err(Failure::Rule(CreateRoomError::NameTaken));
    }
    connection
        .prepare_cached("UPDATE room SET name = NULL, skeleton = NULL WHERE id = ?1")?
        .execute([holder])?;
    Ok(())
}

fn insert(connection: &Connection, new: &CreateRoom, creator: i64, now: Timestamp) -> rusqlite::Result<i64> {
    let name = new.name.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO room (room, name, skeleton, creator, head, chain, time, commit_sequence, commit_chain)
             VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, 0, ?5)",
        )?
        .execute(params![
            new.room.0,
            name.map(RoomName::as_str),
            name.map(RoomName::skeleton),
            creator,
            Position::start(new.room).chain.0,
            int(now.0),
        ])?;
    Ok(connection.last_insert_rowid())
}

/// What an append and a read have to know of a room.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) row: i64,
    pub(super) has_name: bool,
    pub(super) head: Position,
    pub(super) time: Timestamp,
    pub(super) last_commit: Position,
}

/// The row of a device that wants to append, and whether it is a member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Author {
    pub(super) row: i64,
    pub(super) is_member: bool,
}

fn read_state(row: &Row<'_>) -> rusqlite::Result<State> {
    Ok(State {
        row: row.get(0)?,
        has_name: row.get(1)?,
        head: position(row, 2)?,
        time: timestamp(row, 4)?,
        last_commit: position(row, 5)?,
    })
}

pub(super) fn state(connection: &Connection, room: RoomId) -> rusqlite::Result<Option<State>> {
    connection
        .prepare_cached(
            "SELECT id, name IS NOT NULL, head, chain, time, commit_sequence, commit_chain
             FROM room WHERE room = ?1",
        )?
        .query_row([room.0], read_state)
        .optional()
}

/// A room, and a device that is known: in one statement, for every append asks.
pub(super) fn state_for(
    connection: &Connection,
    room: RoomId,
    device: DeviceId,
) -> rusqlite::Result<Option<(State, Option<Author>)>> {
    let found = |row: &Row<'_>| {
        let (device, is_member) = (row.get::<_, Option<i64>>(7)?, row.get(8)?);
        Ok((read_state(row)?, device.map(|row| Author { row, is_member })))
    };
    connection
        .prepare_cached(
            "SELECT r.id, r.name IS NOT NULL, r.head, r.chain, r.time, r.commit_sequence, r.commit_chain, d.id,
                    EXISTS (SELECT 1 FROM membership m
                            WHERE m.device = d.id AND m.room = r.id AND m.ended_at IS NULL)
             FROM room r LEFT JOIN device d ON d.uid = ?2 AND d.did = ?3
             WHERE r.room = ?1",
        )?
        .query_row(params![room.0, device.uid.0, device.did.0], found)
        .optional()
}

pub(super) fn list(connection: &Connection, now: Timestamp) -> Result<Vec<RoomSummary>, Failure<StoreError>> {
    let summary = |row: &Row<'_>| {
        let name = room_name(row, 1)?.ok_or_else(|| damaged(1, std::fmt::Error))?;
        Ok(RoomSummary {
            room: RoomId(row.get(0)?),
            name,
            members: row.get(2)?,
            last_activity: timestamp(row, 3)?,
        })
    };
    let mut statement = connection.prepare_cached(
        "SELECT r.room, r.name, count(DISTINCT d.uid) AS members, r.time AS activity
         FROM room r
         LEFT JOIN membership m ON m.room = r.id AND m.ended_at IS NULL
         LEFT JOIN device d ON d.id = m.device
         WHERE r.name IS NOT NULL
         GROUP BY r.id
         HAVING members > 0 OR activity >= ?1
         ORDER BY activity DESC, r.name
         LIMIT ?2",
    )?;
    let rows = statement.query_map(params![int(oldest_room(now).0), LISTED_ROOMS], summary)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether a device of this user may join by itself.
pub(super) fn is_open_to(connection: &Connection, room: &State, uid: Uid) -> rusqlite::Result<bool> {
    Ok(room.has_name || membership::has_user(connection, room.row, uid)?)
}

pub(super) fn of_device(
    connection: &Connection,
    device: DeviceId,
) -> Result<Vec<JoinedRoom>, Failure<StoreError>> {
    let Some(device) = device_row(connection, device)? else { return Ok(Vec::new()) };
    let joined = |row: &Row<'_>| {
        Ok(JoinedRoom { room: RoomId(row.get(0)?), name: room_name(row, 1)?, head: row.get(2)? })
    };
    let mut statement = connection.prepare_cached(
        "SELECT r.room, r.name, r.head FROM membership m JOIN room r ON r.id = m.room
         WHERE m.device = ?1 AND m.ended_at IS NULL ORDER BY r.room",
    )?;
    Ok(statement.query_map([device], joined)?.collect::<Result<_, _>>()?)
}

/// A room and what a device has to do with it.
pub(super) fn membership(
    connection: &Connection,
    room: RoomId,
    device: DeviceId,
) -> rusqlite::Result<Option<(State, Membership)>> {
    let Some(room) = state(connection, room)? else { return Ok(None) };
    let Some(device) = device_row(connection, device)? else { return Ok(None) };
    let intervals = membership::intervals(connection, room.row, device)?;
    let membership = Membership { intervals, head: room.head.sequence };
    Ok((!membership.intervals.is_empty()).then_some((room, membership)))
}
