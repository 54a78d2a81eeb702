//! Invites in SQLite.

use openchat_protocol::limits::INVITES_PER_USER;
use openchat_protocol::{InviteHash, RoomName, Timestamp, Uid};
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{int, room_name, timestamp};
use super::failure::Failure;
use crate::StoreError;
use crate::account::CreateAccountError;
use crate::invite::{CreateInviteError, KEPT_AFTER_EXPIRY, NewInvite};

pub(super) fn create(
    connection: &Connection,
    new: &NewInvite,
    now: Timestamp,
) -> Result<(), Failure<CreateInviteError>> {
    forget_old(connection, now)?;
    let creator = new.creator.map(|uid| uid.0);
    let known = connection
        .prepare_cached("SELECT creator FROM invite WHERE hash = ?1")?
        .query_row([new.hash.0], |row| row.get::<_, Option<[u8; Uid::LENGTH]>>(0))
        .optional()?;
    match (known, new.creator) {
        (Some(known), _) if known == creator => return Ok(()),
        (Some(_), _) => return Err(Failure::Rule(CreateInviteError::Taken)),
        (None, Some(uid)) if open(connection, uid, now)? as usize >= INVITES_PER_USER => {
            return Err(Failure::Rule(CreateInviteError::TooMany));
        }
        (None, _) => {}
    }
    let room = new.room.as_ref().map(RoomName::as_str);
    connection
        .prepare_cached(
            "INSERT INTO invite (hash, creator, expires, uses_left, room) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![new.hash.0, creator, int(new.expires.0), new.uses, room])?;
    Ok(())
}

fn forget_old(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let kept = u64::try_from(KEPT_AFTER_EXPIRY.as_millis()).unwrap_or(u64::MAX);
    connection
        .prepare_cached("DELETE FROM invite WHERE expires <= ?1")?
        .execute([int(now.0.saturating_sub(kept))])
        .map(drop)
}

fn open(connection: &Connection, uid: Uid, now: Timestamp) -> rusqlite::Result<u32> {
    connection
        .prepare_cached("SELECT count(*) FROM invite WHERE creator = ?1 AND uses_left > 0 AND expires > ?2")?
        .query_row(params![uid.0, int(now.0)], |row| row.get(0))
}

pub(super) fn count_open(
    connection: &Connection,
    uid: Uid,
    now: Timestamp,
) -> Result<u32, Failure<StoreError>> {
    Ok(open(connection, uid, now)?)
}

/// Takes one use of the invite and answers with its room.
pub(super) fn redeem(
    connection: &Connection,
    hash: InviteHash,
    now: Timestamp,
) -> Result<Option<RoomName>, Failure<CreateAccountError>> {
    let (uses_left, expires, room) = connection
        .prepare_cached("SELECT uses_left, expires, room FROM invite WHERE hash = ?1")?
        .query_row([hash.0], |row| Ok((row.get::<_, u32>(0)?, timestamp(row, 1)?, room_name(row, 2)?)))
        .optional()?
        .ok_or(Failure::Rule(CreateAccountError::InviteUnknown))?;
    if uses_left == 0 {
        return Err(Failure::Rule(CreateAccountError::InviteUsed));
    }
    if now >= expires {
        return Err(Failure::Rule(CreateAccountError::InviteExpired));
    }
    connection
        .prepare_cached("UPDATE invite SET uses_left = uses_left - 1 WHERE hash = ?1")?
        .execute([hash.0])?;
    Ok(room)
}
