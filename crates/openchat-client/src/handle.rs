//! The client as a screen or a script holds it: typed calls to the driver's thread, and the events it sends.

use std::net::SocketAddr;
use std::time::Duration;

use openchat_e2ee::fernet::{self, FernetKey};
use openchat_protocol::room::RoomSummary;
use openchat_protocol::{MessageId, RoomId, RoomName, Timestamp, UserName};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use zeroize::Zeroizing;

use crate::command::{Access, Answer, Command, RoomDetails, RoomSuite};
use crate::enrol::profile_of;
use crate::error::{ClientError, ErrorKind};
use crate::event::{ConnectionState, EpochChanged, Event, Line, Member, Membership, Profile, RoomOverview};
use crate::trust::Acquaintance;
use crate::vault::{Change, EpochKey, Searched, Sought, Span, Vault, VaultError, Write};

/// Commands that may wait for the driver; whoever asks more waits too.
pub(crate) const COMMANDS: usize = 64;
/// Events a listener may fall behind. The driver never waits for a listener: one that is further behind gets
/// [`Event::Lagged`] and reads the vault, where everything is.
pub(crate) const EVENTS: usize = 4096;

/// What goes to the driver.
pub(crate) enum Job {
    /// Something for the engine.
    Command(Command, oneshot::Sender<Result<Answer, ClientError>>),
    /// Something on disk that is not the engine's affair.
    Vault(Box<dyn FnOnce(&mut Vault) + Send>),
    /// Try to connect now instead of after the pause.
    Reconnect,
    /// Connect here from now on.
    ReachAt(SocketAddr),
    /// End: what is on its way to the server is flushed first.
    Stop(oneshot::Sender<()>),
}

/// A running client. Clones talk to the same one; it ends with [`Self::stop`] or with its last handle.
#[derive(Clone, Debug)]
pub struct ClientHandle {
    jobs: mpsc::Sender<Job>,
    connection: watch::Receiver<ConnectionState>,
    events: broadcast::WeakSender<Event>,
}

impl ClientHandle {
    pub(crate) fn new(
        jobs: mpsc::Sender<Job>,
        connection: watch::Receiver<ConnectionState>,
        events: broadcast::WeakSender<Event>,
    ) -> Self {
        Self { jobs, connection, events }
    }

    /// Makes a room with this profile as its first member.
    pub async fn create_room(
        &self,
        name: RoomName,
        access: Access,
        suite: RoomSuite,
    ) -> Result<RoomId, ClientError> {
        match self.ask(Command::CreateRoom { name, access, suite }).await? {
            Answer::Room(room) => Ok(room),
            other => Err(unexpected(&other)),
        }
    }

    /// Joins a listed room.
    pub async fn join_room(&self, name: RoomName) -> Result<RoomId, ClientError> {
        match self.ask(Command::JoinRoom { name }).await? {
            Answer::Room(room) => Ok(room),
            other => Err(unexpected(&other)),
        }
    }

    /// The server's active rooms, the most recently active first.
    pub async fn list_rooms(&self) -> Result<Vec<RoomSummary>, ClientError> {
        match self.ask(Command::ListRooms).await? {
            Answer::Listing(rooms) => Ok(rooms),
            other => Err(unexpected(&other)),
        }
    }

    /// Says `text`. Returns when it is in the outbox on disk; [`Event::Delivery`] tells when it is sent.
    pub async fn send(&self, room: RoomId, text: String) -> Result<MessageId, ClientError> {
        match self.ask(Command::Send { room, text }).await? {
            Answer::Queued(message) => Ok(message),
            other => Err(unexpected(&other)),
        }
    }

    /// Tries a failed message again.
    pub async fn retry(&self, message: MessageId) -> Result<(), ClientError> {
        self.ask(Command::Retry { message }).await.map(drop)
    }

    /// Forgets a failed message.
    pub async fn discard(&self, message: MessageId) -> Result<(), ClientError> {
        self.ask(Command::Discard { message }).await.map(drop)
    }

    /// Leaves a room; offline, the server hears of it later.
    pub async fn leave_room(&self, room: RoomId) -> Result<(), ClientError> {
        self.ask(Command::LeaveRoom { room }).await.map(drop)
    }

