//! Which crate of the workspace may know which: an allow-list, so that a misspelt name is refused too.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// A crate and the crates of this workspace that it may depend on, tests included.
const ALLOWED: &[(&str, &[&str])] = &[
    ("openssl-sys", &[]),
    ("openchat-protocol", &[]),
    ("openchat-identity", &["openchat-protocol"]),
    ("openchat-e2ee", &["openchat-protocol", "openchat-identity"]),
    ("openchat-store", &["openchat-protocol", "openchat-transparency"]),
    ("openchat-transparency", &["openchat-protocol"]),
    (
        "openchat-server",
        &["openchat-protocol", "openchat-identity", "openchat-transparency", "openchat-store"],
    ),
    (
        "openchat-client",
        &["openchat-protocol", "openchat-identity", "openchat-transparency", "openchat-e2ee"],
    ),
    ("openchat-tui", &["openchat-protocol", "openchat-client"]),
    (
        "openchat",
        &[
            "openchat-protocol",
            "openchat-identity",
            "openchat-store",
            "openchat-server",
            "openchat-client",
            "openchat-tui",
        ],
    ),
    (
        "openchat-tests",
        &[
            "openchat-protocol",
            "openchat-identity",
            "openchat-e2ee",
            "openchat-store",
            "openchat-server",
            "openchat-client",
            "openchat-transparency",
            "openchat-tui",
        ],
    ),
    (
        "openchat-bench",
        &[
            "openchat-protocol",
            "openchat-identity",
            "openchat-e2ee",
            "openchat-store",
            "openchat-server",
            "openchat-client",
            "openchat-tests",
        ],
    ),
    ("xtask", &[]),
];

/// Compares the workspace with the list.
pub fn check() -> Result<(), String> {
    eprintln!("==> layers");
    let actual = dependencies()?;
    let mut faults = Vec::new();
    for (name, known) in &actual {
        let Some((_, allowed)) = ALLOWED.iter().find(|(listed, _)| listed == name) else {
            faults.push(format!("{name} is not listed in xtask/src/layers.rs"));
            continue;
        };
        let extra = known.iter().filter(|dependency| !allowed.contains(&dependency.as_str()));
        faults.extend(extra.map(|dependency| format!("{name} must not depend on {dependency}")));
    }
    let gone = ALLOWED.iter().filter(|(listed, _)| !actual.contains_key(*listed));
    faults.extend(
        gone.map(|(listed, _)| format!("{listed} is listed in xtask/src/layers.rs but does not exist")),
    );
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// For each crate of the workspace: the crates of the workspace that it depends on in any way.
fn dependencies() -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .output()
        .map_err(|error| format!("cannot start cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = list(&metadata, "packages")?;
    let names: BTreeSet<String> =
        packages.iter().map(|package| text(package, "name")).collect::<Result<_, _>>()?;
    packages
        .iter()
        .map(|package| {
            let known = list(package, "dependencies")?
                .iter()
                .map(|dependency| text(dependency, "name"))
                .filter(|name| name.as_ref().map_or(true, |name| names.contains(name)))
                .collect::<Result<_, _>>()?;
            Ok((text(package, "name")?, known))
        })
        .collect()
}

fn list<'a>(value: &'a Value, field: &str) -> Result<&'a Vec<Value>, String> {
    value[field].as_array().ok_or_else(|| format!("cargo metadata without `{field}`"))
}

fn text(value: &Value, field: &str) -> Result<String, String> {
    value[field].as_str().map(str::to_owned).ok_or_else(|| format!("cargo metadata without `{field}`"))
}
