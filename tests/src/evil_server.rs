//! A server in the hands of somebody bad: the real one, with its keys, over real TLS, and misdeeds at its store; and whoever
//! relays between it and its users.

mod relay;
mod store;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use openchat_identity::{Authority, InviteLink, InviteToken};
use openchat_protocol::Timestamp;
use openchat_server::{Clock, Config, Running, Server};
use openchat_store::invite::NewInvite;
use openchat_store::key_log::NewLeaf;
use openchat_store::{SqliteStore, Store};
use openchat_transparency::{Body, Kind, Label, Opening};
use tokio::runtime::Runtime;

pub use relay::Relay;
pub use store::Misdeed;

use crate::Openchat;
use crate::server::free_address;
use store::EvilStore;

const YEAR: i64 = 365 * 24 * 3600 * 1000;

/// A server in this process, and a data folder for its users. Every change of what it does is a new start of it: then
/// nothing of before is in its memory.
pub struct EvilServer {
    /// Where its users have their profiles.
    pub home: Openchat,
    runtime: Runtime,
    honest: Arc<SqliteStore>,
    store: Arc<EvilStore>,
    running: Option<Running>,
    address: SocketAddr,
    /// By how many milliseconds its clock is before this machine's.
    ahead: Arc<AtomicI64>,
    /// Another door to the same rooms.
    door: Option<(SocketAddr, Running)>,
}

impl EvilServer {
    /// A server that does nothing wrong yet, with these people on it.
    pub fn with(people: &[&str]) -> Self {
        let server = Self::with_clock(0);
        people.iter().for_each(|name| server.join(name));
        server
    }

    /// The same with nobody on it and another clock: so many milliseconds before this machine's.
    pub fn with_clock(ahead: i64) -> Self {
        let home = Openchat::new();
        let honest = open(&home.folder().join("server.db"));
        let store = Arc::new(EvilStore::new(Arc::clone(&honest), Misdeed::None));
        let mut server = Self {
            home,
            runtime: Runtime::new().expect("a runtime"),
            honest,
            store,
            running: None,
            address: free_address(),
            ahead: Arc::new(AtomicI64::new(ahead)),
            door: None,
        };
        server.start();
        server
    }

    /// From now on it does this, and nothing else that is wrong.
    pub fn commit(&mut self, misdeed: Misdeed) {
        self.stop();
        self.store.commit(misdeed);
        self.start();
    }

    /// From now on it has the time of this machine.
    pub fn set_clock_right(&self) {
        self.ahead.store(0, Ordering::Relaxed);
    }

    /// Opens another door to the same accounts and rooms.
    pub fn open_door(&mut self) -> SocketAddr {
        self.open_door_at(free_address(), Misdeed::None)
    }

    /// From now on this is done to those who come by the other door.
    pub fn commit_behind_the_door(&mut self, misdeed: Misdeed) {
        let (address, door) = self.door.take().expect("another door");
        self.runtime.block_on(door.stop());
        self.open_door_at(address, misdeed);
    }

    fn open_door_at(&mut self, at: SocketAddr, misdeed: Misdeed) -> SocketAddr {
        let door = self.serve(Arc::new(EvilStore::new(Arc::clone(&self.honest), misdeed)), at);
        let address = door.addr();
        self.door = Some((address, door));
        address
    }

    /// A copy of the database as it is now.
    pub fn copy_database(&mut self, name: &str) -> Arc<SqliteStore> {
        self.stop();
        let copy = self.home.folder().join(name);
        for end in ["", "-wal"] {
            let from = self.home.folder().join(format!("server.db{end}"));
            if from.exists() {
                fs::copy(from, self.home.folder().join(format!("{name}{end}"))).expect("a copy");
            }
        }
        self.start();
        open(&copy)
    }

    /// Adds so many heartbeats to the true log of keys, and others to the one in `other`: now there are two.
    pub fn fork_log(&self, leaves: u8, other: &SqliteStore, others: u8) {
        let heartbeat = |nonce| {
            let opening = Opening { nonce: [nonce; 32], body: Body::Heartbeat.to_bytes() };
            NewLeaf { kind: Kind::Heartbeat, label: Label::LOG, opening }
        };
        let true_ones = (0..leaves).map(heartbeat).collect();
        let other_ones = (0..others).map(|nonce| heartbeat(u8::MAX - nonce)).collect();
        for (store, leaves) in [(&*self.honest, true_ones), (other, other_ones)] {
            let grown = store.append_to_log(leaves, Timestamp::now());
            self.runtime.block_on(grown).expect("a longer log");
        }
    }

    /// The server's fingerprint.
    pub fn fingerprint(&self) -> String {
        self.authority().fingerprint().to_string()
    }

    /// A link for one person.
    pub fn link(&self) -> String {
        self.link_to(self.address)
    }

    /// A link for one person, by another door of the server.
    pub fn link_to(&self, door: SocketAddr) -> String {
        let token = InviteToken::generate();
        let expires = shifted(Timestamp::now(), YEAR);
        let invite = NewInvite { hash: token.redeem_hash(), creator: None, expires, uses: 1, room: None };
        self.runtime.block_on(self.honest.create_invite(invite, Timestamp::now())).expect("an invite");
        let server = self.authority().fingerprint();
        let (host, port) = (door.ip().to_string(), door.port());
        InviteLink { host, port, server, inviter: None, token }.to_string()
    }

    /// Makes an account.
    #[track_caller]
    pub fn join(&self, name: &str) {
        self.home.join(name, &self.link());
    }

    /// Moves the server to another port. Whoever is at the one where its users know it gets their connections, and
    /// passes them on as `impostor`, a user of this server.
    pub fn relay_as(&mut self, impostor: &str) -> Relay {
        let known = self.address;
        self.stop();
        self.address.set_port(0);
        self.start();
        let moved = std::mem::replace(&mut self.address, known);
        Relay::start(&self.runtime, &self.home, (known, moved), impostor, self.authority())
    }

    /// Has the server back where its users know it.
    pub fn end_relay(&mut self, relay: Relay) {
        self.stop();
        self.runtime.block_on(relay.stop());
        self.start();
    }

    fn authority(&self) -> Authority {
        Authority::load(&self.home.folder().join("authority")).expect("the authority")
    }

    fn start(&mut self) {
        let running = self.serve(Arc::clone(&self.store), self.address);
        self.address = running.addr();
        self.running = Some(running);
    }

    fn serve(&self, store: Arc<EvilStore>, at: SocketAddr) -> Running {
        let ahead = Arc::clone(&self.ahead);
        let now = move || shifted(Timestamp::now(), ahead.load(Ordering::Relaxed));
        let authority = Authority::open_or_create(&self.home.folder().join("authority"), now());
        let mut config = Config::new(self.home.folder());
        config.listen = at;
        let clock = Clock::new(now);
        let starting = Server::start_with_clock(&config, authority.expect("an authority"), store, clock);
        self.runtime.block_on(starting).expect("the server starts")
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}

fn open(path: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(path).expect("a database"))
}

fn shifted(time: Timestamp, milliseconds: i64) -> Timestamp {
    Timestamp(time.0.saturating_add_signed(milliseconds))
}
