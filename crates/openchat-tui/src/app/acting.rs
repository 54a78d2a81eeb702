//! What keys, pastes and clicks do in the chat.

use crossterm::event::{Event, KeyCode, KeyEvent};
use openchat_client::{Command as Ask, Delivery, Entry};
use openchat_protocol::{MessageId, RoomId};

use super::chat::Chat;
use super::overlay::{Overlay, Question};
use super::picker::Picker;
use crate::commands::Command;
use crate::effect::{Effect, Read, Then};
use crate::keymap::{Action, Chord, Lookup, Mode, Scheme};
use crate::settings::Settings;
use crate::theme::Theme;

/// A paste of more lines than this asks first.
const LINES_AT_ONCE: usize = 5;

impl Chat {
    pub(super) fn handle_terminal(
        &mut self,
        event: Event,
        settings: &mut Settings,
        theme: &mut Theme,
        out: &mut Vec<Effect>,
    ) {
        match event {
            Event::Key(key) if self.overlay.is_some() => self.press_in_overlay(key, settings, theme, out),
            Event::Key(key) => self.press(key, settings, theme, out),
            Event::Paste(text) => self.paste(&text, out),
            Event::FocusGained => self.focused = true,
            Event::FocusLost => self.focused = false,
            Event::Mouse(mouse) => self.use_mouse(mouse, settings, theme, out),
            Event::Resize(..) => {}
        }
    }