    /// Adds every device of a user, online or not.
    pub async fn add_member(&self, room: RoomId, name: UserName) -> Result<(), ClientError> {
        self.ask(Command::AddMember { room, name }).await.map(drop)
    }

    /// Removes every device of a user.
    pub async fn remove_member(&self, room: RoomId, name: UserName) -> Result<(), ClientError> {
        self.ask(Command::RemoveMember { room, name }).await.map(drop)
    }

    /// New keys of this device in a room, now.
    pub async fn update_keys(&self, room: RoomId) -> Result<(), ClientError> {
        self.ask(Command::UpdateKeys { room }).await.map(drop)
    }

    /// Who is in a room, by its key tree.
    pub async fn members(&self, room: RoomId) -> Result<Vec<Member>, ClientError> {
        match self.ask(Command::Members { room }).await? {
            Answer::Members(members) => Ok(members),
            other => Err(unexpected(&other)),
        }
    }

    /// How a room is encrypted, and for whom: its keys as they are on this device, so it needs no connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] while this device is not in the room, [`ErrorKind::NotFound`] when it never was.
    pub async fn room_details(&self, room: RoomId) -> Result<RoomDetails, ClientError> {
        match self.ask(Command::Details { room }).await? {
            Answer::Details(details) => Ok(*details),
            other => Err(unexpected(&other)),
        }
    }

    /// A person has seen everything up to `sequence`.
    pub async fn mark_read(&self, room: RoomId, sequence: u64) -> Result<(), ClientError> {
        self.ask(Command::MarkRead { room, sequence }).await.map(drop)
    }

    /// A link that makes `uses` accounts within `valid`; it is a secret.
    pub async fn create_invite(
        &self,
        valid: Duration,
        uses: u32,
        room: Option<RoomName>,
    ) -> Result<String, ClientError> {
        match self.ask(Command::CreateInvite { valid, uses, room }).await? {
            Answer::Invite(link) => Ok(link),
            other => Err(unexpected(&other)),
        }
    }

    /// Everybody whose name is known, and what that rests on.
    pub async fn acquaintances(&self) -> Result<Vec<Acquaintance>, ClientError> {
        match self.ask(Command::Acquaintances).await? {
            Answer::Acquaintances(all) => Ok(all),
            other => Err(unexpected(&other)),
        }
    }

    /// What is known of `name`, and the number that both compare.
    pub async fn acquaintance(&self, name: UserName) -> Result<Acquaintance, ClientError> {
        match self.ask(Command::SafetyNumber { name }).await? {
            Answer::Acquaintance(one) => Ok(*one),
            other => Err(unexpected(&other)),
        }
    }

    /// Takes a key for that of `name` if `code` is the number of both.
    pub async fn compare_number(&self, name: UserName, code: String) -> Result<(), ClientError> {
        self.ask(Command::CompareNumber { name, code }).await.map(drop)
    }

    /// Begins to compare with `name` over a room, or takes part; [`Event::Comparison`] tells the rest.
    pub async fn compare(&self, room: RoomId, name: UserName) -> Result<(), ClientError> {
        self.ask(Command::Compare { room, name }).await.map(drop)
    }

    /// Whether the two codes were the same.
    pub async fn decide(&self, name: UserName, same: bool) -> Result<(), ClientError> {
        self.ask(Command::Decide { name, same }).await.map(drop)
    }

    /// Takes the newest key to which the server has given `name` for the right one.
    pub async fn accept_key(&self, name: UserName) -> Result<(), ClientError> {
        self.ask(Command::AcceptKey { name }).await.map(drop)
    }

