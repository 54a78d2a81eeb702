//! One connection from its handshake to its end: one task, one `select!`.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use openchat_protocol::frame::FrameError;
use openchat_protocol::limits::{FRAME, FRAME_BEFORE_LOGIN, REQUESTS_IN_FLIGHT, ROOMS_PER_USER};
use openchat_protocol::message::peek_id;
use openchat_protocol::room::Follow;
use openchat_protocol::{
    ClientFrame, DeviceId, Event, Refusal, RefusalCode, Request, Response, RoomId, ServerFrame, account,
    codec,
};
use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio::select;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, error};

use crate::budget::Share;
use crate::connection::{Connection, Io};
use crate::live::Presence;
use crate::rates::Network;
use crate::reading::Reading;
use crate::requests::login::{Nonce, Peer};
use crate::requests::{self, Answer, Asker, follow, hello, login, login_first};
use crate::state::State;

mod delivery;

use delivery::Loaded;

/// Requests a connection may make before its login.
const REQUESTS_BEFORE_LOGIN: u32 = 16;
/// Answers a client may leave lying before its requests are no longer read.
const BACKLOG: usize = 256 << 10;
/// Rooms one session may follow: those it is in, and as many that it was in.
const FOLLOWED: usize = 2 * ROOMS_PER_USER;

/// A large answer has to be taken in so many times the time in which some of it has to be.
const LARGE_ANSWER: u32 = 4;
/// Time for the last bytes of a session that the server ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why a session ends.
enum End {
    /// The peer is gone, or as good as gone.
    Gone,
    /// The peer is told why.
    Goodbye(Refusal),
}

/// What comes before the next request.
enum Turn {
    End(End),
    LogIn(u64, account::Login),
    Follow(u64, Follow),
}

/// A request whose answer may be large.
struct Large {
    id: u64,
    request: Request,
    size: usize,
}

/// Something that was waited for.
enum Done {
    Answer { id: u64, size: usize, answer: Answer },
    Nothing,
}

/// A session. What others want of it comes through the bell of its presence.
pub(crate) struct Session<S> {
    state: Arc<State>,
    connection: Connection<S>,
    peer: Peer,
    network: Network,
    presence: Presence,
    login_until: Instant,
    greeted: bool,
    nonce: Option<Nonce>,
    device: Option<DeviceId>,
    requests_before_login: u32,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    requests: usize,
    request_bytes: usize,
    readings: HashMap<RoomId, Reading>,
    /// Rooms to look after, each once.
    ready: VecDeque<RoomId>,
    /// Requests whose answers may be large; each waits until the one before is on its way.
    large: VecDeque<Large>,
    /// Where this session stands in line for the memory of a large answer. Its rooms go on meanwhile.
    standing: Option<BoxFuture<'static, Share>>,
    /// Memory for the next large answer.
    granted: Option<Share>,
    /// The memory of the large answer that is on its way.
    share: Option<Share>,
    welcome_due: bool,
    /// The store has said that there is one.
    welcome_waits: bool,
    welcome_cursor: u64,
    /// The client was told that nothing more waits for it.
    welcomes_sent: bool,
    /// What is read for the session itself. Nobody else is concerned: it ends with the session.
    loading: Option<BoxFuture<'static, Loaded>>,
}

impl<S: AsyncBufRead + AsyncWrite + Unpin> Session<S> {
    pub(crate) fn new(
        state: Arc<State>,
        stream: S,
        peer: Peer,
        network: Network,
        presence: Presence,
        login_until: Instant,
    ) -> Self {
        Self {
            state,
            connection: Connection::new(stream),
            peer,
            network,
            presence,
            login_until,
            greeted: false,
            nonce: None,
            device: None,
            requests_before_login: 0,
            work: FuturesUnordered::new(),
            requests: 0,
            request_bytes: 0,
            readings: HashMap::new(),
            ready: VecDeque::new(),
            large: VecDeque::new(),
            standing: None,
            granted: None,
            share: None,
            welcome_due: false,
            welcome_waits: false,
            welcome_cursor: 0,
            welcomes_sent: false,
            loading: None,
        }
    }

