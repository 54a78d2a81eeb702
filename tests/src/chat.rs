//! A line client that a story types at, through a pipe.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Stdio};

use crate::binary::{Openchat, Outcome};

/// A running `openchat chat`.
#[derive(Debug)]
pub struct Chat {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Chat {
    /// Starts a command that chats.
    pub fn start(home: &Openchat, profile: &str, arguments: &[&str]) -> Self {
        let mut command = home.command(profile, arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("its standard output"));
        Self { child, lines }
    }

    /// Types a line.
    pub fn say(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("its standard input");
        writeln!(input, "{line}").expect("the chat reads");
    }

    /// Reads until a line has `words` in it. Answers with all that was read.
    #[track_caller]
    pub fn hear(&mut self, words: &str) -> String {
        let mut all = String::new();
        loop {
            let before = all.len();
            let read = self.lines.read_line(&mut all).expect("the chat prints lines");
            assert!(read > 0, "`{words}` is not in: {all}");
            if all.get(before..).is_some_and(|line| line.contains(words)) {
                return all;
            }
        }
    }

    /// Ends the input, and waits.
    pub fn end(mut self) -> Outcome {
        drop(self.child.stdin.take());
        let mut out = String::new();
        self.lines.read_to_string(&mut out).expect("the chat prints lines");
        let output = self.child.wait_with_output().expect("the chat ends");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        Outcome { code: output.status.code(), out, err }
    }
}
