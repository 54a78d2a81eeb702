//! Rooms of several devices, driven by a log like the server's.

use std::collections::HashMap;

use openchat_identity::device::issue_device_certificate;
use openchat_identity::{Authority, DeviceKey, IdentityKey};
use openchat_protocol::account::ClaimedKeyPackage;
use openchat_protocol::append::GroupSnapshot;
use openchat_protocol::record::{Base, Position, Record, RecordKind};
use openchat_protocol::room::{JoinInfo, PendingWelcome};
use openchat_protocol::{
    ChainHash, DeviceId, Did, Incarnation, MessageId, RoomId, RoomName, Timestamp, codec,
};
use zeroize::Zeroizing;

use crate::{
    Body, CommitDraft, Content, Device, EpochChange, GroupState, JoinError, KeyPackageSecret, OpenError,
    Opened, RoomGroup, RoomKey, RoomPolicy, Suite,
};

mod attacks;
mod evil;
mod hostile;
mod membership;
mod own_commits;
mod time;

pub(crate) const ROOM: RoomId = RoomId([7; 16]);
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// Who is in [`World::people`], by index.
pub(crate) const ALICE: usize = 0;
pub(crate) const BOB: usize = 1;
pub(crate) const CAROL: usize = 2;
pub(crate) const DAVE: usize = 3;

/// A device, what its vault holds of the room, and how far it has read.
pub(crate) struct Person {
    pub(crate) identity: IdentityKey,
    pub(crate) identity_certificate: Vec<u8>,
    pub(crate) device: Device,
    pub(crate) group: Option<RoomGroup>,
    pub(crate) secrets: HashMap<Vec<u8>, Zeroizing<Vec<u8>>>,
    /// Records read.
    pub(crate) read: usize,
    /// The last commit record read: what an append is based on.
    pub(crate) base: u64,
    counter: u64,
}

impl Person {
    pub(crate) fn group(&mut self) -> &mut RoomGroup {
        self.group.as_mut().expect("in the room")
    }

    pub(crate) fn id(&self) -> DeviceId {
        self.device.id()
    }

    /// Through the vault and back, as after a crash.
    pub(crate) fn restart(&mut self) {
        if let Some(mut group) = self.group.take() {
            let bytes = group.state().unwrap().to_bytes();
            self.group = Some(self.device.load(&GroupState::from_bytes(&bytes).unwrap()).unwrap());
        }
    }
}

/// A server's view of one room, and the people around it.
pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) people: Vec<Person>,
    pub(crate) records: Vec<Record>,
    pub(crate) last_commit: u64,
    pub(crate) snapshot: GroupSnapshot,
    pub(crate) name: Option<RoomName>,
    pub(crate) room_key: Option<RoomKey>,
    pub(crate) welcomes: HashMap<DeviceId, PendingWelcome>,
    pub(crate) now: Timestamp,
    pub(crate) suite: Suite,
}

/// The append was made before the author had read the room's last commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stale;

impl World {
    /// Alice's room, which nobody else is in.
    pub(crate) fn new(private: bool, suite: Suite) -> Self {
        let authority = Authority::create(NOW).unwrap();
        let people: Vec<_> = (0..4).map(|_| new_person(&authority, NOW)).collect();
        let room_key = private.then(|| RoomKey::generate().unwrap());
        let name: RoomName = "lobby".parse().unwrap();
        let creator = people[ALICE].identity.uid();
        let policy = match room_key.clone() {
            Some(key) => RoomPolicy::private(name.clone(), creator, key),
            None => RoomPolicy::listed(name.clone(), creator),
        };
        let (group, snapshot) = people[ALICE].device.create_room(ROOM, policy, suite, NOW).unwrap();
        let name = (!private).then_some(name);
        let (records, welcomes) = (Vec::new(), HashMap::new());
        let mut world = Self {
            authority,
            people,
            records,
            last_commit: 0,
            snapshot,
            name,
            room_key,
            welcomes,
            now: NOW,
            suite,
        };
        world.people[ALICE].group = Some(group);
        world
    }

    /// A listed room that everybody is in.
    pub(crate) fn of(members: usize) -> Self {
        let mut world = Self::new(false, Suite::default());
        for who in 1..members {
            world.join(who);
        }
        world.read_all();
        world
    }

    pub(crate) fn id(&self, who: usize) -> DeviceId {
        self.people[who].id()
    }

    pub(crate) fn group(&mut self, who: usize) -> &mut RoomGroup {
        self.people[who].group()
    }

