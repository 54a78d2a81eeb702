//! OpenChat itself: the real binary with its database, real registrations by invite, mutual TLS, signed logins, and the
//! requests that clients make. Only the sealing is done once: the server cannot tell, and nobody opens what is sealed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Decoder};
use openchat_identity::TrustAnchor;
use openchat_protocol::append::{Append, Appended, CommitBundle, GroupSnapshot, GroupUpdate};
use openchat_protocol::message::ClientFrame;
use openchat_protocol::record::{Base, Position, RecordKind};
use openchat_protocol::room::{CreateRoom, Follow};
use openchat_protocol::statement::Statement;
use openchat_protocol::tree::{Tree, TreeChange};
use openchat_protocol::{DeviceId, MessageId, Request, Response, RoomId, codec, frame, limits};
use openchat_tests::free_address;

use super::{Client, News, Seat, Speech};
use crate::link::Link;
use crate::process::Process;
use crate::text;

mod session;
mod tour;
mod town;

pub(crate) use session::Session;
use session::refused;
pub(crate) use tour::Tour;
pub(crate) use town::{Person, Town, random};

/// A running server, and the rooms that the workload needs.
pub(crate) struct Host {
    town: Rc<Town>,
    rooms: Vec<Room>,
}

/// A room, and what messages in it build on.
#[derive(Clone, Copy)]
pub(super) struct Room {
    id: RoomId,
    base: Base,
}

/// Starts the server on the town's database, and makes a room for each that `seats` name, with their devices in it.
pub(super) async fn start(town: &Rc<Town>, seats: &[Seat]) -> Result<(Process, Host), String> {
    let process = serve(town.folder()).await?;
    let host = Host::new(town, process.address, seats).await?;
    Ok((process, host))
}
/// The binary next to this one, with the configuration of `bench/peers`.
async fn serve(home: &Path) -> Result<Process, String> {
    let address = free_address();
    let configuration = home.join("server.toml");
    std::fs::write(&configuration, include_str!("../../peers/openchat.toml")).map_err(|it| it.to_string())?;
    let (program, home) = (program()?.display().to_string(), home.display().to_string());
    let (listen, configuration) = (address.to_string(), configuration.display().to_string());
    let place = ["--listen", &listen, "--config", &configuration];
    let command = [&[program.as_str(), "--data", &home, "serve", "--json"][..], &place[..]].concat();
    Process::start(&command, Path::new(&home), address).await
}

fn program() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = own.with_file_name("openchat");
    let missing = || format!("no {}: build it with `cargo build --release -p openchat`", program.display());
    if program.exists() { Ok(program.clone()) } else { Err(missing()) }
}

/// What a client asks to make a room with these devices: the first makes it, and adds the others by a commit. Of the MLS
/// messages only the head is real, which is all that a server reads.
async fn make_room(town: &Town, address: SocketAddr, devices: &[usize]) -> Result<Room, String> {
    let (first, others) = devices.split_first().ok_or("a room without anybody")?;
    let mut session = Session::log_in(address, town.person(*first)).await?;
    let id = RoomId(town::random());
    let (group_info, tree) = (vec![1; 1 << 10].into(), Tree::new(vec![vec![1; 4 << 10]]));
    let after = GroupUpdate { group_info, tree: TreeChange::between(&tree, &tree) };
    let group = GroupSnapshot { group_info: after.group_info.clone(), tree };
    match session.ask(Request::CreateRoom(CreateRoom { room: id, name: None, group })).await? {
        Response::Done => {}
        other => return Err(format!("no room: {other:?}")),
    }
    let statement = Statement {
        joined: others.iter().map(|other| town.person(*other).device).collect(),
        ..Statement::default()
    };
    let commit = Append {
        room: id,
        message_id: MessageId(town::random()),
        base: Base { incarnation: session.incarnation, commit: Position::start(id) },
        kind: RecordKind::Commit,
        payload: commit_head(id, &codec::encode(&statement)).into(),
        bundle: Some(CommitBundle { group: after, welcomes: Vec::new() }),
    };
    match session.ask(Request::Append(commit)).await? {
        Response::Appended(Appended::Stored { position, .. }) => {
            Ok(Room { id, base: Base { incarnation: session.incarnation, commit: position } })
        }
        other => Err(format!("no members: {other:?}")),
    }
}

