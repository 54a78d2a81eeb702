//! The chat: rooms at the left, the timeline, members at the right, the composer and the status line below.

use openchat_client::{ConnectionState, Membership, RoomOverview, Trust};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph};

use super::{talk, wrapped};
use crate::app::chat::Chat;
use crate::app::mouse::Places;
use crate::app::panes::BOTH;
use crate::app::timeline::Timeline;
use crate::keymap::{Action, Chord, Lookup, Mode};
use crate::phrases;
use crate::settings::Settings;
use crate::theme::Theme;
use crate::words::{pad, truncate, width};

/// Narrower than this, only one pane is shown.
const NARROW: u16 = 60;
/// Narrower than this, members are not shown beside the timeline.
const MIDDLING: u16 = 90;
/// Narrower than this, there is no room for members and two rooms.
const WIDE: u16 = 150;

pub(super) fn draw(chat: &mut Chat, settings: &Settings, theme: &Theme, frame: &mut Frame<'_>) {
    let [alarms, middle, status] = Layout::vertical([
        Constraint::Length(u16::try_from(alarm_rows(chat, frame.area()).len()).unwrap_or(u16::MAX)),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_alarm(chat, theme, alarms, frame);
    draw_status(chat, settings, theme, status, frame);
    let shows_rooms = middle.width >= NARROW;
    let is_split = chat.beside.is_some() && middle.width < WIDE;
    let shows_members =
        middle.width >= MIDDLING && !is_split && chat.shows_members && !chat.members.is_empty();
    let [rooms, talk, members] = Layout::horizontal([
        Constraint::Length(if shows_rooms { rooms_width(chat) } else { 0 }),
        Constraint::Min(10),
        Constraint::Length(if shows_members { 20 } else { 0 }),
    ])
    .areas(middle);
    chat.places = Places { status, ..Places::default() };
    if shows_rooms {
        draw_rooms(chat, theme, rooms, frame);
    }
    if shows_members {
        draw_members(chat, theme, members, frame);
    }
    match chat.beside.take() {
        // Where both have no room, the one with the cursor is shown.
        Some(mut beside) if talk.width >= BOTH => {
            draw_both(chat, &mut beside, theme, talk, frame);
            chat.beside = Some(beside);
        }
        beside => {
            chat.beside = beside;
            talk::draw(chat, theme, talk, frame);
        }
    }
}

/// Two rooms side by side.
fn draw_both(chat: &mut Chat, beside: &mut Timeline, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let half = area.width / 2;
    let [left, bar, right] =
        Layout::horizontal([Constraint::Length(half), Constraint::Length(1), Constraint::Min(1)]).areas(area);
    frame.render_widget(Block::new().borders(Borders::LEFT).border_style(theme.border), bar);
    let (with_cursor, other) = if chat.is_right { (right, left) } else { (left, right) };
    talk::draw(chat, theme, with_cursor, frame);
    talk::draw_beside(chat, beside, theme, other, frame);
    chat.places.beside = Some(other);
}

fn rooms_width(chat: &Chat) -> u16 {
    let longest = chat.rooms.iter().map(|room| room.name.as_str().len()).max().unwrap_or(0);
    u16::try_from(longest + 9).unwrap_or(u16::MAX).clamp(16, 26)
}

fn draw_alarm(chat: &Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    frame.render_widget(Paragraph::new(alarm_rows(chat, frame.area())).style(theme.alarm), area);
}

/// The newest alarm, as tall as it has to be, but half of the window at most.
pub(super) fn alarm_rows(chat: &Chat, area: Rect) -> Vec<Line<'static>> {
    let Some(alarm) = chat.alarms.last() else { return Vec::new() };
    let more = chat.alarms.len().saturating_sub(1);
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    let mut rows = wrapped(&[Line::raw(format!("!! {alarm}{more}: Esc closes this"))], area.width);
    rows.truncate(usize::from(area.height / 2).max(1));
    rows
}

fn draw_rooms(chat: &mut Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let block = Block::new().borders(Borders::RIGHT).border_style(theme.border);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let open = chat.open_room();
    let at = chat.rooms.iter().position(|room| Some(room.room) == open).unwrap_or(0);
    let height = usize::from(inner.height.saturating_sub(1)).max(1);
    let first = (at + 1).saturating_sub(height);
    let title = Line::styled(pad(" rooms", usize::from(inner.width)), theme.quiet);
    let shown = chat.rooms.iter().skip(first).take(height);
    let places = (inner.y.saturating_add(1)..).zip(shown);
    chat.places.rooms = places.map(|(y, room)| (Rect { y, height: 1, ..inner }, room.room)).collect();
    let rows = chat
        .rooms
        .iter()
        .skip(first)
        .take(height)
        .map(|room| room_row(room, Some(room.room) == open, theme, usize::from(inner.width)));
    frame.render_widget(Paragraph::new(std::iter::once(title).chain(rows).collect::<Vec<_>>()), inner);
}

/// `▸#name 3@1`: what is open has a sign, what is private a lock's place, what is unread its number.
fn room_row(room: &RoomOverview, is_open: bool, theme: &Theme, columns: usize) -> Line<'static> {
    let counts = match (room.unread, room.mentions) {
        (0, _) => String::new(),
        (unread, 0) => format!(" {}", at_most(unread)),
        (unread, mentions) => format!(" {} @{}", at_most(unread), at_most(mentions)),
    };
    let state = match room.membership {
        Membership::Member => "",
        Membership::Creating | Membership::Joining => "…",
        Membership::Diverged => "!",
        _ => "×",
    };
    let sign = if is_open { "▸" } else { " " };
    let kind = if room.listed { "#" } else { "*" };
    let name = format!("{sign}{kind}{}{state}", room.name);
    let room_for_name = columns.saturating_sub(width(&counts) + 1);
    let style = match (is_open, room.unread > 0, room.membership) {
        (true, ..) => theme.chosen,
        (_, true, _) => theme.strong,
        (_, _, Membership::Member) => theme.text,
        _ => theme.quiet,
    };
    let name = pad(&truncate(&name, room_for_name), room_for_name);
    let counts_style = if room.mentions > 0 { theme.mention } else { style };
    Line::from(vec![
        Span::styled(name, style),
        Span::styled(counts, style.patch(counts_style)),
        Span::styled(" ", style),
    ])
}

