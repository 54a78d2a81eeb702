//! A server's authority in its host's hands: the root key leaves the machine, the issuing key is exchanged, and the
//! people on the server notice neither.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use openchat_identity::Authority;
use openchat_protocol::Timestamp;
use openchat_tests::binary::PASSWORD;
use openchat_tests::{Chat, Openchat, Outcome, ServerProcess, Terminal};
use serde_json::Value;

const USAGE: i32 = 2;
const NOT_FOUND: i32 = 3;
const WRONG_PASSWORD: i32 = 5;
const OTHER_SERVER: i32 = 8;

fn authority(home: &Openchat, arguments: &[&str]) -> Outcome {
    home.run("default", &[&["admin", "authority"], arguments].concat())
}

fn show(home: &Openchat) -> Value {
    serde_json::from_str(&authority(home, &["show", "--json"]).ok()).unwrap()
}

fn events(home: &Openchat, server: &ServerProcess) -> Value {
    let place = format!("{}@{}", server.fingerprint, server.address);
    let figures = home.run("nobody", &["log", "audit", &place, "--json"]).ok();
    serde_json::from_str::<Value>(&figures).unwrap()["authority_events"].clone()
}

#[track_caller]
fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().expect("openssl is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The public key of an export, and that of the server's root certificate, as OpenSSL reads them.
fn public_keys(home: &Openchat, export: &Path) -> [String; 2] {
    let certificates = home.file("certificates.pem", &authority(home, &["show", "--pem"]).ok());
    let pass = format!("pass:{PASSWORD}");
    [
        openssl(&["pkey", "-in", export.to_str().unwrap(), "-passin", &pass, "-check", "-pubout"])
            .replace("Key is valid\n", ""),
        openssl(&["x509", "-in", certificates.to_str().unwrap(), "-noout", "-pubkey"]),
    ]
}

#[test]
fn the_root_key_is_kept_elsewhere_and_the_issuing_key_is_exchanged_while_people_talk() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    let [bobs, carols] = [(); 2].map(|()| home.run("alice", &["invite"]).ok());
    home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    assert_eq!(show(&home)["root_key_here"], true);

    let export = home.folder().join("root.pem");
    let file = export.to_str().unwrap();
    authority(&home, &["remove-root", file, "--yes"]).fails(NOT_FOUND, &["authority export FILE"]);
    authority(&home, &["export", file]).ok();
    let [exported, certified] = public_keys(&home, &export);
    assert_eq!(exported, certified);
    authority(&home, &["remove-root", file]).fails(USAGE, &["only after a yes", "--yes"]);
    assert_eq!(show(&home)["root_key_here"], true, "nobody has agreed");
    authority(&home, &["remove-root", file, "--yes"]).ok();
    assert!(!home.folder().join("server/authority/root-key.pem").exists());
    let told = authority(&home, &["show"]).ok();
    assert!(told.contains("root key  not on this machine"), "{told}");

    let address = server.kill();
    let server = ServerProcess::start_at(&home, address, &[]);
    home.join("bob", bobs.trim());
    let mut alice = Chat::start(&home, "alice", &["chat", "lobby"]);
    home.run("bob", &["send", "lobby", "by an invite of before"]).ok();
    alice.hear("by an invite of before");

    authority(&home, &["rotate-issuing"]).fails(NOT_FOUND, &["--root-key FILE"]);
    let before = show(&home);
    let told = authority(&home, &["rotate-issuing", "--root-key", file]).ok();
    assert!(told.contains("the server uses it from now on"), "{told}");
    let after = show(&home);
    assert_eq!(after["certificates"][0], before["certificates"][0], "the root stays");
    assert_ne!(after["certificates"][1]["sha256"], before["certificates"][1]["sha256"]);
    assert_eq!(
        (&after["fingerprint"], after["root_key_here"].as_bool()),
        (&before["fingerprint"], Some(false))
    );
    assert_eq!(events(&home, &server), 2);

    alice.say("still here");
    alice.hear("still here");
    home.run("bob", &["send", "lobby", "logged in anew"]).ok();
    alice.hear("logged in anew");
    home.join("carol", carols.trim());
    home.run("carol", &["send", "lobby", "below the new key"]).ok();
    alice.hear("below the new key");
    alice.end();

    let address = server.kill();
    let server = ServerProcess::start_at(&home, address, &[]);
    home.run("bob", &["send", "lobby", "after a restart"]).ok();
    let heard = home.run("carol", &["tail", "lobby"]).ok();
    assert!(heard.contains("after a restart"), "{heard}");
    assert_eq!(events(&home, &server), 2);
}

