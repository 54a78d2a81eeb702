//! Devices in SQLite.

use minicbor::bytes::ByteVec;
use openchat_protocol::limits::DEVICES_PER_USER;
use openchat_protocol::{DeviceId, Did, Timestamp, Uid, codec};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{damaged, device_id, int, timestamp, user_name};
use super::failure::Failure;
use super::{key_log, key_package, welcome};
use crate::StoreError;
use crate::device::{EnrolError, NewDevice, StoredDevice};

pub(super) fn enrol(
    connection: &Connection,
    new: &NewDevice,
    now: Timestamp,
) -> Result<(), Failure<EnrolError>> {
    let DeviceId { uid, did } = new.device;
    if !connection
        .prepare_cached("SELECT 1 FROM account WHERE uid = ?1 AND retired IS NULL")?
        .exists([uid.0])?
    {
        return Err(Failure::Rule(EnrolError::AccountUnknown));
    }
    let known = connection
        .prepare_cached("SELECT id, revoked, public_key FROM device WHERE uid = ?1 AND did = ?2")?
        .query_row(params![uid.0, did.0], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?)))
        .optional()?;
    match &known {
        Some((_, true, _)) => Err(Failure::Rule(EnrolError::DeviceRevoked)),
        Some((_, _, key)) if *key != new.public_key => Err(Failure::Rule(EnrolError::KeyDiffers)),
        Some((id, ..)) => renew(connection, *id, new),
        None => add(connection, new, now),
    }?;
    match &new.list {
        Some(list) => key_log::publish_devices(connection, uid, list, now).map_err(|failure| match failure {
            Failure::Rule(error) => Failure::Rule(error.into()),
            Failure::Sqlite(error) => Failure::Sqlite(error),
        }),
        None => Ok(()),
    }
}

fn encoded(chain: &[Vec<u8>]) -> Vec<u8> {
    codec::encode(&chain.iter().cloned().map(ByteVec::from).collect::<Vec<_>>())
}

fn renew(connection: &Connection, id: i64, new: &NewDevice) -> Result<(), Failure<EnrolError>> {
    connection
        .prepare_cached("UPDATE device SET chain = ?2 WHERE id = ?1")?
        .execute(params![id, encoded(&new.chain)])?;
    Ok(())
}

fn add(connection: &Connection, new: &NewDevice, now: Timestamp) -> Result<(), Failure<EnrolError>> {
    let uid = new.device.uid;
    let active: usize = connection
        .prepare_cached("SELECT count(*) FROM device WHERE uid = ?1 AND NOT revoked")?
        .query_row([uid.0], |row| row.get(0))?;
    if active >= DEVICES_PER_USER {
        return Err(Failure::Rule(EnrolError::TooManyDevices));
    }
    Ok(insert(connection, new, now)?)
}

pub(super) fn insert(connection: &Connection, new: &NewDevice, now: Timestamp) -> rusqlite::Result<()> {
    let DeviceId { uid, did } = new.device;
    connection
        .prepare_cached(
            "INSERT INTO device (uid, did, public_key, chain, last_seen) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![uid.0, did.0, new.public_key, encoded(&new.chain), int(now.0)])
        .map(drop)
}

const SELECT: &str = "SELECT d.uid, d.did, a.name, d.public_key, d.chain, d.revoked, a.disabled, d.last_seen
                      FROM device d JOIN account a ON a.uid = d.uid WHERE ";

pub(super) fn find(
    connection: &Connection,
    device: DeviceId,
) -> Result<Option<StoredDevice>, Failure<StoreError>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} d.uid = ?1 AND d.did = ?2"))?;
    Ok(statement.query_row(params![device.uid.0, device.did.0], stored).optional()?)
}

pub(super) fn of_user(connection: &Connection, uid: Uid) -> Result<Vec<StoredDevice>, Failure<StoreError>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} d.uid = ?1 ORDER BY d.id"))?;
    Ok(statement.query_map([uid.0], stored)?.collect::<Result<_, _>>()?)
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredDevice> {
    let chain: Vec<ByteVec> = codec::decode(row.get_ref(4)?.as_blob()?).map_err(|error| damaged(4, error))?;
    Ok(StoredDevice {
        device: device_id(row, 0)?,
        name: user_name(row, 2)?,
        public_key: row.get(3)?,
        chain: chain.into_iter().map(Vec::from).collect(),
        revoked: row.get(5)?,
        account_disabled: row.get(6)?,
        last_seen: timestamp(row, 7)?,
    })
}

pub(super) fn revoke(connection: &Connection, device: DeviceId) -> Result<bool, Failure<StoreError>> {
    Ok(revoke_row(connection, device)?)
}

fn revoke_row(connection: &Connection, device: DeviceId) -> rusqlite::Result<bool> {
    let id = connection
        .prepare_cached("UPDATE device SET revoked = 1 WHERE uid = ?1 AND did = ?2 RETURNING id")?
        .query_row(params![device.uid.0, device.did.0], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Ok(false) };
    key_package::forget_all(connection, id)?;
    welcome::forget_all(connection, id)?;
    Ok(true)
}

/// Revokes the devices of `uid` that are not among `listed`.
pub(super) fn revoke_others<E>(connection: &Connection, uid: Uid, listed: &[Did]) -> Result<(), Failure<E>> {
    let mut find = connection.prepare_cached("SELECT uid, did FROM device WHERE uid = ?1 AND NOT revoked")?;
    let devices: Vec<DeviceId> =
        find.query_map([uid.0], |row| device_id(row, 0))?.collect::<Result<_, _>>()?;
    for device in devices.into_iter().filter(|device| !listed.contains(&device.did)) {
        revoke_row(connection, device)?;
    }
    Ok(())
}

pub(super) fn touch(
    connection: &Connection,
    device: DeviceId,
    now: Timestamp,
) -> Result<(), Failure<StoreError>> {
    connection
        .prepare_cached("UPDATE device SET last_seen = ?3 WHERE uid = ?1 AND did = ?2 AND last_seen < ?3")?
        .execute(params![device.uid.0, device.did.0, int(now.0)])?;
    Ok(())
}
