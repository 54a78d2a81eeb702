//! Reading the vault back: what the engine goes on from.

use minicbor::Decode;
use openchat_e2ee::Suite;
use openchat_protocol::record::Position;
use openchat_protocol::{ChainHash, DeviceId, RoomId, Timestamp, Uid, UserName, codec};
use openchat_transparency::Label;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use zeroize::Zeroizing;

use super::apply::{CREDENTIALS, LIFE, VOUCHER};
use super::logged::LoadedKeyLog;
use super::record::{
    Contact, Credentials, EpochKey, Loaded, LoadedRoom, OutboxMessage, OwnCommit, RoomRecord, StoredGroup,
    StoredKeyPackage,
};

/// All but the rooms.
pub(super) fn load(database: &Connection) -> rusqlite::Result<Loaded> {
    Ok(Loaded {
        credentials: credentials(database)?,
        contacts: contacts(database)?,
        invites: all(database, "SELECT invite FROM invite", [], |row| decoded(row, 0))?,
        voucher: meta(database, VOUCHER)?,
        life: meta(database, LIFE)?,
        rooms: Vec::new(),
        key_packages: all(
            database,
            "SELECT id, secret, suite, last_resort, made FROM key_package",
            [],
            key_package,
        )?,
        key_log: key_log(database)?,
    })
}

fn key_log(database: &Connection) -> rusqlite::Result<LoadedKeyLog> {
    Ok(LoadedKeyLog {
        state: one(database, "SELECT state FROM key_log", [], |row| decoded(row, 0))?,
        labels: all(database, "SELECT label, known FROM key_log_label", [], |row| {
            Ok((Label(row.get(0)?), row.get(1)?))
        })?,
        people: all(database, "SELECT person FROM key_log_person", [], |row| decoded(row, 0))?,
    })
}

/// Who this profile is. A vault is made with it, so that its absence is damage.
pub(super) fn credentials(database: &Connection) -> rusqlite::Result<Credentials> {
    meta(database, CREDENTIALS)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

pub(super) fn contacts(database: &Connection) -> rusqlite::Result<Vec<Contact>> {
    all(database, "SELECT uid, name, first_seen, trust FROM contact", [], contact)
}

pub(super) fn room_records(database: &Connection) -> rusqlite::Result<Vec<RoomRecord>> {
    all(database, "SELECT record FROM room", [], |row| decoded(row, 0))
}

pub(super) fn outbox(database: &Connection) -> rusqlite::Result<Vec<OutboxMessage>> {
    all(database, "SELECT content FROM outbox ORDER BY number", [], |row| decoded(row, 0))
}

/// The newest key first.
pub(super) fn room_keys(database: &Connection, room: RoomId) -> rusqlite::Result<Vec<EpochKey>> {
    let sql = "SELECT epoch, id, key FROM room_key WHERE room = ?1 ORDER BY epoch DESC";
    all(database, sql, [room.as_bytes()], |row| {
        Ok(EpochKey { epoch: row.get(0)?, id: row.get(1)?, key: Zeroizing::new(row.get(2)?) })
    })
}

pub(super) fn setting(database: &Connection, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    one(database, "SELECT value FROM setting WHERE key = ?1", [key], |row| row.get(0))
}

pub(super) fn settings(database: &Connection, prefix: &str) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    let sql =
        "SELECT key, value FROM setting WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 ORDER BY key";
    all(database, sql, [prefix], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn load_room(database: &Connection, record: RoomRecord) -> rusqlite::Result<LoadedRoom> {
    let room = record.room;
    let outbox = "SELECT content FROM outbox WHERE room = ?1 ORDER BY number";
    let own_commit = "SELECT own_commit FROM own_commit WHERE room = ?1";
    Ok(LoadedRoom {
        group: one(
            database,
            "SELECT secret, tree FROM group_state WHERE room = ?1",
            [room.as_bytes()],
            stored_group,
        )?,
        own_commit: one(database, own_commit, [room.as_bytes()], |row| decoded::<OwnCommit>(row, 0))?,
        counters: all(
            database,
            "SELECT device, last FROM counter WHERE room = ?1",
            [room.as_bytes()],
            counter,
        )?,
        chain: all(
            database,
            "SELECT sequence, hash FROM chain WHERE room = ?1 ORDER BY sequence",
            [room.as_bytes()],
            position,
        )?,
        next_part: one(
            database,
            "SELECT coalesce(max(part) + 1, 0) FROM history WHERE room = ?1 AND sequence = ?2",
            params![room.as_bytes(), record.cursor.sequence],
            |row| row.get(0),
        )?
        .unwrap_or_default(),
        outbox: all(database, outbox, [room.as_bytes()], |row| decoded(row, 0))?,
        record,
    })
}

fn meta<T: for<'b> Decode<'b, ()>>(database: &Connection, key: &str) -> rusqlite::Result<Option<T>> {
    one(database, "SELECT value FROM meta WHERE key = ?1", [key], |row| decoded(row, 0))
}

pub(super) fn one<T>(
    database: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    database.prepare_cached(sql)?.query_row(values, read).optional()
}

pub(super) fn all<T>(
    database: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    database.prepare_cached(sql)?.query_map(values, read)?.collect()
}

/// The CBOR in a column.
pub(super) fn decoded<T: for<'b> Decode<'b, ()>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let bytes = Zeroizing::new(row.get::<_, Vec<u8>>(column)?);
    codec::decode(&bytes).map_err(|error| malformed(column, error))
}

/// An identifier in a column.
pub(super) fn uid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uid> {
    row.get(column).map(Uid)
}

fn malformed(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error))
}

fn contact(row: &Row<'_>) -> rusqlite::Result<Contact> {
    let name: UserName = row.get::<_, String>(1)?.parse().map_err(|error| malformed(1, error))?;
    let is_first_use = row.get_ref(3)?.as_blob_or_null()?.is_none();
    let (basis, claimants) = if is_first_use { Default::default() } else { decoded(row, 3)? };
    Ok(Contact { uid: uid(row, 0)?, name, first_seen: Timestamp(row.get(2)?), basis, claimants })
}

fn stored_group(row: &Row<'_>) -> rusqlite::Result<StoredGroup> {
    Ok(StoredGroup { secret: Zeroizing::new(row.get(0)?), tree: Some(row.get(1)?) })
}

fn counter(row: &Row<'_>) -> rusqlite::Result<(DeviceId, u64)> {
    Ok((decoded(row, 0)?, row.get(1)?))
}

fn position(row: &Row<'_>) -> rusqlite::Result<Position> {
    Ok(Position { sequence: row.get(0)?, chain: ChainHash(row.get(1)?) })
}

fn key_package(row: &Row<'_>) -> rusqlite::Result<StoredKeyPackage> {
    Ok(StoredKeyPackage {
        id: row.get(0)?,
        secret: Zeroizing::new(row.get(1)?),
        suite: Suite::from_id(row.get(2)?).ok_or(rusqlite::Error::IntegralValueOutOfRange(2, 0))?,
        last_resort: row.get(3)?,
        made: Timestamp(row.get(4)?),
    })
}
