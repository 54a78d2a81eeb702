//! What a host asks the server that runs.

use openchat_tests::{Openchat, ServerProcess};
use serde_json::Value;

const NOT_FOUND: i32 = 3;
const REFUSED: i32 = 4;

fn admin(home: &Openchat, arguments: &[&str]) -> openchat_tests::Outcome {
    home.run("default", &[&["admin"], arguments].concat())
}

fn objects(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_host_puts_people_and_devices_out_and_lets_people_in_again() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    let link = home.run("alice", &["invite"]).ok();
    home.join("bob", link.trim());
    let status: Value = serde_json::from_str(&admin(&home, &["status", "--json"]).ok()).unwrap();
    assert_eq!((&status["accounts"], &status["rooms"]), (&2.into(), &0.into()), "{status}");
    assert!(admin(&home, &["status"]).ok().contains("accounts     2"));

    admin(&home, &["disable", "stranger"]).fails(REFUSED, &["no account of this name"]);
    admin(&home, &["disable", "bob"]).ok();
    home.run("bob", &["rooms"]).fails(REFUSED, &["disabled by an administrator"]);
    assert!(admin(&home, &["accounts"]).ok().contains(", disabled"));
    admin(&home, &["enable", "bob"]).ok();
    home.run("bob", &["rooms"]).ok();

    let accounts = objects(&admin(&home, &["accounts", "--json"]).ok());
    let names: Vec<_> = accounts.iter().map(|account| account["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["alice", "bob"]);
    let device = accounts[1]["devices"][0]["device"].as_str().unwrap();
    admin(&home, &["revoke", "alice", device]).fails(NOT_FOUND, &["no device that begins"]);
    admin(&home, &["revoke", "carol", device]).fails(NOT_FOUND, &["no account carol"]);
    admin(&home, &["revoke", "bob", &device[..6]]).ok();
    home.run("bob", &["rooms"]).fails(REFUSED, &["revoked"]);
    home.run("alice", &["rooms"]).ok();

    server.kill();
    admin(&home, &["status"]).fails(NOT_FOUND, &["no server runs on"]);
}