    /// Puts a record at the end of the log, whatever it is.
    pub(crate) fn append_raw(&mut self, author: DeviceId, kind: RecordKind, payload: Vec<u8>) -> u64 {
        let sequence = self.records.len() as u64 + 1;
        let message_id =
            MessageId([sequence.to_be_bytes(), sequence.to_be_bytes()].concat().try_into().unwrap());
        let payload = payload.into();
        self.records.push(Record { sequence, time: self.now, author, message_id, kind, payload });
        if kind == RecordKind::Commit {
            self.last_commit = sequence;
        }
        sequence
    }

    /// Puts a record at the end of the log, if its author has read the last commit.
    pub(crate) fn append(&mut self, who: usize, kind: RecordKind, payload: Vec<u8>) -> Result<u64, Stale> {
        if self.people[who].base != self.last_commit {
            return Err(Stale);
        }
        Ok(self.append_raw(self.id(who), kind, payload))
    }

    /// Stores a commit with its bundle.
    pub(crate) fn append_commit(&mut self, who: usize, draft: CommitDraft) -> Result<u64, Stale> {
        let sequence = self.append(who, RecordKind::Commit, draft.payload)?;
        self.snapshot = self.snapshot.after(&draft.bundle.group).unwrap();
        for welcome in draft.bundle.welcomes {
            let tree = self.snapshot.tree.clone();
            let pending = PendingWelcome { room: ROOM, base: base(sequence), welcome: welcome.message, tree };
            self.welcomes.insert(welcome.device, pending);
        }
        Ok(sequence)
    }

    /// Stores a commit and accepts it.
    pub(crate) fn commit(&mut self, who: usize, draft: CommitDraft) -> EpochChange {
        let sequence = self.append_commit(who, draft).unwrap();
        let (now, person) = (self.now, &mut self.people[who]);
        person.base = sequence;
        person.group().accept_commit(now).unwrap()
    }

    pub(crate) fn join_info(&self) -> JoinInfo {
        JoinInfo {
            room: ROOM,
            name: self.name.clone(),
            base: base(self.last_commit),
            group: self.snapshot.clone(),
            by: self.id(ALICE).uid,
        }
    }

    /// Drafts a join from outside.
    pub(crate) fn draft_join(&self, who: usize) -> Result<(RoomGroup, CommitDraft), JoinError> {
        self.people[who].device.join_external(&self.join_info(), self.room_key.as_ref(), self.now)
    }

    /// Joins, or joins again, from outside.
    pub(crate) fn join(&mut self, who: usize) -> EpochChange {
        let (group, draft) = self.draft_join(who).unwrap();
        let person = &mut self.people[who];
        person.group = Some(group);
        person.base = self.last_commit;
        person.read = self.records.len() + 1;
        self.commit(who, draft)
    }

    /// Gives out a key package of `who`, as the server does.
    pub(crate) fn claim(&mut self, who: usize) -> ClaimedKeyPackage {
        let (suite, now, person) = (self.suite, self.now, &mut self.people[who]);
        let made = person.device.key_packages(suite, 1, false, now).unwrap().remove(0);
        let KeyPackageSecret { id, public, secret, .. } = made;
        person.secrets.insert(id, secret);
        ClaimedKeyPackage { device: person.id(), key_package: public.into() }
    }

    /// Adds devices by key package; they have not joined yet.
    pub(crate) fn add(&mut self, by: usize, whom: &[usize]) -> EpochChange {
        let claimed: Vec<_> = whom.iter().map(|who| self.claim(*who)).collect();
        let now = self.now;
        let draft = self.group(by).add(&claimed, now).unwrap();
        self.commit(by, draft)
    }

    /// Takes the Welcome that waits.
    pub(crate) fn join_welcome(&mut self, who: usize) -> DeviceId {
        let person = &mut self.people[who];
        let pending = self.welcomes.remove(&person.device.id()).expect("a Welcome waits");
        let joined = person.device.join_welcome(&pending, |id| person.secrets.get(id).cloned()).unwrap();
        person.secrets.remove(&joined.key_package).expect("the key package was ours");
        person.group = Some(joined.group);
        person.base = pending.base.commit.sequence;
        person.read = usize::try_from(person.base).unwrap();
        joined.by
    }

