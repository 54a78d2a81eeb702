//! The log of keys in SQLite.

use openchat_protocol::{Timestamp, Uid};
use openchat_transparency::tree::{self, Nodes};
use openchat_transparency::{Entry, Hash, Kind, Label, Leaf, Opening, Path, TreeError};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{damaged, int};
use super::failure::Failure;
use super::{account, device};
use crate::StoreError;
use crate::account::StoredAccount;
use crate::key_log::{self, DeviceListError, LogState, LoggedEntries, LoggedTail, NewDeviceList, NewLeaf};

struct TreeNodes<'a>(&'a Connection);

impl Nodes for TreeNodes<'_> {
    type Error = rusqlite::Error;

    fn read(&self, numbers: &[u64]) -> rusqlite::Result<Vec<Hash>> {
        let mut find = self.0.prepare_cached("SELECT hash FROM key_log_node WHERE id = ?1")?;
        let mut found = Vec::with_capacity(numbers.len());
        for number in numbers {
            found.extend(find.query_row([int(*number)], |row| row.get(0).map(Hash)).optional()?);
        }
        Ok(found)
    }
}

fn broken(error: TreeError<rusqlite::Error>) -> rusqlite::Error {
    match error {
        TreeError::Store(error) => error,
        TreeError::Missing => damaged(0, TreeError::<std::convert::Infallible>::Missing),
        TreeError::OutOfRange => damaged(0, TreeError::<std::convert::Infallible>::OutOfRange),
    }
}

fn leaf(row: &Row<'_>, column: usize) -> rusqlite::Result<Leaf> {
    Leaf::from_bytes(row.get_ref(column)?.as_blob()?).map_err(|error| damaged(column, error))
}

