//! A server's log of keys, seen by its users and from outside, with the real binary.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use openchat_protocol::{Timestamp, Uid};
use openchat_store::key_log::NewLeaf;
use openchat_store::{SqliteStore, Store};
use openchat_tests::lines::PATIENCE;
use openchat_tests::{Openchat, ServerProcess, bad_authority};
use openchat_transparency::{Body, Kind, Label, Opening};
use serde_json::Value;

fn audit(home: &Openchat, server: &ServerProcess, more: &[&str]) -> openchat_tests::Outcome {
    let place = format!("{}@{}", server.fingerprint, server.address);
    home.run("nobody", &[&["log", "audit", &place], more].concat())
}

/// The server's database, as a backup would keep it while no server runs.
fn copy_database(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in ["server.db", "server.db-wal", "server.db-shm"] {
        let (from, to) = (from.join(file), to.join(file));
        if from.exists() {
            fs::copy(from, to).unwrap();
        } else {
            drop(fs::remove_file(to));
        }
    }
}

#[test]
fn anybody_with_the_fingerprint_audits_the_whole_log() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    let link = home.run("alice", &["invite"]).ok();
    home.join("bob", link.trim());
    let figures: Value = serde_json::from_str(&audit(&home, &server, &["--json"]).ok()).unwrap();
    let expected = [
        ("records", 8),
        ("identities_issued", 4),
        ("device_lists", 2),
        ("authority_events", 1),
        ("heartbeats", 1),
        ("labels", 5),
    ];
    for (figure, count) in expected {
        assert_eq!(figures[figure], count, "{figure}: {figures}");
    }
    let by_link = home.run("nobody", &["log", "audit", link.trim()]).ok();
    assert!(by_link.contains("keeps all its rules") && by_link.contains("8 (688 bytes"), "{by_link}");
    // A fingerprint may begin with a hyphen, and is no option then.
    for first in ["A", "-"] {
        let other = format!("{first}{}@{}", "A".repeat(42), server.address);
        home.run("nobody", &["log", "audit", &other]).fails(8, &["not the one you know"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_audited_page_by_page() {
    let home = Openchat::new();
    let address = ServerProcess::start(&home).kill();
    let data = home.folder().join("server");
    let store = SqliteStore::open(&data.join("server.db")).unwrap();
    let heartbeat = |_| NewLeaf {
        kind: Kind::Heartbeat,
        label: Label::LOG,
        opening: Opening { nonce: [8; 32], body: Body::Heartbeat.to_bytes() },
    };
    store.append_to_log((0..5_000).map(heartbeat).collect(), Timestamp::now()).await.unwrap();
    drop(store);
    let server = ServerProcess::start_at(&home, address, &[]);
    let figures: Value = serde_json::from_str(&audit(&home, &server, &["--json"]).ok()).unwrap();
    assert_eq!((&figures["records"], &figures["labels"]), (&5_002.into(), &1.into()), "{figures}");
}

/// Attack 5: a key is swapped before first contact.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_given_another_key_by_the_authority_itself_is_told_at_the_next_connection() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    home.run_with_input("alice", &["chat"], "1 lobby\nhello\n").ok();
    let quiet = home.run("alice", &["tail", "lobby"]);
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""), "{quiet:?}");
    let address = server.kill();
    bad_authority::certify(&home.folder().join("server"), "alice", Uid([9; 16]), [7; 32]).await;
    let _server = ServerProcess::start_at(&home, address, &[]);
    let told = home.run("alice", &["tail", "lobby"]);
    assert!(told.err.contains("KEY RECORDS SAY SOMETHING OF YOU"), "{told:?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "nobody is told that a file was written: it is looked at again and again"
)]
/// Waits until the server has written down, beside its database, the newest head that it has signed.
fn until_written_down(home: &Openchat, server: &ServerProcess, data: &Path) {
    let figures: Value = serde_json::from_str(&audit(home, server, &["--json"]).ok()).unwrap();
    let records = figures["records"].to_string();
    let begun = Instant::now();
    loop {
        let written = fs::read_to_string(data.join("signed.head")).unwrap_or_default();
        if written.lines().nth(1) == Some(&records) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{records} records are not in what was written down: {written}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Attack 7: the log is rolled back.
#[test]
fn an_old_database_is_refused_by_users_and_auditors() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    home.run_with_input("alice", &["chat"], "1 lobby\nhello\n").ok();
    let (data, backup) = (home.folder().join("server"), home.folder().join("backup"));
    let link = home.run("alice", &["invite"]).ok();
    let address = server.kill();
    copy_database(&data, &backup);

    let server = ServerProcess::start_at(&home, address, &[]);
    home.join("bob", link.trim());
    home.run("alice", &["send", "lobby", "this is known to all"]).ok();
    let head = home.folder().join("head");
    let head = ["--head", head.to_str().unwrap()];
    audit(&home, &server, &head).ok();
    let again = audit(&home, &server, &head).ok();
    assert!(again.contains("goes on from the head that was kept"), "{again}");
    until_written_down(&home, &server, &data);
    let address = server.kill();

    copy_database(&backup, &data);
    let listen = address.to_string();
    let refused = home.run("default", &["serve", "--listen", &listen]);
    refused.fails(6, &["it is an older copy", "--restored"]);
    // As when its whole machine is set back.
    fs::remove_file(data.join("signed.head")).unwrap();
    let server = ServerProcess::start_at(&home, address, &[]);
    audit(&home, &server, &head).fails(8, &["set back"]);
    let waits = home.run("alice", &["send", "lobby", "does this go out?"]);
    waits.fails(8, &["set back", "kept on this machine"]);
}
