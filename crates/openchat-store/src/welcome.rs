//! Welcomes that wait for the devices they let in.

use openchat_protocol::room::PendingWelcome;

/// One waiting Welcome, and where it stands in its device's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedWelcome {
    /// What to give to [`Store::next_welcome`](crate::Store::next_welcome) for the one after it.
    pub cursor: u64,
    /// What the device needs.
    pub welcome: PendingWelcome,
}
