//! Taking back, in memory, what an older copy has lost: each change is made to a copy, which takes the place of what it
//! was made of when all of it holds.

use openchat_protocol::record::{Position, RecordKind};
use openchat_protocol::{DeviceId, Timestamp};
use openchat_transparency::{Label, Opening};

use super::State;
use super::room::Room;
use crate::lost::{
    LostAccount, LostLeaves, LostRecord, LostRecords, TakeAccountError, TakeBackError, TakeLeavesError,
    TakenBack,
};
use crate::room_log::StoredRecord;

impl State {
    pub(super) fn take_records(&mut self, lost: &LostRecords) -> Result<TakenBack, TakeBackError> {
        let mut room = self.rooms.get(&lost.room).ok_or(TakeBackError::RoomUnknown)?.clone();
        let end = room.head();
        let Some(after) = lost.after().filter(|after| *after <= end.sequence) else {
            return Ok(TakenBack { stored: Vec::new(), end });
        };
        let before = room.chain_at(after).filter(|before| lost.lead(*before));
        let before = before.ok_or(TakeBackError::Diverged)?;
        let mut taken = TakenBack { stored: Vec::new(), end };
        for (record, place) in lost.chained(before) {
            if place.sequence <= end.sequence {
                if place.sequence == end.sequence && place != end {
                    return Err(TakeBackError::Diverged);
                }
                continue;
            }
            if taken.stored.is_empty() {
                if room.last_time >= lost.before && end.sequence > 0 {
                    return Err(TakeBackError::TooLate);
                }
                check_giver(&room, lost.by, record)?;
            }
            taken.stored.push(self.take_record(&mut room, record, place)?);
            taken.end = place;
        }
        self.rooms.insert(lost.room, room);
        Ok(taken)
    }

    fn take_record(
        &self,
        room: &mut Room,
        lost: &LostRecord,
        place: Position,
    ) -> Result<StoredRecord, TakeBackError> {
        let record = &lost.record;
        if !self.devices.contains_key(&record.author) {
            return Err(TakeBackError::DeviceUnknown(record.author));
        }
        let joins = lost.is_join() && room.is_open_to(record.author);
        let head = room.head().sequence;
        let in_order = record.sequence == head + 1 && (record.time >= room.last_time || head == 0);
        let may_append = joins || room.is_member(record.author);
        if !may_append || !in_order || room.knows(record.author, record.message_id) {
            return Err(TakeBackError::Impossible);
        }
        let effect = match &lost.statement {
            Some(statement) => Some(self.effect(room, statement, record.author)?),
            None => None,
        };
        let change = room.take(record, &lost.bytes, place, effect.as_ref());
        let time = record.time;
        Ok(StoredRecord { position: place, time, bytes: lost.bytes.clone(), change })
    }

    pub(super) fn take_leaves(&mut self, lost: &LostLeaves) -> Result<(), TakeLeavesError> {
        let size = self.key_log.size();
        let mut log = self.key_log.clone();
        if lost.size > size {
            for leaf in lost.after(size).ok_or(TakeLeavesError::Gap { size })? {
                log.push(*leaf, None)?;
            }
        }
        if log.root_at(lost.size)? != lost.root {
            return Err(TakeLeavesError::Diverged);
        }
        self.key_log = log;
        Ok(())
    }

    pub(super) fn take_account(
        &mut self,
        lost: &LostAccount,
        now: Timestamp,
    ) -> Result<(), TakeAccountError> {
        let leaf_time = |(label, opening): &(Label, Opening)| {
            self.key_log.made_for(label, opening).ok_or(TakeAccountError::NotInLog)
        };
        let (created, _) = (leaf_time(&lost.by_name)?, leaf_time(&lost.by_uid)?);
        let (uid, skeleton) = (lost.uid(), lost.name.skeleton());
        let other =
            |a: &crate::account::StoredAccount| a.account.uid != uid && a.account.name.skeleton() == skeleton;
        if self.accounts.values().any(other) {
            return Err(TakeAccountError::NameTaken);
        }
        self.key_log.disclose(&lost.by_name);
        self.key_log.disclose(&lost.by_uid);
        self.key_log.set_version(uid, lost.version);
        self.restore_account(lost, created, now);
        Ok(())
    }
}

fn check_giver(room: &Room, by: DeviceId, first: &LostRecord) -> Result<(), TakeBackError> {
    let joins = first.is_join() && first.record.author == by;
    if joins || room.is_member(by) { Ok(()) } else { Err(TakeBackError::NotAMember) }
}

impl Room {
    /// Puts a record in its place; the mirror of members follows.
    fn take(
        &mut self,
        record: &openchat_protocol::record::Record,
        bytes: &bytes::Bytes,
        place: Position,
        effect: Option<&crate::effect::Effect>,
    ) -> crate::room::MembershipChange {
        self.put(record, bytes.clone(), place);
        match (record.kind, effect) {
            (RecordKind::Leave, _) => self.left(record.author, place.sequence),
            (RecordKind::Commit, Some(effect)) => {
                self.forget_group(place);
                self.apply(effect, place.sequence);
                effect.change()
            }
            _ => crate::room::MembershipChange::default(),
        }
    }
}
