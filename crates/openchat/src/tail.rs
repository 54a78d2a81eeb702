//! `openchat tail`: what is said in a room, for people or as JSON lines.

use clap::Args;
use openchat_client::{ClientHandle, Delivery, Entry, Event, Events, Line, Span};
use openchat_protocol::{RoomId, RoomName};
use serde_json::{Value, json};

use crate::Context;
use crate::failure::Failure;
use crate::{output, session, text};

#[derive(Args)]
#[command(
    after_help = "Example:\n  openchat tail lobby --count 20\n  openchat tail lobby --follow --json | jq -r 'select(.kind==\"text\").text'"
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
    let (client, mut events) = session::open_caught_up(context).await?;
    let outcome = tokio::select! {
        outcome = tail(&client, &mut events, &arguments) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    client.stop().await;
    outcome
}

async fn tail(client: &ClientHandle, events: &mut Events, arguments: &Arguments) -> Result<(), Failure> {
    let room = session::room(client, &arguments.room).await?.room;
    for line in client.history(room, Span::Newest, arguments.count).await? {
        print(&line, arguments.json)?;
    }
    if arguments.follow { follow(client, events, room, arguments.json).await } else { Ok(()) }
}

async fn follow(client: &ClientHandle, events: &mut Events, room: RoomId, json: bool) -> Result<(), Failure> {
    let mut last = client.history(room, Span::Newest, 1).await?.last().and_then(|line| line.sequence);
    while let Some(event) = events.next().await {
        match event {
            // What waits in the outbox is printed when it has its place in the log.
            Event::Line(line) if line.room == room && line.sequence.is_some() => {
                last = line.sequence;
                print(&line, json)?;
            }
            Event::Lagged(_) => {
                for line in client.history(room, Span::After(last.unwrap_or(0)), u32::MAX).await? {
                    last = line.sequence.or(last);
                    print(&line, json)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
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
        _ => json!({ "kind": "other" }),
    };
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}

fn delivery_word(delivery: &Delivery) -> &'static str {
    match delivery {
        Delivery::Pending => "pending",
        Delivery::Sent => "sent",
        Delivery::Failed { .. } => "failed",
    }
}
