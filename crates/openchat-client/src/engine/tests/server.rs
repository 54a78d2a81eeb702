//! A server in memory: what the engine needs of one, in the order of the requests, and a few ways to misbehave.

use std::collections::{BTreeMap, HashMap, HashSet};

use minicbor::bytes::ByteVec;
use openchat_identity::{Authority, TrustAnchor, Validity, challenge};
use openchat_protocol::account::{
    Account, ClaimedKeyPackage, Greeting, KeyPackageCount, LoggedIn, PublishKeyPackages, RegistrationPolicy,
};
use openchat_protocol::append::{Append, Appended, GroupSnapshot};
use openchat_protocol::mls_head::Head;
use openchat_protocol::record::{Base, Position, Record, RecordKind};
use openchat_protocol::room::{
    FetchJoinInfo, JoinInfo, JoinedRoom, Page, PendingWelcome, RoomSelector, RoomSummary,
};
use openchat_protocol::statement::Statement;
use openchat_protocol::{
    Address, ClientFrame, DeviceId, Event, Incarnation, Refusal, RefusalCode, Request, Response, RoomId,
    RoomName, ServerFrame, Timestamp, Uid, codec,
};

use super::key_log::FakeLog;

pub(super) const EXPORTER: [u8; 32] = [5; 32];
const NONCE: [u8; 32] = [6; 32];
/// Few records a page, so that catching up takes several.
const PAGE: usize = 4;

pub(super) type Answer = Result<Response, Refusal>;

pub(super) struct FakeServer {
    pub(super) anchor: TrustAnchor,
    pub(super) now: Timestamp,
    pub(super) accounts: Vec<Account>,
    pub(super) chains: HashMap<DeviceId, Vec<ByteVec>>,
    pub(super) rooms: BTreeMap<RoomId, FakeRoom>,
    pub(super) key_packages: HashMap<(DeviceId, u16), PublishKeyPackages>,
    /// Devices that are asked for a new group of a room.
    wanted: Vec<(DeviceId, RoomId)>,
    /// Welcomes that wait, and whether they were sent on this connection.
    welcomes: HashMap<DeviceId, Vec<(PendingWelcome, bool)>>,
    /// What each connected device follows.
    sessions: HashMap<DeviceId, HashMap<RoomId, Sent>>,
    /// Devices that have logged in and were not told yet that no more Welcomes wait.
    greeted: HashSet<DeviceId>,
    /// Requests that were seen, by name.
    pub(super) seen: Vec<&'static str>,
    /// The next message is acknowledged and thrown away.
    pub(super) swallow: bool,
    /// These devices see a log with a record more at its beginning.
    pub(super) shows_another_log: HashSet<DeviceId>,
    /// Whose key packages are given, whoever is asked for.
    pub(super) claims_instead: Option<Uid>,
    /// The next Welcome is damaged.
    pub(super) spoil_welcome: bool,
    /// Refuse the next append so.
    pub(super) refuse_append: Option<Refusal>,
    /// What its host says how it is reached.
    pub(super) address: Option<Address>,
    /// Somebody is certified between any two proofs.
    pub(super) log_is_busy: bool,
    /// Whoever is looked up: not yet, it says.
    pub(super) hides_accounts: bool,
    /// Key packages that everybody gets besides.
    pub(super) more_packages: Vec<ClaimedKeyPackage>,
    pub(super) refuses_lists: bool,
    pub(super) log: FakeLog,
    /// How often an older copy took the place of what it had, by its host's word.
    pub(super) life: u8,
    pub(super) takes_back_until: Option<Timestamp>,
    /// The log of keys that these devices are shown instead.
    pub(super) other_logs: HashMap<DeviceId, FakeLog>,
}

/// How far a room was sent.
struct Sent {
    sequence: u64,
    /// The first page goes out even when it is empty.
    begun: bool,
}

