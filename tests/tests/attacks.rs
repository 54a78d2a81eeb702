//! Attacks of the table in `docs/rules.md`, by their numbers, on the real binary: what its user is told, what stays unsaid,
//! and what comes back when the server is honest again. Most of them are done by a server in the hands of somebody bad.

use std::fs;
use std::process::{Child, Stdio};

use openchat_protocol::DeviceId;
use openchat_tests::{Chat, EvilServer, Misdeed, Recorder, people};
use serde_json::Value;

const HOUR: i64 = 3600 * 1000;
const NOT_FOUND: i32 = 3;
const REFUSED: i32 = 4;
const OTHER_SERVER: i32 = 8;

/// A server with these people on it, who have all said something in #lobby and heard each other.
fn lobby(people: &[&str]) -> EvilServer {
    let server = EvilServer::with(people);
    server.home.run_with_input(people[0], &["chat"], "create lobby\n").ok();
    people.iter().for_each(|who| say(&server, who, &format!("{who} is here")));
    people.iter().for_each(|who| drop(read(&server, who)));
    server
}

fn say(server: &EvilServer, who: &str, text: &str) {
    server.home.run(who, &["send", "lobby", text]).ok();
}

fn read(server: &EvilServer, who: &str) -> String {
    server.home.run(who, &["tail", "lobby"]).ok()
}

/// Which record of #lobby says `text`.
fn place(server: &EvilServer, who: &str, text: &str) -> u64 {
    let out = server.home.run(who, &["tail", "lobby", "--json"]).ok();
    let line = out.lines().find(|line| line.contains(text)).unwrap();
    serde_json::from_str::<Value>(line).unwrap()["sequence"].as_u64().unwrap()
}

fn device(server: &EvilServer, who: &str) -> DeviceId {
    let out: Value = serde_json::from_str(&server.home.run(who, &["whoami", "--json"]).ok()).unwrap();
    let part = |key: &str| out[key].as_str().unwrap().to_owned();
    DeviceId { uid: part("uid").parse().unwrap(), did: part("device").parse().unwrap() }
}

/// Makes `new` another device of `known`, who is in one room.
fn link_device(server: &EvilServer, known: &str, new: &str) {
    let mut linking = Chat::start(&server.home, known, &["link"]);
    let link = linking.hear("openchat://").trim().to_owned();
    server.home.run(new, &["join", &link, "--only"]).ok();
    linking.hear("It is in 1 of your 1 rooms");
    linking.end().ok();
}

/// Attack 2: a login is relayed.
/// Who passes a login on, and even has the server's keys, gets nowhere: it is good for one channel.
#[test]
fn attack_2_a_login_that_is_relayed_is_refused() {
    let mut server = lobby(&["alice", "mallory"]);
    let relay = server.relay_as("mallory");
    let waits = server.home.run("alice", &["send", "lobby", "by whoever it was"]);
    waits.fails(REFUSED, &["on this connection", "it is kept on this machine"]);
    server.end_relay(relay);
    assert!(!read(&server, "mallory").contains("by whoever it was"));
    server.home.run("alice", &["rooms"]).ok();
    let said = read(&server, "mallory");
    assert_eq!(said.matches("by whoever it was").count(), 1, "{said}");
}

/// Attack 3: a login is replayed.
/// Whoever recorded a login that succeeded, and what was said after it, sends all of it again: the server ends that
/// connection in its handshake, and nothing is said twice.
#[test]
fn attack_3_a_login_that_is_replayed_is_refused() {
    let server = EvilServer::with(&[]);
    let recorder = Recorder::before(&server.link());
    server.home.join("alice", &recorder.link);
    server.home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    recorder.take();
    say(&server, "alice", "said once");
    let recorded = recorder.take();
    let lengths: Vec<usize> = recorded.iter().map(Vec::len).collect();
    assert!(lengths.iter().any(|length| *length > 1024), "a login and a message: {lengths:?}");
    for bytes in &recorded {
        let heard = recorder.replay(bytes);
        // A record of the handshake (RFC 8446, 5.1): the server took it for the beginning of a connection.
        assert_eq!(heard.first(), Some(&22), "it went as far as the handshake");
    }
    let said = read(&server, "alice");
    assert_eq!(said.matches("said once").count(), 1, "{said}");
}

