//! One room: what is known of it, what is on its way, and what is to be done next.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use openchat_e2ee::RoomGroup;
use openchat_protocol::account::ClaimedKeyPackage;
use openchat_protocol::record::{Base, Position};
use openchat_protocol::room::{Follow, PendingWelcome};
use openchat_protocol::{DeviceId, MessageId, Request, RoomId, Timestamp, Uid};

use super::core::Core;
use super::devices::{AsListed, Newcomers};
use super::giving_back::GivenBack;
use super::session::Purpose;
use super::step::Ticket;
use crate::command::Answer;
use crate::error::{ClientError, ErrorKind};
use crate::event::{Entry, Event, Line, Membership};
use crate::vault::{
    EpochKey, LoadedRoom, Notice, OutboxMessage, OwnCommit, RoomRecord, StoredEpoch, StoredGroup, StoredLine,
    Write, epoch_changed,
};

/// Places of the hash chain that are remembered, to compare with what others have seen.
const CHAIN: usize = 1024;
/// The longest pause between two attempts, in milliseconds.
const LONGEST_PAUSE: u64 = 30_000;
/// Why what was wanted in a room is not done.
pub(super) const OUT: &str = "this device is no longer in the room";

/// How far reading is on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Not followed.
    Not,
    /// Follow was sent: pages that come before its answer belong to an earlier one.
    Asked,
    /// Behind.
    CatchingUp,
    /// At the end of the log.
    Live,
}

/// The one thing of a room that is unanswered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    /// The room is being made.
    Creating,
    /// Information for joining was asked for.
    JoinInfo,
    /// A message of the outbox.
    Message(MessageId),
    /// A commit; until its echo is read.
    Commit(MessageId),
    /// The leave notice.
    Leave,
    /// What the server has lost.
    GivingBack,
}

/// What a person wants to be changed by a commit.
#[derive(Debug)]
pub(super) enum Wish {
    /// Let devices in.
    Add(Ticket, Vec<ClaimedKeyPackage>),
    /// Put a user out.
    Remove(Ticket, Uid),
    /// New keys for this device.
    Update(Ticket),
}

impl Wish {
    pub(super) fn ticket(&self) -> Ticket {
        match self {
            Self::Add(ticket, _) | Self::Remove(ticket, _) | Self::Update(ticket) => *ticket,
        }
    }
}

/// One room of this profile.
pub(super) struct Room {
    pub(super) record: RoomRecord,
    pub(super) group: Option<RoomGroup>,
    /// A commit of this device whose place in the log is not known.
    pub(super) own_commit: Option<OwnCommit>,
    /// The own commit grants the first wish.
    pub(super) granting: bool,
    pub(super) outbox: VecDeque<OutboxMessage>,
    /// In the log by the server's answer; the echo is still to be read.
    pub(super) stored: HashSet<MessageId>,
    pub(super) counters: HashMap<DeviceId, u64>,
    /// What was shown since the start.
    pub(super) recent: VecDeque<(DeviceId, MessageId)>,
    pub(super) chain: VecDeque<Position>,
    /// Where the server said that own records are.
    pub(super) promised: Vec<Position>,
    pub(super) reading: Reading,
    pub(super) busy: Option<Busy>,
    pub(super) wishes: VecDeque<Wish>,
    /// Whoever waits for the room to be made or joined.
    pub(super) waiting: Vec<Ticket>,
    /// This device has lost the room's keys and joins again.
    pub(super) rejoin: bool,
    /// The log has a commit up to here that is to be read before anything is appended.
    pub(super) behind: u64,
    pub(super) not_before: Timestamp,
    pub(super) failures: u32,
    /// When this device removes those who have left.
    pub(super) removal_due: Option<Timestamp>,
    /// When this device commits for the sake of those who join: after garbage, or because one of them asks.
    pub(super) renewal_due: Option<Timestamp>,
    /// Whose groups were of no use for joining.
    pub(super) doubted: Vec<Uid>,
    /// The server holds another ratchet tree than the group's, which the next commit puts right.
    pub(super) tree_is_other: bool,
    /// How far the server has what this device has read, after an older copy of it was restored.
    pub(super) given_back: GivenBack,
    /// There was a commit among what was given back.
    pub(super) gave_commit: bool,
    /// How often this device has come in where nobody was, since it was last heard.
    pub(super) stranded: u32,
    /// This device does not commit for joiners before then.
    pub(super) rested: Timestamp,
    /// The size of the log of keys that the room was told of last, since the start.
    pub(super) told_of_log: u64,
    /// Who has said that the server shows another log.
    pub(super) other_logs: HashSet<DeviceId>,
    /// Waits until this device has read that it was removed.
    pub(super) welcome: Option<PendingWelcome>,
    /// Devices of this user that are to come in.
    pub(super) newcomers: Newcomers,
    pub(super) as_listed: AsListed,
    /// The room never came to be.
    pub(super) is_gone: bool,
    /// The newest epoch in which it was seen whether the inviter of this profile is here.
    pub(super) offered_in: Option<u64>,
    /// Who is in the room stands on the disk.
    people_kept: bool,
    record_changed: bool,
    group_changed: bool,
    /// The epoch of the tree on disk.
    tree_epoch: Option<u64>,
    /// The next part of the record whose lines are being written.
    next_part: (u64, u32),
}

