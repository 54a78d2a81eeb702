//! A disk that is full, for the client and for the server: told apart from everything else, and nothing lost.
//!
//! No test may fill a real disk. In most stories no file may grow beyond a size (`RLIMIT_FSIZE`), which fails the same
//! writes; in one the server's folder is a small file system of its own, which does become full (`ENOSPC`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use openchat_tests::{Openchat, Outcome, ServerProcess};

const STORAGE: i32 = 9;

/// The same command, no file of which may grow beyond `kib`.
fn limited(command: &Command, kib: u64) -> Command {
    // A shell's blocks are of 512 bytes. Without the trap the signal would end the process: disks send none.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kib * 2);
    let mut limited = Command::new("sh");
    limited.args(["-c", &script]).arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

/// Runs a command to its end on a disk where no file can grow beyond `kib`.
fn run(home: &Openchat, profile: &str, arguments: &[&str], kib: u64) -> Outcome {
    let output = limited(&home.command(profile, arguments), kib).output().unwrap();
    Outcome {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Alice in #lobby.
fn lobby() -> (Openchat, ServerProcess) {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    (home, server)
}

/// Attack 22: a crash or a full disk after an answer.
#[test]
fn a_full_disk_of_the_client_is_told_and_nothing_said_is_lost() {
    let (home, _server) = lobby();
    home.run("alice", &["send", "lobby", "before"]).ok();
    let mut kept = Vec::new();
    // From too little to open the vault, over enough to take the words but not to seal them, to enough.
    for kib in [8, 56, 64, 72, 80, 96, 112, 128, 160, 192, 1024] {
        let text = format!("word {kib} {}", "x".repeat(1_000));
        let outcome = run(&home, "alice", &["send", "lobby", &text], kib);
        let sent = outcome.code == Some(0);
        if !sent {
            outcome.fails(STORAGE, &["vault.db", "free space"]);
        }
        kept.push((sent || outcome.err.contains("kept on this machine"), text));
    }
    home.run("alice", &["send", "lobby", "after"]).ok();
    let out = home.run("alice", &["tail", "lobby", "--count", "1000"]).ok();
    assert!(out.find("before") < out.find("after"), "{out}");
    for (kept, text) in kept {
        assert_eq!(out.matches(&text).count(), usize::from(kept), "{}", &text[..9]);
    }
}

#[test]
fn a_join_that_finds_no_room_on_the_disk_goes_on_later() {
    let (home, _server) = lobby();
    let link = home.run("alice", &["invite", "lobby"]).ok();
    let join = ["join", link.trim(), "--name", "bob", "--only"];
    run(&home, "bob", &join, 0).fails(STORAGE, &["private.pem", "free space"]);
    assert!(!home.profile("bob").join("private.pem").exists());
    // The account is made by now.
    run(&home, "bob", &join, 8).fails(STORAGE, &["free space", "the same command again"]);
    home.run("bob", &join).ok();
    home.run("bob", &["send", "lobby", "here I am"]).ok();
}

/// Attack 22: a crash or a full disk after an answer.
#[test]
fn a_full_disk_of_the_server_is_told_and_nothing_acknowledged_is_lost() {
    let (home, server) = lobby();
    let link = home.run("alice", &["invite"]).ok();
    home.join("bob", link.trim());
    let address = server.kill();
    let listen = address.to_string();
    // The database is larger than this already, its log of changes begins anew.
    let full = limited(&home.command("default", &["serve", "--json", "--listen", &listen]), 300);
    let server = ServerProcess::spawn(full, address);
    let send = |text: &str| home.run("alice", &["send", "lobby", text]);
    let mut said = Vec::new();
    let failed = loop {
        let text = format!("word {} {}", said.len(), "x".repeat(30_000));
        said.push(text.clone());
        let outcome = send(&text);
        if outcome.code != Some(0) {
            break outcome;
        }
        assert!(said.len() < 100, "the disk is never full");
    };
    failed.fails(
        STORAGE,
        &["the server cannot write to its disk", "kept on this machine", "the host must make room"],
    );
    home.run("alice", &["invite"]).fails(STORAGE, &["the server cannot write to its disk"]);
    let joined = ["the server cannot write to its disk", "#lobby is then joined by itself"];
    home.run("bob", &["send", "lobby", "may I?"]).fails(STORAGE, &joined);
    let made = ["the server cannot write to its disk", "#attic is then made by itself"];
    home.run_with_input("alice", &["chat"], "create attic\n").fails(STORAGE, &made);
    home.run_with_input("alice", &["chat", "lobby"], "one more\n")
        .fails(STORAGE, &["the server cannot write to its disk", "it waits on this machine"]);
    server.kill();

    let _server = ServerProcess::start_at(&home, address, &[]);
    home.run("alice", &["send", "lobby", "at last"]).ok();
    let out = home.run("alice", &["tail", "lobby", "--json"]).ok();
    for text in said {
        assert_eq!(out.matches(&text).count(), 1, "{}", &text[..9]);
    }
    assert!(out.find("one more") < out.find("at last"));
    home.run("bob", &["rooms"]).ok();
    home.run("bob", &["send", "lobby", "may I now?"]).ok();
    home.run("alice", &["send", "attic", "it is here"]).ok();
}

/// The server on a disk of its own of `kib`, with a file on it that can be removed to make room. Nobody but the server
/// sees that disk, except through `/proc`.
struct SmallDisk {
    server: ServerProcess,
    root: PathBuf,
}

impl SmallDisk {
    fn new(home: &Openchat, address: SocketAddr, kib: u64, filler_kib: u64) -> Self {
        let folder = home.folder().join("server");
        let script = format!(
            "cp -r \"$0\" \"$0.copy\" && mount -t tmpfs -o size={kib}k tmpfs \"$0\" && cp -r \"$0.copy/.\" \"$0\" && \
             rm -r \"$0.copy\" && head -c {}  /dev/zero > \"$0/filler\" && exec \"$@\"",
            filler_kib * 1024
        );
        let listen = address.to_string();
        let serve = home.command("default", &["serve", "--json", "--listen", &listen]);
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).arg(&folder);
        command.arg(serve.get_program()).args(serve.get_args()).env("RUST_LOG", "off");
        let server = ServerProcess::spawn(command, address);
        let below = folder.strip_prefix("/").unwrap();
        let root = Path::new("/proc").join(server.id().to_string()).join("root").join(below);
        Self { server, root }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.root.join("filler")).unwrap();
    }

    /// Ends the server, and puts what is on its disk at this moment where a server without this disk looks for it.
    fn kill(self, home: &Openchat) -> SocketAddr {
        let stopped = Command::new("kill").args(["-STOP", &self.server.id().to_string()]).status().unwrap();
        assert!(stopped.success());
        for entry in std::fs::read_dir(&self.root).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), home.folder().join("server").join(entry.file_name())).unwrap();
            }
        }
        self.server.kill()
    }
}

