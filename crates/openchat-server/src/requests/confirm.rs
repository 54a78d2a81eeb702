//! Confirm: a member's vote on a commit, by which the server's mirror follows removals.

use openchat_protocol::room::Confirm;
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Response};
use openchat_store::room::ConfirmError;

use crate::requests::{Answer, store_failed};
use crate::state::State;

pub(crate) async fn handle(state: &State, device: DeviceId, request: Confirm) -> Answer {
    let change = state.store.confirm(request, device).await.map_err(|error| refusal(&error))?;
    state.announce_change(request.room, &change);
    Ok(Response::Done)
}

fn refusal(error: &ConfirmError) -> Refusal {
    match error {
        ConfirmError::NotAMember => Refusal::new(RefusalCode::NotAMember, error.to_string()),
        ConfirmError::Store(error) => store_failed(error),
    }
}
