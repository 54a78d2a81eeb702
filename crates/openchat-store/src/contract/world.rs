//! People, devices and rooms for the rules to act on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand;
use openchat_protocol::account::{
    AcknowledgeWelcome, ClaimKeyPackages, ClaimedKeyPackage, PublishKeyPackages,
};
use openchat_protocol::append::{Append, CommitBundle, GroupSnapshot, GroupUpdate, Welcome};
use openchat_protocol::device_list::SignedDeviceList;
use openchat_protocol::record::{Base, Position, Record, RecordKind};
use openchat_protocol::room::{CreateRoom, FetchJoinInfo, JoinInfo, RoomSelector};
use openchat_protocol::statement::Statement;
use openchat_protocol::tree::{Tree, TreeChange};
use openchat_protocol::{ChainHash, DeviceId, Did, InviteHash, MessageId, RoomId, Timestamp, Uid};
use openchat_transparency::{Body, Kind, Label, Opening};
use tokio::task::JoinSet;

use crate::Store;
use crate::account::NewAccount;
use crate::device::NewDevice;
use crate::group::JoinOffer;
use crate::invite::NewInvite;
use crate::key_log::{NewDeviceList, NewLeaf};
use crate::room_log::{AppendError, AppendOutcome, NewRecord, PageLimit, StoredRecord};

/// A moment long after 1970, for clocks that go back.
pub(super) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// The cipher suite of key packages, unless the rule is about suites.
pub(super) const SUITE: u16 = 0xf0c1;

/// A store, and names for whom it is asked about.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a store has nothing to show")]
pub struct World {
    pub(super) store: Arc<dyn Store>,
    numbers: Arc<AtomicU64>,
}

impl World {
    /// A world around a store; an empty one, unless the rule says otherwise.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, numbers: Arc::new(AtomicU64::new(1)) }
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Bytes that no other call gives, in this world or in another one around the same store.
    pub(super) fn fresh<const N: usize>(&self) -> [u8; N] {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut bytes = [0; N];
        bytes[..8].copy_from_slice(&number);
        rand::fill(&mut bytes[8..]).unwrap();
        bytes
    }

    /// An account that is to be made.
    pub fn account(&self, name: &str) -> NewAccount {
        let uid = Uid(self.fresh());
        NewAccount {
            uid,
            name: name.parse().unwrap(),
            identity_spki: uid.0.repeat(2),
            identity_certificate: b"identity".to_vec(),
            issuing_certificate: b"issuing".to_vec(),
            log: [(); 2].map(|()| self.leaf(Kind::IdentityIssued, Label(self.fresh()))),
        }
    }

    /// A list of devices that is like no other.
    pub(super) fn list(&self, version: u32, label: Label) -> NewDeviceList {
        let signed = SignedDeviceList { list: self.fresh::<16>().to_vec().into(), signature: vec![1].into() };
        let mut leaf = self.leaf(Kind::DeviceList, label);
        leaf.opening.body = Body::DeviceList(signed).to_bytes();
        NewDeviceList { version, leaf, devices: Vec::new() }
    }

    pub(super) fn leaf(&self, kind: Kind, label: Label) -> NewLeaf {
        let opening = Opening { nonce: self.fresh(), body: self.fresh::<16>().to_vec() };
        NewLeaf { kind, label, opening }
    }

    pub(crate) fn invite(&self, creator: Option<Uid>, uses: u32) -> NewInvite {
        let expires = Timestamp(NOW.0 + 1000);
        NewInvite { hash: InviteHash(self.fresh()), creator, expires, uses, room: None }
    }

    pub(super) fn new_device(&self, uid: Uid) -> NewDevice {
        let device = DeviceId { uid, did: Did(self.fresh()) };
        let chain = [&b"device"[..], b"identity", b"issuing"].map(<[u8]>::to_vec).to_vec();
        NewDevice { device, public_key: [&[4], &device.did.0[..]].concat(), chain, list: None }
    }

    /// A user with one device.
    pub async fn user(&self, name: &str) -> DeviceId {
        let account = self.account(name);
        let uid = account.uid;
        self.store.create_account(account, None, NOW).await.unwrap();
        self.device(uid).await
    }

    /// One more device of a user.
    pub(super) async fn device(&self, uid: Uid) -> DeviceId {
        let device = self.new_device(uid);
        let id = device.device;
        self.store.enrol_device(device, NOW).await.unwrap();
        id
    }

    pub(super) fn create(&self, name: Option<&str>) -> CreateRoom {
        let name = name.map(|name| name.parse().unwrap());
        CreateRoom { room: RoomId(self.fresh()), name, group: group("epoch 0") }
    }

    /// A room with one member.
    pub async fn room(&self, name: Option<&str>, creator: DeviceId) -> RoomId {
        let create = self.create(name);
        let room = create.room;
        self.store.create_room(create, creator, NOW).await.unwrap();
        room
    }

