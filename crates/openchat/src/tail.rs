//! `openchat tail`: what is said in a room, for people or as JSON lines.

use clap::Args;
use openchat_client::{
    ClientHandle, ConnectionState, Delivery, Entry, Event, Events, Line, Membership, RoomOverview, Span,
    Trust, TrustChange,
};
use openchat_protocol::RoomName;
use serde_json::{Value, json};

use crate::Context;
use crate::advice::Surface;
use crate::failure::{Failure, Kind};
use crate::{output, session, text};

#[derive(Args)]
#[command(
    after_help = "Example:\n  openchat tail lobby --count 20\n  openchat tail lobby --follow --json | jq -r 'select(.kind==\"text\").text'\n\n\
                  Without a connection it prints what is on this machine, and exits with 7; with --follow it goes on \
                  when the server is back."
)]
pub(crate) struct Arguments {
    /// The room's name; it is joined if you are not in it
    room: RoomName,
    /// How many of the newest lines
    #[arg(long, short = 'n', default_value_t = 50)]
    count: u32,
    /// Go on with what comes, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let (client, mut events) = session::open(context)?;
    let outcome = tokio::select! {
        outcome = tail(&client, &mut events, &arguments) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    client.stop().await;
    outcome
}

async fn tail(client: &ClientHandle, events: &mut Events, arguments: &Arguments) -> Result<(), Failure> {
    let online = session::caught_up(client, events).await;
    let room = match known(client, &arguments.room).await {
        Some(room) => room,
        None => {
            online?;
            return new(client, events, arguments).await;
        }
    };
    let shown = show(client, &room, arguments).await?;
    match online {
        _ if room.membership == Membership::Removed => {
            Err(session::removed(client, &room, Surface::Shell).await)
        }
        Ok(()) if arguments.follow => follow(client, events, &room, (shown, arguments.json)).await,
        Ok(()) => Ok(()),
        Err(why) if why.kind() == Kind::Network && arguments.follow => {
            output::tell(
                why.but("this is what is on this machine; the rest follows when the server is back"),
            );
            follow(client, events, &room, (shown, arguments.json)).await
        }
        Err(why) if why.kind() == Kind::Network => Err(why.but("this is what is on this machine")),
        Err(why) => Err(why),
    }
}

/// The room as it is on disk, if the profile is in it, or was until somebody removed it.
async fn known(client: &ClientHandle, name: &RoomName) -> Option<RoomOverview> {
    let room = client.room(name).await.ok()?;
    matches!(room.membership, Membership::Member | Membership::Removed | Membership::Diverged).then_some(room)
}

/// A room that is joined for this.
async fn new(client: &ClientHandle, events: &mut Events, arguments: &Arguments) -> Result<(), Failure> {
    let room = session::room(client, &arguments.room, Surface::Shell).await?;
    let shown = show(client, &room, arguments).await?;
    if arguments.follow { follow(client, events, &room, (shown, arguments.json)).await } else { Ok(()) }
}

/// Where a line stands: its record, and which of that record's lines it is.
type Place = (u64, u32);

/// Prints the newest lines. Answers with the place of the last one that has any.
async fn show(client: &ClientHandle, room: &RoomOverview, arguments: &Arguments) -> Result<Place, Failure> {
    let lines = client.history(room.room, Span::Newest, arguments.count).await?;
    // What waits to be sent comes on top, and counts like the rest.
    let surplus = lines.len().saturating_sub(usize::try_from(arguments.count).unwrap_or(usize::MAX));
    lines.iter().skip(surplus).try_for_each(|line| print(line, arguments.json))?;
    Ok(lines.iter().filter_map(place).max().unwrap_or((room.head, u32::MAX)))
}

fn place(line: &Line) -> Option<Place> {
    line.sequence.map(|sequence| (sequence, line.part))
}

async fn follow(
    client: &ClientHandle,
    events: &mut Events,
    room: &RoomOverview,
    (mut shown, json): (Place, bool),
) -> Result<(), Failure> {
    while let Some(event) = events.next().await {
        match event {
            Event::Line(line) if line.room == room.room => show_new(&line, &mut shown, json)?,
            Event::Lagged(_) => {
                // From the record before: some of this one's lines may be missing.
                let span = Span::After(shown.0.saturating_sub(1));
                for line in client.history(room.room, span, u32::MAX).await? {
                    show_new(&line, &mut shown, json)?;
                }
            }
            Event::Room { room: of, membership: Membership::Removed, .. } if of == room.room => {
                return Err(session::removed(client, room, Surface::Shell).await);
            }
            Event::Connection(ConnectionState::Ended(why)) => return Err(why.into()),
            _ => {}
        }
    }
    Ok(())
}

/// What waits in the outbox is printed when it has its place in the log, and nothing is printed twice.
fn show_new(line: &Line, shown: &mut Place, json: bool) -> Result<(), Failure> {
    match place(line) {
        Some(place) if place > *shown => {
            *shown = place;
            print(line, json)
        }
        _ => Ok(()),
    }
}

fn print(line: &Line, json: bool) -> Result<(), Failure> {
    match json {
        true => output::line(as_json(line)),
        false => output::line(text::line(line)),
    }
}

fn as_json(line: &Line) -> Value {
    let mut value = json!({
        "room": line.room.to_string(),
        "sequence": line.sequence,
        "time": line.time.0,
        "uid": line.author.uid.to_string(),
        "name": line.author.name.as_ref().map(ToString::to_string),
        "trust": trust_word(line.author.trust),
    });
    let more = match &line.entry {
        Entry::Text { message, text, delivery } => json!({
            "kind": "text",
            "message": message.to_string(),
            "text": text,
            "delivery": delivery_word(delivery),
        }),
        Entry::Newer { message, .. } => json!({ "kind": "newer", "message": message.to_string() }),
        Entry::Created => json!({ "kind": "created" }),
        Entry::Joined { who } => json!({ "kind": "joined", "who": who.uid.to_string() }),
        Entry::DeviceJoined { who } => json!({ "kind": "device-joined", "who": who.uid.to_string() }),
        Entry::Left => json!({ "kind": "left" }),
        Entry::Removed { who } => json!({ "kind": "removed", "who": who.uid.to_string() }),
        Entry::Rejoined => json!({ "kind": "rejoined" }),
        Entry::Missing { count } => json!({ "kind": "missing", "count": count }),
        Entry::Unreadable { reason } => json!({ "kind": "unreadable", "reason": reason }),
        Entry::Diverged { reason } => json!({ "kind": "diverged", "reason": reason }),
        Entry::Trust { who, name, change } => json!({
            "kind": "trust",
            "who": who.uid.to_string(),
            "about": name.to_string(),
            "change": change_word(*change),
        }),
        _ => json!({ "kind": "other" }),
    };
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}

fn trust_word(trust: Trust) -> &'static str {
    match trust {
        Trust::Compared => "compared",
        Trust::Invited => "invited",
        Trust::FirstUse => "first-use",
        Trust::Changed => "changed",
        Trust::Mine => "mine",
    }
}

fn change_word(change: TrustChange) -> &'static str {
    match change {
        TrustChange::Compared => "compared",
        TrustChange::Invited => "invited",
        TrustChange::Changed => "changed",
        TrustChange::Stopped => "stopped",
        TrustChange::Accepted => "accepted",
        TrustChange::Reset => "reset",
    }
}

fn delivery_word(delivery: &Delivery) -> &'static str {
    match delivery {
        Delivery::Pending => "pending",
        Delivery::Sent => "sent",
        Delivery::Failed { .. } => "failed",
    }
}
