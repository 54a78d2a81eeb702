//! How much a store holds, for its operator.

/// Numbers of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accounts, disabled ones included.
    pub accounts: u64,
    /// Rooms, those included that everybody has left and that are not swept yet.
    pub rooms: u64,
    /// Records of those rooms.
    pub records: u64,
}
