//! What was written is carried out: one arm for each command.

use openchat_client::{Access, Command as Ask, Membership, RoomSuite};
use openchat_protocol::{Request, RoomId, RoomName, UserName};

use super::chat::Chat;
use super::entrance::Secret;
use super::overlay::{Overlay, Question};
use super::picker::Picker;
use super::timeline::Timeline;
use crate::commands::{Command, Verify};
use crate::effect::{Effect, Read, Then};
use crate::keymap::{Mode, Scheme};
use crate::phrases;
use crate::settings::{Notify, Settings};
use crate::theme::Theme;

/// A link made here is good for this long.
const INVITE_VALID: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

impl Chat {
    /// What was written is carried out. It stays in the composer when it cannot be.
    pub(super) fn submit(&mut self, settings: &mut Settings, theme: &mut Theme, out: &mut Vec<Effect>) {
        let text = self.composer.text();
        let text = text.trim_end_matches('\n');
        let command_line = self.composer.command_line();
        let command = match command_line {
            Some(_) => Command::parse_command_line(text),
            None => Command::parse(text),
        };
        match command {
            Ok(Command::Say(words)) if self.open_room().is_none() => {
                self.warn_of(format!("there is no room open to say this in: {}", preview(&words)));
                self.overlay = Some(Overlay::Picker(Box::new(Picker::menu())));
            }
            Ok(command) => {
                self.composer.take();
                self.notice = None;
                self.draft_is_new = true;
                self.carry_out(command, settings, theme, out);
                if let Some(back) = command_line {
                    self.mode = back;
                }
            }
            Err(error) => self.warn_of(error.to_string()),
        }
    }

    pub(super) fn carry_out(
        &mut self,
        command: Command,
        settings: &mut Settings,
        theme: &mut Theme,
        out: &mut Vec<Effect>,
    ) {
        let room = self.open_room();
        match (command, room) {
            (Command::Nothing, _) => {}
            (Command::Create { name, private }, _) => {
                let access = if private { Access::Private } else { Access::Listed };
                let room_name = name.clone();
                let create = Ask::CreateRoom { name, access, suite: RoomSuite::default() };
                self.begin(format!("creating #{room_name}"), create, Then::OpenRoom, out);
            }
            (Command::Join(name), _) => match self.rooms.iter().find(|room| room.name == name) {
                Some(known) if known.membership == Membership::Member => self.open(known.room, out),
                _ => self.join(name, out),
            },
            (Command::List, _) => {
                self.begin_now("listing the server's rooms", Ask::ListRooms, Then::List, out);
            }
            (Command::Close | Command::Menu, _) => {
                self.overlay = Some(Overlay::Picker(Box::new(Picker::menu())));
            }
            (Command::Quit, _) => self.quit(out),
            (Command::Split(None), _) => self.split(None, settings, out),
            (Command::Split(Some(name)), _) => {
                match self.rooms.iter().find(|room| room.name == name).map(|room| room.room) {
                    Some(room) => self.split(Some(room), settings, out),
                    None => self.warn_of(format!("you are in no room #{name}: /join {name} first")),
                }
            }
            (Command::Unsplit, _) => self.close_beside(),
            (Command::Search(words), _) => self.show_search(&words, out),
            (Command::Tasks, _) => self.show_tasks(),
            (Command::Help, _) => self.overlay = Some(Overlay::Help),
            (Command::Theme(None), _) => {
                self.before_preview = Some(theme.clone());
                self.overlay = Some(Overlay::Picker(Box::new(Picker::themes())));
            }
            (Command::Theme(Some(name)), _) => {
                if let Some(named) = Theme::named(name) {
                    *theme = named;
                }
            }
            (Command::Trust, _) => out.push(Effect::Ask(Ask::Acquaintances, Then::ShowPeople)),
            (Command::Devices, _) => out.push(Effect::Ask(Ask::Devices, Then::ShowDevices)),
            (Command::Revoke(id), _) => self.overlay = Some(Overlay::Revoke(id, Secret::default())),
            (Command::Link, _) => self.show_link(),
            (Command::StopLink, _) => self.stop_link(out),
            (Command::Veto, _) => {
                let veto = Ask::PassOn(Box::new(Request::ObjectToReset));
                self.begin_now("objecting", veto, Then::Say(phrases::OBJECTED.to_owned()), out);
            }
            (Command::Keys(scheme), _) => self.use_keys(scheme, settings),
            (Command::Invite, _) => {
                let listed = self.overview().filter(|room| room.listed).map(|room| room.name.clone());
                let invite = Ask::CreateInvite { valid: INVITE_VALID, uses: 1, room: listed };
                self.begin_now("making an invite", invite, Then::ShowInvite, out);
            }
            (_, None) => self.warn_of("you are in no room: create one, join one, or list them"),
            (command, Some(room)) => self.carry_out_here(command, room, out),
        }
    }

