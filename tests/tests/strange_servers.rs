//! The real binary against servers that a story sets up: their clock is another one, their invites are over, or what
//! answers there is no OpenChat server at all.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use openchat_identity::{Authority, InviteLink, InviteToken};
use openchat_protocol::Timestamp;
use openchat_server::{Clock, Config, Running, Server};
use openchat_store::invite::NewInvite;
use openchat_store::{SqliteStore, Store};
use openchat_tests::{Openchat, Outcome, ServerProcess};
use tokio::runtime::Runtime;

const REFUSED: i32 = 4;
const NETWORK: i32 = 7;

const MINUTE: i64 = 60;
const YEAR: i64 = 365 * 24 * 60 * MINUTE;

/// A server in this process, and a data folder for whoever visits it.
struct House {
    home: Openchat,
    runtime: Runtime,
    store: Arc<SqliteStore>,
    running: Option<Running>,
    address: SocketAddr,
    /// By how many seconds the server's clock is before this machine's.
    ahead: Arc<AtomicI64>,
}

impl House {
    /// A server whose clock is `ahead` seconds before this machine's.
    fn new(ahead: i64) -> Self {
        let home = Openchat::new();
        let store = Arc::new(SqliteStore::open(&home.folder().join("server.db")).unwrap());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (runtime, ahead) = (Runtime::new().unwrap(), Arc::new(AtomicI64::new(ahead)));
        let mut house = Self { home, runtime, store, running: None, address, ahead };
        house.start();
        house
    }

    fn start(&mut self) {
        let ahead = Arc::clone(&self.ahead);
        let now = move || shifted(Timestamp::now(), ahead.load(Ordering::Relaxed));
        let authority = Authority::open_or_create(&self.home.folder().join("authority"), now()).unwrap();
        let mut config = Config::new(self.home.folder());
        config.listen = self.address;
        let store = Arc::clone(&self.store) as Arc<dyn Store>;
        let starting = Server::start_with_clock(&config, authority, store, Clock::new(now));
        let running = self.runtime.block_on(starting).unwrap();
        self.address = running.addr();
        self.running = Some(running);
    }

    fn stop(&mut self) {
        self.runtime.block_on(self.running.take().unwrap().stop());
    }

    fn set_clock(&self, ahead: i64) {
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    /// A link for one person that is good until `expires`.
    fn invite(&self, expires: Timestamp) -> String {
        let token = InviteToken::generate();
        let invite = NewInvite { hash: token.redeem_hash(), creator: None, expires, uses: 1, room: None };
        self.runtime.block_on(self.store.create_invite(invite, Timestamp::now())).unwrap();
        let server = self.running.as_ref().unwrap().fingerprint();
        let (host, port) = (self.address.ip().to_string(), self.address.port());
        InviteLink { host, port, server, inviter: None, token }.to_string()
    }

    fn join(&self, name: &str) -> Outcome {
        let link = self.invite(shifted(Timestamp::now(), 10 * YEAR));
        self.home.run(name, &["join", &link, "--name", name, "--only"])
    }
}

fn shifted(time: Timestamp, seconds: i64) -> Timestamp {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { Timestamp(time.0 - u64::try_from(by.as_millis()).unwrap()) } else { time.plus(by) }
}

#[test]
fn clocks_that_are_years_apart_are_told_with_what_to_do() {
    let house = House::new(2 * YEAR);
    house.join("alice").fails(NETWORK, &["clock", "set the clock of this machine right", "`date`"]);
    assert!(!house.home.profile("alice").join("private.pem").exists(), "nobody has heard of it");

    let mut house = House::new(0);
    house.join("alice").ok();
    house.home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    house.stop();
    house.set_clock(-2 * YEAR);
    house.start();
    let outcome = house.home.run("alice", &["send", "lobby", "said at the wrong time"]);
    outcome.fails(NETWORK, &["clock", "kept on this machine"]);
    house.stop();
    house.set_clock(0);
    house.start();
    house.home.run("alice", &["rooms"]).ok();
    assert!(house.home.run("alice", &["tail", "lobby"]).ok().contains("said at the wrong time"));
}

#[test]
fn clocks_that_are_minutes_apart_are_told_as_such() {
    let house = House::new(0);
    house.join("alice").ok();
    house.home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    // All certificates still hold, so that there is a connection, and a warning.
    house.set_clock(20 * MINUTE);
    let outcome = house.home.run_with_input("alice", &["chat", "lobby"], "hello\n");
    assert!(outcome.err.contains("your clock and the server's are 20 minutes apart"), "{outcome:?}");
    outcome.ok();
    // For the server, whatever is new on this machine was made in the future.
    house.set_clock(-20 * MINUTE);
    house.home.run("alice", &["rooms"]).fails(NETWORK, &["clock", "made in its future", "`date`"]);
    house
        .join("bob")
        .fails(REFUSED, &["by the server's clock", "set your clock right", "the same command again"]);
    house.set_clock(0);
    assert!(house.home.run("alice", &["tail", "lobby"]).ok().contains("hello"));
    house.join("bob").ok();
}

#[test]
fn an_invite_that_is_over_says_so() {
    let house = House::new(0);
    let link = house.invite(shifted(Timestamp::now(), -1));
    let outcome = house.home.run("alice", &["join", &link, "--name", "alice", "--only"]);
    outcome.fails(REFUSED, &["expired", "openchat invite"]);
    assert!(!house.home.profile("alice").join("private.pem").exists());
}

/// Answers whoever connects with `bytes`, until the process ends.
fn answer_with(bytes: &'static [u8], at: SocketAddr) {
    let listener = TcpListener::bind(at).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The peer may be gone before it has read this, or before we have read all of its greeting.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(bytes);
        }
    });
}

#[test]
fn what_speaks_no_tls_is_told_from_a_server() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    let link = server.first_invite();
    home.join("alice", &link);
    let address = server.kill();
    answer_with(b"HTTP/1.1 400 Bad Request\r\n\r\n", address);
    let words = [&address.to_string()[..], "does not speak OpenChat", "check host and port"];
    home.run("alice", &["rooms"]).fails(NETWORK, &words);
    home.run("bob", &["join", &link, "--name", "bob", "--only"]).fails(NETWORK, &words);
    assert!(!home.profile("bob").join("private.pem").exists());
    home.run("alice", &["whoami"]).ok();
}
