//! The formal models in `docs/models`: each says what Verifpal is to find, and is checked against it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools;

/// The tool, which is no part of the program: GPL, built into the target folder when it is asked for first.
const VERIFPAL: &str = "1.6.7";

/// What a model says of itself in its first lines.
struct Model {
    path: PathBuf,
    /// A letter for each query, and 1 if an attack on it is to be found.
    expected: String,
    /// Runs of each principal side by side; the tool's own number when absent.
    sessions: Option<String>,
}

/// Checks all models.
pub fn check() -> Result<(), String> {
    let verifpal = installed()?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask has no parent folder")?;
    let folder = folder.join("docs/models");
    let failed = |error| format!("cannot read {}: {error}", folder.display());
    let entries = std::fs::read_dir(&folder).map_err(failed)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(failed)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "vp"));
    paths.sort();
    if paths.is_empty() {
        return Err(format!("there is no model in {}", folder.display()));
    }
    let wrong: Vec<String> = paths
        .into_iter()
        .map(|path| read(path).and_then(|model| verify(&verifpal, &model)))
        .filter_map(Result::err)
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn read(path: PathBuf) -> Result<Model, String> {
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let said = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix("// ")?.strip_prefix(key));
        value.and_then(|value| value.split_whitespace().next()).map(str::to_owned)
    };
    let expected =
        said("Expected:").ok_or_else(|| format!("{} does not say what is expected", path.display()))?;
    let sessions = said("Sessions:");
    Ok(Model { path, expected, sessions })
}

fn verify(verifpal: &Path, model: &Model) -> Result<(), String> {
    let mut command = Command::new(verifpal);
    command.arg("verify").arg(&model.path).args(["--result-code", "--quiet"]);
    if let Some(sessions) = &model.sessions {
        command.args(["--sessions", sessions]);
    }
    let output = command.output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let found = said.lines().last().unwrap_or_default().trim();
    let name = model.path.file_name().unwrap_or_default().to_string_lossy();
    eprintln!("    {name}: {found}");
    match found == model.expected {
        true => Ok(()),
        false => Err(format!(
            "{name}: {} was expected, and this came: {found} {}",
            model.expected,
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// The tool of the wanted version. It asks for a newer Rust than it needs.
fn installed() -> Result<PathBuf, String> {
    let root = tools::target_folder()?.join("verifpal");
    let program = root.join("bin/verifpal");
    let version = Command::new(&program).arg("--version").output();
    if version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(VERIFPAL)) {
        return Ok(program);
    }
    eprintln!("==> installing verifpal {VERIFPAL}");
    tools::step(
        Command::new(env!("CARGO"))
            .args([
                "install",
                "verifpal",
                "--version",
                VERIFPAL,
                "--locked",
                "--ignore-rust-version",
                "--force",
            ])
            .arg("--root")
            .arg(&root),
    )?;
    Ok(program)
}
