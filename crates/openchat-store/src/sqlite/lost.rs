//! Taking back, in SQLite, what an older copy of the database has lost.

use openchat_protocol::record::{Position, RecordKind};
use openchat_protocol::{DeviceId, RoomId, Timestamp};
use openchat_transparency::{Label, Opening};
use rusqlite::{Connection, params};

use super::columns::{device_row, int};
use super::database::Database;
use super::failure::Failure;
use super::room::State;
use super::{device, group, key_log, membership, room, room_log};
use crate::lost::{
    LostAccount, LostLeaves, LostRecord, LostRecords, TakeAccountError, TakeBackError, TakeLeavesError,
    TakenBack,
};
use crate::room::MembershipChange;
use crate::room_log::{AppendError, StoredRecord};

pub(super) fn take_records(
    connection: &Database,
    lost: &LostRecords,
) -> Result<TakenBack, Failure<TakeBackError>> {
    let state = state(connection, lost.room)?;
    let end = state.head;
    let Some(after) = lost.after().filter(|after| *after <= end.sequence) else {
        return Ok(TakenBack { stored: Vec::new(), end });
    };
    let before = room_log::chain_of(connection, &connection.fresh(), state.row, lost.room, after)?;
    let before = before.filter(|before| lost.lead(*before)).ok_or(Failure::Rule(TakeBackError::Diverged))?;
    let (known, new): (Vec<_>, Vec<_>) =
        lost.chained(before).partition(|(_, place)| place.sequence <= end.sequence);
    if known.last().is_some_and(|(_, place)| place.sequence == end.sequence && *place != end) {
        return Err(Failure::Rule(TakeBackError::Diverged));
    }
    let mut taken = TakenBack { stored: Vec::new(), end };
    for (record, place) in new {
        if taken.stored.is_empty() {
            check_time(&state, lost)?;
            check_giver(connection, &state, lost.by, record)?;
        }
        taken.stored.push(take_record(connection, lost.room, record, place)?);
        taken.end = place;
    }
    Ok(taken)
}

fn state(connection: &Connection, room: RoomId) -> Result<State, Failure<TakeBackError>> {
    room::state(connection, room)?.ok_or(Failure::Rule(TakeBackError::RoomUnknown))
}

/// A room that is new has the time at which it was made.
fn check_time(room: &State, lost: &LostRecords) -> Result<(), Failure<TakeBackError>> {
    let is_new = room.time >= lost.before && room.head.sequence > 0;
    if is_new { Err(Failure::Rule(TakeBackError::TooLate)) } else { Ok(()) }
}

fn check_giver(
    connection: &Connection,
    room: &State,
    by: DeviceId,
    first: &LostRecord,
) -> Result<(), Failure<TakeBackError>> {
    let joins = first.is_join() && first.record.author == by;
    let is_member = match device_row(connection, by)? {
        Some(row) => membership::is_member(connection, room.row, row)?,
        None => false,
    };
    if is_member || joins { Ok(()) } else { Err(Failure::Rule(TakeBackError::NotAMember)) }
}