    fn carry_out_here(&mut self, command: Command, room: RoomId, out: &mut Vec<Effect>) {
        match command {
            Command::Say(text) => {
                self.is_peeking = false;
                // Now: whoever answers may be in another room before the answer is in this one.
                self.mark_read();
                self.go_to_newest(out);
                self.mark_read_if_seen();
                out.push(Effect::Ask(Ask::Send { room, text: text.clone() }, Then::Sent(room, text)));
            }
            Command::Leave => self.overlay = Some(Overlay::Ask(Question::Leave(room))),
            Command::Add(name) => {
                let said = format!("{name} is in this room now");
                let what = format!("bringing {name} in");
                self.begin(what, Ask::AddMember { room, name }, Then::Say(said), out);
            }
            Command::Remove(name) => {
                let said = format!("{name} is out, and cannot read what is said from now on");
                let what = format!("putting {name} out");
                self.begin(what, Ask::RemoveMember { room, name }, Then::Say(said), out);
            }
            Command::Who => {
                self.shows_members = true;
                out.push(Effect::Ask(Ask::Members { room }, Then::Members(room)));
            }
            Command::Verify(name, how) => self.verify(room, name, how, out),
            Command::Accept(name) => {
                let said = format!("you took the new key of {name}; nobody has checked it yet");
                out.push(Effect::Ask(Ask::AcceptKey { name }, Then::Say(said)));
            }
            Command::Again | Command::Discard => {
                let failed = self.timeline.as_ref().map(Timeline::failed).unwrap_or_default();
                if failed.is_empty() {
                    self.tell("nothing here could not be sent");
                }
                for message in failed {
                    match command {
                        Command::Again => self.send_again(message, out),
                        _ => self.discard(message, out),
                    }
                }
            }
            Command::Save(file) => out.push(Effect::Save(room, file)),
            Command::Info => out.push(Effect::Ask(Ask::Details { room }, Then::ShowDetails)),
            Command::Log => out.push(Effect::Read(Read::Epochs(room))),
            Command::Rotate => {
                let said = Then::Say("this device has new keys in this room".to_owned());
                self.begin("changing this device's keys", Ask::UpdateKeys { room }, said, out);
            }
            Command::Read => {
                self.is_peeking = false;
                self.mark_read();
                if let Some(timeline) = &mut self.timeline {
                    timeline.unread_after = timeline.newest().unwrap_or(timeline.unread_after);
                }
            }
            Command::Notify(level) => {
                self.levels.insert(room, level);
                out.push(Effect::Remember(Notify::key(room), Some(level.name().as_bytes().to_vec())));
                self.tell(format!("you are told of: {}", level.name()));
            }
            _ => {}
        }
    }

    /// A comparison begins, goes on, or is decided.
    fn verify(&mut self, room: RoomId, name: UserName, how: Verify, out: &mut Vec<Effect>) {
        match how {
            Verify::Begin => {
                out.push(Effect::Ask(Ask::SafetyNumber { name: name.clone() }, Then::ShowNumber));
                out.push(Effect::Ask(Ask::Compare { room, name }, Then::Nothing));
            }
            Verify::Number(code) => {
                let said = format!("the numbers are the same: this is {name}'s key");
                out.push(Effect::Ask(Ask::CompareNumber { name, code }, Then::Say(said)));
            }
            Verify::Decide(same) => out.push(Effect::Ask(Ask::Decide { name, same }, Then::Nothing)),
        }
    }

    fn use_keys(&mut self, scheme: Scheme, settings: &mut Settings) {
        settings.keymap = crate::keymap::Keymap::new(scheme);
        self.mode = Mode::Compose;
        self.tell(match scheme {
            Scheme::Emacs => {
                "Emacs keys: Ctrl-X shows what may follow; for ever: keys = \"emacs\" in the settings"
            }
            Scheme::Vim => "vi keys: Esc, then ? shows what works; for ever: keys = \"vim\" in the settings",
        });
    }

    /// A command line in the place of the message, which comes back after it. Whoever was in vi's normal mode is so then.
    pub(super) fn begin_command(&mut self, text: &str, scheme: Scheme) {
        let back = if scheme == Scheme::Vim { self.mode } else { Mode::Compose };
        self.composer.begin_command(text, back);
        self.mode = Mode::Compose;
        self.offer_completions();
    }

    pub(super) fn quit(&mut self, out: &mut Vec<Effect>) {
        self.keep_draft(out);
        if self.waiting > 0 {
            self.overlay = Some(Overlay::Ask(Question::Quit));
        } else {
            out.push(Effect::Quit);
        }
    }

    /// Asks for a room by its name.
    pub(super) fn join(&mut self, name: RoomName, out: &mut Vec<Effect>) {
        self.begin(format!("joining #{name}"), Ask::JoinRoom { name }, Then::OpenRoom, out);
    }
}

/// The beginning of what was written.
fn preview(words: &str) -> String {
    words.chars().take(30).collect()
}
