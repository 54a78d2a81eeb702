//! The engine: everything the client decides, without a clock, a socket or a disk.
//!
//! Commands, frames and the passing of time go in; each makes one [`Step`], which the driver carries out. The engine
//! holds the rooms' keys in memory, always as the vault will have them after the step's change.

mod commands;
mod committing;
mod comparing;
mod core;
mod creating;
mod devices;
mod frames;
mod giving_back;
mod gossip;
mod hearing;
mod joining;
mod key_log;
mod key_packages;
mod leaving;
mod login;
mod membership;
mod people;
mod progress;
mod proving;
mod receiving;
mod resets;
mod room;
mod sending;
mod session;
mod step;
#[cfg(test)]
pub(crate) mod tests;
mod trust;
mod vouching;

use std::collections::{BTreeMap, HashSet};

use openchat_e2ee::Device;
use openchat_identity::{DeviceKey, TrustAnchor};
use openchat_protocol::{RoomId, Timestamp};

use self::comparing::Comparisons;
use self::core::Core;
use self::key_log::KeyLog;
use self::key_packages::KeyPackages;
use self::people::People;
use self::room::Room;
use self::session::Session;
pub use self::step::{EvidenceFile, HangUp, Step, Ticket, Wanted};
use crate::error::{ClientError, ErrorKind};
use crate::event::Event;
use crate::random::Jitter;
use crate::vault::{Credentials, Loaded, LoadedRoom};

/// A room with its keys open, for [`Engine::add`].
pub struct OpenRoom(Room);

impl OpenRoom {
    /// Opens the keys of a room for `device`, which is the greater part of what a start takes. Keys that do not load are
    /// replaced by joining again.
    pub fn of(loaded: LoadedRoom, device: &Device) -> Self {
        Self(Room::load(loaded, device))
    }
}

/// Everything the client decides.
pub struct Engine {
    cx: Core,
    rooms: BTreeMap<RoomId, Room>,
    /// Rooms were still behind when the last login had just happened.
    catching_up: bool,
    /// Welcomes may still be on their way since the last login.
    welcomes_due: bool,
}

impl Engine {
    /// Goes on from what the vault holds. `seed` varies the pauses by which clients keep out of each other's way.
    pub fn new(loaded: Loaded, seed: u64) -> Result<Self, ClientError> {
        let anchor = TrustAnchor::from_root(&loaded.credentials.root).map_err(unusable)?;
        let device = device(&loaded.credentials, &anchor)?;
        let log = KeyLog::load(&anchor, loaded.key_log).map_err(unusable)?;
        let rooms: Vec<_> = loaded.rooms.into_iter().map(|room| OpenRoom::of(room, &device)).collect();
        let me = device.id().uid;
        let cx = Core {
            device,
            anchor,
            credentials: loaded.credentials,
            session: Session::down(),
            people: People::new(me, loaded.contacts),
            invites: loaded.invites.into_iter().map(|invite| (invite.hash, invite)).collect(),
            answered: HashSet::new(),
            voucher: loaded.voucher,
            life: loaded.life,
            comparisons: Comparisons::default(),
            news: Vec::new(),
            log,
            key_packages: KeyPackages::new(loaded.key_packages),
            jitter: Jitter::new(seed),
            now: Timestamp(0),
            out: Step::default(),
            failed: None,
        };
        let mut engine = Self { cx, rooms: BTreeMap::new(), catching_up: false, welcomes_due: false };
        rooms.into_iter().for_each(|room| engine.add(room));
        Ok(engine)
    }

    /// This device as a member of rooms.
    pub fn device(&self) -> Device {
        self.cx.device.clone()
    }

    /// A room that was not among those it was made with. All rooms of the vault have to be here before anything is handled:
    /// what is decided, is decided for all of them.
    pub fn add(&mut self, OpenRoom(room): OpenRoom) {
        self.rooms.insert(room.id(), room);
    }

    /// Who this profile is, with its newest certificate.
    pub fn credentials(&self) -> &Credentials {
        &self.cx.credentials
    }

    /// When [`Self::handle_timer`] is to be called at the latest.
    pub fn next_timer(&self) -> Option<Timestamp> {
        let now = self.cx.now;
        let rooms =
            self.rooms.values().filter(|_| self.cx.session.is_up()).filter_map(|room| room.next_timer(now));
        let log = self.cx.log.next_timer().filter(|_| self.cx.session.is_up());
        let others = [
            self.cx.session.next_timer(now),
            self.cx.people.next_timer(),
            self.cx.comparisons.next_timer(),
            log,
        ];
        rooms.chain(others.into_iter().flatten()).min()
    }

    /// Time has passed.
    pub fn handle_timer(&mut self, now: Timestamp) -> Step {
        self.cx.now = now;
        self.cx.people.handle_timer(now, &mut self.cx.out.events);
        self.end_old_comparisons();
        if !self.cx.session.handle_timer(now, &mut self.cx.out.requests) {
            let error = ClientError::new(ErrorKind::Network, "the server does not answer any more");
            self.cx.out.hang_up = Some(HangUp::Again(error));
        }
        self.cx.handle_log_timer();
        for room in self.rooms.values_mut() {
            room.progress(&mut self.cx);
        }
        self.finish()
    }

    /// Ends every public call: what has changed in the rooms joins the step.
    fn finish(&mut self) -> Step {
        self.settle();
        self.save();
        self.cx.take_step()
    }

    /// Tells what has become known.
    fn settle(&mut self) {
        self.tell_news();
        let settled =
            || !self.welcomes_due && self.rooms.values().all(|room| !room.is_in() || room.is_settled());
        if self.catching_up && settled() && !self.cx.is_following_log() {
            self.catching_up = false;
            self.cx.emit(Event::CaughtUp);
        }
    }

    fn save(&mut self) {
        for room in self.rooms.values_mut() {
            room.save(&mut self.cx);
        }
        self.cx.save_log();
        self.rooms.retain(|_, room| !room.is_gone);
    }
}

/// This device as a member of rooms.
fn device(credentials: &Credentials, anchor: &TrustAnchor) -> Result<Device, ClientError> {
    let key = DeviceKey::from_pkcs8(&credentials.device_key).map_err(unusable)?;
    let chain: Vec<Vec<u8>> = credentials.chain.iter().map(|certificate| certificate.to_vec()).collect();
    Device::new(key, &chain, anchor.clone()).map_err(unusable)
}

fn unusable(why: impl std::fmt::Display) -> ClientError {
    ClientError::new(ErrorKind::Damaged, format!("this device's keys in the vault cannot be used: {why}"))
}
