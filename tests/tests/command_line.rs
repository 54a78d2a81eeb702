//! What people see at the shell and in the line client when something is not as it should be.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use openchat_tests::binary::PASSWORD;
use openchat_tests::{Chat, Openchat, ServerProcess, free_address, people};

const USAGE: i32 = 2;
const NOT_FOUND: i32 = 3;
const REFUSED: i32 = 4;
const WRONG_PASSWORD: i32 = 5;
const NETWORK: i32 = 7;

/// More than any command needs for a server that refuses, less than a person would wait for one that is silent.
const SOON: Duration = Duration::from_secs(8);

/// A server with these people on it; the first one has made #lobby, and all are in it.
fn lobby(names: &[&str]) -> (Openchat, ServerProcess) {
    let (home, server) = people(names);
    for (index, name) in names.iter().enumerate() {
        let command = if index == 0 { "create lobby\n" } else { "join lobby\n" };
        home.run_with_input(name, &["chat"], command).ok();
    }
    (home, server)
}

fn soon<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    done
}

#[test]
fn rooms_shows_private_rooms_and_what_is_unread() {
    let (home, server) = lobby(&["alice", "bob"]);
    home.run_with_input("alice", &["chat"], "create private ops\n").ok();
    home.run_with_input("bob", &["chat"], "create elsewhere\n").ok();
    home.run("bob", &["send", "lobby", "news"]).ok();
    let line = |out: &str, room: &str| {
        let found = out.lines().find(|line| line.starts_with(&format!("#{room} "))).map(str::to_owned);
        found.unwrap_or_else(|| panic!("#{room} is not in: {out}"))
    };
    let out = home.run("alice", &["rooms"]).ok();
    for (room, words) in [
        ("ops", ["private", "joined", "1 member"]),
        ("lobby", ["listed", "joined, 1 unread", "2 members"]),
        ("elsewhere", ["listed", "not joined", "1 member"]),
    ] {
        let line = line(&out, room);
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    let json = home.run("alice", &["rooms", "--json"]).ok();
    let rooms: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lobby = rooms.iter().find(|room| room["name"] == "lobby").unwrap();
    assert_eq!((&lobby["unread"], &lobby["access"]), (&1.into(), &"listed".into()), "{json}");

    server.kill();
    let offline = soon(|| home.run("alice", &["rooms"]));
    offline.fails(NETWORK, &["the server's list is missing", "nothing listens there"]);
    assert!(
        line(&offline.out, "ops").contains("private") && !offline.out.contains("elsewhere"),
        "{offline:?}"
    );
}

#[test]
fn a_dead_server_is_told_soon_and_nothing_said_is_lost() {
    let (home, server) = lobby(&["alice"]);
    home.run("alice", &["send", "lobby", "before"]).ok();
    let address = server.kill();
    soon(|| home.run("alice", &["send", "lobby", "kept"]))
        .fails(NETWORK, &["kept on this machine", "openchat rooms"]);
    soon(|| home.run("alice", &["invite"])).fails(NETWORK, &[&address.to_string()]);
    let tail = soon(|| home.run("alice", &["tail", "lobby"]));
    tail.fails(NETWORK, &["what is on this machine"]);
    assert!(tail.out.contains("before") && tail.out.contains("kept  (waiting"), "{tail:?}");
    let _server = ServerProcess::start_at(&home, address, &[]);
    home.run("alice", &["send", "lobby", "after"]).ok();
    let out = home.run("alice", &["tail", "lobby"]).ok();
    assert!(out.find("kept") < out.find("after") && !out.contains("waiting"), "{out}");
}

#[test]
fn a_host_that_does_not_exist_and_a_server_that_says_nothing_are_told() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    let (link, address) = (server.first_invite(), server.address.to_string());
    let join = |link: &str| home.run("alice", &["join", link, "--name", "alice", "--only"]);
    soon(|| join(&link.replace(&address, "no-such-host.invalid:7443")))
        .fails(NETWORK, &["the name is not found"]);

    home.join("bob", &link);
    let address = server.kill();
    let silent = TcpListener::bind(address).unwrap();
    let start = Instant::now();
    home.run("bob", &["invite"]).fails(NETWORK, &["answer"]);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    drop(silent);
}

#[test]
fn a_chat_finds_its_server_again_and_says_so_in_plain_words() {
    let (home, server) = lobby(&["alice"]);
    let mut chat = Chat::start(&home, "alice", &["chat", "lobby"]);
    chat.say("one");
    chat.hear("alice  one");
    let address = server.kill();
    let told = chat.hear("-- offline");
    assert!(told.contains("the server went away") && !told.contains("close_notify"), "{told}");
    chat.say("two");
    let _server = ServerProcess::start_at(&home, address, &[]);
    soon(|| chat.hear("alice  two"));
    chat.end().ok();
}

