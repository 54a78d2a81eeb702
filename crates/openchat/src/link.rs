//! `openchat link`: a link by which another machine becomes a device of this user.

use std::time::{Duration, Instant};

use clap::Args;
use openchat_client::{ClientHandle, Events, LinkStep, Membership};
use openchat_protocol::Did;
use tokio::time::timeout;

use crate::Context;
use crate::failure::Failure;
use crate::{invite, output, session, text};

#[derive(Args)]
#[command(
    after_help = "Example:\n  openchat link        on a machine where you are; it asks for your password\n  \
                        openchat join 'LINK' on the new one"
)]
pub(crate) struct Arguments {}

/// How long rooms are waited for: whoever is not here adds the device another time.
const ROOMS: Duration = Duration::from_secs(60);
/// Between two words about the history.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(300);

const MEANING: &str = "On the new machine: openchat join 'LINK'\nIt is good for one machine and ten minutes, and three \
                       wrong codes burn it. Show it to nobody: it gives away your identity.\nWaiting for the new \
                       machine; Ctrl-C ends it.";

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
    let mut progress = Progress::default();
    let did = linking.run(|step| progress.tell(step)).await?;
    // What happens while the rooms are waited for is on disk, and of no interest here.
    drop(events);
    let (reached, all) = rooms(client, did).await?;
    output::line(format_args!("It is in {reached} of your {all} rooms"))?;
    if reached < all {
        output::tell("The others follow when both devices are online.");
    }
    Ok(())
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
            LinkStep::WrongCode { left } => output::tell(wrong_code(left)),
            // A reader that is gone is noticed by what comes after.
            LinkStep::Enrolled(did) => drop(output::line(format_args!("The new device is {did}"))),
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

fn wrong_code(left: u8) -> String {
    match left {
        0 => "Somebody has tried another code; that was the last try.".to_owned(),
        1 => "Somebody has tried another code; one try is left.".to_owned(),
        _ => format!("Somebody has tried another code; {left} tries are left."),
    }
}

/// Waits until the device is in the rooms of this one. In how many of how many it is.
async fn rooms(client: &ClientHandle, did: Did) -> Result<(usize, usize), Failure> {
    let all = client.rooms().await?.iter().filter(|room| room.membership == Membership::Member).count();
    let mut reached = 0;
    let everywhere = async {
        while reached < all {
            tokio::time::sleep(LOOK).await;
            // Not proven for a moment after the list has changed.
            let devices = client.devices().await.unwrap_or_default();
            reached = devices.iter().find(|device| device.did == did).map_or(reached, |device| device.rooms);
        }
    };
    // What is missing then is told.
    let _ = timeout(ROOMS, everywhere).await;
    Ok((reached, all))
}
