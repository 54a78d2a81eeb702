//! Joining: by name from outside, by a Welcome, and again when the keys are lost.

use openchat_e2ee::JoinError;
use openchat_protocol::account::AcknowledgeWelcome;
use openchat_protocol::record::{Position, Record, RecordKind};
use openchat_protocol::room::{FetchJoinInfo, JoinInfo, PendingWelcome, RoomSelector};
use openchat_protocol::{Refusal, RefusalCode, Request, Timestamp, Uid};

use super::core::Core;
use super::room::{Busy, Room};
use super::session::Purpose;
use crate::error::{ClientError, ErrorKind};
use crate::event::{Entry, Event, Membership};
use crate::random;
use crate::vault::{OwnCommit, StoredEpoch, Write};

/// Attempts to join, within some five seconds, before whoever waits for it is told that it fails.
const ATTEMPTS: u32 = 6;

impl Room {
    /// Sends the external commit that is on its way, or asks for what is needed to make one.
    pub(super) fn go_on_joining(&mut self, cx: &mut Core) -> bool {
        if self.own_commit.as_ref().is_some_and(OwnCommit::is_external) {
            self.send_commit(cx);
        } else {
            self.busy = Some(Busy::JoinInfo);
            let fetch = FetchJoinInfo { room: RoomSelector::Id(self.id()), doubted: self.doubted.clone() };
            cx.ask(Request::FetchJoinInfo(fetch), Purpose::JoinAgain(self.id()));
        }
        true
    }

    /// Makes the external commit by which this device comes in.
    pub(super) fn handle_join_info(&mut self, cx: &mut Core, info: &JoinInfo) {
        self.not_busy_with(Busy::JoinInfo);
        match cx.device.join_external(info, self.record.room_key.as_ref(), cx.now) {
            Ok((group, draft)) => {
                self.set_group(group);
                self.record_changed();
                let message_id = random::message_id();
                let draft = self.fit(draft);
                let (payload, bundle) = (draft.payload.into(), draft.bundle);
                let joins_by = Some(info.by);
                self.set_own_commit(
                    cx,
                    Some(OwnCommit { message_id, base: info.base, payload, bundle, joins_by }),
                );
                self.send_commit(cx);
            }
            Err(error) => {
                tracing::info!(room = %self.id(), by = %info.by, %error, "this group is of no use");
                // Asked again at once, for another one, unless this was another one.
                if !self.doubt(info.by) {
                    self.not_yet(cx, join_error(&error));
                }
            }
        }
    }

    /// What the server has may be the garbage of a bad member, so that another one is asked for something better. Who
    /// never was in the room is told when that does not help; a room that this device was in is never given up for it.
    fn not_yet(&mut self, cx: &mut Core, error: ClientError) {
        if self.failures >= ATTEMPTS && !self.record.was_in {
            return self.cannot_join(cx, error);
        }
        if self.failures == ATTEMPTS {
            let message = format!("no way back into #{} yet: {error}", self.record.name);
            let help = "it is tried again by itself; it helps when a member is online";
            cx.emit(Event::Trouble(ClientError::new(error.kind(), message).with_help(help)));
        }
        self.pause(cx);
    }

    pub(super) fn handle_join_info_refused(&mut self, cx: &mut Core, refusal: &Refusal) {
        self.not_busy_with(Busy::JoinInfo);
        if refusal.code == Some(RefusalCode::GroupUnavailable) {
            if self.failures >= ATTEMPTS {
                // The next attempt begins with whatever there is.
                self.doubted.clear();
            }
            self.not_yet(cx, refusal.clone().into());
        } else if !self.pause_if_temporary(cx, refusal) {
            self.cannot_join(cx, refusal.clone().into());
        }
    }

    /// The external commit is in the log, at `position`.
    pub(super) fn joined(&mut self, cx: &mut Core, position: Position, time: Timestamp) {
        self.busy = None;
        let joins_by = self.own_commit.as_ref().and_then(|own| own.joins_by);
        let record = self.own_commit.as_ref().map(|own| Record {
            sequence: position.sequence,
            time,
            author: cx.me(),
            message_id: own.message_id,
            kind: RecordKind::Commit,
            payload: own.payload.clone(),
        });
        self.set_own_commit(cx, None);
        let accepted = self.group.as_mut().map(|group| group.accept_commit(time));
        let change = match accepted {
            Some(Ok(change)) => change,
            Some(Err(error)) => {
                let message = format!("the room could not be joined: {error}");
                return self.not_yet(cx, ClientError::new(ErrorKind::Refused, message));
            }
            None => return self.pause(cx),
        };
        let again = self.is_in();
        self.come_in(cx, position, joins_by);
        if let Some(record) = record {
            cx.write(Write::Record(self.id(), position, record.to_bytes()));
        }
        let me = cx.me().uid;
        let entry = if again { Entry::Rejoined } else { Entry::Joined { who: me } };
        self.add_line(cx, position.sequence, time, me, entry);
        self.add_change(cx, position.sequence, time, &change);
        self.answer_waiting(cx, Ok(()));
    }

