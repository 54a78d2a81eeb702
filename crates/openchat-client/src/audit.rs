//! An audit from outside: whoever has a server's fingerprint reads its whole log of keys and checks every rule of it.

use std::time::Duration;

use openchat_protocol::account::Hello;
use openchat_protocol::key_log::FollowLog;
use openchat_protocol::{
    Address, PROTOCOL_VERSION, Refusal, RefusalCode, Request, Response, ServerFingerprint, Timestamp,
};
use openchat_transparency::tree::Frontier;
use openchat_transparency::{Auditor, Fork, Head, Kind, Leaf, LogKey, Tail, Violation};

use crate::connection::{Connection, ConnectionError, Server};
use crate::door::exchange;
use crate::error::{ClientError, ErrorKind};

/// Connections that end without a page: so often is another one tried.
const PATIENCE: u32 = 5;
/// When the server says "too fast" without saying for how long, in milliseconds.
const TOO_FAST: u64 = 1_000;

/// What a log consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Its records.
    pub size: u64,
    /// The root over them, in base64.
    pub root: String,
    /// The signed note of this head (C2SP checkpoint): the next audit can begin there.
    pub note: Vec<u8>,
    /// Names, users, and the server itself: how many labels have records.
    pub labels: usize,
    /// Records by kind: heartbeats, identities issued, retired, lists of devices, events of the authority, names
    /// released, resets.
    pub kinds: [u64; 7],
    /// The time of the first record.
    pub first: Option<Timestamp>,
    /// The last heartbeat.
    pub heartbeat: Option<Timestamp>,
    /// The longest time between two heartbeats, or since the last one.
    pub silence: Duration,
    /// Bytes of the records.
    pub bytes: u64,
}

/// Checks the whole log of the server at `address`, from its first record to its head; and that it goes on from the head
/// in the note `known`, of an earlier audit, if there is one.
pub async fn audit(
    address: &Address,
    fingerprint: ServerFingerprint,
    known: Option<&[u8]>,
) -> Result<Audit, ClientError> {
    let server = Server { host: address.host().to_owned(), port: address.port(), fingerprint };
    let mut run = Run::begin(server, known).await?;
    while !run.auditor.is_complete() {
        run.page().await?;
    }
    run.finish()
}

/// Whether evidence convicts the server with this fingerprint; says how.
pub fn verify_evidence(bytes: &[u8], fingerprint: &ServerFingerprint) -> Result<String, ClientError> {
    let invalid = |error: &dyn std::fmt::Display| ClientError::new(ErrorKind::Invalid, error.to_string());
    let fork = Fork::from_bytes(bytes).map_err(|error| invalid(&error))?;
    let (smaller, larger) = fork.verify(fingerprint).map_err(|error| invalid(&error))?;
    let describe = |head: &Head| format!("{} records with the root {}", head.size, head.root);
    Ok(format!(
        "this server has signed {}, and {}: both cannot be of one log",
        describe(&smaller),
        describe(&larger)
    ))
}

struct Run {
    server: Server,
    connection: Connection,
    next_id: u64,
    auditor: Auditor,
    frontier: Frontier,
    /// The head of an earlier audit.
    known: Option<Head>,
    last_beat: Option<Timestamp>,
    labels: std::collections::HashSet<openchat_transparency::Label>,
    audit: Audit,
}

impl Run {
    async fn begin(server: Server, known: Option<&[u8]>) -> Result<Self, ClientError> {
        let connection = open(&server).await?;
        let genesis = connection.anchor.genesis_record();
        let known = known.map(|note| LogKey::new(&genesis).open(note)).transpose();
        let known = known.map_err(|error| ClientError::new(ErrorKind::Invalid, error.to_string()))?;
        Ok(Self {
            server,
            connection,
            next_id: 2,
            auditor: Auditor::new(genesis, Timestamp(0)).map_err(|violation| broken(&violation))?,
            frontier: Frontier::default(),
            known: known.map(|signed| signed.head()),
            last_beat: None,
            labels: std::collections::HashSet::new(),
            audit: Audit {
                size: 0,
                root: String::new(),
                note: Vec::new(),
                labels: 0,
                kinds: [0; 7],
                first: None,
                heartbeat: None,
                silence: Duration::ZERO,
                bytes: 0,
            },
        })
    }

