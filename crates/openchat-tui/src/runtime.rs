//! The loop: terminal, client and clock in; effects and pictures out. Nothing in it waits for network or disk.

mod asking;
mod entering;
mod linking;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, EventStream, KeyCode, KeyEvent, KeyModifiers};
use futures_util::StreamExt;
use futures_util::future::AbortHandle;
use futures_util::stream::FuturesUnordered;
use openchat_client::{ClientError, ClientHandle, Command, ErrorKind, Events, HistoryTransfer, InviteLink};
use openchat_protocol::{RoomName, ServerFingerprint, Timestamp};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::asking::Asked;
use self::entering::Message;
use crate::app::App;
use crate::app::entrance::Entrance;
use crate::app::tasks::TaskId;
use crate::clipboard;
use crate::editor;
use crate::effect::{Effect, Incoming};
use crate::notify;
use crate::opening::opened;
use crate::passage::Passage;
use crate::settings::Settings;
use crate::terminal::Screen;
use crate::theme::Theme;
use crate::view;

/// How long the client may take over what was asked last, at the end.
const FAREWELL: Duration = Duration::from_secs(2);
/// Between two pictures at least.
const FRAME: Duration = Duration::from_millis(16);
/// Between a picture and one that shows a key. Nobody types so fast that pictures would follow each other at this pace.
const KEY_FRAME: Duration = Duration::from_millis(4);
/// Drafts go to disk, notices go away.
const TICK: Duration = Duration::from_secs(1);
/// What happened and was not looked at yet.
const QUEUE: usize = 256;
/// Events of the client that are taken before the next picture.
const AT_ONCE: usize = 256;

/// How somebody comes in.
pub enum Door {
    /// The profile is there: its password is asked for.
    Unlock,
    /// The profile was opened already.
    Opened(ClientHandle, Events),
    /// The profile is that of a device that was just linked.
    Linked(ClientHandle, Events, HistoryTransfer),
    /// Nothing is here yet.
    FirstRun,
    /// Somebody with the link of an invite, or of another device.
    Invited(String),
    /// Somebody who hosts.
    Hosting,
}

/// Starts a server in this process when somebody hosts.
pub trait Host: Send {
    /// Starts it for the first time, or goes on with the one that runs.
    fn start(&mut self) -> Pin<Box<dyn Future<Output = Result<Hosted, ClientError>> + Send + '_>>;

    /// Starts it again for somebody who hosts `server`. Nothing when the one that is here is another, or is run by another
    /// process.
    fn resume(
        &mut self,
        server: ServerFingerprint,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Resumed>, ClientError>> + Send + '_>>;

    /// What whoever stops this process is to know; nothing when no server stops with it.
    fn last_word(&self) -> Option<&'static str>;
}

/// A server that runs again.
#[derive(Debug)]
pub struct Resumed {
    /// Where this process reaches it.
    pub at: SocketAddr,
    /// What is to be known of it, for people.
    pub told: Vec<String>,
}

/// A server that was started.
#[derive(Debug)]
pub struct Hosted {
    /// For the first account; none when there are accounts already.
    pub invite: Option<InviteLink>,
    /// What was made, for people.
    pub made: Vec<String>,
}

/// What the screen needs.
pub struct Setup {
    /// The profile's folder.
    pub folder: PathBuf,
    /// The profile's name.
    pub profile: String,
    /// How somebody comes in.
    pub door: Door,
    /// Who can start a server.
    pub host: Box<dyn Host>,
    /// The room to open first.
    pub room: Option<RoomName>,
    /// Theme, keys, notifications.
    pub settings: Settings,
}

/// Why the screen ended other than by its user's wish.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// The terminal cannot be used.
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] io::Error),
}

/// Shows the screen until its user leaves.
pub async fn run(setup: Setup) -> Result<(), ScreenError> {
    let suited = Theme::suited(
        std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
        std::env::var("COLORTERM").ok().as_deref(),
        std::env::var("TERM").ok().as_deref(),
    );
    let profile = setup.profile.as_str();
    let entrance = match &setup.door {
        Door::Unlock => Entrance::unlock(profile),
        Door::Opened(..) | Door::Linked(..) => Entrance::opening(profile),
        Door::FirstRun => Entrance::newcomer(profile),
        Door::Invited(link) => Entrance::invited(profile, link),
        Door::Hosting => Entrance::hosting(profile),
    };
    let app = App::new(entrance, setup.settings.clone(), suited);
    let screen = Screen::take(setup.settings.mouse)?;
    let (sender, incoming) = mpsc::channel(QUEUE);
    let mut runtime = Runtime {
        app,
        screen,
        keys: Some(EventStream::new()),
        client: None,
        sender,
        asked: FuturesUnordered::new(),
        tasks: HashMap::new(),
        folder: setup.folder,
        room: setup.room,
        host: Some(setup.host),
        history: None,
        drawn: Instant::now() - FRAME,
        is_old: true,
        is_awaited: false,
    };
    match setup.door {
        Door::Opened(handle, events) => runtime.come_in(async { Ok((handle, events)) }),
        Door::Linked(handle, events, history) => {
            runtime.history = Some(history);
            runtime.come_in(async { Ok((handle, events)) });
        }
        _ => {}
    }
    let outcome = runtime.run(incoming).await;
    runtime.keep_draft().await;
    let client = runtime.client.take();
    // The terminal first: whoever quits does not watch the client end.
    drop(runtime);
    if let Some((client, _)) = client {
        client.stop().await;
    }
    outcome
}

