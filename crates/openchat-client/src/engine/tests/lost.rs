//! The fake server after an older copy took the place of what it had: what it takes back, and from whom.

use std::collections::HashMap;
use std::time::Duration;

use minicbor::bytes::ByteVec;
use openchat_protocol::account::Account;
use openchat_protocol::append::Append;
use openchat_protocol::give_back::{GiveBackAccount, GiveBackLeaves, GiveBackRecords};
use openchat_protocol::record::{Base, Position, Record};
use openchat_protocol::{DeviceId, Incarnation, Refusal, RefusalCode, Response, RoomId};
use openchat_transparency::Leaf;

use super::key_log::FakeLog;
use super::server::{Answer, FakeRoom, FakeServer, statement_of};

/// A copy of what the server had.
pub(super) struct Backup {
    accounts: Vec<Account>,
    chains: HashMap<DeviceId, Vec<ByteVec>>,
    rooms: Vec<(RoomId, FakeRoom)>,
    log: FakeLog,
}

impl FakeServer {
    pub(super) fn copy(&self) -> Backup {
        Backup {
            accounts: self.accounts.clone(),
            chains: self.chains.clone(),
            rooms: self.rooms.iter().map(|(id, room)| (*id, room.clone())).collect(),
            log: self.log.clone(),
        }
    }

    /// Puts a copy in the place of what there is. Nobody is connected.
    pub(super) fn put_back(&mut self, copy: &Backup) {
        self.accounts.clone_from(&copy.accounts);
        self.chains.clone_from(&copy.chains);
        self.rooms = copy.rooms.iter().cloned().collect();
        self.log = copy.log.clone();
    }

    /// The same, and its host says so.
    pub(super) fn restore(&mut self, copy: &Backup, takes_back: Duration) {
        self.put_back(copy);
        self.life += 1;
        self.takes_back_until = Some(self.now.plus(takes_back));
        self.key_packages.values_mut().for_each(|packages| packages.one_time.clear());
    }

    pub(super) fn takes_back(&self) -> Option<u64> {
        self.takes_back_for().filter(|left| *left > 0)
    }

    pub(super) fn takes_back_for(&self) -> Option<u64> {
        u64::try_from(self.takes_back_until?.since(self.now).as_millis()).ok()
    }

    pub(super) fn check_takes_new(&self) -> Result<(), Refusal> {
        match self.takes_back() {
            Some(left) => {
                let refusal = Refusal::new(RefusalCode::RateLimited, "it takes back what it has lost");
                Err(Refusal { retry_after: Some(left), ..refusal })
            }
            None => Ok(()),
        }
    }

    pub(super) fn take_records(&mut self, by: DeviceId, give: &GiveBackRecords) -> Answer {
        let refused = |code| Err(Refusal::new(code, "not taken back"));
        let Some(until) = self.takes_back_until else { return refused(RefusalCode::SetBack) };
        let known: Vec<DeviceId> = self.chains.keys().copied().collect();
        let Some(room) = self.rooms.get_mut(&give.room) else { return refused(RefusalCode::RoomUnknown) };
        let before = room.clone();
        for bytes in &give.records {
            let record = Record::from_bytes(bytes).unwrap();
            let head = room.head(give.room);
            if record.sequence <= head.sequence {
                continue;
            }
            let statement = statement_of(&append_of(give.room, &record));
            let joined = statement.iter().flat_map(|it| &it.joined);
            let joins = joined.clone().any(|device| *device == record.author);
            let giver_may = before.is_member(by) || (joins && record.author == by);
            let newest = room.log.last().map(|(record, _)| record.time);
            let refusal = match () {
                () if newest.is_some_and(|time| time >= until) => Some(RefusalCode::LogDiverged),
                () if record.sequence != head.sequence + 1 => Some(RefusalCode::Malformed),
                () if !joined.chain([&record.author]).all(|it| known.contains(it)) => {
                    Some(RefusalCode::AccountUnknown)
                }
                () if !giver_may || !(joins || room.is_member(record.author)) => {
                    Some(RefusalCode::NotAMember)
                }
                () => None,
            };
            if let Some(code) = refusal {
                *room = before;
                return refused(code);
            }
            let place = Position { sequence: record.sequence, chain: head.chain.then(bytes) };
            room.group_is_lost |= record.kind == openchat_protocol::record::RecordKind::Commit;
            room.take(record, place, statement.as_ref());
        }
        let differs = room.position(give.room, give.end.sequence).is_some_and(|place| place != give.end);
        if differs && !give.records.is_empty() {
            *room = before;
            return refused(RefusalCode::LogDiverged);
        }
        Ok(Response::LogEnd(room.head(give.room)))
    }

    pub(super) fn take_leaves(&mut self, give: &GiveBackLeaves) -> Answer {
        let leaves = Leaf::read_tail(&give.leaves).unwrap();
        let refused = |code| Err(Refusal::new(code, "not taken back"));
        if self.takes_back().is_none() {
            return refused(RefusalCode::SetBack);
        }
        match self.log.take_back(&give.note, &leaves) {
            true => Ok(Response::Done),
            false => refused(RefusalCode::LogDiverged),
        }
    }

    pub(super) fn take_account(&mut self, give: GiveBackAccount) -> Answer {
        let chain: Vec<&[u8]> = give.chain.iter().map(|it| it.as_slice()).collect();
        let member = self.anchor.verify_device(&chain, openchat_identity::Validity::Ignored).unwrap();
        let uid = member.device().uid;
        let account = Account {
            uid,
            name: give.name,
            identity_certificate: give.chain[1].clone(),
            issuing_certificate: openchat_identity::trust::above(
                give.chain[2..].iter().map(|der| der.as_slice()),
            )
            .into(),
        };
        if !self.log.disclose(&account, &give.name_opening, &give.user_opening) {
            return Err(Refusal::new(RefusalCode::LogRange, "not in the log"));
        }
        if !self.accounts.iter().any(|it| it.uid == uid) {
            self.accounts.push(account);
        }
        self.chains.entry(member.device()).or_insert(give.chain);
        Ok(Response::Done)
    }
}

/// As if it were appended now.
fn append_of(room: RoomId, record: &Record) -> Append {
    let base = Base { incarnation: Incarnation([0; 8]), commit: Position::start(room) };
    let (message_id, kind, payload) = (record.message_id, record.kind, record.payload.clone());
    Append { room, message_id, base, kind, payload, bundle: None }
}