    /// What a joiner gets who doubts nobody.
    pub async fn join_info(&self, room: &RoomSelector, device: DeviceId) -> Option<JoinInfo> {
        match self.join_offer(room, device, &[]).await {
            Some(JoinOffer::Group(info)) => Some(info),
            Some(JoinOffer::Doubted { .. }) => panic!("nobody was doubted"),
            None => None,
        }
    }

    pub(super) async fn join_offer(
        &self,
        room: &RoomSelector,
        device: DeviceId,
        doubted: &[Uid],
    ) -> Option<JoinOffer> {
        let request = FetchJoinInfo { room: room.clone(), doubted: doubted.to_vec() };
        self.store.join_offer(&request, device).await.unwrap()
    }

    pub(crate) async fn message(&self, room: RoomId, author: DeviceId, text: &str) -> NewRecord {
        self.record(room, author, RecordKind::Message, text, None).await
    }

    /// A record for the room as it is now.
    async fn record(
        &self,
        room: RoomId,
        author: DeviceId,
        kind: RecordKind,
        payload: &str,
        commit: Option<(Statement, CommitBundle)>,
    ) -> NewRecord {
        let info = self.join_info(&RoomSelector::Id(room), author).await;
        let start = Base { incarnation: self.store.incarnation(), commit: Position::start(room) };
        let base = info.map_or(start, |info| info.base);
        let (statement, bundle) = commit.unzip();
        let payload = payload.as_bytes().to_vec().into();
        let append = Append { room, message_id: MessageId(self.fresh()), base, kind, payload, bundle };
        NewRecord::new(append, author, statement).unwrap()
    }

    /// A commit that does what `joined` and `removed` say, with a Welcome for each device that it adds.
    pub(super) async fn commit(
        &self,
        room: RoomId,
        author: DeviceId,
        joined: &[DeviceId],
        removed: &[DeviceId],
    ) -> NewRecord {
        let statement =
            Statement { joined: joined.to_vec(), removed: removed.to_vec(), ..Statement::default() };
        self.commit_with(room, author, statement).await
    }

    /// A commit by a member that names the administrators.
    pub(super) async fn administrators(&self, room: RoomId, author: DeviceId, uids: &[Uid]) -> NewRecord {
        let statement = Statement { admins: Some(uids.to_vec()), ..Statement::default() };
        self.commit_with(room, author, statement).await
    }

    async fn commit_with(&self, room: RoomId, author: DeviceId, statement: Statement) -> NewRecord {
        let added = statement.joined.iter().filter(|device| **device != author);
        let welcomes = added.map(|device| Welcome { device: *device, message: b"welcome".to_vec().into() });
        let GroupSnapshot { group_info, tree } = group(&format!("by {author}"));
        let before = self.join_info(&RoomSelector::Id(room), author).await.map(|info| info.group.tree);
        let tree = TreeChange::between(&before.unwrap_or_default(), &tree);
        let group = GroupUpdate { group_info, tree };
        let bundle = CommitBundle { group, welcomes: welcomes.collect() };
        self.record(room, author, RecordKind::Commit, "commit", Some((statement, bundle))).await
    }

    /// A commit that changes nobody's membership.
    pub(super) async fn commit_bringing(
        &self,
        room: RoomId,
        author: DeviceId,
        bundle: CommitBundle,
    ) -> NewRecord {
        self.record(room, author, RecordKind::Commit, "commit", Some((Statement::default(), bundle))).await
    }

    pub(crate) async fn try_append(&self, record: NewRecord) -> Result<AppendOutcome, AppendError> {
        self.store.append(record, NOW).await
    }

    pub(super) async fn append(&self, record: NewRecord) -> StoredRecord {
        match self.try_append(record).await {
            Ok(AppendOutcome::Stored(stored)) => stored,
            other => panic!("not stored: {other:?}"),
        }
    }

    /// Appends a message.
    pub async fn say(&self, room: RoomId, author: DeviceId, text: &str) -> StoredRecord {
        self.append(self.message(room, author, text).await).await
    }

    /// Appends a message, if the store takes it.
    pub async fn try_to_say(
        &self,
        room: RoomId,
        author: DeviceId,
        text: &str,
    ) -> Result<AppendOutcome, AppendError> {
        self.try_append(self.message(room, author, text).await).await
    }

    /// Joins by an external commit.
    pub(super) async fn join(&self, room: RoomId, device: DeviceId) -> StoredRecord {
        self.append(self.commit(room, device, &[device], &[]).await).await
    }

    pub(super) async fn add(&self, room: RoomId, by: DeviceId, devices: &[DeviceId]) -> StoredRecord {
        self.append(self.commit(room, by, devices, &[]).await).await
    }

    pub(super) async fn remove(&self, room: RoomId, by: DeviceId, devices: &[DeviceId]) -> StoredRecord {
        self.append(self.commit(room, by, &[], devices).await).await
    }

    pub(super) async fn leave_notice(&self, room: RoomId, device: DeviceId) -> NewRecord {
        self.record(room, device, RecordKind::Leave, "leave", None).await
    }

