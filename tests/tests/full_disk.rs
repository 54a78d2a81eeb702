//! A disk that is full, for the client and for the server: told apart from everything else, and nothing lost.
//!
//! No test may fill a real disk. Here no file may grow beyond a size (`RLIMIT_FSIZE`), which fails the same writes.

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
    home.run("bob", &["send", "lobby", "may I?"]).fails(STORAGE, &["the server cannot write to its disk"]);
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
    home.run("bob", &["send", "lobby", "may I now?"]).ok();
}
