//! The vault: everything this profile keeps, in one SQLCipher database under a key that the password wraps.
//!
//! All writes go through [`Vault::apply`]: one change of the engine is one transaction, so that keys, history, outbox
//! and cursor never disagree. A vault belongs to one process at a time; [`crate::folder::ProfileFolder`] sees to that.

mod apply;
mod change;
mod error;
mod history;
mod invite;
mod kept;
mod key;
mod load;
mod logged;
mod names;
mod past;
mod record;
mod schema;
mod search;
mod tally;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use openchat_identity::Password;
use openchat_protocol::RoomId;
use rusqlite::{Connection, OpenFlags};
use zeroize::Zeroizing;

pub use change::{Change, Write};
pub use error::VaultError;
pub use history::Span;
pub(crate) use history::{epoch_changed, pending_line};
pub use invite::{StoredInvite, Voucher};
pub use kept::KeptRecords;
pub use logged::{
    HeardHead, LoadedKeyLog, LoggedPerson, OwnLabels, ProvenPerson, SeenFork, StoredKeyLog, WholeLog,
};
pub(crate) use names::Names;
pub use record::{
    Contact, Credentials, EpochKey, Loaded, LoadedRoom, Notice, OutboxMessage, OwnCommit, RoomRecord, Sealed,
    StoredEpoch, StoredGroup, StoredKeyPackage, StoredLine, Unheard,
};
pub use search::{Searched, Sought};

use crate::event::{EpochChanged, Line, RoomOverview};
use crate::linking::{PastLine, PastRoom, Place};

const KEY_FILE: &str = "vault.key";
const DATABASE: &str = "vault.db";

/// An open vault.
pub struct Vault {
    database: Connection,
    path: PathBuf,
}

impl Vault {
    /// Whether `folder` holds a whole vault.
    pub fn exists(folder: &Path) -> bool {
        folder.join(KEY_FILE).exists() && folder.join(DATABASE).exists()
    }

