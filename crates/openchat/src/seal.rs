//! `openchat seal`, `open` and `room-key`: secrets for the members of a room, as Fernet tokens that any Fernet library opens.

use std::io::{IsTerminal, Read};
use std::time::Duration;

use clap::Args;
use openchat_protocol::RoomName;
use zeroize::Zeroizing;

use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{ask, output, session};

#[derive(Args)]
#[command(after_help = "Example:\n  openchat seal ops < database.env > database.env.sealed")]
pub(crate) struct SealArguments {
    /// The room whose members can open it
    room: RoomName,
}

#[derive(Args)]
#[command(after_help = "Example:\n  openchat open ops < database.env.sealed > database.env")]
pub(crate) struct OpenArguments {
    /// The room it was sealed for
    room: RoomName,
    /// Refuse what was sealed more than this many seconds ago
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
}

#[derive(Args)]
#[command(
    after_help = "Example:\n  openchat room-key ops --yes\n\nPrints the key's id and the key. A sealed line is `ID.TOKEN`; any Fernet library opens TOKEN with the key."
)]
pub(crate) struct KeyArguments {
    /// Which room
    room: RoomName,
    /// Answer the question in advance
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn seal(context: &Context, arguments: SealArguments) -> Result<(), Failure> {
    let plaintext = input()?;
    let (client, _) = session::open_caught_up(context).await?;
    let sealed = async {
        let room = client.room(&arguments.room).await?;
        client.seal(room.room, plaintext).await
    };
    let sealed = sealed.await;
    client.stop().await;
    output::line(sealed?)?;
    Ok(())
}

pub(crate) async fn open(context: &Context, arguments: OpenArguments) -> Result<(), Failure> {
    let token = input()?;
    let token = String::from_utf8_lossy(&token).trim().to_owned();
    let (client, _) = session::open(context)?;
    let opened = async {
        let room = client.room(&arguments.room).await?;
        client.open_sealed(room.room, token, arguments.ttl.map(Duration::from_secs)).await
    };
    let opened = opened.await;
    client.stop().await;
    output::bytes(&opened?)
}

pub(crate) async fn key(context: &Context, arguments: KeyArguments) -> Result<(), Failure> {
    let (client, _) = session::open_caught_up(context).await?;
    let key = async {
        let room = client.room(&arguments.room).await?;
        client.room_key(room.room).await
    };
    let key = key.await;
    client.stop().await;
    let key = key?;
    if !arguments.yes {
        let room = &arguments.room;
        output::tell(format_args!(
            "Whoever has this key opens all that is sealed for #{room} in this epoch."
        ));
        if !std::io::stdin().is_terminal() {
            let what = "the key is printed only after a yes, and there is no terminal to ask at";
            return Err(Failure::new(Kind::Usage, what).help("openchat room-key ROOM --yes"));
        }
        if ask::line("Print it? Type yes: ", "openchat room-key ROOM --yes")? != "yes" {
            return Err(Failure::new(Kind::Usage, "the key was not printed, as you chose"));
        }
    }
    output::line(format_args!("{} {}", key.key_id(), key.to_base64().as_str()))?;
    Ok(())
}

fn input() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    match std::io::stdin().read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::new(Kind::Usage, format!("standard input cannot be read: {error}"))),
    }
}
