//! What the client says by itself, and what it changes on the screen.

use openchat_client::{Alarm, ConnectionState, Delivery, Entry, Event, Line, Membership};
use openchat_protocol::{MessageId, RoomId};

use super::chat::Chat;
use super::entrance::sentence;
use crate::effect::{Effect, Read, Then};
use crate::phrases;
use crate::settings::{Notify, Settings};
use openchat_client::Command as Ask;

pub(super) fn handle(chat: &mut Chat, event: Event, settings: &Settings, out: &mut Vec<Effect>) {
    match event {
        Event::Connection(state) => connection(chat, state, out),
        Event::CaughtUp => chat.rooms_are_old = true,
        Event::Room { room, name, membership } => {
            chat.rooms_are_old = true;
            if membership == Membership::Removed && chat.open_room() == Some(room) {
                chat.warn_of(format!("you were removed from #{name}"));
            }
        }
        Event::Line(line) => added(chat, line, settings, out),
        Event::Delivery { message, delivery, .. } => delivered(chat, message, &delivery),
        Event::Epoch(changed) => epoch(chat, &changed, out),
        Event::Person(person) => {
            // What is known of the people of a room stands in its title.
            chat.rooms_are_old = true;
            if let Some(room) = chat.open_room() {
                // The name stands in lines and members: both are read again.
                for line in chat.timelines().flat_map(|timeline| &mut timeline.lines) {
                    if line.author.uid == person.uid {
                        line.author = person.clone();
                    }
                }
                out.push(Effect::Ask(Ask::Members { room }, Then::Members(room)));
            }
        }
        Event::Comparison { with, stage, .. } => super::comparing::handle(chat, &with, stage),
        Event::Trouble(error) => chat.warn(&error),
        Event::Alarm(alarm) => {
            let words = phrases::alarm(&alarm);
            if !chat.alarms.contains(&words) {
                chat.alarms.push(words);
            }
            if let Alarm::LogDiverged { .. } = alarm {
                chat.rooms_are_old = true;
            }
        }
        Event::Lagged(_) => {
            // Everything is on disk.
            chat.rooms_are_old = true;
            for timeline in chat.timelines() {
                timeline.loading = true;
                out.push(Effect::Read(Read::History(timeline.room, openchat_client::Span::Newest)));
            }
        }
        // `Event` may grow with the client.
        _ => {}
    }
}

fn connection(chat: &mut Chat, state: ConnectionState, out: &mut Vec<Effect>) {
    if let ConnectionState::Ended(why) = &state {
        let words = format!("not connected, and trying again would not help: {}", sentence(why));
        if !chat.alarms.contains(&words) {
            chat.alarms.push(words);
        }
    }
    if state == ConnectionState::Online {
        let missing = chat.first.take().filter(|name| !chat.rooms.iter().any(|room| room.name == *name));
        chat.connection = state;
        chat.connected = chat.now;
        chat.go_on(out);
        if let Some(name) = missing {
            chat.join(name, out);
        }
        return;
    }
    // Tries that follow each other are one absence.
    let is_same = |one: &ConnectionState| matches!(one, ConnectionState::Online | ConnectionState::Ended(_));
    if is_same(&chat.connection) || is_same(&state) {
        chat.connected = chat.now;
    }
    chat.connection = state;
}

fn added(chat: &mut Chat, line: Line, settings: &Settings, out: &mut Vec<Effect>) {
    let is_mine = line.author.uid == chat.me.device.uid;
    let is_open = chat.open_room() == Some(line.room);
    let changes_members = matches!(
        line.entry,
        Entry::Joined { .. }
            | Entry::Left
            | Entry::Removed { .. }
            | Entry::DeviceJoined { .. }
            | Entry::Created
    );
    if is_mine && matches!(line.entry, Entry::Text { delivery: Delivery::Pending, .. }) {
        chat.waiting += 1;
    }
    if !is_mine && line.entry.is_message() {
        news(chat, &line, settings, out);
    }
    if is_open {
        if changes_members {
            out.push(Effect::Ask(Ask::Details { room: line.room }, Then::Details(line.room)));
        }
        let (sees, me) = (chat.sees_newest(), chat.me.device.uid);
        if let Some(timeline) = &mut chat.timeline {
            // Whoever answers has read what came before; and what comes while all is read and in view is not new.
            let is_read = sees && (is_mine || timeline.first_new(me).is_none());
            timeline.add(line);
            if is_read {
                timeline.unread_after = timeline.newest().unwrap_or(timeline.unread_after);
            }
        }
        chat.mark_read_if_seen();
    } else if let Some(beside) = chat.timeline_of(line.room) {
        beside.add(line);
        chat.mark_read_if_seen();
    }
}

/// Counts a message of somebody else, and tells of it if the person looks elsewhere.
fn news(chat: &mut Chat, line: &Line, settings: &Settings, out: &mut Vec<Effect>) {
    let is_for_me = chat.mentions_me(&line.entry);
    let Some(known) = chat.rooms.iter_mut().find(|known| known.room == line.room) else {
        chat.rooms_are_old = true;
        return;
    };
    // A line that was seen already, or that the overview has counted, is not news.
    if line.sequence.is_none_or(|sequence| sequence <= known.head.max(known.read)) {
        return;
    }
    known.head = line.sequence.unwrap_or(known.head);
    known.unread += 1;
    known.mentions += u64::from(is_for_me);
    known.latest = line.time;
    let name = known.name.clone();
    let level = chat.levels.get(&line.room).copied().unwrap_or(settings.notify);
    let is_wanted = match level {
        Notify::All => true,
        Notify::Mentions => is_for_me,
        Notify::None => false,
    };
    let is_seen = chat.focused && chat.is_in_view(line.room);
    if is_wanted && !is_seen {
        let body = match (&line.entry, settings.show_content) {
            (Entry::Text { text, .. }, true) => {
                let words: String =
                    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(120).collect();
                format!("{}: {words}", line.author)
            }
            _ => String::new(),
        };
        let title = if settings.show_content { format!("#{name}") } else { "OpenChat".to_owned() };
        out.push(Effect::Notify { title, body });
    }
}

fn delivered(chat: &mut Chat, message: MessageId, delivery: &Delivery) {
    match delivery {
        Delivery::Pending => {}
        Delivery::Sent => chat.waiting = chat.waiting.saturating_sub(1),
        Delivery::Failed { reason } => {
            chat.waiting = chat.waiting.saturating_sub(1);
            chat.warn_of(format!("not sent: {reason}"));
        }
    }
    chat.timelines().for_each(|timeline| timeline.deliver(message, delivery));
}

fn epoch(chat: &mut Chat, changed: &openchat_client::EpochChanged, out: &mut Vec<Effect>) {
    let is_open = |room: RoomId| chat.open_room() == Some(room);
    if is_open(changed.room) {
        if let Some((epoch, _)) = &mut chat.keys {
            *epoch = changed.epoch;
        }
        out.push(Effect::Ask(Ask::Members { room: changed.room }, Then::Members(changed.room)));
    }
}