#[test]
fn an_issuing_key_can_be_exchanged_while_no_server_runs() {
    let home = Openchat::new();
    let address = ServerProcess::start(&home).kill();
    let told = authority(&home, &["rotate-issuing"]).ok();
    assert!(told.contains("from the next start"), "{told}");
    let server = ServerProcess::start_at(&home, address, &[]);
    home.join("alice", &server.first_invite());
    assert_eq!(events(&home, &server), 2);
}

/// How many roots after the first one there have been.
fn succession(home: &Openchat) -> Value {
    show(home)["succession"].clone()
}

#[test]
fn the_root_is_changed_twice_while_people_talk_and_old_invites_work() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    let [bobs, carols, daves] = [(); 3].map(|()| home.run("alice", &["invite"]).ok());
    home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    home.join("bob", bobs.trim());
    let mut alice = Chat::start(&home, "alice", &["chat", "lobby"]);
    home.run("bob", &["send", "lobby", "below the first root"]).ok();
    alice.hear("below the first root");

    let before = show(&home);
    let told = authority(&home, &["rotate-root"]).ok();
    for words in ["the server uses it from now on", &server.fingerprint, "as before", "destroy them"] {
        assert!(told.contains(words), "{words} in {told}");
    }
    let after = show(&home);
    assert_eq!(after["fingerprint"], before["fingerprint"]);
    assert_eq!((&before["succession"], &after["succession"]), (&0.into(), &1.into()));
    for certificate in 0..2 {
        assert_ne!(after["certificates"][certificate], before["certificates"][certificate]);
    }
    assert_eq!(events(&home, &server), 2, "an auditor with the fingerprint of before follows the log");
    alice.say("still here");
    alice.hear("still here");
    home.run("bob", &["send", "lobby", "logged in anew"]).ok();
    alice.hear("logged in anew");
    home.join("carol", carols.trim());
    home.run("carol", &["send", "lobby", "below the second root"]).ok();
    alice.hear("below the second root");

    // The second time with the key kept elsewhere, and no server running.
    let export = home.folder().join("root.pem");
    let file = export.to_str().unwrap();
    authority(&home, &["export", file]).ok();
    authority(&home, &["remove-root", file, "--yes"]).ok();
    authority(&home, &["rotate-root"]).fails(NOT_FOUND, &["rotate-root --root-key FILE"]);
    alice.end();
    let address = server.kill();
    let told = authority(&home, &["rotate-root", "--root-key", file]).ok();
    assert!(told.contains("from the next start"), "{told}");
    assert_eq!(succession(&home), 2);
    authority(&home, &["rotate-issuing", "--root-key", file]).fails(USAGE, &["not the root key"]);
    authority(&home, &["rotate-issuing"]).ok();

    let server = ServerProcess::start_at(&home, address, &[]);
    assert_eq!(Value::from(server.fingerprint.clone()), before["fingerprint"]);
    home.join("dave", daves.trim());
    home.run("dave", &["send", "lobby", "below the third root"]).ok();
    for name in ["alice", "bob", "carol"] {
        let text = format!("{name} goes on");
        home.run(name, &["send", "lobby", &text]).ok();
        let heard = home.run("dave", &["tail", "lobby"]);
        assert!(heard.out.contains(&text) && heard.err.is_empty(), "{heard:?}");
    }
    let heard = home.run("bob", &["tail", "lobby"]);
    assert!(heard.out.contains("below the third root") && heard.err.is_empty(), "{heard:?}");
    let by_dave = home.run("dave", &["invite"]).ok();
    home.join("erin", by_dave.trim());
    home.run("erin", &["send", "lobby", "hello all"]).ok();

    // By a Welcome from below the first root to below the third, in a private room.
    home.run_with_input("alice", &["chat"], "create private den\n").ok();
    home.run_with_input("alice", &["chat", "den"], "/add erin\n").ok();
    home.run("erin", &["send", "den", "from the newest to the oldest"]).ok();
    let heard = home.run("alice", &["tail", "den"]);
    assert!(heard.out.contains("from the newest to the oldest") && heard.err.is_empty(), "{heard:?}");
}