/// Attack 6: split view of the log.
/// Alice and Bob come by two doors, behind which there are two logs of keys.
#[test]
fn attack_6_a_split_view_is_proven_when_the_two_talk() {
    let mut server = EvilServer::with(&["alice"]);
    let door = server.open_door();
    server.home.join("bob", &server.link_to(door));
    let link = server.link();
    server.home.run_with_input("alice", &["chat"], "create lobby\nhello\n").ok();
    say(&server, "bob", "hello");
    read(&server, "alice");
    let other = server.copy_database("other");
    server.fork_log(2, &other, 1);
    server.commit_behind_the_door(Misdeed::ShowLog(other));
    say(&server, "bob", "what do you see?");
    let mut alice = Chat::start_with_errors(&server.home, "alice", &["chat", "lobby"]);
    let told = alice.hear("DIFFERENT KEY RECORDS TO DIFFERENT PEOPLE");
    alice.end().ok();
    let evidence = told.split_whitespace().find(|word| word.ends_with(".evidence")).unwrap();
    let file = server.home.profile("alice").join(evidence);
    assert!(told.contains("(to bob, too)") && fs::metadata(&file).is_ok(), "{told}");
    let (file, fingerprint) = (file.to_str().unwrap(), server.fingerprint());
    let checked = server.home.run("stranger", &["log", "evidence", file, &fingerprint]).ok();
    assert!(checked.contains("both cannot be of one log"), "{checked}");
    // Whoever comes now is not believed by her, and Bob, whom she knows, still is.
    server.home.join("carol", &link);
    let refused = server.home.run_with_input("alice", &["chat"], "create private plans\n/add carol\n");
    refused.fails(OTHER_SERVER, &["carol is new here", "nobody new is believed"]);
    server.home.run_with_input("alice", &["chat", "plans"], "/add bob\n").ok();
}

/// Attack 5: a key is swapped before first contact.
/// The server gives somebody an account, and shows a log without it: it keeps another key under that name for others.
#[test]
fn attack_5_a_newcomer_who_is_not_in_the_log_says_nothing() {
    let mut server = lobby(&["alice"]);
    let before = server.copy_database("before");
    server.commit(Misdeed::ShowLog(before));
    server.join("bob");
    let told = server.home.run_with_input("bob", &["chat"], "join lobby\nI am bob\n");
    assert!(told.err.contains("does not prove your own keys"), "{told:?}");
    assert!(!read(&server, "alice").contains("I am bob"), "what is told is true: messages wait");
    server.commit(Misdeed::None);
    server.home.run("bob", &["rooms"]).ok();
    assert!(read(&server, "alice").contains("I am bob"));
}

/// Attack 7: the log is rolled back.
#[test]
fn attack_7_a_log_that_is_rolled_back_silences_until_it_is_whole_again() {
    let mut server = lobby(&["alice", "bob"]);
    let before = server.copy_database("before");
    server.join("carol");
    read(&server, "alice");
    server.commit(Misdeed::ShowLog(before));
    let waits = server.home.run("alice", &["send", "lobby", "does this go out?"]);
    waits.fails(OTHER_SERVER, &["set back, or it hides some", "it is kept on this machine"]);
    assert!(!read(&server, "bob").contains("does this go out?"));
    server.commit(Misdeed::None);
    server.home.run("alice", &["rooms"]).ok();
    assert!(read(&server, "bob").contains("does this go out?"));
}

/// Attack 8: the log is frozen.
#[test]
fn attack_8_a_frozen_log_is_warned_of() {
    let mut server = EvilServer::with_clock(-50 * HOUR);
    server.commit(Misdeed::WithholdHeartbeats);
    server.set_clock_right();
    ["alice", "bob"].iter().for_each(|name| server.join(name));
    let refused = server.home.run_with_input("alice", &["chat"], "create private plans\n/add bob\n");
    let words =
        ["have stood still for two days", "bob is not proven", "nothing is sent to whoever it may be"];
    refused.fails(OTHER_SERVER, &words);
    assert!(!refused.err.contains("SAY SOMETHING OF YOU"), "nobody is accused: {refused:?}");
    server.commit(Misdeed::None);
    let added = server.home.run_with_input("alice", &["chat", "plans"], "/add bob\n");
    assert_eq!(added.err, "", "{added:?}");
    added.ok();
    server.home.run("alice", &["send", "plans", "now it is you"]).ok();
    assert!(server.home.run("bob", &["tail", "plans"]).ok().contains("now it is you"));
}

