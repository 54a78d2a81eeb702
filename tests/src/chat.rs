//! A line client that a story types at, through a pipe.

use std::io::Write;
use std::process::{Child, Stdio};

use crate::binary::{Openchat, Outcome};
use crate::lines::Lines;

/// A running `openchat chat`.
#[derive(Debug)]
pub struct Chat {
    child: Child,
    lines: Lines,
    errors: Lines,
}

impl Chat {
    /// Starts a command that chats.
    pub fn start(home: &Openchat, profile: &str, arguments: &[&str]) -> Self {
        let mut command = home.command(profile, arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let lines = Lines::of(child.stdout.take().expect("its standard output"));
        let errors = Lines::of(child.stderr.take().expect("its standard error"));
        Self { child, lines, errors }
    }

    /// The same, with what it tells on standard error between its lines.
    pub fn start_with_errors(home: &Openchat, profile: &str, arguments: &[&str]) -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = home.command(profile, arguments);
        command.stdin(Stdio::piped()).stderr(writer.try_clone().expect("its other end")).stdout(writer);
        let child = command.spawn().expect("the binary starts");
        Self { child, lines: Lines::of(reader), errors: Lines::of(std::io::empty()) }
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
            let line =
                self.lines.next().unwrap_or_else(|_| panic!("still waiting for `{words}` after: {all}"));
            let line = line.unwrap_or_else(|| panic!("`{words}` is not in: {all}"));
            all.push_str(&line);
            if line.contains(words) {
                return all;
            }
        }
    }

    /// Ends the input, and waits.
    pub fn end(mut self) -> Outcome {
        drop(self.child.stdin.take());
        let out = self.lines.rest().expect("the chat ends");
        let err = self.errors.rest().expect("the chat ends");
        let status = self.child.wait().expect("the chat ends");
        Outcome { code: status.code(), out, err }
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        // Of a story that failed; one that has ended takes no harm.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
