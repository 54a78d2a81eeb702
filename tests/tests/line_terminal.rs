//! The line client and the questions for a password at a terminal: whatever ends them, the terminal is as it was found.

use openchat_tests::binary::PASSWORD;
use openchat_tests::{Chat, Openchat, ServerProcess, Terminal, people};
use rustix::process::Signal;

fn alice() -> (Openchat, ServerProcess) {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    (home, server)
}

#[test]
fn a_signal_ends_the_line_client_and_gives_the_terminal_back() {
    let (home, _server) = alice();
    for signal in [Signal::TERM, Signal::HUP] {
        let mut terminal = Terminal::open(&home, "alice", &["chat"]);
        terminal.sees("Password");
        terminal.enter(PASSWORD);
        terminal.wait_for(vt100::Screen::bracketed_paste, "the line editor");
        terminal.signal(signal);
        assert!(!terminal.end().success());
        terminal.is_given_back();
    }
}

#[test]
fn a_signal_while_a_password_is_asked_for_gives_the_terminal_back() {
    let (home, _server) = alice();
    for signal in [Signal::TERM, Signal::INT] {
        for command in [&["whoami"][..], &["key", "sign", "password"]] {
            let terminal = Terminal::open(&home, "alice", command);
            terminal.sees("Password");
            terminal.signal(signal);
            assert!(!terminal.end().success());
            terminal.is_given_back();
        }
    }
}

#[test]
fn what_the_line_client_prints_is_broken_between_words() {
    let (home, _server) = alice();
    home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    let mut terminal = Terminal::open_sized(&home, "alice", &["chat", "lobby"], (40, 80));
    terminal.sees("Password");
    terminal.enter(PASSWORD);
    terminal.sees("alice made the room");
    terminal.enter("/info");
    terminal.sees(
        "open to      everybody with an account here, the host included; coming in is\n        announced",
    );
    terminal.enter("/sav\t new.txt");
    terminal.sees("new.txt has all 1 lines of this room");
    terminal.enter(":q");
    terminal.sees("create a room");
    terminal.enter(":q");
    assert!(terminal.end().success(), "{}", terminal.screen());
}

#[test]
fn a_password_that_is_typed_the_moment_it_is_asked_for_is_not_shown() {
    let (home, _server) = alice();
    for _ in 0..10 {
        let mut terminal = Terminal::open(&home, "alice", &["whoami"]);
        terminal.sees("Password");
        terminal.enter(PASSWORD);
        assert!(terminal.end().success(), "{}", terminal.screen());
        assert!(!terminal.screen().contains(PASSWORD), "{}", terminal.screen());
        terminal.is_given_back();
    }
}

#[test]
fn what_comes_while_enter_is_pressed_stops_nothing() {
    let (home, _server) = people(&["alice", "bob"]);
    home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    home.run_with_input("bob", &["chat"], "join lobby\n").ok();
    let mut terminal = Terminal::open_sized(&home, "alice", &["chat", "lobby"], (40, 80));
    terminal.sees("Password");
    terminal.enter(PASSWORD);
    terminal.sees("bob joined");
    let mut bob = Chat::start(&home, "bob", &["chat", "lobby"]);
    // The editor looks at keys first: what bob says comes while it has more of them.
    let long = "and so on ".repeat(350);
    for round in 0..5 {
        (0..5).for_each(|number| bob.say(&format!("from bob {round}.{number}")));
        terminal.enter(&format!("{long} from alice {round}"));
        bob.hear(&format!("from alice {round}"));
    }
    terminal.sees("from bob 4.4");
    bob.end().ok();
    terminal.enter(":q");
    terminal.sees("create a room");
    terminal.enter(":q");
    assert!(terminal.end().success(), "{}", terminal.screen());
}