struct Runtime {
    app: App,
    screen: Screen,
    /// Absent while somebody else reads the terminal.
    keys: Option<EventStream>,
    client: Option<(ClientHandle, Events)>,
    sender: mpsc::Sender<Message>,
    /// What the client was asked and has not answered. They are polled first in the order in which they were asked, so
    /// that two messages, or two drafts, never change places on their way to the client.
    asked: FuturesUnordered<Asked>,
    /// How each task that was asked is given up.
    tasks: HashMap<TaskId, AbortHandle>,
    folder: PathBuf,
    room: Option<RoomName>,
    host: Option<Box<dyn Host>>,
    /// What a device that was just linked is to take.
    history: Option<HistoryTransfer>,
    drawn: Instant,
    /// The picture is older than the model.
    is_old: bool,
    /// Somebody waits for the next picture: it shows what a key did.
    is_awaited: bool,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    End,
}

impl Runtime {
    async fn run(&mut self, mut messages: mpsc::Receiver<Message>) -> Result<(), ScreenError> {
        let mut ends = [signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
        let mut stops = signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?;
        let mut continues = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
        let mut tick = tokio::time::interval(TICK);
        loop {
            let pause = if self.is_awaited { KEY_FRAME } else { FRAME };
            let picture = self.is_old.then_some(self.drawn + pause);
            let next = tokio::select! {
                biased;
                () = any(&mut ends) => Next::End,
                _ = stops.recv() => {
                    self.suspend()?;
                    Next::Go
                }
                _ = continues.recv() => {
                    self.come_back()?;
                    Next::Go
                }
                event = next_key(&mut self.keys) => match event {
                    Some(Ok(event)) => {
                        if is_reason_to_draw_anew(&event) {
                            self.screen.draw_anew();
                        }
                        self.handle(Incoming::Terminal(event))?
                    }
                    // The terminal is gone.
                    Some(Err(_)) | None => Next::End,
                },
                Some(answer) = self.asked.next() => match answer {
                    Some(incoming) => self.handle(incoming)?,
                    None => Next::Go,
                },
                () = at(picture), if picture.is_some() => self.draw()?,
                Some(message) = messages.recv() => self.take(message).await?,
                _ = tick.tick() => {
                    if self.screen.is_away() {
                        // A shell that brings a running job to the front says nothing to it.
                        self.come_back()?;
                    }
                    self.handle(Incoming::Tick)?
                }
                event = next_event(&mut self.client) => self.take_events(event)?,
            };
            if next == Next::End {
                return Ok(());
            }
        }
    }

    fn draw(&mut self) -> Result<Next, ScreenError> {
        let app = &mut self.app;
        self.screen.draw(|frame| view::draw(app, frame))?;
        self.drawn = Instant::now();
        (self.is_old, self.is_awaited) = (false, false);
        let effects = self.app.after_draw();
        self.carry_out(effects)
    }

    fn handle(&mut self, incoming: Incoming) -> Result<Next, ScreenError> {
        self.is_awaited |= matches!(incoming, Incoming::Terminal(TerminalEvent::Key(_)));
        let effects = self.app.handle(incoming, Timestamp::now());
        self.is_old = true;
        self.carry_out(effects)
    }

    /// One event and those that wait behind it: a flood costs one picture, not one for each.
    fn take_events(&mut self, first: Option<openchat_client::Event>) -> Result<Next, ScreenError> {
        let Some(first) = first else {
            self.client = None;
            let why = ClientError::new(ErrorKind::Internal, "the client has ended by itself")
                .with_help("start again");
            return self.handle(Incoming::NotOpened(why));
        };
        let mut next = self.handle(Incoming::Client(first))?;
        for _ in 0..AT_ONCE {
            let waiting = self.client.as_mut().and_then(|(_, events)| events.waiting());
            let Some(event) = waiting.filter(|_| next == Next::Go) else { break };
            next = self.handle(Incoming::Client(event))?;
        }
        Ok(next)
    }

    async fn take(&mut self, message: Message) -> Result<Next, ScreenError> {
        match message {
            Message::Fresh(fresh) => {
                self.host = fresh.host.or(self.host.take());
                self.room = fresh.room.or(self.room.take());
                self.history = fresh.history.or(self.history.take());
                self.adopt(fresh.handle, fresh.events, fresh.made).await;
                Ok(Next::Go)
            }
            Message::NotOpened(error, host) => {
                self.host = host.or(self.host.take());
                self.handle(Incoming::NotOpened(error))
            }
            Message::Linking(task, told) => self.handle(Incoming::Linking(task, told)),
        }
    }

    /// The profile is open: what is on disk is shown at once.
    async fn adopt(&mut self, handle: ClientHandle, events: Events, made: Vec<String>) {
        match opened(&handle, self.room.take(), made, self.history.is_some()).await {
            Ok(opened) => {
                let state = handle.connection();
                self.client = Some((handle, events));
                for incoming in [
                    Incoming::Opened(Box::new(opened)),
                    Incoming::Client(openchat_client::Event::Connection(state)),
                ] {
                    let effects = self.app.handle(incoming, Timestamp::now());
                    // Opening asks for lines, never for the end.
                    let _ = self.carry_out(effects);
                }
            }
            Err(error) => drop(self.app.handle(Incoming::NotOpened(error), Timestamp::now())),
        }
        self.is_old = true;
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<Next, ScreenError> {
        for effect in effects {
            match effect {
                Effect::Quit => return Ok(Next::End),
                Effect::Suspend => self.suspend()?,
                Effect::Edit(text) => self.edit(&text)?,
                Effect::Copy(text) => self.copy(&text)?,
                Effect::Notify { title, body } => self.notify(&title, &body)?,
                Effect::Unlock(password) => self.unlock(password),
                Effect::Enrol(newcomer, link) => self.enrol(newcomer, *link),
                Effect::BecomeDevice(password, link) => self.become_device(password, *link),
                Effect::Host(newcomer) => self.start_host(newcomer),
                Effect::Link(task, password) => self.link(task, password),
                Effect::TakeHistory(task) => self.take_history(task),
                Effect::GiveUp(task) => {
                    if let Some(task) = self.tasks.remove(&task) {
                        task.abort();
                    }
                }
                effect => self.ask(effect),
            }
        }
        Ok(Next::Go)
    }

    fn suspend(&mut self) -> Result<(), ScreenError> {
        self.keys = None;
        self.screen.stop(self.host.as_ref().and_then(|host| host.last_word()))?;
        self.listen_to_keys();
        Ok(())
    }

    /// Continued by somebody else than the shell in front, too.
    fn come_back(&mut self) -> Result<(), ScreenError> {
        self.keys = None;
        self.screen.come_back()?;
        self.listen_to_keys();
        Ok(())
    }

    fn listen_to_keys(&mut self) {
        self.keys = (!self.screen.is_away()).then(EventStream::new);
        self.is_old = true;
    }

    fn edit(&mut self, text: &str) -> Result<(), ScreenError> {
        self.keys = None;
        let folder = self.folder.clone();
        let outcome = self.screen.lend(|| editor::edit(&folder, text))?;
        self.keys = Some(EventStream::new());
        self.handle(Incoming::Edited(outcome.map_err(|why| why.to_string()))).map(drop)
    }

    fn copy(&mut self, text: &str) -> Result<(), ScreenError> {
        match clipboard::osc52(text, Passage::of_environment()) {
            Ok(sequence) => Ok(self.screen.send(&sequence)?),
            Err(why) => {
                let error = ClientError::new(ErrorKind::Usage, why.to_string());
                self.handle(Incoming::Found(Err(error))).map(drop)
            }
        }
    }

    fn notify(&mut self, title: &str, body: &str) -> Result<(), ScreenError> {
        let passage = Passage::of_environment();
        let text = if body.is_empty() { title } else { body };
        // Terminals know one or the other and skip what they do not know; the bell reaches through everything.
        let sequences =
            [notify::osc777(title, body, passage), notify::osc9(text, passage), "\u{7}".to_owned()];
        self.screen.send(&sequences.concat())?;
        notify::desktop(title, body);
        Ok(())
    }

    /// The last words before the end: what was sent is in the outbox; what is being written stays, and what was read is.
    async fn keep_draft(&mut self) {
        for effect in self.app.handle(Incoming::Tick, Timestamp::now()) {
            if let Effect::Remember(..) | Effect::Ask(Command::MarkRead { .. }, _) = effect {
                self.ask(effect);
            }
        }
        let settled = async { while self.asked.next().await.is_some() {} };
        // A client that needs the server for its answer is not waited for.
        drop(tokio::time::timeout(FAREWELL, settled).await);
    }
}

/// A window of another size; and Ctrl-L, by which people ask for it, whatever else it means.
fn is_reason_to_draw_anew(event: &TerminalEvent) -> bool {
    match event {
        TerminalEvent::Resize(..) => true,
        TerminalEvent::Key(key) => *key == KeyEvent::new(KeyCode::Char('l'), KeyModifiers::CONTROL),
        _ => false,
    }
}

async fn any(signals: &mut [Signal; 2]) {
    let [one, other] = signals;
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn next_key(keys: &mut Option<EventStream>) -> Option<io::Result<crossterm::event::Event>> {
    match keys {
        Some(keys) => keys.next().await,
        None => std::future::pending().await,
    }
}

async fn next_event(client: &mut Option<(ClientHandle, Events)>) -> Option<openchat_client::Event> {
    match client {
        Some((_, events)) => events.next().await,
        None => std::future::pending().await,
    }
}