#[derive(Clone)]
pub(super) struct FakeRoom {
    /// What came with the last commit for joiners is lost.
    pub(super) group_is_lost: bool,
    name: Option<RoomName>,
    pub(super) log: Vec<(Record, Position)>,
    pub(super) group: GroupSnapshot,
    /// Whose commit the group came with.
    pub(super) by: Uid,
    /// The creator: nobody else removes other people.
    admin: Uid,
    last_commit: Position,
    /// Sequences between which a device reads; open-ended while it is a member.
    members: HashMap<DeviceId, (u64, Option<u64>)>,
}

impl FakeServer {
    pub(super) fn new(authority: &Authority, now: Timestamp) -> Self {
        Self {
            anchor: authority.anchor().clone(),
            now,
            accounts: Vec::new(),
            chains: HashMap::new(),
            rooms: BTreeMap::new(),
            key_packages: HashMap::new(),
            wanted: Vec::new(),
            welcomes: HashMap::new(),
            sessions: HashMap::new(),
            claims_instead: None,
            greeted: HashSet::new(),
            seen: Vec::new(),
            swallow: false,
            shows_another_log: HashSet::new(),
            spoil_welcome: false,
            refuse_append: None,
            address: None,
            log_is_busy: false,
            hides_accounts: false,
            more_packages: Vec::new(),
            refuses_lists: false,
            log: FakeLog::new(authority, now),
            life: 1,
            takes_back_until: None,
            other_logs: HashMap::new(),
        }
    }

    fn log_for(&self, device: DeviceId) -> &FakeLog {
        self.other_logs.get(&device).unwrap_or(&self.log)
    }

    fn incarnation(&self) -> Incarnation {
        Incarnation([self.life; 8])
    }

    /// Asks `device` for a new group of `room`.
    pub(super) fn want_group(&mut self, device: DeviceId, room: RoomId) {
        self.wanted.push((device, room));
    }

    pub(super) fn disconnect(&mut self, device: DeviceId) {
        self.sessions.remove(&device);
    }

    /// The answer to one request.
    pub(super) fn handle(&mut self, device: DeviceId, frame: ClientFrame) -> ServerFrame {
        let ClientFrame { id, request } = frame;
        self.seen.push(name_of(&request));
        let now = self.now;
        if self.takes_back().is_none() {
            self.other_logs.values_mut().chain([&mut self.log]).for_each(|log| log.beat(now));
        }
        match self.answer(device, request) {
            Ok(response) => ServerFrame::Answer { id, response },
            Err(refusal) => ServerFrame::Refused { id, refusal },
        }
    }

    /// The answer to one request that is no client's.
    pub(super) fn ask(&mut self, device: DeviceId, request: Request) -> Response {
        self.answer(device, request).unwrap()
    }

    /// What a connected device has not been sent yet: a page for each room at most, and Welcomes.
    pub(super) fn news(&mut self, device: DeviceId) -> Vec<ServerFrame> {
        let forged = self.shows_another_log.contains(&device);
        let Some(session) = self.sessions.get_mut(&device) else { return Vec::new() };
        let mut news = Vec::new();
        session.retain(|id, sent| {
            let Some(page) = self.rooms[id].page(*id, device, sent, forged) else { return true };
            let more = !page.ended;
            news.push(Event::Page(page));
            more
        });
        for (welcome, is_sent) in self.welcomes.entry(device).or_default() {
            if !std::mem::replace(is_sent, true) {
                news.push(Event::Welcome(welcome.clone()));
            }
        }
        if self.greeted.remove(&device) {
            news.push(Event::WelcomesSent);
        }
        let wanted = self.wanted.extract_if(.., |(asked, _)| *asked == device);
        news.extend(wanted.map(|(_, room)| Event::GroupWanted(room)));
        news.into_iter().map(ServerFrame::Event).collect()
    }

