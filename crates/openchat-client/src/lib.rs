//! Everything of an OpenChat client but the screen: profile, vault, engine and the connection to the server.
//!
//! [`enrol()`] makes a profile, [`open()`] starts its client and gives a [`ClientHandle`] for commands and [`Events`] for
//! what happens. Behind them a thread of its own runs the driver, which is all the I/O there is; the [`engine`] decides.

mod alarm;
mod audit;
mod belongings;
pub mod command;
mod connection;
mod door;
mod driver;
pub mod engine;
pub mod enrol;
pub mod error;
pub mod event;
pub mod folder;
pub mod handle;
pub mod likeness;
pub mod linking;
pub mod mention;
pub mod open;
mod random;
mod recovery;
mod renewal;
mod reset;
pub mod trust;
pub mod vault;

pub use audit::{Audit, audit, verify_evidence};
pub use command::{Access, Answer, Command, LinkOpened, OwnDevice, RoomDetails, RoomSuite};
pub use enrol::{Enrolled, enrol};
pub use error::{ClientError, ErrorKind};
pub use event::{
    Alarm, ConnectionState, Delivery, Entry, EpochChanged, Event, InviteFault, Line, Member, Membership,
    Person, Profile, RoomOverview,
};
pub use handle::{ClientHandle, Events};
pub use likeness::nearest;
pub use linking::{HistoryTransfer, LinkStep, Linked, Linking, join_as_device};
pub use mention::mentions;
pub use open::{exists, open};
pub use openchat_identity::comparison::ShortCode;
pub use openchat_identity::{DeviceLink, InviteLink, Password, RecoveryCode, SafetyNumber};
pub use recovery::{Restored, make_kit, restore};
pub use reset::{Reset, reset};
pub use trust::{Acquaintance, Basis, Comparing, Outcome, RoomTrust, Trust, TrustChange};
pub use vault::{EpochKey, Searched, Sought, Span};
