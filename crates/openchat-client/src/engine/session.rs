//! One connection as the engine sees it: requests under their numbers, at most so many at once, and signs of life.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use openchat_protocol::{
    Address, ClientFrame, Incarnation, MessageId, Request, RoomId, RoomName, Timestamp, Uid, UserName,
};

use openchat_e2ee::Suite;

use super::step::Ticket;
use crate::vault::HeardHead;

/// Requests on their way at once: half of what a server takes, so that a ping always finds room.
const WINDOW: usize = openchat_protocol::limits::REQUESTS_IN_FLIGHT / 2;
/// After this long without a word from the server it is asked for one.
const QUIET: Duration = Duration::from_secs(25);
/// After this long the connection is taken for dead.
const DEAD: Duration = Duration::from_secs(45);

/// What a request is for: what its answer means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Purpose {
    Hello,
    Login,
    Ping,
    /// Its answer says nothing that is not known already.
    Notice,
    ListRooms(Ticket),
    CreateInvite(Ticket, String),
    CreateRoom(RoomId),
    /// To join a listed room for somebody.
    JoinByName(Ticket, RoomName),
    /// To join, or join again, a room that is known.
    JoinAgain(RoomId),
    /// A message of the outbox.
    Message(RoomId, MessageId),
    /// The room's own commit.
    Commit(RoomId, MessageId),
    Leave(RoomId),
    Follow(RoomId),
    /// A name for somebody in a room.
    Name(Uid),
    /// An identity for a name, to let it in or put it out.
    Identity(Ticket, RoomId, UserName, Aim, u64),
    /// Key packages of somebody who is let in.
    KeyPackages(Ticket, RoomId, Uid),
    PublishKeyPackages(Suite),
    /// More of the log of keys.
    FollowLog,
    /// Whether what somebody else was shown is of the log whose head has this size.
    CompareHeads(HeardHead, u64),
    /// The own list of devices.
    PublishDevices,
    /// Where a room's log ends, or records for it.
    GiveBackRecords(RoomId),
    /// A room that the server has lost.
    MakeAgain(RoomId),
    GiveBackLeaves,
    GiveBackAccount,
    /// The same, without a device that somebody wants out.
    RevokeDevice(Ticket),
    OpenLink(Ticket),
    /// A request in which the engine has no part.
    PassOn(Ticket),
    /// Key packages of own devices that a room does not have yet.
    Newcomers(RoomId),
}

/// What is wanted with somebody who is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    Add,
    Remove,
}

/// A request that was not answered yet.
#[derive(Debug)]
struct Asked {
    request: Request,
    purpose: Purpose,
}

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// There is none.
    Down,
    /// Greeted, logging in.
    LoggingIn,
    /// Logged in.
    Up,
}

/// The connection of this moment.
pub(super) struct Session {
    pub(super) link: Link,
    /// The life of the database, as of the greeting.
    pub(super) incarnation: Option<Incarnation>,
    /// Until when the server, restored from an older copy, takes back what it has lost.
    pub(super) takes_back_until: Option<Timestamp>,
    /// Before the login, the server was told that it did know this device.
    pub(super) proved: bool,
    /// And was given leaves of its log of keys for that.
    pub(super) gave_leaves: bool,
    /// Where others reach the server, if its host has said so.
    pub(super) address: Option<Address>,
    /// Binds the login to the TLS channel (RFC 9266).
    pub(super) exporter: [u8; 32],
    next_id: u64,
    asked: HashMap<u64, Asked>,
    /// Wait until fewer requests are on their way.
    queue: VecDeque<Asked>,
    /// Wait until the server's rate limit lets them pass.
    delayed: Vec<(Timestamp, Asked)>,
    heard: Timestamp,
    pinged: bool,
}

impl Session {
    pub(super) fn down() -> Self {
        Self {
            link: Link::Down,
            incarnation: None,
            takes_back_until: None,
            proved: false,
            gave_leaves: false,
            address: None,
            exporter: [0; 32],
            next_id: 0,
            asked: HashMap::new(),
            queue: VecDeque::new(),
            delayed: Vec::new(),
            heard: Timestamp(0),
            pinged: false,
        }
    }

    pub(super) fn connected(exporter: [u8; 32], now: Timestamp) -> Self {
        Self { link: Link::LoggingIn, exporter, heard: now, ..Self::down() }
    }

    pub(super) fn is_up(&self) -> bool {
        self.link == Link::Up
    }

    /// Asks for `request` as soon as there is room for it.
    pub(super) fn ask(&mut self, request: Request, purpose: Purpose, out: &mut Vec<ClientFrame>) {
        self.queue.push_back(Asked { request, purpose });
        self.fill(out);
    }

