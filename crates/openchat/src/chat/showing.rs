//! What the client says by itself, as lines.

use openchat_client::{ConnectionState, Delivery, Entry, Event, Line, Membership, Span};
use openchat_protocol::{MessageId, RoomId};
use openchat_tui::settings::Notify;

use super::{Chat, NEW_LINES, place};
use crate::advice::Surface;
use crate::failure::{Failure, Kind};
use crate::{session, text};

impl Chat {
    pub(super) async fn show(&mut self, event: Event) {
        match event {
            Event::Line(line) => self.show_line(line).await,
            Event::Delivery { message, delivery, .. } => self.show_delivery(message, &delivery),
            Event::Room { room, membership, .. } => self.show_membership(room, membership).await,
            // Said once, not at every try.
            Event::Connection(ConnectionState::Offline { why, .. }) if !self.is_offline => {
                self.is_offline = true;
                self.tell_offline(&why.to_string());
            }
            Event::Connection(ConnectionState::Online) if self.is_offline => {
                self.is_offline = false;
                self.print(&text::styled(text::QUIET, "-- connected"));
            }
            Event::Trouble(why) if self.trouble.as_ref() != Some(&why) => {
                self.print(&text::styled(text::WARNING, text::trouble(&why)));
                self.trouble = Some(why);
            }
            Event::Alarm(alarm) => {
                self.print(&text::styled(text::WARNING, format_args!("!! {}", text::alarm(&alarm))));
            }
            Event::Comparison { room, with, stage } => self.show_comparison(room, &with, stage),
            Event::Lagged(_) => self.catch_up().await,
            _ => {}
        }
    }

    async fn show_line(&mut self, line: Line) {
        let typed_here = matches!(&line.entry, Entry::Text { message, .. } if self.typed.contains(message));
        if let Entry::Text { message, .. } = &line.entry
            && line.sequence.is_some()
        {
            self.waiting.remove(message);
        }
        let shows_typing = self.console.shows_typing();
        let Some(here) = self.here.as_mut().filter(|here| here.room.room == line.room) else {
            if !typed_here {
                self.notice(&line).await;
            }
            return;
        };
        // What waits in the outbox has no place yet: it is printed when it has one.
        if line.sequence.is_none() || place(&line) <= here.shown {
            return;
        }
        here.shown = place(&line);
        if !(typed_here && shows_typing) {
            self.print(&text::line(&line));
        }
        self.mark_read().await;
    }

    /// One line for the first message in a room that is not on the screen, if the person wants to be told of it.
    async fn notice(&mut self, line: &Line) {
        if !line.entry.is_message() || self.noticed.contains(&line.room) || !self.is_wanted(line).await {
            return;
        }
        self.noticed.insert(line.room);
        let rooms = self.client.rooms().await.unwrap_or_default();
        if let Some(room) = rooms.iter().find(|room| room.room == line.room) {
            let name = text::room(&room.name);
            self.print(&text::styled(text::QUIET, format_args!("-- new in {name}: /join {name}")));
        }
    }

    async fn is_wanted(&self, line: &Line) -> bool {
        let kept = self.client.recall(&Notify::key(line.room)).await.ok().flatten();
        let level = kept.and_then(|kept| Notify::named(std::str::from_utf8(&kept).ok()?));
        match (level, &line.entry) {
            (Some(Notify::None), _) => false,
            (Some(Notify::Mentions), Entry::Text { text, .. }) => {
                let me = self.client.profile().await.ok();
                me.is_some_and(|me| openchat_client::mentions(text, &me.name))
            }
            (Some(Notify::Mentions), _) => false,
            (Some(Notify::All) | None, _) => true,
        }
    }

    fn show_delivery(&mut self, message: MessageId, delivery: &Delivery) {
        match delivery {
            // Sent is told by its line, which has its place in the log.
            Delivery::Pending => {}
            Delivery::Sent => self.trouble = None,
            Delivery::Failed { reason } => {
                let is_mine = self.waiting.remove(&message);
                let reason = text::harmless(reason);
                self.print(&text::styled(text::WARNING, format_args!("!! not sent: {reason}")));
                if is_mine {
                    let failure = Failure::new(Kind::Refused, format!("a message was not sent: {reason}"));
                    self.failed = self.failed.take().or(Some(failure));
                }
            }
        }
    }

    /// The end of membership in the room on the screen.
    async fn show_membership(&mut self, room: RoomId, membership: Membership) {
        // Entering may have brought this device back in since: then the event is of the past.
        let now = self.client.rooms().await.unwrap_or_default();
        let membership = now.iter().find(|it| it.room == room).map_or(membership, |it| it.membership);
        let Some(here) = self.here.as_mut().filter(|here| here.room.room == room) else { return };
        let is_news = here.room.membership != membership;
        here.room.membership = membership;
        if is_news && membership == Membership::Removed {
            let here = here.room.clone();
            let why = session::removed(&self.client, &here, Surface::Chat).await;
            self.print(&text::styled(text::WARNING, format_args!("!! {}", why.what())));
        }
    }

    /// After events were lost to this listener: the vault has all of it.
    async fn catch_up(&mut self) {
        let Some(here) = &self.here else { return };
        // From the record before the newest one shown: a record may have several lines.
        let span = Span::After(here.shown.0.saturating_sub(1));
        if let Ok(lines) = self.client.history(here.room.room, span, NEW_LINES).await {
            for line in lines {
                self.show_line(line).await;
            }
        }
    }
}
