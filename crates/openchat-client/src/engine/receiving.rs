//! Receiving: pages of the log, each record checked against the hash chain, opened, and turned into history.

use openchat_e2ee::{Body, Content, Garbage, OpenError, Opened};
use openchat_protocol::record::{Position, Record, RecordKind};
use openchat_protocol::room::Page;
use openchat_protocol::{DeviceId, MessageId, Uid};

use super::core::Core;
use super::room::{Reading, Room};
use crate::event::{Alarm, Delivery, Entry, Event, Membership};
use crate::vault::Write;

/// Why a room is not read any further.
enum Stop {
    /// The server's log is not what it was, or not what members saw.
    Diverged(String),
    /// The record cannot be followed: this device has to join again.
    Rejoin,
}

/// Message identifiers that are remembered, to tell a repetition.
const RECENT: usize = 1024;

/// Why somebody's message cannot be read. What the library says of it is in the log.
fn in_plain_words(cx: &Core, garbage: &Garbage) -> String {
    match garbage {
        Garbage::Author { sender, .. } => {
            format!("{} has signed it, and somebody else has sent it", cx.people.person(sender.uid))
        }
        Garbage::Mls(_) => "the keys of the room do not open it, or it is a repetition".to_owned(),
        garbage => garbage.to_string(),
    }
}

impl Room {
    pub(super) fn handle_page(&mut self, cx: &mut Core, page: &Page) {
        if !matches!(self.reading, Reading::CatchingUp | Reading::Live) {
            return;
        }
        for bytes in &page.records {
            match self.read_record(cx, bytes) {
                Ok(()) if self.is_in() => {}
                Ok(()) => return self.use_waiting_welcome(cx),
                Err(Stop::Diverged(reason)) => return self.diverge(cx, reason),
                Err(Stop::Rejoin) => {
                    self.rejoin = true;
                    self.reading = Reading::Not;
                    return;
                }
            }
        }
        if page.ended {
            self.ended(cx);
            return self.use_waiting_welcome(cx);
        }
        if self.record.cursor.sequence >= page.head && self.reading != Reading::Live {
            self.reading = Reading::Live;
            self.vouch(cx);
        }
    }

    /// Takes in the next record of the log.
    fn read_record(&mut self, cx: &mut Core, bytes: &[u8]) -> Result<(), Stop> {
        let record = Record::from_bytes(bytes)
            .map_err(|error| Stop::Diverged(format!("a record of the log is malformed: {error}")))?;
        let cursor = self.record.cursor;
        if record.sequence != cursor.sequence + 1 {
            let (found, expected) = (record.sequence, cursor.sequence + 1);
            return Err(Stop::Diverged(format!("record {found} came in the place of record {expected}")));
        }
        let position = Position { sequence: record.sequence, chain: cursor.chain.then(bytes) };
        self.check_promise(position)?;
        self.open(cx, &record)?;
        if self.is_in() {
            self.advance_to(cx, position);
            cx.write(Write::Record(self.id(), position, bytes.to_vec()));
            if record.kind == RecordKind::Commit {
                self.record.commit = position;
            }
        }
        Ok(())
    }

    /// What the server said when it stored an own record must be what it shows now.
    fn check_promise(&mut self, position: Position) -> Result<(), Stop> {
        let broken = self.promised.iter().any(|it| it.sequence == position.sequence && *it != position);
        self.promised.retain(|it| it.sequence > position.sequence);
        if broken {
            return Err(Stop::Diverged("the log is not the one that own records were put into".to_owned()));
        }
        Ok(())
    }

    fn open(&mut self, cx: &mut Core, record: &Record) -> Result<(), Stop> {
        let Some(group) = &mut self.group else { return Err(Stop::Rejoin) };
        match group.open(record) {
            Ok(Opened::Message { sender, content }) => {
                self.group_changed();
                self.read_message(cx, record, sender, content);
            }
            Ok(Opened::Commit(change)) => {
                self.group_changed();
                self.read_commit(cx, record, &change);
            }
            Ok(Opened::OwnCommit) => return self.read_own_commit(cx, record).map_err(|()| Stop::Rejoin),
            Ok(Opened::Own) => self.read_own(cx, record),
            Ok(Opened::Leave(notice)) => self.read_leave(cx, record, notice),
            Err(OpenError::Garbage(garbage))
                if self.record.unheard.is_some() && record.author.uid != cx.me().uid =>
            {
                tracing::info!(room = %self.id(), sequence = record.sequence, %garbage, "the room is in other keys");
                self.strand(cx);
                return Err(Stop::Rejoin);
            }
            Err(OpenError::Garbage(garbage)) => self.read_garbage(cx, record, &garbage),
            Err(OpenError::NeedsRejoin(_)) => return Err(Stop::Rejoin),
        }
        Ok(())
    }

