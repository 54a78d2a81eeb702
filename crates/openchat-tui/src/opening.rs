//! From a newcomer or a profile on disk to a client that runs.

use std::path::Path;

use openchat_client::{Access, ClientError, ClientHandle, Events, InviteLink, RoomSuite};
use openchat_protocol::RoomName;

use crate::effect::{Newcomer, Opened};

/// Where the vault keeps the screen's own things.
const KEPT: &[&str] = &["draft:", "screen:", "notify:"];

/// The room that everybody finds at first. Without it the start menu does.
pub(crate) async fn make_lobby(client: &ClientHandle) {
    let Ok(name) = "lobby".parse::<RoomName>() else { return };
    let made = async {
        client.online().await?;
        client.create_room(name, Access::Listed, RoomSuite::default()).await
    };
    if let Err(error) = made.await {
        tracing::debug!(%error, "no lobby was made");
    }
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
) -> Result<Opened, ClientError> {
    let mut kept = Vec::new();
    for prefix in KEPT {
        kept.extend(handle.recall_all(prefix).await?);
    }
    Ok(Opened { profile: handle.profile().await?, rooms: handle.rooms().await?, kept, first, made })
}
