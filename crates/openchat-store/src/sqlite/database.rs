//! The writer's connection, and what the writer knows that is not read anew for each message.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use openchat_protocol::record::Position;
use openchat_protocol::{DeviceId, RoomId, Timestamp};
use rusqlite::Connection;

use super::log_index::{self, Fresh, LogIndex};
use super::room::{self, Author, State};

/// Authors that are remembered at most.
const AUTHORS: usize = 16_384;

/// The writer's connection.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    index: Arc<LogIndex>,
    /// Up to which row the places of records are written, in a transaction that has not ended.
    written: Cell<Option<i64>>,
    authors: RefCell<Authors>,
}

/// Rooms in which messages are being said, and those who say them, as the database has them.
#[derive(Debug, Default)]
struct Authors {
    rooms: HashMap<RoomId, State>,
    authors: HashMap<(RoomId, DeviceId), Author>,
}

/// How far a [`Database`] was, to which it goes back when something is undone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    fresh: usize,
    written: Option<i64>,
}

impl Deref for Database {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Database {
    pub(super) fn new(connection: Connection, index: Arc<LogIndex>) -> Self {
        Self { connection, index, written: Cell::new(None), authors: RefCell::default() }
    }

    /// The places of the newest records.
    pub(super) fn fresh(&self) -> Arc<Fresh> {
        self.index.fresh()
    }

    /// Writes the places that are in memory, in the transaction at hand.
    pub(super) fn write_places(&self) -> rusqlite::Result<()> {
        self.written.set(Some(log_index::write_places(self)?));
        Ok(())
    }

    /// The room and the one who appends to it. Read once for all that is said before something else is written: nothing
    /// but the writer changes them.
    pub(super) fn author(
        &self,
        room: RoomId,
        device: DeviceId,
    ) -> rusqlite::Result<Option<(State, Option<Author>)>> {
        let mut known = self.authors.borrow_mut();
        if let (Some(state), Some(author)) = (known.rooms.get(&room), known.authors.get(&(room, device))) {
            return Ok(Some((state.clone(), Some(*author))));
        }
        let found = room::state_for(self, room, device)?;
        if let Some((state, Some(author))) = &found {
            if known.authors.len() >= AUTHORS {
                *known = Authors::default();
            }
            known.rooms.insert(room, state.clone());
            known.authors.insert((room, device), *author);
        }
        Ok(found)
    }

    /// A room has a new head.
    pub(super) fn moved(&self, room: RoomId, head: Position, time: Timestamp) {
        if let Some(state) = self.authors.borrow_mut().rooms.get_mut(&room) {
            (state.head, state.time) = (head, time);
        }
    }

    /// Something else was written, or undone.
    pub(super) fn forget_authors(&self) {
        self.authors.take();
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { fresh: self.fresh().count(), written: self.written.get() }
    }

    /// What came after the mark was undone.
    pub(super) fn back_to(&self, mark: Mark) {
        self.forget_authors();
        self.fresh().truncate(mark.fresh);
        self.written.set(mark.written);
    }

    /// The transaction is on disk.
    pub(super) fn settle(&self) {
        if let Some(written) = self.written.take() {
            self.index.settle(written);
        }
    }
}
