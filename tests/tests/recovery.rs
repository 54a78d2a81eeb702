//! A machine is lost, and with a file and twelve words its owner is back: the same person, in the same rooms.

use std::path::{Path, PathBuf};

use openchat_tests::{Openchat, Outcome, ServerProcess, Terminal, people};
use serde_json::Value;

const USAGE: i32 = 2;
const NOT_FOUND: i32 = 3;
const WRONG_PASSWORD: i32 = 5;

/// Alice and Bob are in #lobby, which all may join, and in the private #den.
fn world() -> (Openchat, ServerProcess) {
    let (home, server) = people(&["alice", "bob"]);
    home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    home.run_with_input("bob", &["chat"], "join lobby\n").ok();
    home.run_with_input("alice", &["chat"], "create private den\n").ok();
    home.run_with_input("alice", &["chat", "den"], "/add bob\n").ok();
    home.run("bob", &["send", "den", "before the loss"]).ok();
    // Each has now heard the other's proof of the invite.
    for name in ["alice", "bob"] {
        home.run(name, &["tail", "lobby"]).ok();
    }
    (home, server)
}

/// Bob's kit, and the words for it in a file of their own.
fn kit(home: &Openchat) -> (PathBuf, PathBuf) {
    let kit = home.folder().join("bob.kit");
    let made = home.run("bob", &["recovery", "make", kit.to_str().unwrap()]);
    let words = made.ok();
    assert_eq!(words.split_whitespace().count(), 12, "{words}");
    (kit, home.file("words", &words))
}

fn restore(machine: &Openchat, kit: &Path, words: &Path, more: &[&str]) -> Outcome {
    let arguments = ["recovery", "restore", kit.to_str().unwrap(), "--words", words.to_str().unwrap()];
    machine.run("bob", &[&arguments, more].concat())
}

fn uid(machine: &Openchat) -> Value {
    let who = machine.run("bob", &["whoami", "--json"]).ok();
    serde_json::from_str::<Value>(&who).unwrap()["uid"].clone()
}

#[test]
fn who_has_kit_and_words_is_back_in_all_rooms_on_a_new_machine() {
    let (home, server) = world();
    let (kit, words) = kit(&home);
    home.run("alice", &["send", "den", "said meanwhile"]).ok();

    let machine = Openchat::new();
    let told = restore(&machine, &kit, &words, &[]).ok();
    for room in ["#lobby  you are in it again", "#den  you are in it again"] {
        assert!(told.contains(room), "{told}");
    }
    assert_eq!(uid(&machine), uid(&home), "the same person");
    for machine in [&home, &machine] {
        let known = machine.run_with_input("bob", &["chat"], "/trust\n").ok();
        assert!(known.contains("• alice") && known.contains("proven at both ends"), "{known}");
    }
    for room in ["lobby", "den"] {
        let quiet = home.run("alice", &["send", room, "who is there?"]);
        assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""), "nothing is wrong with Bob's keys");
        machine.run("bob", &["send", room, "bob, anew"]).ok();
        let heard = home.run("alice", &["tail", room]);
        assert!(heard.out.contains("bob  bob, anew") && heard.err.is_empty(), "{heard:?}");
        let heard = machine.run("bob", &["tail", room]).ok();
        assert!(heard.contains("who is there?"), "{heard}");
        assert!(!heard.contains("before the loss") && !heard.contains("said meanwhile"), "{heard}");
    }
    let old = home.run("bob", &["send", "den", "from the old machine, which was found"]);
    assert_eq!((old.code, old.err.as_str()), (Some(0), ""), "the list of devices is signed by its own key");
    assert!(machine.run("bob", &["tail", "den"]).ok().contains("which was found"));
    let place = format!("{}@{}", server.fingerprint, server.address);
    let figures = home.run("nobody", &["log", "audit", &place, "--json"]).ok();
    let figures: Value = serde_json::from_str(&figures).unwrap();
    assert_eq!((&figures["device_lists"], &figures["identities_issued"]), (&3.into(), &4.into()));
}

#[test]
fn a_kit_says_nothing_without_its_words() {
    let (home, _server) = world();
    let (kit, words) = kit(&home);
    let text = std::fs::read_to_string(&kit).unwrap();
    assert!(text.starts_with("OpenChat recovery kit of bob on 127.0.0.1:"), "{text}");
    let (clear, sealed) = text.split_once("-----BEGIN OPENCHAT RECOVERY KIT-----").expect("two parts");
    let sealed = sealed.split_once("-----END").expect("an end").0.replace('\n', "");
    let sealed = data_encoding::BASE64.decode(sealed.as_bytes()).expect("base64");
    for word in ["den", "lobby", "PRIVATE KEY"] {
        assert!(!clear.contains(word), "{clear}");
        assert!(!sealed.windows(word.len()).any(|bytes| bytes == word.as_bytes()), "{word} is in {text}");
    }
    let again = home.run("bob", &["recovery", "make", kit.to_str().unwrap()]);
    again.fails(USAGE, &["is not overwritten"]);

    let machine = Openchat::new();
    let right = std::fs::read_to_string(&words).unwrap();
    let others = home.file("other-words", &("zoo ".repeat(11) + "wrong"));
    restore(&machine, &kit, &others, &[]).fails(WRONG_PASSWORD, &["do not open this recovery kit"]);
    let short = home.file("short", right.rsplit_once(' ').unwrap().0);
    restore(&machine, &kit, &short, &[]).fails(USAGE, &["these are 11 words"]);
    let unknown = home.file("unknown", right.replacen(' ', " hunter2 ", 1).rsplit_once(' ').unwrap().0);
    restore(&machine, &kit, &unknown, &[]).fails(USAGE, &["word 2 is none of the words"]);
    restore(&machine, &words, &words, &[]).fails(USAGE, &["no recovery kit"]);
    assert!(!machine.profile("bob").join("private.pem").exists(), "nothing is left behind");
}

