//! What is looked after every few seconds, whether or not anything has happened.

use std::sync::Arc;
use std::time::Duration;

use openchat_protocol::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::issuer::REMINDER;
use crate::state::State;

/// A lost ring costs at most about so much.
const PERIOD: Duration = Duration::from_secs(5);
/// The pause after a sweep is so many times its length, so that sweeping never takes much of the machine.
const SHARE: u32 = 20;
/// How often the store is asked to forget what is over.
const STORE_PERIOD: Duration = Duration::from_secs(3600);
/// How long the store may go on with that in one sweep.
const STORE_SHARE: Duration = Duration::from_millis(200);

pub(crate) fn spawn(state: &Arc<State>) -> JoinHandle<()> {
    let state = Arc::clone(state);
    tokio::spawn(async move {
        let (mut store_due, mut reminder_due) = (Timestamp(0), state.now().plus(REMINDER));
        loop {
            let begun = Instant::now();
            sweep(&state).await;
            let takes_new = state.check_takes_new().is_ok();
            if takes_new {
                let authority = state.issuer.current();
                state.key_log.keep_or_warn(&authority, state.store.as_ref(), state.now()).await;
            }
            if state.now() >= reminder_due {
                state.issuer.warn_of_endings(state.now());
                reminder_due = state.now().plus(REMINDER);
            }
            state.signed_head.keep(&state.key_log);
            if takes_new && state.now() >= store_due && sweep_store(&state).await {
                store_due = state.now().plus(STORE_PERIOD);
            }
            sleep(PERIOD.max(begun.elapsed() * SHARE)).await;
        }
    })
}

/// `false` when there is more to do.
async fn sweep_store(state: &State) -> bool {
    let begun = Instant::now();
    let (mut rooms, mut welcomes) = (0, 0);
    let done = loop {
        match state.store.sweep(state.now()).await {
            Ok(swept) => {
                rooms += swept.rooms;
                welcomes += swept.welcomes;
                if !swept.more || begun.elapsed() > STORE_SHARE {
                    break !swept.more;
                }
            }
            Err(error) => {
                warn!(%error, "what is over was not forgotten");
                break true;
            }
        }
    };
    if rooms + welcomes > 0 {
        info!(rooms, welcomes, "forgotten: rooms that everybody has left, and Welcomes that nobody came for");
    }
    done
}

async fn sweep(state: &State) {
    state.rates.forget_rested();
    state.budget.forget_rested();
    state.links.forget_old(state.now());
    state.live.end_expired(state.now());
    for (room, device) in state.rooms.followed() {
        match state.store.membership(room, device).await {
            Ok(Some(membership)) => state.rooms.sweep(room, membership.head),
            Ok(None) => {}
            Err(error) => warn!(%error, "a room was not looked after"),
        }
    }
}