fn at_most(count: u64) -> String {
    if count > 99 { "99+".to_owned() } else { count.to_string() }
}

fn draw_members(chat: &Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let block = Block::new().borders(Borders::LEFT).border_style(theme.border);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let columns = usize::from(inner.width);
    let title = format!(" {} here", people(chat.members.len()));
    let mut rows = vec![Line::styled(pad(&title, columns), theme.quiet)];
    rows.extend(chat.members.iter().map(|member| {
        let sign = if member.is_admin { " +" } else { "  " };
        let me = if member.is_me { " (you)" } else { "" };
        let name = format!("{}{me}", member.person);
        Line::from(vec![
            Span::styled(sign, theme.quiet),
            trust_sign(member.person.trust, theme),
            Span::styled(
                truncate(&name, columns.saturating_sub(4)).into_owned(),
                theme.person(member.person.uid),
            ),
        ])
    }));
    frame.render_widget(Paragraph::new(rows), inner);
}

/// What a key rests on, before a name.
pub(super) fn trust_sign(trust: Trust, theme: &Theme) -> Span<'static> {
    let style = match trust {
        Trust::Compared | Trust::Invited => theme.good,
        Trust::FirstUse | Trust::Mine => theme.quiet,
        Trust::Changed => theme.warning,
    };
    Span::styled(format!("{} ", phrases::trust_sign(trust)), style)
}

pub(super) fn people(count: usize) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

