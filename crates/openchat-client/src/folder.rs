//! The folder of one profile, and the lock that keeps it to one process.
//!
//! ```text
//! private.pem, public.pem   the identity key, under the password
//! vault.key, vault.db       everything else, under the password
//! lock                      held while a process uses the folder
//! key-log-*.evidence        proof against a server that has shown different key records
//! ```

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use openchat_identity::key_file::{FileError, KeyFileError, KeyFolderError};

use crate::error::{ClientError, ErrorKind};

/// Why a profile's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process uses it. Two of them would use message keys twice.
    #[error("another openchat is using the profile in {}", _0.display())]
    InUse(PathBuf),
    /// The system refuses.
    #[error("cannot use the folder {}: {reason}", path.display())]
    Storage {
        /// Which folder.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
}

impl From<FolderError> for ClientError {
    fn from(error: FolderError) -> Self {
        let (kind, help) = match &error {
            FolderError::InUse(_) => {
                (ErrorKind::InUse, "end the other one, or use another profile: `openchat --profile NAME …`")
            }
            FolderError::Storage { .. } => {
                (ErrorKind::Storage, "look at the disk's free space and permissions")
            }
        };
        Self::new(kind, error.to_string()).with_help(help)
    }
}

/// A profile's folder that belongs to this process until this is dropped.
#[derive(Debug)]
pub struct ProfileFolder {
    path: PathBuf,
    _lock: File,
}

impl ProfileFolder {
    /// Makes the folder, for its owner only, if it is not there; and locks it.
    pub fn lock(path: &Path) -> Result<Self, FolderError> {
        let failed = |reason| FolderError::Storage { path: path.to_owned(), reason };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(path.to_owned())),
            Err(TryLockError::Error(reason)) => Err(failed(reason)),
        }
    }

    /// Keeps evidence against a server in the folder. What is there under that name stays.
    pub(crate) fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(&path);
        let written =
            opened.and_then(|mut file| io::Write::write_all(&mut file, bytes).and_then(|()| file.sync_all()));
        match written {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            written => written.map_err(|reason| FolderError::Storage { path, reason }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What is wrong with the key files, as people are told.
pub(crate) fn key_error(error: &KeyFolderError) -> ClientError {
    let message = error.to_string();
    let (kind, help) = match error {
        KeyFolderError::Key { error: KeyFileError::WrongPassword, .. } => {
            (ErrorKind::WrongPassword, "try again; nobody can reset it, it exists only in your head")
        }
        KeyFolderError::File(FileError::OpenToOthers { .. }) => (
            ErrorKind::Exposed,
            "close it to others with the chmod above, and think about who may have read it",
        ),
        KeyFolderError::File(FileError::Missing(_)) => {
            (ErrorKind::NotFound, "put back a copy of it, or make a new identity with `openchat key new`")
        }
        KeyFolderError::File(_) => (ErrorKind::Storage, "look at the disk's free space and permissions"),
        KeyFolderError::Key { .. } | KeyFolderError::Public { .. } | KeyFolderError::Mismatch(_) => {
            (ErrorKind::Damaged, "put back copies of private.pem and public.pem")
        }
    };
    ClientError::new(kind, message).with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_one_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("profile");
        let held = ProfileFolder::lock(&path).unwrap();
        let error = ClientError::from(ProfileFolder::lock(&path).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::InUse);
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        drop(held);
        ProfileFolder::lock(&path).unwrap();
    }
}
