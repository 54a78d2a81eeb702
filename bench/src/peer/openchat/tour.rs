//! A server with many rooms of two, or with a long log: filled through the store, then spoken to through sessions that
//! follow all their rooms. What arrives is checked against each room's hash chain.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use minicbor::Decoder;
use openchat_protocol::append::{Append, CommitBundle, GroupSnapshot, GroupUpdate};
use openchat_protocol::message::ClientFrame;
use openchat_protocol::record::{Base, Position, RecordKind};
use openchat_protocol::room::{CreateRoom, Follow};
use openchat_protocol::statement::Statement;
use openchat_protocol::tree::{Tree, TreeChange};
use openchat_protocol::{DeviceId, MessageId, Request, Response, RoomId, Timestamp, codec, frame, limits};
use openchat_store::room_log::{AppendOutcome, NewRecord};
use openchat_store::{SqliteStore, Store};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use super::{Heard, Page, Record, Room, Session, Town, commit_head, hear, serve};
use crate::link::Link;
use crate::machine::{self, Watch};
use crate::process::Process;
use crate::workload::{Outcome, Span, busy};

/// Writes of the store under way at once.
const AT_ONCE: usize = 1024;
/// Logins under way at once.
const LOGINS: usize = 8;
/// What was said must have been heard by then.
const SETTLING: Duration = Duration::from_secs(60);

/// The rooms of a server, and the people in them.
pub(crate) struct Tour {
    town: Rc<Town>,
    people: usize,
    rooms: Vec<Stop>,
    messages: u64,
}

/// A room, and where its log ends.
struct Stop {
    room: Room,
    head: Position,
}

impl Tour {
    /// So many people, of whom each has a session.
    pub(crate) fn new(town: &Rc<Town>, people: usize) -> Self {
        Self { town: Rc::clone(town), people, rooms: Vec::new(), messages: 0 }
    }

    /// Makes rooms until there are so many, and puts messages into them, in turn, until there are so many of those. The
    /// server is away meanwhile.
    pub(crate) async fn fill(&mut self, rooms: usize, messages: u64) -> Result<(), String> {
        let store =
            SqliteStore::open(&self.town.folder().join("server/server.db")).map_err(|it| it.to_string())?;
        let new = stream::iter(self.rooms.len()..rooms).map(|number| self.make(&store, number));
        let made: Vec<Stop> = new.buffered(AT_ONCE).try_collect().await?;
        self.rooms.extend(made);
        let (rooms, now) = (rooms as u64, Timestamp::now());
        let said = stream::iter(self.messages..messages).map(|number| {
            let at = (number % rooms) as usize;
            let append = self.message(at, (u128::from(number) << 64).to_be_bytes());
            let record = NewRecord::new(append, self.speaker(at), None);
            let store = &store;
            async move {
                let stored = store.append(record.map_err(|it| it.to_string())?, now).await;
                match stored.map_err(|error| error.to_string())? {
                    AppendOutcome::Stored(stored) => Ok((at, stored.position)),
                    other => Err(format!("not stored: {other:?}")),
                }
            }
        });
        let mut heads: Vec<Position> = self.rooms.iter().map(|stop| stop.head).collect();
        let mut stored = said.buffer_unordered(AT_ONCE);
        while let Some((at, position)) = stored.try_next().await? {
            if position.sequence > heads[at].sequence {
                heads[at] = position;
            }
        }
        drop(stored);
        self.rooms.iter_mut().zip(heads).for_each(|(stop, head)| stop.head = head);
        self.messages = messages.max(self.messages);
        Ok(())
    }

