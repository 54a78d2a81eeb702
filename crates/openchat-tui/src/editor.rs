//! The message in `$EDITOR`: a file that only its owner reads, and that does not stay.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditorError {
    /// Neither `VISUAL` nor `EDITOR` is set.
    #[error("set EDITOR to your editor, such as EDITOR=nano")]
    Unset,
    /// The file cannot be written or read.
    #[error("the draft's file cannot be used: {0}")]
    File(#[from] io::Error),
    /// There is no such program.
    #[error("`{0}` cannot be started: set EDITOR to your editor")]
    Missing(String),
    /// The editor ended with an error.
    #[error("the editor did not end well")]
    Failed,
}

/// The draft's file, removed whatever happens.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What the person made of `text`. Blocks for as long as they write.
pub(crate) fn edit(folder: &Path, text: &str) -> Result<String, EditorError> {
    let editor =
        ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|it| !it.is_empty()));
    let editor = editor.ok_or(EditorError::Unset)?;
    let draft = Draft(place(folder).join(format!("openchat-draft-{}.md", std::process::id())));
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&draft.0)?;
    file.write_all(text.as_bytes())?;
    // As the shell would: the variable may hold options.
    let status =
        Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(&draft.0).status()?;
    // What the shell says of a command that it cannot find or start.
    if matches!(status.code(), Some(126 | 127)) {
        return Err(EditorError::Missing(editor));
    }
    if !status.success() {
        return Err(EditorError::Failed);
    }
    let mut written = String::new();
    // An editor may have replaced the file by another one of this name.
    drop(file);
    let mut file = std::fs::File::open(&draft.0)?;
    file.rewind()?;
    file.read_to_string(&mut written)?;
    Ok(written)
}

/// In memory where the system has such a place, for what is written here is meant for nobody's disk.
fn place(folder: &Path) -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|it| it.is_dir())
        .unwrap_or_else(|| folder.to_owned())
}
