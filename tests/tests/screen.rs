//! The binary at a terminal: what a person types and sees there.

use openchat_tests::binary::PASSWORD;
use openchat_tests::{Openchat, ServerProcess, Terminal};

/// No command: the full screen.
const NOTHING: &[&str] = &[];

/// A server with these people on it.
fn people(names: &[&str]) -> (Openchat, ServerProcess) {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    let mut link = server.first_invite();
    for (index, name) in names.iter().enumerate() {
        home.join(name, &link);
        if index + 1 < names.len() {
            link = home.run(names[0], &["invite"]).ok().trim().to_owned();
        }
    }
    (home, server)
}

#[test]
fn the_line_client_gives_the_terminal_back() {
    let (home, _server) = people(&["alice"]);
    let password = home.folder().join("password");
    let mut alice = Terminal::open(&home, "alice", &["--password-file", password.to_str().unwrap(), "chat"]);
    alice.sees("create a room");
    alice.enter(":q");
    assert!(alice.end().success(), "{}", alice.screen());
    alice.is_given_back();
}

#[test]
fn a_wrong_password_is_asked_again() {
    let (home, _server) = people(&["alice"]);
    let mut alice = Terminal::open(&home, "alice", NOTHING);
    alice.sees("Password");
    alice.enter("not it");
    alice.sees("!");
    alice.sees("of the profile `alice`");
    alice.enter(PASSWORD);
    alice.sees("online");
}
