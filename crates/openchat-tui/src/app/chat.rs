//! The chat: rooms, one of them open, and what is being written there.

use std::collections::HashMap;

use crossterm::event::Event as TerminalEvent;
use openchat_client::{
    ClientError, Command as Ask, ConnectionState, Entry, ErrorKind, Event, Member, Membership, Person,
    Profile, RoomOverview, RoomSuite, ShortCode,
};
use openchat_protocol::{RoomId, RoomName, Timestamp};

use super::completion::Completion;
use super::composer::Composer;
use super::entrance::sentence;
use super::linking::Linking;
use super::mouse::Places;
use super::overlay::{Overlay, Page};
use super::panes::{Arrangement, LAYOUT};
use super::picker::Picker;
use super::tasks::Tasks;
use super::timeline::Timeline;
use crate::effect::{Effect, Incoming, Opened, Read, Then};
use crate::keymap::{Chord, Mode};
use crate::settings::{Notify, Settings};
use crate::theme::Theme;
use crate::words::harmless_line;

/// How long a notice stays, in milliseconds.
const NOTICE: u64 = 8_000;
/// Where the vault keeps the screen's own things.
pub(super) const DRAFT: &str = "draft:";

/// Everything behind the entrance.
pub struct Chat {
    /// The time of the last event.
    pub now: Timestamp,
    /// When a key was pressed last.
    pub(super) touched: Timestamp,
    /// Words at the beginning of drafts that could not be queued.
    pub(super) given_back: HashMap<RoomId, String>,
    /// Who this is.
    pub me: Profile,
    /// How the client stands to its server.
    pub connection: ConnectionState,
    /// Since when it stands so.
    pub connected: Timestamp,
    /// Rooms to go to, by name.
    pub rooms: Vec<RoomOverview>,
    /// The room that is open.
    pub timeline: Option<Timeline>,
    /// The room beside it.
    pub beside: Option<Timeline>,
    /// The room with the cursor is the one at the right.
    pub is_right: bool,
    /// Who is in it.
    pub members: Vec<Member>,
    /// The epoch of its keys and whether they are post-quantum.
    pub keys: Option<(u64, RoomSuite)>,
    /// What is being written.
    pub composer: Composer,
    /// What lies in front.
    pub overlay: Option<Overlay>,
    /// What takes a while, and what has failed.
    pub tasks: Tasks,
    /// The device that is being linked.
    pub(super) linking: Option<Linking>,
    /// How far the page in front was turned, if it is one.
    pub page: Page,
    /// The members' pane is open.
    pub shows_members: bool,
    /// What was last said to the person, and until when it stays.
    pub notice: Option<Notice>,
    /// Codes that are being compared, and with whom.
    pub codes: Vec<(Person, ShortCode)>,
    /// What must not be overlooked, until it is closed.
    pub alarms: Vec<String>,
    /// Keys typed so far of a longer sequence.
    pub prefix: Vec<Chord>,
    /// Which keys count.
    pub mode: Mode,
    /// The terminal has the focus, as far as it says.
    pub focused: bool,
    /// Messages of this profile that wait to be sent.
    pub waiting: usize,
    /// Up to where rooms are read that the client was not told of yet.
    reads: HashMap<RoomId, u64>,
    /// What the vault keeps for rooms that are no more.
    gone: Vec<String>,
    pub(super) drafts: HashMap<RoomId, String>,
    pub(super) levels: HashMap<RoomId, Notify>,
    /// The room that was asked for: joined when there is a connection, if need be.
    pub(super) first: Option<RoomName>,
    /// Visited by a walk through unread rooms: not read before the person does something there.
    pub(super) is_peeking: bool,
    /// Where that walk began.
    pub(super) walk_from: Option<RoomId>,
    /// What the word that is being written may become.
    pub completion: Option<Completion>,
    /// Where on the screen the last picture shows what.
    pub places: Places,
    /// The draft on disk is older than the one in the composer.
    pub(super) draft_is_new: bool,
    /// The rooms on the screen are older than what has happened.
    pub(super) rooms_are_old: bool,
    /// The disk gave nothing back since the last tick.
    reading_failed: bool,
    pub(super) kept_arrangement: Arrangement,
    /// Where rooms were left at the last visit, until they are opened.
    pub(super) left_at: Vec<(RoomId, u64)>,
    /// The theme before a preview.
    pub(super) before_preview: Option<Theme>,
}

