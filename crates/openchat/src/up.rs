//! `openchat up`: a server and its first person in one process, from nothing, with no file edited.

use clap::Args;
use openchat_client::{ClientHandle, Events};
use openchat_identity::Password;
use openchat_protocol::{RoomName, UserName};
use openchat_tui::Door;

use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{chat, join, screen, serve, session};

#[derive(Args)]
#[command(after_help = "Example:\n  openchat up\n  openchat up --address chat.example.org:7443 --name alice")]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: serve::Place,
    /// Your name on this server
    #[arg(long)]
    name: Option<UserName>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let is_new_here = !openchat_client::exists(&context.folders.profile());
    if screen::is_possible() && is_new_here && arguments.name.is_none() && context.password_file.is_none() {
        return screen::show_hosting(context, Door::Hosting, None, arguments.place, None).await;
    }
    // Asked before anything is made: whoever gives up at the prompt leaves nothing behind.
    let newcomer = if is_new_here { Some(newcomer(context, arguments.name)?) } else { None };
    let mut hosted = serve::host(context, &arguments.place).await?;
    let opened = match serve::keep(context, &arguments.place).and_then(|()| serve::tell(&hosted)) {
        Ok(()) => open(context, newcomer, &mut hosted).await,
        Err(failure) => Err(failure),
    };
    match opened {
        Ok((client, events, lobby)) if screen::is_possible() => {
            let opened = Door::Opened(client, events);
            screen::show_hosting(context, opened, Some(lobby), arguments.place, Some(hosted)).await
        }
        Ok((client, events, lobby)) => {
            let outcome = chat::talk(client, events, Some(lobby)).await;
            hosted.running.stop().await;
            outcome
        }
        Err(failure) => {
            hosted.running.stop().await;
            Err(failure)
        }
    }
}

fn newcomer(context: &Context, name: Option<UserName>) -> Result<(UserName, Password), Failure> {
    let name = match name {
        Some(name) => name,
        None => join::ask_name()?,
    };
    Ok((name, join::new_password(context)?))
}

/// The profile, its client connected to the server in this process, and the room to go into.
async fn open(
    context: &Context,
    newcomer: Option<(UserName, Password)>,
    hosted: &mut serve::Hosted,
) -> Result<(ClientHandle, Events, RoomName), Failure> {
    let (client, events) = match newcomer {
        None => session::open(context)?,
        Some((name, password)) => {
            let link = hosted.invite.take().ok_or_else(no_invite)?;
            let folder = context.folders.profile();
            let enrolled =
                tokio::task::block_in_place(|| openchat_client::enrol(&folder, &link, &name, &password))?;
            join::tell(context, &enrolled.profile)?;
            tokio::task::block_in_place(|| openchat_client::open(&folder, &password))?
        }
    };
    if client.profile().await?.server == hosted.fingerprint {
        client.reach_at(hosted.nearby()).await?;
        openchat_tui::remember_host(&client).await?;
    }
    session::online(&client).await?;
    let lobby = openchat_tui::make_lobby(&client).await?;
    Ok((client, events, lobby))
}

fn no_invite() -> Failure {
    Failure::new(Kind::Usage, "this server has accounts already, and this profile is none of them")
        .help("openchat invite (as one of them), then openchat join LINK")
}
