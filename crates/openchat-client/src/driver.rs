//! The driver: one thread and one `select!` around the engine, with the socket, the vault and the clock.
//!
//! It carries out each step in the engine's order: the change goes to disk, then requests go out, then answers and
//! events. Vault and encryption block this thread and no other; whoever listens cannot hold it up, for events go into a
//! ring that overwrites what a slow listener has not fetched.

mod opening;

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use minicbor::bytes::ByteVec;
use openchat_identity::DeviceKey;
use openchat_protocol::{ServerFrame, Timestamp};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::opening::Opening;
use crate::command::Answer;
use crate::connection::{Connection, ConnectionError};
use crate::engine::{Engine, HangUp, Step, Ticket, Wanted};
use crate::enrol::server_of;
use crate::error::ClientError;
use crate::event::{ConnectionState, Event};
use crate::folder::ProfileFolder;
use crate::handle::Job;
use crate::random::{self, Jitter};
use crate::renewal::{has_ended, renew};
use crate::vault::{Change, Credentials, RoomRecord, Vault};

/// The first and the longest pause before connecting again, in milliseconds.
const PAUSE: (u64, u64) = (200, 8_000);
/// The longest pause once a server has been away for [`LONG_AWAY`].
const PATIENT_PAUSE: u64 = 30_000;
/// Until then people wait in front of it: a server that was started again, or a network that comes back.
const LONG_AWAY: Duration = Duration::from_secs(5 * 60);
/// Whoever asks to connect now still waits this long after the last try, in milliseconds, so that a hand on the
/// keyboard is no load for the server; and clients whose people type at the same time do not act in step.
const AT_ONCE: (u64, u64) = (500, 1_000);
/// The clock is looked at this often at least: it may be set, and the machine may have slept.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// For the last bytes.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often it is looked whether this device needs a new certificate, while it stays connected.
const RENEWAL_LOOK: Duration = Duration::from_secs(3600);

type Connecting = Pin<Box<dyn Future<Output = Result<Connected, ConnectionError>> + Send>>;

type Renewing = Pin<Box<dyn Future<Output = Result<Option<Vec<ByteVec>>, ClientError>> + Send>>;

/// A connection, and the certificates of this device if new ones were made for it.
struct Connected {
    connection: Box<Connection>,
    renewed: Option<Vec<ByteVec>>,
}

/// The connection, or what takes its place.
enum Link {
    /// A pause until this moment.
    Pause(Instant),
    Connecting(Connecting),
    Open(Box<Connection>),
    /// Connecting makes no sense any more.
    Ended,
}

/// What has happened to the link.
enum Happened {
    PauseOver,
    Connected(Connected),
    Received(ServerFrame),
    Failed(ConnectionError),
}

impl Link {
    /// What happens next. Loses nothing when dropped.
    async fn next(&mut self) -> Happened {
        match self {
            Self::Pause(until) => {
                sleep_until(*until).await;
                Happened::PauseOver
            }
            Self::Connecting(connecting) => {
                connecting.await.map_or_else(Happened::Failed, Happened::Connected)
            }
            Self::Open(connection) => {
                connection.next().await.map_or_else(Happened::Failed, Happened::Received)
            }
            Self::Ended => pending().await,
        }
    }
}

/// Where the driver's events and states go.
pub(crate) struct Outside {
    pub(crate) jobs: mpsc::Receiver<Job>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) connection: watch::Sender<ConnectionState>,
}

/// Everything that runs on the client's thread.
pub(crate) struct Driver {
    engine: Engine,
    vault: Vault,
    /// Rooms that the engine does not have yet.
    unopened: Vec<RoomRecord>,
    /// Jobs that wait until it has all of them.
    held: VecDeque<Job>,
    /// Held for as long as the vault is open.
    folder: ProfileFolder,
    outside: Outside,
    link: Link,
    waiting: HashMap<Ticket, oneshot::Sender<Result<Answer, ClientError>>>,
    next_ticket: u64,
    failures: u32,
    /// Where the server is, if not where the profile says.
    at: Option<SocketAddr>,
    /// When the last try began.
    tried: Instant,
    /// Since when there is no connection.
    away: Option<Instant>,
    jitter: Jitter,
    /// A new certificate that is being made.
    renewing: Option<Renewing>,
    renewal_looked: Instant,
}

