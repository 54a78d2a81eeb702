//! What is typed is carried out: one function for each command.

use openchat_client::{Access, ConnectionState, Delivery, Entry, Line, RoomSuite, Sought, Span};
use openchat_protocol::RoomName;
use openchat_tui::SaveError;
use openchat_tui::commands::{COMMANDS, Command, CommandError, Works};
use openchat_tui::phrases;
use openchat_tui::settings::Notify;

use super::{CONTEXT_LINES, Chat, Guarded, Here, INVITE_VALID, MENU, NEW_LINES, place};
use crate::advice::Surface;
use crate::failure::{Failure, Kind};
use crate::{invite, rooms, session, text};

/// Steps of a room's keys that are printed.
const EPOCHS: u32 = 50;
/// Messages that a search prints.
const HITS: usize = 50;

/// What stands before a name.
const SIGNS: &str =
    "Before a name: ✓ compared, • by invite, ? first use (only the server says whose key it is), ! changed";

impl Chat {
    pub(super) async fn carry_out(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Nothing => {}
            Command::Help => self.help(),
            Command::List => self.list().await?,
            Command::Create { name, private } => self.create(name, private).await?,
            Command::Join(name) => self.enter(&name, Surface::Chat).await?,
            Command::Close | Command::Menu => self.close().await,
            Command::Say(words) => self.say(words).await?,
            Command::Leave => self.leave().await?,
            Command::Who => self.who().await?,
            Command::Add(name) => self.client.add_member(self.here()?.room.room, name).await?,
            Command::Remove(name) => self.client.remove_member(self.here()?.room.room, name).await?,
            Command::Invite => self.invite().await?,
            Command::Trust => self.trust().await?,
            Command::Devices => self.devices().await?,
            Command::Revoke(id) => self.ask_for_password(Guarded::Revoke(id))?,
            Command::Link => self.link()?,
            Command::StopLink => self.stop_link(),
            Command::Veto => {
                self.client.object_to_reset().await?;
                self.print(phrases::OBJECTED);
            }
            Command::Verify(name, how) => self.verify(name, how).await?,
            Command::Accept(name) => self.accept(name).await?,
            Command::Search(words) => self.search(&words).await?,
            Command::Again | Command::Discard => self.settle_failed(command == Command::Again).await?,
            Command::Save(file) => self.save(&file).await?,
            Command::Info => self.info().await?,
            Command::Log => self.epochs().await?,
            Command::Rotate => self.rotate().await?,
            Command::Read => self.read().await?,
            Command::Notify(level) => self.tell_of(level).await?,
            // The end is the loop's affair, and what only a screen can show is refused when it is read.
            Command::Quit
            | Command::Theme(_)
            | Command::Keys(_)
            | Command::Tasks
            | Command::Split(_)
            | Command::Unsplit => {}
        }
        Ok(())
    }

    fn help(&mut self) {
        if self.here.is_none() {
            self.print(MENU);
            return;
        }
        self.print("In a room, type to speak. //text says /text, :q goes back to the menu; there it ends.");
        for listed in COMMANDS.iter().filter(|listed| listed.works != Works::OnScreen) {
            let usage = format!("/{} {}", listed.name, listed.argument);
            self.print(&format!("  {usage:<28} {}", listed.help));
        }
        self.print(SIGNS);
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
    pub(super) async fn enter(&mut self, name: &RoomName, surface: Surface) -> Result<(), Failure> {
        let room = session::room(&self.client, name, surface).await?;
        let new = u32::try_from(room.unread).unwrap_or(u32::MAX).min(NEW_LINES);
        let lines = self.client.history(room.room, Span::Newest, new.saturating_add(CONTEXT_LINES)).await?;
        self.print(&text::styled(
            text::TITLE,
            format_args!("{} (:q goes back, /help helps)", text::room(name)),
        ));
        self.here = Some(Here { shown: (0, 0), room });
        self.show_room_trust();
        let Some(mut here) = self.here.take() else { return Ok(()) };
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
            let (sign, name) = (text::trust_sign(&member.person), text::styled(text::NAME, &member.person));
            let trust = if member.is_me { String::new() } else { text::trust(&member.person) };
            self.print(&format!("  {sign} {name}{me}{admin}{devices}{trust}"));
        }
        Ok(())
    }

    /// Looks through all rooms, the newest line of each first; prints what was found with the oldest last.
    async fn search(&mut self, words: &str) -> Result<(), Failure> {
        let Some(sought) = Sought::new(words) else {
            return Err(CommandError::Missing("search", "WORDS").into());
        };
        let (mut found, mut looked_at) = (0, 0_u64);
        for room in self.client.rooms().await? {
            let mut next = Some(u64::MAX);
            while let Some(before) = next.filter(|_| found < HITS) {
                let searched = self.client.search(room.room, before, sought.clone()).await?;
                for line in searched.found.iter().take(HITS - found) {
                    let when = text::day_and_clock(line.time);
                    let line = text::line(line);
                    self.print(&format!(
                        "{} {when}\n  {line}",
                        text::styled(text::TITLE, text::room(&room.name))
                    ));
                    found += 1;
                }
                looked_at += u64::from(searched.looked_at);
                next = searched.next;
            }
        }
        self.print(&match found {
            HITS => format!("These are {HITS}; there may be more: more words narrow it down."),
            found => format!("{found} found in all {looked_at} lines on this machine."),
        });
        Ok(())
    }

    /// Sends again, or forgets, what could not be sent here.
    async fn settle_failed(&mut self, again: bool) -> Result<(), Failure> {
        let lines = self.client.history(self.here()?.room.room, Span::Newest, NEW_LINES).await?;
        let failed = |line: &Line| match &line.entry {
            Entry::Text { message, delivery: Delivery::Failed { .. }, .. } => Some(*message),
            _ => None,
        };
        let failed: Vec<_> = lines.iter().filter_map(failed).collect();
        for message in &failed {
            if again {
                self.client.retry(*message).await?;
                self.waiting.insert(*message);
            } else {
                self.client.discard(*message).await?;
            }
        }
        self.print(match (failed.len(), again) {
            (0, _) => "Nothing here could not be sent.",
            (_, true) => "They are sent again.",
            (_, false) => "They are forgotten.",
        });
        Ok(())
    }

    async fn info(&mut self) -> Result<(), Failure> {
        let (room, listed) = (self.here()?.room.room, self.here()?.room.listed);
        let details = self.client.room_details(room).await?;
        let server = self.client.profile().await?.server;
        for row in phrases::room(&details, listed, &server) {
            self.print(&row);
        }
        Ok(())
    }

    async fn save(&mut self, file: &str) -> Result<(), Failure> {
        let saved = openchat_tui::save(&self.client, self.here()?.room.room, file).await;
        let lines = saved.map_err(|why| match why {
            SaveError::Client(error) => Failure::from(error),
            why => Failure::new(Kind::Storage, why),
        })?;
        self.print(&format!("{file} has all {lines} lines of this room."));
        Ok(())
    }

    async fn epochs(&mut self) -> Result<(), Failure> {
        let epochs = self.client.epochs(self.here()?.room.room, EPOCHS).await?;
        if epochs.is_empty() {
            self.print(phrases::NO_EPOCHS);
        }
        for epoch in &epochs {
            self.print(&phrases::epoch(epoch));
        }
        Ok(())
    }

    async fn rotate(&mut self) -> Result<(), Failure> {
        self.client.update_keys(self.here()?.room.room).await?;
        self.print("This device has new keys in this room.");
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let (room, head) = (self.here()?.room.room, self.here()?.shown.0);
        self.client.mark_read(room, head).await?;
        self.print("Everything here is read.");
        Ok(())
    }

    async fn tell_of(&mut self, level: Notify) -> Result<(), Failure> {
        let key = Notify::key(self.here()?.room.room);
        self.client.remember(&key, Some(level.name().as_bytes().to_vec())).await?;
        self.print(&format!("You are told of: {}", level.name()));
        Ok(())
    }

    async fn invite(&mut self) -> Result<(), Failure> {
        let room = self.here.as_ref().filter(|here| here.room.listed).map(|here| here.room.name.clone());
        let made = invite::make(&self.client, room, (1, INVITE_VALID), Surface::Chat).await?;
        self.print(&format!(
            "{}\nGood for one person and 24 hours. Your friend runs: openchat join 'LINK'\n{}",
            made.link,
            invite::MEETS
        ));
        if let Some(warning) = made.warning {
            self.print(&text::styled(text::WARNING, warning));
        }
        Ok(())
    }
}
