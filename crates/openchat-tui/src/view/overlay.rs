//! What lies in front of the chat.

use openchat_client::{Acquaintance, Entry, Person, RoomDetails, SafetyNumber, ShortCode};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{framed, wrapped};
use crate::app::chat::Chat;
use crate::app::overlay::{Overlay, Page};
use crate::app::picker::{Picker, Row, Target};
use crate::commands::COMMANDS;
use crate::keymap::{Action, Mode, Scheme};
use crate::phrases;
use crate::qr::{self, Paint};
use crate::settings::Settings;
use crate::theme::Theme;
use crate::words::{Look, Margin, Readers, harmless, pad, render, truncate, width, wrap};

pub(super) fn draw(chat: &mut Chat, settings: &Settings, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    if !chat.overlay.as_ref().is_some_and(Overlay::is_page) {
        chat.page = Page::default();
    }
    match &chat.overlay {
        None => {}
        Some(Overlay::Picker(picker)) => chat.places.entries = draw_picker(picker, theme, area, frame),
        Some(Overlay::Search(search)) => {
            chat.places.entries = super::search::draw(search, theme, area, frame);
        }
        Some(Overlay::Help) => {
            let rows = help(chat.mode, settings, page_width(area));
            page("What works here", &rows, &mut chat.page, theme, area, frame);
        }
        Some(Overlay::Room(details)) => {
            let rows = room(chat, details);
            page("This room", &rows, &mut chat.page, theme, area, frame);
        }
        Some(Overlay::CryptoLog(_, epochs)) => {
            let mut rows = epochs.iter().rev().map(phrases::epoch).map(Line::raw).collect::<Vec<_>>();
            if rows.is_empty() {
                rows.push(Line::raw(phrases::NO_EPOCHS));
            }
            page("How the keys of this room have changed", &rows, &mut chat.page, theme, area, frame);
        }
        Some(Overlay::Message(_)) => draw_message(chat, theme, area, frame),
        Some(Overlay::Tasks) => chat.places.entries = super::tasks::draw(chat, theme, area, frame),
        Some(Overlay::Invite(link)) => {
            let words = [
                Line::styled(link.clone(), theme.strong),
                Line::styled(
                    "Good for one person and 24 hours. Your friend runs: openchat join 'LINK'",
                    theme.quiet,
                ),
                Line::styled("y copies the link · Esc closes", theme.quiet),
            ];
            with_code("Invite a friend", link, &words, theme, area, frame);
        }
        Some(Overlay::People(all)) => {
            let rows = known_people(all);
            page("Whose keys are known", &rows, &mut chat.page, theme, area, frame);
        }
        Some(Overlay::Devices(devices)) => {
            let mut rows: Vec<_> = devices.iter().map(phrases::device).map(Line::raw).collect();
            rows.push(Line::styled("/devices revoke ID puts one out · /link adds one", theme.quiet));
            page("Your devices", &rows, &mut chat.page, theme, area, frame);
        }
        Some(Overlay::Revoke(id, password)) => {
            let dots = "•".repeat(password.length().min(usize::from(page_width(area))));
            let rows = [
                Line::raw(format!("The device {} gets nothing more, and cannot log in again.", harmless(id))),
                Line::raw(format!("Your password: {dots}")),
                Line::styled("Enter puts it out · Esc leaves it", theme.quiet),
            ];
            page("Put out a device", &rows, &mut Page::default(), theme, area, frame);
        }
        Some(Overlay::LinkPassword(password)) => {
            let dots = "•".repeat(password.length().min(usize::from(page_width(area))));
            let rows = [
                Line::raw(
                    "Another machine becomes a device of yours: it gets your identity, rooms and history.",
                ),
                Line::raw(format!("Your password: {dots}")),
                Line::styled("Enter makes a link · Esc leaves it", theme.quiet),
            ];
            page("Link a device", &rows, &mut Page::default(), theme, area, frame);
        }
        Some(Overlay::Link(link, is_local)) => {
            let mut words = vec![Line::styled(link.clone(), theme.strong)];
            if *is_local {
                words.push(Line::styled(
                    "It works on this machine only: its host has set no address.",
                    theme.warning,
                ));
            }
            words.extend([
                Line::styled(
                    "On the new machine: openchat, and there 3; or openchat join 'LINK'. Good for one machine and ten \
                     minutes. Show it to nobody: it gives away your identity.",
                    theme.quiet,
                ),
                Line::styled("y copies the link · Esc closes this and goes on waiting", theme.quiet),
            ]);
            with_code("Link a device", link, &words, theme, area, frame);
        }
        Some(Overlay::Number(known)) => match chat.code_with(known) {
            Some((with, code)) => {
                let rows = code_rows(with, *code, theme);
                page(&format!("You and {with}"), &rows, &mut Page::default(), theme, area, frame);
            }
            None => number(known, theme, area, frame),
        },
        Some(Overlay::Ask(question)) => {
            let rows = vec![Line::raw(question.words()), Line::raw(""), Line::raw("y yes · n no")];
            page("Sure?", &rows, &mut Page::default(), theme, area, frame);
        }
    }
}