impl Driver {
    pub(crate) fn new(folder: ProfileFolder, vault: Vault, outside: Outside) -> Result<Self, ClientError> {
        let engine = Engine::new(vault.load_without_rooms()?, seed())?;
        let unopened = vault.room_records()?;
        Ok(Self {
            engine,
            vault,
            unopened,
            held: VecDeque::new(),
            folder,
            outside,
            link: Link::Pause(Instant::now()),
            waiting: HashMap::new(),
            next_ticket: 0,
            failures: 0,
            at: None,
            tried: Instant::now(),
            away: None,
            jitter: Jitter::new(seed()),
            renewing: None,
            renewal_looked: Instant::now(),
        })
    }

    /// Runs until it is stopped, or nobody holds a handle any more. Whoever stopped it is to be told when all of this
    /// is gone.
    pub(crate) async fn run(mut self) -> Option<oneshot::Sender<()>> {
        if let Opening::Stopped(stopper) = self.open_rooms().await {
            return stopper;
        }
        let stopper = loop {
            let timer = self.until_timer();
            tokio::select! {
                job = next_job(&mut self.held, &mut self.outside.jobs) => match job {
                    Some(Job::Stop(done)) => break Some(done),
                    Some(job) => self.handle_job(job),
                    None => break None,
                },
                happened = self.link.next() => self.handle_link(happened),
                renewed = ready(&mut self.renewing) => self.handle_renewed(renewed),
                () = sleep(timer) => {
                    let step = self.engine.handle_timer(Timestamp::now());
                    self.carry_out(step);
                    self.renew_if_due();
                }
            }
        };
        if let Link::Open(connection) = self.link {
            // Who is gone needs no farewell.
            let _ = timeout(FAREWELL, connection.close()).await;
        }
        stopper
    }