#[test]
fn a_script_that_was_not_heard_ends_with_an_error() {
    let (home, server) = lobby(&["alice"]);
    let mut chat = Chat::start(&home, "alice", &["chat", "lobby"]);
    chat.say("one");
    chat.hear("alice  one");
    server.kill();
    chat.hear("-- offline");
    chat.say("two");
    soon(|| chat.end()).fails(NETWORK, &["not all of it has reached the server", "waits on this machine"]);
}

#[test]
fn who_may_not_remove_is_told_in_names() {
    let (home, _server) = lobby(&["alice", "bob"]);
    let chat = |line: &str| home.run_with_input("bob", &["chat", "lobby"], line);
    chat("/remove alice\n").fails(REFUSED, &["only alice may remove people from #lobby"]);
    chat("/remove alcie\n").fails(NOT_FOUND, &["there is no alcie in #lobby", "did you mean alice?"]);
}

#[test]
fn who_was_removed_is_told_by_whom() {
    let (home, _server) = lobby(&["alice", "bob", "carol"]);
    let mut carol = Chat::start(&home, "carol", &["chat", "lobby"]);
    let mut bob = Chat::start(&home, "bob", &["chat", "lobby"]);
    // Whoever enters after having been removed joins again.
    bob.hear("#lobby");
    // The server takes a removal for done when somebody else has confirmed it.
    let mut alice = Chat::start(&home, "alice", &["chat", "lobby"]);
    alice.say("/remove bob");
    carol.hear("alice removed bob");
    bob.hear("you were removed from #lobby by alice");
    bob.say("hello?");
    bob.end().fails(REFUSED, &[]);
    for command in [&["send", "lobby", "hello?"][..], &["tail", "lobby"]] {
        let outcome = home.run("bob", command);
        outcome.fails(REFUSED, &["you were removed from #lobby by alice", "openchat chat lobby"]);
        assert!(!outcome.err.contains("/join"), "{outcome:?}");
    }
    assert!(home.run("bob", &["tail", "lobby"]).out.contains("alice removed bob"));
    alice.end().ok();
    carol.end().ok();
}

#[test]
fn a_join_that_failed_leaves_no_key_unless_it_was_there_before() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    let link = server.first_invite();
    home.join("alice", &link);
    let join = || home.run("bob", &["join", &link, "--name", "bob", "--only"]);
    let files = || {
        let files = fs::read_dir(home.profile("bob")).unwrap().map(|it| it.unwrap().file_name());
        let mut files: Vec<_> = files.filter(|it| it != "lock").collect();
        files.sort();
        files
    };
    join().fails(REFUSED, &["used", "new link"]);
    assert!(files().is_empty(), "{:?}", files());

    home.run("bob", &["key", "new"]).ok();
    let key = fs::read(home.profile("bob").join("private.pem")).unwrap();
    join().fails(REFUSED, &["used"]);
    home.file("password", "another one");
    join().fails(WRONG_PASSWORD, &["a key from before", "private.pem", "--profile"]);
    home.file("password", PASSWORD);
    server.kill();
    join().fails(NETWORK, &[]);
    assert_eq!(files(), ["private.pem", "public.pem"]);
    assert_eq!(fs::read(home.profile("bob").join("private.pem")).unwrap(), key);
}

#[test]
fn a_host_listens_where_the_first_start_said() {
    let home = Openchat::new();
    let free = free_address().to_string();
    let up = |more: &[&str]| {
        let arguments = [&["up"], more].concat();
        home.run_with_input("alice", &arguments, ":q\n:q\n").ok()
    };
    let first = up(&["--name", "alice", "--listen", &free, "--address", &free]);
    assert!(first.contains(&format!("listens on {free}")), "{first}");
    let again = up(&[]);
    assert!(again.contains(&format!("listens on {free}")), "{again}");
    // The host itself needs no address that others use.
    let elsewhere = up(&["--listen", "127.0.0.1:0"]);
    assert!(elsewhere.contains("#lobby") && !elsewhere.contains(&free), "{elsewhere}");
}

#[test]
fn a_script_is_told_of_the_options_that_its_command_has() {
    let (home, _server) = lobby(&["alice"]);
    let data = home.folder().to_str().unwrap();
    let mut command = Command::new(openchat_tests::binary::program());
    command.args(["--data", data, "--profile", "alice", "rooms"]).env_remove("OPENCHAT_PASSWORD_FILE");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("--password-file FILE") && !err.contains("--name"), "{err}");
}

#[test]
fn what_waits_counts_among_the_newest_lines() {
    let (home, server) = lobby(&["alice"]);
    server.kill();
    for number in 0..3 {
        assert_eq!(home.run("alice", &["send", "lobby", &format!("kept {number}")]).code, Some(NETWORK));
    }
    let tail = home.run("alice", &["tail", "lobby", "-n", "2"]);
    assert_eq!(tail.out.lines().count(), 2, "{tail:?}");
    assert!(tail.out.contains("kept 1") && tail.out.contains("kept 2"), "{tail:?}");
}

