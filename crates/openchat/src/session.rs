//! Opening a profile for one command: password, vault, connection, room by name.

use std::time::Duration;

use openchat_client::{
    ClientError, ClientHandle, ConnectionState, Entry, ErrorKind, Event, Events, Membership, RoomOverview,
    Span,
};
use openchat_protocol::RoomName;
use tokio::time::timeout;

use crate::Context;
use crate::advice::{self, Surface};
use crate::ask;
use crate::failure::{Failure, Kind};
use crate::{output, text};

/// A server that refuses connections may be starting this very moment: so long a one-shot command tries again.
const MOMENT: Duration = Duration::from_secs(1);
/// How long a server may take to its first word.
const SILENCE: Duration = Duration::from_secs(9);
/// How long a server with which we are connected may say nothing.
const PATIENCE: Duration = Duration::from_secs(20);
/// In the newest so many lines it stands who removed this profile.
const LAST_LINES: u32 = 16;

/// Opens the profile; it connects by itself.
pub(crate) fn open(context: &Context) -> Result<(ClientHandle, Events), Failure> {
    let folder = context.folders.profile();
    let name = context.folders.profile_name();
    if !openchat_client::exists(&folder) {
        let what = format!("there is no profile `{name}` in {}", folder.display());
        return Err(Failure::new(Kind::NotFound, what).help("openchat up (to host) or openchat join LINK"));
    }
    // Argon2 takes a while and the vault blocks: neither belongs on a runtime's worker.
    tokio::task::block_in_place(|| {
        ask::until_right(context, "Password: ", |password| {
            openchat_client::open(&folder, password).map_err(|error| match error.kind() {
                ErrorKind::WrongPassword => wrong_password(name, &folder),
                _ => error.into(),
            })
        })
    })
}

/// What is lost without the password, and what is not.
fn wrong_password(profile: &str, folder: &std::path::Path) -> Failure {
    let what = format!("this is not the password of the profile `{profile}` ({})", folder.display());
    Failure::new(Kind::WrongPassword, what).help(
        "try again: nobody can reset it. Without it the key and the history on this machine stay closed; others \
         keep theirs. To talk again, ask for a new link and take another name: \
         openchat --profile OTHER join LINK",
    )
}

/// Opens the profile and logs in.
pub(crate) async fn open_online(context: &Context) -> Result<(ClientHandle, Events), Failure> {
    let (client, events) = open(context)?;
    let outcome = online(&client).await;
    or_stop(client, outcome).await.map(|client| (client, events))
}

/// Opens the profile and waits until everything that was said in the meantime is here.
pub(crate) async fn open_caught_up(context: &Context) -> Result<(ClientHandle, Events), Failure> {
    let (client, mut events) = open(context)?;
    let outcome = caught_up(&client, &mut events).await;
    or_stop(client, outcome).await.map(|client| (client, events))
}

async fn or_stop(client: ClientHandle, outcome: Result<(), Failure>) -> Result<ClientHandle, Failure> {
    match outcome {
        Ok(()) => Ok(client),
        Err(failure) => {
            client.stop().await;
            Err(failure)
        }
    }
}

/// Waits until the client is logged in; not for a server that is not there.
pub(crate) async fn online(client: &ClientHandle) -> Result<(), Failure> {
    if let Ok(outcome) = timeout(MOMENT, client.online()).await {
        return outcome.map_err(Into::into);
    }
    match timeout(SILENCE, client.tried()).await {
        Ok(ConnectionState::Online) => Ok(()),
        Ok(ConnectionState::Offline { why, .. } | ConnectionState::Ended(why)) => Err(why.into()),
        Ok(ConnectionState::Connecting) | Err(_) => Err(silent()),
    }
}

/// Waits until all that was said in the meantime is here, for as long as something comes.
pub(crate) async fn caught_up(client: &ClientHandle, events: &mut Events) -> Result<(), Failure> {
    loop {
        match next(client, events).await? {
            Event::CaughtUp => return Ok(()),
            // Whatever the command is; on standard error, so that the output of scripts stays as it is.
            Event::Alarm(alarm) => {
                output::tell(text::styled(text::WARNING, format_args!("!! {}", text::alarm(&alarm))));
            }
            Event::Connection(ConnectionState::Ended(why)) => return Err(why.into()),
            _ => {}
        }
    }
}

/// The next event of a client that is connected.
pub(crate) async fn next(client: &ClientHandle, events: &mut Events) -> Result<Event, Failure> {
    online(client).await?;
    match timeout(PATIENCE, events.next()).await {
        Ok(Some(event)) => Ok(event),
        Ok(None) => Err(Failure::new(Kind::Internal, "the client ended by itself")),
        Err(_) => Err(silent()),
    }
}

fn silent() -> Failure {
    Failure::new(Kind::Network, "the server does not answer")
        .help("try again later; ask the host of the server")
}

