//! One room: its log, its members, and what may be read and changed in it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openchat_protocol::append::GroupSnapshot;
use openchat_protocol::record::{Base, Position, Record};
use openchat_protocol::room::{Confirm, CreateRoom, JoinInfo, JoinedRoom, PublishGroup};
use openchat_protocol::{ChainHash, DeviceId, Incarnation, MessageId, RoomId, RoomName, Timestamp, Uid};

use crate::effect::Effect;
use crate::room::{ConfirmError, Interval, Membership, MembershipChange, PublishGroupError};
use crate::room_log::{
    AppendOutcome, LogPage, NewContent, NewRecord, PageInProgress, PageLimit, StoredRecord,
};

#[derive(Debug)]
pub(super) struct Room {
    id: RoomId,
    pub(super) name: Option<RoomName>,
    pub(super) creator: DeviceId,
    pub(super) last_time: Timestamp,
    log: Vec<Entry>,
    /// The sequence of each record, by what must be unique of it.
    known: BTreeMap<(DeviceId, MessageId), u64>,
    last_commit: Position,
    group: GroupSnapshot,
    intervals: BTreeMap<DeviceId, Vec<Interval>>,
    /// Removals that wait for a vote, by the sequence of their commit.
    waiting: BTreeMap<u64, BTreeSet<DeviceId>>,
}

#[derive(Debug)]
struct Entry {
    author: DeviceId,
    time: Timestamp,
    chain: ChainHash,
    bytes: Bytes,
}

impl Room {
    pub(super) fn new(create: CreateRoom, creator: DeviceId, now: Timestamp) -> Self {
        Self {
            id: create.room,
            name: create.name,
            creator,
            last_time: now,
            log: Vec::new(),
            known: BTreeMap::new(),
            last_commit: Position::start(create.room),
            group: create.group,
            intervals: BTreeMap::from([(creator, vec![Interval { joined_at: 0, ended_at: None }])]),
            waiting: BTreeMap::new(),
        }
    }

    pub(super) fn members(&self) -> impl Iterator<Item = DeviceId> {
        let open = |intervals: &Vec<Interval>| intervals.last().is_some_and(Interval::is_open);
        self.intervals.iter().filter(move |(_, intervals)| open(intervals)).map(|(device, _)| *device)
    }

    pub(super) fn users(&self) -> BTreeSet<Uid> {
        self.members().map(|device| device.uid).collect()
    }

    pub(super) fn is_member(&self, device: DeviceId) -> bool {
        self.membership(device).is_some_and(|membership| membership.is_member())
    }

    /// Whether `device` may join by itself.
    pub(super) fn is_open_to(&self, device: DeviceId) -> bool {
        self.name.is_some() || self.members().any(|member| member.uid == device.uid)
    }

    pub(super) fn membership(&self, device: DeviceId) -> Option<Membership> {
        let intervals = self.intervals.get(&device)?.clone();
        Some(Membership { intervals, head: self.head().sequence })
    }

    pub(super) fn head(&self) -> Position {
        match self.log.last() {
            Some(last) => Position { sequence: self.log.len() as u64, chain: last.chain },
            None => Position::start(self.id),
        }
    }

    pub(super) fn last_commit(&self, incarnation: Incarnation) -> Base {
        Base { incarnation, commit: self.last_commit }
    }

    pub(super) fn joined(&self) -> JoinedRoom {
        JoinedRoom { room: self.id, name: self.name.clone(), head: self.head().sequence }
    }

    pub(super) fn join_info(&self, incarnation: Incarnation) -> JoinInfo {
        JoinInfo {
            room: self.id,
            name: self.name.clone(),
            base: self.last_commit(incarnation),
            group: self.group.clone(),
        }
    }

    pub(super) fn repeated(&self, record: &NewRecord) -> Option<AppendOutcome> {
        let sequence = *self.known.get(&(record.author, record.message_id))?;
        let entry = self.entry(sequence)?;
        let position = Position { sequence, chain: entry.chain };
        Some(AppendOutcome::Repeated { position, time: entry.time })
    }

    /// Puts the record at the end. All rules have been checked.
    pub(super) fn append(
        &mut self,
        new: &NewRecord,
        effect: Option<&Effect>,
        now: Timestamp,
    ) -> StoredRecord {
        let before = self.head();
        let record = Record {
            sequence: before.sequence + 1,
            time: now.max(self.last_time),
            author: new.author,
            message_id: new.message_id,
            kind: new.kind(),
            payload: new.payload.clone().into(),
        };
        let bytes = Bytes::from(record.to_bytes());
        let position = Position { sequence: record.sequence, chain: before.chain.then(&bytes) };
        let Record { time, author, message_id, .. } = record;
        self.log.push(Entry { author, time, chain: position.chain, bytes: bytes.clone() });
        self.known.insert((author, message_id), position.sequence);
        self.last_time = time;
        let change = self.follow(new, effect, position);
        StoredRecord { position, time, bytes, change }
    }

