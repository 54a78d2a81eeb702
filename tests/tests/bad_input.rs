//! Everything that goes wrong at home: one clear sentence, what helps, an exit code by kind, and nothing lost.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use openchat_tests::binary::{PASSWORD, program};
use openchat_tests::{Openchat, ServerProcess};

const USAGE: i32 = 2;
const NOT_FOUND: i32 = 3;
const REFUSED: i32 = 4;
const WRONG_PASSWORD: i32 = 5;
const DAMAGED: i32 = 6;
const NETWORK: i32 = 7;
const OTHER_SERVER: i32 = 8;
const STORAGE: i32 = 9;
const BUSY: i32 = 10;
const INVALID: i32 = 11;

/// A server with Alice on it.
fn alice() -> (Openchat, ServerProcess) {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    (home, server)
}

/// Attack 15: a stolen disk.
#[test]
fn a_wrong_password_opens_nothing_and_loses_nothing() {
    let (home, _server) = alice();
    home.file("password", "not it");
    home.run("alice", &["whoami"]).fails(WRONG_PASSWORD, &["password"]);
    home.file("password", PASSWORD);
    home.run("alice", &["whoami"]).ok();
}

/// Runs a command at a terminal, where `typed` is typed. Answers with its exit code and all that the terminal shows.
fn at_a_terminal(home: &Openchat, profile: &str, command: &str, typed: &str) -> (Option<i32>, String) {
    let line = format!(
        "'{}' --data '{}' --profile {profile} {command}",
        program().display(),
        home.folder().display()
    );
    let mut terminal = Command::new("script");
    let terminal = terminal.args(["-q", "-e", "-c", &line, "/dev/null"]).env_remove("OPENCHAT_PASSWORD_FILE");
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    terminal.stdin.as_mut().unwrap().write_all(typed.as_bytes()).unwrap();
    // The input stays open until the command has ended: its end would be an answer, too.
    let mut shown = String::new();
    terminal.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    (terminal.wait().unwrap().code(), shown)
}

#[test]
fn a_wrong_password_is_asked_for_three_times_and_then_it_is_told_what_is_lost() {
    let (home, _server) = alice();
    home.file("data", "signed");
    let data = home.folder().join("data").display().to_string();
    for (command, lost) in
        [("whoami", "stay closed"), (&*format!("key sign '{data}'"), "openchat key new --dir OTHER")]
    {
        let (code, shown) = at_a_terminal(&home, "alice", command, "no\nnever\nnot this\n");
        assert_eq!(code, Some(WRONG_PASSWORD), "{shown}");
        assert_eq!(shown.lines().filter(|line| line.starts_with("Password")).count(), 3, "{shown}");
        assert_eq!(shown.matches("nobody can reset it").count(), 1, "{shown}");
        assert!(shown.contains(lost), "{shown}");
    }
    let (code, shown) = at_a_terminal(&home, "alice", "whoami", &format!("no\n{PASSWORD}\n"));
    assert_eq!(code, Some(0), "{shown}");
}

#[test]
fn an_empty_or_missing_password_file_is_named() {
    let (home, _server) = alice();
    home.file("password", "\n");
    home.run("alice", &["whoami"]).fails(USAGE, &["empty first line"]);
    fs::remove_file(home.folder().join("password")).unwrap();
    home.run("alice", &["whoami"]).fails(NOT_FOUND, &["password"]);
}

#[test]
fn a_damaged_key_file_is_told_from_a_wrong_password() {
    let (home, _server) = alice();
    let data = home.file("data", "signed");
    let private = home.profile("alice").join("private.pem");
    let good = fs::read_to_string(&private).unwrap();
    let middle = good.len() / 2;
    fs::write(&private, format!("{}{}", &good[..middle], &good[middle + 9..])).unwrap();
    home.run("alice", &["key", "sign", data.to_str().unwrap()])
        .fails(DAMAGED, &["private.pem", "put back a copy"]);
    fs::write(&private, "no key at all").unwrap();
    home.run("alice", &["key", "sign", data.to_str().unwrap()]).fails(DAMAGED, &["private.pem"]);
    fs::write(&private, good).unwrap();
    home.run("alice", &["key", "sign", data.to_str().unwrap()]).ok();
}

