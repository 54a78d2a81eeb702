//! Frames from the server: each answer goes to what it was asked for.

use std::collections::VecDeque;
use std::time::Duration;

use openchat_protocol::account::ClaimKeyPackages;
use openchat_protocol::key_log::Proven;
use openchat_protocol::room::{JoinInfo, PendingWelcome};
use openchat_protocol::{
    Event as ServerEvent, Refusal, RefusalCode, Request, Response, RoomId, RoomName, ServerFrame, Timestamp,
    Uid, UserName,
};

use super::Engine;
use super::core::Core;
use super::joining::says_not_in;
use super::login::hang_up;
use super::room::{Busy, Reading, Room, Wish};
use super::sending::no_room;
use super::session::{Aim, Purpose};
use super::step::{Step, Ticket};
use crate::command::Answer;
use crate::error::{ClientError, ErrorKind};
use crate::event::{Event, Membership};
use crate::vault::RoomRecord;

/// When the server says "too fast" without saying for how long.
const TOO_FAST: u64 = 1_000;

impl Engine {
    /// The server has sent frames. Takes in as many of them as can go together, and makes a step of each: all
    /// changes are written in one transaction, then the rest of each step is carried out in its order. What changes with
    /// every message is in the last step alone.
    pub fn handle_frames(&mut self, frames: &mut VecDeque<ServerFrame>, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        while let Some(frame) = frames.pop_front() {
            self.take_in(frame, now);
            self.settle();
            let out = &self.cx.out;
            // What is wanted of the vault has to be there; after the others there is nothing to be done.
            let is_end = !out.wanted.is_empty() || out.hang_up.is_some() || self.cx.failed.is_some();
            if is_end || frames.is_empty() {
                self.save();
                steps.push(self.cx.take_step());
                break;
            }
            steps.push(self.cx.take_step());
        }
        if self.cx.failed.is_some() {
            // The keys of these are not written, and so nothing of them may be.
            steps.drain(..steps.len().saturating_sub(1));
        }
        steps
    }

    fn take_in(&mut self, frame: ServerFrame, now: Timestamp) {
        self.cx.now = now;
        self.cx.session.heard(now);
        match frame {
            ServerFrame::Answer { id, response } => {
                match self.cx.session.answered(id, &mut self.cx.out.requests) {
                    Some(purpose) => self.handle_answer(purpose, response),
                    None => self.cx.breaks_protocol("it answers what was not asked"),
                }
            }
            ServerFrame::Refused { id, refusal } => self.handle_refused(id, &refusal),
            ServerFrame::Event(event) => self.handle_event(event),
        }
    }

