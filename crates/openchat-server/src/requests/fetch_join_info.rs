//! FetchJoinInfo: what a device needs to join a room by itself.

use openchat_protocol::room::RoomSelector;
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Response};

use crate::requests::{Answer, store_failed};
use crate::state::State;

pub(crate) async fn handle(state: &State, device: DeviceId, selector: RoomSelector) -> Answer {
    let info = state.store.join_info(&selector, device).await.map_err(|error| store_failed(&error))?;
    info.map(Response::JoinInfo).ok_or_else(|| {
        Refusal::new(RefusalCode::RoomUnknown, "there is no such room here: list the rooms, or create it")
    })
}
