//! Many people who talk in one room: real devices, which came in as everybody does. Then they say what they have to say
//! without a vault and without reading, so that nobody but the screen opens what was sealed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use openchat_client::Password;
use openchat_client::vault::{Credentials, RoomRecord, Vault};
use openchat_e2ee::{Content, Device, GroupState, RoomGroup};
use openchat_identity::tls::{self, MachineClock};
use openchat_identity::{DeviceKey, TrustAnchor};
use openchat_protocol::append::{Append, Appended};
use openchat_protocol::record::{Base, Position, RecordKind};
use openchat_protocol::{MessageId, Request, Response, RoomId};
use openchat_tests::Openchat;
use openchat_tests::binary::PASSWORD;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at};

use crate::peer::openchat::{Person, Session, random};

/// Each has one message under way at a time, as every client has: so many fill the time that the disk takes.
const SPEAKERS: u32 = 10;

/// People in a room, each with keys of his or her own.
pub(crate) struct Flood {
    runtime: Runtime,
    /// Those who have not begun.
    silent: Vec<Speaker>,
    talking: JoinSet<Speaker>,
    over: Arc<AtomicBool>,
    said: Arc<AtomicU64>,
}

struct Speaker {
    session: Session,
    group: RoomGroup,
    base: Base,
    seen: Position,
    counter: u64,
}

impl Flood {
    /// Makes the people and lets them into the listed room `lobby` of `alice`.
    pub(crate) fn gather(home: &Openchat) -> Self {
        let names: Vec<_> = (1..=SPEAKERS).map(|number| format!("speaker-{number}")).collect();
        for name in &names {
            home.join(name, home.run("alice", &["invite", "lobby"]).ok().trim());
        }
        let runtime = Runtime::new().expect("a runtime");
        let room = runtime.block_on(come_in(home, &names));
        let speakers = names.iter().map(|name| {
            let (group, record, credentials) = keys(home, name, room);
            runtime.block_on(Speaker::new(group, &record, &credentials))
        });
        let silent = speakers.collect();
        Self { runtime, silent, talking: JoinSet::new(), over: Arc::default(), said: Arc::default() }
    }

    /// All of them begin to talk: together one message in `pace`.
    pub(crate) fn begin(&mut self, pace: Duration) {
        for (speaker, number) in self.silent.drain(..).zip(0..) {
            let (over, said) = (Arc::clone(&self.over), Arc::clone(&self.said));
            let (start, pace) = (Instant::now() + pace * number, pace * SPEAKERS);
            self.talking.spawn_on(speaker.talk(start, pace, over, said), self.runtime.handle());
        }
    }

    /// How many messages the server has taken.
    pub(crate) fn said(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }

    /// All fall silent, and one of them says `last`.
    pub(crate) fn end(self, last: &str) {
        self.over.store(true, Ordering::Relaxed);
        self.runtime.block_on(async {
            let speakers = self.talking.join_all().await;
            let mut speaker = speakers.into_iter().next().expect("somebody");
            speaker.say(last).await;
        });
    }
}

/// Into the room, one after the other; everybody stays until all have seen all, in the same keys.
async fn come_in(home: &Openchat, names: &[String]) -> RoomId {
    let mut room = None;
    let mut clients = Vec::new();
    for name in names {
        let folder = home.profile(name);
        let opened =
            tokio::task::spawn_blocking(move || openchat_client::open(&folder, &Password::new(PASSWORD)));
        let (client, events) = opened.await.expect("no panic").expect("a profile");
        client.online().await.expect("a connection");
        room = Some(client.join_room("lobby".parse().expect("a name")).await.expect("the room"));
        clients.push((client, events));
    }
    let room = room.expect("somebody");
    for (client, mut events) in clients {
        while client.members(room).await.expect("its members").len() <= names.len() {
            events.next().await.expect("an event");
        }
        client.stop().await;
    }
    room
}

/// What a speaker has on disk. It is used up here: the profile is never opened again.
fn keys(home: &Openchat, name: &str, room: RoomId) -> (RoomGroup, RoomRecord, Credentials) {
    let vault = Vault::open(&home.profile(name), &Password::new(PASSWORD)).expect("the vault opens");
    let loaded = vault.load().expect("what is in it");
    let credentials = loaded.credentials;
    let found = loaded.rooms.into_iter().find(|loaded| loaded.record.room == room).expect("the room");
    let stored = found.group.expect("its keys");
    let state =
        GroupState::from_bytes(&stored.secret).expect("a group").with_tree(stored.tree.expect("a tree"));
    (device(&credentials).load(&state).expect("a group"), found.record, credentials)
}

/// A profile's device as a member of rooms.
pub(crate) fn device(credentials: &Credentials) -> Device {
    let chain: Vec<Vec<u8>> = credentials.chain.iter().map(|certificate| certificate.to_vec()).collect();
    let anchor = TrustAnchor::from_root(&credentials.root).expect("an authority");
    Device::new(device_key(credentials), &chain, anchor).expect("a device")
}

fn device_key(credentials: &Credentials) -> DeviceKey {
    DeviceKey::from_pkcs8(&credentials.device_key).expect("a key")
}

impl Speaker {
    async fn new(group: RoomGroup, record: &RoomRecord, credentials: &Credentials) -> Self {
        let chain = credentials.chain.iter().map(|certificate| certificate.to_vec()).collect();
        let key = device_key(credentials);
        let tls = tls::client_config(credentials.server, Some((&key, chain)), Arc::new(MachineClock));
        let person = Person { device: credentials.device, key, tls: tls.expect("TLS") };
        let address: SocketAddr = format!("{}:{}", credentials.host, credentials.port).parse().expect("here");
        let session = Session::log_in(address, &person).await.expect("a login");
        let base = Base { incarnation: session.incarnation, commit: record.commit };
        Self { session, group, base, seen: record.cursor, counter: record.sealed }
    }

    async fn talk(
        mut self,
        start: Instant,
        pace: Duration,
        over: Arc<AtomicBool>,
        said: Arc<AtomicU64>,
    ) -> Self {
        let mut pace = interval_at(start, pace);
        while !over.load(Ordering::Relaxed) {
            pace.tick().await;
            self.say("the quick brown fox jumps over the lazy dog").await;
            said.fetch_add(1, Ordering::Relaxed);
        }
        self
    }

    /// Says something, until the server has it.
    async fn say(&mut self, words: &str) {
        self.counter += 1;
        let content = Content::text(MessageId(random()), self.counter, Some(self.seen), words);
        let append = Append {
            room: self.group.room(),
            message_id: MessageId(random()),
            base: self.base,
            kind: RecordKind::Message,
            payload: self.group.seal(&content).expect("a sealed message").into(),
            bundle: None,
        };
        match self.session.ask(Request::Append(append)).await.expect("an answer") {
            Response::Appended(Appended::Stored { position, .. }) => self.seen = position,
            other => panic!("the room has gone on without the speakers: {other:?}"),
        }
    }
}