#[test]
fn a_server_with_another_root_is_another_server_however_often_it_was_changed() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    authority(&home, &["rotate-root"]).ok();
    home.run("alice", &["rooms"]).ok();
    let address = server.kill();
    let other = Openchat::new();
    ServerProcess::start(&other).kill();
    authority(&other, &["rotate-root"]).ok();
    let _impostor = ServerProcess::start_at(&other, address, &[]);
    home.run("alice", &["rooms"]).fails(OTHER_SERVER, &["not the one you know"]);
}

#[test]
fn a_root_key_that_is_another_one_does_nothing() {
    let [home, other] = [(); 2].map(|()| {
        let home = Openchat::new();
        ServerProcess::start(&home).kill();
        home
    });
    let export = other.folder().join("root.pem");
    let file = export.to_str().unwrap();
    authority(&other, &["export", file]).ok();
    let before = show(&home);
    authority(&home, &["remove-root", file, "--yes"]).fails(USAGE, &["does not hold the root key"]);
    authority(&home, &["rotate-issuing", "--root-key", file]).fails(USAGE, &["not the root key"]);
    authority(&home, &["rotate-root", "--root-key", file]).fails(USAGE, &["not the root key"]);
    home.file("password", "not the one that it was encrypted with");
    authority(&home, &["rotate-root", "--root-key", file]).fails(WRONG_PASSWORD, &["wrong password"]);
    authority(&home, &["rotate-issuing", "--root-key", file]).fails(WRONG_PASSWORD, &["wrong password"]);
    assert_eq!(show(&home), before);
}

#[test]
fn the_root_key_is_removed_by_whoever_types_it() {
    let home = Openchat::new();
    ServerProcess::start(&home).kill();
    let export = home.folder().join("root.pem");
    let file = export.to_str().unwrap();
    let mut terminal = Terminal::open(&home, "default", &["admin", "authority", "export", file]);
    terminal.sees("New password:");
    terminal.enter(PASSWORD);
    terminal.sees("Once more:");
    terminal.enter(PASSWORD);
    assert!(terminal.end().success(), "{}", terminal.screen());
    assert!(!terminal.screen().contains(PASSWORD), "{}", terminal.screen());
    for (typed, is_here) in [("yes", true), ("remove", false)] {
        let mut terminal = Terminal::open(&home, "default", &["admin", "authority", "remove-root", file]);
        terminal.sees("Password of the export:");
        terminal.enter(PASSWORD);
        terminal.sees("Type remove:");
        terminal.enter(typed);
        assert_eq!(terminal.end().success(), !is_here, "{}", terminal.screen());
        assert_eq!(show(&home)["root_key_here"], is_here);
    }
}

#[test]
fn a_host_is_told_of_certificates_that_end() {
    let home = Openchat::new();
    let years = |count: u64| Duration::from_secs(count * 365 * 24 * 3600);
    let past = Timestamp(Timestamp::now().0 - u64::try_from(years(9).as_millis()).unwrap());
    let folder = home.folder().join("server/authority");
    Authority::create(past).unwrap().save(&folder).unwrap();
    let log = home.folder().join("log");
    let server = ServerProcess::start_with_log(&home, "warn", &log);
    home.join("alice", &server.first_invite());
    let warning = "the issuing certificate ends on";
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.contains(warning) && logged.contains("rotate-issuing"), "{logged}");
    assert!(authority(&home, &["show"]).ok().contains(warning));
    authority(&home, &["rotate-issuing"]).ok();
    assert_eq!(show(&home)["warnings"], Value::Array(Vec::new()));
    home.run("alice", &["rooms"]).ok();
}
