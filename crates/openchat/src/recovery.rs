//! `openchat recovery`: a kit for the day on which the machine is gone.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use openchat_client::{ClientHandle, Events, InviteLink, Membership, RecoveryCode, Restored};
use openchat_protocol::reset::{ResetPhase, ResetState};
use openchat_protocol::{Address, RoomName};
use openchat_tui::phrases;
use zeroize::Zeroizing;

use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{ask, join, output, session, text};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write the kit to a new file, and show the twelve words that open it
    #[command(after_help = "Example:\n  openchat recovery make alice.kit\n\n\
                            Write the words on paper. Keep the file anywhere: without the words it is of no use to anybody.")]
    Make(Make),
    /// Make this profile of a kit and its words, with a device of its own
    #[command(after_help = "Example:\n  openchat recovery restore alice.kit\n  \
                            openchat recovery restore alice.kit --address chat.example.org:7443")]
    Restore(Restore),
    /// Without a kit and without another device: ask for the name of the lost account with a new key, or take it
    #[command(after_help = "Example:\n  openchat recovery reset 'LINK'\n\n\
                            The host makes the link: openchat admin reset NAME. The name moves after 72 hours, if nobody \
                            objects; the same command says how far that is, and takes the name.")]
    Reset(Reset),
    /// Object to a new key for your name, on a device that you have: the host decides then
    #[command(after_help = "Example:\n  openchat recovery veto")]
    Veto,
}

#[derive(Args)]
pub(crate) struct Reset {
    /// The link that the host has given you; asked for when it is left out
    link: Option<String>,
}

#[derive(Args)]
pub(crate) struct Make {
    /// The new file
    file: PathBuf,
}

#[derive(Args)]
pub(crate) struct Restore {
    /// The kit
    file: PathBuf,
    /// Where the server is now [default: where it was]
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<Address>,
    /// Take the words from this file instead of asking
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Make(arguments) => tokio::task::block_in_place(|| make(context, &arguments.file)),
        Command::Restore(arguments) => restore(context, arguments).await,
        Command::Reset(arguments) => reset(context, arguments).await,
        Command::Veto => veto(context).await,
    }
}

fn make(context: &Context, file: &Path) -> Result<(), Failure> {
    let folder = context.folders.profile();
    if !openchat_client::exists(&folder) {
        let what = format!("there is no profile `{}`", context.folders.profile_name());
        return Err(Failure::new(Kind::NotFound, what).help("openchat join LINK"));
    }
    let (code, kit) =
        ask::until_right(context, "Password: ", |password| openchat_client::make_kit(&folder, password))?;
    write_new(file, &kit)?;
    output::tell(format_args!(
        "The kit is in {}. Write these words on paper, in this order:",
        file.display()
    ));
    output::line(code.words().as_str())?;
    output::tell("The words are shown this once. They and the file, together, are you: keep them apart.");
    output::tell(
        "Make a new kit when you are in new private rooms; this one leads back into those of today.",
    );
    Ok(())
}

fn write_new(path: &Path, content: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| {
        let whole = file.write_all(content.as_bytes()).and_then(|()| file.sync_all());
        // Half a kit is none, and would be in the way of the next one.
        whole.inspect_err(|_| drop(std::fs::remove_file(path)))
    });
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::new(Kind::Usage, format!("{} exists already and is not overwritten", path.display()))
        }
        _ => Failure::new(Kind::Storage, format!("cannot write {}: {error}", path.display())),
    })
}

async fn restore(context: &Context, arguments: Restore) -> Result<(), Failure> {
    let kit = read(&arguments.file)?;
    let code = code(arguments.words.as_deref())?;
    let password = join::new_password(context)?;
    let folder = context.folders.profile();
    let restored = tokio::task::block_in_place(|| {
        openchat_client::restore(&folder, &kit, &code, arguments.address.as_ref(), &password)
    })?;
    drop(code);
    join::tell(context, &restored.profile)?;
    let (client, mut events) = tokio::task::block_in_place(|| openchat_client::open(&folder, &password))?;
    let outcome = come_back(&client, &mut events, &restored).await;
    client.stop().await;
    outcome
}

