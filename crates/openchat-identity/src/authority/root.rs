//! The root key: needed to certify issuing keys only, and best kept where no server runs.

use std::fmt;
use std::path::{Path, PathBuf};

use super::AuthorityError;
use super::folder::{ROOT_KEY, read_root_key};
use crate::ecdsa::KeyPair;
use crate::key_file::{self, FileError, IdentityKey, KeyFileError};
use crate::password::Password;
use crate::secret_file::{self, PRIVATE};
use crate::signature::PublicKey;

/// Why a root key cannot be read, exported or removed.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The authority's folder is not in order.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A file is missing, in the way, or open to others.
    #[error(transparent)]
    File(#[from] FileError),
    /// What should be an export does not become a key.
    #[error("{}: {error}", path.display())]
    Export {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyFileError,
    },
    /// The export is of another key than the one that is to be removed, or was written wrongly.
    #[error("{} does not hold the root key of this server", _0.display())]
    Different(PathBuf),
    /// There is no root key in the folder.
    #[error("the root key is not in {}", _0.display())]
    Absent(PathBuf),
}

impl RootKeyError {
    /// Whether asking for the password again may help.
    pub fn is_wrong_password(&self) -> bool {
        matches!(self, Self::Export { error: KeyFileError::WrongPassword, .. })
    }
}

/// A root's private key. AWS-LC wipes it when it is dropped.
pub struct RootKey(KeyPair);

impl RootKey {
    /// Reads the one in the authority's folder.
    pub fn load(folder: &Path) -> Result<Self, RootKeyError> {
        read_root_key(folder)?.map(Self).ok_or_else(|| RootKeyError::Absent(folder.to_owned()))
    }

    /// Reads an export, whoever else may read the file: it is encrypted, and many a stick knows no modes.
    pub fn from_export(path: &Path, password: &Password) -> Result<Self, RootKeyError> {
        let text = secret_file::read_public(path)?;
        let key = IdentityKey::from_encrypted_pem(&text, password);
        key.map(|key| Self(key.into_pair()))
            .map_err(|error| RootKeyError::Export { path: path.to_owned(), error })
    }

    /// Writes the key to a new file, encrypted as `private.pem` is, and reads it back. A file that does not read back
    /// is removed.
    pub fn export(&self, path: &Path, password: &Password) -> Result<(), RootKeyError> {
        // Without a link or a rename, which not every stick has.
        let written = secret_file::write(path, &key_file::encrypted_pem(&self.0, password), PRIVATE);
        if let Err(error @ FileError::Exists(_)) = written {
            return Err(error.into());
        }
        let checked = written
            .and_then(|()| secret_file::sync_parent(path))
            .map_err(RootKeyError::from)
            .and_then(|()| Self::from_export(path, password))
            .and_then(|read| read.check(self, path));
        if checked.is_err() {
            // The error that matters is the first one.
            let _ = secret_file::remove(path);
        }
        checked
    }

    fn check(&self, wanted: &Self, path: &Path) -> Result<(), RootKeyError> {
        if self.public_key() == wanted.public_key() {
            Ok(())
        } else {
            Err(RootKeyError::Different(path.to_owned()))
        }
    }

    pub(super) fn public_key(&self) -> &PublicKey {
        self.0.public()
    }

    pub(super) fn pair(&self) -> &KeyPair {
        &self.0
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(..)")
    }
}

/// That a file is an export of the root key in an authority's folder, and that its password is known.
#[derive(Debug)]
pub struct VerifiedExport {
    original: PathBuf,
}

impl VerifiedExport {
    /// Opens the export and compares it with the root key in `folder`.
    pub fn new(folder: &Path, export: &Path, password: &Password) -> Result<Self, RootKeyError> {
        let here = RootKey::load(folder)?;
        RootKey::from_export(export, password)?.check(&here, export)?;
        Ok(Self { original: folder.join(ROOT_KEY) })
    }

    /// Removes the root key from the authority's folder.
    pub fn remove_original(self) -> Result<(), RootKeyError> {
        Ok(secret_file::remove(&self.original)?)
    }
}