/// Columns of a page in this window.
pub(super) fn page_width(area: Rect) -> u16 {
    let width = area.width;
    // The frame takes four columns; where there are few, words get the rest.
    width.saturating_sub(if width < 60 { 4 } else { 8 }).clamp(1, 88)
}

fn page(title: &str, rows: &[Line<'_>], page: &mut Page, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let rows = wrapped(rows, page_width(area));
    turned(title, &rows, page, theme, area, frame);
}

/// A page that may be longer than the screen is high: its title says where one is.
fn turned(
    title: &str,
    rows: &[Line<'static>],
    page: &mut Page,
    theme: &Theme,
    area: Rect,
    frame: &mut Frame<'_>,
) {
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX);
    page.rows = rows.len();
    page.height = usize::from(height.min(area.height.saturating_sub(2)));
    page.top = page.top.min(page.last());
    let title = match page.last() {
        0 => title.to_owned(),
        _ => format!(
            "{title} · {}–{} of {} · PgDn PgUp",
            page.top + 1,
            (page.top + page.height).min(page.rows),
            page.rows
        ),
    };
    let inner = framed(&title, (page_width(area), height), theme, area, frame);
    let shown: Vec<_> = rows.iter().skip(page.top).take(page.height).cloned().collect();
    frame.render_widget(Paragraph::new(shown), inner);
}

/// What is known of a message, and all of it: laid out once, for it may be long.
fn draw_message(chat: &mut Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let width = page_width(area);
    let is_laid = chat
        .page
        .laid
        .as_ref()
        .is_some_and(|(for_width, for_theme, _)| (*for_width, *for_theme) == (width, theme.name));
    if !is_laid {
        let Some(Overlay::Message(line)) = &chat.overlay else { return };
        let rows = message(chat, line, width, theme);
        chat.page.laid = Some((width, theme.name, rows));
    }
    let laid = chat.page.laid.take();
    if let Some((_, _, rows)) = &laid {
        turned("This message", rows, &mut chat.page, theme, area, frame);
    }
    chat.page.laid = laid;
}

fn draw_picker(picker: &Picker, theme: &Theme, size: Rect, frame: &mut Frame<'_>) -> Vec<(Rect, usize)> {
    let rows = picker.rows().count();
    let height = u16::try_from(rows)
        .unwrap_or(u16::MAX)
        .saturating_add(2)
        .clamp(4, size.height.saturating_sub(4).max(4));
    let inner = framed(picker.title, (size.width.saturating_sub(8).min(76), height), theme, size, frame);
    let message = picker.chosen().filter(|row| matches!(row.target, Target::Message(..)));
    let [query, list, below] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(if message.is_some() { 3.min(inner.height / 3) } else { 1 }),
    ])
    .areas(inner);
    let typed = picker.typed();
    frame.render_widget(
        Line::from(vec![Span::styled("> ", theme.strong), Span::raw(harmless(&typed))]),
        query,
    );
    let column = u16::try_from(2 + picker.query.cursor().1).unwrap_or(u16::MAX);
    frame.set_cursor_position((query.x.saturating_add(column).min(query.right().saturating_sub(1)), query.y));
    let places = draw_picker_rows(picker, theme, list, frame);
    match message {
        Some(row) => {
            frame.render_widget(preview(&row.label, below.width, theme), below);
        }
        None => {
            let words = if rows == 0 {
                "nothing like this · Esc closes"
            } else {
                "↑ ↓ choose · Enter · Esc closes"
            };
            frame.render_widget(Line::styled(words, theme.quiet), below);
        }
    }
    places
}

/// A part of a message as the timeline would show it, with what is said of links there.
pub(super) fn preview(words: &str, width: u16, theme: &Theme) -> Paragraph<'static> {
    let look = Look { text: theme.quiet, ..super::timeline::look(theme) };
    Paragraph::new(render(words, width, &look, Readers::default()))
}

