//! `openchat rooms`: what the server lists.

use clap::Args;
use openchat_protocol::room::RoomSummary;
use serde_json::json;

use crate::Context;
use crate::failure::Failure;
use crate::{output, session, text};

#[derive(Args)]
#[command(after_help = "Example:\n  openchat rooms --json")]
pub(crate) struct Arguments {
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let (client, _) = session::open_caught_up(context).await?;
    let rooms = client.list_rooms().await;
    client.stop().await;
    for room in rooms? {
        match arguments.json {
            true => output::line(as_json(&room))?,
            false => output::line(as_line(&room))?,
        }
    }
    Ok(())
}

/// One room of the list, for people.
pub(crate) fn as_line(room: &RoomSummary) -> String {
    let members = match room.members {
        1 => "1 member".to_owned(),
        many => format!("{many} members"),
    };
    let name = format!("{:<24}", text::room(&room.name));
    format!(
        "{} {members:<12} active {}",
        text::styled(text::NAME, name),
        text::day_and_clock(room.last_activity)
    )
}

fn as_json(room: &RoomSummary) -> serde_json::Value {
    json!({
        "name": room.name.as_str(),
        "room": room.room.to_string(),
        "members": room.members,
        "last_activity": room.last_activity.0,
    })
}