    fn handle_event(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Page(page) => {
                self.with_room(page.room, |room, cx| room.handle_page(cx, &page));
            }
            ServerEvent::Welcome(pending) => self.handle_welcome(pending),
            ServerEvent::WelcomesSent => self.welcomes_due = false,
            ServerEvent::GroupWanted(room) => self.with_room(room, |room, cx| room.handle_group_wanted(cx)),
            ServerEvent::Goodbye(refusal) => self.cx.out.hang_up = Some(hang_up(&refusal)),
        }
    }

    fn handle_answer(&mut self, purpose: Purpose, response: Response) {
        match (purpose, response) {
            (Purpose::Hello, Response::Greeting(greeting)) => self.handle_greeting(&greeting),
            (Purpose::Login, Response::LoggedIn(logged_in)) => self.handle_logged_in(&logged_in),
            (Purpose::Ping | Purpose::Notice, Response::Done) => {}
            (Purpose::ListRooms(ticket), Response::Rooms(rooms)) => {
                self.cx.answer(ticket, Ok(Answer::Listing(rooms)));
            }
            (Purpose::CreateInvite(ticket, link), Response::Done) => {
                self.cx.answer(ticket, Ok(Answer::Invite(link)));
            }
            (Purpose::Name(uid), Response::Proven(proven)) => self.handle_proof(uid, &proven),
            (Purpose::FollowLog, Response::LogTail(tail)) => {
                if self.cx.handle_log_tail(&tail) {
                    self.handle_log_news();
                }
            }
            (Purpose::CompareHeads(heard, own), Response::Compared(compared)) => {
                self.cx.handle_compared(heard, own, &compared);
            }
            (Purpose::PublishDevices, Response::Done) => self.cx.handle_devices_published(),
            (Purpose::GiveBackLeaves, Response::Done) => self.handle_leaves_given_back(),
            (Purpose::GiveBackAccount, Response::Done) => self.handle_account_given_back(),
            (Purpose::RevokeDevice(ticket), Response::Done) => self.follow_devices(ticket),
            (Purpose::OpenLink(ticket), Response::LinkOpened(slot)) => self.link_opened(ticket, slot),
            (Purpose::PassOn(ticket), response) => {
                self.cx.answer(ticket, Ok(Answer::PassedOn(Box::new(response))));
            }
            (Purpose::PublishKeyPackages(suite), Response::KeyPackageCount(count)) => {
                self.cx.count_key_packages(suite, count);
            }
            (Purpose::Identity(ticket, room, name, aim, known), Response::Proven(_))
                if known != self.cx.log.known_size() =>
            {
                // The proof goes on from a head that is no longer the newest one known.
                self.identify(ticket, room, name, aim);
            }
            (Purpose::Identity(ticket, room, name, aim, _), Response::Proven(proven)) => {
                self.identified(ticket, room, (&name, aim), &proven);
            }
            (Purpose::KeyPackages(ticket, _, uid), Response::KeyPackages(packages))
                if packages.iter().any(|package| !self.cx.is_listed(uid, package.device)) =>
            {
                self.cx.answer(ticket, Err(other_people()));
            }
            (Purpose::KeyPackages(ticket, room, _), Response::KeyPackages(packages)) => {
                self.add_wish(room, Wish::Add(ticket, packages));
            }
            (Purpose::JoinByName(ticket, name), Response::JoinInfo(info)) => {
                self.handle_join_by_name(ticket, &name, &info);
            }
            (purpose, response) => self.handle_room_answer(&purpose, &response),
        }
    }

    /// Answers about one room that is known.
    fn handle_room_answer(&mut self, purpose: &Purpose, response: &Response) {
        let Some(room) = purpose.room() else { return self.cx.breaks_protocol("an answer of another kind") };
        self.with_room(room, |room, cx| match (purpose, response) {
            (Purpose::Follow(_), Response::Done) => room.followed(),
            (Purpose::CreateRoom(_), Response::Done) => room.created(cx),
            (Purpose::JoinAgain(_), Response::JoinInfo(info)) if info.room == room.id() => {
                room.handle_join_info(cx, info);
            }
            (Purpose::Message(_, id), Response::Appended(appended)) => {
                room.handle_message_appended(cx, *id, *appended);
            }
            (Purpose::Commit(_, id), Response::Appended(appended)) => {
                room.handle_commit_appended(cx, *id, *appended);
            }
            (Purpose::Leave(_), Response::Appended(appended)) => room.handle_leave_appended(cx, *appended),
            (Purpose::GiveBackRecords(_), Response::LogEnd(end)) => room.handle_log_end(cx, *end),
            (Purpose::MakeAgain(_), Response::Done) => room.made_again(),
            (Purpose::Newcomers(_), Response::KeyPackages(packages)) => room.handle_newcomers(cx, packages),
            _ => cx.breaks_protocol("an answer of another kind"),
        });
    }

    fn handle_refused(&mut self, id: u64, refusal: &Refusal) {
        if refusal.code == Some(RefusalCode::RateLimited) && self.cx.session.is_up() {
            let wait = Duration::from_millis(refusal.retry_after.unwrap_or(TOO_FAST));
            return self.cx.session.delay(id, self.cx.now.plus(wait), &mut self.cx.out.requests);
        }
        let Some(purpose) = self.cx.session.answered(id, &mut self.cx.out.requests) else {
            return self.cx.breaks_protocol("it refuses what was not asked");
        };
        match &purpose {
            Purpose::Login
                if refusal.code == Some(RefusalCode::AccountUnknown) && self.prove_own_account() => {}
            Purpose::Hello | Purpose::Login => self.login_refused(refusal),
            Purpose::GiveBackAccount => self.handle_account_refused(refusal),
            Purpose::GiveBackLeaves => self.handle_leaves_refused(refusal),
            Purpose::Name(uid) => {
                self.cx.log.in_vain.insert(*uid);
                self.cx.handle_name(*uid, None);
                if *uid == self.cx.me().uid {
                    self.cx.own_is_unproven(refusal);
                }
            }
            Purpose::FollowLog => self.cx.handle_follow_refused(refusal),
            Purpose::PublishDevices => self.cx.handle_devices_refused(refusal),
            Purpose::RevokeDevice(ticket) => self.revocation_refused(*ticket, refusal),
            Purpose::PublishKeyPackages(_) => self.cx.emit(Event::Trouble(refusal.clone().into())),
            // An acknowledgement that comes too late is of no use to anybody.
            Purpose::Ping | Purpose::Notice | Purpose::CompareHeads(..) => {}
            purpose => match purpose.ticket() {
                Some(ticket) => self.cx.answer(ticket, Err(refusal.clone().into())),
                None => self.handle_room_refused(purpose, refusal),
            },
        }
    }

    fn handle_room_refused(&mut self, purpose: &Purpose, refusal: &Refusal) {
        let Some(room) = purpose.room() else { return };
        self.with_room(room, |room, cx| match purpose {
            Purpose::Follow(_) if refusal.code == Some(RefusalCode::LogDiverged) => {
                room.handle_diverged(cx, refusal);
            }
            Purpose::Follow(_) if refusal.code == Some(RefusalCode::SetBack) => room.handle_set_back(cx),
            Purpose::Follow(_) if says_not_in(refusal) => room.ended(cx),
            Purpose::Follow(_) => room.not_followed(cx),
            Purpose::CreateRoom(_) => room.handle_create_refused(cx, refusal),
            Purpose::JoinAgain(_) => room.handle_join_info_refused(cx, refusal),
            Purpose::Message(_, id) => room.handle_message_refused(cx, *id, refusal),
            Purpose::Commit(_, id) => room.handle_commit_refused(cx, *id, refusal),
            Purpose::Leave(_) => room.handle_leave_refused(cx, refusal),
            Purpose::GiveBackRecords(_) => room.handle_give_refused(cx, refusal),
            Purpose::MakeAgain(_) => {
                room.not_busy_with(Busy::GivingBack);
                room.wait_for_others(cx);
            }
            Purpose::Newcomers(_) => room.handle_newcomers_refused(cx),
            _ => {}
        });
    }

    fn handle_join_by_name(&mut self, ticket: Ticket, name: &RoomName, info: &JoinInfo) {
        if info.name.as_ref() != Some(name) {
            let error =
                ClientError::new(ErrorKind::Protocol, format!("the server gave another room than #{name}"));
            return self.cx.answer(ticket, Err(error));
        }
        let room = self.rooms.entry(info.room).or_insert_with(|| {
            Room::new(RoomRecord::new(info.room, name.clone(), true, Membership::Joining))
        });
        if room.is_in() {
            return self.cx.answer(ticket, Ok(Answer::Room(info.room)));
        }
        room.waiting.push(ticket);
        let underway = room.busy.is_some() || room.own_commit.is_some();
        if !underway {
            room.record.membership = Membership::Joining;
            self.with_room(info.room, |room, cx| room.handle_join_info(cx, info));
        }
    }

    fn handle_welcome(&mut self, pending: PendingWelcome) {
        let id = pending.room;
        // Its name is inside the encryption: until that is open the room has a name of its identifier.
        let Ok(unnamed) = format!("r{id}").parse() else { return };
        let fresh = || Room::new(RoomRecord::new(id, unnamed, false, Membership::Joining));
        self.rooms.entry(id).or_insert_with(fresh);
        self.with_room(id, |room, cx| room.handle_welcome(cx, pending));
    }

    /// The server says who has a name.
    fn identified(&mut self, ticket: Ticket, room: RoomId, (name, aim): (&UserName, Aim), proven: &Proven) {
        let account = &proven.account;
        if account.name != *name {
            return self.cx.breaks_protocol("an account of another name");
        }
        if let Err(error) = self.cx.check_proven(proven) {
            return self.cx.answer(ticket, Err(error));
        }
        self.settle_devices(account.uid);
        match (self.cx.meet(account), aim) {
            (Ok(_), Aim::Remove) => self.remove_known(ticket, room, name),
            (Ok(uid), Aim::Add) => self.claim_key_packages(ticket, room, uid),
            (Err(error), _) => self.cx.answer(ticket, Err(error)),
        }
    }

    fn claim_key_packages(&mut self, ticket: Ticket, room: RoomId, uid: Uid) {
        let group = self.rooms.get(&room).and_then(|room| room.group.as_ref());
        match group.map(|group| group.suite().id()) {
            Some(suite) => {
                let claim = Request::ClaimKeyPackages(ClaimKeyPackages { uid, suite, device: None });
                self.cx.ask(claim, Purpose::KeyPackages(ticket, room, uid));
            }
            None => self.cx.answer(ticket, Err(no_room(room))),
        }
    }

    fn add_wish(&mut self, room: RoomId, wish: Wish) {
        self.in_room(wish.ticket(), room, |room, cx| room.add_wish(cx, wish));
    }

    /// Does something with a room, and whatever follows from it; nothing when it has gone meanwhile.
    fn with_room(&mut self, room: RoomId, work: impl FnOnce(&mut Room, &mut Core)) {
        if let Some(room) = self.rooms.get_mut(&room) {
            work(room, &mut self.cx);
            room.progress(&mut self.cx);
        }
    }
}

