//! What comes back from the client for something that was asked.

use openchat_client::{Answer, ClientError};
use openchat_protocol::{RoomId, Timestamp};

use super::chat::{Chat, DRAFT};
use super::entrance::sentence;
use super::overlay::Overlay;
use super::picker::Picker;
use super::tasks::TaskId;
use crate::effect::{Effect, Found, Read, Then};
use crate::keymap::Mode;

impl Chat {
    pub(super) fn handle_answer(
        &mut self,
        then: Then,
        outcome: Result<Answer, ClientError>,
        out: &mut Vec<Effect>,
    ) {
        let (then, since) = match then {
            Then::Task(id, then) => match self.end_task(id, &outcome) {
                Some(since) => (*then, since),
                None => return,
            },
            then => (then, self.now),
        };
        match (then, outcome) {
            (Then::Sent(room, text), Err(error)) => self.give_back(room, &text, &error, out),
            // What is asked by the screen itself is asked again; nobody waits for it.
            (Then::Members(_) | Then::Details(_), Err(_)) => {}
            (_, Err(error)) => self.warn(&error),
            (Then::Say(words), Ok(_)) => self.tell(words),
            (Then::OpenRoom, Ok(Answer::Room(_))) if self.touched > since => {
                // What is being written must not be said elsewhere.
                self.tell("the room is there: you find it at the left, or with Ctrl-T");
                out.push(Effect::Read(Read::Rooms));
            }
            (Then::OpenRoom, Ok(Answer::Room(room))) => {
                self.overlay = None;
                self.open(room, out);
                out.push(Effect::Read(Read::Rooms));
            }
            (Then::List, Ok(Answer::Listing(listed))) if listed.is_empty() => {
                self.tell("the server lists no rooms yet: /create NAME makes one");
            }
            (Then::List, Ok(Answer::Listing(listed))) => {
                let picker = Picker::listing(&listed, &self.rooms);
                self.overlay = Some(Overlay::Picker(Box::new(picker)));
            }
            (Then::Members(room), Ok(Answer::Members(members))) if self.open_room() == Some(room) => {
                self.members = members;
            }
            (Then::Details(room), Ok(Answer::Details(details))) if self.open_room() == Some(room) => {
                self.keys = Some((details.epoch, details.suite));
                self.members = details.members.clone();
            }
            (Then::ShowDetails, Ok(Answer::Details(details))) => {
                self.overlay = Some(Overlay::Room(details));
            }
            (Then::ShowInvite, Ok(Answer::Invite(link))) => self.overlay = Some(Overlay::Invite(link)),
            (Then::ShowPeople, Ok(Answer::Acquaintances(all))) => self.overlay = Some(Overlay::People(all)),
            (Then::ShowDevices, Ok(Answer::Devices(devices))) => {
                self.overlay = Some(Overlay::Devices(devices));
            }
            (Then::ShowNumber, Ok(Answer::Acquaintance(known))) => {
                // Its page shows the code, when there is one.
                if self.code_with(&known).is_some() {
                    self.notice = None;
                }
                self.overlay = Some(Overlay::Number(known));
            }
            _ => {}
        }
    }

    /// A task was answered: since when somebody waits. Nothing when nobody waits for it any more.
    fn end_task(&mut self, id: TaskId, outcome: &Result<Answer, ClientError>) -> Option<Timestamp> {
        if !self.tasks.has(id) {
            return None;
        }
        match outcome {
            Ok(_) => {
                let task = self.tasks.end(id)?;
                Some(task.since)
            }
            Err(error) => {
                self.tasks.fail(id, sentence(error), self.now);
                Some(self.now)
            }
        }
    }

    /// Words that could not be queued are not lost: they stand in front of what is being written, in their order.
    fn give_back(&mut self, room: RoomId, text: &str, error: &ClientError, out: &mut Vec<Effect>) {
        self.warn(error);
        let is_open = self.open_room() == Some(room);
        let present = match is_open {
            true => self.composer.draft(),
            false => self.drafts.remove(&room).unwrap_or_default(),
        };
        let before = self.given_back.remove(&room).filter(|before| present.starts_with(before.as_str()));
        let before = before.unwrap_or_default();
        let rest = present.strip_prefix(before.as_str()).unwrap_or_default();
        // On a line of their own, also for whoever goes on typing.
        let given_back = format!("{before}{text}\n");
        let whole = format!("{given_back}{rest}");
        match is_open {
            true => self.composer.set_draft(&whole),
            false => {
                out.push(Effect::Remember(format!("{DRAFT}{room}"), Some(whole.clone().into_bytes())));
                self.drafts.insert(room, whole);
            }
        }
        self.given_back.insert(room, given_back);
        self.draft_is_new = true;
    }

    pub(super) fn handle_found(&mut self, found: Found, out: &mut Vec<Effect>) {
        match found {
            Found::Rooms(rooms) => {
                let open = self.open_room();
                let gone = self.forget_rooms(&rooms);
                out.extend(gone.into_iter().map(|key| Effect::Remember(key, None)));
                self.take_rooms(rooms);
                let is_there = |room: RoomId| self.rooms.iter().any(|known| known.room == room);
                if self.beside.as_ref().is_some_and(|beside| !is_there(beside.room)) {
                    self.close_beside();
                }
                // A room that was left, or given up, is no place to stay.
                if open.is_some_and(|open| !self.rooms.iter().any(|room| room.room == open)) {
                    self.timeline = None;
                    self.members.clear();
                    match self.rooms.first().map(|room| room.room) {
                        Some(room) => self.open(room, out),
                        None => self.overlay = Some(Overlay::Picker(Box::new(Picker::menu()))),
                    }
                } else if open.is_none()
                    && let Some(room) = self.rooms.first().map(|room| room.room)
                {
                    self.open(room, out);
                }
            }
            Found::History(room, span, lines) => {
                if let Some(timeline) = self.timeline_of(room) {
                    timeline.take(span, lines);
                }
                self.mark_read_if_seen();
            }
            Found::Around(room, sequence, lines) => {
                if let Some(timeline) = self.timeline_of(room) {
                    timeline.take_around(sequence, lines);
                    // Who was here before looks on; who came by a search chooses what was found.
                    if self.mode == Mode::Compose
                        && let Some(timeline) = self.timeline_of(room)
                    {
                        timeline.chosen = None;
                    }
                }
            }
            Found::Searched(serial, searched) => self.handle_searched(serial, &searched, out),
            Found::Files(word, files) => self.complete_files(&word, files),
            Found::Epochs(room, epochs) => self.overlay = Some(Overlay::CryptoLog(room, epochs)),
        }
    }
}
