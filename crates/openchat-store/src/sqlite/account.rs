//! Accounts in SQLite.

use openchat_protocol::account::{Account, AccountSelector};
use openchat_protocol::{InviteHash, RoomName, Timestamp, Uid, UserName};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{int, timestamp, user_name};
use super::failure::Failure;
use super::{invite, key_log};
use crate::StoreError;
use crate::account::{CreateAccountError, NewAccount, NewCertificate, RenewAccountError, StoredAccount};
use crate::counts::Counts;

pub(super) fn create(
    connection: &Connection,
    new: &NewAccount,
    redeem: Option<InviteHash>,
    now: Timestamp,
) -> Result<Option<RoomName>, Failure<CreateAccountError>> {
    let skeleton = new.name.skeleton();
    let key_taken = connection
        .prepare_cached("SELECT 1 FROM account WHERE uid = ?1 OR identity_spki = ?2")?
        .exists(params![new.uid.0, new.identity_spki])?;
    if key_taken {
        return Err(Failure::Rule(CreateAccountError::KeyTaken));
    }
    let room = match redeem {
        Some(hash) => invite::redeem(connection, hash, now)?,
        None => None,
    };
    let name_taken =
        connection.prepare_cached("SELECT 1 FROM account WHERE skeleton = ?1")?.exists([&skeleton])?;
    if name_taken || is_in_log(connection, new)? {
        return Err(Failure::Rule(CreateAccountError::NameTaken));
    }
    insert(connection, new, now)?;
    new.log.iter().try_for_each(|leaf| key_log::append(connection, leaf, now))?;
    Ok(room)
}

pub(super) fn insert(connection: &Connection, new: &NewAccount, now: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO account
             (uid, name, skeleton, identity_spki, identity_certificate, issuing_certificate, created, list_version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
        )?
        .execute(params![
            new.uid.0,
            new.name.as_str(),
            new.name.skeleton(),
            new.identity_spki,
            new.identity_certificate,
            new.issuing_certificate,
            int(now.0),
        ])?;
    Ok(())
}

/// Whether the name, or the key, is of an account that was lost with a part of the database, and may be given back.
fn is_in_log(connection: &Connection, new: &NewAccount) -> rusqlite::Result<bool> {
    for leaf in &new.log {
        if key_log::newest(connection, &leaf.label)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives an account another certificate, under the leaf that its key has signed for.
pub(super) fn renew(
    connection: &Connection,
    new: &NewCertificate,
    now: Timestamp,
) -> Result<(), Failure<RenewAccountError>> {
    let known = key_log::newest(connection, &new.leaf.label)?.map_or(0, |(_, leaf, _)| leaf.seq);
    if known.checked_add(1) != Some(new.seq) {
        return Err(Failure::Rule(RenewAccountError::Place { known }));
    }
    let changed = connection
        .prepare_cached(
            "UPDATE account SET identity_certificate = ?2, issuing_certificate = ?3
             WHERE uid = ?1 AND retired IS NULL",
        )?
        .execute(params![new.uid.0, new.identity_certificate, new.issuing_certificate])?;
    if changed == 0 {
        return Err(Failure::Rule(RenewAccountError::AccountUnknown));
    }
    Ok(key_log::append(connection, &new.leaf, now)?)
}

pub(super) fn exist(connection: &Connection) -> Result<bool, Failure<StoreError>> {
    Ok(connection.prepare_cached("SELECT 1 FROM account LIMIT 1")?.exists([])?)
}

const SELECT: &str =
    "SELECT uid, coalesce(retired, name), identity_certificate, issuing_certificate, identity_spki,
                             disabled, created, retired IS NOT NULL
                      FROM account WHERE ";

pub(super) fn find(
    connection: &Connection,
    selector: &AccountSelector,
) -> Result<Option<StoredAccount>, Failure<StoreError>> {
    let found = match selector {
        AccountSelector::Uid(uid) => {
            connection.prepare_cached(&format!("{SELECT} uid = ?1"))?.query_row([uid.0], stored)
        }
        AccountSelector::Name(name) => {
            connection.prepare_cached(&format!("{SELECT} name = ?1"))?.query_row([name.as_str()], stored)
        }
    };
    Ok(found.optional()?)
}

pub(super) fn after(
    connection: &Connection,
    name: Option<&UserName>,
    limit: usize,
) -> Result<Vec<StoredAccount>, Failure<StoreError>> {
    let mut find = connection
        .prepare_cached(&format!("{SELECT} retired IS NULL AND name > ?1 ORDER BY name LIMIT ?2"))?;
    // Every name is after the empty text.
    let name = name.map_or("", UserName::as_str);
    Ok(find.query_map(params![name, limit], stored)?.collect::<Result<_, _>>()?)
}

/// Accounts that are older than the log of keys.
pub(super) fn unlogged(
    connection: &Connection,
    limit: usize,
) -> Result<Vec<StoredAccount>, Failure<StoreError>> {
    let mut find = connection.prepare_cached(&format!("{SELECT} list_version IS NULL LIMIT ?1"))?;
    Ok(find.query_map([limit], stored)?.collect::<Result<_, _>>()?)
}

/// Records by the heads of their rooms: counting them one by one would take long.
pub(super) fn counts(connection: &Connection) -> Result<Counts, Failure<StoreError>> {
    let counts = connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM account WHERE retired IS NULL), count(*), coalesce(sum(head), 0)
             FROM room WHERE room IS NOT NULL",
        )?
        .query_row([], |row| {
            Ok(Counts { accounts: row.get(0)?, rooms: row.get(1)?, records: row.get(2)? })
        })?;
    Ok(counts)
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredAccount> {
    let account = Account {
        uid: Uid(row.get(0)?),
        name: user_name(row, 1)?,
        identity_certificate: row.get::<_, Vec<u8>>(2)?.into(),
        issuing_certificate: row.get::<_, Vec<u8>>(3)?.into(),
    };
    Ok(StoredAccount {
        account,
        identity_spki: row.get(4)?,
        disabled: row.get(5)?,
        created: timestamp(row, 6)?,
        retired: row.get(7)?,
    })
}

pub(super) fn set_disabled(
    connection: &Connection,
    uid: Uid,
    disabled: bool,
) -> Result<bool, Failure<StoreError>> {
    let changed = connection
        .prepare_cached("UPDATE account SET disabled = ?2 WHERE uid = ?1 AND retired IS NULL")?
        .execute(params![uid.0, disabled])?;
    Ok(changed > 0)
}
