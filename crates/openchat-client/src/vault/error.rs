//! Why a vault cannot be used: a wrong password, damage and a full disk are three different things.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::error::{ClientError, ErrorKind};

/// Why a vault cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key file is whole, but this password does not open it.
    #[error("the password does not open {}", _0.display())]
    WrongPassword(PathBuf),
    /// What is in the file is not what was written there once.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// There is no vault, or only half of one.
    #[error("there is no profile in {}", _0.display())]
    Missing(PathBuf),
    /// A vault is there already.
    #[error("there is a vault in {} already", _0.display())]
    Exists(PathBuf),
    /// Written by a later version of this program.
    #[error("{} was written by a newer openchat (format {found})", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The disk is full, or does not let us read or write.
    #[error("cannot use {}: {reason}", path.display())]
    Storage {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

impl VaultError {
    pub(crate) fn damaged(path: &Path, reason: &(impl ToString + ?Sized)) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn storage(path: &Path, reason: &(impl ToString + ?Sized)) -> Self {
        Self::Storage { path: path.to_owned(), reason: reason.to_string() }
    }

    /// What an error of the database says about the file at `path`, opened with the right key.
    pub(crate) fn of_database(path: &Path, error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory,
            ) => Self::storage(path, error),
            _ => Self::damaged(path, error),
        }
    }
}

impl From<VaultError> for ClientError {
    fn from(error: VaultError) -> Self {
        let (kind, help) = match &error {
            VaultError::WrongPassword(_) => {
                (ErrorKind::WrongPassword, "try again; nobody can reset it, it exists only in your head")
            }
            VaultError::Damaged { .. } => (
                ErrorKind::Damaged,
                "put back a copy of the folder, or move vault.db and vault.key away and run `openchat join LINK` \
                 with a new link: private.pem still makes you the same person",
            ),
            VaultError::Missing(_) => {
                (ErrorKind::NotFound, "make one: `openchat up`, or `openchat join LINK`")
            }
            VaultError::Exists(_) => {
                (ErrorKind::Usage, "use it with `openchat chat`, or make another one with `--profile NAME`")
            }
            VaultError::Newer { .. } => (ErrorKind::Version, "install the newest openchat"),
            VaultError::Storage { .. } => {
                (ErrorKind::Storage, "look at the disk's free space and permissions")
            }
        };
        Self::new(kind, error.to_string()).with_help(help)
    }
}
