//! What crosses the wire: names, identifiers, frames, requests, responses, events and the room log's records.
//!
//! This crate depends on nothing of the project and does no I/O. Both ends and every test speak through it;
//! `docs/protocol.md` numbers the rules and a change of bytes breaks a snapshot test.

pub mod account;
pub mod address;
pub mod append;
pub mod codec;
pub mod device_list;
pub mod frame;
pub mod genesis;
pub mod give_back;
pub mod ids;
pub mod key_log;
pub mod limits;
pub mod linking;
pub mod message;
pub mod mls_head;
pub mod names;
pub mod record;
pub mod refusal;
pub mod request;
pub mod reset;
pub mod response;
pub mod room;
pub mod statement;
pub mod time;
pub mod tree;

pub use address::Address;
pub use genesis::Genesis;
pub use ids::{ChainHash, DeviceId, Did, Incarnation, InviteHash, MessageId, RoomId, ServerFingerprint, Uid};
pub use linking::LinkSlot;
pub use message::{ClientFrame, Event, ServerFrame};
pub use names::{RoomName, UserName};
pub use refusal::{Refusal, RefusalCode};
pub use request::Request;
pub use response::Response;
pub use time::Timestamp;

/// The version of this protocol that this build speaks; the ALPN name carries the major version.
pub const PROTOCOL_VERSION: u16 = 1;

/// The TLS application protocol (RFC 7301) of every OpenChat connection.
pub const ALPN: &[u8] = b"openchat/1";
