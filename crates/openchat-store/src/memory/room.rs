//! One room: its log, its members, and what may be read and changed in it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openchat_protocol::append::GroupSnapshot;
use openchat_protocol::record::{Base, Position, Record};
use openchat_protocol::room::{CreateRoom, JoinInfo, JoinedRoom};
use openchat_protocol::{ChainHash, DeviceId, Incarnation, MessageId, RoomId, RoomName, Timestamp, Uid};

use crate::effect::Effect;
use crate::group::JoinOffer;
use crate::room::{Interval, Membership, MembershipChange};
use crate::room_log::{
    AppendOutcome, LogPage, NewContent, NewRecord, PageInProgress, PageLimit, StoredRecord,
};

#[derive(Debug, Clone)]
pub(super) struct Room {
    id: RoomId,
    pub(super) name: Option<RoomName>,
    pub(super) creator: DeviceId,
    pub(super) last_time: Timestamp,
    log: Vec<Entry>,
    /// The sequence of each record, by what must be unique of it.
    known: BTreeMap<(DeviceId, MessageId), u64>,
    last_commit: Position,
    /// What joiners get, and who made it.
    pub(super) group: GroupSnapshot,
    author: Uid,
    /// The group is an older commit's, and what came with the last one is lost.
    group_is_lost: bool,
    administrators: BTreeSet<Uid>,
    intervals: BTreeMap<DeviceId, Vec<Interval>>,
}

/// What a commit does to what is kept beside the log.
pub(super) struct Effects {
    pub(super) mirror: Effect,
    pub(super) group: GroupSnapshot,
}

#[derive(Debug, Clone)]
struct Entry {
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
            author: creator.uid,
            group_is_lost: false,
            administrators: BTreeSet::from([creator.uid]),
            intervals: BTreeMap::from([(creator, vec![Interval { joined_at: 0, ended_at: None }])]),
        }
    }

    pub(super) fn members(&self) -> impl Iterator<Item = DeviceId> {
        let open = |intervals: &Vec<Interval>| intervals.last().is_some_and(Interval::is_open);
        self.intervals.iter().filter(move |(_, intervals)| open(intervals)).map(|(device, _)| *device)
    }

    pub(super) fn is_deserted(&self) -> bool {
        self.members().next().is_none()
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

    pub(super) fn is_administrator(&self, uid: Uid) -> bool {
        self.administrators.contains(&uid)
    }

    pub(super) fn join_offer(&self, doubted: &[Uid], joiner: Uid, incarnation: Incarnation) -> JoinOffer {
        if self.group_is_lost || doubted.contains(&self.author) {
            let can_help = |uid| uid != joiner && !doubted.contains(&uid);
            let helpers = self.members().filter(|device| can_help(device.uid)).collect();
            return JoinOffer::Doubted { room: self.id, helpers };
        }
        JoinOffer::Group(JoinInfo {
            room: self.id,
            name: self.name.clone(),
            base: self.last_commit(incarnation),
            group: self.group.clone(),
            by: self.author,
        })
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
        effects: Option<Effects>,
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
        self.put(&record, bytes.clone(), position);
        let change = self.follow(new, effects, position);
        StoredRecord { position, time: record.time, bytes, change }
    }

    /// Puts a record at the end of the log.
    pub(super) fn put(&mut self, record: &Record, bytes: Bytes, position: Position) {
        self.log.push(Entry { time: record.time, chain: position.chain, bytes });
        self.known.insert((record.author, record.message_id), position.sequence);
        self.last_time = record.time;
    }

    pub(super) fn knows(&self, author: DeviceId, message_id: MessageId) -> bool {
        self.known.contains_key(&(author, message_id))
    }

    pub(super) fn left(&mut self, device: DeviceId, sequence: u64) -> MembershipChange {
        self.end(device, sequence);
        MembershipChange { joined: Vec::new(), ended: vec![device] }
    }

    /// The last commit is at `position`, and what came with it is lost.
    pub(super) fn forget_group(&mut self, position: Position) {
        self.last_commit = position;
        self.group_is_lost = true;
    }

    fn follow(&mut self, new: &NewRecord, effects: Option<Effects>, position: Position) -> MembershipChange {
        match (&new.content, effects) {
            (NewContent::Leave, _) => self.left(new.author, position.sequence),
            (NewContent::Commit(_), Some(Effects { mirror, group })) => {
                self.last_commit = position;
                (self.author, self.group, self.group_is_lost) = (new.author.uid, group, false);
                self.apply(&mirror, position.sequence);
                mirror.change()
            }
            (NewContent::Message | NewContent::Commit(_), _) => MembershipChange::default(),
        }
    }

    pub(super) fn apply(&mut self, effect: &Effect, sequence: u64) {
        effect.removed.iter().for_each(|device| self.end(*device, sequence));
        for device in &effect.joined {
            self.end(*device, sequence);
            let intervals = self.intervals.entry(*device).or_default();
            intervals.push(Interval { joined_at: sequence, ended_at: None });
        }
        if let Some(uids) = &effect.administrators {
            self.administrators.clone_from(uids);
        }
    }

    fn end(&mut self, device: DeviceId, sequence: u64) {
        let last = self.intervals.get_mut(&device).and_then(|intervals| intervals.last_mut());
        if let Some(open) = last.filter(|interval| interval.is_open()) {
            open.ended_at = Some(sequence);
        }
    }

    /// Ends the interval that the commit at `sequence` opened, if it is open. Whether it was.
    pub(super) fn end_what_began_at(&mut self, device: DeviceId, sequence: u64) -> bool {
        let last = self.intervals.get_mut(&device).and_then(|intervals| intervals.last_mut());
        let began = last.filter(|last| last.is_open() && last.joined_at == sequence && sequence > 0);
        began.map(|interval| interval.ended_at = Some(sequence)).is_some()
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
