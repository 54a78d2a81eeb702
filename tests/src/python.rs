//! Other people's software as the other side of a test: a Python script that is asked and answers, a line each.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};

use crate::lines::Lines;

/// A running script of `tests/python`; killed when it goes out of scope.
#[derive(Debug)]
pub struct Script {
    child: Child,
    questions: ChildStdin,
    answers: Lines,
}

impl Script {
    /// Starts `tests/python/NAME`, which imports `packages`.
    pub fn start(name: &str, packages: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name);
        let mut child = Command::new(interpreter(packages))
            .arg("-B") // no __pycache__ in the source tree
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let questions = child.stdin.take().expect("standard input is piped");
        let answers = Lines::of(child.stdout.take().expect("standard output is piped"));
        Self { child, questions, answers }
    }

    /// What the script answers when it is to do `what` with these arguments, which may be an error.
    pub fn try_ask(&mut self, what: &str, with: Value) -> Result<Value, String> {
        let question = json!({ "do": what, "with": with });
        writeln!(self.questions, "{question}").expect("the script reads");
        let line = self.answers.next();
        let line = line.ok().flatten().unwrap_or_else(|| panic!("no answer to `{what}`"));
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("`{line}` is no answer"));
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer),
        }
    }

    /// What the script answers; an error fails the test.
    #[track_caller]
    pub fn ask(&mut self, what: &str, with: Value) -> Value {
        self.try_ask(what, with).unwrap_or_else(|error| panic!("the script cannot `{what}`: {error}"))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python that `cargo xtask test` made, or the system's if it happens to have `packages`.
fn interpreter(packages: &[&str]) -> PathBuf {
    if let Some(python) = std::env::var_os("OPENCHAT_TEST_PYTHON") {
        return python.into();
    }
    let imports = format!("import {}", packages.join(", "));
    let probe = Command::new("python3").args(["-c", &imports]).stderr(Stdio::null()).status();
    assert!(
        probe.is_ok_and(|status| status.success()),
        "this test needs Python with {packages:?}: run it by `cargo xtask test`, which installs them, or set \
         OPENCHAT_TEST_PYTHON to a Python that has them"
    );
    "python3".into()
}
