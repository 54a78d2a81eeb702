//! The chat: rooms at the left, the timeline, members at the right, the composer and the status line below.

use openchat_client::{ConnectionState, Membership, RoomOverview, RoomSuite};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Wrap};

use super::timeline::{self, Context};
use super::wrapped;
use crate::app::chat::Chat;
use crate::app::completion::Completion;
use crate::app::mouse::Places;
use crate::keymap::{Action, Lookup, Mode};
use crate::phrases;
use crate::settings::Settings;
use crate::theme::Theme;
use crate::words::{pad, truncate, width};

/// Narrower than this, only one pane is shown.
const NARROW: u16 = 60;
/// Narrower than this, members are not shown beside the timeline.
const MIDDLING: u16 = 90;
/// Rows that the composer grows to.
const TALLEST: u16 = 8;

pub(super) fn draw(chat: &mut Chat, settings: &Settings, theme: &Theme, frame: &mut Frame<'_>) {
    let [alarms, middle, status] = Layout::vertical([
        Constraint::Length(u16::from(!chat.alarms.is_empty())),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_alarm(chat, theme, alarms, frame);
    draw_status(chat, settings, theme, status, frame);
    let shows_rooms = middle.width >= NARROW;
    let shows_members = middle.width >= MIDDLING && chat.shows_members && !chat.members.is_empty();
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
    draw_talk(chat, theme, talk, frame);
}

fn rooms_width(chat: &Chat) -> u16 {
    let longest = chat.rooms.iter().map(|room| room.name.as_str().len()).max().unwrap_or(0);
    u16::try_from(longest + 9).unwrap_or(u16::MAX).clamp(16, 26)
}

fn draw_alarm(chat: &Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    if let Some(alarm) = chat.alarms.last() {
        let more = chat.alarms.len().saturating_sub(1);
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        let words = format!("!! {alarm}{more}: Esc closes this");
        frame.render_widget(Line::styled(pad(&words, usize::from(area.width)), theme.alarm), area);
    }
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
            Span::styled(
                truncate(&name, columns.saturating_sub(2)).into_owned(),
                theme.person(member.person.uid),
            ),
        ])
    }));
    frame.render_widget(Paragraph::new(rows), inner);
}

fn people(count: usize) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

fn draw_talk(chat: &mut Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let notice = notice(chat, theme, area.width);
    let notice_height = notice.as_ref().map_or(0, |rows| rows.len().min(4));
    let offers = chat.completion.is_some() && chat.mode == Mode::Compose;
    let [title, lines, notice_area, completions, composer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(u16::try_from(notice_height).unwrap_or(4)),
        Constraint::Length(u16::from(offers)),
        Constraint::Length(composer_height(chat, area)),
    ])
    .areas(area);
    draw_title(chat, theme, title, frame);
    chat.places.lines = lines;
    draw_lines(chat, theme, lines, frame);
    if let Some(notice) = notice {
        frame.render_widget(Paragraph::new(notice), notice_area);
    }
    if let Some(completion) = chat.completion.as_ref().filter(|_| offers) {
        let row = completion_row(completion, usize::from(completions.width), theme);
        frame.render_widget(row, completions);
    }
    draw_composer(chat, theme, composer, frame);
}

/// What Tab goes through: as many as fit, the one that was written among them. Names of emoji stand beside them; what a
/// command does is said of the one that Tab has written, or would write.
fn completion_row(completion: &Completion, columns: usize, theme: &Theme) -> Line<'static> {
    /// Cells of what is as short as a name.
    const NAME: usize = 16;
    let written = completion.written();
    let mut spans = vec![Span::styled("Tab ", theme.quiet)];
    let mut room = columns.saturating_sub(4);
    let from = written.map_or(0, |written| written.saturating_sub(1));
    for (index, candidate) in completion.candidates().iter().enumerate().skip(from) {
        let word = format!(" {} ", candidate.word);
        let is_named = !candidate.detail.is_empty() && width(&candidate.detail) <= NAME;
        let name = if is_named { format!("{} ", candidate.detail) } else { String::new() };
        let needed = width(&word) + width(&name);
        if needed > room {
            spans.push(Span::styled(truncate("…", room).into_owned(), theme.quiet));
            return Line::from(spans);
        }
        room -= needed;
        spans.push(Span::styled(word, if written == Some(index) { theme.chosen } else { theme.strong }));
        spans.push(Span::styled(name, theme.quiet));
    }
    let current = completion.candidates().get(written.unwrap_or(0));
    if let Some(detail) = current.map(|it| &it.detail).filter(|detail| width(detail) > NAME) {
        spans.push(Span::styled(truncate(&format!("· {detail}"), room).into_owned(), theme.quiet));
    }
    Line::from(spans)
}

fn notice(chat: &Chat, theme: &Theme, width: u16) -> Option<Vec<Line<'static>>> {
    let notice = chat.notice.as_ref()?;
    let style = if notice.is_warning { theme.warning } else { theme.good };
    let sign = if notice.is_warning { "! " } else { "· " };
    Some(wrapped(&[Line::styled(format!("{sign}{}", notice.text), style)], width))
}

