//! A room whose members use different MLS implementations: OpenChat's, and the Python package `rfc9420`.

use std::time::Duration;

use data_encoding::HEXLOWER;
use openchat_e2ee::{CommitDraft, Content, Device, Opened, RoomGroup, RoomPolicy, Suite};
use openchat_identity::device::issue_device_certificate;
use openchat_identity::{Authority, DeviceKey, IdentityKey};
use openchat_protocol::account::ClaimedKeyPackage;
use openchat_protocol::append::{CommitBundle, GroupSnapshot};
use openchat_protocol::record::{Base, Position, Record, RecordKind};
use openchat_protocol::room::{JoinInfo, PendingWelcome};
use openchat_protocol::tree::Tree;
use openchat_protocol::{DeviceId, Did, Incarnation, MessageId, RoomId, Timestamp};
use openchat_tests::python::Script;
use serde_json::{Value, json};

const ROOM: RoomId = RoomId([7; 16]);

/// A device with its certificates, before any software uses it.
struct Enrolled {
    key: DeviceKey,
    chain: Vec<Vec<u8>>,
}

impl Enrolled {
    fn at(authority: &Authority, now: Timestamp) -> Self {
        let (identity, key) = (IdentityKey::generate(), DeviceKey::generate());
        let issued = authority.issue_identity(&identity.sign_csr(&authority.fingerprint()), now).unwrap();
        let device = issue_device_certificate(&identity, key.public_key(), Did([1; 10]), now);
        Self { key, chain: vec![device, issued.certificate, authority.issuing_certificate().to_vec()] }
    }

    fn device(self, authority: &Authority) -> Device {
        Device::new(self.key, &self.chain, authority.anchor().clone()).unwrap()
    }
}

/// The member that is not OpenChat.
struct Stranger {
    script: Script,
    id: DeviceId,
    key_package: Vec<u8>,
}

impl Stranger {
    fn start(authority: &Authority, now: Timestamp) -> Self {
        let mut script = Script::start("independent_mls.py", &["rfc9420"]);
        let enrolled = Enrolled::at(authority, now);
        let answer = script.ask(
            "key_package",
            json!({
                "chain": enrolled.chain.iter().map(|der| hex(der)).collect::<Vec<_>>(),
                "key": hex(&enrolled.key.to_pkcs8()),
                "not_before": now.as_seconds() - 60,
                "not_after": now.as_seconds() + 24 * 3600,
            }),
        );
        let id = enrolled.device(authority).id();
        Self { script, id, key_package: bytes(&answer["key_package"]) }
    }

    fn open(&mut self, record: &Record) -> Value {
        self.script.ask("open", json!({ "payload": hex(&record.payload) }))
    }

    fn seal(&mut self, content: &Content) -> Vec<u8> {
        bytes(&self.script.ask("seal", json!({ "plain": hex(&content.to_bytes()) }))["payload"])
    }

    fn secret(&mut self, label: &str) -> Vec<u8> {
        let with = json!({ "label": label, "context": hex(ROOM.as_bytes()), "length": 32 });
        bytes(&self.script.ask("export", with)["secret"])
    }
}

/// The room's log, and everybody in it. Alice made the room and comes first.
struct Room {
    now: Timestamp,
    records: u64,
    members: Vec<(DeviceId, RoomGroup)>,
    stranger: Stranger,
    /// From when on the log is the stranger's to read.
    stranger_is_in: bool,
}

impl Room {
    fn create(authority: &Authority, now: Timestamp) -> Self {
        let device = Enrolled::at(authority, now).device(authority);
        let id = device.id();
        let policy = RoomPolicy::listed("lobby".parse().unwrap(), id.uid);
        let (group, _) = device.create_room(ROOM, policy, Suite::P384, now).unwrap();
        let stranger = Stranger::start(authority, now);
        Self { now, records: 0, members: vec![(id, group)], stranger, stranger_is_in: false }
    }

    fn append(&mut self, author: DeviceId, kind: RecordKind, payload: Vec<u8>) -> Record {
        self.records += 1;
        self.now = self.now.plus(Duration::from_secs(1));
        let message_id = MessageId([u8::try_from(self.records).unwrap(); 16]);
        Record { sequence: self.records, time: self.now, author, message_id, kind, payload: payload.into() }
    }

