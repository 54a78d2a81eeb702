//! Identity certificates whose two years are nearly over, or over: with the real binary, and certificates of long ago.

use std::fs;
use std::time::Duration;

use openchat_client::vault::{Change, Vault, Write};
use openchat_identity::authority::RootKey;
use openchat_identity::device::issue_device_certificate;
use openchat_identity::{Authority, DeviceKey, IdentityKey, Password, TrustAnchor, Validity};
use openchat_protocol::{Timestamp, Uid};
use openchat_tests::binary::PASSWORD;
use openchat_tests::{Openchat, ServerProcess, bad_authority};
use serde_json::Value;

const ALARM: i32 = 8;
const LOCKED_OUT: i32 = 4;

fn ago(days: u64) -> Timestamp {
    let past = Duration::from_secs(days * 24 * 3600);
    Timestamp(Timestamp::now().0 - u64::try_from(past.as_millis()).unwrap())
}

/// A server that is older than the certificates of its people, which must be seen.
fn old_server(home: &Openchat) -> ServerProcess {
    Authority::create(ago(5 * 365)).unwrap().save(&home.folder().join("server/authority")).unwrap();
    ServerProcess::start(home)
}

/// Puts an identity certificate that was issued so many days ago in the place of a profile's: in its vault, and at the
/// server, which does not run. If it has ended since, so has that of the device.
fn age(home: &Openchat, name: &str, days: u64) {
    let server = home.folder().join("server");
    let authority = Authority::load(&server.join("authority")).unwrap();
    let mut vault = Vault::open(&home.profile(name), &Password::new(PASSWORD)).unwrap();
    let mut credentials = vault.credentials().unwrap();
    let identity = IdentityKey::from_pkcs8(&credentials.identity_key).unwrap();
    let issued = authority.issue_again(identity.public_key(), ago(days));
    credentials.chain[1] = issued.certificate.clone().into();
    if days > 2 * 365 {
        let (key, did) = (DeviceKey::from_pkcs8(&credentials.device_key).unwrap(), credentials.device.did);
        credentials.chain[0] = issue_device_certificate(&identity, key.public_key(), did, ago(days)).into();
    }
    vault.apply(&Change::from_iter([Write::Credentials(Box::new(credentials))])).unwrap();
    let database = rusqlite::Connection::open(server.join("server.db")).unwrap();
    let changed = database.execute(
        "UPDATE account SET identity_certificate = ?2 WHERE name = ?1",
        rusqlite::params![name, issued.certificate],
    );
    assert_eq!(changed, Ok(1));
}

/// When the identity certificate of a profile ends.
fn ends(home: &Openchat, name: &str) -> Timestamp {
    let vault = Vault::open(&home.profile(name), &Password::new(PASSWORD)).unwrap();
    let credentials = vault.credentials().unwrap();
    let anchor = TrustAnchor::from_root(&credentials.root).unwrap();
    let (_, identity, above) = credentials.certificates().unwrap();
    anchor.verify_identity(identity, &above, Validity::Ignored).unwrap().expires()
}

fn identities_issued(home: &Openchat, server: &ServerProcess) -> Value {
    let place = format!("{}@{}", server.fingerprint, server.address);
    let figures = home.run("nobody", &["log", "audit", &place, "--json"]).ok();
    serde_json::from_str::<Value>(&figures).unwrap()["identities_issued"].clone()
}

/// A room of Alice's in which Bob is, on a server that does not run.
fn two_people(home: &Openchat) -> std::net::SocketAddr {
    let server = old_server(home);
    home.join("alice", &server.first_invite());
    let link = home.run("alice", &["invite"]).ok();
    home.join("bob", link.trim());
    home.run_with_input("alice", &["chat"], "create lobby\nhello\n").ok();
    home.run("bob", &["send", "lobby", "hello alice"]).ok();
    server.kill()
}

#[track_caller]
fn talk(home: &Openchat, text: &str) {
    for (from, to) in [("alice", "bob"), ("bob", "alice")] {
        let words = format!("{text}, says {from}");
        home.run(from, &["send", "lobby", &words]).ok();
        let heard = home.run(to, &["tail", "lobby"]);
        assert!(heard.out.contains(&words), "{heard:?}");
        assert_eq!(heard.err, "", "nobody is told of anything");
    }
}