/// Attack 9: a ghost device.
/// For Alice, whose server hides the list that has it, Bob's new device is one that Bob never had.
#[test]
fn attack_9_nothing_is_said_before_a_ghost_device() {
    let mut server = lobby(&["alice", "bob"]);
    let before = server.copy_database("before");
    link_device(&server, "bob", "phone");
    server.commit(Misdeed::ShowLog(before));
    let waits = server.home.run("alice", &["send", "lobby", "for the two of us"]);
    waits.fails(OTHER_SERVER, &["not in bob's list of devices", "Ask bob over another channel"]);
    server.commit(Misdeed::None);
    assert!(!read(&server, "phone").contains("for the two of us"));
    server.home.run("alice", &["rooms"]).ok();
    assert!(read(&server, "phone").contains("for the two of us"), "it is in the list after all");
}

/// Attack 10: an old list of devices.
#[test]
fn attack_10_an_old_list_of_devices_is_refused() {
    let mut server = lobby(&["alice", "bob"]);
    link_device(&server, "bob", "phone");
    server.home.run_with_input("alice", &["chat"], "create private plans\n").ok();
    server.commit(Misdeed::ShowOldLists);
    let refused = server.home.run_with_input("alice", &["chat", "plans"], "/add bob\n");
    refused.fails(OTHER_SERVER, &["the server answered with an old record", "nothing is sent"]);
    server.commit(Misdeed::None);
    server.home.run_with_input("alice", &["chat", "plans"], "/add bob\n").ok();
    server.home.run("alice", &["send", "plans", "to both of yours"]).ok();
    for device in ["bob", "phone"] {
        assert!(server.home.run(device, &["tail", "plans"]).ok().contains("to both of yours"), "{device}");
    }
}

/// What Bob is shown when this is done to the second of Alice's three messages; then the server is honest again.
fn done_to_the_second(misdeed: impl Fn(&EvilServer, u64) -> Misdeed) -> (EvilServer, String) {
    let mut server = lobby(&["alice", "bob", "mallory"]);
    ["the first", "the second", "the third"].iter().for_each(|text| say(&server, "alice", text));
    let second = place(&server, "alice", "the second");
    server.commit(misdeed(&server, second));
    let shown = read(&server, "bob");
    server.commit(Misdeed::None);
    (server, shown)
}

/// Attack 13: the server drops, reorders or repeats messages.
#[test]
fn attack_13_a_dropped_message_is_a_gap_that_is_told() {
    let (server, shown) = done_to_the_second(|_, second| Misdeed::Drop(second));
    for words in ["  the first", "  the third", "1 of alice's messages never arrived", "different histories"]
    {
        assert!(shown.contains(words), "`{words}` is not in: {shown}");
    }
    assert!(!shown.contains("the second"), "{shown}");
    // What Bob was shown is not the room's log. It is not mixed with the true one.
    let told = server.home.run("bob", &["tail", "lobby"]);
    assert!(
        told.err.contains("not the one it showed before") && told.err.contains("stands still"),
        "{told:?}"
    );
    server.home.run_with_input("bob", &["chat"], "join lobby\nI am back\n").ok();
    assert!(read(&server, "alice").contains("I am back"));
    say(&server, "alice", "welcome");
    assert!(read(&server, "bob").contains("welcome"));
}

/// Attack 13: the server drops, reorders or repeats messages.
#[test]
fn attack_13_messages_in_another_order_are_told() {
    let (_server, shown) = done_to_the_second(|_, second| Misdeed::Reorder(second));
    for words in
        ["1 of alice's messages never arrived", "a record of alice cannot be read", "different histories"]
    {
        assert!(shown.contains(words), "`{words}` is not in: {shown}");
    }
    assert!(
        shown.contains("  the third") && !shown.contains("  the second"),
        "nothing is shown out of order: {shown}"
    );
}

