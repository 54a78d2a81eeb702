//! The timeline: days, who spoke, what was said, what is new; only as many lines are laid out as are in view.

use openchat_client::{Delivery, Entry, Person};
use openchat_protocol::UserName;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::chat::trust_sign;
use crate::app::timeline::{LineKey, Timeline};
use crate::phrases;
use crate::theme::Theme;
use crate::words::{
    CodeLook, Laid, Layouts, Look, MOST_ROWS, Margin, Readers, harmless, truncate, width, wrap,
};

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
    timeline.shown.clear();
    timeline.new_rule = None;
    let mut layouts = std::mem::take(&mut timeline.layouts);
    let room = area.width.saturating_sub(MARGIN).clamp(1, WIDEST);
    let readers = Readers { me: context.me.as_str(), names: &context.people };
    layouts.prepare(room, &look(context.theme), readers);
    let mut sheet = Sheet { context, area, layouts };
    sheet.settle(timeline);
    sheet.draw(timeline, buffer);
    timeline.layouts = sheet.layouts;
}

/// One picture of a timeline.
struct Sheet<'a> {
    context: &'a Context<'a>,
    area: Rect,
    layouts: Layouts<LineKey>,
}

/// The rows of one line of the room.
struct Block {
    /// A day line, the unread line and the author's name, when they are due; or an announcement.
    above: Vec<Line<'static>>,
    /// What was said.
    words: Option<Laid>,
    /// What is to be said of it.
    below: Vec<Line<'static>>,
    is_chosen: bool,
    /// Which of the rows above is the line above what is new.
    new_rule: Option<usize>,
}

impl Block {
    fn height(&self) -> u16 {
        let words = self.words.as_ref().map_or(0, |words| words.rows.len());
        u16::try_from(self.above.len() + words + self.below.len()).unwrap_or(u16::MAX)
    }

    fn rows(self, theme: &Theme) -> Vec<Line<'static>> {
        let mut rows = self.above;
        for row in self.words.iter().flat_map(|words| words.rows.iter()) {
            let mut spans = vec![Span::raw(" ".repeat(usize::from(MARGIN)))];
            spans.extend(row.spans.iter().cloned());
            rows.push(Line { spans, ..row.clone() });
        }
        rows.extend(self.below);
        if self.is_chosen {
            mark(&mut rows, theme);
        }
        rows
    }
}

