//! One room: its title, its lines, what is said to the person, and where messages are written.

use openchat_client::{RoomOverview, RoomSuite};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Wrap};

use super::chat::people;
use super::timeline::{self, Context};
use super::wrapped;
use crate::app::chat::Chat;
use crate::app::completion::Completion;
use crate::app::timeline::Timeline;
use crate::keymap::Mode;
use crate::phrases;
use crate::theme::Theme;
use crate::words::{truncate, width};

/// Rows that the composer grows to.
const TALLEST: u16 = 8;

pub(super) fn draw(chat: &mut Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    // With something in front it is said there.
    let notice = notice(chat, theme, area.width).filter(|_| chat.overlay.is_none());
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

/// Where it is said, and what.
pub(super) fn notice_in_front(chat: &Chat, theme: &Theme, area: Rect) -> Option<(Rect, Vec<Line<'static>>)> {
    let rows = chat.overlay.as_ref().and_then(|_| notice(chat, theme, area.width))?;
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX).min(4).min(area.height.saturating_sub(1));
    let y = area.bottom().saturating_sub(height + 1);
    Some((Rect { y, height, ..area }, rows))
}

/// What is said while something lies in front, which may hide where it is said otherwise: above the status line.
pub(super) fn draw_notice_in_front(chat: &Chat, theme: &Theme, frame: &mut Frame<'_>) {
    let Some((area, rows)) = notice_in_front(chat, theme, frame.area()) else { return };
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(rows).style(theme.text), area);
}

fn composer_height(chat: &Chat, area: Rect) -> u16 {
    let columns = usize::from(area.width.saturating_sub(2).max(1));
    let rows: usize = chat.composer.area.lines().iter().map(|line| width(line) / columns + 1).sum();
    let tallest = TALLEST.min(area.height / 3).max(1);
    u16::try_from(rows).unwrap_or(u16::MAX).clamp(1, tallest) + 1
}

/// `#lobby · keys ? 1 by invite, 1 first use · 3 people · private · end-to-end, post-quantum · epoch 12`: what matters
/// most comes first, and what does not fit whole is left out; of the keys, the weakest sign stays. A changed key is named
/// however narrow the window is.
fn draw_title(chat: &Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let Some(room) = chat.overview() else {
        return frame.render_widget(Line::styled(" OpenChat", theme.strong), area);
    };
    let mut spans = vec![Span::styled(format!(" #{}", room.name), theme.strong)];
    for (fact, short, style) in facts(chat, room, theme) {
        let taken: usize = spans.iter().map(Span::width).sum();
        let fits = |fact: &String| taken + width(fact) <= usize::from(area.width) || style == theme.warning;
        let fact = [fact, short].map(|fact| format!(" · {fact}")).into_iter().find(fits);
        let Some(fact) = fact else { break };
        spans.push(Span::styled(fact, style));
    }
    frame.render_widget(Line::from(spans), area);
}

/// Each whole and as short as it can be.
fn facts(chat: &Chat, room: &RoomOverview, theme: &Theme) -> Vec<(String, String, Style)> {
    let trust = phrases::room_trust(room.trust).map(|words| {
        let style = if room.trust.changed > 0 { theme.warning } else { theme.quiet };
        let sign: String = words.chars().take(1).collect();
        (format!("keys {words}"), format!("keys {sign}"), style)
    });
    let people = (!chat.members.is_empty()).then(|| people(chat.members.len()));
    let open = if room.listed { "open to all here" } else { "private" };
    let mut plain = vec![open.to_owned()];
    if let Some((epoch, suite)) = chat.keys {
        let keys = match suite {
            RoomSuite::PostQuantum => "end-to-end, post-quantum",
            RoomSuite::Interoperable => "end-to-end encrypted",
        };
        plain.extend([keys.to_owned(), format!("epoch {epoch}")]);
    }
    let quiet = |words: String| (words.clone(), words, theme.quiet);
    let (mut first, rest) = (Vec::from_iter(trust), people.into_iter().chain(plain).map(quiet));
    first.extend(rest);
    first
}

fn draw_lines(chat: &mut Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) {
    let people =
        chat.members.iter().filter_map(|member| Some(member.person.name.as_ref()?.as_str())).collect();
    match &mut chat.timeline {
        Some(lines) => {
            let first_new = lines.first_new(chat.me.device.uid);
            let context = Context { theme, me: &chat.me.name, people, first_new };
            draw_timeline(lines, &context, area, frame);
        }
        None => {
            let words = "No room is open. F2 shows what is next: create a room, join one, list them.";
            frame.render_widget(Paragraph::new(words).style(theme.quiet).wrap(Wrap { trim: true }), area);
        }
    }
}

fn draw_timeline(lines: &mut Timeline, context: &Context<'_>, area: Rect, frame: &mut Frame<'_>) {
    if lines.lines.is_empty() && !lines.loading {
        let words = "Nothing was said here since you came. Write something below; Enter sends it.";
        frame.render_widget(Paragraph::new(words).style(context.theme.quiet).wrap(Wrap { trim: true }), area);
    } else {
        timeline::draw(lines, context, area, frame.buffer_mut());
    }
}

/// The room without the cursor: its name and its lines.
pub(super) fn draw_beside(
    chat: &Chat,
    beside: &mut Timeline,
    theme: &Theme,
    area: Rect,
    frame: &mut Frame<'_>,
) {
    let [title, lines] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let name = chat.rooms.iter().find(|room| room.room == beside.room).map(|room| room.name.to_string());
    let name = format!(" #{}", name.unwrap_or_default());
    frame.render_widget(Line::styled(name, theme.quiet), title);
    let first_new = beside.first_new(chat.me.device.uid);
    let context = Context { theme, me: &chat.me.name, people: Vec::new(), first_new };
    draw_timeline(beside, &context, lines, frame);
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
