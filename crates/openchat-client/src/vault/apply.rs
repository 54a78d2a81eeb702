//! One change, one transaction.

use minicbor::Encode;
use openchat_protocol::record::Position;
use openchat_protocol::{DeviceId, RoomId, codec};
use rusqlite::{Connection, Transaction, params};

use super::change::{Change, Write};
use super::invite::StoredInvite;
use super::record::{
    Contact, EpochKey, OutboxMessage, OwnCommit, RoomRecord, StoredEpoch, StoredGroup, StoredKeyPackage,
    StoredLine,
};
use super::{kept, tally};

/// How many places of each room's hash chain are kept.
const CHAIN_KEPT: u64 = 1024;

/// How many of each room's newest epochs are kept.
pub(super) const EPOCHS_KEPT: u32 = 1000;

/// Key of the credentials in `meta`.
pub(super) const CREDENTIALS: &str = "credentials";

/// Key of the life of the server's database in `meta`.
pub(super) const LIFE: &str = "life";

/// Key of the voucher in `meta`.
pub(super) const VOUCHER: &str = "voucher";

/// Writes all of `change`, or nothing.
pub(super) fn apply(database: &mut Connection, change: &Change) -> rusqlite::Result<()> {
    let transaction = database.transaction()?;
    // The order of the writes is the engine's affair; what they refer to is checked at the end.
    transaction.pragma_update(None, "defer_foreign_keys", true)?;
    for write in change.writes() {
        apply_write(&transaction, write)?;
    }
    transaction.commit()
}

fn apply_write(database: &Transaction<'_>, write: &Write) -> rusqlite::Result<()> {
    match write {
        Write::Credentials(credentials) => put_meta(database, CREDENTIALS, &**credentials),
        Write::Contact(contact) => put_contact(database, contact),
        Write::ContactRemoved(uid) => {
            execute(database, "DELETE FROM contact WHERE uid = ?1", [uid.as_bytes()])
        }
        Write::Invite(invite) => put_invite(database, invite),
        Write::InviteRemoved(hash) => {
            execute(database, "DELETE FROM invite WHERE hash = ?1", [hash.as_bytes()])
        }
        Write::Voucher(Some(voucher)) => put_meta(database, VOUCHER, &**voucher),
        Write::Voucher(None) => execute(database, "DELETE FROM meta WHERE key = ?1", [VOUCHER]),
        Write::People(room, people) => execute(
            database,
            "INSERT OR REPLACE INTO room_people (room, people) VALUES (?1, ?2)",
            params![room.as_bytes(), codec::encode(people)],
        ),
        Write::Room(record) => put_room(database, record),
        Write::RoomForgotten(room) => execute(database, "DELETE FROM room WHERE id = ?1", [room.as_bytes()]),
        Write::RoomClosed(room) => close_room(database, *room),
        Write::Group(room, state) => put_group(database, *room, state),
        Write::OwnCommit(room, own) => put_own_commit(database, *room, own.as_deref()),
        Write::Outbox(message) => put_outbox(database, message),
        Write::OutboxRemoved(message) => {
            execute(database, "DELETE FROM outbox WHERE message = ?1", [message.as_bytes()])
        }
        Write::Line(line) => put_line(database, line),
        Write::LineRemoved(room, author, message) => execute(
            database,
            "DELETE FROM history WHERE room = ?1 AND author = ?2 AND message = ?3",
            params![room.as_bytes(), author.as_bytes(), message.as_bytes()],
        ),
        Write::Chain(room, position) => put_chain(database, *room, position),
        Write::Counter(room, device, last) => put_counter(database, *room, *device, *last),
        Write::CountersCleared(room) => {
            execute(database, "DELETE FROM counter WHERE room = ?1", [room.as_bytes()])
        }
        Write::Read(room, sequence) => put_read(database, *room, *sequence),
        Write::KeyPackage(package) => put_key_package(database, package),
        Write::KeyPackageRemoved(id) => execute(database, "DELETE FROM key_package WHERE id = ?1", [id]),
        Write::EpochKey(room, key) => put_room_key(database, *room, key),
        Write::Epoch(epoch) => put_epoch(database, epoch),
        Write::KeyLog(state) => execute(
            database,
            "INSERT OR REPLACE INTO key_log (id, state) VALUES (1, ?1)",
            [codec::encode(&**state)],
        ),
        Write::KeyLogLabel(label, known) => execute(
            database,
            "INSERT OR REPLACE INTO key_log_label (label, known) VALUES (?1, ?2)",
            params![label.0, known],
        ),
        Write::KeyLogPerson(person) => execute(
            database,
            "INSERT OR REPLACE INTO key_log_person (uid, person) VALUES (?1, ?2)",
            params![person.uid.as_bytes(), codec::encode(person)],
        ),
        Write::Record(room, place, bytes) => kept::put_record(database, *room, place, bytes),
        Write::RecordsForgotten(room) => kept::forget_records(database, *room),
        Write::Leaves(from, leaves) => kept::put_leaves(database, *from, leaves),
        Write::Life(incarnation) => put_meta(database, LIFE, incarnation),
        Write::Setting(key, value) => put_setting(database, key, value.as_deref()),
    }
}

