//! Looking for words in what was said, step by step from the newest line to the oldest.
//!
//! The vault is encrypted, and an index of its words would be a second copy of all that was said. A scan needs none, finds
//! parts of words in every script, and each of its steps is short enough for whoever else waits for the vault.

use openchat_protocol::RoomId;
use rusqlite::{Connection, params};

use super::history::{line, names};
use crate::event::{Entry, Line};

/// Lines that one step looks at, more or less: lines of one record stay together.
const LINES: u32 = 2_000;
/// Bytes of text that one step looks at, more or less.
const BYTES: usize = 4 * 1024 * 1024;
/// Lines that one step finds at most, more or less.
const FOUND: usize = 50;
/// Words that are looked for at most.
const WORDS: usize = 16;

/// What is looked for: every word of it must be in a message, or in its author's name. Large letters are small ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought(Vec<String>);

impl Sought {
    /// The words of `text`; nothing when there are none.
    pub fn new(text: &str) -> Option<Self> {
        let words: Vec<_> = text.split_whitespace().take(WORDS).map(str::to_lowercase).collect();
        (!words.is_empty()).then_some(Self(words))
    }

    fn is_in(&self, line: &Line) -> bool {
        let Entry::Text { text, .. } = &line.entry else { return false };
        let (text, author) = (text.to_lowercase(), line.author.to_string());
        self.0.iter().all(|word| text.contains(word) || author.contains(word))
    }
}

/// What one step of a search has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Searched {
    /// Messages with the words, the newest first.
    pub found: Vec<Line>,
    /// How many lines were looked at.
    pub looked_at: u32,
    /// The next step looks at lines before this sequence; nothing when there are none.
    pub next: Option<u64>,
}

/// Looks at the newest lines of `room` before the sequence `before`.
pub(super) fn search(
    database: &Connection,
    room: RoomId,
    before: u64,
    sought: &Sought,
) -> rusqlite::Result<Searched> {
    let names = names(database)?;
    let mut statement = database.prepare_cached(
        "SELECT sequence, part, time, author, entry FROM history WHERE room = ?1 AND sequence < ?2
         ORDER BY sequence DESC, part DESC",
    )?;
    let before = before.min(i64::MAX.unsigned_abs());
    let mut rows = statement.query(params![room.as_bytes(), before])?;
    let mut searched = Searched { found: Vec::new(), looked_at: 0, next: None };
    let (mut bytes, mut last) = (0, before);
    while let Some(row) = rows.next()? {
        let line = line(row, room, &names)?;
        let sequence = line.sequence.unwrap_or(0);
        let is_full = searched.looked_at >= LINES || bytes >= BYTES || searched.found.len() >= FOUND;
        if is_full && sequence != last {
            searched.next = Some(last);
            break;
        }
        last = sequence;
        searched.looked_at += 1;
        if let Entry::Text { text, .. } = &line.entry {
            bytes += text.len();
        }
        if sought.is_in(&line) {
            searched.found.push(line);
        }
    }
    Ok(searched)
}
