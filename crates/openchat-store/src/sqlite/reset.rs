//! Names that a new key asks for, in SQLite.

use openchat_protocol::{InviteHash, Timestamp, Uid};
use openchat_transparency::body::ResetStep;
use openchat_transparency::reset::Wish;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{int, timestamp, user_name};
use super::failure::Failure;
use super::{account, device, key_log};
use crate::StoreError;
use crate::account::NewAccount;
use crate::key_log::NewLeaf;
use crate::reset::{ResetError, StoredReset, name_of_retired};

const SELECT: &str = "SELECT name, uid, hash, expires, wisher, asked, objected, approved, denied FROM reset ";

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredReset> {
    let wisher: Option<[u8; Uid::LENGTH]> = row.get(4)?;
    let wish = wisher.map(|uid| {
        let (asked, objected, approved) = (timestamp(row, 5)?, row.get(6)?, row.get(7)?);
        Ok::<_, rusqlite::Error>(Wish { uid: Uid(uid), asked, objected, approved })
    });
    Ok(StoredReset {
        name: user_name(row, 0)?,
        uid: Uid(row.get(1)?),
        hash: InviteHash(row.get(2)?),
        expires: timestamp(row, 3)?,
        wish: wish.transpose()?,
        denied: row.get(8)?,
    })
}

pub(super) fn all(connection: &Connection) -> Result<Vec<StoredReset>, Failure<StoreError>> {
    let mut find = connection.prepare_cached(&format!("{SELECT} ORDER BY name"))?;
    Ok(find.query_map([], stored)?.collect::<Result<_, _>>()?)
}

fn find(connection: &Connection, name: &str) -> rusqlite::Result<Option<StoredReset>> {
    connection.prepare_cached(&format!("{SELECT} WHERE name = ?1"))?.query_row([name], stored).optional()
}

fn put(connection: &Connection, reset: &StoredReset) -> rusqlite::Result<()> {
    let wish = reset.wish.as_ref();
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO reset (name, uid, hash, expires, wisher, asked, objected, approved, denied)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            reset.name.as_str(),
            reset.uid.0,
            reset.hash.0,
            int(reset.expires.0),
            wish.map(|wish| wish.uid.0),
            wish.map(|wish| int(wish.asked.0)),
            wish.is_some_and(|wish| wish.objected),
            wish.is_some_and(|wish| wish.approved),
            reset.denied,
        ])
        .map(drop)
}

pub(super) fn offer(connection: &Connection, new: &StoredReset) -> Result<(), Failure<ResetError>> {
    if find(connection, new.name.as_str())?.is_some_and(|known| known.is_open()) {
        return Err(Failure::Rule(ResetError::Open));
    }
    Ok(put(connection, new)?)
}

fn check(connection: &Connection, known: &StoredReset) -> Result<(), Failure<ResetError>> {
    let unchanged = find(connection, known.name.as_str())?.as_ref() == Some(known);
    if unchanged { Ok(()) } else { Err(Failure::Rule(ResetError::Changed)) }
}

pub(super) fn step(
    connection: &Connection,
    known: &StoredReset,
    (step, uid): (ResetStep, Uid),
    leaf: &NewLeaf,
    now: Timestamp,
) -> Result<StoredReset, Failure<ResetError>> {
    check(connection, known)?;
    let next = known.after(step, uid, key_log::time(connection, now)?).map_err(Failure::Rule)?;
    key_log::append(connection, leaf, now)?;
    put(connection, &next)?;
    Ok(next)
}

pub(super) fn finish(
    connection: &Connection,
    known: &StoredReset,
    new: &NewAccount,
    retired: &NewLeaf,
    now: Timestamp,
) -> Result<(), Failure<ResetError>> {
    check(connection, known)?;
    known.check_due(new.uid, key_log::time(connection, now)?).map_err(Failure::Rule)?;
    let kept_as = name_of_retired(known.uid);
    connection
        .prepare_cached(
            "UPDATE account SET name = ?2, skeleton = ?2, retired = ?3, disabled = 1 WHERE uid = ?1",
        )?
        .execute(params![known.uid.0, kept_as, known.name.as_str()])?;
    connection.prepare_cached("DELETE FROM invite WHERE creator = ?1")?.execute([known.uid.0])?;
    connection.prepare_cached("DELETE FROM reset WHERE name = ?1")?.execute([known.name.as_str()])?;
    device::revoke_others(connection, known.uid, &[])?;
    account::insert(connection, new, now)?;
    key_log::append(connection, retired, now)?;
    Ok(new.log.iter().try_for_each(|leaf| key_log::append(connection, leaf, now))?)
}
