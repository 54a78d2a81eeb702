//! `openchat invite`: a link that makes an account, and leads into a room.

use std::time::Duration;

use clap::Args;
use openchat_protocol::RoomName;

use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{output, session};

#[derive(Args)]
#[command(after_help = "Example:\n  openchat invite lobby\n  openchat invite --uses 10 --valid 7d")]
pub(crate) struct Arguments {
    /// The listed room that the invited come into
    room: Option<RoomName>,
    /// How many accounts it makes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    uses: u32,
    /// How long it is good: 30m, 24h, 7d
    #[arg(long, default_value = "24h", value_parser = duration)]
    valid: Duration,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let (client, _) = session::open_caught_up(context).await?;
    let link = client.create_invite(arguments.valid, arguments.uses, arguments.room).await;
    client.stop().await;
    output::line(link?)?;
    eprintln!("Send it on a way you trust: whoever opens it first comes in.");
    Ok(())
}

/// A year, in seconds.
const LONGEST: u64 = 365 * 24 * 60 * 60;

/// A number and one of `m`, `h`, `d`.
fn duration(text: &str) -> Result<Duration, Failure> {
    let wrong =
        || Failure::new(Kind::Usage, format!("`{text}` is no duration up to a year: write 30m, 24h or 7d"));
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    number
        .checked_mul(seconds)
        .filter(|all| (1..=LONGEST).contains(all))
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}
