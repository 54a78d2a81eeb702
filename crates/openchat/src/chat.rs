//! `openchat chat`: the line client. A menu as in the beginning: create a room, join one by name, list them; then type.

mod console;
mod devices;
mod doing;
mod linking;
mod printer;
mod showing;
mod verify;

use std::collections::HashSet;
use std::time::Duration;

use clap::Args;
use openchat_client::{
    ClientError, ClientHandle, ConnectionState, ErrorKind, Event, Events, HistoryTransfer, Line, Membership,
    RoomOverview,
};
use openchat_protocol::{MessageId, RoomId, RoomName};
use openchat_tui::commands::{Command, CommandError};

use self::console::{Console, Input};
use self::linking::{Errand, next_word};
use crate::Context;
use crate::advice::Surface;
use crate::failure::{Failure, Kind};
use crate::{session, text};

/// Lines shown on entering a room even when nothing is new.
const CONTEXT_LINES: u32 = 10;
/// New lines shown at most on entering a room.
const NEW_LINES: u32 = 500;
/// How long a person waits for the server before the menu comes up without it.
const IMPATIENCE: Duration = Duration::from_secs(3);
/// How long what was said is waited for at the end.
const FAREWELL: Duration = Duration::from_secs(20);
/// How long an invite made here is good.
const INVITE_VALID: Duration = Duration::from_secs(24 * 60 * 60);

const MENU: &str = "What next?
  1 NAME   create a room      (create private NAME: not listed)
  2 NAME   join a room by its name
  3        list all rooms
  :q       quit";

#[derive(Args)]
#[command(
    after_help = "Example:\n  openchat chat lobby\n  printf 'join lobby\\nhello\\n' | openchat chat --password-file pw"
)]
pub(crate) struct Arguments {
    /// Go into this room at once
    room: Option<RoomName>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let (client, events) = session::open(context)?;
    talk(client, events, arguments.room).await
}

/// Chats until the person quits; then the client is stopped.
pub(crate) async fn talk(
    client: ClientHandle,
    events: Events,
    room: Option<RoomName>,
) -> Result<(), Failure> {
    talk_and_take(client, events, room, None).await
}

/// The same, while the history of another device comes.
pub(crate) async fn talk_and_take(
    client: ClientHandle,
    events: Events,
    room: Option<RoomName>,
    history: Option<HistoryTransfer>,
) -> Result<(), Failure> {
    let console = Console::open()?;
    let taking = history.map(|history| Errand::take_history(client.clone(), history));
    let mut chat = Chat {
        client,
        events,
        console,
        here: None,
        typed: HashSet::new(),
        waiting: HashSet::new(),
        noticed: HashSet::new(),
        is_offline: false,
        trouble: None,
        failed: None,
        asked: None,
        linking: None,
        taking,
    };
    let outcome = chat.run(room).await;
    chat.client.stop().await;
    outcome
}

struct Chat {
    client: ClientHandle,
    events: Events,
    console: Console,
    here: Option<Here>,
    /// Messages typed at this console: the editor still shows them.
    typed: HashSet<MessageId>,
    /// Those of them that are not in the log yet.
    waiting: HashSet<MessageId>,
    /// Rooms with news that the person was told of since the last visit.
    noticed: HashSet<RoomId>,
    /// The person was told that there is no connection.
    is_offline: bool,
    /// What the person was told last of what goes on in the background: it is tried again, and told once.
    trouble: Option<ClientError>,
    /// The first thing that could not be done.
    failed: Option<Failure>,
    /// What is done when the password is right.
    asked: Option<Guarded>,
    /// Another device that is being linked.
    linking: Option<Errand>,
    /// The history of another device that is coming.
    taking: Option<Errand>,
}

/// What needs the password.
enum Guarded {
    /// The device whose identifier begins so is put out.
    Revoke(String),
    /// Another device is linked.
    Link,
}

/// The room on the screen.
struct Here {
    room: RoomOverview,
    /// The newest line that was printed.
    shown: (u64, u32),
}

/// Whether to go on.
enum Next {
    Go,
    End,
}

impl Chat {
    async fn run(&mut self, room: Option<RoomName>) -> Result<(), Failure> {
        self.wait_for_server().await?;
        match room {
            // A script that cannot get where it wants to speak must not speak elsewhere.
            Some(room) if !self.console.shows_typing() => self.enter(&room, Surface::Script).await?,
            Some(room) => self.report(Command::Join(room)).await,
            None => self.show_menu().await,
        };
        self.prompt();
        loop {
            tokio::select! {
                input = self.console.next() => match self.take(input).await {
                    Next::Go => self.prompt(),
                    Next::End => break,
                },
                told = next_word(&mut self.linking) => self.show_linking(told),
                told = next_word(&mut self.taking) => self.show_taking(told).await,
                event = self.events.next() => match event {
                    Some(Event::Connection(ConnectionState::Ended(why))) => return Err(why.into()),
                    Some(event) => self.show(event).await,
                    None => return Ok(()),
                },
            }
        }
        if let Err(failure) = self.reach_server().await {
            self.print(&failure.to_string());
            self.failed = self.failed.take().or(Some(failure));
        }
        match self.failed.take() {
            // A person has seen it; a script goes by the exit code.
            Some(failure) if !self.console.shows_typing() => Err(failure),
            _ => Ok(()),
        }
    }

