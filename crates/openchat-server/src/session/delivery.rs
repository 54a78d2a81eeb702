//! What a session sends by itself: pages of the rooms it follows, and Welcomes.

use std::sync::Arc;

use openchat_protocol::{DeviceId, Event, RoomId, ServerFrame};
use openchat_store::StoreError;
use openchat_store::room::Membership;
use openchat_store::room_log::{LogPage, PageLimit, ReadError};
use openchat_store::welcome::QueuedWelcome;
use tokio::io::{AsyncBufRead, AsyncWrite};
use tracing::{error, warn};

use super::{Done, Session};
use crate::page::PageFrame;
use crate::reading::{Reading, Step};
use crate::requests::store_failed;
use crate::state::State;

/// While so many bytes wait to be written, no further page is read.
const ROUND: usize = 64 << 10;

/// What the store has answered to the session itself.
pub(super) enum Loaded {
    Page { room: RoomId, after: u64, result: Result<LogPage, ReadError> },
    Membership { room: RoomId, result: Result<Option<Membership>, StoreError> },
    Welcome(Result<Option<QueuedWelcome>, StoreError>),
    Nothing,
}

impl<S: AsyncBufRead + AsyncWrite + Unpin> Session<S> {
    /// Adds pages to the output as long as the peer takes them. A peer that does not is not read for: what it misses
    /// stays where it is, and its cursor too.
    pub(super) fn deliver(&mut self) {
        let Some(device) = self.device else { return };
        while !self.loading && self.connection.backlog() < ROUND {
            if self.welcome_due {
                self.load_welcome(device);
            } else if let Some(room) = self.ready.pop_front() {
                self.deliver_room(device, room);
            } else {
                return;
            }
        }
    }

    /// Has a room looked after when its turn comes.
    pub(super) fn queue(&mut self, room: RoomId) {
        if self.readings.get_mut(&room).is_some_and(Reading::queue) {
            self.ready.push_back(room);
        }
    }

    fn deliver_room(&mut self, device: DeviceId, room: RoomId) {
        let Some(reading) = self.readings.get_mut(&room) else { return };
        match reading.next() {
            Step::Send { records, head, more } => {
                self.put_page(&PageFrame::new(room, &records, head, false));
                if more {
                    self.queue(room);
                }
            }
            Step::Wait => {}
            Step::Load(after) => self.load(async move |state| {
                let result = state.store.read(room, device, after, PageLimit::PROTOCOL).await;
                Loaded::Page { room, after, result }
            }),
            Step::AskMembership => self.load(async move |state| Loaded::Membership {
                room,
                result: state.store.membership(room, device).await,
            }),
        }
    }

    fn load_welcome(&mut self, device: DeviceId) {
        let cursor = self.welcome_cursor;
        self.load(async move |state| Loaded::Welcome(state.store.next_welcome(device, cursor).await));
    }

    /// One at a time, so that what was read and cannot be sent yet is one page at most.
    fn load<F>(&mut self, read: impl FnOnce(Arc<State>) -> F)
    where
        F: Future<Output = Loaded> + Send + 'static,
    {
        self.loading = true;
        let reading = read(Arc::clone(&self.state));
        self.work.push(Box::pin(async move { Done::Loaded(reading.await) }));
    }

    pub(super) fn handle_loaded(&mut self, loaded: Loaded) {
        match loaded {
            Loaded::Nothing => return,
            Loaded::Page { room, after, result: Ok(page) } => self.handle_page(room, after, &page),
            Loaded::Page { room, result: Err(ReadError::NotAMember), .. } => self.end_reading(room),
            // What failed is tried again when the bell rings next, at the next sweep for instance.
            Loaded::Page { result: Err(ReadError::Store(error)), .. } => read_failed(&error),
            Loaded::Membership { room, result } => self.handle_membership(room, result),
            Loaded::Welcome(result) => self.handle_welcome(result),
        }
        self.loading = false;
    }

    fn handle_page(&mut self, room: RoomId, after: u64, page: &LogPage) {
        let Some(reading) = self.readings.get_mut(&room) else { return };
        if !reading.loaded(after, page) {
            self.queue(room);
            return;
        }
        self.put_page(&PageFrame::new(room, &page.records, page.head, page.ended));
        if page.ended {
            self.readings.remove(&room);
        } else if !page.records.is_empty() {
            self.queue(room);
        }
    }

    fn handle_membership(&mut self, room: RoomId, result: Result<Option<Membership>, StoreError>) {
        let Some(reading) = self.readings.get_mut(&room) else { return };
        let membership = result.unwrap_or_else(|error| {
            read_failed(&error);
            None
        });
        reading.membership(membership.as_ref());
        self.queue(room);
    }

    fn handle_welcome(&mut self, result: Result<Option<QueuedWelcome>, StoreError>) {
        match result {
            Ok(Some(QueuedWelcome { cursor, welcome })) => {
                self.welcome_cursor = cursor;
                self.put_event(&ServerFrame::Event(Event::Welcome(welcome)));
            }
            Ok(None) => {
                self.welcome_due = false;
                if !std::mem::replace(&mut self.welcomes_sent, true) {
                    self.put_event(&ServerFrame::Event(Event::WelcomesSent));
                }
            }
            Err(error) => {
                self.welcome_due = false;
                // No sweep would make up for it: the client has to come again.
                self.presence.bell().end(&store_failed(&error));
            }
        }
    }

    /// Passes on that somebody cannot join a room with the group of its last commit.
    pub(super) fn ask_for_group(&mut self, room: RoomId) {
        if self.device.is_some() {
            self.put_event(&ServerFrame::Event(Event::GroupWanted(room)));
        }
    }

    fn end_reading(&mut self, room: RoomId) {
        if self.readings.remove(&room).is_some() {
            self.put_page(&PageFrame::new(room, &[], 0, true));
        }
    }

    fn put_page(&mut self, page: &PageFrame<'_>) {
        if let Err(error) = self.connection.put(page) {
            error!(%error, "a page is too long to be sent");
        }
    }

    fn put_event(&mut self, event: &ServerFrame) {
        if let Err(error) = self.connection.put(event) {
            error!(%error, "an event is too long to be sent");
        }
    }

    /// Notes in the store that this device is here, without waiting for it.
    pub(super) fn note_presence(&mut self) {
        if let Some(device) = self.device {
            let state = Arc::clone(&self.state);
            self.work.push(Box::pin(async move {
                note_presence(&state, device).await;
                Done::Loaded(Loaded::Nothing)
            }));
        }
    }
}

/// Notes in the store that a device is, or was until now, connected.
pub(super) async fn note_presence(state: &State, device: DeviceId) {
    if let Err(error) = state.store.touch_device(device, state.now()).await {
        warn!(%error, "the time of a connection was not stored");
    }
}

fn read_failed(error: &StoreError) {
    error!(%error, "the store cannot read");
}
