//! ListRooms: the rooms that are open to all.

use openchat_protocol::Response;

use crate::requests::{Answer, store_failed};
use crate::state::State;

pub(crate) async fn handle(state: &State) -> Answer {
    let rooms =
        state.listing.rooms(state.store.as_ref(), state.now()).await.map_err(|error| store_failed(&error))?;
    Ok(Response::Rooms(rooms))
}
