//! The group for joiners in SQLite.

use openchat_protocol::append::{GroupSnapshot, GroupUpdate};
use openchat_protocol::record::Base;
use openchat_protocol::room::{FetchJoinInfo, JoinInfo, RoomSelector};
use openchat_protocol::tree::{Tree, TreeChange, TreeMarks};
use openchat_protocol::{DeviceId, Incarnation, RoomId, RoomName, Uid};
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{damaged, device_id, room_name};
use super::failure::Failure;
use super::room::{self, State};
use crate::StoreError;
use crate::group::JoinOffer;
use crate::room_log::AppendError;

/// The group of a new room.
pub(super) fn create(
    connection: &Connection,
    room: i64,
    author: Uid,
    group: &GroupSnapshot,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO room_group (room, author, group_info, marks) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![room, author.0, group.group_info.as_slice(), group.tree.marks().to_bytes()])?;
    put_nodes(connection, room, (0..).zip(group.tree.nodes()))
}

/// What the tree will be, if it is the one that the change was made for.
pub(super) fn marks_after(
    connection: &Connection,
    room: i64,
    change: &TreeChange,
) -> Result<TreeMarks, Failure<AppendError>> {
    marks(connection, room)?.after(change).map_err(|error| Failure::Rule(error.into()))
}

fn marks(connection: &Connection, room: i64) -> rusqlite::Result<TreeMarks> {
    connection.prepare_cached("SELECT marks FROM room_group WHERE room = ?1")?.query_row([room], |row| {
        TreeMarks::from_bytes(row.get_ref(0)?.as_blob()?).map_err(|error| damaged(0, error))
    })
}

/// Makes this what joiners get.
pub(super) fn update(
    connection: &Connection,
    room: i64,
    author: Uid,
    update: &GroupUpdate,
    marks: &TreeMarks,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE room_group SET author = ?2, group_info = ?3, marks = ?4, lost = 0 WHERE room = ?1",
        )?
        .execute(params![room, author.0, update.group_info.as_slice(), marks.to_bytes()])?;
    connection
        .prepare_cached("DELETE FROM room_node WHERE room = ?1 AND place >= ?2")?
        .execute(params![room, update.tree.length])?;
    put_nodes(connection, room, update.tree.changed.iter().map(|it| (it.index, it.node.as_slice())))
}

fn put_nodes<'a>(
    connection: &Connection,
    room: i64,
    nodes: impl Iterator<Item = (u32, &'a [u8])>,
) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO room_node (room, place, node) VALUES (?1, ?2, ?3)
         ON CONFLICT (room, place) DO UPDATE SET node = excluded.node",
    )?;
    for (place, node) in nodes {
        put.execute(params![room, place, node])?;
    }
    Ok(())
}

/// The tree as it is now.
pub(super) fn tree(connection: &Connection, room: i64) -> rusqlite::Result<Tree> {
    let nodes = connection
        .prepare_cached("SELECT node FROM room_node WHERE room = ?1 ORDER BY place")?
        .query_map([room], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Tree::new(nodes))
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
    let author = author(connection, room.row)?;
    let offer = if author.is_none_or(|author| request.doubted.contains(&author)) {
        let mut helpers = members(connection, room.row)?;
        helpers.retain(|device| device.uid != joiner.uid && !request.doubted.contains(&device.uid));
        JoinOffer::Doubted { room: id, helpers }
    } else {
        JoinOffer::Group(join_info(connection, id, &room, incarnation)?)
    };
    Ok(Some(offer))
}

/// Whose group joiners get; nobody's, when it was lost.
fn author(connection: &Connection, room: i64) -> rusqlite::Result<Option<Uid>> {
    connection
        .prepare_cached("SELECT author FROM room_group WHERE room = ?1 AND NOT lost")?
        .query_row([room], |row| row.get(0).map(Uid))
        .optional()
}

/// What came with the last commit is lost: joiners get nothing until the next one.
pub(super) fn lose(connection: &Connection, room: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE room_group SET lost = 1 WHERE room = ?1")?.execute([room]).map(drop)
}

fn join_info(
    connection: &Connection,
    id: RoomId,
    room: &State,
    incarnation: Incarnation,
) -> rusqlite::Result<JoinInfo> {
    connection
        .prepare_cached(
            "SELECT r.name, g.author, g.group_info
             FROM room r JOIN room_group g ON g.room = r.id WHERE r.id = ?1",
        )?
        .query_row([room.row], |row| {
            Ok(JoinInfo {
                room: id,
                name: room_name(row, 0)?,
                base: Base { incarnation, commit: room.last_commit },
                group: GroupSnapshot {
                    group_info: row.get::<_, Vec<u8>>(2)?.into(),
                    tree: tree(connection, room.row)?,
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
