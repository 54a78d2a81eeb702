//! The comparison of servers: builds what is measured, brings the peers, and runs the generator on its core.

use std::process::Command;

use crate::{cargo, run, tools};

/// A server that is compared, and the Debian packages that bring it.
const PEERS: &[(&str, &[&str], &[&str])] = &[
    ("nats-server", &["--version"], &["nats-server"]),
    ("inspircd", &["--version"], &["inspircd"]),
    ("mosquitto", &["-h"], &["mosquitto"]),
    ("prosodyctl", &["about"], &["prosody", "lua-dbi-sqlite3"]),
    ("/usr/bin/python3", &["--version"], &["python3"]),
];
/// The document that is written, and the core that the generator runs on; the servers have the first.
const DOCUMENT: &str = "docs/performance.md";
const GENERATOR_CORE: &str = "1";

/// Measures, and writes [`DOCUMENT`].
pub fn compare(options: &[String]) -> Result<(), String> {
    let missing: Vec<&str> = PEERS
        .iter()
        .filter(|(command, probe, _)| !tools::starts(command, probe))
        .flat_map(|(.., packages)| packages.iter().copied())
        .collect();
    // A peer that is not to be had is reported as such; the others are measured.
    if !missing.is_empty()
        && let Err(why) = tools::install("The benchmark compares with", &missing)
    {
        eprintln!("{why}");
    }
    run("binaries", cargo(&["build", "--release", "--package", "openchat", "--package", "openchat-bench"]))?;
    let mut command = Command::new("taskset");
    command
        .args(["--cpu-list", GENERATOR_CORE])
        .arg(tools::target_folder()?.join("release/openchat-bench"))
        .args(["compare", DOCUMENT])
        .args(options);
    run("comparison", command)
}
