//! Sending: from the outbox into the log, each message once.
//!
//! A message is sealed, and the sealed bytes go to disk with the keys that made them. From then on these bytes are sent,
//! after every loss of the connection again, until the server says where they are in the log, or that they are not and
//! will not be. Only then may the message be sealed anew.

use openchat_e2ee::content::Text;
use openchat_e2ee::{Body, Content, SealError, Verification};
use openchat_protocol::append::Appended;
use openchat_protocol::record::{Position, RecordKind};
use openchat_protocol::{MessageId, Refusal, RoomId, Timestamp};

use super::core::Core;
use super::room::{Busy, OUT, Room};
use super::session::Purpose;
use super::step::Ticket;
use crate::command::Answer;
use crate::error::{ClientError, ErrorKind};
use crate::event::{Alarm, Delivery, Entry, Event};
use crate::random;
use crate::vault::{OutboxMessage, Sealed, Write, pending_line};

/// The longest text, in bytes: it fits into a sealed message whatever its padding.
const TEXT: usize = 48 << 10;

impl Room {
    /// Puts a text into the outbox.
    pub(super) fn handle_send(&mut self, cx: &mut Core, ticket: Ticket, text: String) {
        if let Err(error) = self.may_send(&text) {
            return cx.answer(ticket, Err(error));
        }
        let message = OutboxMessage { text, ..self.empty_message(cx.now) };
        cx.write(Write::Outbox(Box::new(message.clone())));
        cx.answer(ticket, Ok(Answer::Queued(message.message)));
        cx.emit(Event::Line(pending_line(&message, cx.people.person(cx.me().uid))));
        self.outbox.push_back(message);
        self.tell_stopped(cx);
    }

    /// Puts what this program has to say to another one into the outbox.
    pub(super) fn say_verification(&mut self, cx: &mut Core, step: Verification) {
        let message = OutboxMessage { verification: Some(step), ..self.empty_message(cx.now) };
        cx.write(Write::Outbox(Box::new(message.clone())));
        self.outbox.push_back(message);
    }

    fn empty_message(&self, time: Timestamp) -> OutboxMessage {
        let (message, room) = (random::message_id(), self.id());
        let (text, verification) = (String::new(), None);
        OutboxMessage { message, room, time, text, sealed: None, failed: None, in_log: false, verification }
    }

    fn may_send(&self, text: &str) -> Result<(), ClientError> {
        let usage = |message: String| Err(ClientError::new(ErrorKind::Usage, message));
        match text.len() {
            0 => usage("there is nothing to send".to_owned()),
            length if length > TEXT => usage(format!(
                "the message is too long: it has {length} bytes, at most {TEXT} fit; send it in parts"
            )),
            _ if !self.is_in() => Err(self.not_in()),
            _ => Ok(()),
        }
    }

    /// Why nothing can be done here.
    pub(super) fn not_in(&self) -> ClientError {
        let name = &self.record.name;
        ClientError::new(ErrorKind::Refused, format!("this device is not in #{name}"))
            .with_help("join it again, or ask a member to add you")
    }

    /// Sends again what was sealed before and may be in the log.
    pub(super) fn send_sealed_again(&mut self, cx: &mut Core) -> bool {
        let unsettled = |message: &&OutboxMessage| {
            message.sealed.is_some() && message.failed.is_none() && !self.stored.contains(&message.message)
        };
        let Some(message) = self.outbox.iter().find(unsettled) else { return false };
        let (id, Some(sealed)) = (message.message, message.sealed.clone()) else { return false };
        self.send_sealed(cx, id, sealed);
        true
    }

    /// Whether a message waits to be sealed, and may be.
    pub(super) fn has_to_send(&self, cx: &Core) -> bool {
        self.next_to_send(cx).is_some()
    }

    /// The place in the outbox of the next message that may be sealed. What programs say to each other does not wait for
    /// people's decisions, which it is there to help.
    fn next_to_send(&self, cx: &Core) -> Option<usize> {
        let mut waiting = self.outbox.iter().enumerate().filter(|(_, it)| is_waiting(it)).peekable();
        if !self.may_speak() || waiting.peek().is_none() {
            return None;
        }
        let holds_texts = self.holds_texts(cx);
        waiting.find(|(_, it)| !(holds_texts && it.is_said())).map(|(index, _)| index)
    }