/// Attack 13: the server drops, reorders or repeats messages.
#[test]
fn attack_13_a_repeated_message_is_shown_once() {
    let (server, shown) = done_to_the_second(|_, second| Misdeed::Repeat(second));
    for words in ["  the first", "  the second", "  the third"] {
        assert_eq!(shown.matches(words).count(), 1, "{words}: {shown}");
    }
    assert!(shown.contains("a record of alice cannot be read"), "{shown}");
    // It has shown one record more than there is.
    let waits = server.home.run("bob", &["send", "lobby", "what is this?"]);
    waits.fails(OTHER_SERVER, &["less of this room than you have read", "it is kept on this machine"]);
}

/// Attack 17: a removed member reads or posts.
/// A member who was removed neither reads nor writes, also when the program is asked to.
#[test]
fn attack_17_a_removed_member_reads_and_posts_nothing() {
    let (home, _server) = people(&["alice", "bob"]);
    home.run_with_input("alice", &["chat"], "create private plans\n/add bob\nwith bob\n").ok();
    assert!(home.run("bob", &["tail", "plans"]).ok().contains("with bob"));
    home.run_with_input("alice", &["chat", "plans"], "/remove bob\nwithout bob\n").ok();
    let read = home.run("bob", &["tail", "plans"]);
    assert!(read.out.contains("with bob") && !read.out.contains("without bob"), "{read:?}");
    read.fails(REFUSED, &["removed"]);
    let said = home.run("bob", &["send", "plans", "I am still here"]);
    assert_ne!(said.code, Some(0), "{said:?}");
    let plans = home.run("alice", &["tail", "plans"]).ok();
    assert!(plans.contains("without bob") && !plans.contains("I am still here"), "{plans}");
}

/// Attack 18: a forged sender.
#[test]
fn attack_18_a_forged_sender_is_told_and_says_nothing() {
    let (_server, shown) =
        done_to_the_second(|server, second| Misdeed::AlterAuthor(second, device(server, "mallory")));
    assert!(
        shown.contains(
            "a record of mallory cannot be read: alice has signed it, and somebody else has sent it"
        ),
        "{shown}"
    );
    assert!(!shown.contains("the second"), "in nobody's name: {shown}");
    assert!(
        shown.contains("1 of alice's messages never arrived") && shown.contains("  the third"),
        "{shown}"
    );
}

/// Attack 19: an invite is used twice, or guessed.
#[test]
fn attack_19_of_many_who_use_one_invite_at_once_one_gets_in() {
    let server = EvilServer::with(&[]);
    let link = server.link();
    let names: Vec<String> = (0..8).map(|number| format!("guest{number}")).collect();
    let join = |name: &String| -> Child {
        server
            .home
            .command(name, &["join", &link, "--name", name, "--only"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let joining: Vec<Child> = names.iter().map(join).collect();
    let codes: Vec<_> = joining.into_iter().map(|mut child| child.wait().unwrap().code()).collect();
    let came_in = codes.iter().filter(|code| **code == Some(0)).count();
    assert_eq!(came_in, 1, "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, Some(0 | REFUSED))), "{codes:?}");
    let (kept, last) = link.split_at(link.len() - 1);
    let guessed = format!("{kept}{}", if last == "A" { 'Q' } else { 'A' });
    server
        .home
        .run("guesser", &["join", &guessed, "--name", "guesser", "--only"])
        .fails(NOT_FOUND, &["unknown here"]);
}

/// Attack 20: a name that looks like another.
#[test]
fn attack_20_a_name_that_looks_like_another_is_refused() {
    let server = EvilServer::with(&["wilma.ll"]);
    for look_alike in ["wi1ma.11", "wilrna.ll"] {
        let refused = server.home.run(look_alike, &["join", &server.link(), "--name", look_alike, "--only"]);
        refused.fails(REFUSED, &["look"]);
    }
    server.join("wilhelm");
}