    /// Any command, with its untyped answer.
    pub async fn ask(&self, command: Command) -> Result<Answer, ClientError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Command(command, answer)).await.map_err(|_| ClientError::stopped())?;
        answered.await.map_err(|_| ClientError::stopped())?
    }

    /// Has something done for which nobody waits; not done when the client has too much to do.
    pub(crate) fn tell(&self, command: Command) {
        let (answer, _) = oneshot::channel();
        // A client that has ended has nothing left to do.
        let _ = self.jobs.try_send(Job::Command(command, answer));
    }

    /// Tries to connect now instead of after the pause.
    pub async fn reconnect(&self) -> Result<(), ClientError> {
        self.jobs.send(Job::Reconnect).await.map_err(|_| ClientError::stopped())
    }

    /// The server is found here as long as this client runs, whatever the profile says: it is on this very machine.
    pub async fn reach_at(&self, address: SocketAddr) -> Result<(), ClientError> {
        self.jobs.send(Job::ReachAt(address)).await.map_err(|_| ClientError::stopped())
    }

    /// How the client stands to its server now.
    pub fn connection(&self) -> ConnectionState {
        self.connection.borrow().clone()
    }

    /// Waits until the client is logged in, or cannot be.
    pub async fn online(&self) -> Result<(), ClientError> {
        let mut connection = self.connection.clone();
        let settled =
            |state: &ConnectionState| matches!(state, ConnectionState::Online | ConnectionState::Ended(_));
        let state = connection.wait_for(settled).await.map_err(|_| ClientError::stopped())?;
        match &*state {
            ConnectionState::Ended(why) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// Waits until the present try to connect has an outcome.
    pub async fn tried(&self) -> ConnectionState {
        let mut connection = self.connection.clone();
        let tried = connection.wait_for(|state| *state != ConnectionState::Connecting).await;
        tried.map_or_else(|_| ConnectionState::Ended(ClientError::stopped()), |state| state.clone())
    }

    /// Events from now on.
    pub fn events(&self) -> Events {
        // A client that has stopped sends nothing: its listeners see the end at once.
        let sender = self.events.upgrade().unwrap_or_else(|| broadcast::Sender::new(1));
        Events(sender.subscribe())
    }

    /// Ends the client. When this returns, everything is on disk and the profile is free for another process.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.jobs.send(Job::Stop(done)).await.is_ok() {
            // An error says the same: the driver is gone.
            let _ = stopped.await;
        }
    }
}

// What is on disk, and needs no connection.
impl ClientHandle {
    /// Who this profile is.
    pub async fn profile(&self) -> Result<Profile, ClientError> {
        self.in_vault(|vault| vault.credentials().map(|credentials| profile_of(&credentials))).await
    }

    /// All rooms by name, those that were left as well.
    pub async fn rooms(&self) -> Result<Vec<RoomOverview>, ClientError> {
        self.in_vault(|vault| vault.rooms()).await
    }

    /// Messages that the server has yet to take, of people and of programs.
    pub async fn unsent(&self) -> Result<usize, ClientError> {
        self.in_vault(|vault| vault.unsent()).await
    }

    /// The room of this name; one that this device is in before one that it was in.
    pub async fn room(&self, name: &RoomName) -> Result<RoomOverview, ClientError> {
        let mut named: Vec<_> = self.rooms().await?.into_iter().filter(|room| room.name == *name).collect();
        named.sort_by_key(|room| room.membership != Membership::Member);
        named.into_iter().next().ok_or_else(|| {
            ClientError::new(ErrorKind::NotFound, format!("this profile is in no room #{name}"))
                .with_help("join it, or ask a member to add you")
        })
    }

    /// Lines of a room, the oldest first; lines of one record stay together, so that it may be a few more than `limit`.
    pub async fn history(&self, room: RoomId, span: Span, limit: u32) -> Result<Vec<Line>, ClientError> {
        self.in_vault(move |vault| vault.history(room, span, limit)).await
    }

    /// One step of a search through a room's history: the newest lines before the sequence `before`, some thousands of
    /// them at most, so that nobody else waits long for the vault. [`Searched::next`] says where to go on.
    pub async fn search(&self, room: RoomId, before: u64, sought: Sought) -> Result<Searched, ClientError> {
        self.in_vault(move |vault| vault.search(room, before, &sought)).await
    }

    /// The newest `limit` epochs of a room that this device was in, the oldest of them first; the newest thousand of
    /// each room are kept.
    pub async fn epochs(&self, room: RoomId, limit: u32) -> Result<Vec<EpochChanged>, ClientError> {
        self.in_vault(move |vault| vault.epochs(room, limit)).await
    }

