//! The guard against slowdowns: instructions of five core paths, before and now, counted in one run on one machine.
//!
//! Counts differ between processors (libraries choose other code there): [`check`] builds and counts both sides. What
//! [`check_here`] keeps of a commit, in the target folder, is for the same machine and compiler alone. Callgrind counts all
//! threads of a program, and what comes before the path is taken off by the difference of two runs of different length.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

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
/// The paths that are counted with every change, *open* with the sealing in it: they have one thread and no clock, so
/// that two counts of the same program are the same but for some in a thousand.
const HERE: [Route; 3] = [
    Route { name: "seal", less: None, counts: (2, 102) },
    Route { name: "open", less: None, counts: (2, 102) },
    Route { name: "paging", less: None, counts: (1, 51) },
];
/// Commits among which counts are looked for.
const LOOKED_AT: &str = "200";
/// What a commit message says before the paths that are meant to take more.
const ACCEPTED: &str = "Takes more instructions:";
/// More than so many times as many instructions as before is a failure.
const TOLERATED: f64 = 1.05;

/// Compares the working tree with a commit, `HEAD` unless one is named.
pub fn check(options: &[String]) -> Result<(), String> {
    let short = options.iter().any(|option| option == "--short");
    let base = options.iter().find(|option| !option.starts_with("--")).map_or("HEAD", String::as_str);
    bring_valgrind()?;
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

fn bring_valgrind() -> Result<(), String> {
    match tools::works("valgrind", &["--version"]) {
        true => Ok(()),
        false => tools::install("Counting instructions needs", &["valgrind"]),
    }
}

/// What is known of one commit: instructions by path.
type Counts = BTreeMap<String, f64>;

/// Counts in the unoptimized build, which the tests have made but for its last step, and compares with what was kept of
/// the newest earlier commit that was counted on this machine. Keeps the counts of a commit that passes.
pub fn check_here() -> Result<(), String> {
    bring_valgrind()?;
    let target = tools::target_folder()?;
    run("program to count", cargo(&["build", "--package", "openchat-bench"]))?;
    let folder = target.join("regress").join(machine()?);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    eprintln!("==> instructions");
    let program = target.join("debug/openchat-bench");
    let counts = count_all(&program)?;
    let is_committed = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    let skipped = if is_committed { "--skip=1" } else { "--skip=0" };
    let commits = git(&["rev-list", "--max-count", LOOKED_AT, skipped, "HEAD"])?;
    let file = |commit: &str| folder.join(format!("{commit}.json"));
    match commits.lines().find_map(|commit| Some((commit, kept(&file(commit))?))) {
        Some((commit, before)) => compare_counts(commit, &before, &counts)?,
        None => eprintln!("no earlier commit was counted on this machine"),
    }
    if is_committed {
        let text = serde_json::to_string(&counts).map_err(|error| error.to_string())?;
        let file = file(git(&["rev-parse", "HEAD"])?.trim());
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// All of [`HERE`] at the same time.
fn count_all(program: &Path) -> Result<Counts, String> {
    thread::scope(|scope| {
        let counting = HERE
            .map(|route| scope.spawn(move || Ok((route.name.to_owned(), instructions(program, &route)?))));
        let failed = |_| Err("a count panicked".to_owned());
        counting.into_iter().map(|it| it.join().unwrap_or_else(failed)).collect()
    })
}

fn kept(file: &Path) -> Option<Counts> {
    serde_json::from_str(&fs::read_to_string(file).ok()?).ok()
}

fn compare_counts(commit: &str, before: &Counts, now: &Counts) -> Result<(), String> {
    let said = git(&["log", "--format=%B", &format!("{commit}..HEAD")])?;
    let slower = slower(before, now, &said);
    let short = commit.get(..9).unwrap_or(commit);
    for (path, count) in now {
        let was = before.get(path).map_or("not counted".to_owned(), |was| format!("{was:.0}"));
        eprintln!("{path}: {count:.0} (at {short}: {was})");
    }
    if slower.is_empty() {
        return Ok(());
    }
    Err(format!(
        "more instructions than at {short}: {0}. `cargo xtask regress {short}` counts the optimized program. If they are \
         worth it, say `{ACCEPTED} {0}` on a line of the commit message",
        slower.join(", ")
    ))
}

/// The paths that take more, and are not `said` to be meant to.
fn slower<'a>(before: &Counts, now: &'a Counts, said: &str) -> Vec<&'a str> {
    let accepted: Vec<&str> = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix(ACCEPTED))
        .flat_map(|paths| paths.split(','))
        .map(str::trim)
        .collect();
    let takes_more = |(path, count): &(&String, &f64)| {
        before.get(*path).is_some_and(|was| **count > was * TOLERATED) && !accepted.contains(&path.as_str())
    };
    now.iter().filter(takes_more).map(|(path, _)| path.as_str()).collect()
}

/// A name for this processor with this compiler.
fn machine() -> Result<String, String> {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let output = cargo(&["--version"]).output().map_err(|error| format!("cannot start cargo: {error}"))?;
    let name = format!("{processor} {}", String::from_utf8_lossy(&output.stdout));
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    Ok(words.collect::<Vec<_>>().join("-"))
}

fn git(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").args(arguments).output();
    let output = output.map_err(|error| format!("cannot start git: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_more_is_named_unless_the_commit_says_so() {
        let counts =
            |seal: f64, open: f64| Counts::from([("seal".to_owned(), seal), ("open".to_owned(), open)]);
        let before = counts(1_000.0, 1_000.0);
        assert_eq!(slower(&before, &counts(1_049.0, 500.0), ""), Vec::<&str>::new());
        assert_eq!(slower(&before, &counts(1_051.0, 2_000.0), ""), ["open", "seal"]);
        let said = "e2ee: checks more\n\nTakes more instructions: seal, paging\n";
        assert_eq!(slower(&before, &counts(1_051.0, 2_000.0), said), ["open"]);
        assert_eq!(slower(&Counts::new(), &before, ""), Vec::<&str>::new(), "a path that is new");
    }
}