    fn until_timer(&self) -> Duration {
        let until = self.engine.next_timer().map(|at| at.since(Timestamp::now()));
        until.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)
    }

    fn handle_job(&mut self, job: Job) {
        match job {
            Job::Command(command, answer) => {
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                self.waiting.insert(ticket, answer);
                let step = self.engine.handle_command(ticket, command, Timestamp::now());
                self.carry_out(step);
            }
            Job::Vault(work) => work(&mut self.vault),
            Job::Reconnect => {
                let (low, high) = AT_ONCE;
                let soon = self.tried + Duration::from_millis(self.jitter.between(low, high));
                if let Link::Pause(until) = &mut self.link {
                    *until = soon.min(*until);
                }
            }
            Job::ReachAt(address) => {
                self.at = Some(address);
                if let Link::Pause(_) | Link::Connecting(_) = self.link {
                    self.link = Link::Pause(Instant::now());
                }
            }
            // Handled where the loop can be left.
            Job::Stop(_) => {}
        }
    }

    fn handle_link(&mut self, happened: Happened) {
        match happened {
            Happened::PauseOver => self.connect(),
            Happened::Connected(Connected { connection, renewed }) => {
                if let Some(chain) = renewed {
                    let step = self.engine.handle_renewed(chain, Timestamp::now());
                    self.carry_out(step);
                }
                let exporter = connection.exporter;
                self.link = Link::Open(connection);
                let step = self.engine.handle_connected(exporter, Timestamp::now());
                self.carry_out(step);
            }
            Happened::Received(frame) => self.handle_frames(frame),
            Happened::Failed(error) if error.is_temporary() => self.lose(HangUp::Again(error.into())),
            Happened::Failed(error) => self.lose(HangUp::ForGood(error.into())),
        }
    }

    /// A frame and those that have come behind it, which waited while the disk was busy: what they change is one
    /// transaction, so that a flood costs no wait for the disk with each message.
    fn handle_frames(&mut self, first: ServerFrame) {
        let mut frames = VecDeque::from([first]);
        let mut failure = None;
        while let Link::Open(connection) = &mut self.link {
            match connection.arrived() {
                Ok(Some(frame)) => frames.push_back(frame),
                Ok(None) => break,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        while !frames.is_empty() && matches!(self.link, Link::Open(_)) {
            let steps = self.engine.handle_frames(&mut frames, Timestamp::now());
            self.carry_out_together(steps);
        }
        if let Some(error) = failure.filter(|_| matches!(self.link, Link::Open(_))) {
            self.handle_link(Happened::Failed(error));
        }
    }

    /// A connection can outlive the certificate that it was made with, and leaves of rooms carry that as well.
    fn renew_if_due(&mut self) {
        let is_open = matches!(self.link, Link::Open(_));
        if is_open && self.renewing.is_none() && self.renewal_looked.elapsed() >= RENEWAL_LOOK {
            self.renewal_looked = Instant::now();
            let (credentials, names) = (self.reached(), self.engine.own_names());
            self.renewing = Some(Box::pin(async move { renew(&credentials, names).await }));
        }
    }

    fn handle_renewed(&mut self, renewed: Result<Option<Vec<ByteVec>>, ClientError>) {
        match renewed {
            Ok(Some(chain)) => {
                let step = self.engine.handle_renewed(chain, Timestamp::now());
                self.carry_out(step);
            }
            Ok(None) => {}
            // There is a month for it.
            Err(error) => tracing::warn!(%error, "this device's certificates cannot be renewed"),
        }
    }

    fn connect(&mut self) {
        self.tell(ConnectionState::Connecting);
        self.tried = Instant::now();
        self.link = Link::Connecting(Box::pin(connect(self.reached(), self.engine.own_names())));
    }

    /// The credentials, with where the server is reached now.
    fn reached(&self) -> Credentials {
        let mut credentials = self.engine.credentials().clone();
        if let Some(at) = self.at {
            (credentials.host, credentials.port) = (at.ip().to_string(), at.port());
        }
        credentials
    }

    fn carry_out(&mut self, step: Step) {
        self.carry_out_together(vec![step]);
    }

    /// The changes first, for nothing may go out that could not be repeated after a crash.
    fn carry_out_together(&mut self, mut steps: Vec<Step>) {
        let mut change = Change::default();
        steps.iter_mut().for_each(|step| change.append(&mut step.change));
        match self.vault.apply(&change) {
            Ok(()) => steps.into_iter().for_each(|step| self.let_out(step)),
            Err(error) => self.begin_anew(&error.into()),
        }
    }

    /// All of a step but its change.
    fn let_out(&mut self, step: Step) {
        for file in &step.evidence {
            if let Err(error) = self.folder.keep(&file.name, &file.bytes) {
                tracing::warn!(%error, "evidence that cannot be kept");
                self.emit(Event::Trouble(error.into()));
            }
        }
        let Step { requests, answers, events, wanted, hang_up, .. } = step;
        if let Link::Open(connection) = &mut self.link {
            for request in &requests {
                if let Err(error) = connection.queue(request) {
                    tracing::warn!(%error, "a request that cannot be sent");
                }
            }
        }
        for (ticket, answer) in answers {
            self.answer(ticket, answer);
        }
        for event in events {
            match event {
                Event::Connection(state) => {
                    self.failures = 0;
                    self.away = None;
                    self.tell(state);
                }
                event => self.emit(event),
            }
        }
        if let Some(hang_up) = hang_up {
            self.lose(hang_up);
        }
        wanted.into_iter().for_each(|wanted| self.fetch(wanted));
    }

    /// Hands the engine what it wants of the vault.
    fn fetch(&mut self, wanted: Wanted) {
        let now = Timestamp::now();
        let step = match wanted {
            Wanted::Records { room, after } => self
                .vault
                .kept_records(room, after)
                .map(|kept| self.engine.handle_kept_records(room, &kept, now)),
            Wanted::Leaves { from, end } => {
                self.vault.kept_leaves(from, end).map(|leaves| self.engine.handle_kept_leaves(leaves, now))
            }
        };
        match step {
            Ok(step) => self.carry_out(step),
            Err(error) => self.begin_anew(&error.into()),
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Result<Answer, ClientError>) {
        if let Some(waiting) = self.waiting.remove(&ticket) {
            // Whoever asked may have gone.
            let _ = waiting.send(answer);
        }
    }

    fn emit(&self, event: Event) {
        // An error says that nobody listens.
        let _ = self.outside.events.send(event);
    }

    fn tell(&self, state: ConnectionState) {
        self.outside.connection.send_replace(state.clone());
        self.emit(Event::Connection(state));
    }

    /// The connection is of no use any more, or there is none.
    fn lose(&mut self, hang_up: HangUp) {
        let state = match hang_up {
            HangUp::Again(why) => {
                let retry_in = self.pause();
                self.link = Link::Pause(Instant::now() + retry_in);
                ConnectionState::Offline { why, retry_in }
            }
            HangUp::ForGood(why) => {
                self.link = Link::Ended;
                ConnectionState::Ended(why)
            }
        };
        self.tell(state);
        let step = self.engine.handle_lost(Timestamp::now());
        self.carry_out(step);
    }

    /// Longer from one failure to the next, and never the same for two clients of a server that comes back.
    fn pause(&mut self) -> Duration {
        let (first, longest) = PAUSE;
        let away = self.away.get_or_insert_with(Instant::now).elapsed();
        let longest = if away < LONG_AWAY { longest } else { PATIENT_PAUSE };
        let pause = (first << self.failures.min(16)).min(longest);
        self.failures += 1;
        Duration::from_millis(self.jitter.between(pause / 2, pause))
    }

    /// The disk did not take a change, and the engine is ahead of it: it starts again from what is on disk.
    fn begin_anew(&mut self, error: &ClientError) {
        for (_, waiting) in self.waiting.drain() {
            let _ = waiting.send(Err(error.clone()));
        }
        let engine =
            self.vault.load().map_err(ClientError::from).and_then(|loaded| Engine::new(loaded, seed()));
        match engine {
            Ok(engine) => {
                self.engine = engine;
                // As if it had failed several times: the disk will not be empty in a moment.
                self.failures = self.failures.max(5);
                self.lose(HangUp::Again(error.clone()));
            }
            Err(error) => {
                self.link = Link::Ended;
                self.tell(ConnectionState::Ended(error));
            }
        }
    }
}

/// The next job, those that were held first. Loses nothing when dropped.
async fn next_job(held: &mut VecDeque<Job>, jobs: &mut mpsc::Receiver<Job>) -> Option<Job> {
    match held.pop_front() {
        Some(job) => Some(job),
        None => jobs.recv().await,
    }
}

/// What is being made, when it is ready; never when there is nothing.
async fn ready(renewing: &mut Option<Renewing>) -> Result<Option<Vec<ByteVec>>, ClientError> {
    let Some(work) = renewing else { return pending().await };
    let renewed = work.await;
    *renewing = None;
    renewed
}

async fn connect(credentials: Credentials, names: u32) -> Result<Connected, ConnectionError> {
    let key = DeviceKey::from_pkcs8(&credentials.device_key)
        .map_err(|error| ConnectionError::Device(error.to_string()))?;
    let renewed = match renew(&credentials, names).await {
        Ok(renewed) => renewed,
        Err(error) if has_ended(&credentials) => return Err(ConnectionError::Renewal(error)),
        Err(error) => {
            tracing::warn!(%error, "this device's certificates cannot be renewed");
            None
        }
    };
    let chain = renewed.as_ref().unwrap_or(&credentials.chain).iter().map(|it| it.to_vec()).collect();
    let connection = Connection::open(server_of(&credentials), Some((&key, chain))).await?;
    Ok(Connected { connection: Box::new(connection), renewed })
}

fn seed() -> u64 {
    u64::from_be_bytes(random::bytes())
}