/// A PrivateMessage (RFC 9420 §6.3) with the content type of a commit.
fn commit_head(room: RoomId, statement: &[u8]) -> Vec<u8> {
    let mut head = vec![0, 1, 0, 2, 16];
    head.extend_from_slice(room.as_bytes());
    head.extend_from_slice(&[0; 8]);
    head.push(3);
    // The shortest form of a variable-size vector's length (RFC 9420 §2.1.2).
    match statement.len() as u32 {
        length @ ..0x40 => head.push(length as u8),
        length @ ..0x4000 => head.extend_from_slice(&(0x4000 | length as u16).to_be_bytes()),
        length => head.extend_from_slice(&(0x8000_0000 | length).to_be_bytes()),
    }
    head.extend_from_slice(statement);
    head
}

impl Host {
    /// A room for each that `seats` name, with their devices in it.
    pub(crate) async fn new(town: &Rc<Town>, address: SocketAddr, seats: &[Seat]) -> Result<Self, String> {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for seat in seats {
            members.entry(seat.room).or_default().push(seat.device);
        }
        let mut rooms = Vec::new();
        for devices in members.values_mut() {
            devices.sort_unstable();
            devices.dedup();
            rooms.push(make_room(town, address, devices).await?);
        }
        Ok(Self { town: Rc::clone(town), rooms })
    }

    pub(crate) async fn connect(&self, address: SocketAddr, seat: Seat) -> Result<Client, String> {
        let room = self.rooms.get(seat.room).copied().ok_or("no such room")?;
        let mut session = Session::log_in(address, self.town.person(seat.device)).await?;
        if seat.hears {
            let follow = Follow { room: room.id, after: Position::start(room.id) };
            match session.ask(Request::Follow(follow)).await? {
                Response::Done => {}
                other => return Err(format!("cannot follow: {other:?}")),
            }
        }
        let speech = Records {
            seat: seat.number,
            room,
            payload: self.town.sealed(room.id),
            next: 1,
            acknowledged: seat.acknowledged,
        };
        Ok(Client { link: session.link, speech: Box::new(speech) })
    }
}

struct Records {
    seat: u32,
    room: Room,
    payload: Vec<u8>,
    /// The sequence of the room's next record.
    next: u64,
    acknowledged: bool,
}

/// A frame of the server, without copies.
#[derive(Decode)]
enum Frame<'b> {
    #[n(0)]
    Answer {
        #[n(0)]
        _id: u64,
        #[n(1)]
        response: Response,
    },
    #[n(1)]
    Refused {
        #[n(0)]
        _id: u64,
        #[n(1)]
        refusal: openchat_protocol::Refusal,
    },
    #[n(2)]
    Event(#[b(0)] Event<'b>),
}

#[derive(Decode)]
enum Event<'b> {
    #[n(0)]
    Page(#[b(0)] Page<'b>),
    #[n(2)]
    Goodbye(#[n(0)] openchat_protocol::Refusal),
    #[n(3)]
    WelcomesSent,
}

#[derive(Decode)]
struct Page<'b> {
    #[n(0)]
    room: RoomId,
    #[b(1)]
    records: Vec<&'b ByteSlice>,
}

/// The head of a record; what is behind is skipped.
#[derive(Decode)]
struct Record {
    #[n(0)]
    sequence: u64,
    #[n(2)]
    _author: DeviceId,
    #[n(3)]
    message_id: MessageId,
    #[n(4)]
    kind: RecordKind,
}

