//! Developer commands: `cargo xtask test`, `cargo xtask ci`, `cargo xtask layers`.

mod bench;
mod layers;
mod models;
mod regress;
mod rules;
mod tools;

use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask COMMAND

  test [FILTER..]   install what the tests need when it is missing, then run every test
  layers            check which crate may depend on which
  pictures          draw the pictures of the README anew, from the real screen
  rules             the tests that docs/rules.md names exist
  bench [--quick]   measure servers side by side, and write docs/performance.md; --long: the ends of the plots, too
  regress [COMMIT]  count the instructions of core paths, at a commit (HEAD) and now; --short: two of five;
                    --here: three of the unoptimized build, against what was kept of earlier commits
  models            check the formal models of docs/models; installs the tool at first (minutes)
  ci                format, lints, layers, rules, documentation, every test, instructions of three paths
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("", arguments.as_slice()),
    };
    let outcome = match command {
        "test" => test(rest),
        "layers" => layers::check(),
        "pictures" => pictures(),
        "rules" => rules::check(),
        "bench" => bench::compare(rest),
        "regress" if rest == ["--here"] => regress::check_here(),
        "regress" => regress::check(rest),
        "models" => models::check(),
        "ci" => ci(),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn ci() -> Result<(), String> {
    run("format", cargo(&["fmt", "--all", "--check"]))?;
    run("lints", cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    layers::check()?;
    rules::check()?;
    let mut documentation = cargo(&["doc", "--workspace", "--no-deps"]);
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    run("documentation", documentation)?;
    test(&[])?;
    regress::check_here()
}

fn test(filters: &[String]) -> Result<(), String> {
    let python = tools::prepare()?;
    // The stories run the real binary, which `cargo test` alone would not build.
    run("binary", cargo(&["build", "--package", "openchat"]))?;
    let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
    tests.args(filters).env("OPENCHAT_TEST_PYTHON", python);
    let impossible = tools::impossible();
    if let Some((name, _)) = impossible {
        tests.args(["--", "--skip", name]);
    }
    run("tests", tests)?;
    if let Some((name, why)) = impossible {
        eprintln!("==> NOT RUN: {name}: {why}");
    }
    Ok(())
}

fn pictures() -> Result<(), String> {
    run("binary", cargo(&["build", "--package", "openchat"]))?;
    let draw = ["run", "--package", "openchat-tests", "--example", "pictures", "--", "docs/pictures"];
    run("pictures", cargo(&draw))
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments);
    command
}

/// Runs one step and says which one it was when it fails.
fn run(step: &str, mut command: Command) -> Result<(), String> {
    eprintln!("==> {step}");
    let status = command.status().map_err(|error| format!("{step}: cannot start {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{step} failed: {command:?}")) }
}
