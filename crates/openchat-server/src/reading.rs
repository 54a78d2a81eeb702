//! One session's reading of one room: a cursor, and from where the next records come.

use bytes::Bytes;
use openchat_store::room::Membership;
use openchat_store::room_log::LogPage;

use crate::fanout::{Following, Next, TailRead};

/// Live delivery, reconnect and catch-up alike: whatever comes after the cursor, from the tail or from the store.
pub(crate) struct Reading {
    following: Following,
    cursor: u64,
    /// From this cursor on the device may read all there is, so that the tail, which knows nothing of memberships,
    /// will do. Nothing when the device is no member any more.
    unbounded_from: Option<u64>,
    /// The first page is sent even when it is empty: it tells the client where the room stands.
    begun: bool,
    /// It waits for its turn.
    queued: bool,
}

/// What a session does next for a room.
pub(crate) enum Step {
    /// Send these; `head` is the room's newest record. With `more`, others follow.
    Send { records: Vec<Bytes>, head: u64, more: bool },
    /// Nothing until the bell rings.
    Wait,
    /// Read the store after this sequence.
    Load(u64),
    /// Ask the store for the device's membership.
    AskMembership,
}

impl Reading {
    /// `membership` was read after `following` began.
    pub(crate) fn new(following: Following, cursor: u64, membership: &Membership) -> Self {
        following.learn(membership.head);
        Self { following, cursor, unbounded_from: unbounded_from(membership), begun: false, queued: false }
    }

    /// Whether it now has to be put in the queue; it is there already, otherwise.
    pub(crate) fn queue(&mut self) -> bool {
        !std::mem::replace(&mut self.queued, true)
    }

    pub(crate) fn next(&mut self) -> Step {
        self.queued = false;
        match self.following.next(self.cursor) {
            Next::Membership => Step::AskMembership,
            Next::Tail(TailRead::Records(records), head) if self.is_unbounded() => self.send(records, head),
            Next::Tail(..) => Step::Load(self.cursor),
        }
    }

    /// Takes in what the store gave after `after`. `false` when that is not where this reading is (any more).
    pub(crate) fn loaded(&mut self, after: u64, page: &LogPage) -> bool {
        let expected = after == self.cursor;
        if expected {
            self.cursor = page.cursor;
            self.begun = true;
        }
        expected
    }

    pub(crate) fn membership(&mut self, membership: Option<&Membership>) {
        self.unbounded_from = membership.and_then(unbounded_from);
    }

    fn is_unbounded(&self) -> bool {
        self.unbounded_from.is_some_and(|from| from <= self.cursor)
    }

    fn send(&mut self, records: Vec<Bytes>, head: u64) -> Step {
        if records.is_empty() && self.begun {
            return Step::Wait;
        }
        self.begun = true;
        self.cursor += records.len() as u64;
        let more = !records.is_empty() && self.cursor < head;
        Step::Send { records, head, more }
    }
}

fn unbounded_from(membership: &Membership) -> Option<u64> {
    let last = membership.intervals.last().filter(|interval| interval.is_open())?;
    Some(last.joined_at.saturating_sub(1))
}