#[test]
fn a_restoration_that_broke_off_goes_on_and_a_moved_server_is_found() {
    let (home, server) = world();
    let (kit, words) = kit(&home);
    let address = server.kill();
    let machine = Openchat::new();
    restore(&machine, &kit, &words, &[]).fails(7, &["nothing listens there"]);
    let server = ServerProcess::start(&home);
    assert_ne!(server.address, address, "a free port is another one");
    let moved = server.address.to_string();
    restore(&machine, &kit, &words, &["--address", &moved]).ok();
    assert_eq!(uid(&machine), uid(&home));
    let again = restore(&machine, &kit, &words, &["--address", &moved]);
    again.fails(USAGE, &["bob has a profile"]);
}

#[test]
fn a_room_that_one_was_removed_from_stays_closed() {
    let (home, _server) = world();
    let (kit, words) = kit(&home);
    home.run_with_input("alice", &["chat", "den"], "/remove bob\n").ok();
    let machine = Openchat::new();
    let told = restore(&machine, &kit, &words, &[]).ok();
    assert!(
        told.contains("#lobby  you are in it again") && told.contains("#den  the way back is closed"),
        "{told}"
    );
    home.run_with_input("alice", &["chat", "den"], "/add bob\n").ok();
    machine.run("bob", &["send", "den", "added anew"]).ok();
    assert!(home.run("alice", &["tail", "den"]).ok().contains("bob  added anew"));
}

/// The server's database, while no server runs.
fn copy_database(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in ["server.db", "server.db-wal", "server.db-shm"] {
        let (from, to) = (from.join(file), to.join(file));
        match from.exists() {
            true => drop(std::fs::copy(from, to).unwrap()),
            false => drop(std::fs::remove_file(to)),
        }
    }
}

#[test]
fn a_server_that_shows_other_key_records_than_before_the_loss_is_convicted() {
    let (home, server) = world();
    let links = [(); 3].map(|()| home.run("alice", &["invite"]).ok());
    let (data, backup) = (home.folder().join("server"), home.folder().join("backup"));
    let address = server.kill();
    copy_database(&data, &backup);
    let server = ServerProcess::start_at(&home, address, &[]);
    home.join("carol", links[0].trim());
    // Which ends when the log of keys is followed to its end.
    home.run("bob", &["tail", "lobby"]).ok();
    let (kit, words) = kit(&home);
    server.kill();
    copy_database(&backup, &data);
    // Its host hides that it is older.
    drop(std::fs::remove_file(data.join("signed.head")));
    let _server = ServerProcess::start_at(&home, address, &[]);
    for (name, link) in ["dave", "erin"].iter().zip(&links[1..]) {
        home.join(name, link.trim());
    }
    let machine = Openchat::new();
    let told = restore(&machine, &kit, &words, &[]);
    assert!(told.err.contains("DIFFERENT KEY RECORDS"), "{told:?}");
    let evidence = std::fs::read_dir(machine.profile("bob")).unwrap().flatten();
    assert_eq!(evidence.filter(|file| file.file_name().to_string_lossy().ends_with(".evidence")).count(), 1);
}

#[test]
fn a_server_that_does_not_know_the_key_makes_no_account_of_it() {
    let (home, server) = world();
    let (kit, words) = kit(&home);
    let address = server.kill();
    let data = home.folder().join("server");
    for file in ["server.db", "server.db-wal", "server.db-shm", "signed.head"] {
        drop(std::fs::remove_file(data.join(file)));
    }
    let _server = ServerProcess::start_at(&home, address, &[]);
    let machine = Openchat::new();
    restore(&machine, &kit, &words, &[]).fails(NOT_FOUND, &["does not know the key in this kit", "bob"]);
    assert!(!machine.profile("bob").join("private.pem").exists(), "nothing is left behind");
}

#[test]
fn the_words_are_typed_and_asked_for_again() {
    let (home, _server) = world();
    let (kit, words) = kit(&home);
    let words = std::fs::read_to_string(words).unwrap();
    let machine = Openchat::new();
    let arguments = ["recovery", "restore", kit.to_str().unwrap()];
    let mut terminal = Terminal::open(&machine, "bob", &arguments);
    terminal.sees("The twelve words:");
    terminal.enter("not these");
    terminal.sees("these are 2 words");
    terminal.enter(&words.trim().to_uppercase());
    for question in ["New password:", "Once more:"] {
        terminal.sees(question);
        terminal.enter(openchat_tests::binary::PASSWORD);
    }
    assert!(terminal.end().success(), "{}", terminal.screen());
    assert_eq!(uid(&machine), uid(&home));
}
