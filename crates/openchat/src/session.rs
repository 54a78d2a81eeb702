//! Opening a profile for one command: password, vault, connection, room by name.

use std::time::Duration;

use openchat_client::{ClientHandle, ConnectionState, Event, Events, Membership, RoomOverview};
use openchat_protocol::RoomName;

use crate::Context;
use crate::ask;
use crate::failure::{Failure, Kind};

/// How long a one-shot command waits for the server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Opens the profile; it connects by itself.
pub(crate) fn open(context: &Context) -> Result<(ClientHandle, Events), Failure> {
    let folder = context.folders.profile();
    if !openchat_client::exists(&folder) {
        let what =
            format!("there is no profile `{}` in {}", context.folders.profile_name(), folder.display());
        return Err(Failure::new(Kind::NotFound, what).help("openchat up (to host) or openchat join LINK"));
    }
    // Argon2 takes a while and the vault blocks: neither belongs on a runtime's worker.
    tokio::task::block_in_place(|| {
        ask::until_right(context, "Password: ", |password| openchat_client::open(&folder, password))
    })
}

/// Opens the profile and waits until everything that was said in the meantime is here.
pub(crate) async fn open_caught_up(context: &Context) -> Result<(ClientHandle, Events), Failure> {
    let (client, mut events) = open(context)?;
    match tokio::time::timeout(PATIENCE, caught_up(&mut events)).await {
        Ok(Ok(())) => Ok((client, events)),
        Ok(Err(failure)) => {
            client.stop().await;
            Err(failure)
        }
        Err(_) => {
            let why = why_offline(&client);
            client.stop().await;
            Err(why)
        }
    }
}

/// Waits until all that was said in the meantime is here.
pub(crate) async fn caught_up(events: &mut Events) -> Result<(), Failure> {
    while let Some(event) = events.next().await {
        match event {
            Event::CaughtUp => return Ok(()),
            Event::Connection(ConnectionState::Ended(why)) => return Err(why.into()),
            _ => {}
        }
    }
    Err(Failure::new(Kind::Internal, "the client ended by itself"))
}

/// Logs in, waits until everything is here, and ends.
pub(crate) async fn visit(client: ClientHandle, mut events: Events) -> Result<(), Failure> {
    let outcome = tokio::time::timeout(PATIENCE, caught_up(&mut events)).await;
    let outcome = outcome.unwrap_or_else(|_| Err(why_offline(&client)));
    client.stop().await;
    outcome
}

/// Why there is no connection at this moment.
pub(crate) fn why_offline(client: &ClientHandle) -> Failure {
    match client.connection() {
        ConnectionState::Offline { why, .. } | ConnectionState::Ended(why) => why.into(),
        _ => Failure::new(Kind::Network, "the server did not answer in time"),
    }
}

/// The room with this name that the profile is in; joined first if the server lists it.
pub(crate) async fn room(client: &ClientHandle, name: &RoomName) -> Result<RoomOverview, Failure> {
    match client.room(name).await {
        Ok(room) if room.membership == Membership::Member => Ok(room),
        _ => {
            client.join_room(name.clone()).await?;
            Ok(client.room(name).await?)
        }
    }
}
