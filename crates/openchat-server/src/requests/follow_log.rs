//! FollowLog: a page of the log of keys, for members and for auditors from outside.

use openchat_protocol::key_log::FollowLog;
use openchat_protocol::limits::{LOG_PAGE, LOG_PAGE_BEFORE_LOGIN};
use openchat_protocol::{Refusal, Response};
use openchat_transparency::Tail;

use crate::requests::{Answer, Asker, log_failed, store_failed};
use crate::state::State;

pub(crate) async fn handle(state: &State, asker: Asker, request: FollowLog) -> Answer {
    let limit = page_of(state, asker)?;
    let FollowLog { known, from } = request;
    let tail = state.store.log_tail(known, from, limit).await.map_err(|error| store_failed(&error))?;
    let note = state.key_log.note(tail.size, tail.root).map_err(|error| log_failed(&error))?;
    let tail = Tail { note, consistency: tail.consistency, leaves: tail.leaves, beyond: tail.beyond };
    Ok(Response::LogTail(tail.to_bytes().into()))
}

/// Who is logged in is counted with all that it asks.
fn page_of(state: &State, asker: Asker) -> Result<usize, Refusal> {
    if asker.device.is_some() {
        return Ok(LOG_PAGE);
    }
    state.rates.log_pages.check(&asker.network)?;
    Ok(LOG_PAGE_BEFORE_LOGIN)
}