    /// A room whose first record lets the second person in.
    async fn make(&self, store: &SqliteStore, number: usize) -> Result<Stop, String> {
        let (id, creator, now) = (RoomId(super::random()), self.speaker(number), Timestamp::now());
        let (group_info, tree) = (vec![1; 64].into(), Tree::new(vec![vec![1; 64]]));
        let after = GroupUpdate { group_info, tree: TreeChange::between(&tree, &tree) };
        let group = GroupSnapshot { group_info: after.group_info.clone(), tree };
        let room = CreateRoom { room: id, name: None, group };
        store.create_room(room, creator, now).await.map_err(|error| error.to_string())?;
        let statement = Statement { joined: vec![self.listener(number)], ..Statement::default() };
        let base = Base { incarnation: store.incarnation(), commit: Position::start(id) };
        let commit = Append {
            room: id,
            message_id: MessageId(super::random()),
            base,
            kind: RecordKind::Commit,
            payload: commit_head(id, &codec::encode(&statement)).into(),
            bundle: Some(CommitBundle { group: after, welcomes: Vec::new() }),
        };
        let commit = NewRecord::new(commit, creator, Some(statement)).map_err(|error| error.to_string())?;
        match store.append(commit, now).await.map_err(|error| error.to_string())? {
            AppendOutcome::Stored(stored) => {
                let base = Base { commit: stored.position, ..base };
                Ok(Stop { room: Room { id, base }, head: stored.position })
            }
            other => Err(format!("nobody came in: {other:?}")),
        }
    }

    fn speaker(&self, room: usize) -> DeviceId {
        self.town.person(room % self.people).device
    }

    fn listener(&self, room: usize) -> DeviceId {
        self.town.person((room + 1) % self.people).device
    }

    fn message(&self, room: usize, id: [u8; 16]) -> Append {
        let Room { id: room, base } = self.rooms[room].room;
        let payload = self.town.sealed(room).into();
        Append { room, message_id: MessageId(id), base, kind: RecordKind::Message, payload, bundle: None }
    }

    /// Starts the server; how long it took until it listened.
    pub(crate) async fn serve(&self) -> Result<(Process, Duration), String> {
        let start = Instant::now();
        let process = serve(self.town.folder()).await?;
        Ok((process, start.elapsed()))
    }

    /// Everybody follows his or her rooms and speaks in them in turn: together as many messages are under way as there
    /// are people, however many rooms there are.
    pub(crate) async fn talk(&mut self, process: &Process, span: Span) -> Result<Outcome, String> {
        let window = self.people.div_ceil(self.rooms.len().min(self.people)) as u64;
        let shared = Rc::new(Shared {
            heads: self.rooms.iter().map(|stop| Cell::new(stop.head)).collect(),
            ..Shared::default()
        });
        let tour = &*self;
        let logging_in = stream::iter(0..self.people).map(|person| {
            let shared = Rc::clone(&shared);
            async move { tour.enter(process, person, window, shared).await }
        });
        let guests: Vec<Guest> = logging_in.buffer_unordered(LOGINS).try_collect().await?;
        let local = LocalSet::new();
        let outcome = local
            .run_until(async {
                let (whole, disk) = (Watch::start(process.id()), machine::written(process.id()));
                for guest in guests {
                    tokio::task::spawn_local(guest.live());
                }
                sleep(span.warm).await;
                let (before, watch) = (shared.delivered.get(), Watch::start(process.id()));
                sleep(span.measured).await;
                let (seen, delivered) = (watch.stop(), shared.delivered.get() - before);
                shared.over.set(true);
                timeout(SETTLING, shared.settled())
                    .await
                    .map_err(|_| "what was said is not heard".to_owned())??;
                let mut figures = busy(&seen);
                figures.insert("rate", delivered as f64 / seen.time.as_secs_f64());
                let spent = whole.stop().server.as_secs_f64() * 1e6;
                let disk = (machine::written(process.id()) - disk) as f64 / 1e3;
                figures.insert("us", spent / shared.delivered.get().max(1) as f64);
                figures.insert("KB", disk / shared.said.get().max(1) as f64);
                Ok::<_, String>(Outcome { figures, foreign: seen.foreign })
            })
            .await?;
        self.rooms.iter_mut().zip(&shared.heads).for_each(|(stop, head)| stop.head = head.get());
        Ok(outcome)
    }

