//! What the audience sees: scenes, checks, transcripts, and the server's disk.

use std::fmt::Display;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use openchat_protocol::record::{Record, RecordKind};
use openchat_protocol::{DeviceId, RoomId};
use openchat_store::room_log::PageLimit;
use openchat_store::{SqliteStore, Store};

use super::person::Person;
use crate::failure::{Failure, Kind};
use crate::{output, text};

/// Bytes of a sealed message in one row, and rows that are shown.
const ROW: usize = 16;
const ROWS: usize = 4;

pub(super) struct Stage {
    scenes: usize,
    began: Instant,
}

impl Default for Stage {
    fn default() -> Self {
        Self { scenes: 0, began: Instant::now() }
    }
}

impl Stage {
    /// A new scene begins.
    pub(super) fn scene(&mut self, title: &str) -> Result<(), Failure> {
        self.scenes += 1;
        let title = text::styled(text::TITLE, format_args!("{}. {title}", self.scenes));
        output::line(format_args!("\n{title}"))
    }

    /// The last lines.
    pub(super) fn end(&self) -> Result<(), Failure> {
        let seconds = self.began.elapsed().as_secs_f32();
        let end = text::styled(text::TITLE, format_args!("All of it was observed, in {seconds:.1} s."));
        output::line(format_args!("\n{end}\nNow for real: openchat up"))
    }
}

/// Something worth knowing.
pub(super) fn note(words: impl Display) -> Result<(), Failure> {
    output::line(format_args!("   {words}"))
}

/// The room as one person sees it.
pub(super) async fn transcript(person: &Person) -> Result<(), Failure> {
    note(text::styled(text::QUIET, format_args!("┌ {}'s screen", person.name)))?;
    for line in person.lines().await? {
        note(format_args!("{} {}", text::styled(text::QUIET, "│"), text::line(&line)))?;
    }
    Ok(())
}

/// The epochs that one person went through.
pub(super) fn epochs(person: &Person) -> Result<(), Failure> {
    for change in &person.epochs {
        let (joined, removed) = (change.joined.len(), change.removed.len());
        note(format_args!("epoch {}: {joined} in, {removed} out, committed by {}", change.epoch, change.by))?;
    }
    Ok(())
}

/// The first message in the server's log, as it lies on its disk.
pub(super) async fn sealed_record(folder: &Path, room: RoomId, reader: DeviceId) -> Result<(), Failure> {
    let store = SqliteStore::open(&folder.join("server/server.db"))?;
    let page = store.read(room, reader, 0, PageLimit::PROTOCOL).await;
    let page = page.map_err(|error| Failure::new(Kind::Internal, error))?;
    let record = first_message(&page.records)?;
    let payload: Vec<u8> = record.payload.into();
    note(format_args!("record {} by {}: {} sealed bytes", record.sequence, record.author, payload.len()))?;
    for row in payload.chunks(ROW).take(ROWS) {
        let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        note(text::styled(text::QUIET, hex.join(" ")))?;
    }
    Ok(())
}

fn first_message(records: &[Bytes]) -> Result<Record, Failure> {
    records
        .iter()
        .filter_map(|bytes| Record::from_bytes(bytes).ok())
        .find(|record| record.kind == RecordKind::Message)
        .ok_or_else(|| Failure::new(Kind::Internal, "the server's log holds no message"))
}

/// A claim of the demo: shown when it holds, the end when it does not.
pub(super) fn check(claim: &str, holds: bool) -> Result<(), Failure> {
    if !holds {
        return Err(Failure::new(Kind::Internal, format!("the demo did not observe that {claim}")));
    }
    note(format_args!("{} {claim}", text::styled(text::GOOD, "✓")))
}

/// Whether any file below `folder` holds these words.
pub(super) fn found_below(folder: &Path, words: &str) -> Result<bool, Failure> {
    let failed = |error| Failure::new(Kind::Storage, format!("cannot read {}: {error}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let found = match path.is_dir() {
            true => found_below(&path, words)?,
            false => std::fs::read(&path)
                .map_err(failed)?
                .windows(words.len())
                .any(|part| part == words.as_bytes()),
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
