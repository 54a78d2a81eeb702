//! Seals and opens what is said in rooms: MLS (RFC 9420) behind OpenChat's own types. No I/O, no clock.
//!
//! [`Device`] makes or joins a room and gets a [`RoomGroup`]. The room's log drives it: every record goes through
//! [`RoomGroup::open`], in order, once. Two rules keep members together:
//!
//! - *The log alone decides.* Whether a record is valid depends on the record, its place and its time, never on this
//!   machine's clock or on what this user thinks of somebody. So all members skip the same garbage.
//! - *State first, then the wire.* [`RoomGroup::seal`] and the commit builders change the group; the caller stores
//!   [`RoomGroup::state`] in the transaction that fills its outbox, before anything is sent. A key is then never used
//!   for two messages, and a commit of one's own is always recognised.

pub mod change;
mod commit;
pub mod content;
pub mod credential;
pub mod device;
pub mod fernet;
mod guard;
pub mod join;
pub mod key_package;
pub mod leave;
mod live;
pub mod open;
mod padding;
pub mod policy;
pub mod room_group;
pub mod rules;
pub mod state;
mod suites;
mod tree;
pub mod verification;

pub use change::EpochChange;
pub use commit::{AcceptError, CommitDraft, CommitError, TooLarge};
pub use content::{Body, Content};
pub use device::{Device, DeviceError};
pub use join::{JoinError, Joined};
pub use key_package::{KeyPackageError, KeyPackageSecret};
pub use open::{Garbage, OpenError, Opened};
pub use policy::{RoomKey, RoomPolicy};
pub use room_group::{Member, RoomGroup, SealError};
pub use state::{GroupState, StateError};
pub use suites::Suite;
pub use verification::Verification;

#[cfg(test)]
mod tests;
