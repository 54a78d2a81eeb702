//! Five paths that everything goes through, each for so many times, for a tool that counts instructions. What comes
//! before is the same for any number of times: `cargo xtask regress` takes the difference of two counts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use openchat_client::vault::{Change, Notice, Span, StoredLine, Vault, Write};
use openchat_client::{Delivery, Entry, Password};
use openchat_e2ee::{Content, RoomGroup, RoomPolicy, Suite};
use openchat_identity::Authority;
use openchat_protocol::record::{Base, Position, Record, RecordKind};
use openchat_protocol::room::JoinInfo;
use openchat_protocol::{ChainHash, DeviceId, Incarnation, MessageId, RoomId, Timestamp};
use openchat_server::{Config, Server};
use openchat_store::{SqliteStore, Store};
use tempfile::TempDir;

use crate::peer::{Client, Host, News, Seat, Town};
use crate::person::{NOW, Outcome, Somebody};
use crate::text;

/// Lines in the room whose timeline is paged through, and on one page.
const LINES: u64 = 2_000;
const PAGE: u32 = 50;
const ROOM: RoomId = RoomId([7; 16]);

/// Goes along `path` so many times.
pub(crate) fn run(path: &str, count: u64) -> Outcome<()> {
    match path {
        // From the bytes of a request to its answer: TLS, frame, order, SQLite with fsync.
        "append" => appended(count, false),
        // The same, and one listener gets it.
        "fan-out" => appended(count, true),
        "seal" => sealed(count, false),
        "open" => sealed(count, true),
        "paging" => paged(count),
        _ => Err(format!("no path `{path}`: append, fan-out, seal, open, paging").into()),
    }
}

/// A server in this process, one sender who waits for each answer, and perhaps one listener.
fn appended(count: u64, heard: bool) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = TempDir::new()?;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("server.db"))?);
        let configuration = Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            ..Config::parse(include_str!("../peers/openchat.toml"), folder.path())?
        };
        let authority = Authority::create(Timestamp::now())?;
        let fingerprint = authority.fingerprint();
        let running = Server::start(&configuration, authority, Arc::clone(&store)).await?;
        let token = Server::bootstrap_invite(store.as_ref(), Timestamp::now()).await?.ok_or("no invite")?;
        let town = Rc::new(Town::of(running.addr(), fingerprint, &token, 2).await?);
        let seat = |number: u32| Seat {
            number,
            device: number as usize,
            room: 0,
            speaks: number == 0,
            hears: number == 1,
            acknowledged: number == 0,
        };
        let seats = [seat(0), seat(1)];
        let host = Host::new(&town, running.addr(), &seats).await?;
        let mut sender = host.connect(running.addr(), seats[0]).await?;
        let mut listener = match heard {
            true => Some(host.connect(running.addr(), seats[1]).await?),
            false => None,
        };
        for number in 0..count {
            sender.speech.say(number, &mut sender.link.output);
            wait(&mut sender, |news| news.accepted == 1).await?;
            if let Some(listener) = &mut listener {
                wait(listener, |news| news.messages.as_slice() == [(0, number)]).await?;
            }
        }
        Ok(())
    })
}

async fn wait(client: &mut Client, done: impl Fn(&News) -> bool) -> Result<(), String> {
    let mut news = News::default();
    while !done(&news) {
        client.link.next(|bytes| client.speech.hear(bytes, &mut news)).await?;
    }
    Ok(())
}

/// Seals messages in a room of two, and perhaps opens them on the other side.
fn sealed(count: u64, opened: bool) -> Outcome<()> {
    let authority = Authority::create(NOW)?;
    let device = || Somebody::new(&authority)?.device(&authority);
    let (alice, bob) = (device()?, device()?);
    let name = "lobby".parse::<openchat_protocol::RoomName>()?;
    let policy = RoomPolicy::listed(name.clone(), alice.id().uid);
    let (mut here, group) = alice.create_room(ROOM, policy, Suite::Hybrid, NOW)?;
    let base = Base { incarnation: Incarnation([0; Incarnation::LENGTH]), commit: Position::start(ROOM) };
    let info = JoinInfo { room: ROOM, name: Some(name), base, group, by: alice.id().uid };
    let (mut there, draft) = bob.join_external(&info, None, NOW)?;
    let commit = record(1, bob.id(), RecordKind::Commit, draft.payload);
    here.open(&commit)?;
    there.accept_commit(NOW)?;
    for number in 0..count {
        let payload = seal(&mut here, number)?;
        if opened {
            there.open(&record(number + 2, alice.id(), RecordKind::Message, payload))?;
        }
    }
    Ok(())
}

fn seal(group: &mut RoomGroup, number: u64) -> Outcome<Vec<u8>> {
    let id = MessageId(u128::from(number).to_be_bytes());
    Ok(group.seal(&Content::text(id, number + 1, None, "x".repeat(text::LENGTH)))?)
}

pub(crate) fn record(sequence: u64, author: DeviceId, kind: RecordKind, payload: Vec<u8>) -> Record {
    let message_id = MessageId(u128::from(sequence).to_be_bytes());
    Record { sequence, time: NOW, author, message_id, kind, payload: payload.into() }
}

/// Pages through a timeline, from its end to its beginning and again.
fn paged(count: u64) -> Outcome<()> {
    let folder = TempDir::new()?;
    let vault = timeline(folder.path())?;
    let mut before = LINES + 1;
    for _ in 0..count {
        let page = vault.history(ROOM, Span::Before(before), PAGE)?;
        if page.len() != PAGE as usize {
            return Err(format!("a page of {} lines", page.len()).into());
        }
        before = if before > 2 * u64::from(PAGE) { before - u64::from(PAGE) } else { LINES + 1 };
    }
    Ok(())
}

fn timeline(folder: &Path) -> Outcome<Vault> {
    let authority = Authority::create(NOW)?;
    let alice = Somebody::new(&authority)?;
    let (device, credentials) = (alice.id, alice.credentials(&authority)?);
    let first = Change::from_iter([Write::Credentials(Box::new(credentials.clone()))]);
    let mut vault = Vault::create(folder, &Password::new("a password"), &first)?;
    let end = Position { sequence: LINES, chain: ChainHash([1; 32]) };
    let room = Write::Room(Box::new(crate::screen::record(ROOM, 0, end)));
    let lines = (1..=LINES).map(|sequence| {
        let text = format!("message {sequence}: {}", "x".repeat(text::LENGTH));
        let message = MessageId(u128::from(sequence).to_be_bytes());
        let entry = Entry::Text { message, text, delivery: Delivery::Sent };
        let notice = Notice::of(&entry, device.uid, &credentials);
        let author = device.uid;
        Write::Line(StoredLine { room: ROOM, sequence, part: 0, time: NOW, author, entry, notice })
    });
    vault.apply(&Change::from_iter(std::iter::once(room).chain(lines)))?;
    Ok(vault)
}
