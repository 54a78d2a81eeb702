//! What time ends: old Welcomes, and rooms that everybody has left.

use std::time::Duration;

use openchat_protocol::Timestamp;

use crate::room::LISTED_AFTER_THE_LAST_MEMBER;
use crate::welcome::WELCOME_LIFE;

/// What one [`Store::sweep`](crate::Store::sweep) has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Welcomes that were forgotten.
    pub welcomes: usize,
    /// Rooms that are gone for everybody, though their records may still be there.
    pub rooms: usize,
    /// There is more to do.
    pub more: bool,
}

/// Welcomes from before are forgotten.
pub(crate) fn oldest_welcome(now: Timestamp) -> Timestamp {
    before(now, WELCOME_LIFE)
}

/// Rooms without members whose last record is from before are forgotten.
pub(crate) fn oldest_room(now: Timestamp) -> Timestamp {
    before(now, LISTED_AFTER_THE_LAST_MEMBER)
}

fn before(now: Timestamp, duration: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}
