//! A room's history as text in a file, for people; and the files whose names Tab completes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use openchat_client::{ClientError, ClientHandle, Delivery, Entry, Line, Span};
use openchat_protocol::RoomId;

use crate::phrases;
use crate::words::harmless;

/// Lines that are read and written at once.
const PAGE: u32 = 1_000;
/// Files that are offered for one name.
const FILES: usize = 50;

/// Why a history was not written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Nothing is ever written over.
    #[error("{0} is there already: choose another name")]
    Exists(String),
    /// The file cannot be made or written.
    #[error("{file} cannot be written: {why}")]
    File {
        /// As it was asked for.
        file: String,
        /// What the system says.
        why: io::Error,
    },
    /// The history cannot be read.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Writes all lines of a room that are on this machine to a new file, which only its owner may read. Answers with how
/// many there are. What was begun and cannot be ended is taken away.
pub async fn save(client: &ClientHandle, room: RoomId, written: &str) -> Result<usize, SaveError> {
    let failed = |why: io::Error| match why.kind() {
        io::ErrorKind::AlreadyExists => SaveError::Exists(written.to_owned()),
        _ => SaveError::File { file: written.to_owned(), why },
    };
    let path = place(written);
    let new = path.clone();
    let file = blocking(move || OpenOptions::new().write(true).create_new(true).mode(0o600).open(new));
    let file = BufWriter::new(file.await.map_err(failed)?);
    let outcome = match write_all(client, room, file).await {
        Ok(lines) => return Ok(lines),
        Err(Trouble::Client(error)) => Err(error.into()),
        Err(Trouble::File(why)) => Err(failed(why)),
    };
    // Half a history would be taken for a whole one. Gone already is as good.
    let _ = blocking(move || std::fs::remove_file(path)).await;
    outcome
}

enum Trouble {
    Client(ClientError),
    File(io::Error),
}

async fn write_all(client: &ClientHandle, room: RoomId, mut file: BufWriter<File>) -> Result<usize, Trouble> {
    let (mut after, mut count) = (0, 0);
    // The first record of a room is 0.
    let mut span = Span::Before(1);
    loop {
        let lines = client.history(room, span, PAGE).await.map_err(Trouble::Client)?;
        count += lines.len();
        after = lines.iter().filter_map(|line| line.sequence).max().unwrap_or(after);
        let is_last = span != Span::Before(1) && lines.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        span = Span::After(after);
        let write = move || {
            lines.iter().try_for_each(|line| writeln!(file, "{}", text(line)))?;
            file.flush().map(|()| file)
        };
        file = blocking(write).await.map_err(Trouble::File)?;
        if is_last {
            return Ok(count);
        }
    }
}

/// What may wait for the disk, and nobody for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// One line of a room. The other lines of what was said are set in.
fn text(line: &Line) -> String {
    let moment = phrases::day_and_clock(line.time);
    match &line.entry {
        Entry::Text { text, delivery, .. } => {
            let words = harmless(text).replace('\n', "\n        ");
            let sign = phrases::trust_sign(line.author.trust);
            let delivery = match delivery {
                Delivery::Sent => String::new(),
                Delivery::Pending => "  (waiting to be sent)".to_owned(),
                Delivery::Failed { reason } => format!("  (not sent: {})", harmless(reason)),
            };
            format!("{moment} {sign} {}  {words}{delivery}", line.author)
        }
        entry => {
            let (words, is_warning) = phrases::announcement(&line.author, entry);
            format!("{moment} {} {words}", if is_warning { "!!" } else { "--" })
        }
    }
}

/// `~/` is the home folder, as shells have it.
fn place(written: &str) -> PathBuf {
    match (written.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(written),
    }
}

/// Files and folders whose names begin as `written` does, folders with a `/`. Names with spaces or control characters are
/// left out: a completion is one word.
pub(crate) fn files(written: &str) -> Vec<String> {
    let (folder, beginning) = written.rfind('/').map_or(("", written), |at| written.split_at(at + 1));
    let place = if folder.is_empty() { PathBuf::from(".") } else { place(folder) };
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let named = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        let is_meant = name.starts_with(beginning) && name.starts_with('.') == beginning.starts_with('.');
        let is_word = !name.contains(|c: char| c.is_whitespace() || c.is_control());
        // As a link leads.
        let is_folder = entry.path().is_dir();
        (is_meant && is_word).then(|| format!("{folder}{name}{}", if is_folder { "/" } else { "" }))
    });
    let mut named: Vec<_> = named.collect();
    named.sort();
    named.truncate(FILES);
    named
}

/// [`files`], without keeping anybody waiting for the disk.
pub(crate) async fn look_for_files(written: String) -> (String, Vec<String>) {
    let word = written.clone();
    let found = blocking(move || Ok(files(&word))).await.unwrap_or_default();
    (written, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_the_beginning_of_their_names() {
        let folder = std::env::temp_dir().join(format!("openchat-files-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("notes")).unwrap();
        for name in ["note.txt", ".note", "note with spaces", "other"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let folder = folder.to_str().unwrap();
        let found = |word: &str| files(&format!("{folder}/{word}"));
        assert_eq!(found("no"), [format!("{folder}/note.txt"), format!("{folder}/notes/")]);
        assert_eq!(found("."), [format!("{folder}/.note")]);
        assert_eq!(found("").len(), 3);
        assert!(found("notes/").is_empty() && found("nowhere/").is_empty());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