/// Where the entries of a list are shown, from entry `first` on.
pub(super) fn entries(area: Rect, first: usize, count: usize) -> Vec<(Rect, usize)> {
    let shown = (area.top()..area.bottom()).zip(first..count);
    shown.map(|(y, index)| (Rect { y, height: 1, ..area }, index)).collect()
}

fn draw_picker_rows(picker: &Picker, theme: &Theme, area: Rect, frame: &mut Frame<'_>) -> Vec<(Rect, usize)> {
    let height = usize::from(area.height).max(1);
    let first = (picker.chosen + 1).saturating_sub(height);
    let rows = picker.rows().enumerate().skip(first).take(height);
    let rows =
        rows.map(|(index, row)| picker_row(row, index == picker.chosen, usize::from(area.width), theme));
    frame.render_widget(Paragraph::new(rows.collect::<Vec<_>>()), area);
    entries(area, first, picker.rows().count())
}

fn picker_row(row: &Row, is_chosen: bool, columns: usize, theme: &Theme) -> Line<'static> {
    let sign = if is_chosen { "▸ " } else { "  " };
    let detail = truncate(&row.detail, columns / 2).into_owned();
    let room = columns.saturating_sub(width(&detail) + 3);
    let label = harmless(&row.label);
    let label = pad(&truncate(&label, room), room);
    let style = if is_chosen { theme.chosen } else { theme.text };
    let detail_style = if is_chosen { theme.chosen } else { theme.quiet };
    Line::from(vec![Span::styled(format!("{sign}{label} "), style), Span::styled(detail, detail_style)])
}

/// Keys with what they do, those of this mode; then the commands.
fn help(mode: Mode, settings: &Settings, width: u16) -> Vec<Line<'static>> {
    let scheme = match settings.keymap.scheme {
        Scheme::Emacs => "Emacs keys",
        Scheme::Vim => "vi keys",
    };
    let mut rows = vec![Line::raw(format!("{scheme}; /keys changes them. /NAME does the same as a key:"))];
    let keys = Action::ALL.iter().filter_map(|(action, _, label)| {
        Some(format!("{:>14}  {label}", settings.keymap.keys_of(mode, *action)?))
    });
    rows.extend(in_columns(&keys.collect::<Vec<_>>(), 34, width));
    rows.push(Line::raw(""));
    let commands = COMMANDS.iter().map(|command| {
        let argument = if command.argument.is_empty() { "" } else { " …" };
        format!("/{}{argument}  {}", command.name, command.help)
    });
    rows.extend(in_columns(&commands.collect::<Vec<_>>(), 42, width));
    rows
}

/// Two columns, the left one of `columns` cells, each broken within itself; one where there is little room.
fn in_columns(entries: &[String], columns: u16, width: u16) -> Vec<Line<'static>> {
    // What goes on is set apart from the next entry.
    let indented = Margin { first: Vec::new(), rest: vec![Span::raw(" ".repeat(4))] };
    let fitted = |entry: &String, width: u16| wrap(&[Span::raw(entry.clone())], width, &indented);
    if width < columns + 26 {
        return entries.iter().flat_map(|entry| fitted(entry, width)).collect();
    }
    let (left, right) = entries.split_at(entries.len().div_ceil(2));
    let mut rows = Vec::new();
    for (index, left) in left.iter().enumerate() {
        let left = fitted(left, columns);
        let right = right.get(index).map(|right| fitted(right, width - columns - 1)).unwrap_or_default();
        for row in 0..left.len().max(right.len()) {
            let words = |side: &[Line<'_>]| side.get(row).map(ToString::to_string).unwrap_or_default();
            let left = pad(&words(&left), usize::from(columns));
            rows.push(Line::raw(format!("{left} {}", words(&right))));
        }
    }
    rows
}

fn room(chat: &Chat, details: &RoomDetails) -> Vec<Line<'static>> {
    let overview = chat.rooms.iter().find(|room| room.room == details.room);
    let listed = overview.is_some_and(|room| room.listed);
    phrases::room(details, listed, &chat.me.server).into_iter().map(Line::raw).collect()
}

