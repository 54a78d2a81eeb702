//! What keys do while something lies in front of the chat.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openchat_client::{Command as Ask, Entry};

use super::chat::Chat;
use super::composer::edit;
use super::overlay::{Overlay, Question};
use super::picker::Target;
use crate::commands::Command;
use crate::effect::{Effect, Then};
use crate::settings::Settings;
use crate::theme::Theme;

impl Chat {
    pub(super) fn press_in_overlay(
        &mut self,
        key: KeyEvent,
        settings: &mut Settings,
        theme: &mut Theme,
        out: &mut Vec<Effect>,
    ) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && key.code == KeyCode::Char('z') {
            out.push(Effect::Suspend);
            return;
        }
        let closes = key.code == KeyCode::Esc || (control && matches!(key.code, KeyCode::Char('c' | 'g')));
        if !closes && self.turn_page(key, out) {
            return;
        }
        match &mut self.overlay {
            _ if closes => self.close_overlay(theme),
            Some(Overlay::Picker(_)) => self.press_in_picker(key, settings, theme, out),
            Some(Overlay::Search(_)) => self.press_in_search(key, theme, out),
            Some(Overlay::Ask(_)) => self.answer(key.code, out),
            Some(Overlay::Revoke(..)) if key.code == KeyCode::Enter => self.revoke(out),
            Some(Overlay::LinkPassword(_)) if key.code == KeyCode::Enter => self.link(out),
            Some(Overlay::Revoke(_, password) | Overlay::LinkPassword(password)) => password.handle(key),
            Some(Overlay::Tasks) => self.press_in_tasks(key.code, theme, out),
            Some(Overlay::Invite(link) | Overlay::Link(link, _))
                if matches!(key.code, KeyCode::Char('y' | 'c')) =>
            {
                out.push(Effect::Copy(link.clone()));
                self.tell("the link is on the clipboard, if this terminal has one");
            }
            Some(Overlay::Number(_)) if matches!(key.code, KeyCode::Char('y' | 'n')) => {
                self.answer_code(key.code == KeyCode::Char('y'), out);
            }
            _ if matches!(key.code, KeyCode::Enter | KeyCode::Char('q')) => self.close_overlay(theme),
            _ => {}
        }
    }

    fn revoke(&mut self, out: &mut Vec<Effect>) {
        if let Some(Overlay::Revoke(id, password)) = self.overlay.take() {
            out.push(Effect::Revoke(id, password.password()));
        }
    }

    /// Keys that go through a page of words. `false` when this is no such key, or no page.
    fn turn_page(&mut self, key: KeyEvent, out: &mut Vec<Effect>) -> bool {
        if !self.overlay.as_ref().is_some_and(Overlay::is_page) {
            return false;
        }
        let full = isize::try_from(self.page.height.saturating_sub(1).max(1)).unwrap_or(1);
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, &self.overlay) {
            (KeyCode::Char('y'), Some(Overlay::Message(line))) => {
                if let Entry::Text { text, .. } = &line.entry {
                    out.push(Effect::Copy(text.clone()));
                    self.tell("copied");
                }
            }
            (KeyCode::Char('d'), _) if control => self.page.turn(full / 2),
            (KeyCode::Char('u'), _) if control => self.page.turn(-(full / 2)),
            (KeyCode::Down | KeyCode::Char('j'), _) => self.page.turn(1),
            (KeyCode::Up | KeyCode::Char('k'), _) => self.page.turn(-1),
            (KeyCode::PageDown | KeyCode::Char(' '), _) => self.page.turn(full),
            (KeyCode::PageUp | KeyCode::Char('b'), _) => self.page.turn(-full),
            (KeyCode::Home | KeyCode::Char('g'), _) => self.page.top = 0,
            (KeyCode::End | KeyCode::Char('G'), _) => self.page.top = self.page.last(),
            _ => return false,
        }
        true
    }

    fn press_in_search(&mut self, key: KeyEvent, theme: &mut Theme, out: &mut Vec<Effect>) {
        let Some(Overlay::Search(search)) = &mut self.overlay else { return };
        let last = search.found.len().saturating_sub(1);
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let by = match key.code {
            KeyCode::Up => -1,
            KeyCode::Down => 1,
            KeyCode::Char('p' | 'k') if control => -1,
            KeyCode::Char('n' | 'j') if control => 1,
            KeyCode::PageUp => -10,
            KeyCode::PageDown => 10,
            KeyCode::Enter => {
                let hit = search.found.get(search.chosen).map(|hit| (hit.room, hit.sequence));
                if let Some((room, sequence)) = hit {
                    self.close_overlay(theme);
                    self.jump(room, sequence, out);
                }
                return;
            }
            _ => {
                if edit(&mut search.query, key) {
                    self.search_anew(out);
                }
                return;
            }
        };
        search.chosen = search.chosen.saturating_add_signed(by).min(last);
    }

    fn press_in_tasks(&mut self, code: KeyCode, theme: &mut Theme, out: &mut Vec<Effect>) {
        let last = self.tasks.list.len().saturating_sub(1);
        match code {
            KeyCode::Down | KeyCode::Char('j') => self.tasks.chosen = (self.tasks.chosen + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => self.tasks.chosen = self.tasks.chosen.saturating_sub(1),
            KeyCode::Char('x') | KeyCode::Delete => self.give_up_chosen(out),
            KeyCode::Char('r') => out.push(Effect::Reconnect),
            KeyCode::Enter | KeyCode::Char('q') | KeyCode::F(3) => self.close_overlay(theme),
            _ => {}
        }
    }

    fn close_overlay(&mut self, theme: &mut Theme) {
        match self.overlay.take() {
            Some(Overlay::Tasks) => self.tasks.see(),
            // The code is still to be answered.
            Some(Overlay::Number(known)) => self.tell_code(&known),
            _ => {}
        }
        if let Some(before) = self.before_preview.take() {
            *theme = before;
        }
    }

    fn press_in_picker(
        &mut self,
        key: KeyEvent,
        settings: &mut Settings,
        theme: &mut Theme,
        out: &mut Vec<Effect>,
    ) {
        let Some(Overlay::Picker(picker)) = &mut self.overlay else { return };
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            // Whoever begins a command means to write it.
            KeyCode::Char('/') if picker.typed().is_empty() => {
                self.close_overlay(theme);
                self.begin_command("/", settings.keymap.scheme);
                return;
            }
            KeyCode::Up => picker.step(-1),
            KeyCode::Down => picker.step(1),
            KeyCode::Char('p' | 'k') if control => picker.step(-1),
            KeyCode::Char('n' | 'j') if control => picker.step(1),
            KeyCode::PageUp => picker.step(-10),
            KeyCode::PageDown => picker.step(10),
            KeyCode::Enter => {
                // The menu of the original: `:q` in it ends the program.
                let quits = picker.typed() == ":q";
                let target = picker.chosen().map(|row| row.target.clone());
                match target {
                    _ if quits => {
                        self.overlay = None;
                        self.quit(out);
                    }
                    Some(target) => self.pick(target, settings, theme, out),
                    None => {}
                }
                return;
            }
            _ => picker.press(key),
        }
        if let Some(Target::Theme(name)) = picker.chosen().map(|row| &row.target)
            && let Some(named) = Theme::named(name)
        {
            *theme = named;
        }
    }

    fn pick(&mut self, target: Target, settings: &mut Settings, theme: &mut Theme, out: &mut Vec<Effect>) {
        self.overlay = None;
        self.before_preview = None;
        match target {
            Target::Room(room) => self.open(room, out),
            Target::Join(name) => self.carry_out(Command::Join(name), settings, theme, out),
            Target::Write(text) if text.starts_with('/') => {
                self.begin_command(&text, settings.keymap.scheme);
            }
            Target::Write(text) => self.write(&text),
            Target::Run(line) => match Command::parse(&line) {
                Ok(command) => self.carry_out(command, settings, theme, out),
                Err(error) => self.warn_of(error.to_string()),
            },
            Target::Message(room, sequence) => self.jump(room, sequence, out),
            Target::Search(words) => self.show_search(&words, out),
            Target::Theme(name) => {
                if let Some(named) = Theme::named(name) {
                    *theme = named;
                    self.tell(format!("for ever: theme = \"{name}\" in the settings"));
                }
            }
        }
    }

    fn answer(&mut self, code: KeyCode, out: &mut Vec<Effect>) {
        let yes = matches!(code, KeyCode::Char('y' | 'Y') | KeyCode::Enter);
        if !yes && !matches!(code, KeyCode::Char('n' | 'N')) {
            return;
        }
        let Some(Overlay::Ask(question)) = self.overlay.take() else { return };
        match question {
            _ if !yes => {}
            Question::Paste(text) => self.write(&text),
            Question::Leave(room) => {
                let said = Then::Say("you have left".to_owned());
                out.push(Effect::Ask(Ask::LeaveRoom { room }, said));
                self.rooms_are_old = true;
            }
            Question::Quit => out.push(Effect::Quit),
        }
    }
}