    fn follow(&mut self, new: &NewRecord, effect: Option<&Effect>, position: Position) -> MembershipChange {
        match (&new.content, effect) {
            (NewContent::Leave, _) => {
                self.end(new.author, position.sequence);
                MembershipChange { joined: Vec::new(), ended: vec![new.author] }
            }
            (NewContent::Commit(commit), Some(effect)) => {
                self.last_commit = position;
                self.group = commit.bundle().group.clone();
                self.apply(effect, position.sequence);
                effect.change()
            }
            (NewContent::Message | NewContent::Commit(_), _) => MembershipChange::default(),
        }
    }

    fn apply(&mut self, effect: &Effect, sequence: u64) {
        if effect.waits {
            self.waiting.insert(sequence, effect.removed.clone());
        } else {
            effect.removed.iter().for_each(|device| self.end(*device, sequence));
        }
        for device in &effect.joined {
            self.end(*device, sequence);
            let intervals = self.intervals.entry(*device).or_default();
            intervals.push(Interval { joined_at: sequence, ended_at: None });
        }
    }

    fn end(&mut self, device: DeviceId, sequence: u64) {
        let last = self.intervals.get_mut(&device).and_then(|intervals| intervals.last_mut());
        if let Some(open) = last.filter(|interval| interval.is_open()) {
            open.ended_at = Some(sequence);
        }
    }

    pub(super) fn confirm(&mut self, vote: Confirm, by: DeviceId) -> Result<MembershipChange, ConfirmError> {
        if !self.is_member(by) {
            return Err(ConfirmError::NotAMember);
        }
        if !vote.valid || !self.may_decide(by, vote.sequence) {
            return Ok(MembershipChange::default());
        }
        let before: BTreeSet<_> = self.members().collect();
        for device in self.waiting.remove(&vote.sequence).unwrap_or_default() {
            self.remove_at(device, vote.sequence);
        }
        let after: BTreeSet<_> = self.members().collect();
        Ok(MembershipChange { joined: Vec::new(), ended: before.difference(&after).copied().collect() })
    }

    fn may_decide(&self, by: DeviceId, sequence: u64) -> bool {
        let was_member = self.membership(by).is_some_and(|membership| membership.was_member_before(sequence));
        let removed = self.waiting.get(&sequence).is_some_and(|removed| removed.contains(&by));
        was_member && !removed && self.entry(sequence).is_some_and(|entry| entry.author.uid != by.uid)
    }

    /// Ends the interval that the removed device was in when the commit came; a later one, of a rejoin, stays.
    fn remove_at(&mut self, device: DeviceId, sequence: u64) {
        let intervals = self.intervals.get_mut(&device).into_iter().flatten();
        for interval in intervals.filter(|interval| interval.spans(sequence)) {
            interval.ended_at = Some(sequence);
        }
    }

    pub(super) fn publish_group(
        &mut self,
        publish: PublishGroup,
        by: DeviceId,
        incarnation: Incarnation,
    ) -> Result<(), PublishGroupError> {
        if !self.is_member(by) {
            return Err(PublishGroupError::NotAMember);
        }
        if publish.base != self.last_commit(incarnation) {
            return Err(PublishGroupError::Stale { last_commit: self.last_commit.sequence });
        }
        self.group = publish.group;
        Ok(())
    }

    fn entry(&self, sequence: u64) -> Option<&Entry> {
        self.log.get(usize::try_from(sequence.checked_sub(1)?).ok()?)
    }

    pub(super) fn chain_at(&self, sequence: u64) -> Option<ChainHash> {
        if sequence == 0 {
            Some(ChainHash::start(self.id))
        } else {
            self.entry(sequence).map(|entry| entry.chain)
        }
    }

    pub(super) fn read(&self, device: DeviceId, after: u64, limit: PageLimit) -> Option<LogPage> {
        let membership = self.membership(device)?;
        let mut page = PageInProgress::new(after, &membership, limit);
        let (first, last) = membership.next_stretch(after).unwrap_or((1, 0));
        for sequence in first..=last {
            let entry = self.entry(sequence)?;
            if !page.push(sequence, entry.bytes.clone()) {
                break;
            }
        }
        Some(page.finish())
    }
}
