//! Two rooms side by side, and how the screen is laid out at the next start.

use openchat_client::Span;
use openchat_protocol::RoomId;

use super::chat::Chat;
use super::timeline::Timeline;
use crate::effect::{Effect, Read, Then};
use crate::keymap::Action;
use crate::settings::Settings;
use openchat_client::Command as Ask;

/// Columns for which two rooms stand side by side.
pub(crate) const BOTH: u16 = 72;
/// Where the vault keeps the layout.
pub(super) const LAYOUT: &str = "screen:layout";

/// How the screen was laid out, as it is kept: one fact a line.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Arrangement {
    /// The room with the cursor.
    pub(super) open: Option<RoomId>,
    /// The members' pane is closed.
    pub(super) hides_members: bool,
    /// The room without the cursor, and whether the other one is at the right.
    pub(super) beside: Option<(RoomId, bool)>,
    /// Rooms that were scrolled back, and the record at the lower edge.
    pub(super) at: Vec<(RoomId, u64)>,
}

impl Arrangement {
    /// What cannot be read is as if it had not been there.
    pub(super) fn read(text: &str) -> Self {
        let mut read = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let what = words.next();
            let room = words.next().and_then(|room| room.parse::<RoomId>().ok());
            match (what, room, words.next()) {
                (Some("open"), Some(room), _) => read.open = Some(room),
                (Some("no-members"), ..) => read.hides_members = true,
                (Some("beside"), Some(room), side) => read.beside = Some((room, side == Some("left"))),
                (Some("at"), Some(room), Some(sequence)) if read.at.len() < 2 => {
                    read.at.extend(sequence.parse().ok().map(|sequence| (room, sequence)));
                }
                _ => {}
            }
        }
        read
    }

    fn written(&self) -> String {
        let mut text = self.open.map_or(String::new(), |room| format!("open {room}\n"));
        if self.hides_members {
            text.push_str("no-members\n");
        }
        if let Some((room, is_left)) = self.beside {
            text.push_str(&format!("beside {room} {}\n", if is_left { "left" } else { "right" }));
        }
        for (room, sequence) in &self.at {
            text.push_str(&format!("at {room} {sequence}\n"));
        }
        text
    }
}

impl Chat {
    /// Puts `room`, or the next one, beside the open one.
    pub(super) fn split(&mut self, room: Option<RoomId>, settings: &Settings, out: &mut Vec<Effect>) {
        let open = self.open_room();
        let other = || self.rooms.iter().map(|known| known.room).find(|known| Some(*known) != open);
        match room.or_else(other) {
            Some(room) if Some(room) == open => self.tell("that room is open already"),
            Some(room) => {
                self.beside = Some(self.fresh_timeline(room, out));
                self.tell(self.how_two_rooms_work(settings));
            }
            None => self.tell("there is no other room: create one, or join one"),
        }
    }

    fn how_two_rooms_work(&self, settings: &Settings) -> String {
        let key = |action| settings.keymap.keys_of(self.mode, action);
        let goes = key(Action::OtherRoom).map(|key| format!("{key} goes to the other room"));
        let closes = key(Action::OneRoom).unwrap_or_else(|| "/unsplit".to_owned());
        // Before the first picture nobody knows.
        let columns = self.places.status.width;
        let is_narrow = columns > 0 && columns.saturating_sub(self.places.lines.x) < BOTH;
        let narrow = is_narrow.then(|| "this window has no room for both at once".to_owned());
        let parts = [narrow, goes, Some(format!("{closes} closes it"))];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }

    /// The cursor goes to the other room.
    pub(super) fn go_beside(&mut self, out: &mut Vec<Effect>) {
        let Some(beside) = self.beside.take() else {
            self.tell("there is one room: /split ROOM puts another beside it");
            return;
        };
        self.keep_draft(out);
        let room = beside.room;
        self.beside = self.timeline.replace(beside);
        self.is_right = !self.is_right;
        self.take_over(room, out);
    }

    /// Only the room with the cursor stays.
    pub(super) fn close_beside(&mut self) {
        if self.beside.take().is_none() {
            self.tell("there is one room only");
        }
        self.is_right = false;
    }

