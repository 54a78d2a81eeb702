//! Somebody has lost everything: no kit, no other device. The name comes back after three days, and not unseen.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use openchat_identity::{Authority, InviteLink, InviteToken};
use openchat_protocol::Timestamp;
use openchat_server::{Clock, Config, Running, Server};
use openchat_store::invite::NewInvite;
use openchat_store::{SqliteStore, Store};
use openchat_tests::{Chat, Openchat, Outcome, ServerProcess, people};
use serde_json::Value;
use tokio::runtime::Runtime;

const USAGE: i32 = 2;
const NOT_FOUND: i32 = 3;
const REFUSED: i32 = 4;

fn reset_link(home: &Openchat, name: &str) -> String {
    home.run("default", &["admin", "reset", name]).ok().trim().to_owned()
}

fn reset(machine: &Openchat, name: &str, link: &str) -> Outcome {
    machine.run(name, &["recovery", "reset", link])
}

fn uid(machine: &Openchat, name: &str) -> Value {
    let who = machine.run(name, &["whoami", "--json"]).ok();
    serde_json::from_str::<Value>(&who).unwrap()["uid"].clone()
}

/// The server in `home`, in this process, by a clock that is some hours behind.
struct Past {
    runtime: Runtime,
    store: Arc<SqliteStore>,
    running: Running,
}

impl Past {
    fn start(home: &Openchat, behind: Duration) -> Self {
        let data = home.folder().join("server");
        let behind = u64::try_from(behind.as_millis()).unwrap();
        let now = move || Timestamp(Timestamp::now().0 - behind);
        std::fs::create_dir_all(&data).unwrap();
        let authority = Authority::open_or_create(&data.join("authority"), now()).unwrap();
        let store = Arc::new(SqliteStore::open(&data.join("server.db")).unwrap());
        let mut config = Config::new(&data);
        config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let runtime = Runtime::new().unwrap();
        let served = Arc::clone(&store) as Arc<dyn Store>;
        let running = runtime.block_on(async {
            let clock = Clock::new(now);
            let mut running = Server::start_with_clock(&config, authority, served, clock).await.unwrap();
            running.open_admin_door(&data).unwrap();
            running
        });
        Self { runtime, store, running }
    }

    fn first_invite(&self) -> String {
        let token = InviteToken::generate();
        let expires = Timestamp::now();
        let invite = NewInvite { hash: token.redeem_hash(), creator: None, expires, uses: 1, room: None };
        self.runtime.block_on(self.store.create_invite(invite, Timestamp(0))).unwrap();
        let (server, address) = (self.running.fingerprint(), self.running.addr());
        let (host, port) = (address.ip().to_string(), address.port());
        InviteLink { host, port, server, inviter: None, token }.to_string()
    }

    fn stop(self) -> SocketAddr {
        let Self { runtime, store, running } = self;
        let address = running.addr();
        runtime.block_on(running.stop());
        drop(store);
        address
    }
}

