//! The binary at a terminal: what a person types and sees there.

mod comparing;
mod finding;
mod first_run;
mod keys;
mod leaving;
mod linking;
mod panes;
mod panic;
mod talking;
mod tasks;

use openchat_tests::binary::PASSWORD;
use openchat_tests::{Openchat, ServerProcess, Terminal, people};

/// No command: the full screen.
const NOTHING: &[&str] = &[];

/// The full screen of a profile, unlocked and connected.
fn open(home: &Openchat, name: &str) -> Terminal {
    open_sized(home, name, (30, 100))
}

/// The same in a window of this size, rows and columns.
fn open_sized(home: &Openchat, name: &str, size: (u16, u16)) -> Terminal {
    let mut terminal = Terminal::open_sized(home, name, NOTHING, size);
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

/// Two people in a room of theirs, each at a terminal.
fn two_in_a_room() -> (Openchat, ServerProcess, Terminal, Terminal) {
    let (home, server) = people(&["alice", "bob"]);
    let mut alice = open(&home, "alice");
    create(&mut alice, "lobby");
    alice.sees("made the room");
    let mut bob = open(&home, "bob");
    join_first(&mut bob, "lobby");
    alice.sees("bob joined");
    (home, server, alice, bob)
}

/// Goes into a room by its name, from the menu that opens by itself.
fn join_first(terminal: &mut Terminal, room: &str) {
    terminal.sees("What next?");
    // A key for the menu first: Esc and what follows at once would be one key with Alt.
    terminal.press("down");
    terminal.press("enter");
    terminal.sees("> /join");
    terminal.enter(room);
    terminal.sees(&format!("▸#{room}"));
}

/// The rows of the screen that hold these words, in their order.
fn rows_with(terminal: &Terminal, words: &str) -> Vec<String> {
    let screen = terminal.screen();
    screen.lines().filter(|row| row.contains(words)).map(str::to_owned).collect()
}
