//! Rooms as the server's mirror has them: names, members, and who may read which part of the log.

use openchat_protocol::DeviceId;

use crate::StoreError;

/// A stretch of a room's log that a device may read: from the record that let it in to the one that put it out, both
/// included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The commit that added the device; 0 for the creator of the room.
    pub joined_at: u64,
    /// The leave or commit that ended it; nothing while the device is a member.
    pub ended_at: Option<u64>,
}

impl Interval {
    /// Whether the device is a member by it.
    pub fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Whether the device may read this record.
    pub fn contains(&self, sequence: u64) -> bool {
        self.joined_at <= sequence && self.ended_at.is_none_or(|end| sequence <= end)
    }
}

/// What a device has to do with a room, now or formerly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// At least one, oldest first. Only the last may be open.
    pub intervals: Vec<Interval>,
    /// The newest record of the room.
    pub head: u64,
}

impl Membership {
    /// Whether the device is a member.
    pub fn is_member(&self) -> bool {
        self.intervals.last().is_some_and(Interval::is_open)
    }

    /// The newest record that the device may read.
    pub fn visible_head(&self) -> u64 {
        self.intervals.last().and_then(|interval| interval.ended_at).unwrap_or(self.head)
    }

    /// The first stretch of records after `after` that the device may read, both ends included; nothing when it has
    /// read all it may read now.
    pub fn next_stretch(&self, after: u64) -> Option<(u64, u64)> {
        let stretch = |interval: &Interval| {
            let first = interval.joined_at.max(after.saturating_add(1));
            let last = interval.ended_at.unwrap_or(self.head);
            (first <= last).then_some((first, last))
        };
        self.intervals.iter().find_map(stretch)
    }
}

/// Why no room was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateRoomError {
    /// Another room has this identifier. (The creator making the same room again is answered as the first time.)
    #[error("another room has this identifier: try again with a fresh one")]
    IdTaken,
    /// A room with members has this name, or one that looks like it.
    #[error("a room of this name, or of one that looks like it, exists: join it, or choose another name")]
    NameTaken,
    /// The creator has [`ROOMS_PER_USER`](openchat_protocol::limits::ROOMS_PER_USER) rooms: those it is in, and those it
    /// has made and everybody has left.
    #[error(
        "this user has too many rooms (one that everybody has left counts for seven days): leave one that others stay in, or wait"
    )]
    TooManyRooms,
    /// The creating device is unknown here, or revoked.
    #[error("this device is unknown here or revoked: enrol it first")]
    DeviceUnknown,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Devices whose membership changed by one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MembershipChange {
    /// They may read from this record on.
    pub joined: Vec<DeviceId>,
    /// They may read nothing after the record named in [`Membership`].
    pub ended: Vec<DeviceId>,
}

/// A room that its last member has left keeps its place in the list for so long, unless its name is taken anew.
pub const LISTED_AFTER_THE_LAST_MEMBER: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);