#[test]
fn a_key_file_that_others_can_read_is_refused_with_the_cure() {
    let (home, _server) = alice();
    let data = home.file("data", "signed");
    let private = home.profile("alice").join("private.pem");
    fs::set_permissions(&private, fs::Permissions::from_mode(0o644)).unwrap();
    home.run("alice", &["key", "sign", data.to_str().unwrap()]).fails(DAMAGED, &["chmod 600", "private.pem"]);
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
    home.run("alice", &["key", "sign", data.to_str().unwrap()]).ok();
}

#[test]
fn a_damaged_vault_is_told_from_a_wrong_password() {
    let (home, _server) = alice();
    let vault = home.profile("alice").join("vault.db");
    let mut bytes = fs::read(&vault).unwrap();
    for byte in &mut bytes[..4096] {
        *byte ^= 0x5a;
    }
    fs::write(&vault, bytes).unwrap();
    home.run("alice", &["whoami"]).fails(DAMAGED, &["vault.db"]);
}

#[test]
fn a_profile_that_is_not_there_says_how_to_make_one() {
    let home = Openchat::new();
    home.run("nobody", &["whoami"]).fails(NOT_FOUND, &["nobody", "openchat up", "openchat join"]);
    home.run("../evil", &["whoami"]).fails(USAGE, &["no profile name"]);
}

