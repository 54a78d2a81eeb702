//! The model of the screen: what is shown and what input means. Events in, effects out, and no I/O.

mod acting;
pub mod chat;
mod comparing;
pub mod completion;
pub mod composer;
mod doing;
pub mod entrance;
mod fronting;
mod linking;
pub mod mouse;
mod news;
pub mod overlay;
pub(crate) mod panes;
pub mod picker;
mod replies;
pub mod search;
pub mod tasks;
#[cfg(test)]
mod tests;
pub mod timeline;

use crossterm::event::{Event as TerminalEvent, KeyEventKind};
use openchat_protocol::Timestamp;

use self::chat::Chat;
use self::entrance::Entrance;
use crate::effect::{Effect, Incoming};
use crate::settings::Settings;
use crate::theme::Theme;

/// All that the screen shows.
pub struct App {
    /// What is in front.
    pub stage: Stage,
    /// What people have chosen.
    pub settings: Settings,
    /// The colours of this moment: a preview changes them.
    pub theme: Theme,
    /// Rows of the last picture that terminals may have drawn in their own ways.
    pub spoilt_rows: Vec<u16>,
}

/// What is in front.
pub enum Stage {
    /// Before the profile is open.
    Entrance(Box<Entrance>),
    /// Rooms and what is said there.
    Chat(Box<Chat>),
}

impl App {
    /// The screen as it comes up.
    pub fn new(entrance: Entrance, settings: Settings, suited: Theme) -> Self {
        let theme = settings.theme.clone().unwrap_or(suited);
        Self { stage: Stage::Entrance(Box::new(entrance)), settings, theme, spoilt_rows: Vec::new() }
    }

    /// Something happened at `now`.
    pub fn handle(&mut self, incoming: Incoming, now: Timestamp) -> Vec<Effect> {
        if let Incoming::Terminal(TerminalEvent::Key(key)) = &incoming
            && key.kind == KeyEventKind::Release
        {
            return Vec::new();
        }
        let mut out = Vec::new();
        match (&mut self.stage, incoming) {
            (Stage::Entrance(_), Incoming::Opened(opened)) => {
                let history = opened.history;
                let mut chat = Chat::new(*opened, now);
                chat.arrive(&mut out);
                chat.begin_history(history, &mut out);
                self.stage = Stage::Chat(Box::new(chat));
            }
            (Stage::Entrance(entrance), incoming) => {
                entrance.now = now;
                entrance.handle(incoming, &mut out);
            }
            (Stage::Chat(chat), incoming) => {
                chat.now = now;
                chat.handle(incoming, &mut self.settings, &mut self.theme, &mut out);
            }
        }
        out
    }

    /// Whether the answer of this task is still wanted.
    pub fn waits_for(&self, task: tasks::TaskId) -> bool {
        matches!(&self.stage, Stage::Chat(chat) if chat.tasks.has(task))
    }

    /// What the last picture has shown to be wanted, such as older lines.
    pub fn after_draw(&mut self) -> Vec<Effect> {
        let mut out = Vec::new();
        if let Stage::Chat(chat) = &mut self.stage {
            chat.load_more(&mut out);
        }
        out
    }
}
