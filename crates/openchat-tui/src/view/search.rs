//! The search: what is typed, how far it has come, what was found.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::framed;
use super::overlay::preview;
use crate::app::search::{Hit, Search};
use crate::phrases;
use crate::theme::Theme;
use crate::words::{harmless, pad, truncate, width};

pub(super) fn draw(search: &Search, theme: &Theme, size: Rect, frame: &mut Frame<'_>) -> Vec<(Rect, usize)> {
    let inner = framed(
        "Search all messages",
        (size.width.saturating_sub(8).min(100), size.height.saturating_sub(4)),
        theme,
        size,
        frame,
    );
    let [query, progress, list, below] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(3.min(inner.height / 4)),
    ])
    .areas(inner);
    let typed = search.query.lines().first().map(String::as_str).unwrap_or_default();
    frame
        .render_widget(Line::from(vec![Span::styled("> ", theme.strong), Span::raw(harmless(typed))]), query);
    let column = u16::try_from(2 + search.query.cursor().1).unwrap_or(u16::MAX);
    frame.set_cursor_position((query.x.saturating_add(column).min(query.right().saturating_sub(1)), query.y));
    frame.render_widget(Line::styled(words(search), theme.quiet), progress);
    let places = draw_hits(search, theme, list, frame);
    if let Some(hit) = search.found.get(search.chosen) {
        frame.render_widget(preview(&hit.words, below.width, theme), below);
    }
    places
}

/// How far it has come.
fn words(search: &Search) -> String {
    let (found, lines) = (search.found.len(), search.looked_at);
    let lines = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
    match search.at_work() {
        _ if !search.is_begun() => "words, and parts of words; a name finds what somebody said".to_owned(),
        _ if search.is_full() => format!("the first {found}: more words narrow it down"),
        Some(room) => format!("{found} found in {lines}; now in #{room} · Esc ends it"),
        None if found == 0 => format!("nothing in all {lines} of your rooms"),
        None => format!("{found} found in all {lines} · Enter goes there"),
    }
}

fn draw_hits(search: &Search, theme: &Theme, area: Rect, frame: &mut Frame<'_>) -> Vec<(Rect, usize)> {
    let height = usize::from(area.height).max(1);
    let first = (search.chosen + 1).saturating_sub(height);
    let hits = search.found.iter().enumerate().skip(first).take(height);
    let rows = hits.map(|(index, hit)| row(hit, index == search.chosen, usize::from(area.width), theme));
    frame.render_widget(Paragraph::new(rows.collect::<Vec<_>>()), area);
    super::overlay::entries(area, first, search.found.len())
}

fn row(hit: &Hit, is_chosen: bool, columns: usize, theme: &Theme) -> Line<'static> {
    let sign = if is_chosen { "▸ " } else { "  " };
    let moment = phrases::day_and_clock(hit.time);
    // Without the zone, and without the hour where there is little room.
    let moment: String = moment.chars().take(if columns < 50 { 10 } else { 16 }).collect();
    let place = truncate(&format!("#{}", hit.name), columns / 4).into_owned();
    let place = format!("{sign}{place} {moment} ");
    let room = columns.saturating_sub(width(&place));
    let words = pad(&truncate(&harmless(&hit.words), room), room);
    let (style, quiet) = if is_chosen { (theme.chosen, theme.chosen) } else { (theme.text, theme.quiet) };
    Line::from(vec![Span::styled(place, quiet), Span::styled(words, style)])
}
