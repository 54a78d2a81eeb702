//! Standard output, which may be a pipe that closes or a disk that is full: neither is a reason to panic.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

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

/// Whoever reads no further has what they wanted; everything else is a failure.
fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::new(Kind::Closed, "standard output was closed"),
        _ => Failure::new(Kind::Storage, format!("standard output cannot be written: {error}")),
    })
}
