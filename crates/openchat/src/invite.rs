//! `openchat invite`: a link that makes an account, and leads into a room.

use std::time::Duration;

use clap::Args;
use openchat_client::ClientHandle;
use openchat_identity::InviteLink;
use openchat_protocol::{Address, RoomName};

use crate::Context;
use crate::advice::Surface;
use crate::failure::{Failure, Kind};
use crate::{output, session, text};

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
    let (client, _) = session::open_online(context).await?;
    let Arguments { room, uses, valid } = arguments;
    let made = make(&client, room, (uses, valid), Surface::Shell).await;
    client.stop().await;
    let made = made?;
    output::line(&made.link)?;
    if let Some(warning) = made.warning {
        output::tell(text::styled(text::WARNING, warning));
    }
    output::tell("Send it on a way you trust: whoever opens it first comes in.");
    if uses == 1 {
        output::tell(MEETS);
    }
    Ok(())
}

/// A link, and what is to be said about it.
pub(crate) struct Made {
    pub(crate) link: String,
    pub(crate) warning: Option<&'static str>,
}

/// Makes a link that is good for `uses` people and so long, into a room that there is.
pub(crate) async fn make(
    client: &ClientHandle,
    room: Option<RoomName>,
    (uses, valid): (u32, Duration),
    surface: Surface,
) -> Result<Made, Failure> {
    if let Some(room) = &room {
        check_room(client, room, surface).await?;
    }
    let link = client.create_invite(valid, uses, room).await?;
    let is_local = |link: InviteLink| Address::new(&link.host, link.port).is_ok_and(|it| it.is_loopback());
    let warning = link.parse().is_ok_and(is_local).then_some(LOCAL);
    Ok(Made { link, warning })
}

/// What an invite for one person shows.
pub(crate) const MEETS: &str =
    "Once your friend is in a room with you, the link proves to each of you whose key the other has.";

/// The server tells nobody that comes by a link into a room that is not in its list.
async fn check_room(client: &ClientHandle, name: &RoomName, surface: Surface) -> Result<(), Failure> {
    let mine = session::joined(client, name).await;
    if mine.as_ref().is_some_and(|room| room.listed) {
        return Ok(());
    }
    if client.list_rooms().await?.iter().any(|room| room.name == *name) {
        return Ok(());
    }
    match mine {
        Some(_) => Err(Failure::new(Kind::Usage, format!("#{name} is private: no link leads into it")).help(
            "make a link without a room; when your friend has joined, bring them in: /add NAME in the room",
        )),
        None => Err(session::unknown(client, name, surface).await),
    }
}

pub(crate) const LOCAL: &str = "This link works on this machine only: it names a loopback address. The host of the server sets \
                     the one that others reach: openchat serve --address HOST:PORT (or up --address).";

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
