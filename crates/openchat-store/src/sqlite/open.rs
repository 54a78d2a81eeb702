//! Opening a database file: one process at a time, of a version that is understood, undamaged.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use openchat_protocol::{Incarnation, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::columns::int;
use super::{failure, log_index};
use crate::StoreError;

/// Marks an SQLite file as one of ours: "OCst".
const APPLICATION: i32 = 0x4f43_7374;

/// What each version adds to the one before.
const SCHEMAS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
];

/// Prepared statements that a connection keeps: more than there are.
const STATEMENTS: usize = 128;

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "{path} is in use by another OpenChat server: stop that one, or give this one a folder of its own"
    )]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The file, or the lock file beside it, cannot be made or opened.
    #[error(
        "{path} cannot be opened ({source}): check that its folder exists and belongs to the server's user"
    )]
    Unreachable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Written by a newer OpenChat.
    #[error(
        "{path} was written by a newer OpenChat (format {found}, this build knows {known}): install that version"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: usize,
        /// The newest format that this build knows.
        known: usize,
    },
    /// An SQLite database of some other program.
    #[error("{path} belongs to another program: give the server a folder of its own")]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// Not, or not any more, a database.
    #[error("{path} is damaged ({reason}): restore a backup of it")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// There is no room for it.
    #[error("{path} cannot be used because the disk is full: free some space, then start again")]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The store failed while it was opened.
    #[error("{path} cannot be used: {source}")]
    Store {
        /// The database.
        path: PathBuf,
        /// How it failed.
        source: StoreError,
    },
}

/// Keeps every other process from opening the database, as long as it lives and whatever becomes of its process.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let unreachable = |source| OpenError::Unreachable { path: path.clone(), source };
        let file = private_file(&path).map_err(unreachable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: database.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unreachable(source)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file alone would not do: a process forked a moment ago still has it open.
        let _ = self.0.unlock();
    }
}

/// Opens or makes a file that nobody else may read. SQLite gives its other files the same mode.
fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The life of a database, which ends when an older copy takes its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) incarnation: Incarnation,
    /// It began with an older copy, and takes back until then what was lost.
    pub(super) takes_back_until: Option<Timestamp>,
}

/// The connection that writes, to a database of the newest schema, and its life. A new one begins when it was
/// `restored`.
pub(super) fn writable(path: &Path, restored: Option<Timestamp>) -> Result<(Connection, Life), OpenError> {
    private_file(path).map_err(|source| OpenError::Unreachable { path: path.to_owned(), source })?;
    let failed = |error: &rusqlite::Error| refused(path, failure::of_write(error));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| failed(&error))?;
    let version = version(&connection, path)?;
    configure(&connection).map_err(|error| failed(&error))?;
    check(&connection, path)?;
    let incarnation = crate::incarnation::random().map_err(|error| refused(path, error))?;
    let fresh = Life { incarnation, takes_back_until: restored };
    let life = migrate(&mut connection, version, fresh).map_err(|error| failed(&error))?;
    Ok((connection, life))
}

fn refused(path: &Path, error: StoreError) -> OpenError {
    let path = path.to_owned();
    match error {
        StoreError::Damaged(reason) => OpenError::Damaged { path, reason },
        StoreError::Full => OpenError::Full { path },
        source => OpenError::Store { path, source },
    }
}

/// How many of [`SCHEMAS`] the database has. Nothing of a file that is not ours has been touched.
fn version(connection: &Connection, path: &Path) -> Result<usize, OpenError> {
    let failed = |error| refused(path, failure::of_read(&error));
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failed);
    let (application, version) = (number("application_id")?, number("user_version")?);
    let empty = connection
        .query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get::<_, bool>(0))
        .map_err(failed)?;
    let path = path.to_owned();
    match usize::try_from(version) {
        Ok(0) if application == 0 && empty => Ok(0),
        Ok(found) if application == APPLICATION && found > SCHEMAS.len() => {
            Err(OpenError::Newer { path, found, known: SCHEMAS.len() })
        }
        Ok(found) if application == APPLICATION => Ok(found),
        _ => Err(OpenError::Foreign { path }),
    }
}

/// A checkpoint, which writes each changed page once however often it changed, comes after 32 MiB of the WAL, not 4: the
/// ends of the log and of its indexes change all the time.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16384;
         PRAGMA wal_autocheckpoint = 8192;
         PRAGMA journal_size_limit = 67108864;",
    )
}

/// Looks for damage everywhere but in the log, which may be large and whose damage hurts nobody's rights: readers find
/// it, and clients hold it against its chain.
fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| refused(path, failure::of_read(&error));
    let tables: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('log', 'log_place', 'log_name')")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .map_err(failed)?;
    for table in tables {
        let found: String = connection
            .query_row("SELECT quick_check FROM pragma_quick_check(?1)", [&table], |row| row.get(0))
            .map_err(failed)?;
        if found != "ok" {
            return Err(OpenError::Damaged { path: path.to_owned(), reason: found });
        }
    }
    Ok(())
}

/// Brings the schema up to date, in one transaction; `fresh` is the life of a database that begins now.
fn migrate(connection: &mut Connection, version: usize, fresh: Life) -> rusqlite::Result<Life> {
    let transaction = connection.transaction()?;
    for schema in SCHEMAS.iter().skip(version) {
        transaction.execute_batch(schema)?;
    }
    if version < SCHEMAS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", SCHEMAS.len())?;
    }
    let known = transaction
        .query_row("SELECT incarnation, takes_back_until FROM meta", [], |row| {
            let until = row.get::<_, Option<u64>>(1)?.map(Timestamp);
            Ok(Life { incarnation: Incarnation(row.get(0)?), takes_back_until: until })
        })
        .optional()?;
    let known = known.filter(|_| fresh.takes_back_until.is_none());
    if known.is_none() {
        begin_life(&transaction, fresh)?;
    }
    log_index::write_places(&transaction)?;
    transaction.commit()?;
    Ok(known.unwrap_or(fresh))
}

fn begin_life(connection: &Connection, life: Life) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO meta (id, incarnation, takes_back_until) VALUES (1, ?1, ?2)
         ON CONFLICT (id) DO UPDATE
         SET incarnation = excluded.incarnation, takes_back_until = excluded.takes_back_until",
        params![life.incarnation.0, life.takes_back_until.map(|until| int(until.0))],
    )?;
    // After a copy was put back: they may have been used since it was made.
    connection.execute_batch("DELETE FROM invite; DELETE FROM key_package WHERE NOT last_resort;")
}

/// A connection that only reads.
pub(super) fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch(
        "PRAGMA query_only = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA temp_store = MEMORY;",
    )?;
    Ok(connection)
}
