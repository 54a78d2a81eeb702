//! Everything of an OpenChat client but the screen: profile, vault, engine and the connection to the server.

pub mod command;
pub mod engine;
pub mod error;
pub mod event;
pub mod handle;
mod random;
pub mod vault;

pub use command::{Access, Answer, Command, RoomSuite};
pub use error::{ClientError, ErrorKind};
pub use event::{
    Alarm, ConnectionState, Delivery, Entry, EpochChanged, Event, Line, Member, Membership, Person, Profile,
    RoomOverview,
};
pub use handle::{ClientHandle, Events};
