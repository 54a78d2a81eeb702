//! What lies in front of the chat.

use openchat_client::{Entry, RoomDetails};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::{framed, wrapped};
use crate::app::chat::Chat;
use crate::app::overlay::Overlay;
use crate::app::picker::{Picker, Row, Target};
use crate::commands::COMMANDS;
use crate::keymap::{Action, Mode, Scheme};
use crate::phrases;
use crate::qr::{self, Paint};
use crate::settings::Settings;
use crate::theme::Theme;
use crate::words::harmless;
use crate::words::{pad, truncate, width};

pub(super) fn draw(chat: &Chat, settings: &Settings, theme: &Theme, frame: &mut Frame<'_>) {
    match &chat.overlay {
        None => {}
        Some(Overlay::Picker(picker)) => draw_picker(picker, theme, frame),
        Some(Overlay::Help) => page("What works here", &help(chat.mode, settings), theme, frame),
        Some(Overlay::Room(details)) => page("This room", &room(chat, details), theme, frame),
        Some(Overlay::CryptoLog(_, epochs)) => {
            let rows = epochs.iter().rev().map(phrases::epoch).map(Line::raw).collect::<Vec<_>>();
            let rows = if rows.is_empty() { vec![Line::raw(phrases::NO_EPOCHS)] } else { rows };
            page("How the keys of this room have changed", &rows, theme, frame);
        }
        Some(Overlay::Message(line)) => page("This message", &message(chat, line), theme, frame),
        Some(Overlay::Invite(link)) => invite(link, theme, frame),
        Some(Overlay::Ask(question)) => {
            let rows = vec![Line::raw(question.words()), Line::raw(""), Line::raw("y yes · n no")];
            page("Sure?", &rows, theme, frame);
        }
    }
}

fn page(title: &str, rows: &[Line<'_>], theme: &Theme, frame: &mut Frame<'_>) {
    let widest = frame.area().width.saturating_sub(8).clamp(1, 88);
    let rows = wrapped(rows, widest);
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX);
    let inner = framed(title, (widest, height), theme, frame);
    frame.render_widget(Paragraph::new(rows), inner);
}

fn draw_picker(picker: &Picker, theme: &Theme, frame: &mut Frame<'_>) {
    let size = frame.area();
    let rows = picker.rows().count();
    let height = u16::try_from(rows)
        .unwrap_or(u16::MAX)
        .saturating_add(2)
        .clamp(4, size.height.saturating_sub(4).max(4));
    let inner = framed(picker.title, (size.width.saturating_sub(8).min(76), height), theme, frame);
    let preview = picker.chosen().filter(|row| matches!(row.target, Target::Message(..)));
    let [query, list, below] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(if preview.is_some() { 3.min(inner.height / 3) } else { 1 }),
    ])
    .areas(inner);
    let typed = picker.typed();
    frame.render_widget(
        Line::from(vec![Span::styled("> ", theme.strong), Span::raw(harmless(&typed))]),
        query,
    );
    let column = u16::try_from(2 + picker.query.cursor().1).unwrap_or(u16::MAX);
    frame.set_cursor_position((query.x.saturating_add(column).min(query.right().saturating_sub(1)), query.y));
    draw_picker_rows(picker, theme, list, frame);
    match preview {
        Some(row) => {
            let words = Paragraph::new(harmless(&row.label)).style(theme.quiet).wrap(Wrap { trim: true });
            frame.render_widget(words, below);
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
}

fn draw_picker_rows(picker: &Picker, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let height = usize::from(area.height).max(1);
    let first = (picker.chosen + 1).saturating_sub(height);
    let rows = picker.rows().enumerate().skip(first).take(height);
    let rows =
        rows.map(|(index, row)| picker_row(row, index == picker.chosen, usize::from(area.width), theme));
    frame.render_widget(Paragraph::new(rows.collect::<Vec<_>>()), area);
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
fn help(mode: Mode, settings: &Settings) -> Vec<Line<'static>> {
    let scheme = match settings.keymap.scheme {
        Scheme::Emacs => "Emacs keys",
        Scheme::Vim => "vi keys",
    };
    let mut rows = vec![Line::raw(format!("{scheme}; /keys changes them. /NAME does the same as a key:"))];
    let keys = Action::ALL.iter().filter_map(|(action, _, label)| {
        Some(format!("{:>14}  {label}", settings.keymap.keys_of(mode, *action)?))
    });
    rows.extend(in_columns(&keys.collect::<Vec<_>>(), 34));
    rows.push(Line::raw(""));
    let commands = COMMANDS.iter().map(|command| {
        let argument = if command.argument.is_empty() { "" } else { " …" };
        format!("/{}{argument}  {}", command.name, command.help)
    });
    rows.extend(in_columns(&commands.collect::<Vec<_>>(), 42));
    rows
}

fn in_columns(entries: &[String], columns: usize) -> Vec<Line<'static>> {
    let half = entries.len().div_ceil(2);
    let (left, right) = entries.split_at(half.min(entries.len()));
    left.iter()
        .enumerate()
        .map(|(index, left)| {
            let right = right.get(index).map(String::as_str).unwrap_or_default();
            Line::raw(format!("{} {right}", pad(&truncate(left, columns), columns)))
        })
        .collect()
}