    fn answer(&mut self, device: DeviceId, request: Request) -> Answer {
        match request {
            Request::Hello(_) => Ok(Response::Greeting(self.greeting())),
            Request::Login(login) => self.log_in(device, &login.signature),
            Request::Ping | Request::CreateInvite(_) => Ok(Response::Done),
            Request::EnrolDevice(enrol) => {
                self.chains.insert(device, enrol.chain);
                Ok(Response::Done)
            }
            Request::ListRooms => Ok(Response::Rooms(self.list())),
            Request::CreateRoom(create) => self.create(device, create),
            Request::FetchJoinInfo(fetch) => self.join_info(device, &fetch),
            Request::Append(append) => self.append(device, append),
            Request::Follow(follow) => {
                let room = self.room(follow.room)?;
                if !room.members.contains_key(&device) {
                    return Err(Refusal::new(RefusalCode::NotAMember, "not a member"));
                }
                if follow.after.sequence > room.head(follow.room).sequence
                    && !self.shows_another_log.contains(&device)
                {
                    return Err(Refusal::new(RefusalCode::SetBack, "it has less"));
                }
                let known = room.position(follow.room, follow.after.sequence);
                if known != Some(follow.after) && !self.shows_another_log.contains(&device) {
                    return Err(Refusal::new(RefusalCode::LogDiverged, "not a prefix"));
                }
                let session = self.sessions.get_mut(&device).unwrap();
                session.insert(follow.room, Sent { sequence: follow.after.sequence, begun: false });
                Ok(Response::Done)
            }
            Request::FollowLog(request) => self.log_for(device).follow(request),
            Request::Prove(_) if self.hides_accounts => {
                let mut refusal = Refusal::new(RefusalCode::RateLimited, "not yet");
                refusal.retry_after = Some(3_600_000);
                Err(refusal)
            }
            Request::Prove(request) => {
                if self.log_is_busy {
                    self.log.grow(self.now);
                }
                self.log_for(device).prove(&self.accounts, &request)
            }
            Request::CompareHeads(request) => self.log_for(device).compare(request),
            Request::PublishDevices(_) if self.refuses_lists => {
                Err(Refusal::new(RefusalCode::Storage, "no room on the disk"))
            }
            Request::PublishDevices(signed) => {
                self.log.list(device.uid, signed, self.now);
                Ok(Response::Done)
            }
            Request::PublishKeyPackages(publish) => Ok(self.publish_key_packages(device, publish)),
            Request::ClaimKeyPackages(wanted) => {
                let uid = self.claims_instead.unwrap_or(wanted.uid);
                let packages = &mut self.key_packages;
                let is_meant = |it: &DeviceId| wanted.device.is_none_or(|did| did == it.did);
                let fits = |(device, suite): &(DeviceId, u16)| {
                    device.uid == uid && *suite == wanted.suite && is_meant(device)
                };
                let claimed = packages.iter_mut().filter(|(key, _)| fits(key)).filter_map(claim);
                let claimed = claimed.chain(self.more_packages.iter().cloned());
                Ok(Response::KeyPackages(claimed.collect()))
            }
            Request::AcknowledgeWelcome(used) => {
                if let Some(room) = self.rooms.get_mut(&used.room).filter(|_| !used.joined) {
                    room.end(device, used.sequence);
                }
                let welcomes = self.welcomes.entry(device).or_default();
                welcomes.retain(|(it, _)| it.room != used.room || it.base.commit.sequence > used.sequence);
                Ok(Response::Done)
            }
            Request::GiveBackRecords(give) => self.take_records(device, &give),
            Request::GiveBackLeaves(give) => self.take_leaves(&give),
            Request::GiveBackAccount(give) => self.take_account(give),
            other => panic!("the fake server knows no {other:?}"),
        }
    }

    fn greeting(&self) -> Greeting {
        Greeting {
            version: 1,
            server: self.anchor.fingerprint(),
            incarnation: self.incarnation(),
            time: self.now,
            registration: RegistrationPolicy::InviteOnly,
            nonce: NONCE.to_vec().into(),
            address: self.address.clone(),
            takes_back: self.takes_back_for(),
        }
    }