    /// Seals the next message, and sends it.
    pub(super) fn send_next(&mut self, cx: &mut Core) -> bool {
        let Some(index) = self.next_to_send(cx) else { return false };
        // Without proof of who reads it, a message waits.
        if !self.vouch(cx) {
            self.tell_of_waiting(cx);
            return false;
        }
        let Some(base) = self.base(cx) else { return false };
        let Some(message) = self.outbox.get(index) else { return false };
        let (id, counter) = (message.message, self.record.sealed + 1);
        let body = match &message.verification {
            Some(step) => Body::Verification(step.clone()),
            None => Body::Text(Text { markdown: message.text.clone() }),
        };
        let log = cx.news_of_log(&mut self.told_of_log).map(Box::new);
        let content = Content { message_id: id, counter, seen: Some(self.record.cursor), body, log };
        let Some(group) = &mut self.group else { return false };
        match group.seal(&content) {
            Ok(payload) => {
                self.record.sealed = counter;
                self.record.until_update = self.record.until_update.saturating_sub(1);
                self.record_changed();
                self.group_changed();
                let sealed = Sealed { record: random::message_id(), base, payload: payload.into() };
                self.set_sealed(cx, id, Some(sealed.clone()));
                self.send_sealed(cx, id, sealed);
            }
            Err(SealError::Content(error)) => self.give_up(cx, id, error.to_string()),
            Err(SealError::Mls(_)) => self.rejoin = true,
        }
        true
    }

    fn send_sealed(&mut self, cx: &mut Core, id: MessageId, Sealed { record, base, payload }: Sealed) {
        self.busy = Some(Busy::Message(id));
        let purpose = Purpose::Message(self.id(), id);
        self.append(cx, (RecordKind::Message, payload.into()), base, record, None, purpose);
    }

    pub(super) fn handle_message_appended(&mut self, cx: &mut Core, id: MessageId, appended: Appended) {
        self.not_busy_with(Busy::Message(id));
        match appended {
            Appended::Stored { position, time } => {
                self.succeeded();
                self.expect(cx, position);
                if position.sequence > self.record.cursor.sequence {
                    self.stored.insert(id);
                } else if self.outbox.iter().any(|message| message.message == id && !message.in_log) {
                    // Stored by an attempt whose echo lies in a stretch of the log that this device has not read.
                    self.sent(cx, id, position.sequence, time);
                }
            }
            Appended::Stale { last_commit } => {
                // Not in the log, so it may be sealed again, under the same counter if nothing came after it.
                self.set_sealed(cx, id, None);
                self.record.sealed = self.record.sealed.saturating_sub(1);
                self.record_changed();
                self.handle_stale(cx, last_commit);
            }
        }
    }

    pub(super) fn handle_message_refused(&mut self, cx: &mut Core, id: MessageId, refusal: &Refusal) {
        self.not_busy_with(Busy::Message(id));
        if !self.pause_if_temporary(cx, refusal) {
            self.record.sealed = self.record.sealed.saturating_sub(1);
            self.record_changed();
            self.give_up(cx, id, refusal.detail.clone());
        }
    }

    pub(super) fn not_busy_with(&mut self, busy: Busy) {
        if self.busy == Some(busy) {
            self.busy = None;
        }
    }

    /// The server says that an own record is at `position`: the log must bear it out.
    fn expect(&mut self, cx: &mut Core, position: Position) {
        let read = self.chain.iter().find(|place| place.sequence == position.sequence);
        match read {
            Some(read) if *read != position => {
                self.diverge(cx, "the server's answer to an append does not fit what it sent".to_owned());
            }
            Some(_) => {}
            None if position.sequence > self.record.cursor.sequence => self.promised.push(position),
            None => {}
        }
    }

    /// The echo of an own message was read.
    pub(super) fn read_own_message(
        &mut self,
        cx: &mut Core,
        record: MessageId,
        payload: &[u8],
        place: (u64, Timestamp),
    ) {
        let (sequence, time) = place;
        let sent_as =
            |message: &&OutboxMessage| message.sealed.as_ref().is_some_and(|it| it.record == record);
        let Some(message) = self.outbox.iter().find(sent_as) else {
            let reason = "sent by this device before its data was restored from a copy".to_owned();
            // The keys of that time are used up, though this device does not know which: it takes new ones first.
            self.record.until_update = 0;
            self.record.sealed += 1;
            return self.add_line(cx, sequence, time, cx.me().uid, Entry::Unreadable { reason });
        };
        let id = message.message;
        if message.sealed.as_ref().is_some_and(|sealed| sealed.payload[..] == *payload) {
            return self.sent(cx, id, sequence, time);
        }
        cx.emit(Event::Alarm(Alarm::EchoDiffers { room: self.id(), sequence }));
        self.give_up(cx, id, "the server has put something else in its place".to_owned());
    }

