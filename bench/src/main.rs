//! Measurements of the real program. `cargo xtask bench` builds everything and runs what compares servers.

mod certificate;
mod client;
mod compare;
mod flood;
mod floor;
mod frame;
mod growth;
mod ledger;
mod link;
mod machine;
mod paths;
mod peer;
mod person;
mod plot;
mod process;
mod raw;
mod report;
mod screen;
mod text;
mod workload;

use std::process::ExitCode;

use compare::Plan;

const USAGE: &str = "\
cargo build --release -p openchat && cargo run --release -p openchat-bench -- WHAT

  screen [MESSAGES]            first picture from a large store, echo of what is typed while much arrives, memory
  paint [ROUNDS]               the first of these alone
  compare DOCUMENT [--quick|--long]  all servers side by side; the tables go into the document
  one PEER WORKLOAD SECONDS    one of these, by the names in the tables, to look at the server meanwhile
  client [--quick]             what clients spend by the size of a room, against the MLS library by itself
  growth AXIS [--quick|--long] cost of a delivery as members, rooms, history or connections grow
  path NAME COUNT              one of the paths that `cargo xtask regress` counts, so many times
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["screen"] => {
            screen::run(screen::ARRIVING);
            Ok(())
        }
        ["paint"] => {
            screen::paint(screen::ROUNDS);
            Ok(())
        }
        ["paint", rounds] => match rounds.parse() {
            Ok(rounds) => {
                screen::paint(rounds);
                Ok(())
            }
            Err(error) => Err(format!("{rounds}: {error}")),
        },
        ["screen", messages] => match messages.parse() {
            Ok(messages) => {
                screen::run(messages);
                Ok(())
            }
            Err(error) => Err(format!("{messages}: {error}")),
        },
        ["compare", document, options @ ..] => compare(document, options),
        ["one", peer, workload, seconds] => match seconds.parse() {
            Ok(seconds) => compare::single(peer, workload, seconds),
            Err(error) => Err(format!("{seconds}: {error}")),
        },
        ["client"] => client::run(&client::Plan::full()),
        ["client", "--quick"] => client::run(&client::Plan::quick()),
        ["growth", axis, options @ ..] => growth::run(axis, options),
        ["path", path, count] => match count.parse() {
            Ok(count) => paths::run(path, count).map_err(|error| error.to_string()),
            Err(error) => Err(format!("{count}: {error}")),
        },
        [kind @ ("floor0" | "floor1"), port] => serve(*kind == "floor1", port),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and writes the tables into `document`.
fn compare(document: &str, options: &[&str]) -> Result<(), String> {
    let mut plan = if options.contains(&"--quick") { Plan::quick() } else { Plan::full() };
    for option in options {
        match option.split_once('=') {
            Some(("--rounds", number)) => {
                plan.rounds = number.parse().map_err(|error| format!("{option}: {error}"))?;
            }
            None if *option == "--quick" => {}
            None if *option == "--long" => plan.growth = growth::Plan::long(),
            _ => return Err(format!("no option `{option}`: there are --quick, --long and --rounds=N")),
        }
    }
    compare::run(plan, document)
}

fn serve(gathers: bool, port: &str) -> Result<(), String> {
    let port = port.parse().map_err(|error| format!("port {port}: {error}"))?;
    floor::run(gathers, port).map_err(|error| error.to_string())
}
