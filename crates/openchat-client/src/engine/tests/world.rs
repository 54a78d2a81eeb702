//! A world of clients around the fake server: driven until idle, with a clock that is told the time.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use openchat_e2ee::Verification;
use openchat_identity::device::issue_device_certificate;
use openchat_identity::device_list::{self, key_hash};
use openchat_identity::{Authority, DeviceKey, IdentityKey, Password, renewal};
use openchat_protocol::account::Account;
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::{ClientFrame, DeviceId, Did, RoomId, ServerFrame, Timestamp};
use tempfile::TempDir;

use super::server::{EXPORTER, FakeServer};
use crate::command::{Access, Answer, Command, RoomSuite};
use crate::engine::{Engine, HangUp, Step, Ticket, Wanted};
use crate::error::{ClientError, ErrorKind};
use crate::event::{Alarm, Delivery, Entry, EpochChanged, Event, Line, RoomOverview};
use crate::random;
use crate::trust::{Comparing, Trust};
use crate::vault::{Change, Credentials, Names, Span, StoredGroup, Vault, Write};

const START: Timestamp = Timestamp(1_800_000_000_000);
/// More rounds than any story needs at one moment, and timers that ring in the longest one: else there is a loop.
const ROUNDS: usize = 2_000;
const TIMERS: usize = 100_000;

pub(super) const ALICE: usize = 0;
pub(super) const BOB: usize = 1;
pub(super) const CAROL: usize = 2;

/// One profile: an engine with a real vault.
pub(super) struct Client {
    pub(super) device: DeviceId,
    pub(super) folder: TempDir,
    vault: Option<Vault>,
    engine: Engine,
    pub(super) connected: bool,
    outgoing: VecDeque<ClientFrame>,
    pub(super) incoming: VecDeque<ServerFrame>,
    pub(super) events: Vec<Event>,
    answers: HashMap<Ticket, Result<Answer, ClientError>>,
    /// The program dies after the next change with something to send is on disk, and before it is sent.
    pub(super) die_before_sending: bool,
    /// What is sent from now on never arrives, or its answer does not.
    pub(super) answers_are_lost: bool,
}

pub(super) struct World {
    authority: Authority,
    pub(super) server: FakeServer,
    pub(super) clients: Vec<Client>,
    pub(super) now: Timestamp,
    pub(super) ghost: Option<(DeviceKey, Vec<minicbor::bytes::ByteVec>)>,
    /// Who has no list of devices in the log, being older than it.
    unlisted: Option<usize>,
    tickets: u64,
}

impl Client {
    pub(super) fn credentials(&self) -> &Credentials {
        self.engine.credentials()
    }

    /// As if it had met nobody yet.
    pub(super) fn forget_people(&mut self) {
        self.engine.forget_logged_people();
    }
}

pub(crate) fn password() -> Password {
    Password::new("a long password of the tests")
}

impl Client {
    /// The one exchange that this client takes part in.
    pub(super) fn engine_exchange(&self) -> [u8; 16] {
        self.engine.exchange()
    }
}

impl World {
    /// Everybody in `names` has an account and is connected.
    pub(super) fn of(names: &[&str]) -> Self {
        let mut world = Self::unconnected(names, None);
        for client in 0..names.len() {
            world.connect(client);
        }
        world.settle();
        world
    }

    /// Nobody is connected, and one may have an account that is older than the log of keys.
    pub(super) fn unconnected(names: &[&str], unlisted: Option<usize>) -> Self {
        let authority = Authority::create(START).unwrap();
        let server = FakeServer::new(&authority, START);
        let (clients, ghost) = (Vec::new(), None);
        let mut world = Self { authority, server, clients, now: START, ghost, unlisted, tickets: 0 };
        for name in names {
            world.add_client(name);
        }
        world
    }

    /// One more account, whose name may be somebody's already, for a server that wants it so.
    pub(super) fn add_client(&mut self, name: &str) -> usize {
        self.add_client_after(name, |_, _| ())
    }

