//! Every test that `docs/rules.md` names exists, so that no rule rests on a test that is gone; and each attack has tests
//! that say which attack they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The attacks, numbered from 1.
const ATTACKS: u8 = 22;

/// Each function of the sources, and the attacks that the comments above it name.
type Functions = BTreeMap<String, BTreeSet<u8>>;

/// Compares the last column of the table with the functions in the sources.
pub fn check() -> Result<(), String> {
    eprintln!("==> rules");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask has no parent folder")?;
    let table = read(&root.join("docs/rules.md"))?;
    let mut functions = Functions::new();
    for folder in ["crates", "tests"] {
        collect(&root.join(folder), &mut functions)?;
    }
    let missing: Vec<&str> = named_tests(&table).filter(|name| !functions.contains_key(*name)).collect();
    if !missing.is_empty() {
        return Err(format!("docs/rules.md names tests that do not exist: {missing:?}"));
    }
    (1..=ATTACKS).try_for_each(|attack| check_attack(attack, &table, &functions))
}

/// The row of an attack names tests, each of which says that it is one of this attack.
fn check_attack(attack: u8, table: &str, functions: &Functions) -> Result<(), String> {
    let begins = format!("| {attack} ");
    let row = table.lines().find(|line| line.starts_with(&begins));
    let row = row.ok_or_else(|| format!("docs/rules.md has no row for attack {attack}"))?;
    let tests: Vec<&str> = named_tests(row).collect();
    if tests.is_empty() {
        return Err(format!("docs/rules.md names no test of attack {attack}"));
    }
    let says_so = |name: &&str| functions.get(*name).is_some_and(|attacks| attacks.contains(&attack));
    match tests.iter().find(|name| !says_so(name)) {
        Some(name) => Err(format!("{name} has no line `/// Attack {attack}: …` above it")),
        None => Ok(()),
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
fn collect(folder: &Path, functions: &mut Functions) -> Result<(), String> {
    let failed = |error| format!("cannot read {}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path: PathBuf = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(&path, functions)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            collect_from(&read(&path)?, functions);
        }
    }
    Ok(())
}

/// The functions of one file.
fn collect_from(text: &str, functions: &mut Functions) {
    let mut attacks = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            let number = comment.trim().strip_prefix("Attack ").and_then(|rest| rest.split_once(':'));
            attacks.extend(number.and_then(|(number, _)| number.parse::<u8>().ok()));
        } else if let Some((_, rest)) = line.split_once("fn ") {
            if let Some(name) = rest.split(['(', '<']).next() {
                functions.entry(name.to_owned()).or_default().append(&mut attacks);
            }
        } else if !line.starts_with("#[") {
            attacks.clear();
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
