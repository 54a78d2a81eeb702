//! The part of one room's history that is in memory, and which part of it is in view.

use openchat_client::{Delivery, Entry, Line, Span};
use openchat_protocol::{MessageId, RoomId, Uid};

use crate::words::Layouts;

/// Lines that are read from the vault at once.
pub const PAGE: u32 = 200;
/// Lines that stay in memory: more are dropped at the end that is not in view.
const WINDOW: usize = 800;
/// Lines beyond that until the oldest are dropped: dropping moves all others, and so is not done for each line.
const SLACK: usize = 200;

/// A window into the history of a room.
pub struct Timeline {
    /// Which room.
    pub room: RoomId,
    /// The lines in memory, the oldest first.
    pub lines: Vec<Line>,
    /// There is nothing older.
    pub at_start: bool,
    /// There is nothing newer: what comes in joins the end.
    pub at_end: bool,
    /// A page is on its way.
    pub loading: bool,
    /// Lines after this record are new to the reader.
    pub unread_after: u64,
    /// The message to act on.
    pub chosen: Option<usize>,
    /// The lines around this record are on their way: no others are wanted meanwhile.
    pub wanted_record: Option<u64>,
    /// What is in view.
    pub view: View,
    /// The rows of the last picture: where on the screen, and of which line.
    pub shown: Vec<(u16, usize)>,
    /// Where on the screen the line above what is new stands.
    pub new_rule: Option<u16>,
    /// Messages that were laid out for pictures.
    pub layouts: Layouts<LineKey>,
}

/// Which words: in one room no other message has the same key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LineKey {
    sequence: Option<u64>,
    part: u32,
    author: Uid,
    message: MessageId,
    bytes: usize,
}

impl LineKey {
    /// The key of a line that has words.
    pub fn of(line: &Line) -> Option<Self> {
        let Entry::Text { message, text, .. } = &line.entry else { return None };
        let (sequence, part, author) = (line.sequence, line.part, line.author.uid);
        Some(Self { sequence, part, author, message: *message, bytes: text.len() })
    }
}

/// Which part is in view; drawing settles it, for only then the heights are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct View {
    /// The line at the lower edge and how many of its rows are below it; none: the newest line, whichever it is.
    pub bottom: Option<(usize, u16)>,
    /// Rows to scroll at the next drawing; upwards is positive.
    pub scroll: i32,
    /// Go to the chosen line at the next drawing if it is out of view.
    pub show_chosen: bool,
    /// The oldest line in memory is in view.
    pub sees_start: bool,
    /// The height at the last drawing.
    pub height: u16,
}

impl Timeline {
    /// Nothing read yet.
    pub fn new(room: RoomId, unread_after: u64) -> Self {
        Self {
            room,
            lines: Vec::new(),
            at_start: false,
            at_end: true,
            loading: true,
            unread_after,
            chosen: None,
            wanted_record: None,
            view: View::default(),
            shown: Vec::new(),
            new_rule: None,
            layouts: Layouts::default(),
        }
    }

    /// A page has come.
    pub fn take(&mut self, span: Span, mut page: Vec<Line>) {
        if self.wanted_record.is_some() {
            return;
        }
        self.loading = false;
        let is_last = page.iter().filter(|line| line.sequence.is_some()).count() < PAGE as usize;
        match span {
            Span::Newest => {
                self.lines = page;
                self.at_start = is_last;
                self.at_end = true;
                self.chosen = None;
                self.view = View { height: self.view.height, ..View::default() };
            }
            Span::Before(_) => {
                self.at_start = is_last;
                let added = page.len();
                page.append(&mut self.lines);
                self.lines = page;
                self.chosen = self.chosen.map(|index| index + added);
                self.view.bottom = self.view.bottom.map(|(index, hidden)| (index + added, hidden));
                self.drop_newest();
            }
            Span::After(_) => {
                self.at_end = is_last;
                self.lines.append(&mut page);
                self.drop_oldest();
            }
        }
    }

    /// The lines up to a record have come, and the record is chosen. What follows is read when it comes into view.
    pub fn take_around(&mut self, sequence: u64, page: Vec<Line>) {
        if self.wanted_record != Some(sequence) {
            return;
        }
        self.wanted_record = None;
        self.loading = false;
        self.at_start = page.len() < PAGE as usize;
        self.at_end = false;
        self.lines = page;
        self.view = View { height: self.view.height, ..View::default() };
        self.choose_record(sequence);
        self.view.bottom = self.chosen.or(self.lines.len().checked_sub(1)).map(|index| (index, 0));
    }

    /// Chooses the message of this record. `false` when it is not in memory.
    pub fn choose_record(&mut self, sequence: u64) -> bool {
        let is_it = |line: &Line| line.sequence == Some(sequence) && line.entry.is_message();
        let Some(index) = self.lines.iter().position(is_it) else { return false };
        self.chosen = Some(index);
        self.view.show_chosen = true;
        true
    }

    /// What to read next, judging by what is in view.
    pub fn wanted(&self) -> Option<Span> {
        if self.loading {
            return None;
        }
        if self.view.sees_start && !self.at_start {
            let first = self.lines.iter().find_map(|line| line.sequence)?;
            return Some(Span::Before(first));
        }
        let near_end = self.view.bottom.is_none_or(|(index, _)| index + 50 >= self.lines.len());
        if near_end && !self.at_end {
            let last = self.lines.iter().rev().find_map(|line| line.sequence)?;
            return Some(Span::After(last));
        }
        None
    }

