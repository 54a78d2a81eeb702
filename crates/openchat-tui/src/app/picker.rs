//! One picker for rooms, people, messages and commands: an empty query shows the likeliest, typing narrows it down.

use crossterm::event::KeyEvent;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use openchat_client::{Entry, Line, Person, RoomOverview};
use openchat_protocol::room::RoomSummary;
use openchat_protocol::{RoomId, RoomName};
use ratatui_textarea::TextArea;

use super::composer::edit;
use super::entrance::text;
use crate::commands::COMMANDS;
use crate::theme::Theme;

/// Rows that are ranked at most.
const MOST: usize = 2_000;

/// The picker as it is open.
pub struct Picker {
    /// What it is for.
    pub title: &'static str,
    /// What is typed.
    pub query: TextArea<'static>,
    /// The row that is chosen, among those that match.
    pub chosen: usize,
    rows: Vec<Row>,
    /// Indices of the rows that match, the best first.
    matching: Vec<usize>,
    /// Below all of them: the way to messages that are not in memory.
    search: Option<Row>,
    matcher: Matcher,
}

/// A row to pick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What is shown and searched.
    pub label: String,
    /// What is shown at its side.
    pub detail: String,
    /// What picking it does.
    pub target: Target,
}

/// What picking a row does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Go into a room of this profile.
    Room(RoomId),
    /// Join a room of the server's list.
    Join(RoomName),
    /// Write this to the composer.
    Write(String),
    /// Carry out a line as if it had been written.
    Run(String),
    /// Go to a message.
    Message(RoomId, u64),
    /// Look for what is typed in all messages.
    Search(String),
    /// Use a theme; choosing it shows it.
    Theme(&'static str),
}

impl Target {
    /// What is gone to by a letter or two weighs more than words that happen to have them.
    fn weight(&self) -> u32 {
        match self {
            Self::Room(_) | Self::Join(_) => 24,
            Self::Message(..) => 0,
            _ => 8,
        }
    }
}

impl Picker {
    /// Everything there is: rooms first, then commands, people, messages.
    pub fn everything(rooms: &[RoomOverview], people: &[Person], lines: &[Line]) -> Self {
        let rooms = rooms_rows(rooms);
        let commands = COMMANDS.iter().map(|command| Row {
            label: format!("/{}", command.name),
            detail: command.help.to_owned(),
            target: match command.argument {
                "" => Target::Run(format!("/{}", command.name)),
                _ => Target::Write(format!("/{} ", command.name)),
            },
        });
        let people = people.iter().map(|person| Row {
            label: format!("@{person}"),
            detail: "write to them here".to_owned(),
            target: Target::Write(format!("@{person} ")),
        });
        let messages = lines.iter().rev().filter_map(message_row);
        let rows = rooms.into_iter().chain(commands).chain(people).chain(messages).collect();
        Self { search: Some(search_row("")), ..Self::new("Go to", rows) }
    }

    /// The menu that this program has always begun with.
    pub fn menu() -> Self {
        let row =
            |label: &str, detail: &str, target| Row { label: label.into(), detail: detail.into(), target };
        Self::new(
            "What next?",
            vec![
                row(
                    "1 create a room",
                    "everybody here can join it by its name",
                    Target::Write("/create ".into()),
                ),
                row(
                    "2 join a room by its name",
                    "nobody there needs to be online",
                    Target::Write("/join ".into()),
                ),
                row("3 list all rooms", "that the server lists", Target::Run("/list".into())),
                row(
                    "4 create a private room",
                    "members bring others in",
                    Target::Write("/create private ".into()),
                ),
                row("5 invite a friend", "a link and a QR code", Target::Run("/invite".into())),
                row(":q quit", "again :q", Target::Run("/quit".into())),
            ],
        )
    }

