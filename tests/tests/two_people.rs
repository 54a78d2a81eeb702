//! Two people talk: accounts by invite, rooms, the line client on a pipe, one-shot commands.

use openchat_tests::{Openchat, ServerProcess, people};

/// A server with Alice, Bob (invited by her), and #lobby made by her.
fn world() -> (Openchat, ServerProcess) {
    let (home, server) = people(&["alice", "bob"]);
    home.run_with_input("alice", &["chat"], "1 lobby\nhello from alice\n").ok();
    (home, server)
}

#[test]
fn a_script_drives_the_line_client() {
    let (home, _server) = world();
    let out = home.run_with_input("bob", &["chat"], "3\n2 lobby\nhello from bob\n:q\n:q\n").ok();
    assert!(out.contains("#lobby"), "the list of rooms: {out}");
    assert!(out.contains("bob  hello from bob"), "what was said: {out}");
    assert!(!out.contains("hello from alice"), "said before he came: {out}");
    let out = home.run_with_input("alice", &["chat", "lobby"], "").ok();
    assert!(out.contains("new since you were here") && out.contains("bob  hello from bob"), "{out}");
    assert!(out.contains("-- bob joined"), "{out}");
}

#[test]
fn lines_take_the_commands_of_the_screen() {
    let (home, _server) = world();
    let typed = "2 lobby\na needle here\n/search NEEDLE bob\n/info\n/rotate\n/log\n/notify none\n/read\n/help\n:q\n/quit\n";
    let out = home.run_with_input("bob", &["chat"], typed).ok();
    for expected in [
        "1 found in all",
        "MLS (RFC 9420), post-quantum",
        "bob (you) · 1 device · identity",
        "This device has new keys in this room.",
        "new keys, signed by bob",
        "You are told of: none",
        "/notify all|mentions|none",
    ] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    assert!(!out.contains("/theme"), "lines have no colours to choose: {out}");
    let refused = home.run_with_input("bob", &["chat", "lobby"], "/theme dark\n");
    refused.fails(2, &["/theme is for the full screen"]);
}

#[test]
fn send_and_tail_serve_scripts() {
    let (home, server) = world();
    home.run("bob", &["send", "lobby", "one", "line"]).ok();
    home.run_with_input("bob", &["send", "lobby", "-"], "from\na pipe\n").ok();
    let out = home.run("alice", &["tail", "lobby", "--json"]).ok();
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<&str> = lines.iter().filter_map(|line| line["text"].as_str()).collect();
    assert_eq!(texts, ["hello from alice", "one line", "from\na pipe"]);
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["kind"].as_str()).collect();
    assert!(kinds.contains(&"joined"), "{kinds:?}");
    let who: serde_json::Value =
        serde_json::from_str(&home.run("alice", &["whoami", "--json"]).ok()).unwrap();
    assert_eq!(who["name"], "alice");
    assert_eq!(who["server"], server.fingerprint.as_str());
    let rooms = home.run("bob", &["rooms"]).ok();
    assert!(rooms.contains("#lobby") && rooms.contains("2 members"), "{rooms}");
}

#[test]
fn a_private_room_is_not_listed_and_lets_in_whom_a_member_adds() {
    let (home, _server) = world();
    home.run_with_input("alice", &["chat"], "create private plans\n").ok();
    let rooms = home.run("bob", &["rooms"]).ok();
    assert!(!rooms.contains("plans"), "{rooms}");
    let out = home.run_with_input("alice", &["chat", "plans"], "/add bob\nonly for us\n").ok();
    assert!(out.contains("alice added bob"), "{out}");
    home.run("alice", &["send", "plans", "for bob"]).ok();
    let out = home.run("bob", &["tail", "plans"]).ok();
    assert!(out.contains("for bob") && out.contains("only for us"), "{out}");
}

#[test]
fn who_leaves_reads_nothing_more() {
    let (home, _server) = world();
    home.run_with_input("bob", &["chat"], "2 lobby\n/leave\n:q\n").ok();
    home.run("alice", &["send", "lobby", "after bob"]).ok();
    let out = home.run("alice", &["tail", "lobby"]).ok();
    assert!(out.contains("-- bob left"), "{out}");
    // Bob comes back: he may, the room is open; what was said in between is not for him.
    let out = home.run("bob", &["tail", "lobby"]).ok();
    assert!(!out.contains("after bob"), "{out}");
}

#[test]
fn secrets_are_sealed_for_a_room() {
    let (home, _server) = world();
    home.run("bob", &["send", "lobby", "I am in"]).ok();
    let sealed = home.run_with_input("alice", &["seal", "lobby"], "s3cret=1\n").ok();
    assert!(!sealed.contains("s3cret"));
    assert_eq!(home.run_with_input("bob", &["open", "lobby"], &sealed).ok(), "s3cret=1\n");
}

#[test]
fn all_that_was_kept_goes_out_with_one_command() {
    let (home, server) = world();
    home.run_with_input("bob", &["chat"], "join lobby\n").ok();
    let address = server.kill();
    for number in 0..5 {
        assert_eq!(home.run("alice", &["send", "lobby", &format!("kept {number}")]).code, Some(7));
    }
    let _server = ServerProcess::start_at(&home, address, &[]);
    home.run("alice", &["rooms"]).ok();
    let out = home.run("bob", &["tail", "lobby"]).ok();
    let places: Vec<_> = (0..5).filter_map(|number| out.find(&format!("kept {number}"))).collect();
    assert!(places.len() == 5 && places.is_sorted(), "{out}");
}

#[test]
fn who_comes_by_the_link_of_a_room_is_in_it_also_without_chatting() {
    let (home, _server) = world();
    let link = home.run("alice", &["invite", "lobby"]).ok();
    home.join("carol", link.trim());
    home.run("alice", &["send", "lobby", "for carol too"]).ok();
    assert!(home.run("carol", &["tail", "lobby"]).ok().contains("for carol too"));
}
