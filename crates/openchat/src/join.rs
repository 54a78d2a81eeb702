//! `openchat join`: from an invite link to an account, a profile, and the room.

use std::io::IsTerminal;

use clap::Args;
use openchat_client::{Enrolled, Linked, Profile};
use openchat_identity::{DeviceLink, InviteLink, KeyFolder, Password};
use openchat_protocol::UserName;
use openchat_tui::Door;

use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{ask, chat, link, output, screen, session, text};

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
    let stays = !arguments.only && !from_input;
    if DeviceLink::is_meant(&link) {
        return join_as_device(context, &link, stays).await;
    }
    let link: InviteLink = link.trim().parse().map_err(|error| Failure::new(Kind::Usage, error))?;
    let is_asked = arguments.name.is_none() && context.password_file.is_none();
    if stays && is_asked && screen::is_possible() {
        return screen::show(context, Door::Invited(link.to_string()), None).await;
    }
    let name = match arguments.name {
        Some(name) => name,
        None => ask_name()?,
    };
    let password = new_password(context)?;
    let enrolled = tokio::task::block_in_place(|| {
        openchat_client::enrol(&context.folders.profile(), &link, &name, &password)
    })?;
    go_in(context, enrolled, &password, stays).await
}

/// Into the new profile; to look around once where nobody `stays`.
async fn go_in(
    context: &Context,
    enrolled: Enrolled,
    password: &Password,
    stays: bool,
) -> Result<(), Failure> {
    tell(context, &enrolled.profile)?;
    let folder = context.folders.profile();
    let (client, events) = tokio::task::block_in_place(|| openchat_client::open(&folder, password))?;
    if !stays || !std::io::stdin().is_terminal() {
        // One login leaves key packages on the server, with which others can add this device from now on.
        return session::visit(client, events, enrolled.room).await;
    }
    if screen::is_possible() {
        return screen::show(context, Door::Opened(client, events), enrolled.room).await;
    }
    chat::talk(client, events, enrolled.room).await
}

/// Another device of the user who shows the link. The history comes while it is in use, or before it ends where nobody
/// stays.
async fn join_as_device(context: &Context, link: &str, stays: bool) -> Result<(), Failure> {
    let device: DeviceLink = link.parse().map_err(|error| Failure::new(Kind::Usage, error))?;
    let folder = context.folders.profile();
    let is_new = !openchat_client::exists(&folder);
    if stays && is_new && context.password_file.is_none() && screen::is_possible() {
        return screen::show(context, Door::Invited(link.trim().to_owned()), None).await;
    }
    let password = new_password(context)?;
    let Linked { profile, history } =
        tokio::task::block_in_place(|| openchat_client::join_as_device(&folder, &device, &password))?;
    tell(context, &profile)?;
    let (client, events) = tokio::task::block_in_place(|| openchat_client::open(&folder, &password))?;
    if !stays || !std::io::stdin().is_terminal() {
        let mut progress = link::Progress::default();
        let outcome = match history {
            Some(history) => history.run(&client, |step| progress.tell(step)).await,
            None => Ok(()),
        };
        // What had happened before it was heard of is on disk.
        let visited = session::visit(client, events, None).await;
        return outcome.map_err(Failure::from).and(visited);
    }
    match history {
        Some(history) if screen::is_possible() => {
            screen::show(context, Door::Linked(client, events, history), None).await
        }
        None if screen::is_possible() => screen::show(context, Door::Opened(client, events), None).await,
        history => chat::talk_and_take(client, events, None, history).await,
    }
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
    if context.password_file.is_none() {
        if key.exists() || openchat_client::exists(&folder) {
            output::tell(format_args!("There is a key in {} already: it will be used.", folder.display()));
            return ask::password("Its password: ");
        }
        output::tell(
            "The password protects your key and your history on this machine; the server never sees it.",
        );
    }
    ask::new_password(context, NO_QUESTIONS)
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
