//! CompareHeads: what the log of keys was at an earlier size, and the proof of it.

use openchat_protocol::key_log::{CompareHeads, Compared};
use openchat_protocol::{Refusal, RefusalCode, Response};

use crate::requests::{Answer, store_failed};
use crate::state::State;

pub(crate) async fn handle(state: &State, request: CompareHeads) -> Answer {
    let compared = state.store.log_compare(request.old, request.new).await;
    let compared = compared.map_err(|error| store_failed(&error))?;
    compared
        .map(|(root, proof)| Response::Compared(Compared { root: root.0, proof: proof.to_bytes().into() }))
        .ok_or_else(|| Refusal::new(RefusalCode::LogRange, "the log of keys has no such sizes"))
}