    fn log_in(&mut self, device: DeviceId, signature: &[u8]) -> Answer {
        if !self.chains.contains_key(&device) {
            return Err(Refusal::new(RefusalCode::AccountUnknown, "unknown here"));
        }
        let chain: Vec<&[u8]> = self.chains[&device].iter().map(|it| it.as_slice()).collect();
        let member = self.anchor.verify_device(&chain, Validity::At(self.now)).unwrap();
        let server = self.anchor.fingerprint();
        challenge::verify(member.device_key(), &server, device, &NONCE, &EXPORTER, signature).unwrap();
        self.sessions.insert(device, HashMap::new());
        self.greeted.insert(device);
        self.welcomes.entry(device).or_default().iter_mut().for_each(|(_, is_sent)| *is_sent = false);
        let account = self.accounts.iter().find(|account| account.uid == device.uid).unwrap();
        let rooms = self.rooms.iter().filter(|(_, room)| room.is_member(device));
        Ok(Response::LoggedIn(LoggedIn {
            device,
            name: account.name.clone(),
            key_packages: self.key_package_counts(device),
            rooms: rooms.map(|(id, room)| room.summary(*id)).collect(),
        }))
    }

    fn list(&self) -> Vec<RoomSummary> {
        let listed = self.rooms.iter().filter_map(|(id, room)| {
            let members = u32::try_from(room.members.len()).unwrap();
            Some(RoomSummary { room: *id, name: room.name.clone()?, members, last_activity: self.now })
        });
        listed.collect()
    }

    fn create(&mut self, device: DeviceId, create: openchat_protocol::room::CreateRoom) -> Answer {
        let taken = |room: &FakeRoom| create.name.is_some() && room.name == create.name;
        if self.rooms.values().any(taken) {
            return Err(Refusal::new(RefusalCode::RoomTaken, "the name is taken"));
        }
        let room = FakeRoom {
            group_is_lost: false,
            name: create.name,
            log: Vec::new(),
            group: create.group,
            by: device.uid,
            admin: device.uid,
            last_commit: Position::start(create.room),
            members: HashMap::from([(device, (1, None))]),
        };
        self.rooms.insert(create.room, room);
        Ok(Response::Done)
    }

    fn join_info(&mut self, asker: DeviceId, fetch: &FetchJoinInfo) -> Answer {
        let named = |(id, room): &(&RoomId, &FakeRoom)| match &fetch.room {
            RoomSelector::Id(wanted) => *id == wanted,
            RoomSelector::Name(name) => room.name.as_ref() == Some(name),
        };
        let (id, room) = self.rooms.iter().find(named).ok_or_else(no_room)?;
        if room.group_is_lost || fetch.doubted.contains(&room.by) {
            let fits = |it: &&DeviceId| it.uid != asker.uid && !fetch.doubted.contains(&it.uid);
            let asked = self.sessions.keys().filter(|it| room.is_member(**it)).find(fits);
            self.wanted.extend(asked.map(|device| (*device, *id)));
            return Err(Refusal::new(RefusalCode::GroupUnavailable, "a member was asked, if one is here"));
        }
        let base = Base { incarnation: self.incarnation(), commit: room.last_commit };
        Ok(Response::JoinInfo(JoinInfo {
            room: *id,
            name: room.name.clone(),
            base,
            group: room.group.clone(),
            by: room.by,
        }))
    }