fn room(chat: &Chat, details: &RoomDetails) -> Vec<Line<'static>> {
    let overview = chat.rooms.iter().find(|room| room.room == details.room);
    let listed = overview.is_some_and(|room| room.listed);
    phrases::room(details, listed, &chat.me.server).into_iter().map(Line::raw).collect()
}

fn message(chat: &Chat, line: &openchat_client::Line) -> Vec<Line<'static>> {
    let mut rows = vec![
        Line::raw(format!("from      {} · identity {}", line.author, line.author.uid)),
        Line::raw(format!("time      {} by the server", phrases::day_and_clock(line.time))),
    ];
    if let Some(sequence) = line.sequence {
        rows.push(Line::raw(format!("record    {sequence} of the room's log")));
    }
    if let Entry::Text { text, .. } = &line.entry {
        rows.push(Line::raw(format!("length    {} characters", text.chars().count())));
    }
    let signed = if line.author.uid == chat.me.device.uid { "you" } else { "the author's device" };
    rows.push(Line::raw(format!("signed    by {signed}, inside the encryption")));
    rows
}

fn invite(link: &str, theme: &Theme, frame: &mut Frame<'_>) {
    let paint = if theme.name == "plain" { Paint::Uncoloured } else { Paint::Colours };
    let area = frame.area();
    let code = qr::lines(link, paint).unwrap_or_default();
    let columns = code.iter().map(Line::width).max().unwrap_or(0);
    let wide = u16::try_from(columns.max(60)).unwrap_or(u16::MAX).min(area.width.saturating_sub(4));
    let words = wrapped(
        &[
            Line::styled(link.to_owned(), theme.strong),
            Line::styled(
                "Good for one person and 24 hours. Your friend runs: openchat join 'LINK'",
                theme.quiet,
            ),
            Line::styled("y copies the link · Esc closes", theme.quiet),
        ],
        wide,
    );
    let words_height = u16::try_from(words.len()).unwrap_or(4);
    let code_height = u16::try_from(code.len()).unwrap_or(u16::MAX);
    // A part of a code is of no use: it is shown whole or not at all.
    let fits = code_height.saturating_add(words_height).saturating_add(2) <= area.height
        && columns <= usize::from(area.width.saturating_sub(4));
    let (shown, hint) = if fits { (code_height, 0) } else { (0, 1) };
    let inner = framed(
        "Invite a friend",
        (wide, words_height.saturating_add(shown).saturating_add(hint)),
        theme,
        frame,
    );
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
