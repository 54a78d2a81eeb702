//! `openchat rooms`: the rooms this profile is in, and what else the server lists.

use clap::Args;
use openchat_client::{ClientError, ClientHandle, Membership, RoomOverview};
use openchat_protocol::room::RoomSummary;
use openchat_protocol::{RoomId, RoomName, Timestamp};
use serde_json::json;

use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{output, session, text};

#[derive(Args)]
#[command(
    after_help = "Example:\n  openchat rooms\n  openchat rooms --json | jq -r 'select(.unread > 0).name'\n\n\
                  Without a connection it prints the rooms on this machine, and exits with 7."
)]
pub(crate) struct Arguments {
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// A room that the profile is in, or that it could join.
pub(crate) struct Room {
    room: RoomId,
    name: RoomName,
    listed: bool,
    /// Messages that nobody has seen here, in a room that the profile is in.
    joined: Option<u64>,
    members: Option<usize>,
    /// A changed key keeps this profile from saying anything there.
    is_stopped: bool,
    last_activity: Option<Timestamp>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let (client, mut events) = session::open(context)?;
    let online = session::caught_up(&client, &mut events).await;
    let rooms = all(&client).await;
    if online.is_ok() {
        session::sent(&client, &mut events).await;
    }
    client.stop().await;
    let (rooms, list) = rooms?;
    for room in rooms {
        match arguments.json {
            true => output::line(room.as_json())?,
            false => output::line(room.as_line())?,
        }
    }
    let outcome = online.and(list.map_err(Into::into));
    outcome.map_err(|why| match why.kind() {
        Kind::Network => why.but("these are the rooms on this machine; the server's list is missing"),
        _ => why,
    })
}

/// First those the profile is in, by name, then the others, the most recently active first. What is on disk is there
/// also when the server's list is not.
pub(crate) async fn all(client: &ClientHandle) -> Result<(Vec<Room>, Result<(), ClientError>), ClientError> {
    let (listed, outcome) = match client.list_rooms().await {
        Ok(listed) => (listed, Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    };
    let mut rooms = Vec::new();
    for room in client.rooms().await? {
        if matches!(room.membership, Membership::Member | Membership::Diverged) {
            let summary = listed.iter().find(|summary| summary.room == room.room);
            let members = client.members(room.room).await.ok().map(|members| members.len());
            rooms.push(Room::joined(room, summary, members));
        }
    }
    let others = listed.into_iter().filter(|summary| rooms.iter().all(|room| room.room != summary.room));
    let others: Vec<_> = others.map(Room::listed).collect();
    rooms.extend(others);
    Ok((rooms, outcome))
}

impl Room {
    fn joined(room: RoomOverview, summary: Option<&RoomSummary>, members: Option<usize>) -> Self {
        Self {
            room: room.room,
            name: room.name,
            listed: room.listed,
            joined: Some(room.unread),
            members,
            is_stopped: room.trust.is_stopped,
            last_activity: summary.map(|summary| summary.last_activity),
        }
    }

    fn listed(summary: RoomSummary) -> Self {
        Self {
            room: summary.room,
            name: summary.name,
            listed: true,
            joined: None,
            members: usize::try_from(summary.members).ok(),
            is_stopped: false,
            last_activity: Some(summary.last_activity),
        }
    }

    /// For people.
    pub(crate) fn as_line(&self) -> String {
        let name = text::styled(text::NAME, format_args!("{:<24}", text::room(&self.name)));
        let access = if self.listed { "listed" } else { "private" };
        let mine = match self.joined {
            None => "not joined".to_owned(),
            Some(0) => "joined".to_owned(),
            Some(unread) => format!("joined, {unread} unread"),
        };
        let members = match self.members {
            None => String::new(),
            Some(1) => "1 member".to_owned(),
            Some(many) => format!("{many} members"),
        };
        let active = self.last_activity.map(|it| format!("active {}", text::day_and_clock(it)));
        let stopped =
            if self.is_stopped { text::styled(text::WARNING, "  KEY CHANGED") } else { String::new() };
        format!("{name} {access:<8} {mine:<18} {members:<12} {}{stopped}", active.unwrap_or_default())
            .trim_end()
            .to_owned()
    }

    fn as_json(&self) -> serde_json::Value {
        json!({
            "name": self.name.as_str(),
            "room": self.room.to_string(),
            "access": if self.listed { "listed" } else { "private" },
            "joined": self.joined.is_some(),
            "unread": self.joined,
            "members": self.members,
            "stopped": self.is_stopped,
            "last_activity": self.last_activity.map(|it| it.0),
        })
    }
}
