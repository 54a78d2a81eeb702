//! Who follows which room, and how news reach them: a record goes into the room's tail and rings the bell of every
//! follower, which then reads after its own cursor.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openchat_protocol::{DeviceId, RoomId};
use openchat_store::room_log::StoredRecord;

use crate::doorbell::Doorbell;

mod tail;
#[cfg(test)]
mod tests;

use tail::Tail;
pub(crate) use tail::TailRead;

/// Every room that somebody follows now.
///
/// One lock for the map suffices: it is held for one look-up per stored record, and never while a room is read.
#[derive(Default)]
pub(crate) struct Rooms {
    rooms: Mutex<HashMap<RoomId, Arc<Room>>>,
}

struct Room {
    id: RoomId,
    state: Mutex<RoomState>,
}

#[derive(Default)]
struct RoomState {
    tail: Tail,
    followers: Vec<Arc<Follower>>,
}

struct Follower {
    device: DeviceId,
    bell: Arc<Doorbell>,
    /// The last record that the session has sent on.
    cursor: AtomicU64,
    /// The bell has been rung for this room and the session has not looked yet.
    rung: AtomicBool,
    /// The device's membership has changed since the session last asked the store.
    changed: AtomicBool,
}

/// One session's reading of one room. It stops following when this is dropped.
pub(crate) struct Following {
    rooms: Arc<Rooms>,
    room: Arc<Room>,
    follower: Arc<Follower>,
}

/// What a session does next for a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// As in [`TailRead`], with the newest sequence of the room.
    Tail(TailRead, u64),
    /// Ask the store for the device's membership before reading on.
    Membership,
}

impl Rooms {
    /// Rings the bell of `device` for `room` from now on.
    pub(crate) fn follow(
        self: &Arc<Self>,
        room: RoomId,
        device: DeviceId,
        bell: &Arc<Doorbell>,
    ) -> Following {
        let follower = Arc::new(Follower {
            device,
            bell: Arc::clone(bell),
            cursor: AtomicU64::new(0),
            rung: AtomicBool::new(false),
            changed: AtomicBool::new(false),
        });
        let mut rooms = lock(&self.rooms);
        let room = rooms.entry(room).or_insert_with(|| Arc::new(Room { id: room, state: Mutex::default() }));
        lock(&room.state).followers.push(Arc::clone(&follower));
        Following { rooms: Arc::clone(self), room: Arc::clone(room), follower }
    }

    /// Passes on a record that was just stored. What it does to memberships is known to the followers before they
    /// can read on: both happen under the room's lock.
    pub(crate) fn stored(&self, room: RoomId, record: &StoredRecord) {
        let Some(room) = self.find(room) else { return };
        let mut state = lock(&room.state);
        state.tail.push(record.position.sequence, record.bytes.clone());
        state.mark_changed(&record.change.joined);
        state.mark_changed(&record.change.ended);
        state.followers.iter().for_each(|follower| follower.ring(room.id));
    }

    /// Passes on that the membership of `devices` has changed without a new record.
    pub(crate) fn membership_changed(&self, room: RoomId, devices: &[DeviceId]) {
        let Some(room) = self.find(room) else { return };
        let state = lock(&room.state);
        state.mark_changed(devices);
        state.followers.iter().filter(|f| devices.contains(&f.device)).for_each(|f| f.ring(room.id));
    }

    /// The followed rooms, each with one device that can be asked about.
    pub(crate) fn followed(&self) -> Vec<(RoomId, DeviceId)> {
        let rooms = lock(&self.rooms);
        let one = |room: &Arc<Room>| Some((room.id, lock(&room.state).followers.first()?.device));
        rooms.values().filter_map(one).collect()
    }

    /// Rings for everyone whose cursor is behind `head`, the room's newest record by the store.
    pub(crate) fn sweep(&self, room: RoomId, head: u64) {
        let Some(room) = self.find(room) else { return };
        let mut state = lock(&room.state);
        state.tail.sweep(head);
        let head = state.tail.head();
        let behind = state.followers.iter().filter(|f| f.cursor.load(Ordering::Relaxed) < head);
        behind.for_each(|follower| follower.ring(room.id));
    }

    fn find(&self, room: RoomId) -> Option<Arc<Room>> {
        lock(&self.rooms).get(&room).map(Arc::clone)
    }
}

impl RoomState {
    fn mark_changed(&self, devices: &[DeviceId]) {
        if !devices.is_empty() {
            let changed = self.followers.iter().filter(|follower| devices.contains(&follower.device));
            changed.for_each(|follower| follower.changed.store(true, Ordering::Relaxed));
        }
    }
}

impl Follower {
    fn ring(&self, room: RoomId) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.bell.ring_room(room);
        }
    }
}

impl Following {
    /// What there is to read after `cursor`. Rings from here on count anew.
    pub(crate) fn next(&self, cursor: u64) -> Next {
        self.follower.rung.store(false, Ordering::Release);
        self.follower.cursor.store(cursor, Ordering::Relaxed);
        let state = lock(&self.room.state);
        if self.follower.changed.swap(false, Ordering::Relaxed) {
            return Next::Membership;
        }
        Next::Tail(state.tail.read(cursor), state.tail.head())
    }

    /// The store said, after this following began, that the room's newest record is `head`.
    pub(crate) fn learn(&self, head: u64) {
        lock(&self.room.state).tail.learn(head);
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut rooms = lock(&self.rooms.rooms);
        let mut state = lock(&self.room.state);
        state.followers.retain(|follower| !Arc::ptr_eq(follower, &self.follower));
        if state.followers.is_empty() {
            rooms.remove(&self.room.id);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
