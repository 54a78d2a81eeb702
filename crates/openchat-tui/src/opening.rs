//! From a newcomer or a profile on disk to a client that runs.

use std::path::Path;
use std::time::Duration;

use openchat_client::{Access, ClientError, ClientHandle, ErrorKind, Events, InviteLink, RoomSuite};
use openchat_protocol::RoomName;

use crate::effect::{History, Newcomer, Opened};

/// Where the vault keeps the screen's own things.
const KEPT: &[&str] = &["draft:", "screen:", "notify:"];

/// Of a profile that hosts its server.
const HOSTS: &str = "screen:hosts";
/// The room that everybody finds at first.
const LOBBY: &str = "lobby";
/// How long the server may take over it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The lobby of the server: made if the server lists none. Whoever comes second joins it.
///
/// # Errors
///
/// [`ErrorKind::Network`] when the server takes longer than 20 seconds; what the client says otherwise.
pub async fn make_lobby(client: &ClientHandle) -> Result<RoomName, ClientError> {
    within(PATIENCE, async {
        let name: RoomName =
            LOBBY.parse().map_err(|_| ClientError::new(ErrorKind::Internal, "the lobby has no name"))?;
        client.online().await?;
        if !client.list_rooms().await?.iter().any(|room| room.name == name) {
            client.create_room(name.clone(), Access::Listed, RoomSuite::default()).await?;
        }
        Ok(name)
    })
    .await
}

async fn within<T>(
    patience: Duration,
    made: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(patience, made).await.unwrap_or_else(|_| {
        let what = format!("the server has not answered for {} seconds: no lobby yet", patience.as_secs());
        Err(ClientError::new(ErrorKind::Network, what)
            .with_help("/join lobby, or /create lobby, when it does"))
    })
}

/// Remembers that this profile hosts its server: the screen starts it with itself from now on.
pub async fn remember_host(client: &ClientHandle) -> Result<(), ClientError> {
    client.remember(HOSTS, Some(Vec::new())).await
}

pub(crate) async fn is_host(client: &ClientHandle) -> Result<bool, ClientError> {
    client.recall(HOSTS).await.map(|kept| kept.is_some())
}

/// Makes an account, then opens its profile. Blocks for a second or two. Also gives the room that the link leads into.
pub(crate) fn enrol(
    folder: &Path,
    newcomer: &Newcomer,
    link: &InviteLink,
) -> Result<(ClientHandle, Events, Option<RoomName>), ClientError> {
    let enrolled = openchat_client::enrol(folder, link, &newcomer.name, &newcomer.password)?;
    let (handle, events) = openchat_client::open(folder, &newcomer.password)?;
    Ok((handle, events, enrolled.room))
}

/// What a profile holds for the screen, from its disk alone.
pub(crate) async fn opened(
    handle: &ClientHandle,
    first: Option<RoomName>,
    made: Vec<String>,
    is_linked: bool,
) -> Result<Opened, ClientError> {
    let mut kept = Vec::new();
    for prefix in KEPT {
        kept.extend(handle.recall_all(prefix).await?);
    }
    let history = match handle.lacks_history().await? {
        _ if is_linked => History::Waits,
        true => History::BrokeOff,
        false => History::Whole,
    };
    Ok(Opened { profile: handle.profile().await?, rooms: handle.rooms().await?, kept, first, made, history })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_says_nothing_is_not_waited_for_without_end() {
        let never = std::future::pending::<Result<(), ClientError>>();
        let error = within(Duration::ZERO, never).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network);
        assert!(error.help().is_some_and(|help| help.contains("/create lobby")), "{error:?}");
    }
}
