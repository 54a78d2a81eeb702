//! A search for what must not be there: words in the server's files, log and memory, or in a vault; names and addresses
//! in a log of the usual level.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use openchat_client::Password;
use openchat_client::vault::Vault;
use openchat_identity::{DeviceKey, KeyFolder};
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

fn holds(bytes: &[u8], sought: impl AsRef<[u8]>) -> bool {
    let sought = sought.as_ref();
    bytes.windows(sought.len()).any(|part| part == sought)
}

/// Where the two private keys of a profile can be told by: the number that each of them is, as a file may have it.
fn private_keys(home: &Openchat, name: &str) -> Vec<(&'static str, Vec<u8>)> {
    let (folder, password) = (home.profile(name), Password::new(PASSWORD));
    let identity = KeyFolder::new(&folder).read(&password).unwrap().to_pkcs8();
    // RFC 5915: an octet string of 48 bytes holds it.
    let at = identity.windows(2).position(|part| part == [4, 48]).unwrap() + 2;
    let identity = &identity[at..at + 48];
    let credentials = Vault::open(&folder, &password).unwrap().credentials().unwrap();
    let device = DeviceKey::from_pkcs8(&credentials.device_key).unwrap().scalar();
    assert!(holds(&credentials.device_key, &device[..]), "the search finds a key where one is");
    let forms = |what, key: &[u8]| {
        [key.to_vec(), HEXLOWER.encode(key).into_bytes(), BASE64.encode(key).into_bytes()]
            .map(|form| (what, form))
    };
    [forms("identity key", identity), forms("device key", &device[..])].concat()
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

/// Attack 14: the server reads.
/// Attack 15: a stolen disk.
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

/// Attack 15: a stolen disk.
/// Whoever has the disk finds neither of a user's private keys, by their bytes, in any file; with the password both
/// are there.
#[test]
fn attack_15_no_private_key_lies_in_clear_on_a_stolen_disk() {
    let home = Openchat::new();
    let server = ServerProcess::start_with_log(&home, "trace", &home.folder().join("server.log"));
    talk(&home, &server);
    server.kill();
    for name in ["alice", "bob"] {
        let keys = private_keys(&home, name);
        assert_eq!(keys.len(), 6);
        for file in files(home.folder()) {
            let bytes = fs::read(&file).unwrap();
            for (what, key) in &keys {
                assert!(!holds(&bytes, key), "{name}'s {what} is in {}", file.display());
            }
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