#[test]
fn a_log_in_a_file_has_no_colours() {
    let home = Openchat::new();
    let log = home.folder().join("log");
    let server = ServerProcess::start_with_log(&home, "info", &log);
    server.kill();
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("listening") && !log.contains('\u{1b}'), "{log:?}");
}

#[test]
fn an_address_that_nobody_can_reach_is_refused() {
    let home = Openchat::new();
    let serve =
        |address: &str| home.run("default", &["serve", "--listen", "127.0.0.1:0", "--address", address]);
    for (address, why) in [
        ("a b", "HOST:PORT"),
        ("a b:7443", "a name such as"),
        ("chat.example.org", "port is missing"),
        ("chat.example.org:0", "1 to 65535"),
        (":7443", "host is missing"),
        ("2001:db8::7:7443", "brackets"),
        ("[chat.example.org]:7443", "brackets"),
    ] {
        serve(address).fails(USAGE, &[why, "--address"]);
    }
}

#[test]
fn a_link_leads_to_where_the_host_says() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    let address = server.address;
    let local = home.run("alice", &["invite"]);
    assert!(local.err.contains("this machine only") && local.err.contains("--address"), "{local:?}");
    server.kill();
    let _server = ServerProcess::start_at(&home, address, &["--address", "[2001:db8::7]:7443"]);
    let invite = home.run("alice", &["invite"]);
    assert!(invite.out.starts_with("openchat://[2001:db8::7]:7443/#"), "{invite:?}");
    assert!(!invite.err.contains("this machine only"), "{invite:?}");
}

#[test]
fn a_link_leads_into_no_room_that_is_not_there() {
    let (home, _server) = lobby(&["alice"]);
    home.run_with_input("alice", &["chat"], "create private ops\n").ok();
    home.run("alice", &["invite", "loby"]).fails(NOT_FOUND, &["did you mean #lobby?", "openchat rooms"]);
    home.run("alice", &["invite", "zebra"]).fails(NOT_FOUND, &["#zebra", "openchat rooms"]);
    home.run("alice", &["invite", "ops"]).fails(USAGE, &["private", "/add NAME"]);
    home.run("alice", &["invite", "lobby"]).ok();
    home.run_with_input("alice", &["chat"], "join loby\n")
        .fails(NOT_FOUND, &["did you mean #lobby?", "/list"]);
}

#[test]
fn a_wrong_password_says_whose_and_what_is_lost() {
    let (home, _server) = lobby(&["alice"]);
    home.file("password", "not it");
    for command in [&["chat"][..], &["rooms"], &["whoami"]] {
        let words = ["profile `alice`", "nobody can reset it", "openchat --profile OTHER join LINK"];
        home.run("alice", command).fails(WRONG_PASSWORD, &words);
    }
}

#[test]
fn what_is_too_long_is_told_in_bytes() {
    let (home, _server) = lobby(&["alice"]);
    let outcome = home.run_with_input("alice", &["send", "lobby", "-"], &"x".repeat(60_000));
    outcome.fails(USAGE, &["60000 bytes", "49152"]);
}

#[test]
fn every_help_has_an_example() {
    let home = Openchat::new();
    let commands = |above: &[&str]| -> Vec<String> {
        let help = home.run("default", &[above, &["--help"]].concat()).ok();
        assert!(help.contains("Example"), "{above:?} has none: {help}");
        let (_, after) = help.split_once("\nCommands:\n").unwrap_or_default();
        // What is said of a command may go on in further lines, which begin further to the right.
        let names = after.lines().take_while(|line| !line.is_empty());
        let names = names
            .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
            .filter(|name| !["", "help"].contains(name));
        names.map(str::to_owned).collect()
    };
    let all = commands(&[]);
    assert!(all.len() >= 14, "{all:?}");
    for command in &all {
        for below in commands(&[command]) {
            for deepest in commands(&[command, &below]) {
                assert!(commands(&[command, &below, &deepest]).is_empty());
            }
        }
    }
}

#[test]
fn without_a_command_it_says_how_to_begin() {
    let home = Openchat::new();
    let none: [&str; 0] = [];
    let out = home.run("default", &none).ok();
    assert!(out.contains("openchat up") && out.contains("openchat join"), "{out}");
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    assert!(home.run("default", &none).ok().contains("openchat --profile alice chat"));
}

#[test]
fn nobody_listening_is_no_panic() {
    let home = Openchat::new();
    for arguments in [&["whoami"][..], &["join", "nonsense"], &["serve", "--address", "x"]] {
        let mut child = home.command("nobody", arguments).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(USAGE | NOT_FOUND)), "{arguments:?}: {code:?}");
    }
}
