//! Sealed lines are Fernet tokens: Python opens ours, we open Python's.

use openchat_tests::python::Script;
use openchat_tests::{Openchat, ServerProcess};
use serde_json::json;

#[test]
fn python_opens_what_we_seal_and_we_open_what_python_seals() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    home.run_with_input("alice", &["chat"], "1 ops\n").ok();
    let exported = home.run("alice", &["room-key", "ops", "--yes"]).ok();
    let (id, key) = exported.trim().split_once(' ').unwrap();
    let mut python = Script::start("fernet.py", &["cryptography"]);

    let sealed = home.run_with_input("alice", &["seal", "ops"], "s3cret=1").ok();
    let (sealed_under, token) = sealed.trim().split_once('.').unwrap();
    assert_eq!(sealed_under, id);
    assert_eq!(python.ask("open", json!({ "key": key, "token": token }))["text"], "s3cret=1");

    let answer = python.ask("seal", json!({ "key": key, "text": "from Python" }));
    let line = format!("{id}.{}", answer["token"].as_str().unwrap());
    assert_eq!(home.run_with_input("alice", &["open", "ops"], &line).ok(), "from Python");

    let altered = line.replace("gAAAA", "gAAAB");
    home.run_with_input("alice", &["open", "ops"], &altered).fails(11, &["does not open"]);
}

#[test]
fn a_room_key_is_not_printed_without_a_yes() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    home.run_with_input("alice", &["chat"], "1 ops\n").ok();
    let refused = home.run("alice", &["room-key", "ops"]);
    refused.fails(2, &["--yes"]);
    assert_eq!(refused.out, "");
}