    /// From the outbox into the history.
    fn sent(&mut self, cx: &mut Core, id: MessageId, sequence: u64, time: Timestamp) {
        self.stored.remove(&id);
        let Some(index) = self.outbox.iter().position(|message| message.message == id) else { return };
        let Some(message) = self.outbox.get(index).cloned() else { return };
        if self.record.unheard.is_some() {
            self.change_outbox(cx, id, |message| (message.sealed, message.in_log) = (None, true));
        } else {
            self.outbox.remove(index);
            cx.write(Write::OutboxRemoved(id));
        }
        if !message.is_said() {
            return;
        }
        cx.emit(Event::Delivery { room: self.id(), message: id, delivery: Delivery::Sent });
        let entry = Entry::Text { message: id, text: message.text, delivery: Delivery::Sent };
        self.add_line(cx, sequence, time, cx.me().uid, entry);
    }

    fn give_up(&mut self, cx: &mut Core, id: MessageId, reason: String) {
        if self.outbox.iter().any(|it| it.message == id && !it.is_said()) {
            self.outbox.retain(|it| it.message != id);
            return cx.write(Write::OutboxRemoved(id));
        }
        self.change_outbox(cx, id, |message| {
            message.sealed = None;
            message.failed = Some(reason.clone());
        });
        let delivery = Delivery::Failed { reason };
        cx.emit(Event::Delivery { room: self.id(), message: id, delivery });
    }

    /// Keeps the words, which belong to whoever wrote them.
    pub(super) fn give_up_all(&mut self, cx: &mut Core) {
        let waiting = self.outbox.iter().filter(|message| message.failed.is_none());
        let ids: Vec<_> = waiting.map(|message| message.message).collect();
        ids.into_iter().for_each(|id| self.give_up(cx, id, OUT.to_owned()));
    }

    fn set_sealed(&mut self, cx: &mut Core, id: MessageId, sealed: Option<Sealed>) {
        self.change_outbox(cx, id, |message| message.sealed = sealed);
    }

    pub(super) fn change_outbox(
        &mut self,
        cx: &mut Core,
        id: MessageId,
        change: impl FnOnce(&mut OutboxMessage),
    ) {
        if let Some(message) = self.outbox.iter_mut().find(|message| message.message == id) {
            change(message);
            cx.write(Write::Outbox(Box::new(message.clone())));
        }
    }

    /// Tries a failed message again.
    pub(super) fn retry(&mut self, cx: &mut Core, id: MessageId) -> Result<(), ClientError> {
        if !self.is_in() {
            return Err(self.not_in());
        }
        self.change_outbox(cx, id, |message| message.failed = None);
        cx.emit(Event::Delivery { room: self.id(), message: id, delivery: Delivery::Pending });
        Ok(())
    }

    /// Forgets a failed message.
    pub(super) fn discard(&mut self, cx: &mut Core, id: MessageId) -> Result<(), ClientError> {
        self.outbox.retain(|message| message.message != id);
        cx.write(Write::OutboxRemoved(id));
        Ok(())
    }

    /// Whether the outbox holds a failed message with this identifier.
    pub(super) fn has_failed(&self, id: MessageId) -> bool {
        self.outbox.iter().any(|message| message.message == id && message.failed.is_some())
    }
}

fn is_waiting(message: &OutboxMessage) -> bool {
    message.sealed.is_none() && message.failed.is_none() && !message.in_log
}

/// Nobody knows this message as a failed one.
pub(super) fn no_failed_message(message: MessageId) -> ClientError {
    ClientError::new(ErrorKind::NotFound, format!("there is no failed message {message}"))
}

/// Nobody knows this room.
pub(super) fn no_room(room: RoomId) -> ClientError {
    ClientError::new(ErrorKind::NotFound, format!("this profile knows no room {room}"))
}