    /// A script needs the server; a person can read and write without it.
    async fn wait_for_server(&mut self) -> Result<(), Failure> {
        if !self.console.shows_typing() {
            return session::caught_up(&self.client, &mut self.events).await;
        }
        let caught_up = session::caught_up(&self.client, &mut self.events);
        // What takes longer than people wait goes on while they look at what is here.
        drop(tokio::time::timeout(IMPATIENCE, caught_up).await);
        match self.client.connection() {
            ConnectionState::Ended(why) => Err(why.into()),
            _ => {
                if let Some(why) = session::why_offline(&self.client) {
                    self.is_offline = true;
                    self.tell_offline(why.what());
                }
                Ok(())
            }
        }
    }

    fn tell_offline(&mut self, why: &str) {
        let why = text::harmless(why);
        let words = format_args!("-- offline: {why}; trying again, what you say is kept until then");
        self.print(&text::styled(text::QUIET, words));
    }

    /// What was done is on disk already; wait until the server has it too, for a script goes on from there.
    async fn reach_server(&mut self) -> Result<(), Failure> {
        self.settle().await.map_err(|why| {
            let what =
                format!("not all of it has reached the server: {}; it waits on this machine", why.what());
            Failure::new(why.kind(), what).help(why.advice_then("openchat chat again: it sends what waits"))
        })
    }

    /// Shows what happens until nothing of this console's is on its way; not for ever.
    async fn settle(&mut self) -> Result<(), Failure> {
        let settled = async {
            while !self.waiting.is_empty() || self.is_leaving().await {
                match session::next(&self.client, &mut self.events).await? {
                    Event::Trouble(why) if matches!(why.kind(), ErrorKind::Storage | ErrorKind::Alarm) => {
                        return Err(why.into());
                    }
                    event => self.show(event).await,
                }
            }
            Ok(())
        };
        let slow = |_| Err(Failure::new(Kind::Network, "the server takes too long"));
        tokio::time::timeout(FAREWELL, settled).await.unwrap_or_else(slow)
    }

    async fn is_leaving(&self) -> bool {
        let rooms = self.client.rooms().await.unwrap_or_default();
        rooms.iter().any(|room| room.membership == Membership::Leaving)
    }

    fn print(&mut self, text: &str) {
        self.console.print(text);
    }

    fn prompt(&self) {
        if self.asked.is_some() {
            return self.console.ask_secret("Your password: ");
        }
        let prompt = match &self.here {
            Some(here) => format!("{}> ", text::room(&here.room.name)),
            None => "> ".to_owned(),
        };
        self.console.prompt(&prompt);
    }

    async fn take(&mut self, input: Input) -> Next {
        let line = match input {
            Input::Line(line) => line,
            Input::Secret(typed) => {
                self.unlocked(typed.as_str()).await;
                return Next::Go;
            }
            Input::Interrupt if self.asked.take().is_some() => return Next::Go,
            Input::Interrupt => ":q".to_owned(),
            Input::End => return Next::End,
        };
        if self.is_offline {
            // Somebody is here: now is better than after the pause. A client that has ended says so by itself.
            drop(self.client.reconnect().await);
        }
        match Command::parse_line(&line, self.here.is_some()) {
            Ok(Command::Quit) => Next::End,
            Ok(Command::Close) if self.here.is_none() => Next::End,
            Ok(command) => {
                self.report(command).await;
                Next::Go
            }
            Err(error) => {
                self.print(&error.to_string());
                self.failed = self.failed.take().or(Some(error.into()));
                Next::Go
            }
        }
    }

    /// Does it; a failure is told and nothing is lost.
    async fn report(&mut self, command: Command) {
        if let Err(failure) = self.carry_out(command).await {
            self.print(&text::styled(text::WARNING, &failure));
            self.failed = self.failed.take().or(Some(failure));
        }
    }

    fn here(&self) -> Result<&Here, Failure> {
        self.here.as_ref().ok_or_else(|| CommandError::Nowhere.into())
    }

    async fn show_menu(&mut self) {
        if let Ok(mine) = self.client.rooms().await {
            for room in mine.iter().filter(|room| room.membership == Membership::Member) {
                let name = text::styled(text::NAME, text::room(&room.name));
                self.print(&format!("  you are in {name}, {} unread", room.unread));
            }
        }
        self.print(MENU);
    }

    async fn mark_read(&mut self) {
        if let Some(here) = &self.here {
            // The mark is a comfort: the next one makes up for one that failed.
            let _ = self.client.mark_read(here.room.room, here.shown.0).await;
        }
    }
}

/// Where a line stands; what waits stands nowhere.
fn place(line: &Line) -> (u64, u32) {
    (line.sequence.unwrap_or(0), line.part)
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self::new(Kind::Usage, error)
    }
}
