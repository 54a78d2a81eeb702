//! What all rooms share: this device, the connection, the people, and the step that is being made.

use std::collections::{HashMap, HashSet};

use openchat_e2ee::Device;
use openchat_identity::TrustAnchor;
use openchat_protocol::{DeviceId, Incarnation, InviteHash, Request, RoomId, Timestamp};

use super::comparing::Comparisons;
use super::key_log::KeyLog;
use super::key_packages::KeyPackages;
use super::people::People;
use super::session::{Purpose, Session};
use super::step::{HangUp, Step, Ticket};
use super::trust::News;
use crate::command::Answer;
use crate::error::{ClientError, ErrorKind};
use crate::event::Event;
use crate::random::Jitter;
use crate::vault::{Credentials, StoredInvite, Voucher, Write};

/// Everything of the engine but its rooms.
pub(super) struct Core {
    pub(super) device: Device,
    pub(super) anchor: TrustAnchor,
    pub(super) credentials: Credentials,
    pub(super) session: Session,
    pub(super) people: People,
    /// Invites of this profile, each for one person.
    pub(super) invites: HashMap<InviteHash, StoredInvite>,
    /// Proofs that were answered since the start.
    pub(super) answered: HashSet<(InviteHash, RoomId)>,
    /// The invite that this profile came by, until its inviter has answered.
    pub(super) voucher: Option<Voucher>,
    /// The life of the server's database in which this device has last found its log of keys to be proven.
    pub(super) life: Option<Incarnation>,
    pub(super) comparisons: Comparisons,
    /// What became known of people, and is still to be told in their rooms.
    pub(super) news: Vec<News>,
    pub(super) log: KeyLog,
    pub(super) key_packages: KeyPackages,
    pub(super) jitter: Jitter,
    /// The time of what is being handled.
    pub(super) now: Timestamp,
    pub(super) out: Step,
    pub(super) failed: Option<ClientError>,
}

impl Core {
    pub(super) fn me(&self) -> DeviceId {
        self.device.id()
    }

    pub(super) fn ask(&mut self, request: Request, purpose: Purpose) {
        self.session.ask(request, purpose, &mut self.out.requests);
    }

    pub(super) fn write(&mut self, write: Write) {
        self.out.write(write);
    }

    pub(super) fn answer(&mut self, ticket: Ticket, answer: Result<Answer, ClientError>) {
        self.out.answer(ticket, answer);
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.people.emit(event, self.now, &mut self.out.events);
    }

    /// Somewhere between `low` and `high` milliseconds from now, so that clients do not act in step.
    pub(super) fn in_millis(&mut self, low: u64, high: u64) -> Timestamp {
        Timestamp(self.now.0.saturating_add(self.jitter.between(low, high)))
    }

    /// The server does what no server of this protocol does.
    pub(super) fn breaks_protocol(&mut self, what: &str) {
        let error = ClientError::new(ErrorKind::Protocol, format!("the server breaks the protocol: {what}"));
        self.out.hang_up = Some(HangUp::Again(error));
    }

    /// Nothing can be promised any more: what was to be done in this step is dropped, unsent and unwritten.
    pub(super) fn fail(&mut self, why: &dyn std::fmt::Display) {
        let error = ClientError::new(ErrorKind::Internal, format!("the encryption layer failed: {why}"))
            .with_help("start openchat again; the room is repaired by itself");
        self.failed = Some(error);
    }

    /// The step that was made.
    pub(super) fn take_step(&mut self) -> Step {
        let step = std::mem::take(&mut self.out);
        match self.failed.clone() {
            Some(error) => Step { hang_up: Some(HangUp::ForGood(error)), ..Step::default() },
            None => step,
        }
    }
}

/// What is answered to a command that needs the server when there is none.
pub(super) fn offline() -> ClientError {
    ClientError::new(ErrorKind::Network, "not connected to the server, and this needs it")
        .with_help("the client tries to connect by itself; try again when it is online")
}
