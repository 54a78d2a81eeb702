//! Key packages in SQLite.

use openchat_protocol::DeviceId;
use openchat_protocol::account::{ClaimKeyPackages, ClaimedKeyPackage, KeyPackageCount, PublishKeyPackages};
use openchat_protocol::limits::{KEY_PACKAGE_SUITES, KEY_PACKAGES};
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
        "INSERT INTO key_package (device, suite, last_resort, package) SELECT ?1, ?2, 0, ?3 WHERE NOT EXISTS
         (SELECT 1 FROM key_package WHERE device = ?1 AND suite = ?2 AND NOT last_resort AND package = ?3)",
    )?;
    for package in &packages.one_time {
        add.execute(params![device, packages.suite, package.as_slice()])?;
    }
    if let Some(package) = &packages.last_resort {
        replace_last_resort(connection, device, packages.suite, package)?;
    }
    check(connection, device, packages.suite)
}

fn replace_last_resort(
    connection: &Connection,
    device: i64,
    suite: u16,
    package: &[u8],
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM key_package WHERE device = ?1 AND suite = ?2 AND last_resort = 1")?
        .execute(params![device, suite])?;
    connection
        .prepare_cached(
            "INSERT INTO key_package (device, suite, last_resort, package) VALUES (?1, ?2, 1, ?3)",
        )?
        .execute(params![device, suite, package])
        .map(drop)
}

/// The one-time packages of a suite, if there is not too much of anything.
fn check(connection: &Connection, device: i64, suite: u16) -> Result<u32, Failure<PublishKeyPackagesError>> {
    let counts = of_row(connection, device)?;
    let one_time = counts.iter().find(|count| count.suite == suite).map_or(0, |count| count.one_time);
    if one_time as usize > KEY_PACKAGES {
        return Err(Failure::Rule(PublishKeyPackagesError::TooMany));
    }
    if counts.len() > KEY_PACKAGE_SUITES {
        return Err(Failure::Rule(PublishKeyPackagesError::TooManySuites));
    }
    Ok(one_time)
}

fn of_row(connection: &Connection, device: i64) -> rusqlite::Result<Vec<KeyPackageCount>> {
    connection
        .prepare_cached(
            "SELECT suite, sum(last_resort = 0) FROM key_package WHERE device = ?1 GROUP BY suite ORDER BY suite",
        )?
        .query_map([device], |row| Ok(KeyPackageCount { suite: row.get(0)?, one_time: row.get(1)? }))?
        .collect()
}

pub(super) fn counts(
    connection: &Connection,
    device: DeviceId,
) -> Result<Vec<KeyPackageCount>, Failure<StoreError>> {
    match device_row(connection, device)? {
        Some(device) => Ok(of_row(connection, device)?),
        None => Ok(Vec::new()),
    }
}

pub(super) fn claim(
    connection: &Connection,
    claim: ClaimKeyPackages,
) -> Result<Vec<ClaimedKeyPackage>, Failure<StoreError>> {
    let mut devices = connection
        .prepare_cached("SELECT id, uid, did FROM device WHERE uid = ?1 AND NOT revoked ORDER BY did")?;
    let devices: Vec<(i64, DeviceId)> = devices
        .query_map([claim.uid.0], |row| Ok((row.get(0)?, device_id(row, 1)?)))?
        .collect::<Result<_, _>>()?;
    let mut claimed = Vec::with_capacity(devices.len());
    for (row, device) in devices.into_iter().filter(|(_, it)| claim.device.is_none_or(|did| did == it.did)) {
        if let Some(package) = claim_one(connection, row, claim.suite)? {
            claimed.push(ClaimedKeyPackage { device, key_package: package.into() });
        }
    }
    Ok(claimed)
}

/// The oldest one-time package, which is deleted, or else the last resort.
fn claim_one(connection: &Connection, device: i64, suite: u16) -> rusqlite::Result<Option<Vec<u8>>> {
    let found = connection
        .prepare_cached(
            "SELECT id, last_resort, package FROM key_package WHERE device = ?1 AND suite = ?2
             ORDER BY last_resort, id LIMIT 1",
        )?
        .query_row(params![device, suite], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, row.get(2)?))
        })
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
