//! `openchat send`: one message, and the certainty that it is in the room's log.

use clap::Args;
use openchat_client::{Alarm, ClientHandle, Delivery, ErrorKind, Event, Events, Membership};
use openchat_protocol::{MessageId, RoomId, RoomName};

use crate::Context;
use crate::advice::Surface;
use crate::failure::{Failure, Kind};
use crate::{session, text};

#[derive(Args)]
#[command(
    after_help = "Example:\n  openchat send lobby \"the build is green\"\n  make 2>&1 | tail -3 | openchat send lobby -\n\n\
                  Without a connection to the server the message waits on this machine; the next command that connects sends it."
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
    let (client, mut events) = session::open(context)?;
    let outcome = send(&client, &mut events, &arguments.room, text.trim_end()).await;
    client.stop().await;
    outcome
}

async fn send(
    client: &ClientHandle,
    events: &mut Events,
    name: &RoomName,
    text: &str,
) -> Result<(), Failure> {
    // Where the profile is a member the words go to disk first; only then is it of interest whether there is a server.
    let room = match session::joined(client, name).await {
        Some(room) => room,
        None => {
            session::caught_up(client, events).await?;
            session::room(client, name, Surface::Shell).await?
        }
    };
    let message = client.send(room.room, text.to_owned()).await?;
    settled(client, events, (room.room, message)).await
}

/// Waits until the message is in the room's log, or cannot be.
async fn settled(
    client: &ClientHandle,
    events: &mut Events,
    (room, message): (RoomId, MessageId),
) -> Result<(), Failure> {
    loop {
        match session::next(client, events).await.map_err(|why| kept(&why))? {
            Event::Delivery { message: of, delivery, .. } if of == message => match delivery {
                Delivery::Sent => return Ok(()),
                Delivery::Failed { reason } => return Err(failed(client, room, &reason).await),
                Delivery::Pending => {}
            },
            Event::Trouble(why) if why.kind() == ErrorKind::Storage => return Err(kept(&why.into())),
            // A person has to decide first.
            Event::Trouble(why) if why.kind() == ErrorKind::Alarm => return Err(why.into()),
            Event::Alarm(alarm) if holds_back(&alarm, room) => {
                return Err(kept(&Failure::new(Kind::OtherServer, text::alarm(&alarm))));
            }
            _ => {}
        }
    }
}

/// Whether a message waits because of it.
fn holds_back(alarm: &Alarm, here: RoomId) -> bool {
    match alarm {
        Alarm::KeyLogBroken { .. }
        | Alarm::KeyLogRolledBack { .. }
        | Alarm::ServerRestored { until: Some(_) } => true,
        Alarm::GhostDevice { room, .. } | Alarm::LogSetBack { room } => *room == here,
        _ => false,
    }
}

/// The words are safe.
fn kept(why: &Failure) -> Failure {
    let what = format!("the message is not sent yet: {}; it is kept on this machine", why.what());
    let sends_it = "any command that reaches the server sends it, as `openchat rooms` does";
    Failure::new(why.kind(), what).help(why.advice_then(sends_it))
}

async fn failed(client: &ClientHandle, room: RoomId, reason: &str) -> Failure {
    let rooms = client.rooms().await.unwrap_or_default();
    match rooms.iter().find(|it| it.room == room && it.membership == Membership::Removed) {
        Some(room) => session::removed(client, room, Surface::Shell).await,
        None => Failure::new(Kind::Refused, format!("the message was not sent: {reason}")),
    }
}