    /// Keeps `value` under `key` in the vault, encrypted like all of it; `None` forgets what was kept. It returns when
    /// that is on disk, which costs a write: for when somebody pauses, not for every keystroke.
    pub async fn remember(&self, key: &str, value: Option<Vec<u8>>) -> Result<(), ClientError> {
        let change = Change::from_iter([Write::Setting(key.to_owned(), value)]);
        self.in_vault(move |vault| vault.apply(&change)).await
    }

    /// What was kept under `key` with [`Self::remember`].
    pub async fn recall(&self, key: &str) -> Result<Option<Vec<u8>>, ClientError> {
        let key = key.to_owned();
        self.in_vault(move |vault| vault.setting(&key)).await
    }

    /// Everything that was kept under keys that begin with `prefix`, by key.
    pub async fn recall_all(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, ClientError> {
        let prefix = prefix.to_owned();
        self.in_vault(move |vault| vault.settings(&prefix)).await
    }

    /// Seals `plain` under the room's present key: a line that members of this epoch open.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Alarm`] while a changed key stops what is said in the room.
    pub async fn seal(&self, room: RoomId, plain: Zeroizing<Vec<u8>>) -> Result<String, ClientError> {
        // What is sealed for a room is meant for its people, as what is said there.
        let stopped = self.rooms().await?.into_iter().find(|it| it.room == room && it.trust.is_stopped);
        if let Some(room) = stopped {
            let message = format!("somebody's key in #{} has changed: nothing is sealed for it", room.name);
            return Err(ClientError::new(ErrorKind::Alarm, message).with_help(
                "openchat chat, and there /trust: compare with /verify, or take it with /accept",
            ));
        }
        let key = self.room_key(room).await?;
        let sealed = FernetKey::from_bytes(key.key).seal(&plain, Timestamp::now());
        sealed.map_err(|error| ClientError::new(ErrorKind::Internal, error.to_string()))
    }

    /// Opens a sealed line if it is not older than `time_to_live`.
    pub async fn open_sealed(
        &self,
        room: RoomId,
        line: String,
        time_to_live: Option<Duration>,
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let unusable = |error: fernet::FernetError| {
            let kind =
                if error == fernet::FernetError::Token { ErrorKind::Invalid } else { ErrorKind::Usage };
            ClientError::new(kind, error.to_string())
        };
        let id = fernet::key_id(&line).map_err(unusable)?;
        let keys = self.in_vault(move |vault| vault.epoch_keys(room)).await?;
        let key = keys.into_iter().find(|key| key.id == id.0).ok_or_else(|| unknown_key(&id))?;
        FernetKey::from_bytes(key.key).open(&line, time_to_live, Timestamp::now()).map_err(unusable)
    }

    /// The room's present key for sealed lines. It opens all that is sealed until members come or go: a secret.
    pub async fn room_key(&self, room: RoomId) -> Result<EpochKey, ClientError> {
        let keys = self.in_vault(move |vault| vault.epoch_keys(room)).await?;
        keys.into_iter().next().ok_or_else(|| {
            ClientError::new(ErrorKind::NotFound, "this profile has no key of that room")
                .with_help("join the room first")
        })
    }

    pub(crate) async fn in_vault<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vault) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, ClientError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Vault(Box::new(move |vault| {
            // Whoever asked may have gone.
            let _ = answer.send(work(vault));
        }));
        self.jobs.send(job).await.map_err(|_| ClientError::stopped())?;
        Ok(answered.await.map_err(|_| ClientError::stopped())??)
    }
}

fn unknown_key(id: &fernet::KeyId) -> ClientError {
    ClientError::new(ErrorKind::NotFound, format!("this profile does not have the room key {id}"))
        .with_help("it was sealed in another room, or while this device was not in it")
}

pub(crate) fn unexpected(answer: &Answer) -> ClientError {
    ClientError::new(ErrorKind::Internal, format!("the client gave an answer of another kind: {answer:?}"))
}

/// What the client says by itself.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// The next event; nothing after the client has ended. Safe to cancel.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(lost)) => Some(Event::Lagged(lost)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// An event that has happened already, without waiting.
    pub fn waiting(&mut self) -> Option<Event> {
        match self.0.try_recv() {
            Ok(event) => Some(event),
            Err(broadcast::error::TryRecvError::Lagged(lost)) => Some(Event::Lagged(lost)),
            // The end is seen by whoever waits for the next one.
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => None,
        }
    }
}
