//! Giving back: what this device holds and the server has lost, when its host has restored an older copy of its database.
//!
//! For a while such a server takes nothing new. Whoever has read more of a room than it has gives it the records, in
//! their places and in their exact bytes; of the log of keys, the leaves under a head that it has signed; and of
//! accounts, what their leaves were made for. So everybody's place in everything stays good, and nothing that the
//! server has signed before is contradicted.

use std::time::Duration;

use minicbor::bytes::ByteVec;
use openchat_protocol::give_back::{GiveBackAccount, GiveBackLeaves, GiveBackRecords};
use openchat_protocol::record::{Position, Record, RecordKind};
use openchat_protocol::room::CreateRoom;
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Request, RoomId, Timestamp};

use super::Engine;
use super::core::Core;
use super::room::{Busy, Reading, Room};
use super::session::Purpose;
use super::step::{HangUp, Step, Wanted};
use crate::error::{ClientError, ErrorKind};
use crate::event::{Alarm, Event, Membership};
use crate::vault::{KeptRecords, Write};

/// Between two looks at whether somebody else has given back what this device does not have, in milliseconds.
const SOON: (u64, u64) = (1_000, 3_000);
/// Leaves that fit into a frame before login.
const LEAVES_BEFORE_LOGIN: u64 = 700;

/// How far a room is given back, on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenBack {
    /// Not known.
    Unknown,
    /// The server has the records up to this one; more are on their way to it.
    From(u64),
    /// It does not have the room.
    Room,
    /// It has less than this device has read, and this device cannot help. Somebody else may.
    Waiting,
    /// It has all that this device has read.
    Whole,
}

impl Engine {
    /// Records that were [wanted](Wanted::Records).
    pub fn handle_kept_records(&mut self, room: RoomId, kept: &KeptRecords, now: Timestamp) -> Step {
        self.cx.now = now;
        if let Some(room) = self.rooms.get_mut(&room) {
            room.handle_kept(&mut self.cx, kept);
            room.progress(&mut self.cx);
        }
        self.finish()
    }

    /// Leaves of the log of keys that were [wanted](Wanted::Leaves), if they are kept.
    pub fn handle_kept_leaves(&mut self, leaves: Option<Vec<u8>>, now: Timestamp) -> Step {
        self.cx.now = now;
        if let (Some(leaves), Some(whole)) = (leaves, &self.cx.log.whole) {
            let give = GiveBackLeaves { note: whole.note.clone(), leaves: leaves.into() };
            self.cx.ask(Request::GiveBackLeaves(give), Purpose::GiveBackLeaves);
        }
        self.finish()
    }

    /// The server does not know this device. Whether it can be told, by the log of keys, that it did.
    pub(super) fn prove_own_account(&mut self) -> bool {
        let me = self.cx.me();
        let chain = self.cx.credentials.chain.iter().map(|it| it.to_vec()).collect();
        let may_try = !std::mem::replace(&mut self.cx.session.proved, true);
        may_try && self.cx.give_account(me, chain)
    }

    /// The log has this account, and the server has it too by now.
    pub(super) fn handle_account_given_back(&mut self) {
        if !self.cx.session.is_up() {
            self.cx.greet();
        }
    }

    pub(super) fn handle_account_refused(&mut self, refusal: &Refusal) {
        if self.cx.session.is_up() {
            return;
        }
        let lacks_leaves = refusal.code == Some(RefusalCode::LogRange) && self.cx.takes_back();
        if lacks_leaves && !std::mem::replace(&mut self.cx.session.gave_leaves, true) {
            let size = self.cx.log.whole.as_ref().map_or(0, |whole| whole.size);
            let from = size.saturating_sub(LEAVES_BEFORE_LOGIN);
            return self.cx.out.wanted.push(Wanted::Leaves { from, end: size });
        }
        self.lose_account();
    }

    pub(super) fn handle_leaves_given_back(&mut self) {
        if self.cx.session.is_up() {
            self.cx.follow_log();
        } else {
            self.cx.session.proved = false;
            if !self.prove_own_account() {
                self.lose_account();
            }
        }
    }

    pub(super) fn handle_leaves_refused(&mut self, refusal: &Refusal) {
        match refusal.code {
            _ if !self.cx.session.is_up() => self.lose_account(),
            Some(RefusalCode::LogDiverged) => {
                let reason = "the server has other key records in the place of those that it had";
                self.cx.log_is_unproven(reason);
            }
            // Somebody else may give back what lies between, or nobody can.
            _ => {}
        }
    }
}