    fn paste(&mut self, text: &str, out: &mut Vec<Effect>) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        match &mut self.overlay {
            Some(Overlay::Picker(picker)) => picker.paste(&text),
            Some(Overlay::Search(search)) => {
                search.query.insert_str(text.lines().next().unwrap_or_default());
                self.search_anew(out);
            }
            Some(Overlay::Revoke(_, password) | Overlay::LinkPassword(password)) => {
                text.lines().take(1).flat_map(str::chars).for_each(|c| password.push(c));
            }
            Some(_) => {}
            None if text.lines().count() > LINES_AT_ONCE => {
                self.overlay = Some(Overlay::Ask(Question::Paste(text)));
            }
            None => self.write(&text),
        }
    }

    pub(super) fn write(&mut self, text: &str) {
        self.mode = Mode::Compose;
        self.composer.insert(text);
        self.draft_is_new = true;
    }

    fn press(&mut self, key: KeyEvent, settings: &mut Settings, theme: &mut Theme, out: &mut Vec<Effect>) {
        // Somebody is here: now is better than after the pause.
        if matches!(self.connection, openchat_client::ConnectionState::Offline { .. }) {
            out.push(Effect::Reconnect);
        }
        self.prefix.push(Chord::from(key));
        match settings.keymap.look_up(self.mode, &self.prefix) {
            Lookup::Act(action) => {
                self.prefix.clear();
                self.act(action, settings, theme, out);
            }
            Lookup::More(_) => {}
            Lookup::Unbound => {
                let was_longer = self.prefix.len() > 1;
                self.prefix.clear();
                if was_longer {
                    self.tell("no such key: F1 shows what works here");
                } else if self.mode == Mode::Compose {
                    self.type_key(key);
                    self.leave_empty_command_line();
                }
            }
        }
    }

    fn type_key(&mut self, key: KeyEvent) {
        let handled = match key.code {
            KeyCode::Up if key.modifiers.is_empty() => self.composer.recall_older(),
            KeyCode::Down if key.modifiers.is_empty() => self.composer.recall_newer(),
            _ => false,
        };
        if !handled {
            self.composer.press(key);
        }
        self.offer_completions();
        self.is_peeking = false;
        self.draft_is_new = true;
    }

    /// A command line of which nothing is left is none.
    fn leave_empty_command_line(&mut self) {
        if let Some(back) = self.composer.command_line().filter(|_| self.composer.area.is_empty()) {
            self.composer.end_command();
            self.mode = back;
        }
    }

    pub(super) fn act(
        &mut self,
        action: Action,
        settings: &mut Settings,
        theme: &mut Theme,
        out: &mut Vec<Effect>,
    ) {
        if !matches!(action, Action::Complete) {
            self.completion = None;
        }
        let stays_normal = settings.keymap.scheme == Scheme::Vim && self.mode == Mode::Normal;
        match action {
            Action::Send => self.submit(settings, theme, out),
            Action::NewLine => self.write("\n"),
            Action::Complete => self.complete(out),
            Action::Picker => self.open_picker(),
            Action::Menu => self.overlay = Some(Overlay::Picker(Box::new(Picker::menu()))),
            Action::NextUnread => self.visit_next_unread(out),
            Action::Back => self.go_back(out),
            Action::PreviousRoom => self.step_room(-1, out),
            Action::NextRoom => self.step_room(1, out),
            Action::Escape => self.escape(settings.keymap.scheme, out),
            Action::Write => self.toggle_writing(settings.keymap.scheme),
            Action::MarkRead => self.carry_out(Command::Read, settings, theme, out),
            Action::Members => self.shows_members = !self.shows_members,
            Action::RoomInfo => self.carry_out(Command::Info, settings, theme, out),
            Action::CryptoLog => self.carry_out(Command::Log, settings, theme, out),
            Action::Invite => self.carry_out(Command::Invite, settings, theme, out),
            Action::Editor => out.push(Effect::Edit(self.composer.text())),
            Action::CommandLine => self.begin_command(":", settings.keymap.scheme),
            Action::Split => self.split(None, settings, out),
            Action::OtherRoom => self.go_beside(out),
            Action::OneRoom => self.close_beside(),
            Action::Search => self.show_search("", out),
            Action::Tasks => self.show_tasks(),
            Action::Help => self.overlay = Some(Overlay::Help),
            Action::Suspend => out.push(Effect::Suspend),
            Action::Quit => self.quit(out),
            _ => self.act_on_timeline(action, out),
        }
        if stays_normal && action.goes_to_a_room() {
            self.mode = Mode::Normal;
        }
    }

    fn act_on_timeline(&mut self, action: Action, out: &mut Vec<Effect>) {
        let Some(timeline) = &mut self.timeline else { return };
        match action {
            Action::PageUp => timeline.page(1),
            Action::PageDown => timeline.page(-1),
            Action::Top => {
                timeline.view.bottom = (!timeline.lines.is_empty()).then_some((0, 0));
                timeline.chosen = None;
                timeline.choose_up();
            }
            Action::Bottom if timeline.at_end => {
                timeline.go_to_end();
                timeline.chosen = None;
                timeline.choose_up();
            }
            Action::Bottom => self.go_to_newest(out),
            Action::SelectUp => {
                self.mode = Mode::Normal;
                timeline.choose_up();
            }
            Action::SelectDown => {
                timeline.choose_down();
            }
            _ => self.act_on_chosen(action, out),
        }
    }

    fn act_on_chosen(&mut self, action: Action, out: &mut Vec<Effect>) {
        let Some(line) = self.timeline.as_ref().and_then(|timeline| timeline.chosen()).cloned() else {
            self.tell("choose a message first");
            return;
        };
        let failed = match &line.entry {
            Entry::Text { message, delivery: Delivery::Failed { .. }, .. } => Some(*message),
            _ => None,
        };
        match (action, &line.entry) {
            (Action::MessageInfo, _) => self.overlay = Some(Overlay::Message(Box::new(line))),
            (Action::Copy, Entry::Text { text, .. }) => {
                out.push(Effect::Copy(text.clone()));
                self.tell("copied");
            }
            (Action::Reply, Entry::Text { text, .. }) => {
                let quoted: String = text.lines().map(|line| format!("> {line}\n")).collect();
                let words = format!("> {} wrote:\n{quoted}\n", line.author);
                self.write(&words);
                self.stop_choosing();
            }
            (Action::Retry | Action::Discard, _) if failed.is_none() => {
                self.tell("this is for messages that could not be sent");
            }
            (Action::Retry, _) => failed.into_iter().for_each(|message| self.send_again(message, out)),
            (Action::Discard, _) => failed.into_iter().for_each(|message| self.discard(message, out)),
            _ => self.tell("this line has no words to copy or quote"),
        }
    }

    pub(super) fn send_again(&mut self, message: MessageId, out: &mut Vec<Effect>) {
        self.waiting += 1;
        out.push(Effect::Ask(Ask::Retry { message }, Then::Nothing));
    }

    pub(super) fn discard(&mut self, message: MessageId, out: &mut Vec<Effect>) {
        self.timelines().for_each(|timeline| timeline.remove(message));
        out.push(Effect::Ask(Ask::Discard { message }, Then::Say("forgotten".into())));
    }

    /// vi people come from writing to normal mode and back; the others only stop choosing.
    fn toggle_writing(&mut self, scheme: Scheme) {
        match (self.mode, scheme) {
            (Mode::Compose, Scheme::Vim) => {
                self.notice = None;
                self.completion = None;
                self.composer.end_command();
                self.mode = Mode::Normal;
                if let Some(timeline) = &mut self.timeline {
                    timeline.choose_up();
                }
            }
            _ => self.stop_choosing(),
        }
    }

    pub(super) fn stop_choosing(&mut self) {
        self.mode = Mode::Compose;
        if let Some(timeline) = &mut self.timeline {
            timeline.chosen = None;
        }
    }

    /// Closes one thing after the other: alarms, the notice, the choice, the way back to the newest line.
    fn escape(&mut self, scheme: Scheme, out: &mut Vec<Effect>) {
        if self.alarms.pop().is_some() || self.notice.take().is_some() {
            return;
        }
        if self.composer.command_line().is_some() {
            self.composer.end_command();
            return;
        }
        if self.mode == Mode::Normal
            && scheme == Scheme::Emacs
            && self.timeline.as_ref().is_some_and(|it| !it.at_end)
        {
            // Who has come to an old message by a search looks around before going back.
            self.stop_choosing();
            return;
        }
        self.go_to_newest(out);
        if self.mode == Mode::Normal && scheme == Scheme::Emacs {
            self.stop_choosing();
        }
    }

    /// Back to the newest line, which may have to be read.
    pub(super) fn go_to_newest(&mut self, out: &mut Vec<Effect>) {
        let Some(timeline) = &mut self.timeline else { return };
        timeline.go_to_end();
        if !timeline.at_end {
            timeline.wanted_record = None;
            timeline.loading = true;
            out.push(Effect::Read(Read::History(timeline.room, openchat_client::Span::Newest)));
        }
    }

    fn open_picker(&mut self) {
        let people: Vec<_> =
            self.members.iter().filter(|member| !member.is_me).map(|member| member.person.clone()).collect();
        let lines = self.timeline.as_ref().map(|timeline| timeline.lines.as_slice()).unwrap_or_default();
        let open = self.open_room();
        let others: Vec<_> = self.rooms.iter().filter(|room| Some(room.room) != open).cloned().collect();
        self.overlay = Some(Overlay::Picker(Box::new(Picker::everything(&others, &people, lines))));
    }

    /// One key goes through all unread rooms, the most important first, and at the end back to where it began.
    pub(super) fn visit_next_unread(&mut self, out: &mut Vec<Effect>) {
        let open = self.open_room();
        let unread = self.rooms.iter().filter(|room| room.unread > 0 && Some(room.room) != open);
        let next = unread.max_by_key(|room| (room.mentions, room.latest)).map(|room| room.room);
        match next {
            Some(room) => {
                if self.walk_from.is_none() {
                    self.walk_from = open;
                }
                self.open(room, out);
                self.is_peeking = true;
            }
            None if self.walk_from.is_some() => self.go_back(out),
            None => self.tell("nothing is unread"),
        }
    }

    fn go_back(&mut self, out: &mut Vec<Effect>) {
        match self.walk_from.take() {
            Some(room) => self.open(room, out),
            None => self.tell("there is no way back from here"),
        }
    }

    fn step_room(&mut self, by: isize, out: &mut Vec<Effect>) {
        let open = self.open_room();
        let at = self.rooms.iter().position(|room| Some(room.room) == open).unwrap_or(0);
        let count = self.rooms.len();
        let next = at.checked_add_signed(by).unwrap_or(count.saturating_sub(1));
        let room: Option<RoomId> = self.rooms.get(next).or(self.rooms.first()).map(|room| room.room);
        if let Some(room) = room {
            self.open(room, out);
        }
    }
}
