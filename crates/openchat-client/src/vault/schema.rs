//! The vault's tables. Values that no query looks into are CBOR with numbered fields.

use rusqlite::{Connection, Transaction};

/// The format this version writes, as SQLite's `user_version`.
pub(super) const FORMAT: u32 = 6;

/// The first format that knows how lines count.
pub(super) const WITH_NOTICES: u32 = 2;

/// Before anything else on a connection, except the key.
pub(super) const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
";

/// Makes each format of the one before it, the first of an empty database. What was released is never changed.
const STEPS: [&str; FORMAT as usize] = [FORMAT_1, FORMAT_2, FORMAT_3, FORMAT_4, FORMAT_5, FORMAT_6];

pub(super) const FORMAT_1: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE contact (uid BLOB PRIMARY KEY, name TEXT NOT NULL, first_seen INTEGER NOT NULL) STRICT;

    CREATE TABLE room (id BLOB PRIMARY KEY, record BLOB NOT NULL, read INTEGER NOT NULL DEFAULT 0) STRICT;

    -- The tree is public and changes with commits only; the secret part changes with every message.
    CREATE TABLE group_state (
        room BLOB PRIMARY KEY REFERENCES room (id) ON DELETE CASCADE,
        secret BLOB NOT NULL,
        tree BLOB NOT NULL
    ) STRICT;

    CREATE TABLE own_commit (
        room BLOB PRIMARY KEY REFERENCES room (id) ON DELETE CASCADE,
        own_commit BLOB NOT NULL
    ) STRICT;

    CREATE TABLE outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        message BLOB NOT NULL UNIQUE,
        room BLOB NOT NULL REFERENCES room (id) ON DELETE CASCADE,
        content BLOB NOT NULL
    ) STRICT;
    CREATE INDEX outbox_room ON outbox (room);

    CREATE TABLE history (
        room BLOB NOT NULL REFERENCES room (id) ON DELETE CASCADE,
        sequence INTEGER NOT NULL,
        part INTEGER NOT NULL,
        time INTEGER NOT NULL,
        author BLOB NOT NULL,
        -- The identifier of a message; a line of another kind has none.
        message BLOB,
        entry BLOB NOT NULL,
        PRIMARY KEY (room, sequence, part)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX history_message ON history (room, author, message) WHERE message IS NOT NULL;

    -- Where the hash chain stood after the newest records: what others have seen is compared with it.
    CREATE TABLE chain (
        room BLOB NOT NULL REFERENCES room (id) ON DELETE CASCADE,
        sequence INTEGER NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (room, sequence)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE counter (
        room BLOB NOT NULL REFERENCES room (id) ON DELETE CASCADE,
        device BLOB NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (room, device)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE key_package (
        id BLOB PRIMARY KEY,
        secret BLOB NOT NULL,
        suite INTEGER NOT NULL,
        last_resort INTEGER NOT NULL,
        made INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE room_key (
        room BLOB NOT NULL REFERENCES room (id) ON DELETE CASCADE,
        id BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        key BLOB NOT NULL,
        PRIMARY KEY (room, id)
    ) STRICT, WITHOUT ROWID;
";

const FORMAT_2: &str = "
    -- What the screen remembers: drafts and the like. What a value means is the screen's affair.
    CREATE TABLE setting (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE epoch_log (
        room BLOB NOT NULL REFERENCES room (id) ON DELETE CASCADE,
        sequence INTEGER NOT NULL,
        change BLOB NOT NULL,
        PRIMARY KEY (room, sequence)
    ) STRICT, WITHOUT ROWID;

    -- How a line counts while it is unread: 1 as a message, 2 as one that calls this profile by its name.
    ALTER TABLE history ADD COLUMN notice INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX history_notice ON history (room, sequence, notice) WHERE notice > 0;

    -- What would else be counted again for each look at the list of rooms: lines after room.read by their notice, and
    -- the newest time of a line.
    CREATE TABLE tally (
        room BLOB PRIMARY KEY REFERENCES room (id) ON DELETE CASCADE,
        unread INTEGER NOT NULL,
        mentions INTEGER NOT NULL,
        latest INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO tally SELECT room, 0, 0, max(time) FROM history GROUP BY room;
";

const FORMAT_3: &str = "
    -- What a name rests on; nothing when on first use alone.
    ALTER TABLE contact ADD COLUMN trust BLOB;

    -- Invites of this profile: the key by which whoever comes is known, until they are forgotten.
    CREATE TABLE invite (hash BLOB PRIMARY KEY, invite BLOB NOT NULL) STRICT, WITHOUT ROWID;

    -- Users in a room, as of its newest epoch: for what is said of it without opening its keys.
    CREATE TABLE room_people (
        room BLOB PRIMARY KEY REFERENCES room (id) ON DELETE CASCADE,
        people BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
";

const FORMAT_4: &str = "
    -- The log of keys as this device has followed it, a row for each label: a log of many people has many.
    CREATE TABLE key_log (id INTEGER PRIMARY KEY CHECK (id = 1), state BLOB NOT NULL) STRICT;
    CREATE TABLE key_log_label (label BLOB PRIMARY KEY, known BLOB NOT NULL) STRICT, WITHOUT ROWID;

    -- What it says of people.
    CREATE TABLE key_log_person (uid BLOB PRIMARY KEY, person BLOB NOT NULL) STRICT, WITHOUT ROWID;
";

const FORMAT_5: &str = "
    -- A commit on its way is of a form that the server no longer takes. The keys that wait for it are made anew by
    -- joining again.
    DELETE FROM group_state WHERE room IN (SELECT room FROM own_commit);
    DELETE FROM own_commit;
";

const FORMAT_6: &str = "
    -- What the server may have lost when it is restored from an older copy: the newest records, each with the chain after
    -- it. Record 0 is none, and says that this device made the room.
    CREATE TABLE kept_record (
        room BLOB NOT NULL REFERENCES room (id) ON DELETE CASCADE,
        sequence INTEGER NOT NULL,
        chain BLOB NOT NULL,
        record BLOB NOT NULL,
        PRIMARY KEY (room, sequence)
    ) STRICT;

    -- And the newest leaves of its log of keys.
    CREATE TABLE kept_leaf (number INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT;
";

/// Makes [`FORMAT`] of what `database` holds, which is of format `found`; an empty database is of format 0.
pub(super) fn bring_up_to_date(database: &Transaction<'_>, found: u32) -> rusqlite::Result<()> {
    for step in STEPS.iter().skip(found as usize) {
        database.execute_batch(step)?;
    }
    database.pragma_update(None, "user_version", FORMAT)
}

/// The format of this database.
pub(super) fn format(database: &Connection) -> rusqlite::Result<u32> {
    database.query_row("PRAGMA user_version", [], |row| row.get(0))
}