impl Room {
    pub(super) fn new(record: RoomRecord) -> Self {
        Self {
            group: None,
            own_commit: None,
            granting: false,
            outbox: VecDeque::new(),
            stored: HashSet::new(),
            counters: HashMap::new(),
            recent: VecDeque::new(),
            chain: VecDeque::new(),
            promised: Vec::new(),
            reading: Reading::Not,
            busy: None,
            wishes: VecDeque::new(),
            waiting: Vec::new(),
            rejoin: false,
            behind: 0,
            not_before: Timestamp(0),
            failures: 0,
            removal_due: None,
            renewal_due: None,
            doubted: Vec::new(),
            tree_is_other: false,
            given_back: GivenBack::Unknown,
            gave_commit: false,
            stranded: 0,
            rested: Timestamp(0),
            told_of_log: 0,
            other_logs: HashSet::new(),
            welcome: None,
            newcomers: Newcomers::default(),
            as_listed: AsListed::default(),
            is_gone: false,
            offered_in: None,
            people_kept: false,
            record_changed: false,
            group_changed: false,
            tree_epoch: None,
            next_part: (record.cursor.sequence, 0),
            record,
        }
    }

    /// The room as it was when the vault was last written. Keys that do not load are replaced by joining again.
    pub(super) fn load(loaded: LoadedRoom, device: &openchat_e2ee::Device) -> Self {
        let LoadedRoom { record, group, own_commit, counters, chain, next_part, outbox } = loaded;
        let next_part = (record.cursor.sequence, next_part);
        let is_in = matches!(
            record.membership,
            Membership::Creating | Membership::Joining | Membership::Member | Membership::Leaving
        );
        let group = group.and_then(|stored| stored.open(device).ok());
        let rejoin = is_in && group.is_none();
        let tree_epoch = group.as_ref().map(RoomGroup::epoch);
        let (counters, chain, outbox) = (counters.into_iter().collect(), chain.into(), outbox.into());
        Self {
            group,
            own_commit,
            counters,
            chain,
            rejoin,
            tree_epoch,
            next_part,
            outbox,
            ..Self::new(record)
        }
    }

    pub(super) fn id(&self) -> RoomId {
        self.record.room
    }

    /// Whether this device reads and may write.
    pub(super) fn is_in(&self) -> bool {
        matches!(self.record.membership, Membership::Member | Membership::Leaving)
    }

    /// Whether there is nothing to read before it is at the end of the log.
    pub(super) fn is_settled(&self) -> bool {
        self.reading == Reading::Live || self.given_back == GivenBack::Waiting
    }

