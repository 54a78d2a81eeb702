//! Membership: what the log's commits and leave notices do to a room, and what this device owes the others for it.

use std::collections::HashSet;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use openchat_e2ee::{AcceptError, EpochChange};
use openchat_protocol::record::Record;
use openchat_protocol::statement::LeaveNotice;
use openchat_protocol::{DeviceId, Timestamp, Uid};

use super::core::Core;
use super::room::{Busy, Room};
use crate::error::{ClientError, ErrorKind};
use crate::event::{Entry, Event, Membership};
use crate::vault::StoredEpoch;

/// Between one member's turn to step in and the next one's, in milliseconds.
const TURN: u64 = 3_000;
/// How many members would commit for the sake of joiners: what comes with it may be megabytes.
const RENEWERS: usize = 8;
/// Between two commits of this device that joiners ask for.
const RENEWAL_REST: Duration = Duration::from_secs(10);

// What commits do.

impl Room {
    /// Somebody else's commit has begun a new epoch.
    pub(super) fn read_commit(&mut self, cx: &mut Core, record: &Record, change: &EpochChange) {
        // A commit of this device on the same base cannot be in the log any more.
        self.forget_own_commit(cx);
        if change.i_am_removed {
            let who = cx.me().uid;
            self.add_line(cx, record.sequence, record.time, change.by.uid, Entry::Removed { who });
            self.add_change(cx, record.sequence, record.time, change);
            return self.close(cx, Membership::Removed);
        }
        self.take_change(cx, record.sequence, record.time, change);
        self.heard(cx, change.by);
        if change.external && !self.record.listed {
            // Who came in keeps silent until somebody shows by a record that the others are in the same keys.
            self.renew_in_turn(cx, &HashSet::from([change.by]));
        }
    }

    /// The echo of the commit of this device. An error means that the group is lost.
    pub(super) fn read_own_commit(&mut self, cx: &mut Core, record: &Record) -> Result<(), ()> {
        let Some(group) = &mut self.group else { return Err(()) };
        let accepted = group.accept_commit(record.time);
        self.group_changed();
        self.set_own_commit(cx, None);
        self.busy = self.busy.filter(|busy| !matches!(busy, Busy::Commit(_)));
        match accepted {
            Ok(change) => {
                self.succeeded();
                self.plan_update(cx);
                self.take_change(cx, record.sequence, record.time, &change);
                self.wish_granted(cx);
                Ok(())
            }
            Err(AcceptError::Mls(_)) => Err(()),
            Err(error) => {
                self.wish_refused(cx, ClientError::new(ErrorKind::Refused, error.to_string()));
                self.skip_commit(cx);
                Ok(())
            }
        }
    }

    /// What follows for everybody who stays.
    fn take_change(&mut self, cx: &mut Core, sequence: u64, time: Timestamp, change: &EpochChange) {
        self.renewal_due = None;
        self.announce(cx, sequence, time, change);
        self.add_change(cx, sequence, time, change);
        self.reset_counters(cx, &change.joined, &change.removed);
        self.keep_epoch_key(cx);
        self.take_policy();
        let group = self.group.as_ref();
        self.record.departed.retain(|notice| group.is_some_and(|group| group.check_leave(notice).is_ok()));
        self.plan_removal(cx);
        self.vouch(cx);
    }

    pub(super) fn take_policy(&mut self) {
        if let Some(group) = &self.group {
            self.record.name = group.policy().name().clone();
            self.record.listed = group.policy().is_listed();
            self.record.room_key = group.policy().room_key().cloned();
            self.record_changed();
        }
    }

    /// Lines for who came and went, by user: devices are their own affair.
    fn announce(&mut self, cx: &mut Core, sequence: u64, time: Timestamp, change: &EpochChange) {
        cx.learn_names(change.joined.iter().map(|device| device.uid));
        let here: HashSet<DeviceId> = self.roster().iter().map(|member| member.device).collect();
        let is_here = |uid: Uid| here.iter().any(|device| device.uid == uid);
        let was_here = |uid: Uid| here.iter().any(|it| it.uid == uid && !change.joined.contains(it));
        let by = change.by.uid;
        for device in &change.joined {
            let who = device.uid;
            let (author, entry) = match () {
                () if change.removed.contains(device) => (who, Entry::Rejoined),
                () if was_here(who) => (by, Entry::DeviceJoined { who }),
                () => (by, Entry::Joined { who }),
            };
            self.add_line(cx, sequence, time, author, entry);
        }
        let left = |device: &DeviceId| self.record.departed.iter().any(|notice| notice.device == *device);
        // Whoever left has a line already.
        let gone: Vec<_> = change.removed.iter().filter(|it| !left(it) && !is_here(it.uid)).collect();
        for device in gone {
            self.add_line(cx, sequence, time, by, Entry::Removed { who: device.uid });
        }
    }

