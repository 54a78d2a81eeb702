//! Between the protocol's types and SQLite's columns.

use std::error::Error;
use std::str::FromStr;

use openchat_protocol::record::Position;
use openchat_protocol::{ChainHash, DeviceId, Did, RoomName, Timestamp, Uid, UserName};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// A number as SQLite keeps it. What is beyond its range is further than any log or clock gets.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What is in column `index` but is not what was put there.
pub(super) fn damaged(index: usize, error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, Box::new(error))
}

fn parsed<T: FromStr<Err: Error + Send + Sync + 'static>>(index: usize, text: &str) -> rusqlite::Result<T> {
    text.parse().map_err(|error| damaged(index, error))
}

pub(super) fn user_name(row: &Row<'_>, index: usize) -> rusqlite::Result<UserName> {
    parsed(index, row.get_ref(index)?.as_str()?)
}

pub(super) fn room_name(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<RoomName>> {
    row.get_ref(index)?.as_str_or_null()?.map(|text| parsed(index, text)).transpose()
}

pub(super) fn timestamp(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    row.get(index).map(Timestamp)
}

/// A sequence in column `index` and the chain in the one after it.
pub(super) fn position(row: &Row<'_>, index: usize) -> rusqlite::Result<Position> {
    Ok(Position { sequence: row.get(index)?, chain: ChainHash(row.get(index + 1)?) })
}

/// A uid in column `index` and a did in the one after it.
pub(super) fn device_id(row: &Row<'_>, index: usize) -> rusqlite::Result<DeviceId> {
    Ok(DeviceId { uid: Uid(row.get(index)?), did: Did(row.get(index + 1)?) })
}

/// The row of a device.
pub(super) fn device_row(connection: &Connection, device: DeviceId) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM device WHERE uid = ?1 AND did = ?2")?
        .query_row(params![device.uid.0, device.did.0], |row| row.get(0))
        .optional()
}

/// The row of a device that is not revoked.
pub(super) fn usable_device_row(connection: &Connection, device: DeviceId) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM device WHERE uid = ?1 AND did = ?2 AND NOT revoked")?
        .query_row(params![device.uid.0, device.did.0], |row| row.get(0))
        .optional()
}