    /// Takes over a renewed certificate of this device.
    pub(super) fn reload(&mut self, cx: &mut Core) {
        let Some(Ok(state)) = self.group.as_mut().map(RoomGroup::state) else { return };
        match cx.device.load(&state) {
            Ok(group) => self.set_group(group),
            Err(error) => cx.fail(&error),
        }
    }

    /// What an append builds on.
    pub(super) fn base(&self, cx: &Core) -> Option<Base> {
        Some(Base { incarnation: cx.session.incarnation?, commit: self.record.commit })
    }

    /// Devices in the room that have not left.
    pub(super) fn roster(&self) -> Vec<openchat_e2ee::Member> {
        self.group.as_ref().map(RoomGroup::roster).unwrap_or_default()
    }

    /// Reads the room from where this device stands.
    pub(super) fn follow(&mut self, cx: &mut Core) -> bool {
        self.reading = Reading::Asked;
        let uids: HashSet<Uid> = self.roster().iter().map(|member| member.device.uid).collect();
        cx.learn_names(uids);
        let follow = Follow { room: self.id(), after: self.record.cursor };
        cx.ask(Request::Follow(follow), Purpose::Follow(self.id()));
        true
    }

    /// The connection is gone, and every answer with it.
    pub(super) fn handle_lost(&mut self) {
        self.reading = Reading::Not;
        self.busy = None;
        self.stored.clear();
        self.promised.clear();
        self.given_back = GivenBack::Unknown;
        (self.behind, self.failures, self.not_before) = (0, 0, Timestamp(0));
    }