    async fn enter(
        &self,
        process: &Process,
        person: usize,
        window: u64,
        shared: Rc<Shared>,
    ) -> Result<Guest, String> {
        let mut session = Session::log_in(process.address, self.town.person(person)).await?;
        let (mut followed, mut own) = (HashMap::new(), Vec::new());
        for (at, Stop { room, head }) in self.rooms.iter().enumerate() {
            let speaks = at % self.people == person;
            if !speaks && (at + 1) % self.people != person {
                continue;
            }
            match session.ask(Request::Follow(Follow { room: room.id, after: *head })).await? {
                Response::Done => {}
                other => return Err(format!("cannot follow: {other:?}")),
            }
            followed.insert(room.id, (at, *head));
            if speaks {
                own.push((room.id, self.message(at, [0; 16])));
            }
        }
        let Session { link, .. } = session;
        Ok(Guest { link, followed, own, said: 0, accepted: 0, window, shared })
    }
}

/// What all sessions of a measurement know together.
#[derive(Default)]
struct Shared {
    heads: Vec<Cell<Position>>,
    said: Cell<u64>,
    accepted: Cell<u64>,
    delivered: Cell<u64>,
    over: Cell<bool>,
    failure: RefCell<Option<String>>,
    changed: Notify,
}

impl Shared {
    /// Checks a page that has come to somebody who `followed` rooms up to these places, and counts it.
    fn take(&self, page: &Page<'_>, followed: &mut HashMap<RoomId, (usize, Position)>) -> Result<(), String> {
        let (at, place) = followed.get_mut(&page.room).ok_or("records of another room")?;
        let read = read(page, place)?;
        self.delivered.set(self.delivered.get() + read);
        self.heads[*at].set(*place);
        Ok(())
    }

    /// Waits until both people of each room have what was said in it.
    async fn settled(&self) -> Result<(), String> {
        loop {
            if let Some(error) = self.failure.borrow().clone() {
                return Err(error);
            }
            let said = self.said.get();
            if self.accepted.get() == said && self.delivered.get() == 2 * said {
                return Ok(());
            }
            self.changed.notified().await;
        }
    }
}

/// A session in its rooms.
struct Guest {
    link: Link,
    followed: HashMap<RoomId, (usize, Position)>,
    /// What is said where this person speaks.
    own: Vec<(RoomId, Append)>,
    said: u64,
    accepted: u64,
    window: u64,
    shared: Rc<Shared>,
}

impl Guest {
    async fn live(mut self) {
        loop {
            self.speak();
            let Self { link, followed, accepted, shared, .. } = &mut self;
            let heard = link.next(|bytes| {
                hear(bytes, |heard| match heard {
                    Heard::Page(page) => shared.take(&page, followed),
                    Heard::Stored => {
                        *accepted += 1;
                        shared.accepted.set(shared.accepted.get() + 1);
                        Ok(())
                    }
                })
            });
            let heard = heard.await;
            if let Err(error) = heard {
                shared.failure.borrow_mut().get_or_insert(error);
                shared.changed.notify_one();
                return;
            }
            if shared.over.get() {
                shared.changed.notify_one();
            }
        }
    }

    fn speak(&mut self) {
        while !self.own.is_empty() && !self.shared.over.get() && self.said - self.accepted < self.window {
            let at = self.said as usize % self.own.len();
            let mut append = self.own[at].1.clone();
            // Unlike those of earlier measurements.
            append.message_id = MessageId(super::random());
            let frame = ClientFrame { id: self.said, request: Request::Append(append) };
            frame::put(&frame, limits::FRAME, &mut self.link.output).expect("a short frame");
            self.said += 1;
            self.shared.said.set(self.shared.said.get() + 1);
        }
    }
}

/// How many records there are in a page, which goes on at `place`.
fn read(page: &Page<'_>, place: &mut Position) -> Result<u64, String> {
    for bytes in &page.records {
        let record: Record = Decoder::new(bytes).decode().map_err(|error| error.to_string())?;
        if record.sequence != place.sequence + 1 || record.kind != RecordKind::Message {
            return Err(format!("record {} where {} was next", record.sequence, place.sequence + 1));
        }
        *place = Position { sequence: record.sequence, chain: place.chain.then(bytes) };
    }
    Ok(page.records.len() as u64)
}