    fn read_message(&mut self, cx: &mut Core, record: &Record, sender: DeviceId, content: Content) {
        self.heard(cx, sender);
        self.check_seen(cx, record, sender, content.seen);
        if let Some(head) = &content.log {
            cx.hear_of_log(sender, **head);
        }
        let missing = self.missing_before(cx, sender, content.counter);
        if missing > 0 {
            let line = Entry::Missing { count: missing };
            self.add_line(cx, record.sequence, record.time, sender.uid, line);
        }
        if self.is_repeated(sender, content.message_id) {
            return;
        }
        match &content.body {
            Body::Verification(step) => self.handle_verification(cx, record, sender, step),
            _ => self.add_line(cx, record.sequence, record.time, sender.uid, entry_of(content)),
        }
    }

    /// Whether a message is shown already. What was shown before the last restart is known to the vault, which keeps one
    /// of each.
    fn is_repeated(&mut self, sender: DeviceId, message: MessageId) -> bool {
        if self.recent.contains(&(sender, message)) {
            return true;
        }
        self.recent.push_back((sender, message));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        false
    }

    /// How many messages of a sender are missing, by the count that each of them carries. The first one of a sender who
    /// was here before this device says where the count stands; one that goes back begins it anew.
    fn missing_before(&mut self, cx: &mut Core, sender: DeviceId, counter: u64) -> u64 {
        let last = self.counters.insert(sender, counter);
        cx.write(Write::Counter(self.id(), sender, counter));
        last.map_or(0, |last| counter.saturating_sub(last.saturating_add(1)))
    }

    /// Compares the log that the sender saw with the one that this device sees.
    fn check_seen(&mut self, cx: &mut Core, record: &Record, sender: DeviceId, seen: Option<Position>) {
        let Some(seen) = seen else { return };
        let ours = self.chain.iter().find(|place| place.sequence == seen.sequence);
        let differs = seen.sequence >= record.sequence || ours.is_some_and(|ours| *ours != seen);
        // Nobody but the sender vouches for it, so it is said once, as the sender's word.
        if differs && self.other_logs.insert(sender) {
            let by = cx.people.person(sender.uid);
            let sequence = seen.sequence;
            cx.emit(Event::Alarm(Alarm::Fork { room: self.id(), by, sequence }));
            let reason = format!(
                "this member says that the server has shown it another history up to line {sequence}"
            );
            self.add_line(cx, record.sequence, record.time, sender.uid, Entry::Diverged { reason });
        }
    }

    fn read_own(&mut self, cx: &mut Core, record: &Record) {
        match record.kind {
            RecordKind::Message => {
                let place = (record.sequence, record.time);
                self.read_own_message(cx, record.message_id, &record.payload, place);
            }
            RecordKind::Leave => self.left(cx, record.sequence, record.time),
            RecordKind::Commit => {}
        }
    }

    fn read_garbage(&mut self, cx: &mut Core, record: &Record, garbage: &Garbage) {
        tracing::info!(room = %self.id(), sequence = record.sequence, %garbage, "record skipped");
        match record.kind {
            RecordKind::Message => {
                let (reason, author) = (in_plain_words(cx, garbage), record.author.uid);
                self.add_line(cx, record.sequence, record.time, author, Entry::Unreadable { reason });
            }
            RecordKind::Commit => self.skip_commit(cx),
            RecordKind::Leave => {}
        }
    }

    /// The server has another log than it had. Nothing of the room is believed, and nothing said there, from here on.
    pub(super) fn diverge(&mut self, cx: &mut Core, reason: String) {
        self.reading = Reading::Not;
        self.busy = None;
        let author = cx.me().uid;
        let line = Entry::Diverged { reason: reason.clone() };
        self.add_line(cx, self.record.cursor.sequence, cx.now, author, line);
        cx.emit(Event::Alarm(Alarm::LogDiverged { room: self.id(), reason }));
        self.become_(cx, Membership::Diverged);
    }

    /// The server has no more for this device.
    pub(super) fn ended(&mut self, cx: &mut Core) {
        self.reading = Reading::Not;
        match self.record.membership {
            Membership::Leaving => self.left(cx, self.record.cursor.sequence, cx.now),
            // No commit that this device has read removes it: the server may be right all the same, or have been
            // fooled by a commit that members skip. Joining again shows which.
            Membership::Member => self.rejoin = true,
            _ => {}
        }
    }

    /// Counters of those who came in begin at one, those of who went out are void.
    pub(super) fn reset_counters(&mut self, cx: &mut Core, joined: &[DeviceId], removed: &[DeviceId]) {
        for device in removed {
            self.counters.remove(device);
        }
        let me = cx.me();
        for device in joined.iter().filter(|device| **device != me) {
            self.counters.insert(*device, 0);
            cx.write(Write::Counter(self.id(), *device, 0));
        }
    }
}

fn entry_of(content: Content) -> Entry<Uid> {
    let message = content.message_id;
    match content.body {
        Body::Text(text) => Entry::Text { message, text: text.markdown, delivery: Delivery::Sent },
        Body::Verification(_) | Body::Unknown(_) => {
            Entry::Newer { message, content: content.to_bytes().into() }
        }
    }
}