fn draw_status(chat: &Chat, settings: &Settings, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let (connection, is_well) = phrases::connection(&chat.connection);
    let sign = match &chat.connection {
        ConnectionState::Online => "●",
        ConnectionState::Connecting => "◌",
        _ => "○",
    };
    // Why there is no connection comes last: it is long, and F3 shows all of it.
    let (state, why) = match connection.split_once(": ") {
        Some((state, why)) => (state, format!(": {why}; what you write is kept")),
        None => (connection.as_str(), String::new()),
    };
    let mut left = format!(" {sign} {state}");
    if chat.waiting > 0 {
        left.push_str(&format!(" · {} to send", chat.waiting));
    }
    left.push_str(&tasks(chat));
    let open = chat.open_room();
    let elsewhere = chat.rooms.iter().filter(|room| Some(room.room) != open);
    let (unread, mentions) =
        elsewhere.fold((0, 0), |(unread, mentions), room| (unread + room.unread, mentions + room.mentions));
    if unread > 0 {
        left.push_str(&format!(" · {unread} new elsewhere"));
    }
    if mentions > 0 {
        left.push_str(&format!(", {mentions} for you"));
    }
    left.push_str(&why);
    let right = hints(chat, settings);
    let columns = usize::from(area.width);
    let room_for_left = columns.saturating_sub(width(&right) + 1);
    let (left, right) = match room_for_left < width(&left).min(columns) {
        true => (truncate(&left, columns).into_owned(), String::new()),
        false => (left, right),
    };
    let left = pad(&left, columns.saturating_sub(width(&right)));
    let style = if is_well { theme.status } else { theme.status.patch(bold(theme.warning)) };
    frame.render_widget(Line::from(vec![Span::styled(left, style), Span::styled(right, theme.status)]), area);
}

/// ` · joining #games 3 s`, ` · 2 failed: F3`.
fn tasks(chat: &Chat) -> String {
    let mut words = String::new();
    let going_on: Vec<_> = chat.tasks.going_on().collect();
    match going_on.as_slice() {
        [] => {}
        [one] => {
            let age = phrases::age(one.since, chat.now).map_or(String::new(), |age| format!(" {age}"));
            words.push_str(&format!(" · {}{age}", one.what));
        }
        many => words.push_str(&format!(" · {} tasks", many.len())),
    }
    match chat.tasks.failures().count() {
        0 => {}
        failed => words.push_str(&format!(" · ✗ {failed} failed: F3")),
    }
    words
}

fn bold(style: Style) -> Style {
    Style { bg: None, ..style }
}

/// What may follow the keys that were typed: rows above the status line.
pub(super) fn draw_next_keys(chat: &Chat, settings: &Settings, theme: &Theme, frame: &mut Frame<'_>) {
    /// Cells of a key and of what it does.
    const KEY: usize = 3;
    const ALL: usize = 20;
    if chat.prefix.is_empty() {
        return;
    }
    let Lookup::More(next) = settings.keymap.look_up(chat.mode, &chat.prefix) else { return };
    let area = frame.area();
    let columns = (usize::from(area.width) / ALL).max(1);
    let cell = |(chord, action): &(Chord, Option<Action>)| {
        let key = format!(" {chord} ");
        let key = format!("{key}{}", " ".repeat(KEY.saturating_sub(width(&key))));
        let label = pad(action.map_or("…", Action::label), ALL.saturating_sub(width(&key)));
        [Span::styled(key, theme.strong), Span::raw(label)]
    };
    let rows: Vec<Line<'static>> =
        next.chunks(columns).map(|row| Line::from(row.iter().flat_map(cell).collect::<Vec<_>>())).collect();
    let room = area.height.saturating_sub(1);
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(1).min(room);
    let area = Rect { y: room.saturating_sub(height), height, ..area };
    frame.render_widget(Clear, area);
    let typed = chat.prefix.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(theme.border)
        .title(format!(" {typed} … "))
        .title_style(theme.strong);
    frame.render_widget(Paragraph::new(rows).style(theme.text).block(block), area);
}

/// The three likeliest keys.
fn hints(chat: &Chat, settings: &Settings) -> String {
    let likely: &[Action] = match chat.mode {
        Mode::Compose => &[Action::Picker, Action::NextUnread, Action::Help],
        Mode::Normal => &[Action::Reply, Action::Copy, Action::Write],
    };
    let hints: Vec<_> = likely
        .iter()
        .filter_map(|action| {
            Some(format!("{} {}", settings.keymap.keys_of(chat.mode, *action)?, action.label()))
        })
        .collect();
    format!("{} ", hints.join(" · "))
}
