//! One server with an authority of its own, and people who have, or make, accounts on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openchat_identity::authority::Authority;
use openchat_identity::device::{DeviceKey, issue_device_certificate};
use openchat_identity::device_list::{self, key_hash};
use openchat_identity::{IdentityKey, InviteToken, challenge, trust};
use openchat_protocol::account::{EnrolDevice, Register, Registered, RegistrationPolicy};
use openchat_protocol::append::{Append, Appended, CommitBundle, GroupSnapshot, GroupUpdate, Welcome};
use openchat_protocol::device_list::{ListedDevice, SignedDeviceList};
use openchat_protocol::record::{Base, Position, RecordKind};
use openchat_protocol::room::CreateRoom;
use openchat_protocol::statement::Statement;
use openchat_protocol::tree::{Tree, TreeChange};
use openchat_protocol::{DeviceId, Did, MessageId, Refusal, Request, Response, RoomId, Timestamp};
use openchat_server::{Clock, Config, Running, Server};
use openchat_store::invite::NewInvite;
use openchat_store::{MemoryStore, Store};

use crate::mls;
use crate::wire::Wire;

pub(crate) struct World {
    pub(crate) server: Running,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    time: Arc<AtomicU64>,
}

/// A user with one device, enrolled.
pub(crate) struct Device {
    pub(crate) identity: IdentityKey,
    pub(crate) id: DeviceId,
    pub(crate) key: DeviceKey,
    /// Device, identity, issuing.
    pub(crate) chain: Vec<Vec<u8>>,
}

