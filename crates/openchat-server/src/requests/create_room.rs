//! CreateRoom: a room with its creator as the only member.

use openchat_protocol::room::CreateRoom;
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Response};
use openchat_store::room::CreateRoomError;

use crate::requests::append::check_group;
use crate::requests::{Answer, store_failed};
use crate::state::State;

pub(crate) async fn handle(state: &State, device: DeviceId, request: CreateRoom) -> Answer {
    check_group(&request.group)?;
    state.rates.rooms.check(&device.uid)?;
    state.store.create_room(request, device, state.now()).await.map_err(|error| refusal(&error))?;
    state.listing.forget();
    Ok(Response::Done)
}

fn refusal(error: &CreateRoomError) -> Refusal {
    let code = match error {
        CreateRoomError::IdTaken | CreateRoomError::NameTaken => RefusalCode::RoomTaken,
        CreateRoomError::TooManyRooms => RefusalCode::Quota,
        CreateRoomError::DeviceUnknown => RefusalCode::DeviceRevoked,
        CreateRoomError::Store(error) => return store_failed(error),
    };
    Refusal::new(code, error.to_string())
}
