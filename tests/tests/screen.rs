//! The binary at a terminal: what a person types and sees there.

use openchat_tests::binary::PASSWORD;
use openchat_tests::{Openchat, ServerProcess, Terminal};
use rustix::process::Signal;

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

#[test]
fn two_people_type_and_see_each_other() {
    let (home, _server) = people(&["alice", "bob"]);
    let (mut alice, mut bob) = (open(&home, "alice"), open(&home, "bob"));
    create(&mut alice, "lobby");
    alice.sees("▸#lobby");
    alice.sees("made the room");
    bob.sees("What next?");
    bob.press("esc");
    bob.sees_no("What next?");
    bob.enter("/join lobby");
    alice.sees("bob joined");
    alice.enter("good morning");
    bob.sees("good morning");
    bob.enter("so it works");
    alice.sees("so it works");
}

#[test]
fn a_signal_gives_the_terminal_back_and_keeps_the_draft() {
    let (home, _server) = people(&["alice"]);
    let mut alice = open(&home, "alice");
    create(&mut alice, "lobby");
    alice.sees("made the room");
    alice.type_text("half a thought");
    alice.sees("> half a thought");
    alice.signal(Signal::TERM);
    alice.is_given_back();
    open(&home, "alice").sees("> half a thought");
}

/// The full screen of a profile, unlocked and connected.
fn open(home: &Openchat, name: &str) -> Terminal {
    let mut terminal = Terminal::open(home, name, NOTHING);
    terminal.sees("Password");
    terminal.enter(PASSWORD);
    terminal.sees("online");
    terminal
}

/// The first room of a profile, from the menu that opens by itself.
fn create(terminal: &mut Terminal, room: &str) {
    terminal.sees("What next?");
    terminal.press("enter");
    terminal.sees("> /create");
    terminal.enter(room);
}
