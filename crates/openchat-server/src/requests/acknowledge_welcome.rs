//! AcknowledgeWelcome: a Welcome has been used, or cannot be, and may be forgotten.

use openchat_protocol::account::AcknowledgeWelcome;
use openchat_protocol::{DeviceId, Response};

use crate::requests::{Answer, store_failed};
use crate::state::State;

pub(crate) async fn handle(state: &State, device: DeviceId, request: AcknowledgeWelcome) -> Answer {
    let change = state.store.acknowledge_welcome(device, request).await;
    state.rooms.membership_changed(request.room, &change.map_err(|error| store_failed(&error))?.ended);
    Ok(Response::Done)
}
