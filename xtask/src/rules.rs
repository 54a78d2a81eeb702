//! Every test that `docs/rules.md` names exists, so that no rule rests on a test that is gone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Compares the last column of the table with the functions in the sources.
pub fn check() -> Result<(), String> {
    eprintln!("==> rules");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask has no parent folder")?;
    let table = read(&root.join("docs/rules.md"))?;
    let mut functions = BTreeSet::new();
    for folder in ["crates", "tests"] {
        collect(&root.join(folder), &mut functions)?;
    }
    let missing: Vec<&str> = named_tests(&table).filter(|name| !functions.contains(*name)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("docs/rules.md names tests that do not exist: {missing:?}"))
    }
}

/// What stands in backticks in the third column.
fn named_tests(table: &str) -> impl Iterator<Item = &str> {
    table
        .lines()
        .filter_map(|line| line.split('|').nth(3))
        .flat_map(|column| column.split('`').skip(1).step_by(2))
}

/// The names of all functions below `folder`.
fn collect(folder: &Path, functions: &mut BTreeSet<String>) -> Result<(), String> {
    let failed = |error| format!("cannot read {}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path: PathBuf = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(&path, functions)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = read(&path)?;
            let names = text.lines().filter_map(|line| line.split_once("fn ")).map(|(_, rest)| rest);
            functions.extend(names.filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