    /// Serves the peer until either side ends it. In a box, for a future holds what it was given twice.
    pub(crate) async fn run(mut self: Box<Self>) {
        let end = self.serve().await;
        Box::pin(self.finish(end)).await;
    }

    /// What is done and what is rung for is gathered first, what is written comes last: so each round writes once.
    async fn serve(&mut self) -> End {
        let mut timer = pin!(sleep_until(self.next_check()));
        loop {
            match self.read_requests() {
                None => self.deliver(),
                Some(Turn::End(end)) => return end,
                // Boxed, as all that is rare, so that an idle session is small.
                Some(Turn::LogIn(id, request)) => {
                    Box::pin(self.log_in(id, &request)).await;
                    continue;
                }
                Some(Turn::Follow(id, request)) => {
                    Box::pin(self.follow(id, &request)).await;
                    continue;
                }
            }
            let may_read = self.may_read();
            select! {
                biased;
                Some(done) = self.work.next(), if !self.work.is_empty() => self.handle_done(done),
                loaded = delivery::ready(&mut self.loading) => self.handle_loaded(loaded),
                share = delivery::ready(&mut self.standing) => self.handle_granted(share),
                () = self.presence.bell().rung() => {
                    if let Some(end) = self.handle_rings() {
                        return end;
                    }
                }
                () = &mut timer => {
                    if let Some(end) = self.handle_timer() {
                        return end;
                    }
                    timer.as_mut().reset(self.next_check());
                }
                io = self.connection.next(may_read) => match io {
                    Ok(Io::Read | Io::Drained) => {}
                    Ok(Io::Closed) => return End::Gone,
                    Err(error) => {
                        debug!(%error, "a connection broke");
                        return End::Gone;
                    }
                },
            }
        }
    }

    /// Whether another request can be taken on.
    fn may_read(&self) -> bool {
        // A stranger's answers take the memory of one at a time.
        self.requests < if self.device.is_some() { REQUESTS_IN_FLIGHT } else { 1 }
            && self.request_bytes < self.frame_limit()
            && self.connection.backlog() < BACKLOG
    }

    fn frame_limit(&self) -> usize {
        if self.device.is_some() { FRAME } else { FRAME_BEFORE_LOGIN }
    }

    /// Takes on what has arrived, up to something that has to be waited for before the next request is looked at.
    fn read_requests(&mut self) -> Option<Turn> {
        while self.may_read() {
            let frame = match self.connection.take(self.frame_limit()) {
                Ok(frame) => frame?,
                Err(error) => return Some(Turn::End(End::Goodbye(frame_refusal(error)))),
            };
            let turn = self.handle_frame(&frame);
            if turn.is_some() {
                return turn;
            }
        }
        None
    }

    fn handle_frame(&mut self, frame: &[u8]) -> Option<Turn> {
        let goodbye = |code, detail| Some(Turn::End(End::Goodbye(Refusal::new(code, detail))));
        let Ok(id) = peek_id(frame) else {
            return goodbye(RefusalCode::Malformed, "these bytes are no frame of this protocol");
        };
        let admitted = self.admitted(frame);
        // Whoever audits the log asks often, and is held to a rate of its own.
        if self.device.is_none() && !matches!(admitted, Ok(Request::FollowLog(_))) {
            self.requests_before_login += 1;
            if self.requests_before_login > REQUESTS_BEFORE_LOGIN {
                return goodbye(RefusalCode::RateLimited, "too many requests without a login");
            }
        }
        match admitted {
            Ok(request) => self.handle_request(id, request, frame.len()),
            Err(refusal) => {
                self.answer(id, Err(refusal));
                None
            }
        }
    }