/// Leaves, and the time of the last one.
fn end(connection: &Connection) -> rusqlite::Result<(u64, Timestamp)> {
    let last = connection
        .prepare_cached("SELECT id, leaf FROM key_log ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, u64>(0)?, leaf(row, 1)?.time)))
        .optional()?;
    Ok(last.map_or((0, Timestamp(0)), |(index, time)| (index + 1, time)))
}

pub(super) fn newest(
    connection: &Connection,
    label: &Label,
) -> rusqlite::Result<Option<(u64, Leaf, Option<Opening>)>> {
    connection
        .prepare_cached(
            "SELECT id, leaf, nonce, body FROM key_log WHERE label = ?1 ORDER BY id DESC LIMIT 1",
        )?
        .query_row([label.0], |row| Ok((row.get(0)?, leaf(row, 1)?, opening(row, 2)?)))
        .optional()
}

pub(super) fn append(connection: &Connection, new: &NewLeaf, now: Timestamp) -> rusqlite::Result<()> {
    let (size, latest) = end(connection)?;
    let before = newest(connection, &new.label)?.map(|(index, leaf, _)| (index, leaf.seq));
    insert(connection, size, &new.after(before, latest, now), Some(&new.opening))
}

/// Makes `leaf` the one after the first `size` leaves.
pub(super) fn insert(
    connection: &Connection,
    size: u64,
    leaf: &Leaf,
    opening: Option<&Opening>,
) -> rusqlite::Result<()> {
    let nodes = tree::nodes_of(leaf, size, &TreeNodes(connection)).map_err(broken)?;
    let first = tree::first_node(size).map_err(|error| damaged(0, error))?;
    let mut insert = connection.prepare_cached("INSERT INTO key_log_node (id, hash) VALUES (?1, ?2)")?;
    for (number, hash) in (first..).zip(nodes) {
        insert.execute(params![int(number), hash.0])?;
    }
    let (nonce, body) = opening.map(|opening| (&opening.nonce, &opening.body)).unzip();
    connection
        .prepare_cached("INSERT INTO key_log (id, label, leaf, nonce, body) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![int(size), leaf.label.0, leaf.to_bytes(), nonce, body])?;
    Ok(())
}

/// The time that the next leaf gets.
pub(super) fn time(connection: &Connection, now: Timestamp) -> rusqlite::Result<Timestamp> {
    Ok(end(connection)?.1.max(now))
}

pub(super) fn history(
    connection: &Connection,
    label: &Label,
    size: u64,
) -> Result<Vec<Entry>, Failure<StoreError>> {
    let mut find = connection.prepare_cached(
        "SELECT id, leaf, nonce, body FROM key_log WHERE label = ?1 AND id < ?2 ORDER BY id",
    )?;
    let rows = find.query_map(params![label.0, int(size)], |row| {
        Ok((row.get::<_, u64>(0)?, leaf(row, 1)?, opening(row, 2)?))
    })?;
    let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
    rows.pop();
    let opened = rows.into_iter().filter_map(|(index, leaf, opening)| Some((index, leaf, opening?)));
    let entries = opened.map(|(index, leaf, opening)| {
        key_log::entry(index, leaf, opening, size, &TreeNodes(connection)).map_err(broken)
    });
    Ok(entries.collect::<Result<_, _>>()?)
}

/// How many leaves there are.
pub(super) fn size(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(end(connection)?.0)
}

pub(super) fn append_all(
    connection: &Connection,
    leaves: &[NewLeaf],
    now: Timestamp,
) -> Result<(), Failure<StoreError>> {
    Ok(leaves.iter().try_for_each(|leaf| append(connection, leaf, now))?)
}

pub(super) fn state(connection: &Connection) -> Result<LogState, Failure<StoreError>> {
    let (size, _) = end(connection)?;
    // Nearly always the first one that is looked at: the other events under this label are rare.
    let mut about_the_server =
        connection.prepare_cached("SELECT leaf FROM key_log WHERE label = ?1 ORDER BY id DESC")?;
    let mut leaves = about_the_server.query_map([Label::LOG.0], |row| leaf(row, 0))?;
    let heartbeat = leaves.find(|it| it.as_ref().map_or(true, |leaf| leaf.kind == Kind::Heartbeat));
    let heartbeat = heartbeat.transpose()?.map(|leaf| leaf.time);
    Ok(LogState { size, root: root(connection, size)?, heartbeat })
}

pub(super) fn last_authority_event(connection: &Connection) -> Result<Option<Opening>, Failure<StoreError>> {
    let mut about_the_server = connection
        .prepare_cached("SELECT leaf, nonce, body FROM key_log WHERE label = ?1 ORDER BY id DESC")?;
    let mut rows = about_the_server.query([Label::LOG.0])?;
    while let Some(row) = rows.next()? {
        if leaf(row, 0)?.kind == Kind::Authority {
            return Ok(opening(row, 1)?);
        }
    }
    Ok(None)
}

/// Nothing when it was erased.
fn opening(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Opening>> {
    let (nonce, body): (Option<[u8; 32]>, Option<Vec<u8>>) = (row.get(column)?, row.get(column + 1)?);
    Ok(nonce.zip(body).map(|(nonce, body)| Opening { nonce, body }))
}

pub(super) fn root(connection: &Connection, size: u64) -> rusqlite::Result<Hash> {
    tree::root(size, &TreeNodes(connection)).map_err(broken)
}

fn consistency(connection: &Connection, known: u64, size: u64) -> rusqlite::Result<Path> {
    key_log::consistency(known, size, &TreeNodes(connection)).map_err(broken)
}

pub(super) fn entries(
    connection: &Connection,
    labels: &[Label],
    known: u64,
) -> Result<LoggedEntries, Failure<StoreError>> {
    let (size, _) = end(connection)?;
    let entries = labels.iter().map(|label| entry(connection, label, size)).collect::<Result<_, _>>()?;
    let (root, consistency) = (root(connection, size)?, consistency(connection, known, size)?);
    Ok(LoggedEntries { size, root, consistency, entries })
}

fn entry(connection: &Connection, label: &Label, size: u64) -> rusqlite::Result<Option<Entry>> {
    let Some((index, leaf, Some(opening))) = newest(connection, label)? else { return Ok(None) };
    key_log::entry(index, leaf, opening, size, &TreeNodes(connection)).map(Some).map_err(broken)
}

pub(super) fn tail(
    connection: &Connection,
    known: u64,
    from: u64,
    limit: usize,
) -> Result<LoggedTail, Failure<StoreError>> {
    let (size, _) = end(connection)?;
    let mut find =
        connection.prepare_cached("SELECT leaf FROM key_log WHERE id >= ?1 ORDER BY id LIMIT ?2")?;
    let leaves: Vec<Leaf> =
        find.query_map(params![int(from), limit], |row| leaf(row, 0))?.collect::<Result<_, _>>()?;
    let page_end = from.saturating_add(leaves.len() as u64);
    Ok(LoggedTail {
        size,
        root: root(connection, size)?,
        consistency: consistency(connection, known, size)?,
        leaves,
        beyond: consistency(connection, page_end, size)?,
    })
}

pub(super) fn compare(
    connection: &Connection,
    old: u64,
    new: u64,
) -> Result<Option<(Hash, Path)>, Failure<StoreError>> {
    let (size, _) = end(connection)?;
    Ok(key_log::compare(old, new, size, &TreeNodes(connection)).map_err(broken)?)
}

pub(super) fn erase(connection: &Connection, label: &Label) -> Result<(), Failure<StoreError>> {
    connection
        .prepare_cached("UPDATE key_log SET nonce = NULL, body = NULL WHERE label = ?1")?
        .execute([label.0])?;
    Ok(())
}

pub(super) fn unlogged_accounts(
    connection: &Connection,
    limit: usize,
) -> Result<Vec<StoredAccount>, Failure<StoreError>> {
    account::unlogged(connection, limit)
}

pub(super) fn log_account(
    connection: &Connection,
    uid: Uid,
    leaves: &[NewLeaf],
    now: Timestamp,
) -> Result<(), Failure<StoreError>> {
    let new = connection
        .prepare_cached("UPDATE account SET list_version = 0 WHERE uid = ?1 AND list_version IS NULL")?
        .execute([uid.0])?;
    if new > 0 {
        append_all(connection, leaves, now)?;
    }
    Ok(())
}

pub(super) fn publish_devices(
    connection: &Connection,
    uid: Uid,
    list: &NewDeviceList,
    now: Timestamp,
) -> Result<(), Failure<DeviceListError>> {
    let known: Option<u32> = connection
        .prepare_cached(
            "SELECT list_version FROM account
             WHERE uid = ?1 AND list_version IS NOT NULL AND retired IS NULL",
        )?
        .query_row([uid.0], |row| row.get(0))
        .optional()?;
    let known = known.ok_or(Failure::Rule(DeviceListError::AccountUnknown))?;
    if known == list.version && has(connection, list)? {
        return Ok(());
    }
    if known.checked_add(1) != Some(list.version) {
        return Err(Failure::Rule(DeviceListError::Version { known }));
    }
    append(connection, &list.leaf, now)?;
    connection
        .prepare_cached("UPDATE account SET list_version = ?2 WHERE uid = ?1")?
        .execute(params![uid.0, list.version])?;
    device::revoke_others(connection, uid, &list.devices)
}

/// Whether this very list is the newest one already.
fn has(connection: &Connection, list: &NewDeviceList) -> rusqlite::Result<bool> {
    let newest = newest(connection, &list.leaf.label)?;
    Ok(newest.and_then(|(_, _, opening)| opening).is_some_and(|opening| list.is_in(&opening)))
}