    pub(crate) async fn leave(&self, room: RoomId, device: DeviceId) -> StoredRecord {
        self.append(self.leave_notice(room, device).await).await
    }

    /// Acknowledges a Welcome, and says whose membership ended by it.
    pub(super) async fn acknowledge(&self, device: DeviceId, welcome: AcknowledgeWelcome) -> Vec<DeviceId> {
        let change = self.store.acknowledge_welcome(device, welcome).await.unwrap();
        assert_eq!(change.joined, []);
        change.ended
    }

    pub(super) async fn is_member(&self, room: RoomId, device: DeviceId) -> bool {
        self.store.membership(room, device).await.unwrap().is_some_and(|membership| membership.is_member())
    }

    /// The bytes of all records that a device may read after a place, in pages of three.
    pub(crate) async fn read_bytes(&self, room: RoomId, device: DeviceId, after: u64) -> Vec<bytes::Bytes> {
        let (mut all, mut cursor) = (Vec::new(), after);
        loop {
            let limit = PageLimit { records: 3, bytes: usize::MAX };
            let page = self.store.read(room, device, cursor, limit).await.unwrap();
            all.extend(page.records);
            let before = std::mem::replace(&mut cursor, page.cursor);
            if cursor >= page.head {
                return all;
            }
            assert!(cursor > before, "there is more after {cursor}, and the page is empty");
        }
    }

    /// The sequences of all records that a device may read after a place.
    pub(crate) async fn sequences(&self, room: RoomId, device: DeviceId, after: u64) -> Vec<u64> {
        let bytes = self.read_bytes(room, device, after).await;
        bytes.iter().map(|bytes| Record::from_bytes(bytes).unwrap().sequence).collect()
    }

    /// Claims packages of the usual suite.
    pub(super) async fn claim(&self, uid: Uid) -> Vec<ClaimedKeyPackage> {
        self.store.claim_key_packages(ClaimKeyPackages { uid, suite: SUITE, device: None }).await.unwrap()
    }

    /// One-time packages of the usual suite.
    pub(super) async fn packages_left(&self, device: DeviceId) -> u32 {
        let counts = self.store.key_package_counts(device).await.unwrap();
        counts.iter().find(|count| count.suite == SUITE).map_or(0, |count| count.one_time)
    }

    /// Key packages of the usual suite.
    pub(crate) fn packages(&self, one_time: usize, last_resort: bool) -> PublishKeyPackages {
        self.packages_of(SUITE, one_time, last_resort)
    }

    pub(super) fn packages_of(&self, suite: u16, one_time: usize, last_resort: bool) -> PublishKeyPackages {
        let package = || self.fresh::<32>().to_vec().into();
        PublishKeyPackages {
            one_time: (0..one_time).map(|_| package()).collect(),
            last_resort: last_resort.then(package),
            suite,
        }
    }
}

pub(super) fn group(text: &str) -> GroupSnapshot {
    let tree = Tree::new(vec![b"a node that stays".to_vec(), format!("a node {text}").into_bytes()]);
    GroupSnapshot { group_info: text.as_bytes().to_vec().into(), tree }
}

/// Eight devices append to one room at the same time, `each` messages each. What was acknowledged, by sequence.
pub async fn many_authors_at_once(
    world: &World,
    room: RoomId,
    creator: DeviceId,
    each: usize,
) -> BTreeMap<u64, StoredRecord> {
    let mut authors = vec![creator];
    for _ in 1..8 {
        authors.push(world.device(creator.uid).await);
    }
    world.add(room, creator, &authors[1..]).await;
    let mut tasks = JoinSet::new();
    for author in authors {
        let world = world.clone();
        tasks.spawn(async move {
            let mut stored = Vec::new();
            for number in 0..each {
                stored.push(world.say(room, author, &format!("{number}")).await);
            }
            stored
        });
    }
    let all = tasks.join_all().await.into_iter().flatten();
    all.map(|stored| (stored.position.sequence, stored)).collect()
}

/// Holds what `device` reads against what was acknowledged: the same bytes, without gaps, under one chain.
pub async fn acknowledged_records_are_there(
    world: &World,
    room: RoomId,
    device: DeviceId,
    acknowledged: &BTreeMap<u64, StoredRecord>,
) {
    let read = world.read_bytes(room, device, 0).await;
    let mut chain = ChainHash::start(room);
    for (bytes, sequence) in read.iter().zip(1..) {
        let record = Record::from_bytes(bytes).unwrap();
        assert_eq!(record.sequence, sequence, "a gap");
        chain = chain.then(bytes);
        if let Some(stored) = acknowledged.get(&sequence) {
            assert_eq!((&stored.bytes, stored.position.chain), (bytes, chain), "record {sequence}");
        }
    }
    let last = acknowledged.keys().next_back().copied().unwrap_or_default();
    assert!(read.len() as u64 >= last, "{} records read, {last} acknowledged", read.len());
}