/// A word to the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub text: String,
    /// Whether something went wrong.
    pub is_warning: bool,
    /// Until when it stays.
    pub until: Timestamp,
}

/// Whether a room is one to go to.
pub fn is_in(membership: Membership) -> bool {
    !matches!(membership, Membership::Left | Membership::Leaving)
}

impl Chat {
    pub(super) fn new(opened: Opened, now: Timestamp) -> Self {
        let mut chat = Self {
            now,
            touched: now,
            given_back: HashMap::new(),
            me: opened.profile,
            connection: ConnectionState::Connecting,
            connected: now,
            rooms: Vec::new(),
            timeline: None,
            beside: None,
            is_right: false,
            members: Vec::new(),
            keys: None,
            composer: Composer::default(),
            overlay: None,
            tasks: Tasks::default(),
            linking: None,
            page: Page::default(),
            shows_members: true,
            notice: None,
            codes: Vec::new(),
            alarms: Vec::new(),
            prefix: Vec::new(),
            mode: Mode::Compose,
            focused: true,
            waiting: 0,
            reads: HashMap::new(),
            gone: Vec::new(),
            drafts: HashMap::new(),
            levels: HashMap::new(),
            first: opened.first,
            is_peeking: false,
            walk_from: None,
            completion: None,
            places: Places::default(),
            draft_is_new: false,
            rooms_are_old: false,
            reading_failed: false,
            kept_arrangement: Arrangement::default(),
            left_at: Vec::new(),
            before_preview: None,
        };
        for (key, value) in opened.kept {
            chat.remember(&key, &value);
        }
        chat.gone = chat.forget_rooms(&opened.rooms);
        chat.take_rooms(opened.rooms);
        if !opened.made.is_empty() {
            chat.tell(format!("{} · Esc closes this", opened.made.join(" · ")));
            // Worth reading in peace: it goes when it is closed, or with the first message.
            if let Some(notice) = &mut chat.notice {
                notice.until = Timestamp(u64::MAX);
            }
        }
        chat
    }

    /// What was kept from the last time. What cannot be read is as if it had not been there.
    fn remember(&mut self, key: &str, value: &[u8]) {
        let text = String::from_utf8_lossy(value).into_owned();
        if let Some(room) = key.strip_prefix(DRAFT).and_then(|room| room.parse().ok()) {
            self.drafts.insert(room, text);
        } else if let Some(room) = key.strip_prefix(Notify::PREFIX).and_then(|room| room.parse().ok()) {
            if let Some(level) = Notify::named(&text) {
                self.levels.insert(room, level);
            }
        } else if key == LAYOUT {
            self.kept_arrangement = Arrangement::read(&text);
        }
    }

    /// Goes where the last visit ended, or shows the menu.
    pub(super) fn arrive(&mut self, out: &mut Vec<Effect>) {
        out.extend(self.gone.drain(..).map(|key| Effect::Remember(key, None)));
        let kept = std::mem::take(&mut self.kept_arrangement);
        self.left_at.clone_from(&kept.at);
        let named = |room: &&RoomOverview| match &self.first {
            Some(first) => room.name == *first,
            None => Some(room.room) == kept.open,
        };
        let room = self.rooms.iter().find(named).or(self.rooms.first()).map(|room| room.room);
        match room {
            Some(room) => self.open(room, out),
            None if self.first.is_none() => self.overlay = Some(Overlay::Picker(Box::new(Picker::menu()))),
            None => {}
        }
        self.arrange(kept, out);
    }