impl Sheet<'_> {
    fn draw(&mut self, timeline: &mut Timeline, buffer: &mut Buffer) {
        let area = self.area;
        let (bottom, hidden) = timeline.view.bottom.unwrap_or((timeline.lines.len().saturating_sub(1), 0));
        let mut below = i32::from(area.bottom()) + i32::from(hidden);
        let mut index = bottom;
        timeline.view.sees_start = timeline.lines.is_empty() && !timeline.loading;
        while let Some(block) = self.block(timeline, index) {
            let top = below - i32::from(block.height());
            if let Some(rule) = block.new_rule {
                timeline.new_rule = u16::try_from(i64::from(top) + i64::try_from(rule).unwrap_or(0)).ok();
            }
            for (row, y) in block.rows(self.context.theme).iter().zip(top..) {
                if let Ok(y) = u16::try_from(y)
                    && (area.top()..area.bottom()).contains(&y)
                {
                    row.render(Rect { y, height: 1, ..area }, buffer);
                    timeline.shown.push((y, index));
                }
            }
            if top <= i32::from(area.top()) {
                self.name_author(timeline, index, top, buffer);
                break;
            }
            below = top;
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

    /// Whose words the upper edge cuts stands left of them: nothing else on the screen may say it.
    fn name_author(&mut self, timeline: &Timeline, index: usize, top: i32, buffer: &mut Buffer) {
        let (Some(block), Some(line)) = (self.block(timeline, index), timeline.lines.get(index)) else {
            return;
        };
        let words = top + i32::try_from(block.above.len()).unwrap_or(i32::MAX);
        if block.words.is_none() || block.is_chosen || words > i32::from(self.area.top()) {
            return;
        }
        let (theme, author) = (self.context.theme, &line.author);
        let sign = phrases::trust_sign(author.trust);
        let room = usize::from(MARGIN).saturating_sub(1 + width(sign));
        let name = truncate(&author.to_string(), room).into_owned();
        let row = Rect { height: 1, width: MARGIN.min(self.area.width), ..self.area };
        let sign = Span::styled(sign, trust_sign(author.trust, theme).style);
        Line::from(vec![sign, Span::styled(name, theme.person(author.uid))]).render(row, buffer);
    }

    /// Carries out what was asked of the view since the last drawing, now that heights can be known.
    fn settle(&mut self, timeline: &mut Timeline) {
        let last = timeline.lines.len().saturating_sub(1);
        let scroll = std::mem::take(&mut timeline.view.scroll);
        if scroll != 0 {
            let (mut index, mut hidden) = timeline.view.bottom.unwrap_or((last, 0));
            let mut distance = i32::from(hidden) + scroll;
            while distance < 0 && index < last {
                index += 1;
                distance += i32::from(self.height(timeline, index));
            }
            let mut height = i32::from(self.height(timeline, index));
            while distance >= height && index > 0 {
                distance -= height;
                index -= 1;
                height = i32::from(self.height(timeline, index));
            }
            hidden = u16::try_from(distance.clamp(0, (height - 1).max(0))).unwrap_or(0);
            let is_end = index >= last && hidden == 0 && timeline.at_end;
            timeline.view.bottom = (!is_end).then_some((index, hidden));
            if timeline.view.bottom.is_some() {
                self.keep_full(timeline);
            }
        }
        if std::mem::take(&mut timeline.view.show_chosen)
            && let Some(chosen) = timeline.chosen
        {
            self.show(timeline, chosen);
        }
    }

    /// Nobody scrolls past the oldest line: the first lines stay at the upper edge.
    fn keep_full(&mut self, timeline: &mut Timeline) {
        let Some((bottom, hidden)) = timeline.view.bottom else { return };
        let area = self.area;
        let mut filled = 0_u16;
        for index in (0..=bottom).rev() {
            filled = filled.saturating_add(self.height(timeline, index));
            if filled >= area.height.saturating_add(hidden) {
                return;
            }
        }
        let mut filled = 0_u16;
        let last = timeline.lines.len().saturating_sub(1);
        for index in 0..=last {
            filled = filled.saturating_add(self.height(timeline, index));
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
    fn show(&mut self, timeline: &mut Timeline, chosen: usize) {
        let last = timeline.lines.len().saturating_sub(1);
        let (bottom, hidden) = timeline.view.bottom.unwrap_or((last, 0));
        if chosen > bottom || (chosen == bottom && hidden > 0) {
            let is_end = chosen == last && timeline.at_end;
            timeline.view.bottom = (!is_end).then_some((chosen, 0));
            return;
        }
        let mut above = -i32::from(hidden);
        for index in (chosen..=bottom).rev() {
            above += i32::from(self.height(timeline, index));
            if above > i32::from(self.area.height) {
                self.put_on_top(timeline, chosen);
                return;
            }
        }
    }

    /// The chosen line goes to the upper edge.
    fn put_on_top(&mut self, timeline: &mut Timeline, chosen: usize) {
        let mut filled = 0_u16;
        for index in chosen..timeline.lines.len() {
            filled = filled.saturating_add(self.height(timeline, index));
            if filled >= self.area.height {
                timeline.view.bottom = Some((index, filled.saturating_sub(self.area.height)));
                return;
            }
        }
    }

    fn height(&mut self, timeline: &Timeline, index: usize) -> u16 {
        self.block(timeline, index).map_or(1, |block| block.height())
    }

    fn block(&mut self, timeline: &Timeline, index: usize) -> Option<Block> {
        let line = timeline.lines.get(index)?;
        let before = index.checked_sub(1).and_then(|before| timeline.lines.get(before));
        let (theme, width) = (self.context.theme, self.area.width);
        let mut above = Vec::new();
        if before.is_none_or(|before| before.time.0 / DAY != line.time.0 / DAY) {
            above.push(rule(&phrases::day(line.time), width, theme.quiet));
        }
        let is_first_new = before.is_some() && self.context.first_new == Some(index);
        let new_rule = is_first_new.then_some(above.len());
        if is_first_new {
            above.push(rule("new", width, theme.mention));
        }
        let is_chosen = timeline.chosen == Some(index);
        let (Entry::Text { text, delivery, .. }, Some(key)) = (&line.entry, LineKey::of(line)) else {
            above.extend(announcement(line, theme, width));
            return Some(Block { above, words: None, below: Vec::new(), is_chosen, new_rule });
        };
        let goes_on = !is_first_new
            && above.is_empty()
            && before.is_some_and(|before| {
                before.author.uid == line.author.uid
                    && before.entry.is_message()
                    && line.time.0.saturating_sub(before.time.0) < PAUSE
            });
        if !goes_on {
            above.push(header(&line.author, line.time, theme));
        }
        let words = self.layouts.get(key, text);
        let below = remarks(text, words.is_cut, delivery, theme, width);
        Some(Block { above, words: Some(words), below, is_chosen, new_rule })
    }
}

fn announcement(line: &openchat_client::Line, theme: &Theme, width: u16) -> Vec<Line<'static>> {
    let (words, is_warning) = phrases::announcement(&line.author, &line.entry);
    let (sign, style) = if is_warning { ("!!", theme.warning) } else { ("--", theme.quiet) };
    let time = format!("{} ", phrases::clock(line.time));
    let rest = vec![Span::raw(" ".repeat(time.len()))];
    let margin = Margin { first: vec![Span::styled(time, style)], rest };
    let mut rows = wrap(&[Span::styled(format!("{sign} {words}"), style)], width, &margin);
    rows.truncate(MOST_ROWS);
    rows
}

/// What stands below a message: that it goes on, that it waits, that it was not sent.
fn remarks(text: &str, is_cut: bool, delivery: &Delivery, theme: &Theme, width: u16) -> Vec<Line<'static>> {
    let mut remarks = Vec::new();
    if is_cut {
        let characters = text.chars().count();
        remarks.push((
            format!("… it goes on: {characters} characters in all (choose it: Enter shows all, y copies)"),
            theme.strong,
        ));
    }
    match delivery {
        Delivery::Sent => {}
        Delivery::Pending => remarks.push(("… waiting to be sent".to_owned(), theme.quiet)),
        Delivery::Failed { reason } => remarks.push((
            format!("✗ not sent: {}  (choose it: R again, D discard)", harmless(reason)),
            theme.warning,
        )),
    }
    let margin = vec![Span::raw(" ".repeat(usize::from(MARGIN)))];
    let margin = Margin { first: margin.clone(), rest: margin };
    let wrapped = remarks.into_iter().flat_map(|(words, style)| {
        let mut rows = wrap(&[Span::styled(words, style)], width, &margin);
        rows.truncate(MOST_ROWS);
        rows
    });
    wrapped.collect()
}

/// How the parts of messages look in this theme.
pub(super) fn look(theme: &Theme) -> Look {
    Look {
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
    }
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
        trust_sign(author.trust, theme),
        Span::styled(author.to_string(), theme.person(author.uid)),
    ])
}