    /// This device is in, and reads from `position` on; from outside, by a group of `joins_by`.
    fn come_in(&mut self, cx: &mut Core, position: Position, joins_by: Option<Uid>) {
        self.succeeded();
        self.rejoin = false;
        self.behind = 0;
        self.record.commit = position;
        self.record.sealed = 0;
        self.record.departed.clear();
        self.record.was_in = true;
        // What was stored in a stretch that is not read has no echo: it is asked about again.
        self.stored.clear();
        self.chain.clear();
        self.counters.clear();
        cx.write(Write::CountersCleared(self.id()));
        cx.write(Write::RecordsForgotten(self.id()));
        self.advance_to(cx, position);
        self.plan_update(cx);
        self.take_policy();
        self.take_back(cx);
        self.listen(cx, joins_by);
        self.group_changed();
        self.vouch(cx);
        self.keep_epoch_key(cx);
        if self.record.membership != Membership::Leaving {
            self.become_(cx, Membership::Member);
        }
    }

    /// There is no way in.
    pub(super) fn cannot_join(&mut self, cx: &mut Core, error: ClientError) {
        self.answer_waiting(cx, Err(&error));
        if self.is_in() {
            let me = cx.me().uid;
            self.add_line(cx, self.record.cursor.sequence, cx.now, me, Entry::Removed { who: me });
            cx.emit(Event::Trouble(error));
            return self.close(cx, Membership::Removed);
        }
        if !self.record.was_in {
            self.is_gone = true;
            cx.write(Write::RoomForgotten(self.id()));
        } else {
            self.close(cx, Membership::Left);
        }
    }
}

// Welcomes.

impl Room {
    /// Somebody has added this device.
    pub(super) fn handle_welcome(&mut self, cx: &mut Core, pending: PendingWelcome) {
        match self.record.membership {
            Membership::Diverged => {}
            // Repeated: the acknowledgement was lost.
            Membership::Member | Membership::Leaving
                if self.record.cursor.sequence >= pending.base.commit.sequence =>
            {
                acknowledge(cx, &pending, true);
            }
            // It was removed and added again meanwhile, and has yet to read about it.
            Membership::Member | Membership::Leaving if !self.rejoin => self.welcome = Some(pending),
            _ => self.use_welcome(cx, &pending),
        }
    }

    /// Uses the Welcome that waited until this device had read that it was removed.
    pub(super) fn use_waiting_welcome(&mut self, cx: &mut Core) {
        if let Some(pending) = self.welcome.take() {
            self.use_welcome(cx, &pending);
        }
    }

    fn use_welcome(&mut self, cx: &mut Core, pending: &PendingWelcome) {
        let joined = cx.device.join_welcome(pending, |id| cx.key_packages.secret(id));
        match joined {
            Ok(joined) => {
                self.set_group(joined.group);
                self.set_own_commit(cx, None);
                self.busy = None;
                cx.use_key_package(&joined.key_package);
                self.welcomed(cx, pending.base.commit, joined.by.uid);
                acknowledge(cx, pending, true);
            }
            Err(error) => {
                cx.emit(Event::Trouble(join_error(&error)));
                self.is_gone |= !self.record.was_in;
                acknowledge(cx, pending, false);
            }
        }
    }

    fn welcomed(&mut self, cx: &mut Core, position: Position, by: Uid) {
        self.record.membership = Membership::Member;
        self.come_in(cx, position, None);
        cx.learn_names([by]);
        let who = cx.me().uid;
        self.add_line(cx, position.sequence, cx.now, by, Entry::Joined { who });
        let epoch = self.group.as_ref().map(openchat_e2ee::RoomGroup::epoch).unwrap_or_default();
        let (room, sequence, time) = (self.id(), position.sequence, cx.now);
        let (joined, removed) = (vec![cx.me()], Vec::new());
        self.add_epoch(cx, StoredEpoch { room, epoch, sequence, time, by, joined, removed });
        self.answer_waiting(cx, Ok(()));
    }
}

/// Goes out when what the Welcome brought is on disk, as every request does.
fn acknowledge(cx: &mut Core, pending: &PendingWelcome, joined: bool) {
    let (room, sequence) = (pending.room, pending.base.commit.sequence);
    let acknowledge = AcknowledgeWelcome { room, sequence, joined };
    cx.ask(Request::AcknowledgeWelcome(acknowledge), Purpose::Notice);
}

fn join_error(error: &JoinError) -> ClientError {
    let kind = match error {
        JoinError::Suite(_) => ErrorKind::Version,
        JoinError::OtherRoom | JoinError::OtherName { .. } => ErrorKind::Protocol,
        _ => ErrorKind::Refused,
    };
    ClientError::new(kind, error.to_string())
}

/// Whether a refusal says that this device is not in the room.
pub(super) fn says_not_in(refusal: &Refusal) -> bool {
    matches!(refusal.code, Some(RefusalCode::NotAMember | RefusalCode::RoomUnknown))
}
