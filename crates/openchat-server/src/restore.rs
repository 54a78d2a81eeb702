//! After an older copy of the database took the place of a newer one: when the host has said so, the server takes back
//! for a while what its users hold, and nothing new; when not, it notices by what its users show.

use std::sync::atomic::Ordering;
use std::time::Duration;

use openchat_protocol::{Refusal, RefusalCode};
use tracing::error;

use crate::state::State;

impl State {
    /// How long this server still takes back what was lost; zero when that is over, and nothing when its life did not
    /// begin with a copy.
    pub(crate) fn takes_back_for(&self) -> Option<Duration> {
        Some(self.store.takes_back_until()?.since(self.now()))
    }

    /// The same while it does.
    pub(crate) fn takes_back(&self) -> Option<Duration> {
        self.takes_back_for().filter(|left| *left > Duration::ZERO)
    }

    /// Whether something new may be written. What is new before everything lost is back would take its place.
    pub(crate) fn check_takes_new(&self) -> Result<(), Refusal> {
        if self.set_back.load(Ordering::Relaxed) {
            return Err(is_set_back());
        }
        let Some(left) = self.takes_back() else { return Ok(()) };
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let detail = format!(
            "this server was restored from an older copy, and first takes back what its users hold: \
             try again in {} s",
            left.as_secs().saturating_add(1)
        );
        Err(Refusal { retry_after: Some(millis), ..Refusal::new(RefusalCode::RateLimited, detail) })
    }

    /// The server has signed a larger log of keys than it has: `signed` leaves instead of `size`. A life of the database that
    /// began with a copy has gone on, by its host's word, without what nobody gave back.
    pub(crate) fn notice_set_back(&self, size: u64, signed: u64) -> Refusal {
        if self.store.takes_back_until().is_none() && !self.set_back.swap(true, Ordering::Relaxed) {
            error!(
                records = size,
                signed,
                "THIS DATABASE IS OLDER THAN WHAT THE SERVER HAS SIGNED: it was restored from an older copy. Nothing new \
                 is taken. Stop the server, put the copy in its place once more, and start it with --restored"
            );
        }
        is_set_back()
    }
}

fn is_set_back() -> Refusal {
    let detail = "the server's database is older than what its users have seen: its host has to say that it was restored \
                  from an older copy";
    Refusal::new(RefusalCode::SetBack, detail)
}