    fn append(&mut self, author: DeviceId, append: Append) -> Answer {
        self.check_takes_new()?;
        if let Some(refusal) = self.refuse_append.take() {
            return Err(refusal);
        }
        let (incarnation, now) = (self.incarnation(), self.now);
        let swallow = append.kind == RecordKind::Message && std::mem::take(&mut self.swallow);
        let room = self.rooms.get_mut(&append.room).ok_or_else(no_room)?;
        let repeated = |(record, _): &&(Record, Position)| {
            record.author == author && record.message_id == append.message_id
        };
        if let Some((record, position)) = room.log.iter().find(repeated) {
            return Ok(Response::Appended(Appended::Stored { position: *position, time: record.time }));
        }
        let statement = statement_of(&append);
        let joins = statement.as_ref().is_some_and(|it| it.joined.contains(&author));
        if !room.is_member(author) && !joins {
            return Err(Refusal::new(RefusalCode::NotAMember, "not a member"));
        }
        if append.base != (Base { incarnation, commit: room.last_commit }) {
            let last_commit = room.last_commit.sequence;
            return Ok(Response::Appended(Appended::Stale { last_commit }));
        }
        let Append { room: id, message_id, kind, payload, bundle, .. } = append;
        let after = bundle.as_ref().map(|bundle| room.group.after(&bundle.group)).transpose();
        let after = after.map_err(|error| Refusal::new(RefusalCode::OtherTree, error.to_string()))?;
        let before = room.head(id);
        let sequence = before.sequence + 1;
        let record = Record { sequence, time: now, author, message_id, kind, payload };
        let position = Position { sequence, chain: before.chain.then(&record.to_bytes()) };
        if !swallow {
            room.take(record, position, statement.as_ref());
        }
        if let (Some(bundle), Some(group)) = (bundle, after) {
            (room.group, room.by, room.group_is_lost) = (group, author.uid, false);
            for mut welcome in bundle.welcomes {
                if std::mem::take(&mut self.spoil_welcome) {
                    welcome.message.pop();
                }
                let base = Base { incarnation, commit: position };
                let tree = room.group.tree.clone();
                let pending = PendingWelcome { room: id, base, welcome: welcome.message, tree };
                self.welcomes.entry(welcome.device).or_default().push((pending, false));
            }
        }
        Ok(Response::Appended(Appended::Stored { position, time: now }))
    }

    fn key_package_counts(&self, device: DeviceId) -> Vec<KeyPackageCount> {
        let of_device = self.key_packages.iter().filter(|((owner, _), _)| *owner == device);
        let count = |packages: &PublishKeyPackages| u32::try_from(packages.one_time.len()).unwrap();
        of_device.map(|((_, suite), it)| KeyPackageCount { suite: *suite, one_time: count(it) }).collect()
    }

    fn publish_key_packages(&mut self, device: DeviceId, publish: PublishKeyPackages) -> Response {
        let suite = publish.suite;
        let none = PublishKeyPackages { one_time: Vec::new(), last_resort: None, suite };
        let kept = self.key_packages.entry((device, suite)).or_insert(none);
        kept.one_time.extend(publish.one_time);
        kept.last_resort = publish.last_resort.or(kept.last_resort.take());
        Response::KeyPackageCount(u32::try_from(kept.one_time.len()).unwrap())
    }

    fn room(&self, room: RoomId) -> Result<&FakeRoom, Refusal> {
        self.rooms.get(&room).ok_or_else(no_room)
    }
}

impl FakeRoom {
    pub(super) fn head(&self, id: RoomId) -> Position {
        self.log.last().map_or(Position::start(id), |(_, position)| *position)
    }

    pub(super) fn position(&self, id: RoomId, sequence: u64) -> Option<Position> {
        match sequence {
            0 => Some(Position::start(id)),
            _ => self.log.get(usize::try_from(sequence - 1).unwrap()).map(|(_, position)| *position),
        }
    }

    pub(super) fn is_member(&self, device: DeviceId) -> bool {
        self.members.get(&device).is_some_and(|(_, end)| end.is_none())
    }

    fn summary(&self, room: RoomId) -> JoinedRoom {
        JoinedRoom { room, name: self.name.clone(), head: self.log.len() as u64 }
    }

