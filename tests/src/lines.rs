//! What a process prints, a line at a time, with an end to waiting: a story that hangs says where.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long one line, or the end of a command, may take. Starting alone takes seconds on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The lines of a stream, read by a thread that ends with it.
#[derive(Debug)]
pub struct Lines(Receiver<String>);

impl Lines {
    /// Reads `stream` to its end.
    pub fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self(lines)
    }

    /// The next line with its end; nothing at the end of the stream; an error after too long a time.
    pub fn next(&self) -> Result<Option<String>, TooLong> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(TooLong),
        }
    }

    /// All that is left.
    pub fn rest(&self) -> Result<String, TooLong> {
        let mut all = String::new();
        while let Some(line) = self.next()? {
            all.push_str(&line);
        }
        Ok(all)
    }
}

/// Nothing came, and the stream did not end.
#[derive(Debug)]
pub struct TooLong;