    /// The same, where something is to happen between the making of its key and its account.
    pub(super) fn add_client_after(&mut self, name: &str, before: impl FnOnce(&mut Self, &Account)) -> usize {
        let authority = &self.authority;
        let identity = IdentityKey::generate();
        let csr = identity.sign_csr(&authority.fingerprint());
        let issued = authority.issue_identity(&csr, START).unwrap();
        let device_key = DeviceKey::generate();
        let device = DeviceId { uid: issued.uid, did: Did(random::bytes()) };
        let certificate = issue_device_certificate(&identity, device_key.public_key(), device.did, START);
        let issuing = authority.issuing_certificate().to_vec();
        let listed = ListedDevice { did: device.did, key: key_hash(&device_key.public_point()) };
        let devices = device_list::sign(&identity, &authority.fingerprint(), 1, vec![listed]);
        let chain = vec![certificate.into(), issued.certificate.clone().into(), issuing.clone().into()];
        let credentials = Credentials {
            host: "chat.example".into(),
            port: 7440,
            server: authority.fingerprint(),
            root: authority.root_certificate().to_vec().into(),
            name: name.parse().unwrap(),
            device,
            identity_key: identity.to_pkcs8().to_vec().into(),
            device_key: device_key.to_pkcs8().to_vec().into(),
            chain,
            enrolled: true,
            devices: Some(devices.clone()),
        };
        let account = Account {
            uid: issued.uid,
            name: name.parse().unwrap(),
            identity_certificate: issued.certificate.into(),
            issuing_certificate: issuing.into(),
        };
        before(self, &account);
        self.server.log.issue(&account, self.now);
        if self.unlisted != Some(self.clients.len()) {
            self.server.log.list(issued.uid, devices, self.now);
        }
        self.server.accounts.push(account);
        self.add_profile(credentials)
    }

    /// A device that the server is to know already.
    pub(super) fn add_profile(&mut self, credentials: Credentials) -> usize {
        let device = credentials.device;
        self.server.chains.insert(device, credentials.chain.clone());
        let folder = tempfile::tempdir().unwrap();
        let first = Change::from_iter([Write::Credentials(Box::new(credentials))]);
        let vault = Vault::create(folder.path(), &password(), &first).unwrap();
        let engine = Engine::new(vault.load().unwrap(), self.clients.len() as u64).unwrap();
        self.clients.push(Client {
            device,
            folder,
            vault: Some(vault),
            engine,
            connected: false,
            outgoing: VecDeque::new(),
            incoming: VecDeque::new(),
            events: Vec::new(),
            answers: HashMap::new(),
            die_before_sending: false,
            answers_are_lost: false,
        });
        self.clients.len() - 1
    }

    pub(super) fn connect(&mut self, client: usize) {
        self.clients[client].connected = true;
        let step = self.clients[client].engine.handle_connected(EXPORTER, self.now);
        self.carry_out(client, step);
    }

    /// The connection breaks; whatever was on its way is lost.
    pub(super) fn disconnect(&mut self, client: usize) {
        let it = &mut self.clients[client];
        self.server.disconnect(it.device);
        (it.connected, it.answers_are_lost) = (false, false);
        it.outgoing.clear();
        it.incoming.clear();
        let step = it.engine.handle_lost(self.now);
        self.carry_out(client, step);
    }

    /// The device gets a new certificate, and the server knows it.
    pub(super) fn renew_certificate(&mut self, client: usize) {
        let it = &mut self.clients[client];
        let credentials = it.engine.credentials();
        let identity = IdentityKey::from_pkcs8(&credentials.identity_key).unwrap();
        let key = DeviceKey::from_pkcs8(&credentials.device_key).unwrap();
        let certificate = issue_device_certificate(&identity, key.public_key(), it.device.did, self.now);
        let mut chain = credentials.chain.clone();
        chain[0] = certificate.into();
        self.server.chains.insert(it.device, chain.clone());
        let step = it.engine.handle_renewed(chain, self.now);
        self.carry_out(client, step);
    }

    /// The server certifies somebody's identity key again, for a leaf that the key has signed for.
    pub(super) fn reissue(&mut self, client: usize, seq: u32) {
        let credentials = self.clients[client].engine.credentials();
        let identity = IdentityKey::from_pkcs8(&credentials.identity_key).unwrap();
        let name = credentials.name.clone();
        let issued = self.authority.issue_again(identity.public_key(), self.now);
        let signature = renewal::sign(&identity, &self.authority.fingerprint(), &name, seq);
        let account = self.server.accounts.iter_mut().find(|it| it.uid == issued.uid).unwrap();
        account.identity_certificate = issued.certificate.into();
        account.issuing_certificate = self.authority.above_identity().into();
        self.server.log.renew(account, signature, self.now);
    }