#[test]
fn a_lost_name_comes_back_after_three_days_under_another_key() {
    let (home, machine) = (Openchat::new(), Openchat::new());
    let past = Past::start(&home, Duration::from_secs(73 * 3600));
    let first = past.first_invite();
    // She has an account from then on. Her device is for later: its certificate is of today.
    let join = ["join", &first, "--name", "alice", "--only"];
    home.run("alice", &join).fails(REFUSED, &["made in the future", "the same command again"]);
    let link = reset_link(&home, "alice");
    for _ in 0..2 {
        let waits = reset(&machine, "alice", &link).ok();
        assert!(waits.contains("alice waits until") && waits.contains("nobody has objected"), "{waits}");
    }
    let status = home.run("default", &["admin", "status"]).ok();
    assert!(status.contains("alice goes to"), "{status}");

    // Another server process, three days later. Alice's old machine is found again, in other hands perhaps.
    let address = past.stop();
    let _server = ServerProcess::start_at(&home, address, &[]);
    home.run("alice", &join).ok();
    let invite = home.run("alice", &["invite"]).ok();
    home.join("bob", invite.trim());
    home.run_with_input("bob", &["chat"], "create lobby\n").ok();
    home.run_with_input("alice", &["chat"], "join lobby\n").ok();
    home.run("alice", &["send", "lobby", "from the old key"]).ok();
    let told = home.run("alice", &["tail", "lobby"]);
    assert!(told.err.contains("SOMEBODY ASKS FOR YOUR NAME"), "{told:?}");
    home.run("bob", &["tail", "lobby"]).ok();
    home.run("alice", &["tail", "lobby"]).ok();
    let old = uid(&home, "alice");

    let done = reset(&machine, "alice", &link).ok();
    assert!(done.contains("You are alice"), "{done}");
    assert_ne!(uid(&machine, "alice"), old, "another identity");
    reset(&machine, "alice", &link).fails(USAGE, &["alice has a profile"]);
    let out = home.run("alice", &["send", "lobby", "does this go out?"]);
    assert!(out.err.contains("this account was reset"), "{out:?}");
    assert_ne!(out.code, Some(0));

    // Bob had proven the first key: nothing is said before he decides.
    let waits = home.run("bob", &["send", "lobby", "to whom?"]);
    assert!(waits.err.contains("the key of alice has changed"), "{waits:?}");
    let seen = home.run_with_input("bob", &["chat", "lobby"], "/accept alice\n");
    assert!(seen.out.contains("by a reset"), "{seen:?}");
    machine.run_with_input("alice", &["chat"], "join lobby\n").ok();
    machine.run("alice", &["send", "lobby", "here I am again"]).ok();
    let heard = home.run("bob", &["tail", "lobby"]);
    assert!(heard.out.contains("alice  here I am again"), "{heard:?}");
    home.run("bob", &["send", "lobby", "welcome back"]).ok();
    assert!(machine.run("alice", &["tail", "lobby"]).ok().contains("welcome back"));
    let members = machine.run_with_input("alice", &["chat", "lobby"], "/who\n").ok();
    assert!(members.contains("bob"), "{members}");
    // A newcomer believes the name, by all that was logged under it.
    let link = home.run("bob", &["invite"]).ok();
    home.join("carol", link.trim());
    home.run_with_input("carol", &["chat"], "join lobby\n").ok();
    let quiet = home.run("carol", &["send", "lobby", "hello to both"]);
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""), "{quiet:?}");
}

#[test]
fn the_owner_objects_once_and_then_the_host_decides() {
    let (home, server) = people(&["alice", "bob"]);
    home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    home.run_with_input("bob", &["chat"], "join lobby\n").ok();
    home.run("alice", &["recovery", "veto"]).fails(REFUSED, &["nobody asks for your name"]);
    let unused = reset_link(&home, "alice");
    let link = reset_link(&home, "alice");
    let (thief, other) = (Openchat::new(), Openchat::new());
    reset(&thief, "alice", &unused).fails(REFUSED, &["another one took its place"]);
    assert!(!thief.profile("alice").join("private.pem").exists(), "nothing is left behind");
    thief.run("alice", &["join", &link, "--name", "mallory", "--only"]).fails(NOT_FOUND, &["unknown"]);
    reset(&thief, "alice", &link).ok();
    reset(&other, "alice", &link).fails(REFUSED, &["another key has asked"]);
    let refused = home.run("default", &["admin", "reset", "alice"]);
    assert!(refused.err.contains("somebody asks for this name already"), "{refused:?}");
    let early = home.run("default", &["admin", "reset", "alice", "--approve"]);
    assert!(early.err.contains("nobody has objected"), "{early:?}");

    home.run("alice", &["send", "lobby", "I am here"]).ok();
    let told = home.run("alice", &["tail", "lobby"]);
    assert!(
        told.err.contains("SOMEBODY ASKS FOR YOUR NAME") && told.err.contains("/veto in a chat"),
        "{told:?}"
    );
    let quiet = home.run("bob", &["send", "lobby", "I see you"]);
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""), "a wish alone changes nothing: {quiet:?}");
    // The alarm names the command, and it works where the alarm is read.
    let mut chat = Chat::start_with_errors(&home, "alice", &["chat", "lobby"]);
    chat.say("/veto");
    chat.hear("Your objection is in the log of keys");
    chat.end().ok();
    home.run("alice", &["recovery", "veto"]).fails(REFUSED, &["decided already"]);
    let _server = ServerProcess::start_at(&home, server.kill(), &[]);
    assert!(reset(&thief, "alice", &link).ok().contains("has objected"));
    assert!(home.run("default", &["admin", "status"]).ok().contains("THE OWNER OBJECTS"));
    home.run("default", &["admin", "reset", "alice", "--approve"]).ok();
    assert!(reset(&thief, "alice", &link).ok().contains("has decided that you get"));
    let told = home.run("alice", &["tail", "lobby"]);
    assert!(told.err.contains("THE HOST HAS DECIDED"), "{told:?}");
    home.run("default", &["admin", "reset", "alice", "--deny"]).ok();
    assert!(reset(&thief, "alice", &link).ok().contains("do not get the name"));
    let quiet = home.run("alice", &["send", "lobby", "still me"]);
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""), "{quiet:?}");
}