    /// A timeline whose lines are asked for: those where it was left, or the newest.
    pub(super) fn fresh_timeline(&mut self, room: RoomId, out: &mut Vec<Effect>) -> Timeline {
        let read = self.rooms.iter().find(|known| known.room == room).map_or(0, |known| known.read);
        let timeline = Timeline::new(room, read);
        let left = self.left_at.iter().position(|(known, _)| *known == room);
        match left.map(|index| self.left_at.remove(index)) {
            Some((_, sequence)) => {
                out.push(Effect::Read(Read::Around(room, sequence)));
                Timeline { wanted_record: Some(sequence), at_end: false, ..timeline }
            }
            None => {
                out.push(Effect::Read(Read::History(room, Span::Newest)));
                timeline
            }
        }
    }

    /// What belongs to the room with the cursor is that of `room` now.
    pub(super) fn take_over(&mut self, room: RoomId, out: &mut Vec<Effect>) {
        self.members.clear();
        self.keys = None;
        self.is_peeking = false;
        self.completion = None;
        self.composer.set(self.drafts.get(&room).map(String::as_str).unwrap_or_default());
        self.mode = crate::keymap::Mode::Compose;
        out.push(Effect::Ask(Ask::Details { room }, Then::Details(room)));
    }

    /// The timelines on the screen, the one with the cursor first.
    pub(super) fn timelines(&mut self) -> impl Iterator<Item = &mut Timeline> {
        self.timeline.iter_mut().chain(&mut self.beside)
    }

    /// The timeline of this room, if it is on the screen.
    pub(super) fn timeline_of(&mut self, room: RoomId) -> Option<&mut Timeline> {
        self.timelines().find(|timeline| timeline.room == room)
    }

    /// Whether this room can be seen at this moment.
    pub(super) fn is_in_view(&self, room: RoomId) -> bool {
        let is = |timeline: &Option<Timeline>| timeline.as_ref().is_some_and(|it| it.room == room);
        is(&self.timeline) || (is(&self.beside) && self.places.beside.is_some())
    }

    fn arrangement(&self) -> Arrangement {
        let shown = self.timeline.iter().chain(&self.beside);
        Arrangement {
            open: self.open_room(),
            hides_members: !self.shows_members,
            beside: self.beside.as_ref().map(|beside| (beside.room, self.is_right)),
            at: shown.filter_map(|timeline| Some((timeline.room, timeline.left_at()?))).collect(),
        }
    }

    /// The layout goes to disk if it has changed.
    pub(super) fn keep_arrangement(&mut self, out: &mut Vec<Effect>) {
        let now = self.arrangement();
        if self.kept_arrangement != now {
            let text = now.written();
            out.push(Effect::Remember(LAYOUT.to_owned(), (!text.is_empty()).then(|| text.into_bytes())));
            self.kept_arrangement = now;
        }
    }

    /// Lays the screen out as it was at the end of the last visit.
    pub(super) fn arrange(&mut self, kept: Arrangement, out: &mut Vec<Effect>) {
        self.shows_members = !kept.hides_members;
        let is_there = |room: RoomId| self.rooms.iter().any(|known| known.room == room);
        if let Some((room, is_right)) = kept.beside.filter(|(room, _)| is_there(*room))
            && self.open_room().is_some_and(|open| open != room)
        {
            self.beside = Some(self.fresh_timeline(room, out));
            self.is_right = is_right;
        }
        self.left_at.clear();
        self.kept_arrangement = kept;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_kept_is_what_is_read(
            open in prop::option::of(any::<[u8; 16]>()),
            hides_members: bool,
            beside in prop::option::of((any::<[u8; 16]>(), any::<bool>())),
            at in prop::collection::vec((any::<[u8; 16]>(), any::<u64>()), 0..3),
            noise in "\\PC{0,40}",
        ) {
            let kept = Arrangement {
                open: open.map(RoomId),
                hides_members,
                beside: beside.map(|(room, is_right)| (RoomId(room), is_right)),
                at: at.into_iter().map(|(room, sequence)| (RoomId(room), sequence)).collect(),
            };
            prop_assert_eq!(&Arrangement::read(&kept.written()), &kept);
            // Whatever stands there is no reason to stop.
            Arrangement::read(&noise);
        }
    }
}
