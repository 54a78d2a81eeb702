//! The group for joiners: what came with a room's last commit, unless its author is doubted.

use openchat_protocol::room::JoinInfo;
use openchat_protocol::{DeviceId, RoomId};

/// What the store has for somebody who wants to join a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinOffer {
    /// The group that came with the last commit.
    Group(JoinInfo),
    /// The author of the last commit is doubted, or what came with it was lost with a part of the database.
    Doubted {
        /// The room.
        room: RoomId,
        /// Members who could make a new group by committing: devices of users who are neither doubted nor the joiner.
        helpers: Vec<DeviceId>,
    },
}
