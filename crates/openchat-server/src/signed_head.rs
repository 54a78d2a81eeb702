//! The newest signed head of the log of keys, in a file beside the database: so an older database in its place is noticed
//! at the next start.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use openchat_protocol::Timestamp;
use openchat_store::Store;
use tracing::warn;

use crate::key_log::{KeyLog, KeyLogError};
use crate::server::StartError;

/// The file; none where nobody has said where it is to be.
pub(crate) struct SignedHead {
    path: Option<PathBuf>,
    /// The size that is written in it.
    written: AtomicU64,
}

impl SignedHead {
    pub(crate) fn new(path: Option<&Path>) -> Self {
        Self { path: path.map(Path::to_owned), written: AtomicU64::new(0) }
    }

    /// Whether the database is as new as the head in the file. A life that takes back what was lost begins without one: its
    /// host knows.
    pub(crate) async fn check(
        &self,
        log: &KeyLog,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<(), StartError> {
        let Some(path) = &self.path else { return Ok(()) };
        let unreadable = |source| StartError::SignedHead { path: path.clone(), source };
        if store.takes_back_until().is_some_and(|until| now < until) {
            return remove(path).map_err(unreadable);
        }
        let note = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read.map_err(unreadable)?,
        };
        // What this server has not signed says nothing.
        let Ok(head) = log.open(&note) else { return Ok(()) };
        let size = store.log_state().await.map_err(KeyLogError::from)?.size;
        let then = store.log_compare(head.size, size).await.map_err(KeyLogError::from)?;
        match then {
            Some((root, _)) if root == head.root => Ok(()),
            _ => Err(StartError::SetBack { records: size, signed: head.size }),
        }
    }

    /// Writes the newest head that was signed, if it is not written yet.
    pub(crate) fn keep(&self, log: &KeyLog) {
        let (Some(path), Some((size, note))) = (&self.path, log.newest()) else { return };
        if size <= self.written.load(Ordering::Relaxed) {
            return;
        }
        match write(path, &note) {
            Ok(()) => self.written.store(size, Ordering::Relaxed),
            Err(error) => warn!(%error, path = %path.display(), "the newest signed head was not written"),
        }
    }
}

/// Whole or not at all.
fn write(path: &Path, note: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(note)?;
    file.sync_all()?;
    fs::rename(new, path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