    /// What the server says of somebody.
    pub(super) fn account(&self, client: usize) -> Account {
        let uid = self.clients[client].device.uid;
        self.server.accounts.iter().find(|account| account.uid == uid).unwrap().clone()
    }

    /// Whether somebody has followed the log of keys up to the newest head that he or she knows.
    pub(super) fn has_all_leaves(&self, client: usize) -> bool {
        let log = &self.clients[client].engine.cx.log;
        log.known_size() == log.auditor.followed()
    }

    /// How many records somebody's device knows to be right under its user's name.
    pub(super) fn own_names(&self, client: usize) -> u32 {
        self.clients[client].engine.own_names()
    }

    /// Somebody's identity is renewed by the device itself, which takes over the new certificate.
    pub(super) fn renew_identity(&mut self, client: usize) {
        self.reissue(client, self.own_names(client) + 1);
        let Account { identity_certificate, issuing_certificate, .. } = self.account(client);
        let it = &mut self.clients[client];
        let device = it.engine.credentials().chain[0].to_vec();
        let chain = crate::enrol::chain(device, identity_certificate, &issuing_certificate);
        self.server.chains.insert(it.device, chain.clone());
        let step = it.engine.handle_renewed(chain, self.now);
        self.carry_out(client, step);
    }

    /// The program dies and is started again: only what is on disk is left.
    pub(super) fn restart(&mut self, client: usize) {
        let it = &mut self.clients[client];
        self.server.disconnect(it.device);
        (it.connected, it.answers_are_lost, it.die_before_sending) = (false, false, false);
        it.outgoing.clear();
        it.incoming.clear();
        it.vault = None;
        let vault = Vault::open(it.folder.path(), &password()).unwrap();
        it.engine = Engine::new(vault.load().unwrap(), 99).unwrap();
        it.vault = Some(vault);
    }

    /// What is left of a client when all is over.
    pub(super) fn into_folder(mut self, client: usize) -> TempDir {
        self.clients.swap_remove(client).folder
    }

    /// Restarts with what `work` leaves in the folder.
    pub(super) fn restart_after(&mut self, client: usize, work: impl FnOnce(&std::path::Path)) {
        self.clients[client].vault = None;
        work(self.clients[client].folder.path());
        self.restart(client);
    }

    /// Restarts with keys of a room that do not load.
    pub(super) fn damage_keys(&mut self, client: usize, room: RoomId) {
        let damaged = StoredGroup { secret: vec![1].into(), tree: Some(vec![2]) };
        let change = Change::from_iter([Write::Group(room, damaged)]);
        self.clients[client].vault.as_mut().unwrap().apply(&change).unwrap();
        self.restart(client);
    }

    /// What stands in the vault besides, as after an enrolment.
    pub(super) fn plant(&mut self, client: usize, write: Write) {
        self.clients[client].vault.as_mut().unwrap().apply(&Change::from_iter([write])).unwrap();
        self.restart(client);
        self.connect(client);
        self.settle();
    }

    /// Somebody's program says what honest ones would not.
    pub(super) fn say_step(&mut self, client: usize, room: RoomId, step: Verification) {
        let step = self.clients[client].engine.say_step(room, step, self.now);
        self.carry_out(client, step);
        self.pass(Duration::from_secs(5));
    }

    /// How somebody is known to another one, from the disk.
    pub(super) fn trust(&self, client: usize, other: usize) -> Trust {
        let loaded = self.clients[client].vault.as_ref().unwrap().load().unwrap();
        Names::new(self.clients[client].device.uid, loaded.contacts).trust(self.clients[other].device.uid)
    }

    /// How far the comparisons of somebody have come, as they were told.
    pub(super) fn comparisons(&self, client: usize) -> Vec<Comparing> {
        let stage =
            |event: &Event| if let Event::Comparison { stage, .. } = event { Some(*stage) } else { None };
        self.clients[client].events.iter().filter_map(stage).collect()
    }

