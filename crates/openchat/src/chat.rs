//! `openchat chat`: the line client. A menu as in the beginning: create a room, join one by name, list them; then type.

mod command;
mod console;

use std::collections::HashSet;
use std::time::Duration;

use clap::Args;
use openchat_client::{
    Access, ClientError, ClientHandle, ConnectionState, Delivery, Entry, ErrorKind, Event, Events, Line,
    Membership, RoomOverview, RoomSuite, Span,
};
use openchat_protocol::{MessageId, RoomId, RoomName};

use self::command::{Command, CommandError};
use self::console::{Console, Input};
use crate::Context;
use crate::advice::Surface;
use crate::failure::{Failure, Kind};
use crate::{invite, rooms, session, text};

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

const HELP: &str = "\
In a room, type to speak. //text says /text.
  /who            who is here            /invite          a link for a new friend
  /add NAME       bring someone in       /remove NAME     put someone out
  /join NAME      another room           /create NAME     a new room
  /list           all rooms              /leave           leave this room for good
  :q              back to the menu; there: quit";

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
    let console = Console::open()?;
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
                    Event::Trouble(why) if why.kind() == ErrorKind::Storage => return Err(why.into()),
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
        let prompt = match &self.here {
            Some(here) => format!("{}> ", text::room(&here.room.name)),
            None => "> ".to_owned(),
        };
        self.console.prompt(&prompt);
    }

    async fn take(&mut self, input: Input) -> Next {
        let line = match input {
            Input::Line(line) => line,
            Input::Interrupt => ":q".to_owned(),
            Input::End => return Next::End,
        };
        if self.is_offline {
            // Somebody is here: now is better than after the pause. A client that has ended says so by itself.
            drop(self.client.reconnect().await);
        }
        match Command::parse(&line, self.here.is_some()) {
            Ok(Command::Quit) if self.here.is_none() => Next::End,
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

    async fn carry_out(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Nothing => {}
            Command::Help => self.print(if self.here.is_some() { HELP } else { MENU }),
            Command::List => self.list().await?,
            Command::Create { name, private } => self.create(name, private).await?,
            Command::Join(name) => self.enter(&name, Surface::Chat).await?,
            Command::Quit => self.close().await,
            Command::Say(words) => self.say(words).await?,
            Command::Leave => self.leave().await?,
            Command::Who => self.who().await?,
            Command::Add(name) => self.client.add_member(self.here()?.room.room, name).await?,
            Command::Remove(name) => self.client.remove_member(self.here()?.room.room, name).await?,
            Command::Invite => self.invite().await?,
        }
        Ok(())
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

    async fn list(&mut self) -> Result<(), Failure> {
        let (rooms, list) = rooms::all(&self.client).await?;
        for room in &rooms {
            self.print(&room.as_line());
        }
        if let Err(why) = list {
            return Err(Failure::from(why).but("these are your rooms; the server's list is missing"));
        }
        if rooms.is_empty() {
            self.print("There is no room yet. Create one.");
        }
        Ok(())
    }

    async fn create(&mut self, name: RoomName, private: bool) -> Result<(), Failure> {
        let access = if private { Access::Private } else { Access::Listed };
        self.client.create_room(name.clone(), access, RoomSuite::default()).await?;
        self.enter(&name, Surface::Chat).await
    }

    /// Shows a room: what came since the last visit, with a little of what was before.
    async fn enter(&mut self, name: &RoomName, surface: Surface) -> Result<(), Failure> {
        let room = session::room(&self.client, name, surface).await?;
        let new = u32::try_from(room.unread).unwrap_or(u32::MAX).min(NEW_LINES);
        let lines = self.client.history(room.room, Span::Newest, new.saturating_add(CONTEXT_LINES)).await?;
        self.print(&text::styled(
            text::TITLE,
            format_args!("{} (:q goes back, /help helps)", text::room(name)),
        ));
        let mut here = Here { shown: (0, 0), room };
        let mut marked = here.room.unread == 0;
        for line in &lines {
            if !marked && line.sequence.is_some_and(|sequence| sequence > here.room.read) {
                self.print(&text::styled(text::QUIET, "-- new since you were here --"));
                marked = true;
            }
            self.print(&text::line(line));
            here.shown = here.shown.max(place(line));
        }
        self.noticed.remove(&here.room.room);
        self.here = Some(here);
        self.mark_read().await;
        Ok(())
    }

    async fn close(&mut self) {
        if let Some(here) = self.here.take() {
            let name = text::room(&here.room.name);
            self.print(&format!("You are still a member of {name}; /leave inside it leaves it for good."));
        }
        self.show_menu().await;
    }

    async fn say(&mut self, words: String) -> Result<(), Failure> {
        let message = self.client.send(self.here()?.room.room, words).await?;
        self.typed.insert(message);
        self.waiting.insert(message);
        if !self.console.shows_typing() && self.client.connection() == ConnectionState::Online {
            // A script sees each line at its place in the log before its next one is read.
            self.reach_server().await?;
        }
        Ok(())
    }

    async fn leave(&mut self) -> Result<(), Failure> {
        let (room, name) = (self.here()?.room.room, self.here()?.room.name.clone());
        self.client.leave_room(room).await?;
        self.here = None;
        self.print(&format!("You left {}.", text::room(&name)));
        self.show_menu().await;
        Ok(())
    }

    async fn who(&mut self) -> Result<(), Failure> {
        let members = self.client.members(self.here()?.room.room).await?;
        for member in &members {
            let devices = match member.devices.len() {
                1 => String::new(),
                many => format!(", {many} devices"),
            };
            let me = if member.is_me { " (you)" } else { "" };
            let admin = if member.is_admin { ", may remove others" } else { "" };
            self.print(&format!("  {}{me}{admin}{devices}", text::styled(text::NAME, &member.person)));
        }
        Ok(())
    }

    async fn invite(&mut self) -> Result<(), Failure> {
        let room = self.here.as_ref().filter(|here| here.room.listed).map(|here| here.room.name.clone());
        let made = invite::make(&self.client, room, (1, INVITE_VALID), Surface::Chat).await?;
        self.print(&format!(
            "{}\nGood for one person and 24 hours. Your friend runs: openchat join 'LINK'",
            made.link
        ));
        if let Some(warning) = made.warning {
            self.print(&text::styled(text::WARNING, warning));
        }
        Ok(())
    }

    async fn mark_read(&mut self) {
        if let Some(here) = &self.here {
            // The mark is a comfort: the next one makes up for one that failed.
            let _ = self.client.mark_read(here.room.room, here.shown.0).await;
        }
    }

    async fn show(&mut self, event: Event) {
        match event {
            Event::Line(line) => self.show_line(line).await,
            Event::Delivery { message, delivery, .. } => self.show_delivery(message, &delivery),
            Event::Room { room, membership, .. } => self.show_membership(room, membership).await,
            // Said once, not at every try.
            Event::Connection(ConnectionState::Offline { why, .. }) if !self.is_offline => {
                self.is_offline = true;
                self.tell_offline(&why.to_string());
            }
            Event::Connection(ConnectionState::Online) if self.is_offline => {
                self.is_offline = false;
                self.print(&text::styled(text::QUIET, "-- connected"));
            }
            Event::Trouble(why) if self.trouble.as_ref() != Some(&why) => {
                self.print(&text::styled(text::WARNING, text::trouble(&why)));
                self.trouble = Some(why);
            }
            Event::Alarm(alarm) => {
                self.print(&text::styled(text::WARNING, format_args!("!! {}", text::alarm(&alarm))));
            }
            Event::Lagged(_) => self.catch_up().await,
            _ => {}
        }
    }

    async fn show_line(&mut self, line: Line) {
        let typed_here = matches!(&line.entry, Entry::Text { message, .. } if self.typed.contains(message));
        if let Entry::Text { message, .. } = &line.entry
            && line.sequence.is_some()
        {
            self.waiting.remove(message);
        }
        let shows_typing = self.console.shows_typing();
        let Some(here) = self.here.as_mut().filter(|here| here.room.room == line.room) else {
            if !typed_here {
                self.notice(&line).await;
            }
            return;
        };
        // What waits in the outbox has no place yet: it is printed when it has one.
        if line.sequence.is_none() || place(&line) <= here.shown {
            return;
        }
        here.shown = place(&line);
        if !(typed_here && shows_typing) {
            self.print(&text::line(&line));
        }
        self.mark_read().await;
    }

    /// One line for the first message in a room that is not on the screen.
    async fn notice(&mut self, line: &Line) {
        if line.entry.message().is_none() || !self.noticed.insert(line.room) {
            return;
        }
        let rooms = self.client.rooms().await.unwrap_or_default();
        if let Some(room) = rooms.iter().find(|room| room.room == line.room) {
            let name = text::room(&room.name);
            self.print(&text::styled(text::QUIET, format_args!("-- new in {name}: /join {name}")));
        }
    }

    fn show_delivery(&mut self, message: MessageId, delivery: &Delivery) {
        match delivery {
            // Sent is told by its line, which has its place in the log.
            Delivery::Pending => {}
            Delivery::Sent => self.trouble = None,
            Delivery::Failed { reason } => {
                let is_mine = self.waiting.remove(&message);
                let reason = text::harmless(reason);
                self.print(&text::styled(text::WARNING, format_args!("!! not sent: {reason}")));
                if is_mine {
                    let failure = Failure::new(Kind::Refused, format!("a message was not sent: {reason}"));
                    self.failed = self.failed.take().or(Some(failure));
                }
            }
        }
    }

    /// The end of membership in the room on the screen.
    async fn show_membership(&mut self, room: RoomId, membership: Membership) {
        let Some(here) = self.here.as_mut().filter(|here| here.room.room == room) else { return };
        let is_news = here.room.membership != membership;
        here.room.membership = membership;
        if is_news && membership == Membership::Removed {
            let here = here.room.clone();
            let why = session::removed(&self.client, &here, Surface::Chat).await;
            self.print(&text::styled(text::WARNING, format_args!("!! {}", why.what())));
        }
    }

    /// After events were lost to this listener: the vault has all of it.
    async fn catch_up(&mut self) {
        let Some(here) = &self.here else { return };
        // From the record before the newest one shown: a record may have several lines.
        let span = Span::After(here.shown.0.saturating_sub(1));
        if let Ok(lines) = self.client.history(here.room.room, span, NEW_LINES).await {
            for line in lines {
                self.show_line(line).await;
            }
        }
    }
}

/// Where a line stands; what waits stands nowhere.
fn place(line: &Line) -> (u64, u32) {
    (line.sequence.unwrap_or(0), line.part)
}
