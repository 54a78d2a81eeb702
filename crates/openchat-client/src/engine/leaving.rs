//! Leaving: a signed notice in the log; somebody else then removes this device's leaf.

use openchat_protocol::append::Appended;
use openchat_protocol::record::RecordKind;
use openchat_protocol::{Refusal, Timestamp, codec};

use super::core::Core;
use super::joining::says_not_in;
use super::room::{Busy, Room};
use super::session::Purpose;
use super::step::Ticket;
use crate::command::Answer;
use crate::error::{ClientError, ErrorKind};
use crate::event::{Entry, Event, Membership};
use crate::random;

impl Room {
    /// Leaves as soon as the server can hear of it; what waits in the outbox is said first.
    pub(super) fn handle_leave(&mut self, cx: &mut Core, ticket: Ticket) {
        match self.record.membership {
            // The server has less of the room than this device, and there is nobody to tell.
            Membership::Member | Membership::Leaving if self.is_ahead(cx) => self.close(cx, Membership::Left),
            Membership::Member => self.become_(cx, Membership::Leaving),
            Membership::Leaving => {}
            Membership::Diverged => self.close(cx, Membership::Left),
            Membership::Creating | Membership::Joining => {
                let error =
                    ClientError::new(ErrorKind::Usage, "this device is still on the way into the room");
                return cx.answer(ticket, Err(error.with_help("try again in a moment")));
            }
            Membership::Left | Membership::Removed => return cx.answer(ticket, Err(self.not_in())),
        }
        cx.answer(ticket, Ok(Answer::Done));
    }

    pub(super) fn leave_if_wanted(&mut self, cx: &mut Core) -> bool {
        if self.record.membership != Membership::Leaving {
            return false;
        }
        let (Some(base), Some(group)) = (self.base(cx), &self.group) else { return false };
        match group.leave_notice() {
            Ok(notice) => {
                self.busy = Some(Busy::Leave);
                let payload = (RecordKind::Leave, codec::encode(&notice));
                self.append(cx, payload, base, random::message_id(), None, Purpose::Leave(self.id()));
                true
            }
            // The leaf carries an earlier key: a commit brings in the present one, and then it goes.
            Err(error) => {
                let message = format!("cannot leave #{} yet: {error}", self.record.name);
                cx.emit(Event::Trouble(ClientError::new(ErrorKind::Internal, message)));
                self.record.update_at = cx.now;
                self.update_if_due(cx)
            }
        }
    }

    pub(super) fn handle_leave_appended(&mut self, cx: &mut Core, appended: Appended) {
        self.not_busy_with(Busy::Leave);
        match appended {
            Appended::Stored { position, time } => self.left(cx, position.sequence, time),
            Appended::Stale { last_commit } => self.handle_stale(cx, last_commit),
        }
    }

    pub(super) fn handle_leave_refused(&mut self, cx: &mut Core, refusal: &Refusal) {
        self.not_busy_with(Busy::Leave);
        if says_not_in(refusal) {
            return self.left(cx, self.record.cursor.sequence, cx.now);
        }
        if !self.pause_if_temporary(cx, refusal) {
            self.pause(cx);
        }
    }

    /// The notice is in the log: this device is out.
    pub(super) fn left(&mut self, cx: &mut Core, sequence: u64, time: Timestamp) {
        if self.is_in() {
            let me = cx.me().uid;
            self.add_line(cx, sequence, time, me, Entry::Left);
            self.close(cx, Membership::Left);
        }
    }
}
