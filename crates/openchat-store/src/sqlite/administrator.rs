//! The mirror of each room's administrators in SQLite.

use openchat_protocol::Uid;
use rusqlite::{Connection, params};

pub(super) fn is_one(connection: &Connection, room: i64, uid: Uid) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM administrator WHERE room = ?1 AND uid = ?2")?
        .exists(params![room, uid.0])
}

/// Makes these the room's administrators, and nobody else.
pub(super) fn replace(
    connection: &Connection,
    room: i64,
    administrators: impl IntoIterator<Item = Uid>,
) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM administrator WHERE room = ?1")?.execute([room])?;
    let mut add = connection.prepare_cached("INSERT INTO administrator (room, uid) VALUES (?1, ?2)")?;
    administrators.into_iter().try_for_each(|uid| add.execute(params![room, uid.0]).map(drop))
}
