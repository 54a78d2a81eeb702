//! The bytes on the wire: one sample of every request, response and event. A changed snapshot is a changed protocol.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use openchat_protocol::account::{
    Account, AccountSelector, AcknowledgeWelcome, ClaimKeyPackages, ClaimedKeyPackage, CreateInvite,
    EnrolDevice, Greeting, Hello, KeyPackageCount, LoggedIn, Login, PublishKeyPackages, Register, Registered,
    RegistrationPolicy, RenewIdentity,
};
use openchat_protocol::append::{Append, Appended, CommitBundle, GroupSnapshot, GroupUpdate, Welcome};
use openchat_protocol::device_list::{DeviceList, ListedDevice, SignedDeviceList};
use openchat_protocol::give_back::{Disclosed, GiveBackAccount, GiveBackLeaves, GiveBackRecords};
use openchat_protocol::key_log::{CompareHeads, Compared, FollowLog, Prove, Proven};
use openchat_protocol::linking::{LinkEnd, LinkEntered, LinkMessage, LinkSlot, ReceiveLink, SendLink};
use openchat_protocol::message::peek_id;
use openchat_protocol::record::{Base, Position, Record, RecordKind};
use openchat_protocol::reset::{AskReset, ResetPhase, ResetState};
use openchat_protocol::room::{
    CreateRoom, FetchJoinInfo, Follow, JoinInfo, JoinedRoom, Page, PendingWelcome, RoomSelector, RoomSummary,
};
use openchat_protocol::statement::{LeaveNotice, Statement};
use openchat_protocol::tree::{Tree, TreeChange};
use openchat_protocol::{
    ChainHash, ClientFrame, DeviceId, Did, Event, Incarnation, InviteHash, MessageId, Refusal, RefusalCode,
    Request, Response, RoomId, ServerFingerprint, ServerFrame, Timestamp, Uid, codec,
};
use proptest::prelude::*;

const ROOM: RoomId = RoomId([1; 16]);
const DEVICE: DeviceId = DeviceId { uid: Uid([2; 16]), did: Did([3; 10]) };
const POSITION: Position = Position { sequence: 300, chain: ChainHash([4; 32]) };
const BASE: Base = Base { incarnation: Incarnation([5; 8]), commit: POSITION };
const TIME: Timestamp = Timestamp(1_800_000_000_000);

fn bytes(text: &str) -> ByteVec {
    text.as_bytes().to_vec().into()
}

fn group() -> GroupSnapshot {
    GroupSnapshot { group_info: bytes("group info"), tree: tree("node") }
}

fn tree(node: &str) -> Tree {
    Tree::new(vec![node.as_bytes().to_vec(), vec![0]])
}

fn device_list() -> SignedDeviceList {
    let device = ListedDevice { did: DEVICE.did, key: [10; 32] };
    let list = DeviceList { uid: DEVICE.uid, version: 1, devices: vec![device] };
    SignedDeviceList { list: codec::encode(&list).into(), signature: bytes("signature") }
}

