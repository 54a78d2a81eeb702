//! `openchat` by itself: what there is on this machine, and what to type next.

use crate::Context;
use crate::failure::Failure;
use crate::output;

const NEWCOMER: &str = "\
There is no profile on this machine yet. First steps:
  openchat demo          see it work, with a real server and three people
  openchat up            host a server and chat on it
  openchat join 'LINK'   come in by an invite";

pub(crate) fn run(context: &Context) -> Result<(), Failure> {
    output::line("OpenChat: end-to-end encrypted group chat in the terminal, on your own server.\n")?;
    let profiles = context.folders.profiles();
    match profiles.as_slice() {
        [] => output::line(NEWCOMER)?,
        profiles => {
            output::line(format_args!("Profiles on this machine: {}. Go on with:", profiles.join(", ")))?;
            for profile in profiles {
                output::line(format_args!("  {}", chat_as(profile)))?;
            }
        }
    }
    output::line("\nAll commands: openchat --help")
}

fn chat_as(profile: &str) -> String {
    match profile {
        crate::DEFAULT_PROFILE => "openchat chat".to_owned(),
        other => format!("openchat --profile {other} chat"),
    }
}
