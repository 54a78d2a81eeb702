//! `openchat send`: one message, and the certainty that it is in the room's log.

use clap::Args;
use openchat_client::{ClientHandle, Delivery, Event, Events};
use openchat_protocol::{MessageId, RoomName};

use crate::Context;
use crate::failure::{Failure, Kind};
use crate::session;

#[derive(Args)]
#[command(
    after_help = "Example:\n  openchat send lobby \"the build is green\"\n  make 2>&1 | tail -3 | openchat send lobby -"
)]
pub(crate) struct Arguments {
    /// The room's name; it is joined if you are not in it
    room: RoomName,
    /// What to say; `-` takes it from standard input
    #[arg(required = true, num_args = 1..)]
    text: Vec<String>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let text = match arguments.text.as_slice() {
        [dash] if dash == "-" => std::io::read_to_string(std::io::stdin())
            .map_err(|error| Failure::new(Kind::Usage, format!("standard input cannot be read: {error}")))?,
        words => words.join(" "),
    };
    let (client, mut events) = session::open_caught_up(context).await?;
    let outcome = send(&client, &mut events, &arguments.room, text.trim_end()).await;
    client.stop().await;
    outcome
}

async fn send(
    client: &ClientHandle,
    events: &mut Events,
    room: &RoomName,
    text: &str,
) -> Result<(), Failure> {
    let room = session::room(client, room).await?;
    let message = client.send(room.room, text.to_owned()).await?;
    settled(events, message).await
}

/// Waits until `message` is in the room's log, or cannot be.
async fn settled(events: &mut Events, message: MessageId) -> Result<(), Failure> {
    while let Some(event) = events.next().await {
        match event {
            Event::Delivery { message: of, delivery: Delivery::Sent, .. } if of == message => return Ok(()),
            Event::Delivery { message: of, delivery: Delivery::Failed { reason }, .. } if of == message => {
                return Err(Failure::new(Kind::Refused, format!("the message was not sent: {reason}")));
            }
            _ => {}
        }
    }
    Err(Failure::new(
        Kind::Network,
        "the client ended before the message was sent; it is kept and sent next time",
    ))
}