/// How long a command that has done its own work waits for what else is on its way.
const PARTING: Duration = Duration::from_secs(3);

/// Waits until what was kept for the server is with it. What cannot go now, goes another time.
pub(crate) async fn sent(client: &ClientHandle, events: &mut Events) {
    let all = async {
        while client.unsent().await.is_ok_and(|unsent| unsent > 0) && events.next().await.is_some() {}
    };
    // Too long for one command is not too long for the next one.
    let _ = timeout(PARTING, all).await;
}

/// Waits until this device is in the rooms that it is on its way into, or there is no way in; not for ever.
pub(crate) async fn settled(client: &ClientHandle, events: &mut Events) {
    let all = async {
        while client
            .rooms()
            .await
            .is_ok_and(|rooms| rooms.iter().any(|room| room.membership == Membership::Joining))
            && events.next().await.is_some()
        {}
    };
    // It goes on with the next command.
    let _ = timeout(PATIENCE, all).await;
}

/// Logs in, waits until everything is here, goes into the room of an invite, and ends.
pub(crate) async fn visit(
    client: ClientHandle,
    mut events: Events,
    invited_to: Option<RoomName>,
) -> Result<(), Failure> {
    let mut outcome = caught_up(&client, &mut events).await;
    if let (Ok(()), Some(name)) = (&outcome, &invited_to) {
        outcome = room(&client, name, Surface::Shell).await.map(drop);
    }
    sent(&client, &mut events).await;
    client.stop().await;
    outcome
}

/// Why there is no connection at this moment; nothing when there is one.
pub(crate) fn why_offline(client: &ClientHandle) -> Option<Failure> {
    match client.connection() {
        ConnectionState::Offline { why, .. } | ConnectionState::Ended(why) => Some(why.into()),
        ConnectionState::Connecting => Some(silent()),
        ConnectionState::Online => None,
    }
}

/// The room of this name that the profile is in, from what is on disk.
pub(crate) async fn joined(client: &ClientHandle, name: &RoomName) -> Option<RoomOverview> {
    client.room(name).await.ok().filter(|room| room.membership == Membership::Member)
}

/// The room with this name that the profile is in; joined first if the server lists it. A one-shot command does not
/// go back to where somebody was put out: that is for people to decide.
pub(crate) async fn room(
    client: &ClientHandle,
    name: &RoomName,
    surface: Surface,
) -> Result<RoomOverview, Failure> {
    if let Ok(room) = client.room(name).await {
        match room.membership {
            Membership::Member => return Ok(room),
            Membership::Removed if surface == Surface::Shell || !room.listed => {
                return Err(removed(client, &room, surface).await);
            }
            Membership::Left if !room.listed => {
                let what = format!("you left #{name}, which is private");
                return Err(Failure::new(Kind::Refused, what).help(Surface::ask_a_member()));
            }
            _ => {}
        }
    }
    match client.join_room(name.clone()).await {
        Ok(_) => Ok(client.room(name).await?),
        Err(error) => Err(not_joined(client, error, name, surface).await),
    }
}

async fn not_joined(client: &ClientHandle, error: ClientError, name: &RoomName, surface: Surface) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => unknown(client, name, surface).await,
        _ => error.into(),
    }
}

/// There is no such room to be seen.
pub(crate) async fn unknown(client: &ClientHandle, name: &RoomName, surface: Surface) -> Failure {
    let listed = client.list_rooms().await.unwrap_or_default();
    let mine = client.rooms().await.unwrap_or_default();
    let mine = mine.into_iter().filter(|room| room.membership == Membership::Member);
    let known: Vec<_> = listed.into_iter().map(|room| room.name).chain(mine.map(|room| room.name)).collect();
    Failure::new(Kind::NotFound, format!("there is no room #{name} that you are in or that the server lists"))
        .help(advice::another_room(name, &known, surface))
}

/// Somebody put this profile out of the room.
pub(crate) async fn removed(client: &ClientHandle, room: &RoomOverview, surface: Surface) -> Failure {
    let what = match remover(client, room).await {
        Some(by) => format!("you were removed from #{} by {by}", room.name),
        None => format!("you are no longer in #{}", room.name),
    };
    Failure::new(Kind::Refused, what).help(match room.listed {
        true => format!("ask them; it is open to all, so you can come back: {}", surface.join(&room.name)),
        false => Surface::ask_a_member().to_owned(),
    })
}

async fn remover(client: &ClientHandle, room: &RoomOverview) -> Option<String> {
    let me = client.profile().await.ok()?.device.uid;
    let lines = client.history(room.room, Span::Newest, LAST_LINES).await.ok()?;
    lines.into_iter().rev().find_map(|line| match line.entry {
        Entry::Removed { who } if who.uid == me => Some(line.author.to_string()),
        _ => None,
    })
}
