//! Measurements of the real program: `cargo run --release -p openchat-bench -- screen`.

mod screen;

use std::process::ExitCode;

const USAGE: &str = "\
cargo build --release -p openchat && cargo run --release -p openchat-bench -- WHAT

  screen    first picture from a large store, echo of what is typed while much arrives, memory
";

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("screen") => screen::run(),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
