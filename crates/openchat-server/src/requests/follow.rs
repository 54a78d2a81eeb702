//! Follow: from a place in a room's log on, the client gets every record it may read, exactly once and in order.

use std::sync::Arc;

use openchat_protocol::record::Position;
use openchat_protocol::room::Follow;
use openchat_protocol::{ChainHash, DeviceId, Refusal, RefusalCode};

use crate::doorbell::Doorbell;
use crate::reading::Reading;
use crate::requests::store_failed;
use crate::state::State;

pub(crate) async fn handle(
    state: &State,
    device: DeviceId,
    bell: &Arc<Doorbell>,
    request: &Follow,
) -> Result<Reading, Refusal> {
    // Rings count before the store is asked, so that nothing falls in between.
    let following = state.rooms.follow(request.room, device, bell);
    let membership =
        state.store.membership(request.room, device).await.map_err(|error| store_failed(&error))?;
    let Some(membership) = membership else {
        return Err(Refusal::new(
            RefusalCode::NotAMember,
            "only members of a room may read it: join it first",
        ));
    };
    check_chain(state, request, membership.head).await?;
    Ok(Reading::new(following, request.after.sequence, &membership))
}

/// The client's log must be the beginning of ours: after a restore from a backup, it may not be.
async fn check_chain(state: &State, request: &Follow, head: u64) -> Result<(), Refusal> {
    let Position { sequence, chain } = request.after;
    if sequence > head {
        let detail = format!(
            "the server has {head} records of this room, and this client {sequence}: its database was set back"
        );
        return Err(Refusal::new(RefusalCode::SetBack, detail));
    }
    let ours = match sequence {
        0 => Some(ChainHash::start(request.room)),
        _ => state.store.chain_at(request.room, sequence).await.map_err(|error| store_failed(&error))?,
    };
    if ours == Some(chain) {
        return Ok(());
    }
    let detail = format!("the records up to {sequence} of this client are not those of the server");
    Err(Refusal::new(RefusalCode::LogDiverged, detail))
}