    /// A line was added to the room.
    pub fn add(&mut self, line: Line) {
        if let Some(message) = line.entry.message()
            && let Some(known) = self.position(message)
        {
            // The same message, now with its place in the log.
            let moved =
                line.sequence.is_some() && self.lines.get(known).is_some_and(|it| it.sequence.is_none());
            if moved {
                self.lines.remove(known);
            } else if let Some(place) = self.lines.get_mut(known) {
                *place = line;
                return;
            }
        }
        if !self.at_end {
            return;
        }
        let key = |line: &Line| (line.sequence.unwrap_or(u64::MAX), line.part);
        let place = self.lines.partition_point(|known| key(known) <= key(&line));
        let before = place.checked_sub(1).and_then(|before| self.lines.get_mut(before));
        match before {
            // Read from the vault and told as news: it is one line.
            Some(known) if line.sequence.is_some() && key(known) == key(&line) => *known = line,
            _ => self.lines.insert(place, line),
        }
        if self.view.bottom.is_none() {
            self.drop_oldest();
        }
    }

    /// A message is further on its way.
    pub fn deliver(&mut self, message: MessageId, now: &Delivery) {
        let index = self.position(message);
        if let Some(line) = index.and_then(|index| self.lines.get_mut(index))
            && let Entry::Text { delivery, .. } = &mut line.entry
        {
            *delivery = now.clone();
        }
    }

    /// The messages that could not be sent.
    pub fn failed(&self) -> Vec<MessageId> {
        let failed = |line: &Line| match &line.entry {
            Entry::Text { message, delivery: Delivery::Failed { .. }, .. } => Some(*message),
            _ => None,
        };
        self.lines.iter().filter_map(failed).collect()
    }

    /// A message is forgotten.
    pub fn remove(&mut self, message: MessageId) {
        if let Some(index) = self.position(message) {
            self.lines.remove(index);
            self.chosen = None;
        }
    }

    fn position(&self, message: MessageId) -> Option<usize> {
        self.lines.iter().rposition(|line| line.entry.message() == Some(message))
    }

    /// The first message of somebody else that is new to the reader, `me`.
    pub fn first_new(&self, me: Uid) -> Option<usize> {
        self.lines.iter().position(|line| {
            line.author.uid != me
                && line.entry.is_message()
                && line.sequence.is_some_and(|sequence| sequence > self.unread_after)
        })
    }

    /// The newest record in memory.
    pub fn newest(&self) -> Option<u64> {
        self.lines.iter().rev().find_map(|line| line.sequence)
    }

    /// The newest line is in view, and there is nothing after it.
    pub fn is_at_end(&self) -> bool {
        self.at_end && self.view.bottom.is_none()
    }

    /// The chosen line.
    pub fn chosen(&self) -> Option<&Line> {
        self.chosen.and_then(|index| self.lines.get(index))
    }

    /// Chooses the message above the chosen one, or the newest.
    pub fn choose_up(&mut self) {
        let before = self.chosen.unwrap_or(self.lines.len());
        let above = self.lines.iter().take(before).rposition(|line| line.entry.is_message());
        self.chosen = above.or(self.chosen);
        self.view.show_chosen = self.chosen.is_some();
    }

    /// Chooses the message below; `false` when there is none.
    pub fn choose_down(&mut self) -> bool {
        let Some(after) = self.chosen else { return false };
        let below = self.lines.iter().skip(after + 1).position(|line| line.entry.is_message());
        self.chosen = below.map(|distance| after + 1 + distance).or(self.chosen);
        self.view.show_chosen = true;
        below.is_some()
    }

    /// The record at the lower edge, unless that is the newest.
    pub fn left_at(&self) -> Option<u64> {
        if self.wanted_record.is_some() {
            return self.wanted_record;
        }
        let (bottom, _) = self.view.bottom?;
        self.lines.iter().take(bottom + 1).rev().find_map(|line| line.sequence)
    }

    /// Scrolls by pages; upwards is positive.
    pub fn page(&mut self, pages: i32) {
        let height = i32::from(self.view.height.saturating_sub(2).max(1));
        self.view.scroll += pages * height;
    }

    /// Back to the newest line in memory.
    pub fn go_to_end(&mut self) {
        self.view.bottom = None;
        self.view.scroll = 0;
    }

    fn drop_oldest(&mut self) {
        if self.lines.len() <= WINDOW + SLACK {
            return;
        }
        let surplus = self.lines.len() - WINDOW;
        // Lines of one record stay together, for reading goes on by records.
        let cut = self.record_start(surplus);
        self.lines.drain(..cut);
        self.at_start = false;
        self.chosen = self.chosen.and_then(|index| index.checked_sub(cut));
        self.view.bottom = self.view.bottom.map(|(index, hidden)| (index.saturating_sub(cut), hidden));
    }

    fn drop_newest(&mut self) {
        if self.lines.len() > WINDOW && self.view.bottom.is_some() {
            let cut = self.record_start(WINDOW);
            self.lines.truncate(cut);
            self.at_end = false;
        }
    }

    /// The first line of the record that line `index` belongs to.
    fn record_start(&self, index: usize) -> usize {
        let record = |index: usize| self.lines.get(index).and_then(|line| line.sequence);
        (0..index).rev().take_while(|before| record(*before) == record(index)).last().unwrap_or(index)
    }
}
