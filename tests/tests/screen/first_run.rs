//! Somebody new: hosting, coming in by a link, a password that is wrong.

use data_encoding::BASE64;
use openchat_tests::binary::PASSWORD;
use openchat_tests::{Openchat, Terminal};

use crate::{NOTHING, open_sized, people};

/// A folder whose server listens on a free port: the only thing that a test has to choose for a host.
fn where_a_port_is_free() -> Openchat {
    let home = Openchat::new();
    let server = home.folder().join("server");
    std::fs::create_dir(&server).unwrap();
    std::fs::write(server.join("server.toml"), "listen = \"127.0.0.1:0\"\n").unwrap();
    home
}

#[test]
fn a_host_and_two_friends_come_in_at_the_screen() {
    let home = where_a_port_is_free();
    let mut alice = Terminal::open_sized(&home, "alice", NOTHING, (50, 120));
    host(&mut alice);
    for made in
        ["your server listens on 127.0.0.1:", "its keys and database are in", "your key and history are in"]
    {
        alice.sees(made);
    }
    alice.sees("▸#lobby");
    alice.sees("alice made the room");

    let link = invite(&mut alice);
    let mut bob = Terminal::open(&home, "bob", NOTHING);
    bob.sees("Join with a link");
    bob.press("down");
    bob.press("enter");
    bob.sees("Your name");
    bob.paste(&link);
    bob.press("enter");
    name_and_password(&mut bob, "bob");
    bob.sees("you come into #lobby");
    bob.sees("▸#lobby");
    alice.sees("bob joined");

    let link = invite(&mut alice);
    let mut carol = Terminal::open(&home, "carol", &["join", &link]);
    carol.sees("Join with a link");
    name_and_password(&mut carol, "carol");
    carol.sees("▸#lobby");
    alice.sees("carol joined");
    carol.enter("hello everybody");
    alice.sees("hello everybody");
    bob.sees("hello everybody");
}

#[test]
fn whoever_hosts_is_at_home_again_at_the_next_start() {
    // Another port at each start: the address in the profile is wrong from the second one on.
    let home = where_a_port_is_free();
    let mut alice = Terminal::open_sized(&home, "alice", NOTHING, (50, 120));
    host(&mut alice);
    alice.sees("▸#lobby");
    alice.press("esc");
    alice.sees_no("keys and database");
    alice.press("ctrl+c");
    alice.is_given_back();

    let mut alice = open_sized(&home, "alice", (50, 120));
    alice.sees("your server listens on 127.0.0.1:");
    alice.press("esc");
    alice.sees_no("your server listens");
    alice.enter("back again");
    alice.sees("back again");
    alice.sees_no("to send");
    let bob = Terminal::open_sized(&home, "bob", &["join", &invite(&mut alice)], (50, 120));
    bob.sees("Join with a link");
    // Stopped, it tells what else stands still.
    alice.press("ctrl+z");
    alice.has_stopped(1);
    alice.gets("your server stands still too");
}

/// Hosts, with the mistakes that people make.
fn host(terminal: &mut Terminal) {
    terminal.sees("Who are you here?");
    terminal.press("enter");
    terminal.sees("Your name");
    terminal.enter("alice");
    terminal.type_text("abc");
    terminal.sees("Hint:");
    terminal.press("ctrl+u");
    terminal.sees_no("Hint:");
    terminal.enter(PASSWORD);
    terminal.enter("something else");
    terminal.sees("not the same");
    terminal.press("ctrl+u");
    terminal.enter(PASSWORD);
}

/// Makes a link, copies it, and compares what is copied with what is shown.
fn invite(terminal: &mut Terminal) -> String {
    terminal.enter("/invite");
    terminal.sees("Invite a friend");
    terminal.sees("▀");
    let before = copied(terminal).len();
    terminal.press("y");
    terminal.sees("the link is on the clipboard");
    let link = copied(terminal).split_off(before).pop().expect("the link was copied");
    assert!(link.starts_with("openchat://127.0.0.1:"), "{link}");
    let shown: String = terminal.screen().split(|c: char| c.is_whitespace() || c == '│').collect();
    assert!(shown.contains(&link), "{link} is not on the screen:\n{}", terminal.screen());
    terminal.press("esc");
    terminal.sees_no("Invite a friend");
    link
}

/// All that was put on the clipboard of the terminal, the newest last.
pub(crate) fn copied(terminal: &Terminal) -> Vec<String> {
    let output = String::from_utf8_lossy(&terminal.output()).into_owned();
    let pieces = output.split("\x1b]52;c;").skip(1).filter_map(|piece| piece.split_once('\x1b'));
    let texts = pieces.map(|(text, _)| BASE64.decode(text.as_bytes()).expect("base64"));
    texts.map(|text| String::from_utf8(text).expect("UTF-8")).collect()
}

fn name_and_password(terminal: &mut Terminal, name: &str) {
    terminal.enter(name);
    terminal.enter(PASSWORD);
    terminal.enter(PASSWORD);
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