/// Takes one record under the rules of an append, but for what only its time could decide.
fn take_record(
    connection: &Database,
    id: RoomId,
    lost: &LostRecord,
    place: Position,
) -> Result<StoredRecord, Failure<TakeBackError>> {
    let impossible = || Failure::Rule(TakeBackError::Impossible);
    let room = state(connection, id)?;
    let record = &lost.record;
    let author = device_row(connection, record.author)?
        .ok_or(Failure::Rule(TakeBackError::DeviceUnknown(record.author)))?;
    let joins = lost.is_join() && room::is_open_to(connection, &room, record.author.uid)?;
    let may_append = membership::is_member(connection, room.row, author)? || joins;
    let in_order = record.sequence == room.head.sequence.saturating_add(1)
        && (record.time >= room.time || room.head.sequence == 0);
    if !may_append || !in_order {
        return Err(impossible());
    }
    let effect = match &lost.statement {
        Some(statement) => Some(room_log::effect(connection, &room, statement, record.author).map_err(rule)?),
        None => None,
    };
    if !room_log::insert(connection, &room, author, record, place, &lost.bytes)? {
        return Err(impossible());
    }
    let change = match (record.kind, effect) {
        (RecordKind::Leave, _) => {
            membership::end(connection, room.row, author, place.sequence)?;
            MembershipChange { joined: Vec::new(), ended: vec![record.author] }
        }
        (RecordKind::Commit, Some(effect)) => {
            room_log::set_last_commit(connection, room.row, place)?;
            // What came with it for joiners is lost: a member makes a new one when somebody wants to join.
            group::lose(connection, room.row)?;
            room_log::apply(connection, room.row, &effect, place.sequence)?;
            effect.change()
        }
        _ => MembershipChange::default(),
    };
    Ok(StoredRecord { position: place, time: record.time, bytes: lost.bytes.clone(), change })
}

fn rule(failure: Failure<AppendError>) -> Failure<TakeBackError> {
    match failure {
        Failure::Rule(error) => Failure::Rule(error.into()),
        Failure::Sqlite(error) => Failure::Sqlite(error),
    }
}

pub(super) fn take_leaves(
    connection: &Connection,
    lost: &LostLeaves,
) -> Result<(), Failure<TakeLeavesError>> {
    let size = key_log::size(connection)?;
    if lost.size > size {
        let new = lost.after(size).ok_or(Failure::Rule(TakeLeavesError::Gap { size }))?;
        for (leaf, index) in new.iter().zip(size..) {
            key_log::insert(connection, index, leaf, None)?;
        }
    }
    match key_log::root(connection, lost.size)? == lost.root {
        true => Ok(()),
        false => Err(Failure::Rule(TakeLeavesError::Diverged)),
    }
}

pub(super) fn take_account(
    connection: &Connection,
    lost: &LostAccount,
    now: Timestamp,
) -> Result<(), Failure<TakeAccountError>> {
    let created = disclose(connection, &lost.by_name)?;
    disclose(connection, &lost.by_uid)?;
    let uid = lost.uid();
    let skeleton = lost.name.skeleton();
    let taken = connection
        .prepare_cached("SELECT 1 FROM account WHERE skeleton = ?1 AND uid <> ?2")?
        .exists(params![skeleton, uid.0])?;
    if taken {
        return Err(Failure::Rule(TakeAccountError::NameTaken));
    }
    let (identity, above) = lost.certificates();
    connection
        .prepare_cached(
            "INSERT INTO account
             (uid, name, skeleton, identity_spki, identity_certificate, issuing_certificate, created, list_version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (uid) DO UPDATE SET list_version = excluded.list_version,
                 identity_certificate = excluded.identity_certificate,
                 issuing_certificate = excluded.issuing_certificate",
        )?
        .execute(params![
            uid.0,
            lost.name.as_str(),
            skeleton,
            lost.identity_spki,
            identity,
            above,
            int(created.0),
            lost.version,
        ])?;
    if device_row(connection, lost.device.device)?.is_none() {
        device::insert(connection, &lost.device, now)?;
    }
    Ok(())
}

/// Puts the opening to the newest leaf of a label, which was made for it, and answers with the time of the leaf.
fn disclose(
    connection: &Connection,
    (label, opening): &(Label, Opening),
) -> Result<Timestamp, Failure<TakeAccountError>> {
    let newest = key_log::newest(connection, label)?;
    let (index, leaf, _) = newest
        .filter(|(_, leaf, _)| leaf.commitment == opening.commitment())
        .ok_or(Failure::Rule(TakeAccountError::NotInLog))?;
    connection.prepare_cached("UPDATE key_log SET nonce = ?2, body = ?3 WHERE id = ?1")?.execute(params![
        int(index),
        opening.nonce,
        opening.body
    ])?;
    Ok(leaf.time)
}
