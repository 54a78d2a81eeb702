//! The binary under test, as a person or a script calls it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::lines::Lines;

/// A password that every profile of the stories has, unless a story is about passwords.
pub const PASSWORD: &str = "a long password of the stories";

/// One data folder, and the binary to use it with.
#[derive(Debug)]
pub struct Openchat {
    folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit code; absent when it was killed.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Outcome {
    /// The standard output of a command that had to succeed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Asserts the exit code and that every one of `words` is in what the person is told.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in: {}", self.err);
        }
    }
}

impl Default for Openchat {
    fn default() -> Self {
        Self::new()
    }
}

impl Openchat {
    /// A fresh data folder with a password file in it.
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::write(folder.path().join("password"), PASSWORD).expect("a password file");
        Self { folder }
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the files of a profile are.
    pub fn profile(&self, name: &str) -> PathBuf {
        self.folder().join("profiles").join(name)
    }

    /// A file with one line, for `--password-file`.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, content).expect("a file in the temporary folder");
        path
    }

    /// The command line, with the profile's name and the password file; standard input is empty.
    pub fn command<S: AsRef<OsStr>>(&self, profile: &str, arguments: &[S]) -> Command {
        let mut command = Command::new(program());
        command
            .arg("--data")
            .arg(self.folder())
            .args(["--profile", profile, "--password-file"])
            .arg(self.folder().join("password"))
            .args(arguments)
            .env_remove("OPENCHAT_PROFILE")
            .env_remove("OPENCHAT_PASSWORD_FILE")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, profile: &str, arguments: &[S]) -> Outcome {
        outcome(self.command(profile, arguments), "")
    }

    /// Runs a command with `input` on its standard input.
    pub fn run_with_input<S: AsRef<OsStr>>(&self, profile: &str, arguments: &[S], input: &str) -> Outcome {
        outcome(self.command(profile, arguments), input)
    }

    /// Makes an account with `link` under the profile of the same name.
    #[track_caller]
    pub fn join(&self, name: &str, link: &str) {
        self.run(name, &["join", link, "--name", name, "--only"]).ok();
    }
}

fn outcome(mut command: Command, input: &str) -> Outcome {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let out = Lines::of(child.stdout.take().expect("standard output is piped"));
    let err = Lines::of(child.stderr.take().expect("standard error is piped"));
    let mut stdin = child.stdin.take().expect("standard input is piped");
    // A command that fails early closes its input: its own message says why.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let (out, err) = (out.rest(), err.rest());
    let ended = out.is_ok() && err.is_ok();
    if !ended {
        let _ = child.kill();
    }
    let status = child.wait().expect("the binary ends");
    assert!(ended, "it neither ends nor says anything: {command:?} {out:?} {err:?}");
    Outcome { code: status.code(), out: out.unwrap_or_default(), err: err.unwrap_or_default() }
}

/// `TARGET/debug/openchat`: a test lies in a folder of that folder, a measurement in that of its own build.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let near = test.ancestors().skip(1).take(2).map(|folder| folder.join("openchat"));
    let program = near.into_iter().find(|program| program.exists());
    program.unwrap_or_else(|| panic!("no binary near {}: run `cargo xtask test`", test.display()))
}