/// What is said while something lies in front, which may hide where it is said otherwise: above the status line.
pub(super) fn draw_notice_in_front(chat: &Chat, theme: &Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    let Some(rows) = chat.overlay.as_ref().and_then(|_| notice(chat, theme, area.width)) else { return };
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX).min(4).min(area.height.saturating_sub(1));
    let y = area.bottom().saturating_sub(height + 1);
    let area = Rect { y, height, ..area };
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(rows).style(theme.text), area);
}

fn composer_height(chat: &Chat, area: Rect) -> u16 {
    let columns = usize::from(area.width.saturating_sub(2).max(1));
    let rows: usize = chat.composer.area.lines().iter().map(|line| width(line) / columns + 1).sum();
    let tallest = TALLEST.min(area.height / 3).max(1);
    u16::try_from(rows).unwrap_or(u16::MAX).clamp(1, tallest) + 1
}

/// `#lobby · 3 people · end-to-end encrypted, post-quantum · epoch 12`.
fn draw_title(chat: &Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let mut spans = vec![Span::raw(" ")];
    match chat.overview() {
        None => spans.push(Span::styled("OpenChat", theme.strong)),
        Some(room) => {
            spans.push(Span::styled(format!("#{}", room.name), theme.strong));
            let mut facts = Vec::new();
            if !chat.members.is_empty() {
                facts.push(people(chat.members.len()));
            }
            if let Some((epoch, suite)) = chat.keys {
                let keys = match suite {
                    RoomSuite::PostQuantum => "end-to-end, post-quantum",
                    RoomSuite::Interoperable => "end-to-end encrypted",
                };
                facts.push(keys.to_owned());
                facts.push(format!("epoch {epoch}"));
            }
            facts.push(if room.listed { "open to all here" } else { "private" }.to_owned());
            for fact in facts {
                spans.push(Span::styled(format!(" · {fact}"), theme.quiet));
            }
        }
    }
    frame.render_widget(Line::from(spans), area);
}

fn draw_lines(chat: &mut Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let people =
        chat.members.iter().filter_map(|member| Some(member.person.name.as_ref()?.as_str())).collect();
    let first_new = chat.timeline.as_ref().and_then(|timeline| timeline.first_new(chat.me.device.uid));
    let context = Context { theme, me: &chat.me.name, people, first_new };
    match &mut chat.timeline {
        Some(lines) if lines.lines.is_empty() && !lines.loading => {
            let words = "Nothing was said here since you came. Write something below; Enter sends it.";
            frame.render_widget(Paragraph::new(words).style(theme.quiet).wrap(Wrap { trim: true }), area);
        }
        Some(lines) => timeline::draw(lines, &context, area, frame.buffer_mut()),
        None => {
            let words = "No room is open. F2 shows what is next: create a room, join one, list them.";
            frame.render_widget(Paragraph::new(words).style(theme.quiet).wrap(Wrap { trim: true }), area);
        }
    }
}

fn draw_composer(chat: &mut Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let is_writing = chat.mode == Mode::Compose && chat.overlay.is_none();
    let is_behind = chat.timeline.as_ref().is_some_and(|timeline| timeline.view.bottom.is_some());
    let title = match chat.timeline.as_ref().filter(|_| is_behind).map(|timeline| timeline.at_end) {
        None => "",
        Some(true) => " newer messages below: PgDn ",
        Some(false) => " much newer below: Esc goes to the newest ",
    };
    let block =
        Block::new().borders(Borders::TOP).border_style(theme.border).title(title).title_style(theme.strong);
    let inner = block.inner(area);
    chat.places.composer = inner;
    chat.places.behind = is_behind.then_some(Rect { height: 1, ..area });
    frame.render_widget(block, area);
    let [sign, text] = Layout::horizontal([Constraint::Length(2), Constraint::Min(1)]).areas(inner);
    let style = if is_writing { theme.strong } else { theme.quiet };
    frame.render_widget(Line::styled(if is_writing { "> " } else { "  " }, style), sign);
    let composer = &mut chat.composer.area;
    composer.set_style(theme.text);
    let cursor =
        if is_writing { theme.text.add_modifier(ratatui::style::Modifier::REVERSED) } else { theme.text };
    composer.set_cursor_style(cursor);
    composer.set_placeholder_style(theme.quiet);
    composer.set_placeholder_text("write a message, or / for commands");
    frame.render_widget(&*composer, text);
}

fn draw_status(chat: &Chat, settings: &Settings, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let (connection, is_well) = phrases::connection(&chat.connection);
    let sign = match &chat.connection {
        ConnectionState::Online => "●",
        ConnectionState::Connecting => "◌",
        _ => "○",
    };
    let mut left = format!(" {sign} {connection}");
    if let ConnectionState::Offline { .. } = chat.connection {
        left.push_str("; what you write is kept");
    }
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

/// The three likeliest keys, or what may follow the ones that were typed.
fn hints(chat: &Chat, settings: &Settings) -> String {
    if !chat.prefix.is_empty() {
        let Lookup::More(next) = settings.keymap.look_up(chat.mode, &chat.prefix) else {
            return String::new();
        };
        let next: Vec<_> = next
            .iter()
            .map(|(chord, action)| format!("{chord} {}", action.map_or("…", Action::label)))
            .collect();
        return format!("{} ", next.join(" · "));
    }
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