#[test]
fn an_identity_in_its_last_days_is_renewed_and_nobody_is_told() {
    let home = Openchat::new();
    let address = two_people(&home);
    age(&home, "alice", 2 * 365 - 59);
    assert!(ends(&home, "alice") < ago(0).plus(Duration::from_secs(60 * 24 * 3600)));
    let server = ServerProcess::start_at(&home, address, &[]);
    talk(&home, "with new papers");
    assert!(ends(&home, "alice") > ago(0).plus(Duration::from_secs(700 * 24 * 3600)));
    assert_eq!(identities_issued(&home, &server), 5, "two for each, and one that is new");
    talk(&home, "once is enough");
    assert_eq!(identities_issued(&home, &server), 5);
    let link = home.run("alice", &["invite"]).ok();
    home.join("carol", link.trim());
    home.run("carol", &["send", "lobby", "hello both"]).ok();
    talk(&home, "and with who is new");
}

#[test]
fn who_comes_back_after_the_end_is_the_same_one_if_the_host_agrees() {
    let home = Openchat::new();
    let address = two_people(&home);
    age(&home, "alice", 3 * 365);
    let _server = ServerProcess::start_at(&home, address, &[]);
    home.run("alice", &["admin", "disable", "alice"]).ok();
    home.run("alice", &["tail", "lobby"]).fails(LOCKED_OUT, &["disabled by an administrator"]);
    home.run("alice", &["admin", "enable", "alice"]).ok();
    talk(&home, "a year later");
    assert!(ends(&home, "alice") > ago(0));
}

/// The chain of a profile's device.
fn certificates(home: &Openchat, name: &str) -> usize {
    let vault = Vault::open(&home.profile(name), &Password::new(PASSWORD)).unwrap();
    vault.credentials().unwrap().chain.len()
}

#[test]
fn people_go_over_to_a_new_root_before_the_old_one_ends() {
    let home = Openchat::new();
    let folder = home.folder().join("server/authority");
    Authority::create(ago(20 * 365 - 40)).unwrap().save(&folder).unwrap();
    Authority::rotate_issuing(&folder, &RootKey::load(&folder).unwrap(), ago(0)).unwrap();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    let link = home.run("alice", &["invite"]).ok();
    home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    home.join("bob", link.trim());
    home.run("bob", &["send", "lobby", "hello alice"]).ok();
    talk(&home, "below the old root");
    let issued = identities_issued(&home, &server);
    assert!(home.run("alice", &["admin", "authority", "show"]).ok().contains("authority rotate-root"));
    home.run("alice", &["admin", "authority", "rotate-root"]).ok();
    talk(&home, "below the new root");
    for name in ["alice", "bob"] {
        assert_eq!(certificates(&home, name), 4, "{name}");
        assert!(ends(&home, name) > ago(0).plus(Duration::from_secs(700 * 24 * 3600)));
    }
    talk(&home, "and ever after");
    let issued_since = identities_issued(&home, &server).as_u64().unwrap() - issued.as_u64().unwrap();
    assert_eq!(issued_since, 2, "one for each");
}

#[test]
fn who_has_only_a_kit_comes_back_after_the_end() {
    let home = Openchat::new();
    let address = two_people(&home);
    let kit = home.folder().join("alice.kit");
    let server = ServerProcess::start_at(&home, address, &[]);
    let words = home.run("alice", &["recovery", "make", kit.to_str().unwrap()]).ok();
    let words = home.file("words", &words);
    server.kill();
    age(&home, "alice", 3 * 365);
    let _server = ServerProcess::start_at(&home, address, &[]);
    let machine = Openchat::new();
    let arguments = ["recovery", "restore", kit.to_str().unwrap(), "--words", words.to_str().unwrap()];
    machine.run("alice", &arguments).ok();
    machine.run("alice", &["send", "lobby", "from nothing but words"]).ok();
    let heard = home.run("bob", &["tail", "lobby"]);
    assert!(heard.out.contains("alice  from nothing but words") && heard.err.is_empty(), "{heard:?}");
    assert!(ends(&machine, "alice") > ago(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_renewed_is_told_why_and_loses_nothing() {
    let home = Openchat::new();
    let address = two_people(&home);
    age(&home, "alice", 3 * 365);
    bad_authority::certify(&home.folder().join("server"), "alice", Uid([9; 16]), [7; 32]).await;
    let before = fs::read(home.profile("alice").join("private.pem")).unwrap();
    let _server = ServerProcess::start_at(&home, address, &[]);
    let told = home.run("alice", &["tail", "lobby"]);
    told.fails(ALARM, &["is not renewed", "2 records under this name", "openchat link", "tell its host"]);
    assert_eq!(fs::read(home.profile("alice").join("private.pem")).unwrap(), before);
}