    /// The request in `frame`, if it is not too early or too much.
    fn admitted(&self, frame: &[u8]) -> Result<Request, Refusal> {
        if let Some(device) = self.device {
            self.state.rates.requests.check(&device.uid)?;
            self.state.rates.bytes.check_many(&device.uid, frame.len())?;
        }
        let ClientFrame { request, .. } = codec::decode(frame).map_err(|_| undecodable(frame))?;
        if self.greeted || matches!(request, Request::Hello(_)) {
            return Ok(request);
        }
        Err(Refusal::new(RefusalCode::NotLoggedIn, "the first request on a connection is Hello"))
    }

    fn handle_request(&mut self, id: u64, request: Request, size: usize) -> Option<Turn> {
        match request {
            Request::Login(request) => return Some(Turn::LogIn(id, request)),
            Request::Follow(request) => return Some(Turn::Follow(id, request)),
            Request::Hello(request) => {
                let answer = self.greet(&request);
                self.answer(id, answer);
            }
            Request::Unfollow(room) => {
                let answer = self.unfollow(room);
                self.answer(id, answer);
            }
            Request::Ping => self.answer(id, Ok(Response::Done)),
            request => self.begin(id, request, size),
        }
        None
    }

    fn begin(&mut self, id: u64, request: Request, size: usize) {
        self.requests += 1;
        self.request_bytes += size;
        if self.device.is_some() && requests::may_be_answered_at_length(&request) {
            self.large.push_back(Large { id, request, size });
            return;
        }
        let asker = Asker { network: self.network, device: self.device };
        let answer = requests::carry_out(Arc::clone(&self.state), asker, request);
        self.work.push(Box::pin(async move { Done::Answer { id, size, answer: answer.await } }));
    }

    fn handle_done(&mut self, done: Done) {
        match done {
            Done::Answer { id, size, answer } => {
                self.settle(id, size, answer);
            }
            Done::Nothing => {}
        }
    }

    /// Answers a request that had begun.
    fn settle(&mut self, id: u64, size: usize, answer: Answer) {
        self.requests -= 1;
        self.request_bytes -= size;
        self.answer(id, answer);
    }

    fn answer(&mut self, id: u64, answer: Answer) {
        let frame = match answer {
            Ok(response) => ServerFrame::Answer { id, response },
            Err(refusal) => ServerFrame::Refused { id, refusal },
        };
        if let Err(error) = self.connection.put(&frame) {
            error!(%error, "an answer is too long to be sent");
            let refusal = ServerFrame::Refused { id, refusal: requests::internal() };
            // A frame of a few bytes is under every limit.
            _ = self.connection.put(&refusal);
        }
    }

    fn greet(&mut self, request: &account::Hello) -> Answer {
        let (greeting, nonce) = hello::handle(&self.state, request)?;
        self.greeted = true;
        self.nonce = Some(nonce);
        Ok(Response::Greeting(greeting))
    }

    async fn log_in(&mut self, id: u64, request: &account::Login) {
        let answer = self.logged_in(request).await;
        self.answer(id, answer);
    }

    async fn logged_in(&mut self, request: &account::Login) -> Answer {
        if self.device.is_some() {
            return Err(Refusal::new(RefusalCode::NotLoggedIn, "this connection is logged in already"));
        }
        let nonce = self.nonce.take().ok_or_else(|| {
            Refusal::new(RefusalCode::LoginFailed, "each login needs a nonce of its own: say Hello again")
        })?;
        let handled = login::handle(&self.state, &self.peer, nonce, &mut self.presence, request).await;
        let (device, logged_in) =
            handled.inspect_err(|refusal| debug!(code = ?refusal.code, "login refused"))?;
        self.device = Some(device);
        self.peer.member = None;
        self.welcome_due = true;
        self.note_presence();
        Ok(Response::LoggedIn(logged_in))
    }

    async fn follow(&mut self, id: u64, request: &Follow) {
        let answer = self.following(request).await;
        self.answer(id, answer);
    }