    pub(super) fn handle(
        &mut self,
        incoming: Incoming,
        settings: &mut Settings,
        theme: &mut Theme,
        out: &mut Vec<Effect>,
    ) {
        // Each costs a write to the disk, and in a flood it is soon followed by the next: a key or a second ends the wait.
        let may_wait = matches!(incoming, Incoming::Client(Event::Line(_)));
        match incoming {
            Incoming::Terminal(event) => {
                if matches!(event, TerminalEvent::Key(_) | TerminalEvent::Paste(_)) {
                    self.touched = self.now;
                }
                self.handle_terminal(event, settings, theme, out);
            }
            Incoming::Client(event) => self.handle_event(event, settings, out),
            Incoming::Answered(then, outcome) => self.handle_answer(then, outcome, out),
            Incoming::Found(Ok(found)) => self.handle_found(found, out),
            Incoming::Found(Err(error)) | Incoming::NotOpened(error) => self.found_nothing(&error),
            Incoming::Saved(Ok((file, lines))) => {
                self.tell(format!("{file} has all {lines} lines of this room"));
            }
            Incoming::Saved(Err(why)) => self.warn_of(why),
            Incoming::Edited(Ok(text)) => {
                self.composer.set(text.trim_end());
                self.draft_is_new = true;
            }
            Incoming::Edited(Err(why)) => self.warn_of(format!("the message is as it was: {why}")),
            Incoming::Linking(task, told) => self.handle_linking(task, told, out),
            Incoming::Tick => self.tick(out),
            Incoming::Opened(_) => {}
        }
        if !may_wait {
            let told = |(room, sequence)| Effect::Ask(Ask::MarkRead { room, sequence }, Then::Nothing);
            // First, for whoever leaves has read as well.
            out.splice(0..0, self.reads.drain().map(told));
        }
    }

    /// The disk, or the client, gave nothing back. Whoever asked for what cannot be is told; the rest stays until seen.
    fn found_nothing(&mut self, error: &ClientError) {
        self.reading_failed = true;
        if let Some(Overlay::Search(search)) = &mut self.overlay {
            search.stop();
        }
        if error.kind() != ErrorKind::Usage {
            self.tasks.add_failure("reading what is on disk", sentence(error), self.now);
        }
        self.warn(error);
    }

    fn tick(&mut self, out: &mut Vec<Effect>) {
        if self.notice.as_ref().is_some_and(|notice| notice.until <= self.now) {
            self.notice = None;
        }
        self.keep_draft(out);
        self.keep_arrangement(out);
        if std::mem::take(&mut self.reading_failed) {
            // Asked again when it is still wanted.
            self.timelines().for_each(|timeline| timeline.loading = false);
        }
        if std::mem::take(&mut self.rooms_are_old) {
            out.push(Effect::Read(Read::Rooms));
        }
        self.mark_read_if_seen();
    }

    /// The draft of the open room goes to disk if it has changed.
    pub(super) fn keep_draft(&mut self, out: &mut Vec<Effect>) {
        if !std::mem::take(&mut self.draft_is_new) {
            return;
        }
        let Some(room) = self.open_room() else { return };
        let text = self.composer.draft();
        let value = (!text.trim().is_empty()).then(|| text.clone().into_bytes());
        self.drafts.insert(room, text);
        out.push(Effect::Remember(format!("{DRAFT}{room}"), value));
    }

    /// What can be seen is read, unless it is only peeked at.
    pub(super) fn mark_read_if_seen(&mut self) {
        if self.sees_newest() {
            self.mark_read();
        }
        let is_beside = self.focused && self.overlay.is_none() && self.places.beside.is_some();
        let beside = self.beside.as_ref().filter(|beside| is_beside && beside.is_at_end());
        if let Some((room, sequence)) = beside.and_then(|beside| Some((beside.room, beside.newest()?))) {
            self.mark_read_to(room, sequence);
        }
    }

    /// The person looks at the newest line.
    pub(super) fn sees_newest(&self) -> bool {
        let looks = self.focused && !self.is_peeking && self.overlay.is_none();
        looks && self.timeline.as_ref().is_some_and(Timeline::is_at_end)
    }

