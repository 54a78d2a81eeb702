//! `openchat join`: from an invite link to an account, a profile, and the room.

use std::io::IsTerminal;

use clap::Args;
use openchat_client::Profile;
use openchat_identity::{DeviceLink, InviteLink, KeyFolder, Password};
use openchat_protocol::UserName;
use openchat_tui::Door;

use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{ask, chat, link, output, screen, serve, session, text};

/// How a newcomer's questions are answered by a script.
const NO_QUESTIONS: &str = "the same command with --name NAME --password-file FILE";

#[derive(Args)]
#[command(
    after_help = "Example:\n  openchat join 'openchat://192.0.2.7:7443/#…'      (quote the link: # begins a comment in shells)\n  \
                  openchat join - --name bob --password-file pw < link.txt"
)]
pub(crate) struct Arguments {
    /// The link of an invite, or of a device of yours; `-` takes it from standard input, where no process list shows it
    link: String,
    /// Your name on this server
    #[arg(long)]
    name: Option<UserName>,
    /// Do not chat afterwards
    #[arg(long)]
    only: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let from_input = arguments.link == "-";
    let link = if from_input { first_line()? } else { arguments.link };
    if DeviceLink::is_meant(&link) {
        return join_as_device(context, &link, (arguments.only, from_input)).await;
    }
    let link: InviteLink = link.trim().parse().map_err(|error| Failure::new(Kind::Usage, error))?;
    let is_interactive = !from_input && !arguments.only && screen::is_possible();
    if is_interactive && arguments.name.is_none() && context.password_file.is_none() {
        return screen::show(context, Door::Invited(link.to_string()), serve::Place::default(), None, None)
            .await;
    }
    let name = match arguments.name {
        Some(name) => name,
        None => ask_name()?,
    };
    let password = new_password(context)?;
    let enrolled = tokio::task::block_in_place(|| {
        openchat_client::enrol(&context.folders.profile(), &link, &name, &password)
    })?;
    tell(context, &enrolled.profile)?;
    let folder = context.folders.profile();
    let (client, events) = tokio::task::block_in_place(|| openchat_client::open(&folder, &password))?;
    if arguments.only || from_input || !std::io::stdin().is_terminal() {
        // One login leaves key packages on the server, with which others can add this device from now on.
        return session::visit(client, events, enrolled.room).await;
    }
    if is_interactive {
        let opened = Door::Opened(client, events);
        return screen::show(context, opened, serve::Place::default(), enrolled.room, None).await;
    }
    chat::talk(client, events, enrolled.room).await
}

/// Another device of the user who shows the link.
async fn join_as_device(
    context: &Context,
    link: &str,
    (only, from_input): (bool, bool),
) -> Result<(), Failure> {
    let link: DeviceLink = link.parse().map_err(|error| Failure::new(Kind::Usage, error))?;
    let password = new_password(context)?;
    let folder = context.folders.profile();
    let mut progress = link::Progress::default();
    let mut told = |step| progress.tell(step);
    let enrolled = tokio::task::block_in_place(|| {
        openchat_client::join_as_device(&folder, &link, &password, &mut told)
    })?;
    tell(context, &enrolled.profile)?;
    let (client, events) = tokio::task::block_in_place(|| openchat_client::open(&folder, &password))?;
    if only || from_input || !std::io::stdin().is_terminal() {
        return session::visit(client, events, None).await;
    }
    if screen::is_possible() {
        let opened = Door::Opened(client, events);
        return screen::show(context, opened, serve::Place::default(), None, None).await;
    }
    chat::talk(client, events, None).await
}

fn first_line() -> Result<String, Failure> {
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(_) => Ok(line),
        Err(error) => Err(Failure::new(Kind::Usage, format!("no link could be read: {error}"))),
    }
}

/// Asks for a name until it is one.
pub(crate) fn ask_name() -> Result<UserName, Failure> {
    for _ in 0..ask::ATTEMPTS {
        match ask::line("Your name on this server: ", NO_QUESTIONS)?.parse() {
            Ok(name) => return Ok(name),
            Err(error) => output::tell(error),
        }
    }
    Err(Failure::new(Kind::Usage, "no name was agreed on"))
}

/// The password that will protect keys and history of this profile; the present one where there is a key already.
pub(crate) fn new_password(context: &Context) -> Result<Password, Failure> {
    let folder = context.folders.profile();
    let key = KeyFolder::new(&folder);
    let password = match &context.password_file {
        Some(file) => ask::password_from_file(file)?,
        None if key.exists() || openchat_client::exists(&folder) => {
            output::tell(format_args!("There is a key in {} already: it will be used.", folder.display()));
            return ask::password("Its password: ");
        }
        None => {
            output::tell(
                "The password protects your key and your history on this machine; the server never sees it.",
            );
            ask::new_password(NO_QUESTIONS)?
        }
    };
    if let Some(hint) = password.hint() {
        output::tell(hint);
    }
    Ok(password)
}

/// What was made, and where.
pub(crate) fn tell(context: &Context, profile: &Profile) -> Result<(), Failure> {
    let folder = context.folders.profile();
    let name = text::styled(text::NAME, &profile.name);
    output::line(format_args!("You are {name} on {}:{}", profile.host, profile.port))?;
    let key = folder.join("private.pem");
    output::line(format_args!("  your key      {} (keep it, and its password)", key.display()))?;
    output::line(format_args!("  your history  {} (encrypted)", folder.join("vault.db").display()))?;
    output::line(format_args!("  the server    {}", profile.server))
}