impl Engine {
    /// The server does not know this device, of which it has signed that it does: it may know it again later.
    fn lose_account(&mut self) {
        let error = ClientError::new(
            ErrorKind::Alarm,
            "the server does not know this account, though its log of keys had it: its database was set back",
        );
        self.cx.out.hang_up =
            Some(HangUp::Again(error.with_help("tell the host of the server; nothing is lost here")));
    }
}

impl Core {
    /// Whether the server takes back what was lost, and nothing new.
    pub(super) fn takes_back(&self) -> bool {
        self.session.takes_back_until.is_some_and(|until| self.now < until)
    }

    /// The server has greeted: what its host says of the life of its database is passed on.
    pub(super) fn note_life(&mut self, takes_back: Option<u64>) {
        let until = takes_back.map(|left| self.now.plus(Duration::from_millis(left)));
        self.session.takes_back_until = until;
        let is_news = self.life.is_some() && self.life != self.session.incarnation;
        if self.session.proved {
            // Told before this device was proven to be known.
        } else if self.takes_back() {
            self.emit(Event::Alarm(Alarm::ServerRestored { until }));
        } else if is_news {
            self.emit(Event::Alarm(Alarm::ServerRestored { until: None }));
        }
    }

    /// The log of keys is proven in a life that this device has not seen yet: what it has of this device may be older
    /// than the copy.
    pub(super) fn begin_life(&mut self) {
        let Some(incarnation) = self.session.incarnation.filter(|it| self.life != Some(*it)) else { return };
        let had_another = self.life.replace(incarnation).is_some();
        if had_another || self.session.takes_back_until.is_some() {
            let chain = self.credentials.chain.iter().map(|it| it.to_vec()).collect();
            self.give_account(self.me(), chain);
        }
        self.write(Write::Life(incarnation));
    }

    /// Gives back an account with one of its devices. Whether there is proof of it.
    fn give_account(&mut self, device: DeviceId, chain: Vec<Vec<u8>>) -> bool {
        let Some(proven) = self.log.people.get(&device.uid).and_then(|person| person.proven.clone()) else {
            return false;
        };
        let account = GiveBackAccount {
            name: proven.name,
            chain: chain.into_iter().map(Into::into).collect(),
            name_opening: proven.by_name,
            user_opening: proven.by_uid,
        };
        self.ask(Request::GiveBackAccount(account), Purpose::GiveBackAccount);
        true
    }

    /// The server has fewer key records than it has signed.
    pub(super) fn log_is_rolled_back(&mut self, known: u64, shown: u64) {
        self.log.is_current = false;
        if self.takes_back() {
            let soon = self.in_millis(SOON.0, SOON.1);
            self.log.look_again(soon);
        } else {
            self.raise(Alarm::KeyLogRolledBack { known, shown });
            self.log_is_unproven("the server's log of keys is smaller than it was");
        }
        if self.log.gave_from.replace(shown) == Some(shown) {
            return;
        }
        // Of a server that takes nothing back, this is how its host learns of it: by the note, also without its leaves.
        let end = self.log.whole.as_ref().map_or(0, |whole| whole.size);
        if end > shown {
            self.out.wanted.push(Wanted::Leaves { from: shown, end });
        } else if let Some(head) = self.log.auditor.head().filter(|_| !self.takes_back()) {
            let give =
                GiveBackLeaves { note: head.note().to_vec().into(), leaves: ByteVec::from(Vec::new()) };
            self.ask(Request::GiveBackLeaves(give), Purpose::GiveBackLeaves);
        }
    }
}

impl Room {
    /// What can be done while the server takes back: nothing of it is new.
    pub(super) fn step_while_taking_back(&mut self, cx: &mut Core) -> bool {
        match (self.record.membership, self.given_back) {
            (Membership::Member | Membership::Leaving, GivenBack::Whole) => {
                !self.rejoin && self.reading == Reading::Not && self.follow(cx)
            }
            (Membership::Member | Membership::Leaving, _) => {
                self.give(cx, Vec::new(), self.record.cursor);
                true
            }
            _ => false,
        }
    }

    fn give(&mut self, cx: &mut Core, records: Vec<Vec<u8>>, end: Position) {
        self.busy = Some(Busy::GivingBack);
        let records = records.into_iter().map(Into::into).collect();
        let give = GiveBackRecords { room: self.id(), records, end };
        cx.ask(Request::GiveBackRecords(give), Purpose::GiveBackRecords(self.id()));
    }

    fn want_kept(&mut self, cx: &mut Core, after: u64) {
        self.busy = Some(Busy::GivingBack);
        cx.out.wanted.push(Wanted::Records { room: self.id(), after });
    }

