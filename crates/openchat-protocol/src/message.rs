//! The outermost layer: what one frame holds in either direction.

use minicbor::{Decode, Decoder, Encode};

use crate::codec::DecodeError;
use crate::ids::RoomId;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::response::Response;
use crate::room::{Page, PendingWelcome};

/// From client to server.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClientFrame {
    /// Chosen by the client; its answer carries it.
    #[n(0)]
    pub id: u64,
    /// What is asked.
    #[n(1)]
    pub request: Request,
}

/// The id of a frame whose request could not be decoded, so that it can be refused under its own id.
pub fn peek_id(frame: &[u8]) -> Result<u64, DecodeError> {
    let mut decoder = Decoder::new(frame);
    decoder.array().and_then(|_| decoder.u64()).map_err(|error| DecodeError::Malformed(error.to_string()))
}

/// From server to client.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ServerFrame {
    /// A request was carried out.
    #[n(0)]
    Answer {
        /// The request's id.
        #[n(0)]
        id: u64,
        /// Its result.
        #[n(1)]
        response: Response,
    },
    /// A request was refused.
    #[n(1)]
    Refused {
        /// The request's id.
        #[n(0)]
        id: u64,
        /// Why.
        #[n(1)]
        refusal: Refusal,
    },
    /// Something the client did not ask for just now.
    #[n(2)]
    Event(#[n(0)] Event),
}

/// What the server says by itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    /// More of a followed room.
    #[n(0)]
    Page(#[n(0)] Page),
    /// This device was added to a room; repeated at each login until acknowledged.
    #[n(1)]
    Welcome(#[n(0)] PendingWelcome),
    /// The server ends this connection, for the reason given.
    #[n(2)]
    Goodbye(#[n(0)] Refusal),
    /// Every Welcome that waited at login has been sent: once after each login.
    #[n(3)]
    WelcomesSent,
    /// Somebody cannot join this room with the group that came with its last commit: commit anew.
    #[n(4)]
    GroupWanted(#[n(0)] RoomId),
}