/// The server tried to have somebody else added than was asked for.
fn other_people() -> ClientError {
    ClientError::new(
        ErrorKind::Alarm,
        "the server gave keys of somebody else than was asked for: nobody was added",
    )
    .with_help("do not trust this server with new members; tell its host")
}

impl Room {
    fn followed(&mut self) {
        if self.reading == Reading::Asked {
            self.reading = Reading::CatchingUp;
        }
    }

    fn not_followed(&mut self, cx: &mut Core) {
        self.reading = Reading::Not;
        self.pause(cx);
    }
}

impl Purpose {
    /// The command that waits for the answer.
    pub(super) fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::ListRooms(ticket)
            | Self::CreateInvite(ticket, _)
            | Self::JoinByName(ticket, _)
            | Self::Identity(ticket, ..)
            | Self::KeyPackages(ticket, ..)
            | Self::RevokeDevice(ticket)
            | Self::OpenLink(ticket)
            | Self::PassOn(ticket) => Some(*ticket),
            _ => None,
        }
    }

    fn room(&self) -> Option<RoomId> {
        match self {
            Self::CreateRoom(room)
            | Self::JoinAgain(room)
            | Self::Message(room, _)
            | Self::Commit(room, _)
            | Self::Leave(room)
            | Self::Follow(room)
            | Self::GiveBackRecords(room)
            | Self::MakeAgain(room)
            | Self::Newcomers(room) => Some(*room),
            _ => None,
        }
    }
}
