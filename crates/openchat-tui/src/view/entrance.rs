//! The pages before the chat.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{framed, wrapped};
use crate::app::entrance::{Entrance, Field, Form, Page, Secret, Way, text};
use crate::phrases;
use crate::theme::Theme;
use crate::words::width;

/// What the link of a device does.
const LINKED: &str = "This machine becomes one more device of yours, with your name, rooms and history. The link is the one \
                      that /link, or openchat link, shows on your other device.";

/// Columns of the labels.
const LABEL: usize = 16;

pub(super) fn draw(entrance: &Entrance, theme: &Theme, frame: &mut Frame<'_>) {
    match &entrance.page {
        Page::Choose { chosen } => choose(*chosen, theme, frame),
        Page::Form(form) => ask(form, entrance.error.as_deref(), theme, frame),
        Page::Unlock(secret) => unlock(entrance, secret, theme, frame),
        Page::Working(what, since) => {
            let inner = framed("OpenChat", (60, 1), theme, frame.area(), frame);
            let age = phrases::age(*since, entrance.now).map_or(String::new(), |age| format!(" {age}"));
            frame.render_widget(Line::raw(format!("{what}…{age}")), inner);
        }
    }
}

fn choose(chosen: usize, theme: &Theme, frame: &mut Frame<'_>) {
    let mut rows = vec![
        (Weight::Hint, Line::raw("Encrypted group chat on your own server. Who are you here?")),
        (Weight::Air, Line::raw("")),
    ];
    for (index, way) in Way::ALL.into_iter().enumerate() {
        let (label, detail) = match way {
            Way::Host => ("1  Host here", "this machine becomes the server; you invite friends"),
            Way::Join => ("2  Join with a link", "a friend has sent you openchat://…"),
            Way::Link => ("3  Link this device", "I have an account already: /link, on my other device"),
        };
        let (sign, style) = if index == chosen { ("▸ ", theme.chosen) } else { ("  ", theme.text) };
        rows.push((Weight::Needed, Line::styled(format!("{sign}{label}"), style)));
        rows.push((Weight::Explained, Line::styled(format!("     {detail}"), theme.quiet)));
    }
    rows.push((Weight::Air, Line::raw("")));
    rows.push((Weight::Keys, Line::styled("↑ ↓ choose · Enter goes on · Esc ends", theme.quiet)));
    fitted("OpenChat", &rows, 10, theme, frame);
}

fn ask(form: &Form, error: Option<&str>, theme: &Theme, frame: &mut Frame<'_>) {
    let title = match form.way() {
        Way::Host => "Host here",
        Way::Join => "Join with a link",
        Way::Link => "Link this device",
    };
    let columns = columns(frame.area());
    let fields = form.fields();
    let cursor = fields.iter().position(|field| *field == form.at).unwrap_or(0);
    let mut rows: Vec<_> = fields
        .iter()
        .map(|field| (Weight::Needed, field_row(form, *field, theme, usize::from(columns))))
        .collect();
    rows.push((Weight::Air, Line::raw("")));
    if form.way() == Way::Link {
        rows.push((Weight::Hint, Line::styled(LINKED, theme.quiet)));
    }
    rows.push((
        Weight::Explained,
        Line::styled(
            "The password protects your key and your history on this machine; the server never sees it.",
            theme.quiet,
        ),
    ));
    if let Some(hint) = form.password.hint().filter(|_| form.password.length() > 0) {
        rows.push((Weight::Hint, Line::styled(format!("Hint: {hint}"), theme.warning)));
    }
    rows.extend(error.map(|error| (Weight::Needed, wrong(error, theme))));
    rows.push((Weight::Keys, Line::styled("Tab next field · Enter goes on · Esc back", theme.quiet)));
    let inner = fitted(title, &rows, 12, theme, frame);
    put_cursor(inner, cursor, column(form, form.at), frame);
}

fn wrong(error: &str, theme: &Theme) -> Line<'static> {
    Line::styled(format!("! {error}"), theme.warning)
}

/// What goes first where there are too few rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Air,
    Explained,
    Hint,
    Keys,
    Needed,
}

/// Columns of a page of fields in this window.
fn columns(area: Rect) -> u16 {
    area.width.saturating_sub(4).clamp(1, 72)
}

/// A box with these rows, at least `height` high where there is room: the lightest are left out until the rest fits.
fn fitted(
    title: &str,
    rows: &[(Weight, Line<'_>)],
    height: u16,
    theme: &Theme,
    frame: &mut Frame<'_>,
) -> Rect {
    let area = frame.area();
    let columns = columns(area);
    let room = usize::from(area.height.saturating_sub(2));
    let mut least = Weight::Air;
    let rows = loop {
        let kept: Vec<_> =
            rows.iter().filter(|(weight, _)| *weight >= least).map(|(_, row)| row.clone()).collect();
        let kept = wrapped(&kept, columns);
        least = match least {
            _ if kept.len() <= room => break kept,
            Weight::Air => Weight::Explained,
            Weight::Explained => Weight::Hint,
            Weight::Hint => Weight::Keys,
            Weight::Keys => Weight::Needed,
            Weight::Needed => break kept,
        };
    };
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX).max(height);
    let inner = framed(title, (columns, height), theme, area, frame);
    frame.render_widget(Paragraph::new(rows), inner);
    inner
}

fn label(field: Field) -> &'static str {
    match field {
        Field::Link => "Link",
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
    let room = usize::from(columns(frame.area())).saturating_sub(LABEL + 1);
    let mut rows = vec![
        (
            Weight::Needed,
            Line::from(vec![
                Span::styled(format!("{:<LABEL$}", "Password"), theme.strong),
                Span::raw("•".repeat(secret.length().min(room))),
            ]),
        ),
        (Weight::Hint, Line::styled(format!("of the profile `{}`", entrance.profile), theme.quiet)),
    ];
    rows.extend(entrance.error.as_deref().map(|error| (Weight::Needed, wrong(error, theme))));
    rows.push((Weight::Air, Line::raw("")));
    rows.push((Weight::Keys, Line::styled("Enter opens it · Esc ends", theme.quiet)));
    let inner = fitted("OpenChat", &rows, 4, theme, frame);
    put_cursor(inner, 0, secret.length(), frame);
}
