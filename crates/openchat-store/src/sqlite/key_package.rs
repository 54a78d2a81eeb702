//! Key packages in SQLite.

use openchat_protocol::account::{ClaimedKeyPackage, PublishKeyPackages};
use openchat_protocol::limits::KEY_PACKAGES;
use openchat_protocol::{DeviceId, Uid};
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{device_id, device_row, usable_device_row};
use super::failure::Failure;
use crate::StoreError;
use crate::key_package::PublishKeyPackagesError;

pub(super) fn publish(
    connection: &Connection,
    device: DeviceId,
    packages: &PublishKeyPackages,
) -> Result<u32, Failure<PublishKeyPackagesError>> {
    let device = usable_device_row(connection, device)?;
    let device = device.ok_or(Failure::Rule(PublishKeyPackagesError::DeviceUnknown))?;
    let mut add = connection.prepare_cached(
        "INSERT INTO key_package (device, last_resort, package) SELECT ?1, 0, ?2
         WHERE NOT EXISTS (SELECT 1 FROM key_package WHERE device = ?1 AND NOT last_resort AND package = ?2)",
    )?;
    for package in &packages.one_time {
        add.execute(params![device, package.as_slice()])?;
    }
    if let Some(package) = &packages.last_resort {
        replace_last_resort(connection, device, package)?;
    }
    let count = one_time(connection, device)?;
    if count as usize > KEY_PACKAGES {
        return Err(Failure::Rule(PublishKeyPackagesError::TooMany));
    }
    Ok(count)
}

fn replace_last_resort(connection: &Connection, device: i64, package: &[u8]) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM key_package WHERE device = ?1 AND last_resort")?
        .execute([device])?;
    connection
        .prepare_cached("INSERT INTO key_package (device, last_resort, package) VALUES (?1, 1, ?2)")?
        .execute(params![device, package])
        .map(drop)
}

fn one_time(connection: &Connection, device: i64) -> rusqlite::Result<u32> {
    connection
        .prepare_cached("SELECT count(*) FROM key_package WHERE device = ?1 AND last_resort = 0")?
        .query_row([device], |row| row.get(0))
}

pub(super) fn count(connection: &Connection, device: DeviceId) -> Result<u32, Failure<StoreError>> {
    match device_row(connection, device)? {
        Some(device) => Ok(one_time(connection, device)?),
        None => Ok(0),
    }
}

pub(super) fn claim(
    connection: &Connection,
    uid: Uid,
) -> Result<Vec<ClaimedKeyPackage>, Failure<StoreError>> {
    let mut devices = connection
        .prepare_cached("SELECT id, uid, did FROM device WHERE uid = ?1 AND NOT revoked ORDER BY did")?;
    let devices: Vec<(i64, DeviceId)> =
        devices.query_map([uid.0], |row| Ok((row.get(0)?, device_id(row, 1)?)))?.collect::<Result<_, _>>()?;
    let mut claimed = Vec::with_capacity(devices.len());
    for (row, device) in devices {
        if let Some(package) = claim_one(connection, row)? {
            claimed.push(ClaimedKeyPackage { device, key_package: package.into() });
        }
    }
    Ok(claimed)
}

/// The oldest one-time package, which is deleted, or else the last resort.
fn claim_one(connection: &Connection, device: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    let found = connection
        .prepare_cached(
            "SELECT id, last_resort, package FROM key_package WHERE device = ?1 ORDER BY last_resort, id LIMIT 1",
        )?
        .query_row([device], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, row.get(2)?)))
        .optional()?;
    let Some((id, last_resort, package)) = found else { return Ok(None) };
    if !last_resort {
        connection.prepare_cached("DELETE FROM key_package WHERE id = ?1")?.execute([id])?;
    }
    Ok(Some(package))
}

pub(super) fn forget_all(connection: &Connection, device: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM key_package WHERE device = ?1")?.execute([device]).map(drop)
}
