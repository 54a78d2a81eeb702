//! What the engine hands to the driver after everything that comes in.

use openchat_protocol::{ClientFrame, RoomId};

use crate::command::Answer;
use crate::error::ClientError;
use crate::event::Event;
use crate::vault::{Change, Write};

/// Names a command until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What follows from one thing that came in. The order is a rule: `change` is on disk before a request is sent, or an
/// event or an answer seen; else a crash in between would use a message key twice, or promise what is lost.
#[derive(Debug, Default)]
#[must_use]
pub struct Step {
    /// To be written first, whole.
    pub change: Change,
    /// To be sent then, in this order.
    pub requests: Vec<ClientFrame>,
    /// Commands that are answered.
    pub answers: Vec<(Ticket, Result<Answer, ClientError>)>,
    /// For whoever listens.
    pub events: Vec<Event>,
    /// To be written beside the vault, for good.
    pub evidence: Vec<EvidenceFile>,
    /// To be read from the vault as it is then, and handed to the engine.
    pub wanted: Vec<Wanted>,
    /// The connection is to be ended.
    pub hang_up: Option<HangUp>,
}

/// What the vault keeps and the engine does not hold in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// For [`Engine::handle_kept_records`](super::Engine::handle_kept_records).
    Records {
        /// Of which room.
        room: RoomId,
        /// After which sequence.
        after: u64,
    },
    /// For [`Engine::handle_kept_leaves`](super::Engine::handle_kept_leaves).
    Leaves {
        /// The first.
        from: u64,
        /// The one after the last.
        end: u64,
    },
}

/// Proof against a server, for whoever knows its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceFile {
    /// Its name, which says what it proves.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// How a connection is ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HangUp {
    /// Another one may do better.
    Again(ClientError),
    /// Another one would end the same way.
    ForGood(ClientError),
}

impl Step {
    pub(super) fn write(&mut self, write: Write) {
        self.change.push(write);
    }

    pub(super) fn answer(&mut self, ticket: Ticket, answer: Result<Answer, ClientError>) {
        self.answers.push((ticket, answer));
    }
}
