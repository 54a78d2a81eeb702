//! Files that hold secrets: made once, whole or not at all, and for their owner only.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// For the owner alone.
pub(crate) const PRIVATE: u32 = 0o600;
/// For everybody to read.
pub(crate) const PUBLIC: u32 = 0o644;

/// Larger than any key or certificate in PEM.
const LARGEST: u64 = 64 << 10;

/// Why a file cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refuses.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is there already and is never overwritten.
    #[error("{} exists already and is not overwritten: move it away first", _0.display())]
    Exists(PathBuf),
    /// There is no such file.
    #[error("{} does not exist", _0.display())]
    Missing(PathBuf),
    /// Others than the owner may read or write a secret file.
    #[error("others can access {0} (mode {mode:03o}), so it is not used; mend it with: chmod 600 {0}", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is too large, or not text, and so no PEM.
    #[error("{} is no PEM file", _0.display())]
    NotText(PathBuf),
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| match source.kind() {
        io::ErrorKind::AlreadyExists => FileError::Exists(path.to_owned()),
        io::ErrorKind::NotFound => FileError::Missing(path.to_owned()),
        _ => FileError::Io { action, path: path.to_owned(), source },
    }
}

/// Makes `path` and what is missing above it, for the owner only. An existing folder stays as it is.
pub(crate) fn create_folder(path: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make the folder", path))
}

/// Writes a file that did not exist. After a crash it is there whole, or not there.
pub(crate) fn create(path: &Path, content: &str, mode: u32) -> Result<(), FileError> {
    let draft = draft_of(path);
    // A link, unlike a rename, fails when the target exists.
    let result = write(&draft, content, mode)
        .and_then(|()| std::fs::hard_link(&draft, path).map_err(failed("write", path)))
        .and_then(|()| sync_parent(path));
    // The draft is a second name of the same file, or a failure's remains.
    let _ = std::fs::remove_file(&draft);
    result
}

/// Writes a file in the place of the one that is there. After a crash the one or the other is there, whole.
pub(crate) fn replace(path: &Path, content: &str, mode: u32) -> Result<(), FileError> {
    let draft = draft_of(path);
    let result = write(&draft, content, mode)
        .and_then(|()| std::fs::rename(&draft, path).map_err(failed("write", path)))
        .and_then(|()| sync_parent(path));
    if result.is_err() {
        // A draft that is left is not read by anybody, and the error that matters is the first one.
        let _ = std::fs::remove_file(&draft);
    }
    result
}

/// Gives a file another name, in the place of the one that has it. After a crash it has the one or the other.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    std::fs::rename(from, to).map_err(failed("write", to))?;
    sync_parent(to)
}

/// Removes a file for good, as far as the disk forgets it.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    std::fs::remove_file(path).map_err(failed("remove", path))?;
    sync_parent(path)
}

/// Reads a secret, unless others can.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let file = File::open(path).map_err(failed("read", path))?;
    // Of the open file, so that it cannot be exchanged in between.
    let mode = file.metadata().map_err(failed("read", path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FileError::OpenToOthers { path: path.to_owned(), mode });
    }
    read(file, path)
}

/// Reads what everybody may.
pub(crate) fn read_public(path: &Path) -> Result<String, FileError> {
    let file = File::open(path).map_err(failed("read", path))?;
    read(file, path).map(|text| (*text).clone())
}

fn read(file: File, path: &Path) -> Result<Zeroizing<String>, FileError> {
    let mut text = Zeroizing::new(String::new());
    match file.take(LARGEST + 1).read_to_string(&mut text) {
        Ok(length) if length as u64 <= LARGEST => Ok(text),
        Ok(_) => Err(FileError::NotText(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(FileError::NotText(path.to_owned())),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Writes to a file that must not exist, down to the disk.
pub(crate) fn write(path: &Path, content: &str, mode: u32) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = options.open(path).map_err(failed("write", path))?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("write", path))
}

/// Makes a new, renamed or linked name durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), FileError> {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed("write", parent))
}

/// A name beside `path` that nobody else uses.
pub(crate) fn draft_of(path: &Path) -> PathBuf {
    let mut random = [0; 8];
    crate::certificate::fill_random(&mut random);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", data_encoding::HEXLOWER.encode(&random)));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, read_dir, set_permissions};

    use super::*;

    #[test]
    fn a_file_is_made_once_and_leaves_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        create(&path, "one", PRIVATE).unwrap();
        assert!(matches!(create(&path, "two", PRIVATE), Err(FileError::Exists(it)) if it == path));
        assert_eq!(*read_private(&path).unwrap(), "one");
        assert_eq!(read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        create(&path, "one", PRIVATE).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = read_private(&path).unwrap_err().to_string();
            assert!(error.ends_with(&format!("chmod 600 {}", path.display())), "{error}");
        }
        set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(read_private(&path).is_ok());
    }

    #[test]
    fn what_cannot_be_pem_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::write(&path, vec![b'a'; 70 << 10]).unwrap();
        assert!(matches!(read_public(&path), Err(FileError::NotText(_))));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read_public(&path), Err(FileError::NotText(_))));
        assert!(matches!(read_public(&folder.path().join("none")), Err(FileError::Missing(_))));
    }

    #[test]
    fn new_folders_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        create_folder(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        create_folder(&path).unwrap();
    }
}
