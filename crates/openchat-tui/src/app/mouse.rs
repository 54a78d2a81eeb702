//! What clicks and the wheel do, by where the last picture has shown what.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use openchat_protocol::RoomId;
use ratatui::layout::{Position, Rect};

use super::chat::Chat;
use super::overlay::Overlay;
use crate::commands::Command;
use crate::effect::Effect;
use crate::keymap::{Action, Mode};
use crate::settings::Settings;
use crate::theme::Theme;

/// Rows that one step of the wheel moves.
const STEP: i32 = 3;

/// Where the last picture shows what can be clicked.
#[derive(Debug, Default)]
pub struct Places {
    /// Rows of the rooms' pane.
    pub rooms: Vec<(Rect, RoomId)>,
    /// The timeline.
    pub lines: Rect,
    /// The room without the cursor.
    pub beside: Option<Rect>,
    /// The line that says that there is something newer below.
    pub behind: Option<Rect>,
    /// Where messages are written.
    pub composer: Rect,
    /// The status line.
    pub status: Rect,
    /// Rows of a list in front, by the index of the entry.
    pub entries: Vec<(Rect, usize)>,
}

impl Chat {
    pub(super) fn use_mouse(
        &mut self,
        mouse: MouseEvent,
        settings: &mut Settings,
        theme: &mut Theme,
        out: &mut Vec<Effect>,
    ) {
        let at = Position { x: mouse.column, y: mouse.row };
        match mouse.kind {
            MouseEventKind::ScrollUp => self.roll(at, STEP),
            MouseEventKind::ScrollDown => self.roll(at, -STEP),
            MouseEventKind::Down(MouseButton::Left) if self.overlay.is_some() => {
                self.click_in_overlay(at, settings, theme, out);
            }
            MouseEventKind::Down(MouseButton::Left) => self.click(at, settings, theme, out),
            _ => {}
        }
    }

    /// The wheel; upwards is positive.
    fn roll(&mut self, at: Position, rows: i32) {
        let down = isize::try_from(-rows).unwrap_or(0);
        match &mut self.overlay {
            None => {
                let is_beside = self.places.beside.is_some_and(|area| area.contains(at));
                if let Some(timeline) = if is_beside { &mut self.beside } else { &mut self.timeline } {
                    timeline.view.scroll += rows;
                }
            }
            Some(Overlay::Picker(picker)) => picker.step(down.signum()),
            Some(overlay) if overlay.is_page() => self.page.turn(down),
            Some(_) => {}
        }
    }

    fn click(&mut self, at: Position, settings: &mut Settings, theme: &mut Theme, out: &mut Vec<Effect>) {
        let room = self.places.rooms.iter().find(|(area, _)| area.contains(at)).map(|(_, room)| *room);
        if let Some(room) = room {
            self.open(room, out);
        } else if self.places.beside.is_some_and(|area| area.contains(at)) {
            self.go_beside(out);
        } else if self.places.behind.is_some_and(|area| area.contains(at)) {
            self.go_to_newest(out);
        } else if self.places.composer.contains(at) {
            self.stop_choosing();
        } else if self.places.status.contains(at) {
            self.visit_next_unread(out);
        } else if self.places.lines.contains(at) {
            self.click_line(at.y, settings, theme, out);
        }
    }

    /// A message is chosen, and shown whole at the second click; the line above what is new says that all is read.
    fn click_line(&mut self, y: u16, settings: &mut Settings, theme: &mut Theme, out: &mut Vec<Effect>) {
        let Some(timeline) = &mut self.timeline else { return };
        if timeline.new_rule == Some(y) {
            return self.carry_out(Command::Read, settings, theme, out);
        }
        let index = timeline.shown.iter().find(|(row, _)| *row == y).map(|(_, index)| *index);
        let Some(index) = index.filter(|it| timeline.lines.get(*it).is_some_and(|it| it.entry.is_message()))
        else {
            return;
        };
        if timeline.chosen == Some(index) {
            return self.act(Action::MessageInfo, settings, theme, out);
        }
        timeline.chosen = Some(index);
        self.mode = Mode::Normal;
    }

    /// An entry is picked as with Enter.
    fn click_in_overlay(
        &mut self,
        at: Position,
        settings: &mut Settings,
        theme: &mut Theme,
        out: &mut Vec<Effect>,
    ) {
        let entry = self.places.entries.iter().find(|(area, _)| area.contains(at)).map(|(_, index)| *index);
        let Some(entry) = entry else { return };
        match &mut self.overlay {
            Some(Overlay::Picker(picker)) => picker.chosen = entry,
            Some(Overlay::Search(search)) => search.chosen = entry,
            Some(Overlay::Tasks) => {
                self.tasks.chosen = entry;
                return;
            }
            _ => return,
        }
        let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        self.press_in_overlay(enter, settings, theme, out);
    }
}