/// A configuration for tests: any free port, everybody may register, and no test is ever too fast.
pub(crate) fn config() -> Config {
    let mut config = Config::new("unused");
    config.listen = ([127, 0, 0, 1], 0).into();
    config.registration = RegistrationPolicy::Open;
    config.limits.connections_per_minute = 1_000_000;
    config.limits.registrations_per_hour = 1_000_000;
    config.limits.requests_per_second = 100_000;
    config.limits.kib_per_second = 100_000;
    config
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&config()).await
    }

    pub(crate) async fn with(config: &Config) -> Self {
        Self::on(config, Arc::new(MemoryStore::new().unwrap())).await
    }

    pub(crate) async fn on(config: &Config, store: Arc<dyn Store>) -> Self {
        Self::under(config, store, Authority::create(Timestamp::now()).unwrap()).await
    }

    pub(crate) async fn under(config: &Config, store: Arc<dyn Store>, authority: Authority) -> Self {
        let time = Arc::new(AtomicU64::new(Timestamp::now().0));
        let now = Arc::clone(&time);
        let clock = Clock::new(move || Timestamp(now.load(Ordering::Relaxed)));
        let server = Server::start_with_clock(config, authority, Arc::clone(&store), clock.clone());
        Self { server: server.await.unwrap(), store, clock, time }
    }

    pub(crate) fn advance(&self, milliseconds: u64) {
        self.time.fetch_add(milliseconds, Ordering::Relaxed);
    }

    /// A new user with an enrolled device, by the same requests that a client would send.
    pub(crate) async fn user(&self, name: &str) -> Device {
        let identity = IdentityKey::generate();
        let registered = self.register(&identity, name, None).await.expect("an account");
        let device = self.device(identity, &registered, Did([1; 10]), DeviceKey::generate());
        self.enrol(&device).await.expect("a device");
        device
    }

    pub(crate) async fn register(
        &self,
        identity: &IdentityKey,
        name: &str,
        invite: Option<&InviteToken>,
    ) -> Result<Registered, Refusal> {
        let mut wire = Wire::connect(self, None).await;
        wire.hello().await;
        let csr = identity.sign_csr(&self.server.fingerprint()).into();
        let redeem = invite.map(|invite| invite.redeem().to_vec().into());
        let request = Register { name: name.parse().unwrap(), csr, redeem };
        match wire.ask(Request::Register(request)).await? {
            Response::Registered(registered) => Ok(registered),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn device(
        &self,
        identity: IdentityKey,
        registered: &Registered,
        did: Did,
        key: DeviceKey,
    ) -> Device {
        let certificate = issue_device_certificate(&identity, key.public_key(), did, self.clock.now());
        let above = trust::split(&registered.issuing_certificate).into_iter().map(<[u8]>::to_vec);
        let chain =
            [certificate, registered.identity_certificate.to_vec()].into_iter().chain(above).collect();
        Device { id: DeviceId { uid: identity.uid(), did }, identity, key, chain }
    }

    pub(crate) async fn enrol(&self, device: &Device) -> Result<Response, Refusal> {
        self.enrol_with(device, self.list(device, 1)).await
    }

    /// Enrols a device with a list that its user has signed.
    pub(crate) async fn enrol_with(
        &self,
        device: &Device,
        list: SignedDeviceList,
    ) -> Result<Response, Refusal> {
        let mut wire = Wire::connect(self, None).await;
        wire.hello().await;
        let chain = device.chain.iter().cloned().map(Into::into).collect();
        wire.ask(Request::EnrolDevice(EnrolDevice { chain, list: Some(list) })).await
    }

    /// One more device of a user, which is yet to be enrolled.
    pub(crate) fn another_device(&self, first: &Device, did: Did) -> Device {
        let identity = IdentityKey::from_pkcs8(&first.identity.to_pkcs8()).unwrap();
        let key = DeviceKey::generate();
        let certificate = issue_device_certificate(&identity, key.public_key(), did, self.clock.now());
        let chain = std::iter::once(certificate).chain(first.chain[1..].iter().cloned()).collect();
        Device { id: DeviceId { uid: identity.uid(), did }, identity, key, chain }
    }

    /// The list of this one device.
    pub(crate) fn list(&self, device: &Device, version: u32) -> SignedDeviceList {
        let listed = ListedDevice { did: device.id.did, key: key_hash(&device.key.public_point()) };
        device_list::sign(&device.identity, &self.server.fingerprint(), version, vec![listed])
    }

    /// An invite of the server's own.
    pub(crate) async fn invite(&self, uses: u32, expires: Timestamp) -> InviteToken {
        let token = InviteToken::generate();
        let invite = NewInvite { hash: token.redeem_hash(), creator: None, expires, uses, room: None };
        self.store.create_invite(invite, self.clock.now()).await.unwrap();
        token
    }

    /// A listed room of `owner`.
    pub(crate) async fn room(&self, owner: &mut Wire, name: &str) -> RoomId {
        let room = RoomId(std::array::from_fn(|at| name.as_bytes()[at % name.len()]));
        let request = CreateRoom { room, name: Some(name.parse().unwrap()), group: group() };
        assert_eq!(owner.ask(Request::CreateRoom(request)).await, Ok(Response::Done));
        room
    }

    /// What an append to a room builds on after its commit at `commit`.
    pub(crate) fn base(&self, commit: Position) -> Base {
        Base { incarnation: self.store.incarnation(), commit }
    }

    pub(crate) fn message(&self, room: RoomId, commit: Position, number: u64, body: &[u8]) -> Append {
        let mut message_id = [0; 16];
        message_id[..8].copy_from_slice(&number.to_be_bytes());
        Append {
            room,
            message_id: MessageId(message_id),
            base: self.base(commit),
            kind: RecordKind::Message,
            payload: mls::message(room, body).into(),
            bundle: None,
        }
    }

    pub(crate) fn commit(
        &self,
        room: RoomId,
        commit: Position,
        statement: &Statement,
        welcomes: Vec<Welcome>,
    ) -> Append {
        Append {
            kind: RecordKind::Commit,
            payload: mls::commit(room, statement).into(),
            bundle: Some(CommitBundle { group: update(group()), welcomes }),
            ..self.message(room, commit, 1 << 32 | commit.sequence, b"")
        }
    }

    /// The commit by which `device` joins.
    pub(crate) fn join(&self, room: RoomId, commit: Position, device: &Device) -> Append {
        let statement = Statement { joined: vec![device.id], ..Statement::default() };
        let payload = mls::external_commit(room, &statement).into();
        Append { payload, ..self.commit(room, commit, &statement, Vec::new()) }
    }

    pub(crate) fn leave(&self, room: RoomId, commit: Position, device: &Device) -> Append {
        let payload = mls::leave(device.id).into();
        Append { kind: RecordKind::Leave, payload, ..self.message(room, commit, 1 << 33, b"") }
    }
}

pub(crate) fn group() -> GroupSnapshot {
    GroupSnapshot { group_info: b"group info".to_vec().into(), tree: Tree::new(vec![b"node".to_vec()]) }
}

/// The commit after which joiners get `group`.
pub(crate) fn update(group: GroupSnapshot) -> GroupUpdate {
    GroupUpdate { group_info: group.group_info, tree: TreeChange::whole(&group.tree) }
}

/// Appends, and answers with where.
pub(crate) async fn append(wire: &mut Wire, append: Append) -> Position {
    match wire.ask(Request::Append(append)).await {
        Ok(Response::Appended(Appended::Stored { position, .. })) => position,
        other => panic!("{other:?}"),
    }
}

impl Device {
    pub(crate) fn prove(&self, world: &World, nonce: &[u8; 32], channel: &[u8; 32]) -> Vec<u8> {
        challenge::sign(&self.key, &world.server.fingerprint(), self.id, nonce, channel)
    }
}