    /// Makes a vault in `folder` with `first` in it, which has to have credentials. What a crash left half made is
    /// replaced.
    pub fn create(folder: &Path, password: &Password, first: &Change) -> Result<Self, VaultError> {
        let path = folder.join(DATABASE);
        if Self::exists(folder) {
            return Err(VaultError::Exists(folder.to_owned()));
        }
        remove_remains(&path)?;
        let key = key::create(&folder.join(KEY_FILE), password)?;
        // Made under another name, so that a database under its own is always a whole one.
        let draft = folder.join("vault.new");
        remove_remains(&draft)?;
        create_private(&draft)?;
        fill_new(&draft, &key, first).map_err(|error| VaultError::of_database(&draft, &error))?;
        std::fs::rename(&draft, &path).map_err(|error| VaultError::storage(&path, &error))?;
        std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| VaultError::storage(folder, &error))?;
        Self::open_with(path, &key)
    }

    /// Opens the vault in `folder`.
    pub fn open(folder: &Path, password: &Password) -> Result<Self, VaultError> {
        let path = folder.join(DATABASE);
        if !path.exists() {
            return Err(VaultError::Missing(folder.to_owned()));
        }
        let key = match key::open(&folder.join(KEY_FILE), password) {
            Err(VaultError::Missing(_)) => {
                return Err(VaultError::damaged(&folder.join(KEY_FILE), "the file is missing"));
            }
            opened => opened?,
        };
        Self::open_with(path, &key)
    }

    fn open_with(path: PathBuf, key: &key::VaultKey) -> Result<Self, VaultError> {
        let failed = |error: rusqlite::Error| VaultError::of_database(&path, &error);
        let mut database = connect(&path, key).map_err(failed)?;
        match schema::format(&database).map_err(failed)? {
            0 => return Err(VaultError::damaged(&path, "it has no tables")),
            found if found > schema::FORMAT => return Err(VaultError::Newer { path, found }),
            schema::FORMAT => {}
            older => upgrade(&mut database, older).map_err(failed)?,
        }
        Ok(Self { database, path })
    }

    /// Writes all of `change`, or nothing of it.
    pub fn apply(&mut self, change: &Change) -> Result<(), VaultError> {
        if change.is_empty() {
            return Ok(());
        }
        apply::apply(&mut self.database, change).map_err(|error| VaultError::of_database(&self.path, &error))
    }

    /// What the engine goes on from.
    pub fn load(&self) -> Result<Loaded, VaultError> {
        let rooms = self.room_records()?.into_iter().map(|record| self.load_room(record));
        Ok(Loaded { rooms: rooms.collect::<Result<_, _>>()?, ..self.load_without_rooms()? })
    }

    /// The same without rooms, for [`Self::load_room`]: with what hangs on each of them, they may be many and large.
    pub(crate) fn load_without_rooms(&self) -> Result<Loaded, VaultError> {
        self.read(load::load)
    }

    /// Every room, those that were left as well, in one look.
    pub(crate) fn room_records(&self) -> Result<Vec<RoomRecord>, VaultError> {
        self.read(load::room_records)
    }

    /// What the engine goes on from in one room.
    pub(crate) fn load_room(&self, record: RoomRecord) -> Result<LoadedRoom, VaultError> {
        self.read(|database| load::load_room(database, record))
    }

    /// Who this profile is.
    pub fn credentials(&self) -> Result<Credentials, VaultError> {
        self.read(load::credentials)
    }

    /// Whether this is the password of the vault.
    pub fn check_password(&self, password: &Password) -> Result<(), VaultError> {
        let folder = self.path.parent().unwrap_or(&self.path);
        key::open(&folder.join(KEY_FILE), password).map(drop)
    }

    /// Everybody whose name is known.
    pub fn contacts(&self) -> Result<Vec<Contact>, VaultError> {
        self.read(load::contacts)
    }

    /// Lines of a room, the oldest first; lines of one record stay together, so that it may be a few more than `limit`.
    pub fn history(&self, room: RoomId, span: Span, limit: u32) -> Result<Vec<Line>, VaultError> {
        let me = self.credentials()?.device.uid;
        self.read(|database| history::lines(database, room, span, limit, me))
    }

    /// Lines of all rooms after a place, in the order of their places.
    pub(crate) fn past(&self, after: Option<Place>, limit: u32) -> Result<Vec<PastLine>, VaultError> {
        self.read(|database| past::lines(database, after, limit))
    }

    /// How many lines all rooms have after a place.
    pub(crate) fn count_history(&self, after: Option<Place>) -> Result<u64, VaultError> {
        self.read(|database| past::count(database, after))
    }

    /// All rooms, as another device is told of them.
    pub(crate) fn past_rooms(&self) -> Result<Vec<PastRoom>, VaultError> {
        self.read(past::past_rooms)
    }

    /// Looks for words in a part of a room's history, the newest lines before the sequence `before` first.
    pub fn search(&self, room: RoomId, before: u64, sought: &Sought) -> Result<Searched, VaultError> {
        self.read(|database| search::search(database, room, before, sought))
    }

    /// Messages in the outbox that are not in the log, as far as is known, and have not failed.
    pub fn unsent(&self) -> Result<usize, VaultError> {
        let outbox = self.read(load::outbox)?;
        Ok(outbox.iter().filter(|message| !message.in_log && message.failed.is_none()).count())
    }

    /// All rooms by name, those that were left as well.
    pub fn rooms(&self) -> Result<Vec<RoomOverview>, VaultError> {
        self.read(history::rooms)
    }

    /// The newest `limit` epochs of a room that this device was in, the oldest of them first. Of each room only the
    /// newest thousand are kept.
    pub fn epochs(&self, room: RoomId, limit: u32) -> Result<Vec<EpochChanged>, VaultError> {
        self.read(|database| history::epochs(database, room, limit))
    }

    /// The keys of a room for sealed files and pipes, the newest first.
    pub fn epoch_keys(&self, room: RoomId) -> Result<Vec<EpochKey>, VaultError> {
        self.read(|database| load::room_keys(database, room))
    }

    /// What [`Write::Setting`] has kept under `key`.
    pub fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, VaultError> {
        self.read(|database| load::setting(database, key))
    }

    /// All settings whose keys begin with `prefix`, by key.
    pub fn settings(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, VaultError> {
        self.read(|database| load::settings(database, prefix))
    }

    /// Records of a room after a place, to be given back to a server that has lost them.
    pub fn kept_records(&self, room: RoomId, after: u64) -> Result<KeptRecords, VaultError> {
        self.read(|database| kept::records(database, room, after))
    }

    /// Leaves of the log of keys, to be given back; nothing when not all of them are kept.
    pub fn kept_leaves(&self, from: u64, end: u64) -> Result<Option<Vec<u8>>, VaultError> {
        self.read(|database| kept::leaves(database, from, end))
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, VaultError> {
        read(&self.database).map_err(|error| VaultError::of_database(&self.path, &error))
    }
}

#[cfg(test)]
impl Vault {
    /// Does to the disk what no change does.
    pub(crate) fn damage(&self, sql: &str) {
        self.database.execute_batch(sql).unwrap();
    }
}

fn remove_remains(path: &Path) -> Result<(), VaultError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(VaultError::storage(Path::new(&name), &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// SQLite gives its other files the permissions of this one.
fn create_private(path: &Path) -> Result<(), VaultError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map(drop).map_err(|error| VaultError::storage(path, &error))
}

fn fill_new(path: &Path, key: &key::VaultKey, first: &Change) -> rusqlite::Result<()> {
    let mut database = connect(path, key)?;
    let transaction = database.transaction()?;
    schema::bring_up_to_date(&transaction, 0)?;
    transaction.commit()?;
    apply::apply(&mut database, first)?;
    // All of it into the one file that is renamed.
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;")?;
    database.close().map_err(|(_, error)| error)
}

/// Brings a vault of an older format to the present one, or leaves it as it is.
fn upgrade(database: &mut Connection, found: u32) -> rusqlite::Result<()> {
    let transaction = database.transaction()?;
    schema::bring_up_to_date(&transaction, found)?;
    if found < schema::WITH_NOTICES {
        tally::count_all(&transaction)?;
    }
    transaction.commit()
}

fn connect(path: &Path, key: &key::VaultKey) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags)?;
    database.execute_batch(&key_pragma(key))?;
    database.execute_batch(schema::PRAGMAS)?;
    Ok(database)
}

/// A raw key: SQLCipher does not stretch what is random already.
fn key_pragma(key: &key::VaultKey) -> Zeroizing<String> {
    // Room for all of it at once: growing would leave copies behind.
    let mut sql = Zeroizing::new(String::with_capacity(192));
    // What it says goes to the standard error output, which is the screen's.
    sql.push_str("PRAGMA cipher_log_level = NONE; PRAGMA key = \"x'");
    for byte in key.iter() {
        // Writing to a String cannot fail.
        let _ = write!(sql, "{byte:02x}");
    }
    sql.push_str("'\";");
    sql
}