#[test]
fn a_profile_in_use_is_not_shared() {
    let (home, _server) = alice();
    let mut chat =
        home.command("alice", &["chat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut menu = String::new();
    BufReader::new(chat.stdout.take().unwrap()).read_line(&mut menu).unwrap();
    home.run("alice", &["whoami"]).fails(BUSY, &["use"]);
    chat.kill().unwrap();
    chat.wait().unwrap();
    home.run("alice", &["whoami"]).ok();
}

#[test]
fn a_port_in_use_is_named() {
    let home = Openchat::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, port) =
        (taken.local_addr().unwrap().to_string(), taken.local_addr().unwrap().port().to_string());
    home.run("default", &["serve", "--listen", &address]).fails(BUSY, &["port", &port, "listen"]);
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let home = Openchat::new();
    let _server = ServerProcess::start(&home);
    home.run("default", &["serve", "--listen", "127.0.0.1:0"]).fails(BUSY, &["server"]);
}

#[test]
fn a_server_that_is_not_there_is_a_network_error() {
    let (home, server) = alice();
    server.kill();
    home.run("alice", &["rooms"]).fails(NETWORK, &["127.0.0.1"]);
    home.run("alice", &["whoami"]).ok();
}

/// Attack 1: somebody in the network takes the server's place.
#[test]
fn a_server_with_another_fingerprint_gets_nothing() {
    let (home, server) = alice();
    let address = server.kill();
    let other = Openchat::new();
    let _impostor = ServerProcess::start_at(&other, address, &[]);
    home.run("alice", &["rooms"]).fails(OTHER_SERVER, &["fingerprint"]);
}

/// Attack 1: somebody in the network takes the server's place.
#[test]
fn an_invite_link_of_another_server_is_refused() {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    let other = Openchat::new();
    let impostor = ServerProcess::start(&other);
    let link = server.first_invite().replace(&server.address.to_string(), &impostor.address.to_string());
    home.run("alice", &["join", &link, "--name", "alice", "--only"]).fails(OTHER_SERVER, &["fingerprint"]);
}

#[test]
fn an_invite_is_good_once_and_a_broken_one_is_explained() {
    let (home, server) = alice();
    let link = home.run("alice", &["invite"]).ok();
    home.join("bob", link.trim());
    home.run("carol", &["join", link.trim(), "--name", "carol", "--only"])
        .fails(REFUSED, &["used", "openchat invite"]);
    home.run("carol", &["join", "http://example.org", "--name", "carol"]).fails(USAGE, &["openchat://"]);
    let without_secret = link.split('#').next().unwrap();
    home.run("carol", &["join", without_secret, "--name", "carol"]).fails(USAGE, &["#"]);
    let guessed = format!("openchat://{}/#{}.-.{}", server.address, server.fingerprint, "A".repeat(22));
    home.run("carol", &["join", &guessed, "--name", "carol", "--only"]).fails(NOT_FOUND, &["invite"]);
}

/// Attack 20: a name that looks like another.
#[test]
fn names_are_unique_to_the_eye() {
    let (home, _server) = alice();
    let link = home.run("alice", &["invite", "--uses", "9"]).ok();
    let join = |name: &str| home.run(name, &["join", link.trim(), "--name", name, "--only"]);
    join("alice").fails(USAGE, &["has a profile", "openchat chat"]);
    home.run("other", &["join", link.trim(), "--name", "alice", "--only"])
        .fails(REFUSED, &["taken", "--name OTHER"]);
    home.run("other", &["join", link.trim(), "--name", "a1ice", "--only"]).fails(REFUSED, &["look"]);
    home.run("other", &["join", link.trim(), "--name", "Al", "--only"]).fails(USAGE, &["name"]);
    // After all these failures the right name still works.
    home.run("other", &["join", link.trim(), "--name", "zoe", "--only"]).ok();
}

#[test]
fn a_closed_server_says_so() {
    let home = Openchat::new();
    fs::create_dir_all(home.folder().join("server")).unwrap();
    fs::write(home.folder().join("server/server.toml"), "registration = \"closed\"\n").unwrap();
    let server = ServerProcess::start(&home);
    let link = format!("openchat://{}/#{}.-.{}", server.address, server.fingerprint, "A".repeat(22));
    home.run("alice", &["join", &link, "--name", "alice", "--only"])
        .fails(REFUSED, &["takes no new accounts", "ask the host"]);
}

#[test]
fn a_mistyped_setting_is_found() {
    let home = Openchat::new();
    fs::create_dir_all(home.folder().join("server")).unwrap();
    fs::write(home.folder().join("server/server.toml"), "registraton = \"open\"\n").unwrap();
    home.run("default", &["serve"])
        .fails(USAGE, &["server.toml", "registraton", "did you mean `registration`"]);
}

#[test]
fn an_unknown_room_is_told() {
    let (home, _server) = alice();
    home.run("alice", &["send", "nowhere", "hello"]).fails(NOT_FOUND, &["openchat rooms"]);
    home.run("alice", &["send", "No Where", "hello"]).fails(USAGE, &["name"]);
}

#[test]
fn a_signature_that_does_not_hold_has_its_own_exit_code() {
    let (home, _server) = alice();
    let data = home.file("data", "signed");
    let data = data.to_str().unwrap();
    home.run("alice", &["key", "sign", data]).ok();
    let (signature, public) =
        (format!("{data}.sig"), home.file("alice.pem", &home.run("alice", &["key", "public"]).ok()));
    let verify = ["key", "verify", data, &signature, public.to_str().unwrap()];
    home.run("alice", &verify).ok();
    fs::write(data, "changed").unwrap();
    home.run("alice", &verify).fails(INVALID, &["signature"]);
}

#[test]
fn a_signature_overwrites_nothing() {
    let (home, _server) = alice();
    let data = home.file("data", "signed");
    let data = data.to_str().unwrap();
    home.run("alice", &["key", "sign", data, "--out", data]).fails(USAGE, &["not overwritten"]);
    assert_eq!(fs::read_to_string(data).unwrap(), "signed");
}

#[test]
fn a_script_that_cannot_enter_its_room_says_nothing_elsewhere() {
    let (home, _server) = alice();
    home.run_with_input("alice", &["chat", "nowhere"], "1 oops\nhello\n")
        .fails(NOT_FOUND, &["openchat rooms"]);
    assert_eq!(home.run("alice", &["rooms"]).ok(), "");
    home.run_with_input("alice", &["chat"], "1 lobby\n/add stranger\nstill said\n").fails(NOT_FOUND, &[]);
    assert!(home.run("alice", &["tail", "lobby"]).ok().contains("still said"));
}

#[test]
fn a_line_that_is_no_text_is_not_the_end() {
    let (home, _server) = alice();
    let mut chat =
        home.command("alice", &["chat"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    chat.stdin.take().unwrap().write_all(b"1 lobby\nbad \xff\xfe\nafter\n").unwrap();
    assert!(chat.wait().unwrap().success());
    let out = home.run("alice", &["tail", "lobby"]).ok();
    assert!(out.contains("bad \u{fffd}") && out.contains("after"), "{out}");
}

#[test]
fn a_closed_pipe_is_no_panic_and_a_full_disk_has_its_exit_code() {
    let (home, _server) = alice();
    let mut whoami =
        home.command("alice", &["whoami"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(whoami.stdout.take());
    let output = whoami.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = home.command("alice", &["whoami"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(STORAGE), "{output:?}");
}