    fn carry_out(&mut self, client: usize, step: Step) {
        let it = &mut self.clients[client];
        it.vault.as_mut().unwrap().apply(&step.change).unwrap();
        for file in &step.evidence {
            std::fs::write(it.folder.path().join(&file.name), &file.bytes).unwrap();
        }
        if it.die_before_sending && !step.requests.is_empty() {
            return self.restart(client);
        }
        if it.connected {
            it.outgoing.extend(step.requests);
        }
        it.answers.extend(step.answers);
        it.events.extend(step.events);
        for wanted in step.wanted {
            let it = &mut self.clients[client];
            let vault = it.vault.as_ref().unwrap();
            let step = match wanted {
                Wanted::Records { room, after } => {
                    it.engine.handle_kept_records(room, &vault.kept_records(room, after).unwrap(), self.now)
                }
                Wanted::Leaves { from, end } => {
                    it.engine.handle_kept_leaves(vault.kept_leaves(from, end).unwrap(), self.now)
                }
            };
            self.carry_out(client, step);
        }
        match step.hang_up {
            Some(HangUp::Again(_)) => self.disconnect(client),
            Some(HangUp::ForGood(error)) => panic!("client {client} gave up: {error}"),
            None => {}
        }
    }

    /// Until nobody has anything to say, at this moment of the clock.
    pub(super) fn settle(&mut self) {
        for _ in 0..ROUNDS {
            let mut idle = true;
            for client in 0..self.clients.len() {
                idle &= !self.exchange(client);
                idle &= !self.ring(client);
            }
            if idle {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// One frame in each direction.
    pub(super) fn exchange(&mut self, client: usize) -> bool {
        let mut moved = false;
        let it = &mut self.clients[client];
        if let Some(frame) = it.outgoing.pop_front() {
            self.server.now = self.now;
            let answer = self.server.handle(it.device, frame);
            it.incoming.extend(Some(answer).filter(|_| !it.answers_are_lost));
            self.deliver();
            moved = true;
        }
        if let Some(frame) = self.clients[client].incoming.pop_front() {
            let steps = self.clients[client].engine.handle_frames(&mut VecDeque::from([frame]), self.now);
            steps.into_iter().for_each(|step| self.carry_out(client, step));
            moved = true;
        }
        moved
    }

    /// All that waits for a client reaches it at once. How often the keys of rooms were written for it.
    pub(super) fn hear_all(&mut self, client: usize) -> usize {
        let it = &mut self.clients[client];
        let mut steps = it.engine.handle_frames(&mut it.incoming, self.now);
        let mut change = Change::default();
        steps.iter_mut().for_each(|step| change.append(&mut step.change));
        let keys = change.writes().filter(|write| matches!(write, Write::Group(..))).count();
        self.carry_out(client, Step { change, ..Step::default() });
        steps.into_iter().for_each(|step| self.carry_out(client, step));
        keys
    }

    fn deliver(&mut self) {
        for client in self.clients.iter_mut().filter(|client| client.connected && !client.answers_are_lost) {
            loop {
                let news = self.server.news(client.device);
                if news.is_empty() {
                    break;
                }
                client.incoming.extend(news);
            }
        }
    }

    /// The server asks somebody for a new group of a room.
    pub(super) fn want_group(&mut self, client: usize, room: RoomId) {
        self.server.want_group(self.clients[client].device, room);
        self.deliver();
    }

    fn ring(&mut self, client: usize) -> bool {
        let due = self.clients[client].engine.next_timer().is_some_and(|at| at <= self.now);
        if due {
            let step = self.clients[client].engine.handle_timer(self.now);
            self.carry_out(client, step);
        }
        due
    }

    /// Time passes, every timer at its moment.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now.plus(duration);
        self.settle();
        for _ in 0..TIMERS {
            let next = self.clients.iter().filter_map(|client| client.engine.next_timer()).min();
            self.now = next.filter(|at| *at < end).map_or(end, |at| at.max(self.now));
            self.settle();
            if self.now >= end {
                return;
            }
        }
        panic!("timers ring without end");
    }

    /// Gives a command and lets the world settle.
    pub(super) fn ask(&mut self, client: usize, command: Command) -> Result<Answer, ClientError> {
        let ticket = self.begin(client, command);
        self.pass(Duration::from_secs(5));
        self.answer(client, ticket).expect("an answer")
    }

    /// Gives a command; nothing moves yet.
    pub(super) fn begin(&mut self, client: usize, command: Command) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let step = self.clients[client].engine.handle_command(ticket, command, self.now);
        self.carry_out(client, step);
        ticket
    }

    pub(super) fn answer(&mut self, client: usize, ticket: Ticket) -> Option<Result<Answer, ClientError>> {
        self.clients[client].answers.remove(&ticket)
    }

    pub(super) fn create(&mut self, client: usize, name: &str, access: Access) -> RoomId {
        let suite = RoomSuite::default();
        let command = Command::CreateRoom { name: name.parse().unwrap(), access, suite };
        match self.ask(client, command) {
            Ok(Answer::Room(room)) => room,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn join(&mut self, client: usize, name: &str) -> RoomId {
        match self.ask(client, Command::JoinRoom { name: name.parse().unwrap() }) {
            Ok(Answer::Room(room)) => room,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn say(&mut self, client: usize, room: RoomId, text: &str) {
        self.begin(client, Command::Send { room, text: text.into() });
        self.pass(Duration::from_secs(5));
    }

    /// A room that Alice has made and everybody else has joined.
    pub(super) fn lobby(&mut self) -> RoomId {
        let room = self.create(ALICE, "lobby", Access::Listed);
        for client in 1..self.clients.len() {
            assert_eq!(self.join(client, "lobby"), room);
        }
        self.pass(Duration::from_secs(10));
        room
    }

    pub(super) fn lines(&self, client: usize, room: RoomId) -> Vec<Line> {
        let vault = self.clients[client].vault.as_ref().unwrap();
        vault.history(room, Span::Newest, 1_000).unwrap()
    }

    /// The rooms as they are on somebody's disk.
    pub(super) fn overviews(&self, client: usize) -> Vec<RoomOverview> {
        self.clients[client].vault.as_ref().unwrap().rooms().unwrap()
    }

    /// The epochs of a room as they are on somebody's disk.
    pub(super) fn epochs(&self, client: usize, room: RoomId) -> Vec<EpochChanged> {
        self.clients[client].vault.as_ref().unwrap().epochs(room, 1_000).unwrap()
    }

    /// A room as somebody sees it, a line each.
    pub(super) fn view(&self, client: usize, room: RoomId) -> Vec<String> {
        self.lines(client, room).iter().map(shown).collect()
    }

    /// What was said, as somebody sees it.
    pub(super) fn said(&self, client: usize, room: RoomId) -> Vec<String> {
        let lines = self.lines(client, room);
        lines.iter().filter(|line| line.entry.is_message()).map(shown).collect()
    }

    pub(super) fn epoch(&self, client: usize, room: RoomId) -> Option<u64> {
        self.clients[client].engine.epoch_of(room)
    }

    pub(super) fn alarms(&self, client: usize) -> Vec<&Alarm> {
        let events = self.clients[client].events.iter();
        events.filter_map(|event| if let Event::Alarm(alarm) = event { Some(alarm) } else { None }).collect()
    }

    pub(super) fn seen(&self, what: &str) -> usize {
        self.server.seen.iter().filter(|it| **it == what).count()
    }
}

pub(super) fn shown(line: &Line) -> String {
    let author = &line.author;
    match &line.entry {
        Entry::Text { text, delivery: Delivery::Sent, .. } => format!("{author}: {text}"),
        Entry::Text { text, delivery, .. } => format!("{author}: {text} ({delivery:?})"),
        Entry::Newer { .. } => format!("{author}: ?"),
        Entry::Created => format!("{author} created"),
        Entry::Joined { who } if who == author => format!("{who} joined"),
        Entry::Joined { who } => format!("{author} added {who}"),
        Entry::DeviceJoined { who } => format!("a device of {who} joined"),
        Entry::Left => format!("{author} left"),
        Entry::Removed { who } => format!("{author} removed {who}"),
        Entry::Rejoined => format!("{author} rejoined"),
        Entry::Missing { count } => format!("{count} of {author} missing"),
        Entry::Unreadable { .. } => format!("unreadable, by {author}"),
        Entry::Diverged { .. } => "diverged".to_owned(),
        Entry::Trust { name, change, .. } => format!("{name}: {change:?}"),
    }
}

pub(super) fn kind(answer: Result<Answer, ClientError>) -> Result<Answer, ErrorKind> {
    answer.map_err(|error| error.kind())
}