    /// The commit of member `author` is stored, and everybody else opens it.
    fn commit(&mut self, author: usize, draft: &CommitDraft) -> Value {
        let by = self.members[author].0;
        let record = self.append(by, RecordKind::Commit, draft.payload.clone());
        for (id, group) in &mut self.members {
            if *id == by {
                group.accept_commit(record.time).unwrap();
            } else {
                let opened = group.open(&record).unwrap();
                assert!(matches!(&opened, Opened::Commit(change) if change.by == by), "{opened:?}");
            }
        }
        if self.stranger_is_in { self.stranger.open(&record) } else { Value::Null }
    }

    fn join_by_name(&mut self, authority: &Authority) {
        let device = Enrolled::at(authority, self.now).device(authority);
        let group: GroupSnapshot = self.members[0].1.snapshot().unwrap();
        let base = Base { incarnation: Incarnation([0; 8]), commit: Position::start(ROOM) };
        let (name, by) = (Some("lobby".parse().unwrap()), self.members[0].0.uid);
        let info = JoinInfo { room: ROOM, name, base, group, by };
        let (group, draft) = device.join_external(&info, None, self.now).unwrap();
        self.members.push((device.id(), group));
        self.commit(self.members.len() - 1, &draft);
    }

    fn add_stranger(&mut self) {
        let device = self.stranger.id;
        let (welcome, tree) = self.add_by_key_package(device, self.stranger.key_package.clone());
        // Others know the tree as the `ratchet_tree` extension, a vector of all nodes (RFC 9420 §12.4.3.3).
        let nodes: Vec<_> = tree.nodes().collect();
        let tree = [&vector_length(nodes.concat().len())[..], &nodes.concat()].concat();
        let joined =
            self.stranger.script.ask("join", json!({ "welcome": hex(&welcome), "tree": hex(&tree) }));
        self.stranger_is_in = true;
        let member = self.members[0].1.roster().into_iter().find(|member| member.device == device).unwrap();
        assert_eq!(joined["leaf"], member.leaf);
    }

    fn add(&mut self, authority: &Authority) {
        let device = Enrolled::at(authority, self.now).device(authority);
        let [made] = &device.key_packages(Suite::P384, 1, false, self.now).unwrap()[..] else {
            panic!("one")
        };
        let (welcome, tree) = self.add_by_key_package(device.id(), made.public.clone());
        let base = Base { incarnation: Incarnation([0; 8]), commit: Position::start(ROOM) };
        let pending = PendingWelcome { room: ROOM, base, welcome: welcome.into(), tree };
        let joined =
            device.join_welcome(&pending, |id| (id == made.id).then(|| made.secret.clone())).unwrap();
        self.members.push((device.id(), joined.group));
    }

    /// Alice adds a device; returns its Welcome, and the tree beside it.
    fn add_by_key_package(&mut self, device: DeviceId, key_package: Vec<u8>) -> (Vec<u8>, Tree) {
        let claimed = ClaimedKeyPackage { device, key_package: key_package.into() };
        let draft = self.members[0].1.add(&[claimed], self.now).unwrap();
        self.commit(0, &draft);
        let CommitDraft { bundle: CommitBundle { welcomes, .. }, tree, .. } = draft;
        let [welcome] = &welcomes[..] else { panic!("one Welcome for one device") };
        assert_eq!(welcome.device, device);
        (welcome.message.to_vec(), tree)
    }

    fn update(&mut self, author: usize) {
        let draft = self.members[author].1.update(self.now).unwrap();
        self.commit(author, &draft);
    }

    /// Alice removes a device; returns what the stranger sees of it.
    fn remove(&mut self, device: DeviceId) -> Value {
        let draft = self.members[0].1.remove(&[device], &[], self.now).unwrap();
        let seen = self.commit(0, &draft);
        self.members.retain(|(id, _)| *id != device);
        seen
    }