fn execute(database: &Connection, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<()> {
    database.prepare_cached(sql)?.execute(values).map(drop)
}

fn put_meta<T: Encode<()>>(database: &Connection, key: &str, value: &T) -> rusqlite::Result<()> {
    let value = zeroize::Zeroizing::new(codec::encode(value));
    execute(database, "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", params![key, *value])
}

fn put_contact(database: &Connection, contact: &Contact) -> rusqlite::Result<()> {
    execute(
        database,
        "INSERT INTO contact (uid, name, first_seen, trust) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (uid) DO UPDATE SET name = excluded.name, trust = excluded.trust",
        params![
            contact.uid.as_bytes(),
            contact.name.as_str(),
            contact.first_seen.0,
            codec::encode(&(contact.basis, &contact.claimants))
        ],
    )
}

fn put_invite(database: &Connection, invite: &StoredInvite) -> rusqlite::Result<()> {
    let value = zeroize::Zeroizing::new(codec::encode(invite));
    execute(
        database,
        "INSERT OR REPLACE INTO invite (hash, invite) VALUES (?1, ?2)",
        params![invite.hash.as_bytes(), *value],
    )
}

fn put_room(database: &Connection, record: &RoomRecord) -> rusqlite::Result<()> {
    execute(
        database,
        "INSERT INTO room (id, record) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
        params![record.room.as_bytes(), codec::encode(record)],
    )
}

fn close_room(database: &Connection, room: RoomId) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM group_state WHERE room = ?1",
        "DELETE FROM own_commit WHERE room = ?1",
        "DELETE FROM counter WHERE room = ?1",
        "DELETE FROM chain WHERE room = ?1",
        "DELETE FROM kept_record WHERE room = ?1",
    ] {
        execute(database, sql, [room.as_bytes()])?;
    }
    Ok(())
}

fn put_group(database: &Connection, room: RoomId, state: &StoredGroup) -> rusqlite::Result<()> {
    match &state.tree {
        Some(tree) => execute(
            database,
            "INSERT OR REPLACE INTO group_state (room, secret, tree) VALUES (?1, ?2, ?3)",
            params![room.as_bytes(), *state.secret, tree],
        ),
        None => execute(
            database,
            "UPDATE group_state SET secret = ?2 WHERE room = ?1",
            params![room.as_bytes(), *state.secret],
        ),
    }
}

fn put_own_commit(database: &Connection, room: RoomId, own: Option<&OwnCommit>) -> rusqlite::Result<()> {
    match own {
        Some(own) => execute(
            database,
            "INSERT OR REPLACE INTO own_commit (room, own_commit) VALUES (?1, ?2)",
            params![room.as_bytes(), codec::encode(own)],
        ),
        None => execute(database, "DELETE FROM own_commit WHERE room = ?1", [room.as_bytes()]),
    }
}