impl Records {
    fn page(&mut self, page: &Page<'_>, news: &mut News) -> Result<(), String> {
        if page.room != self.room.id {
            return Err("records of another room".to_owned());
        }
        for record in &page.records {
            let record: Record = Decoder::new(record).decode().map_err(|error| error.to_string())?;
            if record.sequence != self.next {
                return Err(format!("record {} where {} was next", record.sequence, self.next));
            }
            self.next += 1;
            if record.kind == RecordKind::Message {
                news.messages.push(message(record.message_id));
            }
        }
        Ok(())
    }
}

/// The sender and number that [`Records::say`] put there.
fn message(id: MessageId) -> (u32, u64) {
    let bits = u128::from_be_bytes(id.0);
    ((bits >> 64) as u32, bits as u64)
}

impl Speech for Records {
    fn say(&mut self, number: u64, out: &mut Vec<u8>) {
        let append = Append {
            room: self.room.id,
            message_id: MessageId(((u128::from(self.seat) << 64) | u128::from(number)).to_be_bytes()),
            base: self.room.base,
            kind: RecordKind::Message,
            payload: self.payload.clone().into(),
            bundle: None,
        };
        let frame = ClientFrame { id: number, request: Request::Append(append) };
        frame::put(&frame, limits::FRAME, out).expect("a short frame");
    }

    fn hear(&mut self, bytes: &[u8], news: &mut News) -> Result<usize, String> {
        hear(bytes, |heard| match heard {
            Heard::Page(page) => self.page(&page, news),
            Heard::Stored => {
                news.accepted += u64::from(self.acknowledged);
                Ok(())
            }
        })
    }
}

/// What comes to somebody who speaks and follows rooms.
enum Heard<'b> {
    Page(Page<'b>),
    /// A message of one's own is in the log.
    Stored,
}

/// Gives all that has come whole to `take`; returns its length.
fn hear(bytes: &[u8], mut take: impl FnMut(Heard<'_>) -> Result<(), String>) -> Result<usize, String> {
    let mut taken = 0;
    while let Some((frame, length)) = crate::frame::take(&bytes[taken..]) {
        match Decoder::new(frame).decode().map_err(|error| error.to_string())? {
            Frame::Event(Event::Page(page)) => take(Heard::Page(page))?,
            Frame::Answer { response: Response::Appended(Appended::Stored { .. }), .. } => {
                take(Heard::Stored)?;
            }
            Frame::Answer { response: Response::Done, .. } | Frame::Event(Event::WelcomesSent) => {}
            Frame::Answer { response, .. } => return Err(format!("an unexpected answer: {response:?}")),
            Frame::Refused { refusal, .. } | Frame::Event(Event::Goodbye(refusal)) => {
                return Err(refused(&refusal));
            }
        }
        taken += length;
    }
    Ok(taken)
}

/// Bytes of a page's place for one record: its head in CBOR.
const IN_PAGE: usize = 3;

/// The length of a message of [`text::LENGTH`] in a page, for the bare servers.
fn delivered(payload: usize) -> usize {
    // Sequence, time, author (two identifiers), message id, kind, and the head of the payload.
    IN_PAGE + 1 + 5 + 9 + 1 + 17 + 11 + 17 + 1 + 3 + payload
}

/// The anchor that `link`'s server has shown.
fn anchor(link: &Link, tls: &openchat_identity::tls::ClientTls) -> Result<TrustAnchor, String> {
    let now = openchat_protocol::Timestamp::now();
    tls.anchor(link.session(), now).map_err(|error| error.to_string())
}

/// What is true of the sizes that the bare servers carry.
fn check_length(payload: usize) -> Result<(), String> {
    let (carried, real) = (crate::frame::sealed_length(), delivered(payload));
    if carried.abs_diff(real) <= 16 {
        return Ok(());
    }
    Err(format!("the bare servers carry {carried} bytes for {} characters, OpenChat {real}", text::LENGTH))
}
