//! How the model is drawn: one function for each part of the screen.

mod chat;
mod clusters;
mod entrance;
mod overlay;
mod search;
mod talk;
mod tasks;
mod timeline;

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Clear, Padding};

use crate::app::chat::Chat;
use crate::app::{App, Stage};
use crate::theme::Theme;
use crate::words::{Margin, wrap};

/// Draws all of it.
pub fn draw(app: &mut App, frame: &mut Frame<'_>) {
    let area = frame.area();
    frame.buffer_mut().set_style(area, app.theme.text);
    match &mut app.stage {
        Stage::Entrance(entrance) => entrance::draw(entrance, &app.theme, frame),
        Stage::Chat(chat) => {
            chat::draw(chat, &app.settings, &app.theme, frame);
            let front = front(chat, &app.theme, area);
            overlay::draw(chat, &app.settings, &app.theme, front, frame);
            chat::draw_next_keys(chat, &app.settings, &app.theme, frame);
            talk::draw_notice_in_front(chat, &app.theme, frame);
        }
    }
    clusters::redraw_behind(frame.buffer_mut(), &mut app.spoilt_rows);
}

/// Where something may lie in front: an alarm above and what is said below stay to be seen.
fn front(chat: &Chat, theme: &Theme, area: Rect) -> Rect {
    let above = chat::alarm_rows(chat, area);
    let below = talk::notice_in_front(chat, theme, area).map_or(area.bottom(), |(notice, _)| notice.y);
    let top = area.y.saturating_add(u16::try_from(above.len()).unwrap_or(u16::MAX)).min(below);
    Rect { y: top, height: below.saturating_sub(top), ..area }
}

/// A box in the middle of `area`, as large as wanted and as there is room for; what is inside of it.
fn framed(
    title: &str,
    (width, height): (u16, u16),
    theme: &Theme,
    area: Rect,
    frame: &mut Frame<'_>,
) -> Rect {
    let area = middle(area, width.saturating_add(4), height.saturating_add(2));
    frame.render_widget(Clear, area);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.border)
        .style(theme.text)
        .title(format!(" {title} "))
        .title_style(theme.strong)
        .padding(Padding::horizontal(1));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let [area] =
        Layout::horizontal([Constraint::Length(width.min(area.width))]).flex(Flex::Center).areas(area);
    let [area] =
        Layout::vertical([Constraint::Length(height.min(area.height))]).flex(Flex::Center).areas(area);
    area
}

/// Rows that fit into `width`, each as tall as it has to be.
fn wrapped(rows: &[Line<'_>], width: u16) -> Vec<Line<'static>> {
    let fitted = rows.iter().flat_map(|row| {
        let spans: Vec<_> = row.spans.iter().map(|span| span.clone().patch_style(row.style)).collect();
        if row.width() <= usize::from(width) {
            vec![Line::from(spans.into_iter().map(owned).collect::<Vec<_>>())]
        } else {
            wrap(&spans, width.max(1), &Margin::default())
        }
    });
    fitted.collect()
}

fn owned(span: ratatui::text::Span<'_>) -> ratatui::text::Span<'static> {
    ratatui::text::Span::styled(span.content.into_owned(), span.style)
}