async fn reset(context: &Context, arguments: Reset) -> Result<(), Failure> {
    let text = match arguments.link {
        Some(link) => link,
        None => ask::line("The link: ", "openchat recovery reset LINK")?,
    };
    let link: InviteLink = text.parse().map_err(|error| Failure::new(Kind::Usage, error))?;
    let password = join::new_password(context)?;
    let folder = context.folders.profile();
    match tokio::task::block_in_place(|| openchat_client::reset(&folder, &link, &password))? {
        openchat_client::Reset::Waits(state) => tell_state(&state),
        openchat_client::Reset::Done(profile) => {
            join::tell(context, &profile)?;
            let (client, mut events) =
                tokio::task::block_in_place(|| openchat_client::open(&folder, &password))?;
            let outcome = session::caught_up(&client, &mut events).await;
            client.stop().await;
            outcome?;
            output::line(
                "You begin anew: others see that the key of this name is another one. Join your rooms again, and have \
                 private ones add you.",
            )
        }
    }
}

fn tell_state(state: &ResetState) -> Result<(), Failure> {
    let (name, until) = (&state.name, text::day_and_clock(state.until));
    output::line(match state.phase {
        ResetPhase::Waiting => format!("The name {name} waits until {until}; nobody has objected"),
        ResetPhase::Objected => {
            format!(
                "A device of {name} has objected: the host decides. Talk to the host over another channel"
            )
        }
        ResetPhase::Approved => {
            format!("The host has decided that you get the name {name}; it waits until {until}")
        }
        ResetPhase::Denied => format!("The host has decided that you do not get the name {name}"),
        ResetPhase::Due => format!("The name {name} can be taken"),
    })?;
    if matches!(state.phase, ResetPhase::Waiting | ResetPhase::Approved) {
        output::line(
            "The same command, with the same password, takes it then. Your new key is in your profile's folder.",
        )?;
    }
    Ok(())
}

async fn veto(context: &Context) -> Result<(), Failure> {
    let (client, events) = session::open_caught_up(context).await?;
    let outcome = client.object_to_reset().await;
    drop(events);
    client.stop().await;
    outcome?;
    output::line(phrases::OBJECTED)
}

fn read(file: &Path) -> Result<Zeroizing<String>, Failure> {
    std::fs::read_to_string(file)
        .map(Zeroizing::new)
        .map_err(|error| Failure::new(Kind::NotFound, format!("cannot read {}: {error}", file.display())))
}

fn code(words: Option<&Path>) -> Result<RecoveryCode, Failure> {
    if let Some(file) = words {
        return read(file)?.parse().map_err(|error| Failure::new(Kind::Usage, error));
    }
    for _ in 0..ask::ATTEMPTS {
        match Zeroizing::new(ask::line("The twelve words: ", "the same command with --words FILE")?).parse() {
            Ok(code) => return Ok(code),
            Err(error) => output::tell(error),
        }
    }
    Err(Failure::new(Kind::Usage, "these were no words of a recovery code"))
}

/// Goes back into the rooms of the kit, as far as their doors are open.
async fn come_back(client: &ClientHandle, events: &mut Events, restored: &Restored) -> Result<(), Failure> {
    session::caught_up(client, events).await?;
    session::settled(client, events).await;
    let rooms = client.rooms().await?;
    let is = |name: &RoomName, membership| {
        rooms.iter().any(|room| room.name == *name && room.membership == membership)
    };
    for name in &restored.rooms {
        let how = match () {
            () if is(name, Membership::Member) => {
                "you are in it again; what was said before is on the old machine"
            }
            () if is(name, Membership::Joining) => "you are in it as soon as a member is there",
            () => "the way back is closed; an administrator there removes you and adds you again",
        };
        output::line(format_args!("  {}  {how}", text::room(name)))?;
    }
    output::line(
        "Rooms that are open to all: openchat rooms. Devices of before stay yours: if one is in other hands, tell the host.",
    )
}