fn put_outbox(database: &Connection, message: &OutboxMessage) -> rusqlite::Result<()> {
    execute(
        database,
        "INSERT INTO outbox (message, room, content) VALUES (?1, ?2, ?3)
         ON CONFLICT (message) DO UPDATE SET content = excluded.content",
        params![message.message.as_bytes(), message.room.as_bytes(), codec::encode(message)],
    )
}

fn put_line(database: &Connection, line: &StoredLine) -> rusqlite::Result<()> {
    let StoredLine { room, sequence, part, time, author, entry, notice } = line;
    let mut insert = database.prepare_cached(
        "INSERT OR IGNORE INTO history (room, sequence, part, time, author, message, entry, notice)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let added = insert.execute(params![
        room.as_bytes(),
        sequence,
        part,
        time.0,
        author.as_bytes(),
        entry.message().map(|message| message.as_bytes().to_vec()),
        codec::encode(entry),
        *notice as u8
    ])?;
    if added == 0 {
        // It was there already.
        return Ok(());
    }
    tally::add(database, line)
}

fn put_read(database: &Connection, room: RoomId, sequence: u64) -> rusqlite::Result<()> {
    execute(
        database,
        "UPDATE room SET read = max(read, ?2) WHERE id = ?1",
        params![room.as_bytes(), sequence],
    )?;
    tally::count(database, room)
}

fn put_chain(database: &Connection, room: RoomId, position: &Position) -> rusqlite::Result<()> {
    execute(
        database,
        "INSERT OR REPLACE INTO chain (room, sequence, hash) VALUES (?1, ?2, ?3)",
        params![room.as_bytes(), position.sequence, position.chain.as_bytes()],
    )?;
    execute(
        database,
        "DELETE FROM chain WHERE room = ?1 AND sequence <= ?2",
        params![room.as_bytes(), position.sequence.saturating_sub(CHAIN_KEPT)],
    )
}

fn put_counter(database: &Connection, room: RoomId, device: DeviceId, last: u64) -> rusqlite::Result<()> {
    execute(
        database,
        "INSERT OR REPLACE INTO counter (room, device, last) VALUES (?1, ?2, ?3)",
        params![room.as_bytes(), codec::encode(&device), last],
    )
}

fn put_key_package(database: &Connection, package: &StoredKeyPackage) -> rusqlite::Result<()> {
    let StoredKeyPackage { id, secret, suite, last_resort, made } = package;
    execute(
        database,
        "INSERT INTO key_package (id, secret, suite, last_resort, made) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![id, **secret, suite.id(), last_resort, made.0],
    )
}

fn put_room_key(database: &Connection, room: RoomId, key: &EpochKey) -> rusqlite::Result<()> {
    execute(
        database,
        "INSERT OR IGNORE INTO room_key (room, id, epoch, key) VALUES (?1, ?2, ?3, ?4)",
        params![room.as_bytes(), key.id, key.epoch, key.key.as_slice()],
    )
}

fn put_epoch(database: &Connection, epoch: &StoredEpoch) -> rusqlite::Result<()> {
    execute(
        database,
        "INSERT OR REPLACE INTO epoch_log (room, sequence, change) VALUES (?1, ?2, ?3)",
        params![epoch.room.as_bytes(), epoch.sequence, codec::encode(epoch)],
    )?;
    execute(
        database,
        "DELETE FROM epoch_log WHERE room = ?1 AND sequence <=
             (SELECT sequence FROM epoch_log WHERE room = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)",
        params![epoch.room.as_bytes(), EPOCHS_KEPT],
    )
}

fn put_setting(database: &Connection, key: &str, value: Option<&[u8]>) -> rusqlite::Result<()> {
    match value {
        Some(value) => execute(
            database,
            "INSERT OR REPLACE INTO setting (key, value) VALUES (?1, ?2)",
            params![key, value],
        ),
        None => execute(database, "DELETE FROM setting WHERE key = ?1", [key]),
    }
}
