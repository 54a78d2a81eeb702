//! GiveBackLeaves: the end of the log of keys under a head that this server has signed. Its signature proves that it had
//! them, whoever gives them.

use openchat_protocol::give_back::GiveBackLeaves;
use openchat_protocol::{Refusal, RefusalCode, Response};
use openchat_store::lost::{LostLeaves, TakeLeavesError};
use openchat_transparency::Leaf;

use crate::requests::{Answer, Asker, malformed, store_failed};
use crate::state::State;

pub(crate) async fn handle(state: &State, asker: Asker, request: GiveBackLeaves) -> Answer {
    if asker.device.is_none() {
        state.rates.log_pages.check(&asker.network)?;
    }
    let head = state.key_log.open(&request.note).map_err(|error| malformed(error.to_string()))?;
    let leaves = Leaf::read_tail(&request.leaves).map_err(|error| malformed(error.to_string()))?;
    let known = state.store.log_state().await.map_err(|error| store_failed(&error))?;
    if head.size > known.size && state.takes_back().is_none() {
        return Err(state.notice_set_back(known.size, head.size));
    }
    let lost = LostLeaves { size: head.size, root: head.root, leaves };
    state.store.take_back_leaves(lost).await.map_err(|error| refusal(&error))?;
    Ok(Response::Done)
}

fn refusal(error: &TakeLeavesError) -> Refusal {
    let code = match error {
        TakeLeavesError::Gap { .. } => RefusalCode::LogRange,
        TakeLeavesError::Diverged => RefusalCode::LogDiverged,
        TakeLeavesError::Store(error) => return store_failed(error),
    };
    Refusal::new(code, error.to_string())
}