    pub(super) fn mark_read(&mut self) {
        let Some(timeline) = &self.timeline else { return };
        let (room, Some(sequence)) = (timeline.room, timeline.newest()) else { return };
        self.mark_read_to(room, sequence);
    }

    fn mark_read_to(&mut self, room: RoomId, sequence: u64) {
        if let Some(known) = self.rooms.iter_mut().find(|known| known.room == room)
            && known.read < sequence
        {
            known.read = sequence;
            known.unread = 0;
            known.mentions = 0;
            self.reads.insert(room, sequence);
        }
    }

    /// The room on the screen.
    pub fn open_room(&self) -> Option<RoomId> {
        self.timeline.as_ref().map(|timeline| timeline.room)
    }

    /// What is known of the room on the screen.
    pub fn overview(&self) -> Option<&RoomOverview> {
        let open = self.open_room()?;
        self.rooms.iter().find(|room| room.room == open)
    }

    /// Puts a room on the screen, where the cursor is; to one that is beside it the cursor goes.
    pub(super) fn open(&mut self, room: RoomId, out: &mut Vec<Effect>) {
        if self.open_room() == Some(room) {
            return;
        }
        if self.beside.as_ref().is_some_and(|beside| beside.room == room) {
            self.go_beside(out);
        } else {
            self.keep_draft(out);
            self.timeline = Some(self.fresh_timeline(room, out));
            self.take_over(room, out);
        }
    }

    /// Older or newer lines, when the last picture has come near the end of those in memory.
    pub(super) fn load_more(&mut self, out: &mut Vec<Effect>) {
        for timeline in self.timelines() {
            if let Some(span) = timeline.wanted() {
                timeline.loading = true;
                out.push(Effect::Read(Read::History(timeline.room, span)));
            }
        }
    }

    /// Drafts and levels of rooms that are no more, or were left, are not kept: the keys of these.
    pub(super) fn forget_rooms(&mut self, rooms: &[RoomOverview]) -> Vec<String> {
        let is_here = |room: &RoomId| rooms.iter().any(|it| it.room == *room && is_in(it.membership));
        let is_known = |room: &RoomId| rooms.iter().any(|it| it.room == *room);
        let drafts =
            self.drafts.extract_if(|room, _| !is_here(room)).map(|(room, _)| format!("{DRAFT}{room}"));
        let mut gone: Vec<_> = drafts.collect();
        // A level outlives leaving: whoever comes back has chosen it.
        gone.extend(self.levels.extract_if(|room, _| !is_known(room)).map(|(room, _)| Notify::key(room)));
        gone
    }

    pub(super) fn take_rooms(&mut self, mut rooms: Vec<RoomOverview>) {
        for room in &mut rooms {
            // What was read meanwhile is on its way to the disk that these come from.
            if let Some(known) =
                self.rooms.iter().find(|known| known.room == room.room && known.read > room.read)
            {
                (room.read, room.unread, room.mentions) = (known.read, known.unread, known.mentions);
            }
        }
        self.rooms = rooms.into_iter().filter(|room| is_in(room.membership)).collect();
    }

    /// Says something that goes away by itself.
    pub(super) fn tell(&mut self, text: impl Into<String>) {
        let until = self.now.plus(std::time::Duration::from_millis(NOTICE));
        // Some of it may be the server's words.
        let text = harmless_line(&text.into());
        self.notice = Some(Notice { text, is_warning: false, until });
    }

    pub(super) fn warn_of(&mut self, text: impl Into<String>) {
        self.tell(text);
        if let Some(notice) = &mut self.notice {
            notice.is_warning = true;
        }
    }

    pub(super) fn warn(&mut self, error: &ClientError) {
        self.warn_of(sentence(error));
    }

    /// The line of an entry that mentions the reader.
    pub fn mentions_me(&self, entry: &Entry<Person>) -> bool {
        matches!(entry, Entry::Text { text, .. } if openchat_client::mentions(text, &self.me.name))
    }

    fn handle_event(&mut self, event: Event, settings: &Settings, out: &mut Vec<Effect>) {
        super::news::handle(self, event, settings, out);
    }
}
