//! A search through all messages of all rooms, step by step, and the way to what it has found.

use openchat_client::{Entry, Line, RoomOverview, Searched, Sought};
use openchat_protocol::{RoomId, RoomName, Timestamp};
use ratatui_textarea::TextArea;

use super::chat::Chat;
use super::entrance::text;
use super::overlay::Overlay;
use super::timeline::Timeline;
use crate::effect::{Effect, Read};
use crate::keymap::Mode;

/// Messages that are found at most; more words narrow it down.
const MOST: usize = 200;
/// Characters of a message that are shown.
const EXCERPT: usize = 300;
/// Characters before the first word that was looked for.
const BEFORE: usize = 30;

/// The search as it is open.
#[derive(Debug, Default)]
pub struct Search {
    /// What is typed.
    pub query: TextArea<'static>,
    /// What was found, by rooms, the newest first.
    pub found: Vec<Hit>,
    /// The row that is chosen.
    pub chosen: usize,
    /// Lines that were looked at.
    pub looked_at: u64,
    /// The rooms that are still to be searched; the last is the one at work.
    rooms: Vec<(RoomId, RoomName)>,
    /// Where the room at work goes on.
    before: u64,
    sought: Option<Sought>,
    /// Counts what was typed: answers to something else are dropped.
    serial: u64,
    /// A step is on its way.
    is_asked: bool,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Where.
    pub room: RoomId,
    /// The room's name.
    pub name: RoomName,
    /// Which record.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// Who said it, and a part of what.
    pub words: String,
}

impl Search {
    fn new(words: &str) -> Self {
        let mut query = TextArea::default();
        query.insert_str(words);
        Self { query, ..Self::default() }
    }

    /// The room at work, while there is one.
    pub fn at_work(&self) -> Option<&RoomName> {
        self.rooms.last().map(|(_, name)| name)
    }

    /// There may be more than what is shown.
    pub fn is_full(&self) -> bool {
        self.found.len() >= MOST
    }

    /// Something is looked for.
    pub fn is_begun(&self) -> bool {
        self.sought.is_some()
    }

    /// Begins anew with what is typed, in these rooms, the first one first.
    fn restart(&mut self, rooms: Vec<(RoomId, RoomName)>) {
        self.serial += 1;
        self.found.clear();
        self.chosen = 0;
        self.looked_at = 0;
        self.before = u64::MAX;
        self.sought = Sought::new(&text(&self.query));
        self.rooms = if self.sought.is_some() { rooms } else { Vec::new() };
        self.rooms.reverse();
    }

    /// The next step, unless one is on its way or there is none.
    fn step(&mut self, out: &mut Vec<Effect>) {
        let (false, Some(sought), Some((room, _))) = (self.is_asked, &self.sought, self.rooms.last()) else {
            return;
        };
        self.is_asked = true;
        out.push(Effect::Read(Read::Search {
            serial: self.serial,
            room: *room,
            before: self.before,
            sought: sought.clone(),
        }));
    }

    /// A step has ended.
    fn take(&mut self, serial: u64, searched: &Searched) {
        self.is_asked = false;
        let Some((room, name)) = self.rooms.last().filter(|_| serial == self.serial).cloned() else { return };
        self.looked_at += u64::from(searched.looked_at);
        let first = text(&self.query).split_whitespace().next().unwrap_or_default().to_lowercase();
        let hits = searched.found.iter().filter_map(|line| hit(line, room, &name, &first));
        self.found.extend(hits);
        self.found.truncate(MOST);
        match searched.next {
            _ if self.is_full() => self.rooms.clear(),
            Some(next) => self.before = next,
            None => {
                self.rooms.pop();
                self.before = u64::MAX;
            }
        }
    }

    /// No further step: the disk gave nothing back.
    pub(super) fn stop(&mut self) {
        self.is_asked = false;
        self.rooms.clear();
    }
}

fn hit(line: &Line, room: RoomId, name: &RoomName, word: &str) -> Option<Hit> {
    let Entry::Text { text, .. } = &line.entry else { return None };
    let sequence = line.sequence?;
    // Large letters may be longer as small ones: the place is near enough for an excerpt.
    let at = text.to_lowercase().find(word).unwrap_or(0);
    let at = text.char_indices().take_while(|(index, _)| *index < at).count();
    let start = if at > EXCERPT / 2 { at - BEFORE } else { 0 };
    let part: String = text.chars().skip(start).take(EXCERPT).collect();
    let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
    let dots = if start > 0 { "… " } else { "" };
    let words = format!("{}: {dots}{part}", line.author);
    Some(Hit { room, name: name.clone(), sequence, time: line.time, words })
}

impl Chat {
    /// Opens the search with these words.
    pub(super) fn show_search(&mut self, words: &str, out: &mut Vec<Effect>) {
        let mut search = Search::new(words);
        search.restart(self.rooms_to_search());
        search.step(out);
        self.overlay = Some(Overlay::Search(Box::new(search)));
    }

    /// What is typed has changed.
    pub(super) fn search_anew(&mut self, out: &mut Vec<Effect>) {
        let rooms = self.rooms_to_search();
        if let Some(Overlay::Search(search)) = &mut self.overlay {
            search.restart(rooms);
            search.step(out);
        }
    }

    /// The open room first, then by the newest message.
    fn rooms_to_search(&self) -> Vec<(RoomId, RoomName)> {
        let open = self.open_room();
        let mut rooms: Vec<&RoomOverview> = self.rooms.iter().collect();
        rooms.sort_by_key(|room| (Some(room.room) != open, std::cmp::Reverse(room.latest)));
        rooms.into_iter().map(|room| (room.room, room.name.clone())).collect()
    }

    pub(super) fn handle_searched(&mut self, serial: u64, searched: &Searched, out: &mut Vec<Effect>) {
        if let Some(Overlay::Search(search)) = &mut self.overlay {
            search.take(serial, searched);
            search.step(out);
        }
    }

    /// Goes to a message, which may be out of memory: then the lines around it are read.
    pub(super) fn jump(&mut self, room: RoomId, sequence: u64, out: &mut Vec<Effect>) {
        self.open(room, out);
        // The page that opening has asked for is not the one that is wanted now.
        out.retain(|effect| !matches!(effect, Effect::Read(Read::History(of, _)) if *of == room));
        let Some(timeline) = &mut self.timeline else { return };
        self.mode = Mode::Normal;
        if !timeline.choose_record(sequence) {
            let read = timeline.unread_after;
            *timeline =
                Timeline { wanted_record: Some(sequence), at_end: false, ..Timeline::new(room, read) };
            out.push(Effect::Read(Read::Around(room, sequence)));
        }
    }
}
