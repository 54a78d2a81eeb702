//! The pages before the chat.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::framed;
use crate::app::entrance::{Entrance, Field, Form, Page, Secret, Way, text};
use crate::phrases;
use crate::theme::Theme;
use crate::words::width;

/// Columns of the labels.
const LABEL: usize = 16;

pub(super) fn draw(entrance: &Entrance, theme: &Theme, frame: &mut Frame<'_>) {
    match &entrance.page {
        Page::Choose { chosen } => choose(*chosen, theme, frame),
        Page::Form(form) => ask(form, entrance.error.as_deref(), theme, frame),
        Page::Unlock(secret) => unlock(entrance, secret, theme, frame),
        Page::Working(what, since) => {
            let inner = framed("OpenChat", (60, 1), theme, frame);
            let age = phrases::age(*since, entrance.now).map_or(String::new(), |age| format!(" {age}"));
            frame.render_widget(Line::raw(format!("{what}…{age}")), inner);
        }
    }
}

fn choose(chosen: usize, theme: &Theme, frame: &mut Frame<'_>) {
    let inner = framed("OpenChat", (64, 9), theme, frame);
    let row = |index: usize, label: &'static str, detail: &'static str| {
        let (sign, style) = if index == chosen { ("▸ ", theme.chosen) } else { ("  ", theme.text) };
        vec![
            Line::styled(format!("{sign}{label}"), style),
            Line::styled(format!("    {detail}"), theme.quiet),
        ]
    };
    let mut lines =
        vec![Line::raw("Encrypted group chat on your own server. Who are you here?"), Line::raw("")];
    lines.extend(row(0, "1  Host here", "this machine becomes the server; you invite friends"));
    lines.extend(row(1, "2  Join with a link", "a friend has sent you openchat://…"));
    lines.push(Line::raw(""));
    lines.push(Line::styled("↑ ↓ choose · Enter goes on · Esc ends", theme.quiet));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inner);
}

fn ask(form: &Form, error: Option<&str>, theme: &Theme, frame: &mut Frame<'_>) {
    let title = match form.way {
        Way::Host => "Host here",
        Way::Join => "Join with a link",
    };
    let inner = framed(title, (72, 12), theme, frame);
    let mut lines = Vec::new();
    let mut cursor = None;
    for field in form.fields() {
        if *field == form.at {
            cursor = Some((lines.len(), column(form, *field)));
        }
        lines.push(field_row(form, *field, theme, usize::from(inner.width)));
    }
    lines.push(Line::raw(""));
    lines.push(Line::styled(
        "The password protects your key and your history on this machine; the server never sees it.",
        theme.quiet,
    ));
    if let Some(hint) = form.password.hint().filter(|_| form.password.length() > 0) {
        lines.push(Line::styled(format!("Hint: {hint}"), theme.warning));
    }
    if let Some(error) = error {
        lines.push(Line::styled(format!("! {error}"), theme.warning));
    }
    lines.push(Line::styled("Tab next field · Enter goes on · Esc back", theme.quiet));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inner);
    if let Some((row, column)) = cursor {
        put_cursor(inner, row, column, frame);
    }
}

fn label(field: Field) -> &'static str {
    match field {
        Field::Link => "Invite link",
        Field::Name => "Your name",
        Field::Password => "New password",
        Field::Again => "Once more",
    }
}

fn field_row(form: &Form, field: Field, theme: &Theme, columns: usize) -> Line<'static> {
    let style = if field == form.at { theme.strong } else { theme.quiet };
    let room = columns.saturating_sub(LABEL + 1);
    let value = match field {
        Field::Link => tail(&text(&form.link), room),
        Field::Name => tail(&text(&form.name), room),
        Field::Password => "•".repeat(form.password.length().min(room)),
        Field::Again => "•".repeat(form.again.length().min(room)),
    };
    Line::from(vec![
        Span::styled(format!("{:<LABEL$}", label(field)), style),
        Span::styled(value, theme.text),
    ])
}

/// The end of a text that is too long for its row: where the cursor is.
fn tail(text: &str, room: usize) -> String {
    let surplus = text.chars().count().saturating_sub(room);
    text.chars().skip(surplus).collect()
}

fn column(form: &Form, field: Field) -> usize {
    match field {
        Field::Link => width(&text(&form.link)),
        Field::Name => form.name.cursor().1,
        Field::Password => form.password.length(),
        Field::Again => form.again.length(),
    }
}

fn put_cursor(inner: Rect, row: usize, column: usize, frame: &mut Frame<'_>) {
    let to = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
    let x = inner.x.saturating_add(to(LABEL + column)).min(inner.right().saturating_sub(1));
    let y = inner.y.saturating_add(to(row)).min(inner.bottom().saturating_sub(1));
    frame.set_cursor_position(Position { x, y });
}

fn unlock(entrance: &Entrance, secret: &Secret, theme: &Theme, frame: &mut Frame<'_>) {
    let inner = framed("OpenChat", (72, 7), theme, frame);
    let columns = usize::from(inner.width).saturating_sub(LABEL + 1);
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("{:<LABEL$}", "Password"), theme.strong),
        Span::raw("•".repeat(secret.length().min(columns))),
    ])];
    lines.push(Line::styled(format!("of the profile `{}`", entrance.profile), theme.quiet));
    if let Some(error) = &entrance.error {
        lines.push(Line::styled(format!("! {error}"), theme.warning));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inner);
    put_cursor(inner, 0, secret.length(), frame);
}