    /// Seals a text.
    pub(crate) fn seal(&mut self, who: usize, text: &str) -> Vec<u8> {
        let person = &mut self.people[who];
        person.counter += 1;
        let content = Content::text(MessageId([u8::try_from(who).unwrap(); 16]), person.counter, None, text);
        person.group().seal(&content).unwrap()
    }

    pub(crate) fn say(&mut self, who: usize, text: &str) {
        let payload = self.seal(who, text);
        self.append(who, RecordKind::Message, payload).unwrap();
    }

    pub(crate) fn leave(&mut self, who: usize) {
        let notice = self.group(who).leave_notice().unwrap();
        self.append(who, RecordKind::Leave, codec::encode(&notice)).unwrap();
    }

    /// Reads what is new. Own commits are accepted when their echo comes.
    pub(crate) fn read(&mut self, who: usize) -> Vec<Result<Opened, OpenError>> {
        let person = &mut self.people[who];
        let mut heard = Vec::new();
        while let Some(record) = self.records.get(person.read) {
            let opened = person.group().open(record);
            if opened == Ok(Opened::OwnCommit) {
                person.group().accept_commit(record.time).unwrap();
            }
            if record.kind == RecordKind::Commit {
                person.base = record.sequence;
            }
            person.read += 1;
            heard.push(opened);
        }
        heard
    }

    pub(crate) fn read_one(&mut self, who: usize) -> Result<Opened, OpenError> {
        let mut heard = self.read(who);
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard.remove(0)
    }

    /// Everybody in the room reads; all must be well.
    pub(crate) fn read_all(&mut self) {
        for who in 0..self.people.len() {
            if self.people[who].group.is_some() {
                self.read(who).into_iter().for_each(|it| drop(it.unwrap()));
            }
        }
    }

    /// `who` says something that exactly `hearers` understand.
    pub(crate) fn assert_hears(&mut self, who: usize, hearers: &[usize]) {
        let text = format!("by {who} in {}", self.group(who).epoch());
        self.say(who, &text);
        for hearer in hearers {
            assert_eq!(texts(&self.read(*hearer)), std::slice::from_ref(&text), "{hearer} hears {who}");
        }
    }

    pub(crate) fn members(&mut self, who: usize) -> Vec<DeviceId> {
        let mut members: Vec<_> = self.group(who).roster().iter().map(|member| member.device).collect();
        members.sort_unstable();
        members
    }

    pub(crate) fn sorted(&self, who: &[usize]) -> Vec<DeviceId> {
        let mut ids: Vec<_> = who.iter().map(|who| self.id(*who)).collect();
        ids.sort_unstable();
        ids
    }
}

fn base(sequence: u64) -> Base {
    Base { incarnation: Incarnation([0; 8]), commit: Position { sequence, chain: ChainHash([0; 32]) } }
}

pub(crate) fn new_person(authority: &Authority, now: Timestamp) -> Person {
    let identity = IdentityKey::generate();
    let csr = identity.sign_csr(&authority.fingerprint());
    let identity_certificate = authority.issue_identity(&csr, now).unwrap().certificate;
    let mut did = Did([0; 10]);
    aws_lc_rs::rand::fill(&mut did.0).unwrap();
    let key = DeviceKey::generate();
    let device = new_device(key, authority, &identity, &identity_certificate, did, now);
    let secrets = HashMap::new();
    Person { identity, identity_certificate, device, group: None, secrets, read: 0, base: 0, counter: 0 }
}

pub(crate) fn new_device(
    key: DeviceKey,
    authority: &Authority,
    identity: &IdentityKey,
    identity_certificate: &[u8],
    did: Did,
    now: Timestamp,
) -> Device {
    let certificate = issue_device_certificate(identity, key.public_key(), did, now);
    let chain = [certificate, identity_certificate.to_vec(), authority.issuing_certificate().to_vec()];
    Device::new(key, &chain, authority.anchor().clone()).unwrap()
}

/// What the messages among `heard` say.
pub(crate) fn texts(heard: &[Result<Opened, OpenError>]) -> Vec<String> {
    let text = |opened: &Result<Opened, OpenError>| match opened {
        Ok(Opened::Message { content: Content { body: Body::Text(text), .. }, .. }) => {
            Some(text.markdown.clone())
        }
        _ => None,
    };
    heard.iter().filter_map(text).collect()
}

/// The commit that is the only thing `heard`.
pub(crate) fn change(heard: Result<Opened, OpenError>) -> EpochChange {
    match heard {
        Ok(Opened::Commit(change)) => change,
        other => panic!("{other:?} is no commit"),
    }
}