    /// The next page. A connection is good for some time only, and for so many pages a minute.
    async fn page(&mut self) -> Result<(), ClientError> {
        let mut failures = 0;
        loop {
            match self.ask().await {
                Ok(Ok(Response::LogTail(bytes))) => return self.take(&bytes),
                Ok(Ok(_)) => return Err(ClientError::new(ErrorKind::Protocol, "an answer of another kind")),
                Ok(Err(refusal)) if refusal.code == Some(RefusalCode::RateLimited) => {
                    let wait = refusal.retry_after.unwrap_or(TOO_FAST);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
                Ok(Err(refusal)) if !is_goodbye(&refusal) || failures >= PATIENCE => {
                    return Err(refusal.into());
                }
                Err(error) if !error.is_temporary() || failures >= PATIENCE => return Err(error.into()),
                Ok(Err(_)) | Err(_) => {
                    failures += 1;
                    self.connection = open(&self.server).await?;
                    self.next_id = 2;
                }
            }
        }
    }

    async fn ask(&mut self) -> Result<Result<Response, Refusal>, ConnectionError> {
        let known = self.auditor.head().map_or(0, |head| head.head().size);
        let request = Request::FollowLog(FollowLog { known, from: self.auditor.followed() });
        let id = self.next_id;
        self.next_id += 1;
        exchange(&mut self.connection, id, request).await
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let tail = Tail::from_bytes(bytes).map_err(|error| broken(&error.into()))?;
        self.auditor.advance(&tail, Timestamp::now()).map_err(|violation| broken(&violation))?;
        tail.leaves.iter().try_for_each(|leaf| self.count(leaf))
    }

    fn count(&mut self, leaf: &Leaf) -> Result<(), ClientError> {
        self.frontier.push(leaf);
        if let Some(known) = self.known.filter(|known| known.size == self.frontier.size())
            && known.root != self.frontier.root()
        {
            return Err(other_log(&known));
        }
        self.labels.insert(leaf.label);
        if let Some(count) = self.audit.kinds.get_mut(usize::from(leaf.kind as u8)) {
            *count += 1;
        }
        self.audit.first.get_or_insert(leaf.time);
        if leaf.kind == Kind::Heartbeat {
            self.silent_until(leaf.time);
            self.last_beat = Some(leaf.time);
        }
        Ok(())
    }

    fn silent_until(&mut self, now: Timestamp) {
        if let Some(before) = self.last_beat.or(self.audit.first) {
            self.audit.silence = self.audit.silence.max(now.since(before));
        }
    }

    fn finish(mut self) -> Result<Audit, ClientError> {
        let now = Timestamp::now();
        self.auditor.check_fresh(now).map_err(|violation| broken(&violation))?;
        self.silent_until(now);
        if let Some(known) = self.known.filter(|known| known.size > self.frontier.size()) {
            let shown = self.frontier.size();
            return Err(broken(&Violation::RolledBack { known: known.size, shown }));
        }
        let note = self.auditor.head().map(|head| head.note().to_vec()).unwrap_or_default();
        let size = self.frontier.size();
        Ok(Audit {
            size,
            root: self.frontier.root().to_string(),
            note,
            labels: self.labels.len(),
            heartbeat: self.last_beat,
            bytes: size.saturating_mul(Leaf::LENGTH as u64),
            ..self.audit
        })
    }
}

async fn open(server: &Server) -> Result<Connection, ClientError> {
    let mut connection = Connection::open(server.clone(), None).await?;
    let hello = Hello { version: PROTOCOL_VERSION, oldest_version: PROTOCOL_VERSION };
    match exchange(&mut connection, 1, Request::Hello(hello)).await? {
        Ok(Response::Greeting(_)) => Ok(connection),
        Ok(_) => Err(ClientError::new(ErrorKind::Protocol, "an answer of another kind")),
        Err(refusal) => Err(refusal.into()),
    }
}

/// A stranger's connection ends after its time.
fn is_goodbye(refusal: &Refusal) -> bool {
    matches!(refusal.code, Some(RefusalCode::NotLoggedIn | RefusalCode::Stopping))
}

fn broken(violation: &Violation) -> ClientError {
    ClientError::new(ErrorKind::Alarm, violation.to_string())
        .with_help("tell the people who use this server, and ask its host")
}

fn other_log(known: &Head) -> ClientError {
    let message = format!(
        "THE SERVER HAS ANOTHER LOG THAN BEFORE: its first {} records are not those that it had signed",
        known.size
    );
    ClientError::new(ErrorKind::Alarm, message).with_help("keep the old note: it convicts the server")
}
