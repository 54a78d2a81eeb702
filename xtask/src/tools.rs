//! What the tests need besides Rust: OpenSSL's command and a Python with packages that we did not write.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// A command that the tests call, and the Debian package that brings it.
const COMMANDS: &[(&str, &[&str], &str)] =
    &[("openssl", &["version"], "openssl"), ("python3", &["-c", "import venv, ensurepip"], "python3-venv")];

/// Python packages: the key files' and Fernet's other side, and the independent MLS implementation.
const PYTHON_PACKAGES: &[&str] = &["cryptography==50.0.2", "rfc9420==1.3.0", "rfc9180==0.3.0"];

/// Installs what is missing and may be installed. Returns the Python to test with.
pub fn prepare() -> Result<PathBuf, String> {
    let missing: Vec<&str> = COMMANDS
        .iter()
        .filter(|(name, probe, _)| !works(name, probe))
        .map(|(_, _, package)| *package)
        .collect();
    if !missing.is_empty() {
        install("The tests need", &missing)?;
    }
    python()
}

/// The tests that this machine cannot run, and why. Containers often forbid namespaces.
pub fn impossible() -> Option<(&'static str, &'static str)> {
    let namespaces = works("unshare", &["--user", "--map-root-user", "--mount", "true"]);
    (!namespaces).then_some((
        "a_server_whose_disk_is_full_to_the_last_block_goes_on_when_there_is_room_again",
        "this machine allows no user namespaces (`unshare --user --map-root-user --mount`), so no small disk can be made",
    ))
}

/// Whether a command can be started at all, whatever it says.
pub fn starts(command: &str, arguments: &[&str]) -> bool {
    quietly(command, arguments).is_ok()
}

pub fn works(command: impl AsRef<OsStr>, arguments: &[&str]) -> bool {
    quietly(command, arguments).is_ok_and(|status| status.success())
}

fn quietly(command: impl AsRef<OsStr>, arguments: &[&str]) -> std::io::Result<ExitStatus> {
    let mut command = Command::new(command);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status()
}

/// Installs Debian packages as root, or says how: `needs` begins the sentence.
pub fn install(needs: &str, packages: &[&str]) -> Result<(), String> {
    let by_hand = format!(
        "{needs} Debian packages that are missing. Run:\n  sudo apt-get install {}",
        packages.join(" ")
    );
    let is_root =
        Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !is_root || !works("apt-get", &["--version"]) {
        return Err(by_hand);
    }
    eprintln!("==> installing {}", packages.join(" "));
    let apt = |arguments: &[&str]| {
        Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status()
            .is_ok_and(|s| s.success())
    };
    let install: Vec<&str> =
        ["install", "-y", "-q", "--no-install-recommends"].iter().chain(packages).copied().collect();
    if apt(&["update", "-q"]) && apt(&install) { Ok(()) } else { Err(by_hand) }
}

/// A virtual environment in the target folder that holds exactly [`PYTHON_PACKAGES`].
fn python() -> Result<PathBuf, String> {
    let folder = target_folder()?.join("test-python");
    let python = folder.join("bin/python");
    let stamp = folder.join("packages.txt");
    let wanted = PYTHON_PACKAGES.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    eprintln!("==> installing {} for Python", PYTHON_PACKAGES.join(" "));
    step(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    step(
        Command::new(&python)
            .args(["-m", "pip", "install", "-q", "--disable-pip-version-check"])
            .args(PYTHON_PACKAGES),
    )?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))?;
    Ok(python)
}

pub fn step(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("cannot start {command:?}: {error}")),
    }
}

/// Where cargo builds: two folders above this program (`TARGET/debug/xtask`).
pub fn target_folder() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    program
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .ok_or_else(|| "this program is not in a target folder".to_owned())
}
