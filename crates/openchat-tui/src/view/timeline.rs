//! The timeline: days, who spoke, what was said, what is new; only as many lines are laid out as are in view.

use openchat_client::{Delivery, Entry, Person};
use openchat_protocol::UserName;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::app::timeline::Timeline;
use crate::phrases;
use crate::theme::Theme;
use crate::words::harmless;
use crate::words::{CodeLook, Look, Margin, Readers, render, wrap};

/// Milliseconds after which the same author is named again.
const PAUSE: u64 = 5 * 60 * 1000;
const DAY: u64 = 24 * 60 * 60 * 1000;
/// Columns left of the words: the time, or what marks a message.
const MARGIN: u16 = 6;
/// Text wider than this is hard to read.
const WIDEST: u16 = 100;

/// What the timeline needs to know of the rest.
pub(super) struct Context<'a> {
    pub(super) theme: &'a Theme,
    pub(super) me: &'a UserName,
    pub(super) people: Vec<&'a str>,
    /// The line above which the rule of what is new stands.
    pub(super) first_new: Option<usize>,
}

/// Draws the part that is in view, and settles which part that is.
pub(super) fn draw(timeline: &mut Timeline, context: &Context<'_>, area: Rect, buffer: &mut Buffer) {
    timeline.view.height = area.height;
    settle(timeline, context, area);
    let (bottom, hidden) = timeline.view.bottom.unwrap_or((timeline.lines.len().saturating_sub(1), 0));
    let mut below = area.bottom().saturating_add(hidden);
    let mut index = bottom;
    timeline.view.sees_start = timeline.lines.is_empty() && !timeline.loading;
    while let Some(rows) = rows(timeline, index, context, area.width) {
        let height = u16::try_from(rows.len()).unwrap_or(u16::MAX);
        let top = i32::from(below) - i32::from(height);
        for (row, y) in rows.iter().zip(top..) {
            if let Ok(y) = u16::try_from(y)
                && (area.top()..area.bottom()).contains(&y)
            {
                row.render(Rect { y, height: 1, ..area }, buffer);
            }
        }
        if top <= i32::from(area.top()) {
            break;
        }
        below = u16::try_from(top).unwrap_or(0);
        match index.checked_sub(1) {
            Some(above) => index = above,
            None => {
                timeline.view.sees_start = true;
                break;
            }
        }
    }
    if index < 20 {
        // Soon: older lines are asked for before the reader meets the end.
        timeline.view.sees_start = true;
    }
}

/// Carries out what was asked of the view since the last drawing, now that heights can be known.
fn settle(timeline: &mut Timeline, context: &Context<'_>, area: Rect) {
    let last = timeline.lines.len().saturating_sub(1);
    let scroll = std::mem::take(&mut timeline.view.scroll);
    if scroll != 0 {
        let height = |index: usize| height(timeline, index, context, area.width);
        let (mut index, mut hidden) = timeline.view.bottom.unwrap_or((last, 0));
        let mut distance = i32::from(hidden) + scroll;
        while distance < 0 && index < last {
            index += 1;
            distance += i32::from(height(index));
        }
        while distance >= i32::from(height(index)) && index > 0 {
            distance -= i32::from(height(index));
            index -= 1;
        }
        let most = i32::from(height(index)).saturating_sub(1).max(0);
        hidden = u16::try_from(distance.clamp(0, most)).unwrap_or(0);
        let is_end = index >= last && hidden == 0 && timeline.at_end;
        timeline.view.bottom = (!is_end).then_some((index, hidden));
        if timeline.view.bottom.is_some() {
            keep_full(timeline, context, area);
        }
    }
    if std::mem::take(&mut timeline.view.show_chosen)
        && let Some(chosen) = timeline.chosen
    {
        show(timeline, chosen, context, area);
    }
}

/// Nobody scrolls past the oldest line: the first lines stay at the upper edge.
fn keep_full(timeline: &mut Timeline, context: &Context<'_>, area: Rect) {
    let Some((bottom, hidden)) = timeline.view.bottom else { return };
    let mut filled = 0_u16;
    for index in (0..=bottom).rev() {
        filled = filled.saturating_add(height(timeline, index, context, area.width));
        if filled >= area.height.saturating_add(hidden) {
            return;
        }
    }
    let mut filled = 0_u16;
    let last = timeline.lines.len().saturating_sub(1);
    for index in 0..=last {
        filled = filled.saturating_add(height(timeline, index, context, area.width));
        if filled >= area.height {
            let hidden = filled.saturating_sub(area.height);
            let is_end = index == last && hidden == 0 && timeline.at_end;
            timeline.view.bottom = (!is_end).then_some((index, hidden));
            return;
        }
    }
    timeline.view.bottom = None;
}