    /// The rooms that the server lists.
    pub fn listing(listed: &[RoomSummary], mine: &[RoomOverview]) -> Self {
        let rows = listed.iter().map(|room| {
            let own = mine.iter().find(|own| own.room == room.room && super::chat::is_in(own.membership));
            Row {
                label: format!("#{}", room.name),
                detail: match (room.members, own) {
                    (1, None) => "1 person".to_owned(),
                    (members, None) => format!("{members} people"),
                    (1, Some(_)) => "1 person: you are in".to_owned(),
                    (members, Some(_)) => format!("{members} people, you are in"),
                },
                target: own.map_or_else(|| Target::Join(room.name.clone()), |own| Target::Room(own.room)),
            }
        });
        Self::new("Rooms on this server", rows.collect())
    }

    /// All themes.
    pub fn themes() -> Self {
        let rows = Theme::NAMES.iter().map(|name| Row {
            label: (*name).to_owned(),
            detail: String::new(),
            target: Target::Theme(name),
        });
        Self::new("Theme", rows.collect())
    }

    fn new(title: &'static str, mut rows: Vec<Row>) -> Self {
        rows.truncate(MOST);
        let matching = (0..rows.len()).collect();
        let matcher = Matcher::new(Config::DEFAULT);
        Self { title, query: TextArea::default(), chosen: 0, rows, matching, search: None, matcher }
    }

    /// The rows that match, the best first.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.matching.iter().filter_map(|index| self.rows.get(*index)).chain(&self.search)
    }

    /// The chosen row.
    pub fn chosen(&self) -> Option<&Row> {
        self.rows().nth(self.chosen)
    }

    /// What is typed.
    pub fn typed(&self) -> String {
        text(&self.query)
    }

    /// Moves the choice; it stays among the rows.
    pub fn step(&mut self, by: isize) {
        let last = self.rows().count().saturating_sub(1);
        self.chosen = self.chosen.saturating_add_signed(by).min(last);
    }

    /// A key for the query.
    pub fn press(&mut self, key: KeyEvent) {
        if edit(&mut self.query, key) {
            self.narrow();
        }
    }

    /// Pasted text for the query.
    pub fn paste(&mut self, pasted: &str) {
        self.query.insert_str(pasted.lines().next().unwrap_or_default());
        self.narrow();
    }

    fn narrow(&mut self) {
        self.chosen = 0;
        let typed = self.typed();
        self.search = self.search.is_some().then(|| search_row(&typed));
        if typed.is_empty() {
            self.matching = (0..self.rows.len()).collect();
            return;
        }
        let pattern = Pattern::parse(&typed, CaseMatching::Smart, Normalization::Smart);
        let mut buffer = Vec::new();
        let scored = self.rows.iter().enumerate().filter_map(|(index, row)| {
            let score = pattern.score(Utf32Str::new(&row.label, &mut buffer), &mut self.matcher)?;
            Some((score + row.target.weight(), index))
        });
        let mut scored: Vec<_> = scored.collect();
        // Of equals, the one that came first: rooms before commands before messages.
        scored.sort_by_key(|(score, index)| (std::cmp::Reverse(*score), *index));
        self.matching = scored.into_iter().map(|(_, index)| index).collect();
    }
}

fn search_row(typed: &str) -> Row {
    let label =
        if typed.is_empty() { "search all messages".to_owned() } else { format!("search for: {typed}") };
    Row { label, detail: "in all rooms".to_owned(), target: Target::Search(typed.to_owned()) }
}

/// Unread first, the most important at the top; then by the newest message.
fn rooms_rows(rooms: &[RoomOverview]) -> Vec<Row> {
    let mut rooms: Vec<_> = rooms.iter().collect();
    rooms.sort_by_key(|room| std::cmp::Reverse((room.mentions, room.unread > 0, room.latest)));
    let row = |room: &&RoomOverview| Row {
        label: format!("#{}", room.name),
        detail: match (room.unread, room.mentions) {
            (0, _) => String::new(),
            (unread, 0) => format!("{unread} new"),
            (unread, mentions) => format!("{unread} new, {mentions} for you"),
        },
        target: Target::Room(room.room),
    };
    rooms.iter().map(row).collect()
}

fn message_row(line: &Line) -> Option<Row> {
    let Entry::Text { text, .. } = &line.entry else { return None };
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
    let target = Target::Message(line.room, line.sequence?);
    Some(Row { label: format!("{}: {words}", line.author), detail: String::new(), target })
}