    /// Everybody is in the same epoch, and everybody reads everybody.
    #[track_caller]
    fn all_agree(&mut self) {
        let (state, secret) = (self.stranger.script.ask("state", json!({})), self.stranger.secret("a test"));
        for (_, group) in &self.members {
            assert_eq!(state["epoch"], group.epoch());
            assert_eq!(group.room_secret("a test").unwrap()[..], secret);
        }
        for author in 0..self.members.len() {
            self.member_says(author, "short");
            self.member_says(author, &"long ".repeat(500));
        }
        self.stranger_says("short");
        self.stranger_says(&"long ".repeat(500));
    }

    #[track_caller]
    fn member_says(&mut self, author: usize, markdown: &str) {
        let content = content(self.records + 1, markdown);
        let (by, group) = &mut self.members[author];
        let (by, payload) = (*by, group.seal(&content).unwrap());
        let leaf = group.roster().into_iter().find(|member| member.is_me).unwrap().leaf;
        let record = self.append(by, RecordKind::Message, payload);
        let read = self.stranger.open(&record);
        assert_eq!((&read["sender"], bytes(&read["plain"])), (&json!(leaf), content.to_bytes()));
        self.members_read(&record, &content);
    }

    #[track_caller]
    fn stranger_says(&mut self, markdown: &str) {
        let content = content(self.records + 1, markdown);
        let payload = self.stranger.seal(&content);
        let record = self.append(self.stranger.id, RecordKind::Message, payload);
        self.members_read(&record, &content);
    }

    #[track_caller]
    fn members_read(&mut self, record: &Record, content: &Content) {
        let sender = record.author;
        for (id, group) in &mut self.members {
            let own = *id == sender;
            let expected =
                if own { Opened::Own } else { Opened::Message { sender, content: content.clone() } };
            assert_eq!(group.open(record), Ok(expected));
        }
    }
}

fn content(counter: u64, markdown: &str) -> Content {
    Content::text(MessageId([u8::try_from(counter).unwrap(); 16]), counter, None, markdown)
}

/// How the script tells bytes from text.
fn hex(bytes: &[u8]) -> String {
    format!("0x{}", HEXLOWER.encode(bytes))
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().and_then(|text| text.strip_prefix("0x"));
    HEXLOWER.decode(text.expect("bytes").as_bytes()).expect("hex")
}

#[test]
fn an_independent_implementation_is_a_member_like_any_other() {
    let now = Timestamp::now();
    let authority = Authority::create(now).unwrap();
    let mut room = Room::create(&authority, now);
    room.join_by_name(&authority);
    room.add_stranger();
    room.all_agree();

    // New path secrets reach the stranger from different sides of the tree, by members and by somebody who joins.
    room.update(0);
    room.all_agree();
    room.update(1);
    room.all_agree();
    room.join_by_name(&authority);
    room.all_agree();
    room.update(2);
    room.all_agree();

    // The tree grows, and gets a hole that the next one fills.
    room.join_by_name(&authority);
    room.all_agree();
    room.remove(room.members[1].0);
    room.all_agree();
    room.add(&authority);
    room.all_agree();
    room.add(&authority);
    room.all_agree();
    room.add(&authority);
    room.all_agree();
    room.update(2);
    room.all_agree();
}

#[test]
fn an_independent_implementation_is_shut_out_when_it_is_removed() {
    let now = Timestamp::now();
    let authority = Authority::create(now).unwrap();
    let mut room = Room::create(&authority, now);
    room.add_stranger();
    room.all_agree();

    assert_eq!(room.remove(room.stranger.id), json!({ "removed": true }));
    let group = &mut room.members[0].1;
    assert_ne!(group.room_secret("a test").unwrap()[..], room.stranger.secret("a test"));
    let sealed = group.seal(&content(9, "after")).unwrap();
    let refused = room.stranger.script.try_ask("open", json!({ "payload": hex(&sealed) }));
    assert!(refused.is_err(), "{refused:?}");
}

/// The length of a vector in two or four bytes (RFC 9420 §2.1.2).
fn vector_length(length: usize) -> Vec<u8> {
    match u32::try_from(length).unwrap() {
        length @ 64..0x4000 => u16::try_from(length | 0x4000).unwrap().to_be_bytes().to_vec(),
        length @ 0x4000..0x4000_0000 => (length | 0x8000_0000).to_be_bytes().to_vec(),
        length => panic!("{length} bytes are no tree of a test"),
    }
}