    /// `change` was made by the commit at `sequence`.
    pub(super) fn add_change(&self, cx: &mut Core, sequence: u64, time: Timestamp, change: &EpochChange) {
        let &EpochChange { epoch, ref by, ref joined, ref removed, .. } = change;
        let (room, joined, removed) = (self.id(), joined.clone(), removed.clone());
        self.add_epoch(cx, StoredEpoch { room, epoch, sequence, time, by: by.uid, joined, removed });
    }

    /// A commit that all members skip. What came with it for joiners is as worthless.
    pub(super) fn skip_commit(&mut self, cx: &mut Core) {
        if self.own_commit.is_some() {
            // Stale by now, and still pending in the group, which has not moved.
            self.discard_own_commit(cx);
        }
        self.renew_in_turn(cx, &HashSet::new());
    }

    /// One member commits, so that joiners have a group that is good, and see that somebody is there; the others step
    /// in when it does not.
    fn renew_in_turn(&mut self, cx: &mut Core, excepted: &HashSet<DeviceId>) {
        let turn = self.turn(cx, excepted).filter(|turn| *turn < RENEWERS);
        self.renewal_due = turn.map(|turn| in_turn(cx, turn));
    }

    /// Somebody outside cannot use the group that came with the last commit.
    pub(super) fn handle_group_wanted(&mut self, cx: &Core) {
        if self.is_in() && self.rested <= cx.now {
            self.rested = cx.now.plus(RENEWAL_REST);
            self.renewal_due = Some(cx.now);
        }
    }
}

// Those who left.

impl Room {
    /// A member has left; its leaf is still there.
    pub(super) fn read_leave(&mut self, cx: &mut Core, record: &Record, notice: LeaveNotice) {
        let uid = notice.device.uid;
        self.record.departed.retain(|known| known.device != notice.device);
        self.record.departed.push(notice);
        self.record_changed();
        // A user leaves with all devices, one after the other: the last one is told.
        let has_left = |device: DeviceId| self.record.departed.iter().any(|notice| notice.device == device);
        if !self.roster().iter().any(|it| it.device.uid == uid && !has_left(it.device)) {
            self.add_line(cx, record.sequence, record.time, uid, Entry::Left);
        }
        if uid == cx.me().uid && self.record.membership == Membership::Member {
            self.become_(cx, Membership::Leaving);
        }
        self.plan_removal(cx);
    }

    /// One member removes those who left, at once; the others step in when it does not.
    pub(super) fn plan_removal(&mut self, cx: &mut Core) {
        let departed: HashSet<_> = self.record.departed.iter().map(|notice| notice.device).collect();
        self.removal_due = match self.turn(cx, &departed) {
            Some(turn) if !departed.is_empty() => Some(in_turn(cx, turn)),
            _ => None,
        };
    }

    /// When it is this device's turn, among those who are in the room and not `excepted`; all members agree on it.
    fn turn(&self, cx: &Core, excepted: &HashSet<DeviceId>) -> Option<usize> {
        let epoch = self.group.as_ref()?.epoch();
        let mut order: Vec<_> = self
            .roster()
            .iter()
            .filter(|member| !excepted.contains(&member.device))
            .map(|member| (place(epoch, member.leaf), member.device))
            .collect();
        order.sort_unstable();
        order.iter().position(|(_, device)| *device == cx.me())
    }

    /// Removes those who left: when it is time, or before anything is said that they could still read.
    pub(super) fn remove_departed_if_due(&mut self, cx: &mut Core) -> bool {
        let due = self.removal_due.is_some_and(|due| due <= cx.now);
        if self.record.departed.is_empty() || !(due || self.has_to_send(cx)) {
            return false;
        }
        let departed = self.record.departed.clone();
        let draft = self.group.as_mut().map(|group| group.remove(&[], &departed, cx.now));
        match draft {
            Some(Ok(draft)) => self.send_draft(cx, draft, false),
            Some(Err(error)) => {
                self.trouble_with_departed(cx, &error.to_string());
                self.failures = self.failures.max(6);
                self.pause(cx);
                true
            }
            None => false,
        }
    }

    /// Those who left are still in the keys: nothing is said in the room until they are out.
    pub(super) fn trouble_with_departed(&mut self, cx: &mut Core, reason: &str) {
        if self.record.departed.is_empty() {
            return;
        }
        let message =
            format!("messages in #{} wait: who has left cannot be removed yet ({reason})", self.record.name);
        cx.emit(Event::Trouble(
            ClientError::new(ErrorKind::Refused, message).with_help("it is tried again by itself"),
        ));
    }
}

fn in_turn(cx: &mut Core, turn: usize) -> Timestamp {
    match u64::try_from(turn).unwrap_or(u64::MAX).saturating_mul(TURN) {
        0 => cx.now,
        wait => cx.in_millis(wait, wait.saturating_add(TURN / 2)),
    }
}

/// The order in which members act in an epoch: a hash, so that it is not always the same one's turn.
fn place(epoch: u64, leaf: u32) -> u64 {
    let bytes = [&epoch.to_be_bytes()[..], &leaf.to_be_bytes()].concat();
    let first = digest(&SHA256, &bytes).as_ref().first_chunk().copied();
    u64::from_be_bytes(first.unwrap_or_default())
}