/// Brings line `chosen` into view with as little movement as possible.
fn show(timeline: &mut Timeline, chosen: usize, context: &Context<'_>, area: Rect) {
    let last = timeline.lines.len().saturating_sub(1);
    let (bottom, hidden) = timeline.view.bottom.unwrap_or((last, 0));
    if chosen > bottom || (chosen == bottom && hidden > 0) {
        let is_end = chosen == last && timeline.at_end;
        timeline.view.bottom = (!is_end).then_some((chosen, 0));
        return;
    }
    let mut above = -i32::from(hidden);
    for index in chosen..=bottom {
        above += i32::from(height(timeline, index, context, area.width));
    }
    if above > i32::from(area.height) {
        // The chosen line goes to the upper edge.
        let mut filled = 0_u16;
        for index in chosen..=last {
            filled = filled.saturating_add(height(timeline, index, context, area.width));
            if filled >= area.height {
                timeline.view.bottom = Some((index, filled.saturating_sub(area.height)));
                return;
            }
        }
    }
}

fn height(timeline: &Timeline, index: usize, context: &Context<'_>, width: u16) -> u16 {
    rows(timeline, index, context, width).map_or(1, |rows| u16::try_from(rows.len()).unwrap_or(u16::MAX))
}

/// The rows of one line: a day line, the unread line and the author's name above it when they are due.
fn rows(timeline: &Timeline, index: usize, context: &Context<'_>, width: u16) -> Option<Vec<Line<'static>>> {
    let line = timeline.lines.get(index)?;
    let before = index.checked_sub(1).and_then(|before| timeline.lines.get(before));
    let theme = context.theme;
    let mut rows = Vec::new();
    if before.is_none_or(|before| before.time.0 / DAY != line.time.0 / DAY) {
        rows.push(rule(&phrases::day(line.time), width, theme.quiet));
    }
    let is_first_new = before.is_some() && context.first_new == Some(index);
    if is_first_new {
        rows.push(rule("new", width, theme.mention));
    }
    match &line.entry {
        Entry::Text { text, delivery, .. } => {
            let goes_on = !is_first_new
                && rows.is_empty()
                && before.is_some_and(|before| {
                    before.author.uid == line.author.uid
                        && before.entry.is_message()
                        && line.time.0.saturating_sub(before.time.0) < PAUSE
                });
            if !goes_on {
                rows.push(header(&line.author, line.time, theme));
            }
            rows.extend(message(text, delivery, context, width));
        }
        entry => {
            let (words, is_warning) = phrases::announcement(&line.author, entry);
            let (sign, style) = if is_warning { ("!!", theme.warning) } else { ("--", theme.quiet) };
            let said = format!("{} {sign} {words}", phrases::clock(line.time));
            rows.extend(wrap(&[Span::styled(said, style)], width, &Margin::default()));
        }
    }
    if timeline.chosen == Some(index) {
        mark(&mut rows, theme);
    }
    Some(rows)
}

/// The chosen message: a sign at its left besides the colour.
fn mark(rows: &mut [Line<'static>], theme: &Theme) {
    if let Some(row) = rows.last_mut() {
        let sign = Span::styled("▶ ", theme.mention);
        match row.spans.first_mut() {
            Some(first) if first.content.starts_with("  ") => {
                *first = Span::styled(first.content.chars().skip(2).collect::<String>(), first.style);
                row.spans.insert(0, sign);
            }
            _ => row.spans.insert(0, sign),
        }
    }
    for row in rows {
        row.style = row.style.patch(theme.chosen);
    }
}

fn rule(title: &str, width: u16, style: Style) -> Line<'static> {
    let title = format!("── {title} ");
    let taken = title.chars().count();
    let rest = usize::from(width).saturating_sub(taken);
    Line::styled(format!("{title}{}", "─".repeat(rest)), style)
}

fn header(author: &Person, time: openchat_protocol::Timestamp, theme: &Theme) -> Line<'static> {
    Line::from(vec![
        Span::styled(format!("{} ", phrases::clock(time)), theme.quiet),
        Span::styled(author.to_string(), theme.person(author.uid)),
    ])
}

fn message(text: &str, delivery: &Delivery, context: &Context<'_>, width: u16) -> Vec<Line<'static>> {
    let theme = context.theme;
    let room = width.saturating_sub(MARGIN).clamp(1, WIDEST);
    let look = Look {
        text: theme.text,
        strong: theme.text.add_modifier(Modifier::BOLD),
        emphasis: theme.text.add_modifier(Modifier::ITALIC),
        code: theme.code,
        code_block: theme.code,
        quote: theme.quiet,
        link: theme.link,
        mention: theme.strong,
        me: theme.mention,
        heading: theme.strong,
        syntax: CodeLook { keyword: theme.strong, literal: theme.good, comment: theme.quiet },
    };
    let mut rows = render(text, room, &look, Readers { me: context.me.as_str(), names: &context.people });
    for row in &mut rows {
        row.spans.insert(0, Span::raw(" ".repeat(usize::from(MARGIN))));
    }
    let state = match delivery {
        Delivery::Sent => None,
        Delivery::Pending => Some(("… waiting to be sent".to_owned(), theme.quiet)),
        Delivery::Failed { reason } => Some((
            format!("✗ not sent: {}  (choose it: R again, D discard)", harmless(reason)),
            theme.warning,
        )),
    };
    if let Some((words, style)) = state {
        let margin = vec![Span::raw(" ".repeat(usize::from(MARGIN)))];
        let margin = Margin { first: margin.clone(), rest: margin };
        rows.extend(wrap(&[Span::styled(words, style)], width, &margin));
    }
    rows
}
