//! What a session sends by itself: pages of the rooms it follows, and Welcomes.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use openchat_protocol::{DeviceId, Event, Response, RoomId, ServerFrame};
use openchat_store::StoreError;
use openchat_store::room::Membership;
use openchat_store::room_log::{LogPage, PageLimit, ReadError};
use openchat_store::welcome::QueuedWelcome;
use tokio::io::{AsyncBufRead, AsyncWrite};
use tracing::{error, warn};

use super::{Done, Large, Session};
use crate::budget::Share;
use crate::page::PageFrame;
use crate::reading::{Reading, Step};
use crate::requests::{self, Answer, Asker, store_failed};
use crate::state::State;

/// While so many bytes wait to be written, no further page is read.
const ROUND: usize = 64 << 10;

/// More than a frame takes besides its large parts.
const HEAD: usize = 1 << 10;

/// What the store has answered to the session itself.
pub(super) enum Loaded {
    Page { room: RoomId, after: u64, result: Result<LogPage, ReadError> },
    Membership { room: RoomId, result: Result<Option<Membership>, StoreError> },
    WelcomeWaits(Result<bool, StoreError>),
    Welcome(Share, Result<Option<QueuedWelcome>, StoreError>),
    Answer { share: Share, id: u64, size: usize, answer: Answer },
}

impl<S: AsyncBufRead + AsyncWrite + Unpin> Session<S> {
    /// Adds pages to the output as long as the peer takes them. A peer that does not is not read for: what it misses
    /// stays where it is, and its cursor too.
    pub(super) fn deliver(&mut self) {
        let Some(device) = self.device else { return };
        while self.loading.is_none() && self.connection.backlog() < ROUND {
            // Whatever it was for, the peer has taken by now.
            self.share = None;
            if let Some(share) = self.granted.take() {
                self.load_large(device, share);
            } else if self.welcome_due && !self.welcome_waits {
                self.ask_for_welcome(device);
            } else if self.standing.is_none() && (self.welcome_waits || !self.large.is_empty()) {
                self.stand_in_line(device);
            } else if let Some(room) = self.ready.pop_front() {
                self.deliver_room(device, room);
            } else {
                return;
            }
        }
    }

    /// Asks for the memory of a large answer. Mostly it is there at once.
    fn stand_in_line(&mut self, device: DeviceId) {
        let state = Arc::clone(&self.state);
        let mut share: BoxFuture<'static, Share> =
            Box::pin(async move { state.budget.share(device.uid).await });
        match (&mut share).now_or_never() {
            Some(share) => self.granted = Some(share),
            None => self.standing = Some(share),
        }
    }

    pub(super) fn handle_granted(&mut self, share: Share) {
        self.standing = None;
        self.granted = Some(share);
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

    fn ask_for_welcome(&mut self, device: DeviceId) {
        let cursor = self.welcome_cursor;
        self.load(async move |state| Loaded::WelcomeWaits(state.store.welcome_waits(device, cursor).await));
    }

    fn load_large(&mut self, device: DeviceId, share: Share) {
        if std::mem::take(&mut self.welcome_waits) {
            let cursor = self.welcome_cursor;
            self.load(async move |state| {
                Loaded::Welcome(share, state.store.next_welcome(device, cursor).await)
            });
        } else if let Some(Large { id, request, size }) = self.large.pop_front() {
            let asker = Asker { network: self.network, device: Some(device) };
            self.load(async move |state| {
                let answer = requests::carry_out(state, asker, request).await;
                Loaded::Answer { share, id, size, answer }
            });
        }
    }

    /// One at a time, so that what was read and cannot be sent yet is one page, or one large answer, at most.
    fn load<F>(&mut self, read: impl FnOnce(Arc<State>) -> F)
    where
        F: Future<Output = Loaded> + Send + 'static,
    {
        self.loading = Some(Box::pin(read(Arc::clone(&self.state))));
    }

    pub(super) fn handle_loaded(&mut self, loaded: Loaded) {
        self.loading = None;
        match loaded {
            Loaded::Page { room, after, result: Ok(page) } => self.handle_page(room, after, &page),
            Loaded::Page { room, result: Err(ReadError::NotAMember), .. } => self.end_reading(room),
            // What failed is tried again when the bell rings next, at the next sweep for instance.
            Loaded::Page { result: Err(ReadError::Store(error)), .. } => read_failed(&error),
            Loaded::Membership { room, result } => self.handle_membership(room, result),
            Loaded::WelcomeWaits(Ok(true)) => self.welcome_waits = true,
            Loaded::WelcomeWaits(result) => self.handle_welcome(result.map(|_| None)),
            Loaded::Welcome(share, result) => {
                if let Ok(Some(queued)) = &result {
                    let welcome = &queued.welcome;
                    self.connection.reserve(welcome.tree.size() + welcome.welcome.len() + HEAD);
                }
                self.handle_welcome(result);
                self.hold(share);
            }
            Loaded::Answer { share, id, size, answer } => {
                if let Ok(Response::JoinInfo(info)) = &answer {
                    self.connection.reserve(info.group.tree.size() + info.group.group_info.len() + HEAD);
                }
                self.settle(id, size, answer);
                self.hold(share);
            }
        }
    }

    /// Keeps as much of `share` as now waits to be written.
    fn hold(&mut self, mut share: Share) {
        share.shrink(self.connection.backlog());
        self.share = Some(share);
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
                Done::Nothing
            }));
        }
    }
}

/// Waits for what is under way; for ever, when nothing is.
pub(super) async fn ready<T>(under_way: &mut Option<BoxFuture<'static, T>>) -> T {
    match under_way {
        Some(under_way) => under_way.await,
        None => std::future::pending().await,
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
