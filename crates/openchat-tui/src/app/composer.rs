//! Where messages are written: an editor with several lines, and what was sent before.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Style;
use ratatui_textarea::{CursorMove, TextArea, WrapMode};

use crate::keymap::Mode;

/// Messages that the up key brings back.
const REMEMBERED: usize = 100;

/// The editor.
pub struct Composer {
    /// The widget.
    pub area: TextArea<'static>,
    /// What was sent from here, the newest last.
    sent: Vec<String>,
    /// Which of them is in the editor.
    recalled: Option<usize>,
    /// What was being written when a command line took its place, and where its end leads back to.
    aside: Option<(String, Mode)>,
}

impl Default for Composer {
    fn default() -> Self {
        Self { area: area(""), sent: Vec::new(), recalled: None, aside: None }
    }
}

fn area(text: &str) -> TextArea<'static> {
    let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
    area.set_wrap_mode(WrapMode::WordOrGlyph);
    area.set_cursor_line_style(Style::new());
    area.move_cursor(CursorMove::Bottom);
    area.move_cursor(CursorMove::End);
    area
}

/// A key for an editor of one line or several. Whether it has changed something.
pub(super) fn edit(area: &mut TextArea<'_>, key: KeyEvent) -> bool {
    // As every shell has it; the widget would undo.
    if key.code == KeyCode::Char('u') && key.modifiers == KeyModifiers::CONTROL {
        area.delete_line_by_head()
    } else {
        area.input(key)
    }
}

impl Composer {
    /// All that is written.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// The message that is being written, whether a command line stands in its place or not.
    pub fn draft(&self) -> String {
        self.aside.as_ref().map_or_else(|| self.text(), |(message, _)| message.clone())
    }

    /// Replaces what is written.
    pub fn set(&mut self, text: &str) {
        self.area = area(text);
        self.recalled = None;
        self.aside = None;
    }

    /// A command line takes the place of the message. What it leads back to is the mode at its end.
    pub fn begin_command(&mut self, text: &str, back: Mode) {
        let message = self.draft();
        self.set(text);
        self.aside = Some((message, back));
    }

    /// The mode at the end of the command line, while there is one.
    pub fn command_line(&self) -> Option<Mode> {
        self.aside.as_ref().map(|(_, back)| *back)
    }

    /// The message is back in its place.
    pub fn end_command(&mut self) {
        if let Some((message, _)) = self.aside.take() {
            self.set(&message);
        }
    }

    /// Replaces the message, whether a command line stands in its place or not.
    pub fn set_draft(&mut self, text: &str) {
        match &mut self.aside {
            Some((message, _)) => text.clone_into(message),
            None => self.set(text),
        }
    }

    /// Takes what is written, and remembers it for the up key.
    pub fn take(&mut self) -> String {
        let text = self.text();
        if !text.trim().is_empty() {
            self.sent.push(text.clone());
            if self.sent.len() > REMEMBERED {
                self.sent.remove(0);
            }
        }
        let message = self.aside.take().map_or(String::new(), |(message, _)| message);
        self.set(&message);
        text
    }

    /// A key for the editor.
    pub fn press(&mut self, key: KeyEvent) {
        edit(&mut self.area, key);
    }

    /// Inserts at the cursor.
    pub fn insert(&mut self, text: &str) {
        self.area.insert_str(text);
    }

    /// The up key on the first line: what was sent before. `false` when the cursor can move up.
    pub fn recall_older(&mut self) -> bool {
        let at_top = self.area.cursor().0 == 0;
        let older = self.recalled.unwrap_or(self.sent.len()).checked_sub(1);
        let is_own = self.recalled.is_some() || self.area.is_empty();
        match older.and_then(|index| Some((index, self.sent.get(index)?.clone()))) {
            Some((index, text)) if at_top && is_own => {
                self.area = area(&text);
                self.recalled = Some(index);
                true
            }
            _ => false,
        }
    }

    /// The down key while an older message is shown.
    pub fn recall_newer(&mut self) -> bool {
        let Some(index) = self.recalled else { return false };
        match self.sent.get(index + 1).cloned() {
            Some(text) => {
                self.area = area(&text);
                self.recalled = Some(index + 1);
            }
            None => self.set(""),
        }
        true
    }

    /// What is written in front of the cursor: all of it, when commands begin on the first line. The `:` of a command
    /// line is the `/` of a command.
    pub fn before(&self) -> String {
        let cursor = self.area.cursor();
        let mut lines = self.area.lines().iter().take(cursor.0 + 1).map(String::as_str);
        let last = lines.next_back().unwrap_or_default();
        let mut before: String = lines.flat_map(|line| [line, "\n"]).collect();
        before.extend(last.chars().take(cursor.1));
        match before.strip_prefix(':') {
            Some(command) if self.aside.is_some() => format!("/{command}"),
            _ => before,
        }
    }

    /// The word in front of the cursor.
    pub fn word(&self) -> String {
        self.before().rsplit(char::is_whitespace).next().unwrap_or_default().to_owned()
    }

    /// Replaces the word in front of the cursor.
    pub fn replace_word(&mut self, new: &str) {
        for _ in 0..self.word().chars().count() {
            self.area.delete_char();
        }
        self.area.insert_str(new);
    }
}