    /// The server's log of the room ends at `end`.
    pub(super) fn handle_log_end(&mut self, cx: &mut Core, end: Position) {
        self.not_busy_with(Busy::GivingBack);
        if end.sequence >= self.record.cursor.sequence {
            self.given_back = GivenBack::Whole;
            if std::mem::take(&mut self.gave_commit) {
                // What came with it for joiners is not given back: they get a new group as soon as it may be made.
                self.renewal_due = cx.session.takes_back_until;
                self.tree_is_other = true;
            }
        } else if self.given_back == GivenBack::From(end.sequence) {
            self.wait_for_others(cx);
        } else {
            self.given_back = GivenBack::From(end.sequence);
            self.want_kept(cx, end.sequence);
        }
    }

    fn handle_kept(&mut self, cx: &mut Core, kept: &KeptRecords) {
        self.not_busy_with(Busy::GivingBack);
        match (self.given_back, kept.records.last()) {
            (GivenBack::Room, _) if kept.from_start => self.make_again(cx),
            (GivenBack::From(_), Some((end, _))) => {
                let is_commit = |bytes: &[u8]| {
                    Record::from_bytes(bytes).is_ok_and(|record| record.kind == RecordKind::Commit)
                };
                self.gave_commit |= kept.records.iter().any(|(_, bytes)| is_commit(bytes));
                let records = kept.records.iter().map(|(_, bytes)| bytes.clone()).collect();
                self.give(cx, records, *end);
            }
            _ => self.wait_for_others(cx),
        }
    }

    /// The server does not have the room, which this device has made: its log begins anew, to be filled.
    fn make_again(&mut self, cx: &mut Core) {
        let Some(Ok(group)) = self.group.as_ref().map(openchat_e2ee::RoomGroup::snapshot) else {
            return self.wait_for_others(cx);
        };
        self.busy = Some(Busy::GivingBack);
        let name = self.record.listed.then(|| self.record.name.clone());
        let create = CreateRoom { room: self.id(), name, group };
        cx.ask(Request::CreateRoom(create), Purpose::MakeAgain(self.id()));
    }

    pub(super) fn made_again(&mut self) {
        self.not_busy_with(Busy::GivingBack);
        self.given_back = GivenBack::Unknown;
    }

    pub(super) fn handle_give_refused(&mut self, cx: &mut Core, refusal: &Refusal) {
        self.not_busy_with(Busy::GivingBack);
        match refusal.code {
            Some(RefusalCode::RoomUnknown) => {
                self.given_back = GivenBack::Room;
                self.want_kept(cx, 0);
            }
            Some(RefusalCode::LogDiverged) => self.handle_diverged(cx, refusal),
            Some(RefusalCode::AccountUnknown) => {
                self.give_accounts(cx);
                self.wait_for_others(cx);
            }
            _ => self.wait_for_others(cx),
        }
    }

    /// Gives back everybody in the room of whom there is proof.
    fn give_accounts(&self, cx: &mut Core) {
        let Some(group) = &self.group else { return };
        for member in group.roster() {
            if let Some(chain) = group.chain(member.device) {
                cx.give_account(member.device, chain);
            }
        }
    }

    pub(super) fn wait_for_others(&mut self, cx: &mut Core) {
        self.given_back = GivenBack::Waiting;
        if cx.takes_back() {
            self.not_before = cx.in_millis(SOON.0, SOON.1);
        } else {
            cx.raise(Alarm::LogSetBack { room: self.id() });
            self.pause_long(cx);
        }
    }

    /// The server has less of the room than this device has read. If its host has said why, it may still take it; if not,
    /// nothing is said, and nothing given up: it may get it back.
    pub(super) fn handle_set_back(&mut self, cx: &mut Core) {
        self.reading = Reading::Not;
        if cx.session.takes_back_until.is_some() {
            self.given_back = GivenBack::Unknown;
            self.give(cx, Vec::new(), self.record.cursor);
        } else {
            self.wait_for_others(cx);
        }
    }

    /// Whether this device has read what the server does not have, and may never get back.
    pub(super) fn is_ahead(&self, cx: &Core) -> bool {
        self.given_back == GivenBack::Waiting && !cx.takes_back()
    }

    /// The server has other records than this device has read.
    pub(super) fn handle_diverged(&mut self, cx: &mut Core, refusal: &Refusal) {
        let reason = match cx.session.takes_back_until {
            Some(_) => "the server was restored from an older copy, and the room has gone on from there without what this \
                        device had read last; that stays on this machine. Leave the room, and join it again"
                .to_owned(),
            None => refusal.detail.clone(),
        };
        self.diverge(cx, reason);
    }
}