    fn end(&mut self, device: DeviceId, sequence: u64) {
        if let Some((_, end @ None)) = self.members.get_mut(&device) {
            *end = Some(sequence);
        }
    }

    pub(super) fn take(&mut self, record: Record, position: Position, statement: Option<&Statement>) {
        let (author, sequence) = (record.author, position.sequence);
        match (record.kind, statement) {
            (RecordKind::Leave, _) => self.end(author, sequence),
            (RecordKind::Commit, statement) => {
                self.last_commit = position;
                let statement = statement.cloned().unwrap_or_default();
                let removes = |it: &&DeviceId| it.uid == author.uid || author.uid == self.admin;
                let removed: Vec<_> = statement.removed.iter().filter(removes).copied().collect();
                removed.into_iter().for_each(|device| self.end(device, sequence));
                for device in statement.joined {
                    self.members.insert(device, (sequence, None));
                }
            }
            _ => {}
        }
        self.log.push((record, position));
    }

    fn page(&self, room: RoomId, device: DeviceId, sent: &mut Sent, forged: bool) -> Option<Page> {
        let (_, end) = self.members.get(&device)?;
        let head = self.log.len() as u64 + u64::from(forged);
        let last = end.unwrap_or(head);
        let count = usize::try_from(last.saturating_sub(sent.sequence)).unwrap().min(PAGE);
        let after = usize::try_from(sent.sequence).unwrap();
        let records: Vec<ByteVec> =
            self.shown(forged).skip(after).take(count).map(|record| record.to_bytes().into()).collect();
        sent.sequence += records.len() as u64;
        let ended = end.is_some() && sent.sequence >= last;
        let is_news = !std::mem::replace(&mut sent.begun, true) || !records.is_empty() || ended;
        is_news.then_some(Page { room, records, head, ended })
    }

    /// The log as it is, or with a record in front that nobody wrote.
    fn shown(&self, forged: bool) -> Box<dyn Iterator<Item = Record> + '_> {
        let records = self.log.iter().map(|(record, _)| record.clone());
        match self.log.first() {
            Some((first, _)) if forged => {
                let extra = Record { kind: RecordKind::Leave, payload: vec![0].into(), ..first.clone() };
                let moved = records.map(|record| Record { sequence: record.sequence + 1, ..record });
                Box::new(std::iter::once(extra).chain(moved))
            }
            _ => Box::new(records),
        }
    }
}

pub(super) fn statement_of(append: &Append) -> Option<Statement> {
    let head = Head::parse(&append.payload).ok().filter(|_| append.kind == RecordKind::Commit)?;
    codec::decode(head.authenticated_data).ok()
}

fn claim(((device, _), packages): (&(DeviceId, u16), &mut PublishKeyPackages)) -> Option<ClaimedKeyPackage> {
    let key_package = packages.one_time.pop().or_else(|| packages.last_resort.clone())?;
    Some(ClaimedKeyPackage { device: *device, key_package })
}

fn no_room() -> Refusal {
    Refusal::new(RefusalCode::RoomUnknown, "no such room")
}

fn name_of(request: &Request) -> &'static str {
    match request {
        Request::Append(append) => match append.kind {
            RecordKind::Message => "message",
            RecordKind::Commit => "commit",
            RecordKind::Leave => "leave",
        },
        Request::PublishKeyPackages(_) => "publish key packages",
        Request::Prove(_) => "prove",
        Request::FollowLog(_) => "follow log",
        Request::CompareHeads(_) => "compare heads",
        Request::PublishDevices(_) => "publish devices",
        Request::AcknowledgeWelcome(_) => "acknowledge welcome",
        Request::Ping => "ping",
        Request::GiveBackRecords(give) if give.records.is_empty() => "log end",
        Request::GiveBackRecords(_) => "give back records",
        Request::GiveBackLeaves(_) => "give back leaves",
        Request::GiveBackAccount(_) => "give back account",
        _ => "other",
    }
}
