//! What a room does next: one append at a time, the most pressing first.
//!
//! One at a time keeps the order of messages and their counters simple, and a commit must not overtake its base. While
//! an append is unanswered, or a commit's echo unread, nothing else of the room goes out.

use openchat_protocol::append::{Append, CommitBundle};
use openchat_protocol::record::{Base, RecordKind};
use openchat_protocol::{MessageId, Refusal, RefusalCode, Request};

use super::core::Core;
use super::room::{Reading, Room};
use super::session::Purpose;
use crate::error::{ClientError, ErrorKind};
use crate::event::{Event, Membership};
use crate::vault::OwnCommit;

/// As if it had failed so often: the pause is long.
const HIGH: u32 = 6;

impl Room {
    /// Does what can be done now.
    pub(super) fn progress(&mut self, cx: &mut Core) {
        while cx.session.is_up() && self.busy.is_none() && self.not_before <= cx.now && self.step(cx) {}
    }

    /// One thing. `false` when there was nothing to do.
    fn step(&mut self, cx: &mut Core) -> bool {
        if cx.takes_back() {
            return self.step_while_taking_back(cx);
        }
        match self.record.membership {
            Membership::Creating => self.create(cx),
            Membership::Joining => self.go_on_joining(cx),
            // That the server does not know this device as a member any more is believed when its log of keys is proven: else
            // it may have been set back.
            Membership::Member | Membership::Leaving if self.is_joining_again() => {
                cx.log.is_current && self.go_on_joining(cx)
            }
            Membership::Member | Membership::Leaving if self.reading == Reading::Not => self.follow(cx),
            Membership::Member | Membership::Leaving if self.is_current() => self.step_as_member(cx),
            _ => false,
        }
    }

    fn step_as_member(&mut self, cx: &mut Core) -> bool {
        // What may be in the log already comes first: its fate decides everything else.
        self.send_commit_again(cx)
            || self.send_sealed_again(cx)
            || self.remove_departed_if_due(cx)
            || self.remove_revoked(cx)
            || self.grant_wish(cx)
            || self.add_newcomers(cx)
            || self.update_if_due(cx)
            || self.offer_proof(cx)
            || self.send_next(cx)
            || self.leave_if_wanted(cx)
    }

    fn is_joining_again(&self) -> bool {
        self.rejoin || self.own_commit.as_ref().is_some_and(OwnCommit::is_external)
    }

    /// Whether all is read that an append has to build on.
    fn is_current(&self) -> bool {
        self.reading == Reading::Live && self.record.commit.sequence >= self.behind
    }

    /// The room has moved on to the commit at `last_commit`: what was made for the epoch before is of no use.
    pub(super) fn handle_stale(&mut self, cx: &mut Core, last_commit: u64) {
        self.behind = last_commit;
        self.pause(cx);
    }

    /// Whether trying again later may help; and if so, when.
    pub(super) fn pause_if_temporary(&mut self, cx: &mut Core, refusal: &Refusal) -> bool {
        let temporary = matches!(
            refusal.code,
            Some(
                RefusalCode::Storage
                    | RefusalCode::Internal
                    | RefusalCode::Stopping
                    | RefusalCode::RateLimited
                    | RefusalCode::SetBack
            )
        );
        if temporary {
            let error = self.goes_on(refusal.clone().into());
            if error.kind() == ErrorKind::Storage {
                self.answer_waiting(cx, Err(&error));
                cx.emit(Event::Trouble(error));
            } else if error.kind() == ErrorKind::Alarm && cx.log.is_news(&refusal.detail) {
                cx.emit(Event::Trouble(error));
            }
            // Five seconds at least: the server has other worries.
            self.failures = self.failures.max(HIGH);
            self.pause(cx);
        }
        temporary
    }

    /// Whoever waits is told; what was begun is not given up for that.
    fn goes_on(&self, error: ClientError) -> ClientError {
        let what = match self.record.membership {
            Membership::Creating => "made",
            Membership::Joining => "joined",
            Membership::Leaving => "left",
            _ => return error,
        };
        let then =
            format!("#{} is then {what} by itself, by any command that reaches the server", self.record.name);
        let help = error.help().map_or_else(|| then.clone(), |first| format!("{first}; {then}"));
        error.with_help(help)
    }

    /// Asks for one record at the end of the log.
    pub(super) fn append(
        &self,
        cx: &mut Core,
        (kind, payload): (RecordKind, Vec<u8>),
        base: Base,
        message_id: MessageId,
        bundle: Option<CommitBundle>,
        purpose: Purpose,
    ) {
        let append = Append { room: self.id(), message_id, base, kind, payload: payload.into(), bundle };
        cx.ask(Request::Append(append), purpose);
    }
}
