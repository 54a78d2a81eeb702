//! What is looked after every few seconds, whether or not anything has happened.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::state::State;

/// A lost ring costs at most about so much.
const PERIOD: Duration = Duration::from_secs(5);
/// The pause after a sweep is so many times its length, so that sweeping never takes much of the machine.
const SHARE: u32 = 20;

pub(crate) fn spawn(state: &Arc<State>) -> JoinHandle<()> {
    let state = Arc::clone(state);
    tokio::spawn(async move {
        loop {
            let begun = Instant::now();
            sweep(&state).await;
            sleep(PERIOD.max(begun.elapsed() * SHARE)).await;
        }
    })
}

async fn sweep(state: &State) {
    state.rates.forget_rested();
    state.budget.forget_rested();
    state.live.end_expired(state.now());
    for (room, device) in state.rooms.followed() {
        match state.store.membership(room, device).await {
            Ok(Some(membership)) => state.rooms.sweep(room, membership.head),
            Ok(None) => {}
            Err(error) => warn!(%error, "a room was not looked after"),
        }
    }
}
