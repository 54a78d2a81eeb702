//! A search for what must not be there: words in the server's files, log and memory, or in a vault; names and addresses
//! in a log of the usual level.

use std::fs;
use std::path::{Path, PathBuf};

use openchat_tests::binary::PASSWORD;
use openchat_tests::{Openchat, ServerProcess};

const SAID: &str = "the-canary-sings-at-midnight";
const PRIVATE_ROOM: &str = "canary-plans";

/// All files below `folder`; not sockets, which hold nothing.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    below.filter(|path| path.is_file()).collect()
}

fn holds(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|part| part == words.as_bytes())
}

/// The readable and private memory of a process.
fn memory(id: u32) -> Vec<u8> {
    use std::io::{Read, Seek, SeekFrom};
    let mut memory = fs::File::open(format!("/proc/{id}/mem")).unwrap();
    let mut all = Vec::new();
    for line in fs::read_to_string(format!("/proc/{id}/maps")).unwrap().lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        if rest.starts_with("rw") && memory.seek(SeekFrom::Start(start)).is_ok() {
            // Some special ranges cannot be read; the heap and the stacks can.
            let _ = Read::by_ref(&mut memory).take(end - start).read_to_end(&mut all);
        }
    }
    all
}

/// Alice and Bob talk in a public and in a private room.
fn talk(home: &Openchat, server: &ServerProcess) {
    home.join("alice", &server.first_invite());
    home.join("bob", home.run("alice", &["invite"]).ok().trim());
    home.run_with_input("alice", &["chat"], &format!("1 lobby\n{SAID}\n")).ok();
    home.run("bob", &["send", "lobby", SAID]).ok();
    let private = format!("create private {PRIVATE_ROOM}\n/add bob\n{SAID}\n");
    home.run_with_input("alice", &["chat"], &private).ok();
    let out = home.run("bob", &["tail", PRIVATE_ROOM]).ok();
    assert!(out.contains(SAID), "{out}");
}

#[test]
fn nothing_that_was_said_is_anywhere_in_clear() {
    let home = Openchat::new();
    let log = home.folder().join("server.log");
    let server = ServerProcess::start_with_log(&home, "trace", &log);
    talk(&home, &server);
    let memory = memory(server.id());
    assert!(memory.len() > 1 << 20, "the memory was read");
    for words in [SAID, PRIVATE_ROOM] {
        assert!(!holds(&memory, words), "`{words}` is in the server's memory");
    }
    server.kill();
    let all = files(home.folder());
    assert!(
        all.iter().any(|file| file.ends_with("server.db"))
            && all.iter().any(|file| file.ends_with("vault.db"))
    );
    for file in all.iter().filter(|file| !file.ends_with("password")) {
        let bytes = fs::read(file).unwrap();
        for words in [SAID, PRIVATE_ROOM, PASSWORD] {
            assert!(!holds(&bytes, words), "`{words}` is in {}", file.display());
        }
    }
}

#[test]
fn the_usual_log_names_nobody() {
    let home = Openchat::new();
    let log = home.folder().join("server.log");
    let server = ServerProcess::start_with_log(&home, "info", &log);
    talk(&home, &server);
    let uid: serde_json::Value =
        serde_json::from_str(&home.run("alice", &["whoami", "--json"]).ok()).unwrap();
    drop(server);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("INFO"), "the server logs: {log}");
    for words in ["alice", "bob", "lobby", "127.0.0.1", uid["uid"].as_str().unwrap()] {
        assert!(!log.contains(words), "`{words}` is in the log: {log}");
    }
}
