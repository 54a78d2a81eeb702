//! Welcomes that wait for the devices they let in.

use std::time::Duration;

use openchat_protocol::room::PendingWelcome;

/// A Welcome that nobody has asked for in so long is forgotten. Its device is still a member and may join by itself.
pub const WELCOME_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// One waiting Welcome, and where it stands in its device's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedWelcome {
    /// What to give to [`Store::next_welcome`](crate::Store::next_welcome) for the one after it.
    pub cursor: u64,
    /// What the device needs.
    pub welcome: PendingWelcome,
}
