//! Standard output and standard error, which may be pipes that close or disks that are full: neither is a reason to panic.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use anstream::{AutoStream, ColorChoice};

use crate::failure::{Failure, Kind};

/// Prints one line, without colours where they cannot be shown.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    written(writeln!(anstream::stdout(), "{text}"))
}

/// Prints bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    written(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Tells the person something, on standard error. Nobody may be there to read it.
pub(crate) fn tell(text: impl Display) {
    drop(writeln!(anstream::stderr(), "{text}"));
}

/// Asks, on standard error; the answer is typed behind it.
pub(crate) fn ask(prompt: &str) {
    let mut err = anstream::stderr();
    drop(write!(err, "{prompt}").and_then(|()| err.flush()));
}

/// Whether standard error shows colours: not in a file, and not when `NO_COLOR` is set.
pub(crate) fn error_has_colours() -> bool {
    AutoStream::choice(&std::io::stderr()) != ColorChoice::Never
}

/// Whoever reads no further has what they wanted; everything else is a failure.
pub(crate) fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::new(Kind::Closed, "standard output was closed"),
        _ => Failure::new(Kind::Storage, format!("standard output cannot be written: {error}")),
    })
}