    /// Whether a request for `purpose` has no answer yet.
    pub(super) fn is_asking(&self, purpose: &Purpose) -> bool {
        self.is_asking_for(|asked| asked == purpose)
    }

    pub(super) fn is_asking_for(&self, what: impl Fn(&Purpose) -> bool) -> bool {
        let waiting = self.queue.iter().chain(self.delayed.iter().map(|(_, asked)| asked));
        self.asked.values().chain(waiting).any(|asked| what(&asked.purpose))
    }

    fn fill(&mut self, out: &mut Vec<ClientFrame>) {
        while self.asked.len() < WINDOW {
            let Some(asked) = self.queue.pop_front() else { return };
            self.next_id += 1;
            out.push(ClientFrame { id: self.next_id, request: asked.request.clone() });
            self.asked.insert(self.next_id, asked);
        }
    }

    /// A sign of life.
    pub(super) fn heard(&mut self, now: Timestamp) {
        self.heard = now;
        self.pinged = false;
    }

    /// What the answer with this id answers.
    pub(super) fn answered(&mut self, id: u64, out: &mut Vec<ClientFrame>) -> Option<Purpose> {
        let asked = self.asked.remove(&id)?;
        self.fill(out);
        Some(asked.purpose)
    }

    /// The request with this id came too fast: it is asked again by itself at `at`.
    pub(super) fn delay(&mut self, id: u64, at: Timestamp, out: &mut Vec<ClientFrame>) {
        if let Some(asked) = self.asked.remove(&id) {
            self.delayed.push((at, asked));
        }
        self.fill(out);
    }

    /// Everything that will not be answered on this connection.
    pub(super) fn lost(&mut self) -> Vec<Purpose> {
        let gone = std::mem::replace(self, Self::down());
        let delayed = gone.delayed.into_iter().map(|(_, asked)| asked);
        gone.asked.into_values().chain(gone.queue).chain(delayed).map(|asked| asked.purpose).collect()
    }

    /// Asks again what was too fast, and for a sign of life. `false` when the connection is dead.
    pub(super) fn handle_timer(&mut self, now: Timestamp, out: &mut Vec<ClientFrame>) -> bool {
        if self.link == Link::Down {
            return true;
        }
        let (due, later) = std::mem::take(&mut self.delayed).into_iter().partition(|(at, _)| *at <= now);
        self.delayed = later;
        self.queue.extend(Vec::into_iter(due).map(|(_, asked)| asked));
        self.fill(out);
        let silence = now.since(self.heard);
        if silence >= QUIET && !self.pinged {
            self.pinged = true;
            self.ask(Request::Ping, Purpose::Ping, out);
        }
        silence < DEAD
    }

    pub(super) fn next_timer(&self, now: Timestamp) -> Option<Timestamp> {
        let alive = match self.link {
            Link::Down => None,
            _ if self.pinged => Some(self.heard.plus(DEAD)),
            _ => Some(self.heard.plus(QUIET)),
        };
        let delayed = self.delayed.iter().map(|(at, _)| *at);
        delayed.chain(alive).chain(self.takes_back_until.filter(|until| *until > now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(frames: &[ClientFrame]) -> Vec<u64> {
        frames.iter().map(|frame| frame.id).collect()
    }

    #[test]
    fn no_more_is_asked_at_once_than_the_window_holds() {
        let mut session = Session::connected([0; 32], Timestamp(0));
        let mut out = Vec::new();
        for _ in 0..WINDOW + 2 {
            session.ask(Request::ListRooms, Purpose::Notice, &mut out);
        }
        assert_eq!(out.len(), WINDOW);
        out.clear();
        assert_eq!(session.answered(1, &mut out), Some(Purpose::Notice));
        assert_eq!(out.len(), 1, "an answer makes room for the next");
        assert_eq!(session.answered(1, &mut out), None, "it was answered");
        assert_eq!(session.lost().len(), WINDOW + 1);
    }

    #[test]
    fn what_came_too_fast_is_asked_again_in_its_time() {
        let mut session = Session::connected([0; 32], Timestamp(0));
        let mut out = Vec::new();
        session.ask(Request::ListRooms, Purpose::Ping, &mut out);
        session.delay(1, Timestamp(500), &mut out);
        assert_eq!(session.next_timer(Timestamp(0)), Some(Timestamp(500)));
        assert!(session.is_asking(&Purpose::Ping));
        assert!(session.handle_timer(Timestamp(499), &mut out));
        assert_eq!(ids(&out), [1]);
        assert!(session.handle_timer(Timestamp(500), &mut out));
        assert_eq!(ids(&out), [1, 2]);
        assert_eq!(session.answered(2, &mut out), Some(Purpose::Ping));
    }
}
