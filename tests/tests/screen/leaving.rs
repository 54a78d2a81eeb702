//! The terminal changes, stops, or is gone: the screen copes, and gives it back as it was.

use openchat_tests::Terminal;
use openchat_tests::terminal::picture;
use rustix::process::Signal;

use crate::{create, open, open_sized, people};

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

#[test]
fn a_terminal_that_hangs_up_ends_the_program_and_keeps_the_draft() {
    let (home, _server) = people(&["alice"]);
    let mut alice = open(&home, "alice");
    create(&mut alice, "lobby");
    alice.sees("made the room");
    alice.type_text("half a thought");
    alice.sees("> half a thought");
    alice.hang_up();
    assert!(alice.end().success(), "{:?}", alice.end());
    open(&home, "alice").sees("> half a thought");
}

#[test]
fn a_stopped_screen_leaves_the_terminal_to_the_shell_and_is_painted_anew() {
    let (home, _server) = people(&["alice"]);
    let mut alice = open(&home, "alice");
    create(&mut alice, "lobby");
    alice.sees("made the room");
    alice.type_text("half a thought");
    alice.sees("> half a thought");
    let before = alice.picture();
    alice.signal(Signal::TSTP);
    alice.is_stopped(1);
    alice.scribble();
    alice.signal(Signal::CONT);
    alice.wait_for(|screen| picture(screen) == before, "the screen as it was");
    assert!(alice.is_raw());
    alice.press("ctrl+z");
    alice.is_stopped(2);
    alice.resize(20, 70);
    alice.signal(Signal::CONT);
    alice.sees("> half a thought");
    alice.type_text(", and the rest");
    alice.sees("> half a thought, and the rest");
    assert!(!alice.screen().contains('▒'), "{}", alice.screen());
    alice.press("ctrl+c");
    alice.is_given_back();
    assert!(alice.end().success());
}

#[test]
fn what_others_have_written_is_wiped_at_the_start_and_on_request() {
    let (home, _server) = people(&["alice"]);
    let mut alice = open(&home, "alice");
    // The picture of a program that was killed stands where the screen begins.
    alice.gets("\x1b[2J");
    create(&mut alice, "lobby");
    alice.sees("made the room");
    let before = alice.picture();
    alice.scribble();
    alice.press("ctrl+l");
    alice.wait_for(|screen| picture(screen) == before, "the screen as it was");
}

#[test]
fn a_screen_that_was_stopped_from_outside_takes_the_terminal_again() {
    let (home, _server) = people(&["alice"]);
    let mut alice = open(&home, "alice");
    create(&mut alice, "lobby");
    alice.sees("made the room");
    let before = alice.picture();
    alice.signal(Signal::STOP);
    alice.has_stopped(1);
    alice.takes_lines();
    alice.scribble();
    alice.signal(Signal::CONT);
    alice.wait_for(|screen| picture(screen) == before, "the screen as it was");
    alice.type_text("a thought");
    alice.sees("> a thought");
    assert!(alice.is_raw());
    alice.press("ctrl+c");
    alice.is_given_back();
}

#[test]
fn a_screen_behind_its_shell_leaves_the_terminal_alone_and_ends_when_told() {
    let (home, _server) = people(&["alice"]);
    let mut shell = Terminal::shell(&home);
    for end in ["kill %1", "kill -HUP %1"] {
        shell.enter("openchat --profile alice --password-file password");
        shell.sees("What next?");
        shell.press("ctrl+z");
        shell.sees("Stopped");
        shell.enter("bg; echo it is; echo behind");
        shell.sees("it is\nbehind");
        shell.enter("fg");
        shell.sees("What next?");
        shell.press("ctrl+z");
        shell.sees("Stopped");
        shell.enter(end);
        // What the shell still takes for stopped it does not wait for.
        shell.enter(
            "while [ -n \"$(jobs -r; jobs -s)\" ]; do wait; done; jobs; clear; echo all is; echo over",
        );
        shell.sees("all is\nover");
        shell.enter("clear; jobs; echo it; echo ends");
        shell.sees("it\nends");
        assert!(!shell.screen().contains("openchat --profile"), "{}", shell.screen());
    }
    // The locks are free.
    shell.enter("openchat --profile alice --password-file password whoami");
    shell.sees("alice");
}

#[test]
fn a_resized_screen_is_what_a_screen_of_that_size_is() {
    const SIZES: [(u16, u16); 3] = [(24, 80), (12, 40), (43, 132)];
    let (home, _server) = people(&["alice"]);
    let mut alice = open_sized(&home, "alice", SIZES[0]);
    create(&mut alice, "lobby");
    alice.sees("made the room");
    for words in [
        "one line",
        "宽字符 and é̂ and 👩‍👩‍👧 in one",
        "a line that is long enough to be wrapped on the narrowest window",
    ] {
        alice.enter(words);
    }
    alice.sees("the narrowest");
    alice.sees_no("to send");
    alice.type_text("half a thought");
    alice.sees("> half a thought");
    alice.press("ctrl+c");
    alice.is_given_back();
    let expected = SIZES.map(|size| {
        let mut fresh = open_sized(&home, "alice", size);
        is_settled(&fresh);
        let picture = fresh.picture();
        fresh.press("ctrl+c");
        fresh.is_given_back();
        picture
    });
    let mut alice = open_sized(&home, "alice", SIZES[0]);
    for index in [1, 2, 0, 2, 1, 0] {
        let (rows, columns) = SIZES[index];
        alice.resize(rows, columns);
        alice.wait_for(
            |screen| picture(screen) == expected[index],
            &format!("{rows} rows of {columns}, whole"),
        );
    }
    // Faster than anybody draws: only the last one counts.
    for (rows, columns) in SIZES.into_iter().chain(SIZES).chain([SIZES[0]]) {
        alice.resize(rows, columns);
    }
    alice.wait_for(|screen| picture(screen) == expected[0], "the first size again, whole");
    alice.press("x");
    alice.sees("> half a thoughtx");
    alice.press("backspace");
    alice.wait_for(|screen| picture(screen) == expected[0], "the same once more");
}

/// Nothing more is to come by itself.
fn is_settled(terminal: &Terminal) {
    terminal.sees("> half a thought");
    terminal.sees("narrowest");
    terminal.sees("1 person");
}