#[test]
fn a_server_whose_disk_is_full_to_the_last_block_goes_on_when_there_is_room_again() {
    let (home, server) = lobby();
    let address = server.kill();
    let disk = SmallDisk::new(&home, address, 4_096, 2_048);
    let mut said = Vec::new();
    let mut say = |said: &mut Vec<String>| {
        let text = format!("word {} {}", said.len(), "x".repeat(30_000));
        said.push(text.clone());
        home.run("alice", &["send", "lobby", &text])
    };
    let fill = |said: &mut Vec<String>, say: &mut dyn FnMut(&mut Vec<String>) -> Outcome| loop {
        let outcome = say(said);
        if outcome.code != Some(0) {
            break outcome;
        }
        assert!(said.len() < 200, "the disk is never full");
    };
    let full = ["the server cannot write to its disk", "kept on this machine", "the host must make room"];
    fill(&mut said, &mut say).fails(STORAGE, &full);
    // The same server, without a restart.
    disk.make_room();
    home.run("alice", &["send", "lobby", "room again"]).ok();
    fill(&mut said, &mut say).fails(STORAGE, &full);

    // A crash at this moment loses nothing that was acknowledged either.
    disk.kill(&home);
    let _server = ServerProcess::start_at(&home, address, &[]);
    home.run("alice", &["send", "lobby", "at last"]).ok();
    let out = home.run("alice", &["tail", "lobby", "--count", "1000", "--json"]).ok();
    for text in said {
        assert_eq!(out.matches(&text).count(), 1, "{}", &text[..9]);
    }
    assert!(out.find("room again") < out.find("at last"));
}
