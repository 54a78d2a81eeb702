//! The panel of what goes on and what has failed.

use openchat_client::ConnectionState;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::overlay::page_width;
use super::{framed, wrapped};
use crate::app::chat::Chat;
use crate::app::tasks::{Task, TaskState};
use crate::phrases;
use crate::theme::Theme;

/// Rows of what waits, runs and has failed, the chosen one in view.
pub(super) fn draw(chat: &Chat, theme: &Theme, area: Rect, frame: &mut Frame<'_>) -> Vec<(Rect, usize)> {
    let width = page_width(area);
    let mut rows = wrapped(&background(chat, theme), width);
    let mut chosen = 0;
    let mut of_tasks = vec![None; rows.len()];
    for (index, task) in chat.tasks.list.iter().enumerate() {
        if index == chat.tasks.chosen {
            chosen = rows.len();
        }
        let row = wrapped(&[row(chat, task, index == chat.tasks.chosen, theme)], width);
        of_tasks.extend(row.iter().map(|_| Some(index)));
        rows.extend(row);
    }
    if rows.is_empty() {
        rows.push(Line::raw("Nothing goes on, and nothing has failed."));
    }
    let room = usize::from(area.height.saturating_sub(4)).max(1);
    let height = rows.len().min(room);
    let first = (chosen + 1).saturating_sub(height).min(rows.len().saturating_sub(height));
    let mut shown: Vec<_> = rows.into_iter().skip(first).take(height).collect();
    shown.push(Line::raw(""));
    let keys = if width < 50 {
        "x gives up · Esc closes"
    } else {
        "x gives up, or forgets a failure · r connects now · Esc closes"
    };
    shown.push(Line::styled(keys, theme.quiet));
    let inner = framed("Tasks", (width, u16::try_from(shown.len()).unwrap_or(u16::MAX)), theme, area, frame);
    frame.render_widget(Paragraph::new(shown), inner);
    let places = (inner.top()..inner.bottom()).zip(of_tasks.into_iter().skip(first).take(height));
    places.filter_map(|(y, task)| Some((Rect { y, height: 1, ..inner }, task?))).collect()
}

/// What goes on by itself: the connection, and lines that are read from the disk.
fn background<'a>(chat: &Chat, theme: &Theme) -> Vec<Line<'a>> {
    let mut rows = Vec::new();
    let age = |since| phrases::age(since, chat.now).map_or(String::new(), |age| format!(" · {age}"));
    if chat.connection != ConnectionState::Online {
        let (words, _) = phrases::connection(&chat.connection);
        let words =
            format!("  ◌ connection to {}:{}: {words}{}", chat.me.host, chat.me.port, age(chat.connected));
        rows.push(Line::styled(words, theme.warning));
    }
    if chat.timeline.as_ref().is_some_and(|timeline| timeline.loading) {
        rows.push(Line::raw("  ◌ reading lines from the disk"));
    }
    if chat.waiting > 0 {
        let words = match chat.waiting {
            1 => "1 message waits to be sent".to_owned(),
            waiting => format!("{waiting} messages wait to be sent"),
        };
        rows.push(Line::raw(format!("  ◌ {words}")));
    }
    rows
}

fn row<'a>(chat: &Chat, task: &Task, is_chosen: bool, theme: &Theme) -> Line<'a> {
    let sign = if is_chosen { "▸ " } else { "  " };
    let age = phrases::age(task.since, chat.now);
    let (state, style) = match &task.state {
        TaskState::Waiting(_) => (format!("… {}: waits for the connection", task.what), theme.text),
        TaskState::Running => (format!("◌ {}", task.what), theme.text),
        TaskState::Failed(why) => (format!("✗ {}: {why}", task.what), theme.warning),
    };
    let age = match (&task.state, age) {
        (_, None) => String::new(),
        (TaskState::Failed(_), Some(age)) => format!(" · {age} ago"),
        (_, Some(age)) => format!(" · {age}"),
    };
    let style = if is_chosen { style.patch(theme.chosen) } else { style };
    Line::from(vec![Span::styled(format!("{sign}{state}{age}"), style)])
}