fn requests() -> Vec<Request> {
    let name = || "lobby".parse().unwrap();
    let bundle = CommitBundle {
        group: GroupUpdate {
            group_info: bytes("group info"),
            tree: TreeChange::between(&tree("before"), &tree("node")),
        },
        welcomes: vec![Welcome { device: DEVICE, message: bytes("welcome") }],
    };
    vec![
        Request::Hello(Hello { version: 1, oldest_version: 1 }),
        Request::Register(Register {
            name: "alice".parse().unwrap(),
            csr: bytes("csr"),
            redeem: Some(bytes("redeem")),
        }),
        Request::EnrolDevice(EnrolDevice {
            chain: vec![bytes("device"), bytes("identity"), bytes("issuing")],
            list: None,
        }),
        Request::EnrolDevice(EnrolDevice { chain: vec![bytes("device")], list: Some(device_list()) }),
        Request::Login(Login { signature: bytes("signature") }),
        Request::CreateInvite(CreateInvite {
            hash: InviteHash([6; 32]),
            expires: TIME,
            uses: 1,
            room: Some(name()),
        }),
        Request::ListRooms,
        Request::CreateRoom(CreateRoom { room: ROOM, name: Some(name()), group: group() }),
        Request::FetchJoinInfo(FetchJoinInfo { room: RoomSelector::Name(name()), doubted: vec![DEVICE.uid] }),
        Request::Append(Append {
            room: ROOM,
            message_id: MessageId([7; 16]),
            base: BASE,
            kind: RecordKind::Commit,
            payload: bytes("commit"),
            bundle: Some(bundle),
        }),
        Request::Follow(Follow { room: ROOM, after: POSITION }),
        Request::Unfollow(ROOM),
        Request::LookUp(AccountSelector::Uid(DEVICE.uid)),
        Request::PublishKeyPackages(PublishKeyPackages {
            one_time: vec![bytes("package")],
            last_resort: Some(bytes("last")),
            suite: 0xf0c1,
        }),
        Request::ClaimKeyPackages(ClaimKeyPackages { uid: DEVICE.uid, suite: 0xf0c1, device: None }),
        Request::ClaimKeyPackages(ClaimKeyPackages {
            uid: DEVICE.uid,
            suite: 0xf0c1,
            device: Some(DEVICE.did),
        }),
        Request::AcknowledgeWelcome(AcknowledgeWelcome { room: ROOM, sequence: 300, joined: true }),
        Request::Ping,
        Request::RenewIdentity(RenewIdentity { uid: DEVICE.uid, seq: 2, signature: bytes("signature") }),
        Request::FollowLog(FollowLog { known: 300, from: 7 }),
        Request::Prove(Prove { who: AccountSelector::Uid(DEVICE.uid), known: 300 }),
        Request::CompareHeads(CompareHeads { old: 7, new: 300 }),
        Request::PublishDevices(device_list()),
        Request::GiveBackRecords(GiveBackRecords {
            room: ROOM,
            records: vec![bytes("record")],
            end: POSITION,
        }),
        Request::GiveBackLeaves(GiveBackLeaves { note: bytes("note"), leaves: bytes("leaves") }),
        Request::GiveBackAccount(GiveBackAccount {
            name: "alice".parse().unwrap(),
            chain: vec![bytes("device"), bytes("identity"), bytes("issuing")],
            name_opening: Disclosed { nonce: [1; 32], body: bytes("issued") },
            user_opening: Disclosed { nonce: [2; 32], body: bytes("list") },
        }),
        Request::AskReset(AskReset { csr: bytes("csr"), redeem: bytes("redeem") }),
        Request::ObjectToReset,
        Request::OpenLink,
        Request::EnterLink(LinkSlot(123_456)),
        Request::SendLink(SendLink {
            slot: LinkSlot(123_456),
            end: LinkEnd::New { key: bytes("key") },
            message: bytes("message"),
        }),
        Request::ReceiveLink(ReceiveLink { slot: LinkSlot(123_456), end: LinkEnd::Known { attempt: 2 } }),
        Request::CloseLink(LinkSlot(123_456)),
    ]
}

fn responses() -> Vec<Response> {
    vec![
        Response::Done,
        Response::Greeting(Greeting {
            version: 1,
            server: ServerFingerprint([8; 32]),
            incarnation: BASE.incarnation,
            time: TIME,
            registration: RegistrationPolicy::InviteOnly,
            nonce: bytes("nonce"),
            address: Some("chat.example.org:7443".parse().unwrap()),
            takes_back: Some(600_000),
        }),
        Response::Registered(Registered {
            identity_certificate: bytes("identity"),
            issuing_certificate: bytes("issuing"),
            room: None,
            devices: None,
        }),
        Response::LoggedIn(LoggedIn {
            device: DEVICE,
            name: "alice".parse().unwrap(),
            key_packages: vec![KeyPackageCount { suite: 0xf0c1, one_time: 20 }],
            rooms: vec![JoinedRoom { room: ROOM, name: None, head: 300 }],
        }),
        Response::Rooms(vec![RoomSummary {
            room: ROOM,
            name: "lobby".parse().unwrap(),
            members: 2,
            last_activity: TIME,
        }]),
        Response::JoinInfo(JoinInfo { room: ROOM, name: None, base: BASE, group: group(), by: DEVICE.uid }),
        Response::Appended(Appended::Stored { position: POSITION, time: TIME }),
        Response::Appended(Appended::Stale { last_commit: 300 }),
        Response::Account(Account {
            uid: DEVICE.uid,
            name: "alice".parse().unwrap(),
            identity_certificate: bytes("identity"),
            issuing_certificate: bytes("issuing"),
        }),
        Response::KeyPackageCount(20),
        Response::KeyPackages(vec![ClaimedKeyPackage { device: DEVICE, key_package: bytes("package") }]),
        Response::LogTail(bytes("tail")),
        Response::ResetState(ResetState {
            name: "alice".parse().unwrap(),
            until: Timestamp(9),
            phase: ResetPhase::Objected,
        }),
        Response::Proven(Proven {
            account: Account {
                uid: DEVICE.uid,
                name: "alice".parse().unwrap(),
                identity_certificate: bytes("identity"),
                issuing_certificate: bytes("issuing"),
            },
            name: bytes("name"),
            user: bytes("user"),
            history: None,
        }),
        Response::Compared(Compared { root: [9; 32], proof: bytes("proof") }),
        Response::LogEnd(POSITION),
        Response::LinkOpened(LinkSlot(123_456)),
        Response::LinkEntered(LinkEntered { key: bytes("key") }),
        Response::LinkMessage(None),
        Response::LinkMessage(Some(LinkMessage { attempt: 2, message: bytes("message") })),
    ]
}