fn message(chat: &Chat, line: &openchat_client::Line, width: u16, theme: &Theme) -> Vec<Line<'static>> {
    let mut rows = vec![
        Line::raw(format!("from      {} · identity {}", line.author, line.author.uid)),
        Line::raw(format!("key       {}", phrases::trust(line.author.trust))),
        Line::raw(format!("time      {} by the server", phrases::day_and_clock(line.time))),
    ];
    if let Some(sequence) = line.sequence {
        rows.push(Line::raw(format!("record    {sequence} of the room's log")));
    }
    let is_mine = line.author.uid == chat.me.device.uid;
    let signed = if is_mine { "you" } else { "the author's device" };
    rows.push(Line::raw(format!("signed    by {signed}, inside the encryption")));
    let Entry::Text { text, .. } = &line.entry else { return wrapped(&rows, width) };
    rows.push(Line::raw(format!("length    {} characters · y copies all of it", text.chars().count())));
    rows.push(Line::raw(""));
    let mut rows = wrapped(&rows, width);
    let people: Vec<_> =
        chat.members.iter().filter_map(|member| Some(member.person.name.as_ref()?.as_str())).collect();
    let readers = Readers { me: chat.me.name.as_str(), names: &people };
    rows.extend(render(text, width, &super::timeline::look(theme), readers));
    rows
}

/// Everybody who is known.
fn known_people(all: &[Acquaintance]) -> Vec<Line<'static>> {
    if all.is_empty() {
        return vec![Line::raw("Nobody is known yet: be in a room with somebody.")];
    }
    let row = |one: &Acquaintance| {
        let sign = phrases::trust_sign(one.person.trust);
        let changed = if one.claimants.is_empty() { "" } else { "; KEY CHANGED" };
        Line::raw(format!("{sign} {}  {}{changed}", one.person, phrases::basis(one.basis, one.first_seen)))
    };
    all.iter().map(row).collect()
}

/// The number that two people compare.
fn number(known: &Acquaintance, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let name = &known.person;
    let mut words =
        vec![Line::raw(format!("{} {}", phrases::trust_sign(name.trust), phrases::trust(name.trust)))];
    words.extend(digits(&known.number).map(|half| Line::styled(half, theme.strong)));
    for (_, number) in &known.claimants {
        words.push(Line::styled("with the new key:", theme.warning));
        words.extend(digits(number).map(|half| Line::styled(half, theme.warning)));
    }
    words.push(Line::styled(
        format!("{name} sees it too, if nobody stands between you: ask by voice, then /verify {name} NUMBER"),
        theme.quiet,
    ));
    words.push(Line::styled("Esc closes", theme.quiet));
    with_code(&format!("You and {name}"), &known.number.to_code(), &words, theme, area, frame);
}

/// The code of a comparison that is under way, and how it is answered.
fn code_rows(with: &Person, code: ShortCode, theme: &Theme) -> Vec<Line<'static>> {
    vec![
        Line::raw(format!("{with} sees this code too, if nobody stands between you:")),
        Line::styled(format!("  {code}"), theme.strong),
        Line::raw("Ask by voice or face to face, not here. Then:"),
        Line::raw("  y  the codes are the same"),
        Line::raw("  n  they are not"),
        Line::styled(format!("Esc: later, with /verify {with} yes, or no"), theme.quiet),
    ]
}

/// A number in two rows, as it has two halves.
fn digits(number: &SafetyNumber) -> impl Iterator<Item = String> {
    let groups: Vec<_> = number.to_string().split(' ').map(str::to_owned).collect();
    let rows: Vec<_> = groups.chunks(6).map(|row| row.join(" ")).collect();
    rows.into_iter()
}

/// Words, and a QR code below them.
fn with_code(title: &str, code: &str, words: &[Line<'_>], theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let paint = if theme.name == "plain" { Paint::Uncoloured } else { Paint::Colours };
    let code = qr::lines(code, paint).unwrap_or_default();
    let columns = code.iter().map(Line::width).max().unwrap_or(0);
    let wide = u16::try_from(columns.max(60)).unwrap_or(u16::MAX).min(area.width.saturating_sub(4));
    let words = wrapped(words, wide);
    let words_height = u16::try_from(words.len()).unwrap_or(4);
    let code_height = u16::try_from(code.len()).unwrap_or(u16::MAX);
    // A part of a code is of no use: it is shown whole or not at all.
    let fits = code_height.saturating_add(words_height).saturating_add(2) <= area.height
        && columns <= usize::from(area.width.saturating_sub(4));
    let (shown, hint) = if fits { (code_height, 0) } else { (0, 1) };
    let inner =
        framed(title, (wide, words_height.saturating_add(shown).saturating_add(hint)), theme, area, frame);
    let [text, picture] =
        Layout::vertical([Constraint::Length(words_height), Constraint::Length(shown.max(hint))])
            .areas(inner);
    frame.render_widget(Paragraph::new(words), text);
    if fits {
        frame.render_widget(Paragraph::new(code).centered(), picture);
    } else {
        frame.render_widget(Line::styled("a larger window shows a QR code", theme.quiet), picture);
    }
}
