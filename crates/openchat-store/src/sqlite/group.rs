//! The group for joiners in SQLite.

use openchat_protocol::append::GroupSnapshot;
use openchat_protocol::record::Base;
use openchat_protocol::room::{FetchJoinInfo, JoinInfo, RoomSelector};
use openchat_protocol::{DeviceId, Incarnation, RoomId, RoomName, Uid};
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{device_id, room_name};
use super::failure::Failure;
use super::room::{self, State};
use crate::StoreError;
use crate::group::JoinOffer;

/// Makes this what joiners get.
pub(super) fn put(
    connection: &Connection,
    room: i64,
    author: Uid,
    group: &GroupSnapshot,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO room_group (room, author, group_info, tree) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (room) DO UPDATE
             SET author = excluded.author, group_info = excluded.group_info, tree = excluded.tree",
        )?
        .execute(params![room, author.0, group.group_info.as_slice(), group.tree.as_slice()])
        .map(drop)
}

pub(super) fn offer(
    connection: &Connection,
    request: &FetchJoinInfo,
    joiner: DeviceId,
    incarnation: Incarnation,
) -> Result<Option<JoinOffer>, Failure<StoreError>> {
    let id = match &request.room {
        RoomSelector::Id(room) => Some(*room),
        RoomSelector::Name(name) => by_name(connection, name)?,
    };
    let Some(id) = id else { return Ok(None) };
    let Some(room) = room::state(connection, id)? else { return Ok(None) };
    if !room::is_open_to(connection, &room, joiner.uid)? {
        return Ok(None);
    }
    let offer = if request.doubted.contains(&author(connection, room.row)?) {
        let mut helpers = members(connection, room.row)?;
        helpers.retain(|device| device.uid != joiner.uid && !request.doubted.contains(&device.uid));
        JoinOffer::Doubted { room: id, helpers }
    } else {
        JoinOffer::Group(join_info(connection, id, &room, incarnation)?)
    };
    Ok(Some(offer))
}

fn author(connection: &Connection, room: i64) -> rusqlite::Result<Uid> {
    connection
        .prepare_cached("SELECT author FROM room_group WHERE room = ?1")?
        .query_row([room], |row| row.get(0).map(Uid))
}

fn join_info(
    connection: &Connection,
    id: RoomId,
    room: &State,
    incarnation: Incarnation,
) -> rusqlite::Result<JoinInfo> {
    connection
        .prepare_cached(
            "SELECT r.name, g.author, g.group_info, g.tree
             FROM room r JOIN room_group g ON g.room = r.id WHERE r.id = ?1",
        )?
        .query_row([room.row], |row| {
            Ok(JoinInfo {
                room: id,
                name: room_name(row, 0)?,
                base: Base { incarnation, commit: room.last_commit },
                group: GroupSnapshot {
                    group_info: row.get::<_, Vec<u8>>(2)?.into(),
                    tree: row.get::<_, Vec<u8>>(3)?.into(),
                },
                by: Uid(row.get(1)?),
            })
        })
}

fn by_name(connection: &Connection, name: &RoomName) -> rusqlite::Result<Option<RoomId>> {
    // Names are unique because their skeletons are; the index is on the skeleton.
    connection
        .prepare_cached("SELECT room FROM room WHERE skeleton = ?1 AND name = ?2")?
        .query_row(params![name.skeleton(), name.as_str()], |row| row.get(0).map(RoomId))
        .optional()
}

fn members(connection: &Connection, room: i64) -> rusqlite::Result<Vec<DeviceId>> {
    connection
        .prepare_cached(
            "SELECT d.uid, d.did FROM membership m JOIN device d ON d.id = m.device
             WHERE m.room = ?1 AND m.ended_at IS NULL ORDER BY d.uid, d.did",
        )?
        .query_map([room], |row| device_id(row, 0))?
        .collect()
}
