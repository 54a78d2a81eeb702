//! The doorbell of one connection: it says that there is something to look after, never what.

use std::sync::{Mutex, MutexGuard, PoisonError};

use openchat_protocol::{Refusal, RoomId};
use tokio::sync::Notify;

/// What a session finds to do when its bell has rung.
#[derive(Debug, Default)]
pub(crate) struct Rings {
    /// Followed rooms that may have more than the session has read; each stands here once.
    pub(crate) rooms: Vec<RoomId>,
    /// A Welcome waits.
    pub(crate) welcome: bool,
    /// Rooms whose joiners need a commit by another author; each stands here once.
    pub(crate) groups_wanted: Vec<RoomId>,
    /// The session has to end, for this reason.
    pub(crate) end: Option<Refusal>,
}

/// Rung by others, heard by one session. Rings that are not yet heard merge, so a slow session costs nobody memory.
#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    rings: Mutex<Rings>,
    notify: Notify,
}

impl Doorbell {
    /// The caller keeps `room` from being rung again before it was taken.
    pub(crate) fn ring_room(&self, room: RoomId) {
        self.rings().rooms.push(room);
        self.notify.notify_one();
    }

    pub(crate) fn ring_welcome(&self) {
        self.rings().welcome = true;
        self.notify.notify_one();
    }

    pub(crate) fn ring_group_wanted(&self, room: RoomId) {
        let mut rings = self.rings();
        if !rings.groups_wanted.contains(&room) {
            rings.groups_wanted.push(room);
        }
        drop(rings);
        self.notify.notify_one();
    }

    /// The first reason counts.
    pub(crate) fn end(&self, reason: &Refusal) {
        self.rings().end.get_or_insert_with(|| reason.clone());
        self.notify.notify_one();
    }

    /// Waits until it has rung since the last time. May also return when it has not.
    pub(crate) async fn rung(&self) {
        self.notify.notified().await;
    }

    pub(crate) fn take(&self) -> Rings {
        std::mem::take(&mut *self.rings())
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
