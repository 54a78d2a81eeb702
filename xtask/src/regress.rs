//! The guard against slowdowns: instructions of five core paths, before and now, counted in one run on one machine.
//!
//! Counts differ between processors (libraries choose other code there), so none is kept: both sides are built and counted
//! here. Callgrind counts all threads of a program, and what comes before the path is taken off by the difference of two
//! runs of different length.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{cargo, run, tools};

/// A path, and the one that is a part of it and is taken off.
struct Route {
    name: &'static str,
    less: Option<&'static str>,
    /// How often it is gone in the shorter and in the longer run.
    counts: (u64, u64),
}

const ROUTES: [Route; 5] = [
    Route { name: "append", less: None, counts: (40, 240) },
    Route { name: "fan-out", less: Some("append"), counts: (40, 240) },
    Route { name: "seal", less: None, counts: (40, 440) },
    Route { name: "open", less: Some("seal"), counts: (40, 440) },
    Route { name: "paging", less: None, counts: (20, 220) },
];
/// The paths of the short form: neither server nor disk.
const SHORT: [&str; 2] = ["seal", "open"];
/// More than so many times as many instructions as before is a failure.
const TOLERATED: f64 = 1.05;

/// Compares the working tree with a commit, `HEAD` unless one is named.
pub fn check(options: &[String]) -> Result<(), String> {
    let short = options.iter().any(|option| option == "--short");
    let base = options.iter().find(|option| !option.starts_with("--")).map_or("HEAD", String::as_str);
    if !tools::works("valgrind", &["--version"]) {
        tools::install("Counting instructions needs", &["valgrind"])?;
    }
    let folder = tools::target_folder()?.join("regress");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let now = build(Path::new("."), &folder.join("now"))?;
    let before = build_base(base, &folder)?;
    println!("| path | {base} | now | |\n|---|---|---|---|");
    let mut slower = Vec::new();
    for route in ROUTES.iter().filter(|route| !short || SHORT.contains(&route.name)) {
        let (was, is) = (instructions(&before, route)?, instructions(&now, route)?);
        let ratio = is / was;
        println!("| {} | {was:.0} | {is:.0} | {ratio:.3} |", route.name);
        if ratio > TOLERATED {
            slower.push(route.name);
        }
    }
    if slower.is_empty() {
        return Ok(());
    }
    Err(format!(
        "more instructions than before: {}. Profile it (`valgrind --tool=callgrind {} path NAME COUNT`), or say in the commit what \
         they buy",
        slower.join(", "),
        now.display()
    ))
}

/// Builds the program in `tree`, and keeps it as `program`.
fn build(tree: &Path, program: &Path) -> Result<PathBuf, String> {
    let target = tools::target_folder()?;
    let mut command = cargo(&["build", "--release", "--package", "openchat-bench"]);
    command.current_dir(tree).env("CARGO_TARGET_DIR", &target);
    run(&format!("build in {}", tree.display()), command)?;
    let built = target.join("release/openchat-bench");
    fs::copy(&built, program).map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(program.to_owned())
}

/// The same of a commit, in a work tree that is gone afterwards.
fn build_base(base: &str, folder: &Path) -> Result<PathBuf, String> {
    let tree = folder.join("base");
    let path = tree.display().to_string();
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(arguments);
        git
    };
    // What a broken run left behind.
    if tree.exists() {
        tools::step(&mut git(&["worktree", "remove", "--force", &path]))?;
    }
    tools::step(&mut git(&["worktree", "add", "--quiet", "--detach", &path, base]))?;
    let built = build(&tree, &folder.join("before"));
    tools::step(&mut git(&["worktree", "remove", "--force", &path]))?;
    built
}

/// Instructions of one time along the path.
fn instructions(program: &Path, route: &Route) -> Result<f64, String> {
    let Route { name, less, counts: (few, many) } = route;
    let once = |name: &str| {
        let (first, second) = (count(program, name, *few)?, count(program, name, *many)?);
        Ok::<_, String>((second as f64 - first as f64) / (many - few) as f64)
    };
    let whole = once(name)?;
    match less {
        Some(part) => Ok(whole - once(part)?),
        None => Ok(whole),
    }
}

fn count(program: &Path, path: &str, times: u64) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["path", path, &times.to_string()])
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let collected =
        collected.filter(|_| output.status.success()).and_then(|(_, count)| count.trim().parse().ok());
    collected.ok_or_else(|| format!("{} path {path} {times}: {}\n{said}", program.display(), output.status))
}