    async fn following(&mut self, request: &Follow) -> Answer {
        let device = self.device.ok_or_else(login_first)?;
        if self.readings.len() >= FOLLOWED && !self.readings.contains_key(&request.room) {
            return Err(Refusal::new(
                RefusalCode::Quota,
                format!("at most {FOLLOWED} rooms can be followed at once"),
            ));
        }
        let reading = follow::handle(&self.state, device, self.presence.bell(), request).await?;
        self.readings.insert(request.room, reading);
        self.queue(request.room);
        Ok(Response::Done)
    }

    fn unfollow(&mut self, room: RoomId) -> Answer {
        self.device.ok_or_else(login_first)?;
        self.readings.remove(&room);
        Ok(Response::Done)
    }

    fn handle_rings(&mut self) -> Option<End> {
        let rings = self.presence.bell().take();
        rings.rooms.into_iter().for_each(|room| self.queue(room));
        self.welcome_due |= rings.welcome;
        rings.groups_wanted.into_iter().for_each(|room| self.ask_for_group(room));
        rings.end.map(End::Goodbye)
    }

    fn handle_timer(&self) -> Option<End> {
        let limits = &self.state.limits;
        if self.device.is_none() && Instant::now() >= self.login_until {
            let detail = format!("no login within {} s", limits.login_seconds);
            return Some(End::Goodbye(Refusal::new(RefusalCode::NotLoggedIn, detail)));
        }
        let (idle, stalled) = (self.connection.idle(), self.connection.stalled());
        let shares = [&self.share, &self.granted].into_iter().flatten();
        let held = shares.map(|share| share.since().elapsed()).max().unwrap_or_default();
        if idle < limits.idle() && stalled < limits.write() && held < limits.write() * LARGE_ANSWER {
            return None;
        }
        debug!(?idle, ?stalled, ?held, "a peer is taken for dead, or for too slow");
        Some(End::Gone)
    }

    fn next_check(&self) -> Instant {
        let limits = &self.state.limits;
        let pause = limits.idle().min(limits.write()) / 2;
        let next = Instant::now() + pause.max(Duration::from_millis(100));
        if self.device.is_some() { next } else { next.min(self.login_until) }
    }

    /// What is under way is always carried through, for what the store does others have to be told.
    async fn finish(mut self: Box<Self>, end: End) {
        self.readings.clear();
        (self.loading, self.standing, self.granted, self.share) = (None, None, None, None);
        if let End::Goodbye(reason) = end {
            debug!(code = ?reason.code, "session ended by the server");
            if reason.code == Some(RefusalCode::Stopping) {
                while let Some(done) = self.work.next().await {
                    self.handle_done(done);
                }
            }
            _ = self.connection.put(&ServerFrame::Event(Event::Goodbye(reason)));
            // A peer that does not take its goodbye loses it.
            _ = timeout(FAREWELL, self.connection.close()).await;
        } else {
            drop(self.connection);
        }
        while self.work.next().await.is_some() {}
        if let Some(device) = self.device {
            delivery::note_presence(&self.state, device).await;
        }
    }
}

fn frame_refusal(error: FrameError) -> Refusal {
    let code = match error {
        FrameError::TooLong { .. } => RefusalCode::TooLarge,
        FrameError::Empty => RefusalCode::Malformed,
    };
    Refusal::new(code, error.to_string())
}

/// Whether the request is of a later version of the protocol, or of none.
fn undecodable(frame: &[u8]) -> Refusal {
    match minicbor::decode::<ClientFrame>(frame) {
        Err(error) if error.is_unknown_variant() => Refusal::new(
            RefusalCode::Unsupported,
            "this server does not know this request: it may be too old for it",
        ),
        Err(error) => Refusal::new(RefusalCode::Malformed, format!("malformed request: {error}")),
        Ok(_) => Refusal::new(RefusalCode::Malformed, "bytes follow the request"),
    }
}
