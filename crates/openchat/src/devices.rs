//! `openchat devices`: the devices of this user, and how one of them is put out.

use std::time::Duration;

use clap::{Args, Subcommand};
use openchat_client::{ClientError, ClientHandle, Membership};
use tokio::time::timeout;

use crate::Context;
use crate::failure::Failure;
use crate::{output, session};

#[derive(Args)]
#[command(after_help = "Example:\n  openchat devices\n  openchat devices revoke 4zq7")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Put a device out: it gets nothing more, and cannot log in
    #[command(after_help = "Example:\n  openchat devices revoke 4zq7")]
    Revoke {
        /// The beginning of its identifier
        id: String,
    },
}

/// How long rooms are waited for.
const ROOMS: Duration = Duration::from_secs(30);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let (client, events) = session::open_caught_up(context).await?;
    let outcome = match arguments.command {
        None => client.devices().await.map_err(Failure::from).and_then(|devices| {
            devices.iter().try_for_each(|device| output::line(openchat_tui::phrases::device(device)))
        }),
        Some(Command::Revoke { id }) => match client.revoke_device(id.clone()).await {
            Ok(()) => told(&client, &id).await,
            Err(error) => Err(error.into()),
        },
    };
    drop(events);
    client.stop().await;
    outcome
}

/// Waits until no room has a device that is not in the list.
async fn told(client: &ClientHandle, id: &str) -> Result<(), Failure> {
    output::line("It cannot log in any more.")?;
    let out = async {
        while !is_out(client, id).await.unwrap_or(false) {
            tokio::time::sleep(LOOK).await;
        }
    };
    match timeout(ROOMS, out).await {
        Ok(()) => output::line("It is out of all your rooms."),
        Err(_) => output::line(
            "It is still in the keys of some rooms, where nothing is said to it; that goes on by itself.",
        ),
    }
}

async fn is_out(client: &ClientHandle, id: &str) -> Result<bool, ClientError> {
    let listed: Vec<_> = client.devices().await?.iter().map(|device| device.did).collect();
    if listed.iter().any(|did| did.to_string().starts_with(&id.to_ascii_lowercase())) {
        // The new list is yet to be proven.
        return Ok(false);
    }
    for room in client.rooms().await?.iter().filter(|room| room.membership == Membership::Member) {
        let members = client.members(room.room).await?;
        let own = members.iter().filter(|member| member.is_me).flat_map(|member| &member.devices);
        if own.into_iter().any(|device| !listed.contains(&device.did)) {
            return Ok(false);
        }
    }
    Ok(true)
}
