//! Joining: by name from outside, by a Welcome, and again when the keys are lost.

use openchat_e2ee::JoinError;
use openchat_protocol::account::AcknowledgeWelcome;
use openchat_protocol::record::Position;
use openchat_protocol::room::{JoinInfo, PendingWelcome, RoomSelector};
use openchat_protocol::{Refusal, RefusalCode, Request, RoomId, RoomName, Timestamp};

use super::core::Core;
use super::room::{Busy, Room};
use super::session::Purpose;
use crate::error::{ClientError, ErrorKind};
use crate::event::{Entry, EpochChanged, Event, Membership};
use crate::random;
use crate::vault::{OwnCommit, RoomRecord, Write};

/// Attempts to join before whoever waits for it is told that it fails.
const ATTEMPTS: u32 = 8;

/// The record of a room that this device is about to be in.
pub(super) fn new_record(room: RoomId, name: RoomName, listed: bool, membership: Membership) -> RoomRecord {
    RoomRecord {
        room,
        name,
        listed,
        membership,
        cursor: Position::start(room),
        commit: Position::start(room),
        sealed: 0,
        until_update: u32::MAX,
        update_at: Timestamp::END,
        departed: Vec::new(),
        was_in: false,
    }
}

impl Room {
    /// Sends the external commit that is on its way, or asks for what is needed to make one.
    pub(super) fn go_on_joining(&mut self, cx: &mut Core) -> bool {
        if self.own_commit.as_ref().is_some_and(|own| own.external) {
            self.send_commit(cx);
        } else {
            self.busy = Some(Busy::JoinInfo);
            let selector = RoomSelector::Id(self.id());
            cx.ask(Request::FetchJoinInfo(selector), Purpose::JoinAgain(self.id()));
        }
        true
    }

    /// Makes the external commit by which this device comes in.
    pub(super) fn handle_join_info(&mut self, cx: &mut Core, info: &JoinInfo) {
        self.not_busy_with(Busy::JoinInfo);
        let room_key = self.group.as_ref().and_then(|group| group.policy().room_key().cloned());
        match cx.device.join_external(info, room_key.as_ref(), cx.now) {
            Ok((group, draft)) => {
                self.set_group(group);
                self.record_changed();
                let message_id = random::message_id();
                let (payload, bundle) = (draft.payload.into(), draft.bundle);
                self.set_own_commit(
                    cx,
                    Some(OwnCommit { message_id, base: info.base, payload, bundle, external: true }),
                );
                self.send_commit(cx);
            }
            // What the server has may be the garbage of a bad joiner, which the members replace in a moment.
            Err(JoinError::Mls(reason)) if self.failures < ATTEMPTS => {
                tracing::info!(room = %self.id(), %reason, "cannot join yet");
                self.pause(cx);
            }
            Err(error) => self.cannot_join(cx, join_error(&error)),
        }
    }

    pub(super) fn handle_join_info_refused(&mut self, cx: &mut Core, refusal: &Refusal) {
        self.not_busy_with(Busy::JoinInfo);
        if !self.pause_if_temporary(cx, refusal) {
            self.cannot_join(cx, refusal.clone().into());
        }
    }

    /// The external commit is in the log, at `position`.
    pub(super) fn joined(&mut self, cx: &mut Core, position: Position, time: Timestamp) {
        self.busy = None;
        self.set_own_commit(cx, None);
        let accepted = self.group.as_mut().map(|group| group.accept_commit(time));
        let change = match accepted {
            Some(Ok(change)) => change,
            Some(Err(error)) if self.failures >= ATTEMPTS => {
                let error =
                    ClientError::new(ErrorKind::Refused, format!("the room could not be joined: {error}"));
                return self.cannot_join(cx, error);
            }
            _ => return self.pause(cx),
        };
        let again = self.is_in();
        self.come_in(cx, position);
        let me = cx.me().uid;
        let entry = if again { Entry::Rejoined } else { Entry::Joined { who: me } };
        self.add_line(cx, position.sequence, time, me, entry);
        self.emit_epoch(cx, position.sequence, &change);
        self.answer_waiting(cx, Ok(()));
    }

    /// This device is in, and reads from `position` on.
    fn come_in(&mut self, cx: &mut Core, position: Position) {
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
        self.advance_to(cx, position);
        self.plan_update(cx);
        self.take_policy();
        self.group_changed();
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
                acknowledge(cx, &pending);
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
            }
            Err(error) => {
                cx.emit(Event::Trouble(join_error(&error)));
                self.is_gone |= !self.record.was_in;
            }
        }
        acknowledge(cx, pending);
    }

    fn welcomed(&mut self, cx: &mut Core, position: Position, by: openchat_protocol::Uid) {
        self.record.membership = Membership::Member;
        self.come_in(cx, position);
        let who = cx.me().uid;
        self.add_line(cx, position.sequence, cx.now, by, Entry::Joined { who });
        let epoch = self.group.as_ref().map(openchat_e2ee::RoomGroup::epoch).unwrap_or_default();
        let joined = vec![cx.me()];
        let (by, sequence) = (cx.people.person(by), position.sequence);
        cx.emit(Event::Epoch(EpochChanged {
            room: self.id(),
            epoch,
            sequence,
            by,
            joined,
            removed: Vec::new(),
        }));
        self.answer_waiting(cx, Ok(()));
    }
}

/// Goes out when what the Welcome brought is on disk, as every request does.
fn acknowledge(cx: &mut Core, pending: &PendingWelcome) {
    let acknowledge = AcknowledgeWelcome { room: pending.room, sequence: pending.base.commit.sequence };
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
