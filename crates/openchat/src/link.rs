//! `openchat link`: a link by which another machine becomes a device of this user.

use std::time::{Duration, Instant};

use clap::Args;
use openchat_client::{ClientHandle, Events, LinkStep};
use openchat_tui::phrases;

use crate::Context;
use crate::failure::Failure;
use crate::{invite, output, session, text};

#[derive(Args)]
#[command(
    after_help = "Example:\n  openchat link        on a machine where you are; it asks for your password\n  \
                        openchat join 'LINK' on the new one"
)]
pub(crate) struct Arguments {}

/// Between two words about the history.
const PAUSE: Duration = Duration::from_secs(1);
/// What the link is for.
pub(crate) const MEANING: &str = "On the new machine: openchat join 'LINK'\nIt is good for one machine and ten minutes, \
                                  and three wrong codes burn it. Show it to nobody: it gives away your identity.";

pub(crate) async fn run(context: &Context, _: Arguments) -> Result<(), Failure> {
    let (client, events) = session::open_caught_up(context).await?;
    let outcome = link(&client, events).await;
    client.stop().await;
    outcome
}

async fn link(client: &ClientHandle, events: Events) -> Result<(), Failure> {
    let linking = client.link().await?;
    output::line(linking.link())?;
    if linking.is_local() {
        output::tell(text::styled(text::WARNING, invite::LOCAL));
    }
    output::tell(MEANING);
    output::tell("Waiting for the new machine; Ctrl-C ends it.");
    // What happens meanwhile is on disk, and of no interest here.
    drop(events);
    let mut progress = Progress::default();
    linking.run(|step| progress.tell(step)).await?;
    output::line("It has all that was said in your rooms.")
}

/// Words that begin and end as a sentence does.
pub(crate) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// What is told while two devices are linked, at both of them.
#[derive(Default)]
pub(crate) struct Progress {
    told: Option<Instant>,
}

impl Progress {
    /// A long history is told of once in a while, and at its end.
    pub(crate) fn tell(&mut self, step: LinkStep) {
        match step {
            LinkStep::WrongCode { left } => output::tell(sentence(&phrases::wrong_code(left))),
            // A reader that is gone is noticed by what comes after.
            LinkStep::Enrolled(did) => drop(output::line(format_args!("The new device is {did}"))),
            LinkStep::Rooms { reached, all } => {
                drop(output::line(sentence(&phrases::rooms_reached(reached, all))));
            }
            LinkStep::History { done, total } => {
                let is_due = self.told.is_none_or(|told| told.elapsed() >= PAUSE);
                if is_due || done == total {
                    self.told = Some(Instant::now());
                    output::tell(format_args!("  history: {done} of {total} lines"));
                }
            }
        }
    }
}
