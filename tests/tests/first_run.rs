//! What a newcomer runs first: the demo, and a server of one's own with a chat on it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use openchat_tests::{Openchat, free_address};

#[test]
fn the_demo_observes_all_that_it_claims() {
    let home = Openchat::new();
    let out = home.run("default", &["demo"]).ok();
    for claim in ["Carol has nothing of what was said before", "once, in order", "Bob is out", "sealed bytes"]
    {
        assert!(out.contains(claim), "`{claim}` is not in: {out}");
    }
    assert!(out.contains("All of it was observed"), "{out}");
}

#[test]
fn a_demo_that_nobody_watches_ends_quietly() {
    let home = Openchat::new();
    let mut demo =
        home.command("default", &["demo"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap());
    lines.read_line(&mut String::new()).unwrap();
    drop(lines);
    let output = demo.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn up_makes_everything_and_finds_it_again() {
    let home = Openchat::new();
    let free = free_address().to_string();
    let up = ["up", "--name", "alice", "--listen", &free];
    let out = home.run_with_input("default", &up, "hello\n").ok();
    for made in ["it made its keys", "You are alice", "private.pem", "#lobby", "alice  hello"] {
        assert!(out.contains(made), "`{made}` is not in: {out}");
    }
    let out = home.run_with_input("default", &up, "again\n").ok();
    for found in ["it uses its keys", "alice  hello", "alice  again"] {
        assert!(out.contains(found), "`{found}` is not in: {out}");
    }
    assert_eq!(out.matches("alice made the room").count(), 1, "{out}");
}