fn events() -> Vec<Event> {
    vec![
        Event::Page(Page { room: ROOM, records: vec![bytes("record")], head: 300, ended: false }),
        Event::Welcome(PendingWelcome {
            room: ROOM,
            base: BASE,
            welcome: bytes("welcome"),
            tree: tree("node"),
        }),
        Event::Goodbye(Refusal::new(RefusalCode::Stopping, "the server stops")),
        Event::WelcomesSent,
        Event::GroupWanted(ROOM),
    ]
}

/// One line per value: its name and its bytes in hexadecimal. Every value must come back as it was.
fn lines<T>(values: &[T]) -> String
where
    T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + std::fmt::Debug,
{
    let line = |value: &T| {
        let encoded = codec::encode(value);
        assert_eq!(&codec::decode::<T>(&encoded).unwrap(), value);
        let name: String = format!("{value:?}").chars().take_while(|c| c.is_alphanumeric()).collect();
        format!("{name} {}\n", encoded.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    values.iter().map(line).collect()
}

#[test]
fn requests_keep_their_bytes() {
    insta::assert_snapshot!(lines(&requests()));
}

#[test]
fn responses_keep_their_bytes() {
    insta::assert_snapshot!(lines(&responses()));
}

#[test]
fn events_keep_their_bytes() {
    insta::assert_snapshot!(lines(&events()));
}

#[test]
fn frames_and_records_keep_their_bytes() {
    let frames = [
        ServerFrame::Answer { id: 7, response: Response::Done },
        ServerFrame::Refused { id: 7, refusal: Refusal::new(RefusalCode::NameTaken, "`alice` is taken") },
        ServerFrame::Event(events().remove(0)),
    ];
    let record = Record {
        sequence: 300,
        time: TIME,
        author: DEVICE,
        message_id: MessageId([7; 16]),
        kind: RecordKind::Message,
        payload: bytes("sealed"),
    };
    let notice = LeaveNotice { device: DEVICE, leaf_key_hash: bytes("hash"), signature: bytes("signature") };
    let statement = Statement {
        joined: vec![DEVICE],
        removed: vec![DEVICE],
        leaves: vec![notice],
        admins: Some(vec![DEVICE.uid]),
    };
    let client = ClientFrame { id: 7, request: Request::Ping };
    insta::assert_snapshot!(
        [lines(&frames), lines(&[record]), lines(&[statement]), lines(&[client])].concat()
    );
}

#[test]
fn the_chain_keeps_its_values() {
    let start = ChainHash::start(ROOM);
    insta::assert_snapshot!(format!("{start}\n{}\n{}", start.then(b"one"), start.then(b"one").then(b"two")));
}

#[test]
fn an_unknown_request_can_be_refused_under_its_own_id() {
    let mut frame = codec::encode(&ClientFrame { id: 99, request: Request::Ping });
    // The last three bytes are [15, []]: variant 15 becomes 23, which this build does not know.
    let variant = frame.iter().rposition(|byte| *byte == 0x0f).unwrap();
    frame[variant] = 0x17;
    assert!(codec::decode::<ClientFrame>(&frame).is_err());
    assert_eq!(peek_id(&frame), Ok(99));
}

#[test]
fn a_newer_peer_may_add_fields_and_refusal_codes() {
    // Hello with a third field, as a later version may send it.
    assert!(codec::decode::<Hello>(&[0x83, 1, 1, 0x61, b'x']).is_ok());
    let refusal: Refusal = codec::decode(&[0x83, 0x18, 200, 0x61, b'x', 0xf6]).unwrap();
    assert_eq!((refusal.code, refusal.detail.as_str()), (None, "x"));
}

#[test]
fn numbers_that_no_database_keeps_are_refused() {
    let edge = i64::MAX.unsigned_abs();
    let position = |sequence| codec::encode(&Position { sequence, chain: ChainHash([4; 32]) });
    assert!(codec::decode::<Position>(&position(edge)).is_ok());
    assert!(codec::decode::<Position>(&position(edge + 1)).is_err());
    assert!(codec::decode::<Timestamp>(&codec::encode(&Timestamp(edge))).is_ok());
    assert!(codec::decode::<Timestamp>(&codec::encode(&Timestamp(u64::MAX))).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes: Vec<u8>) {
        let _ = codec::decode::<ClientFrame>(&bytes);
        let _ = codec::decode::<ServerFrame>(&bytes);
        let _ = Record::from_bytes(&bytes);
        let _ = codec::decode::<Statement>(&bytes);
        let _ = peek_id(&bytes);
    }

    #[test]
    fn a_mutated_request_is_a_request_or_an_error(which: prop::sample::Index, at: prop::sample::Index, byte: u8) {
        let mut requests = requests();
        let request = requests.swap_remove(which.index(requests.len()));
        let mut frame = codec::encode(&ClientFrame { id: 1, request });
        let at = at.index(frame.len());
        frame[at] = byte;
        let _ = codec::decode::<ClientFrame>(&frame);
    }
}