    /// Tries again after a pause that grows from one failure to the next.
    pub(super) fn pause(&mut self, cx: &mut Core) {
        let longest = (100 << self.failures.min(9)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.not_before = cx.in_millis(longest / 4, longest);
    }

    /// The same when nothing is to be expected soon.
    pub(super) fn pause_long(&mut self, cx: &mut Core) {
        self.failures = self.failures.max(8);
        self.pause(cx);
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    pub(super) fn next_timer(&self, now: Timestamp) -> Option<Timestamp> {
        let update = (self.reading == Reading::Live).then_some(self.record.update_at);
        let removal = self.removal_due.filter(|_| self.reading == Reading::Live);
        let renewal = self.renewal_due.filter(|_| self.reading == Reading::Live);
        let newcomers = self.newcomers.next_timer().filter(|_| self.reading == Reading::Live);
        let pause = Some(self.not_before);
        // What is due already was tried when it became due; what held it up will set it going again.
        [update, removal, renewal, newcomers, pause].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// This device stands otherwise to the room.
    pub(super) fn become_(&mut self, cx: &mut Core, membership: Membership) {
        self.record.membership = membership;
        self.record_changed = true;
        cx.emit(Event::Room { room: self.id(), name: self.record.name.clone(), membership });
    }

    /// Out of the room: its keys are forgotten; its history stays, and the words that were not sent.
    pub(super) fn close(&mut self, cx: &mut Core, membership: Membership) {
        self.group = None;
        self.own_commit = None;
        self.reading = Reading::Not;
        self.busy = None;
        self.rejoin = false;
        (self.removal_due, self.renewal_due) = (None, None);
        (self.record.unheard, self.record.room_key) = (None, None);
        self.granting = false;
        self.record.departed.clear();
        self.stored.clear();
        self.promised.clear();
        self.counters.clear();
        self.chain.clear();
        (self.newcomers, self.as_listed) = (Newcomers::default(), AsListed::default());
        cx.write(Write::RoomClosed(self.id()));
        self.become_(cx, membership);
        self.forget_kept(cx);
        self.give_up_all(cx);
        let out = || ClientError::new(ErrorKind::Refused, OUT);
        self.wishes.drain(..).for_each(|wish| cx.answer(wish.ticket(), Err(out())));
    }

    /// Adds a line of the record at `sequence` to the history.
    pub(super) fn add_line(
        &mut self,
        cx: &mut Core,
        sequence: u64,
        time: Timestamp,
        author: Uid,
        entry: Entry<Uid>,
    ) {
        let part = if self.next_part.0 == sequence { self.next_part.1 } else { 0 };
        self.next_part = (sequence, part + 1);
        let room = self.id();
        let notice = Notice::of(&entry, author, &cx.credentials);
        let line = StoredLine { room, sequence, part, time, author, entry: entry.clone(), notice };
        cx.write(Write::Line(line));
        let entry = entry.map(|uid| cx.people.person(uid));
        let author = cx.people.person(author);
        cx.emit(Event::Line(Line { room, sequence: Some(sequence), part, time, author, entry }));
    }

    /// The room is in its next epoch: told, and kept.
    pub(super) fn add_epoch(&self, cx: &mut Core, epoch: StoredEpoch) {
        cx.write(Write::Epoch(epoch.clone()));
        let changed = epoch_changed(epoch, &cx.people.names);
        cx.emit(Event::Epoch(changed));
    }

    /// The chain goes on to `position`.
    pub(super) fn advance_to(&mut self, cx: &mut Core, position: Position) {
        self.record.cursor = position;
        self.record_changed = true;
        self.chain.push_back(position);
        if self.chain.len() > CHAIN {
            self.chain.pop_front();
        }
        cx.write(Write::Chain(self.id(), position));
    }

    pub(super) fn answer_waiting(&mut self, cx: &mut Core, answer: Result<(), &ClientError>) {
        let room = self.id();
        for ticket in self.waiting.drain(..) {
            cx.answer(ticket, answer.map(|()| Answer::Room(room)).map_err(Clone::clone));
        }
    }

    /// Keeps the key of this epoch for sealed files and pipes.
    pub(super) fn keep_epoch_key(&self, cx: &mut Core) {
        let Some(group) = &self.group else { return };
        match group.fernet_key() {
            Ok(key) => {
                let id = key.id().0.to_vec();
                let key =
                    EpochKey { epoch: group.epoch(), id, key: zeroize::Zeroizing::new(*key.as_bytes()) };
                cx.write(Write::EpochKey(self.id(), key));
            }
            Err(error) => cx.fail(&error),
        }
    }

    pub(super) fn record_changed(&mut self) {
        self.record_changed = true;
    }

    pub(super) fn group_changed(&mut self) {
        self.group_changed = true;
    }

    /// Other keys, and another tree.
    pub(super) fn set_group(&mut self, group: RoomGroup) {
        self.group = Some(group);
        self.as_listed = AsListed::default();
        self.tree_epoch = None;
        self.group_changed = true;
    }

    /// Puts what has changed into the step's one change.
    pub(super) fn save(&mut self, cx: &mut Core) {
        let record_changed = std::mem::take(&mut self.record_changed);
        let group_changed = std::mem::take(&mut self.group_changed);
        if record_changed && !self.is_gone {
            cx.write(Write::Room(Box::new(self.record.clone())));
        }
        if group_changed {
            self.save_group(cx);
        }
        // Beside something else only: what happens without a change must stay without one, or a full disk would have no end.
        if (record_changed || group_changed) && !self.is_gone {
            self.save_people(cx);
        }
    }

    fn save_people(&mut self, cx: &mut Core) {
        if self.group.is_some() && !std::mem::replace(&mut self.people_kept, true) {
            let people: BTreeSet<Uid> = self.roster().iter().map(|member| member.device.uid).collect();
            cx.write(Write::People(self.id(), people.into_iter().collect()));
        }
    }

    /// The keys go to disk before anything that was made with them goes out, and once in a step.
    fn save_group(&mut self, cx: &mut Core) {
        let Some(group) = &mut self.group else { return };
        let epoch = group.epoch();
        match group.state() {
            Ok(state) => {
                // The tree changes with the epoch only, and is the greater part by far.
                let with_tree = self.tree_epoch.replace(epoch) != Some(epoch);
                self.people_kept &= !with_tree;
                cx.write(Write::Group(self.record.room, StoredGroup::new(&state, with_tree)));
            }
            Err(error) => cx.fail(&error),
        }
    }
}
