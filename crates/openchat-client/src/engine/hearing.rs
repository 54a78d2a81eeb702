//! After coming in from outside: whether the others are in the same keys.
//!
//! An external commit builds on a group that one member has published, and nobody can tell from outside whether it is
//! the room's or a forged one, in which this device would talk to nobody (RFC 9420 §12.4.3.2 trusts its signer). So the
//! device is *unheard* until a record opens that was made in these keys by another user than the one who published the
//! group. In a private room its words wait until anybody at all is heard; in a listed one, which is open to everybody
//! anyhow, they go out at once. What was said while unheard is kept, to be said again should a record show that the
//! room is in other keys.

use openchat_protocol::limits::DOUBTED;
use openchat_protocol::{DeviceId, MessageId, Uid};

use super::core::Core;
use super::room::Room;
use crate::event::{Delivery, Event};
use crate::vault::{Unheard, Write};

impl Room {
    /// This device came in by a group of `by`; nothing when somebody in the room let it in.
    pub(super) fn listen(&mut self, cx: &Core, by: Option<Uid>) {
        let me = cx.me().uid;
        let somebody_is_here = self.roster().iter().any(|member| member.device.uid != me);
        let by = by.filter(|_| somebody_is_here);
        self.record.unheard = by.map(|by| Unheard { by, answered: false });
    }

    /// Whether words may go out now.
    pub(super) fn may_speak(&self) -> bool {
        self.record.listed || self.record.unheard.is_none_or(|unheard| unheard.answered)
    }

    /// A record of somebody was opened in the present keys.
    pub(super) fn heard(&mut self, cx: &mut Core, who: DeviceId) {
        let Some(unheard) = self.record.unheard.as_mut().filter(|_| who != cx.me()) else { return };
        unheard.answered = true;
        let by = unheard.by;
        self.record_changed();
        if who.uid == by && !self.is_alone_with(cx.me().uid, by) {
            return;
        }
        self.record.unheard = None;
        self.stranded = 0;
        self.doubted.clear();
        self.forget_kept(cx);
    }

    /// Whether the room has nobody but this user and `other`, whose word then is the word of all.
    fn is_alone_with(&self, me: Uid, other: Uid) -> bool {
        self.roster().iter().all(|member| member.device.uid == me || member.device.uid == other)
    }

    /// A record of somebody else did not open while this device was unheard: the room is elsewhere. It joins again, by
    /// another member's group, and says again what it said to nobody.
    pub(super) fn strand(&mut self, cx: &mut Core) {
        if let Some(unheard) = self.record.unheard {
            self.doubt(unheard.by);
        }
        self.take_back(cx);
        // Whoever puts garbage into the log makes newcomers join again, but not faster and faster.
        self.stranded += 1;
        self.failures = self.stranded;
        self.pause(cx);
    }

    /// What was said to nobody, or may have been, is to be said again. Whoever has read it knows it by its identifier.
    pub(super) fn take_back(&mut self, cx: &mut Core) {
        for id in self.kept() {
            cx.write(Write::LineRemoved(self.id(), cx.me().uid, id));
            self.change_outbox(cx, id, |message| message.in_log = false);
            if self.outbox.iter().any(|it| it.message == id && it.is_said()) {
                cx.emit(Event::Delivery { room: self.id(), message: id, delivery: Delivery::Pending });
            }
        }
    }

    /// The group that `by` has published was of no use. Whether that is news.
    pub(super) fn doubt(&mut self, by: Uid) -> bool {
        let known = self.doubted.iter().position(|it| *it == by).map(|index| self.doubted.remove(index));
        self.doubted.push(by);
        if self.doubted.len() > DOUBTED {
            self.doubted.remove(0);
        }
        known.is_none()
    }

    /// What was said is in the log for good, or of no concern any more.
    pub(super) fn forget_kept(&mut self, cx: &mut Core) {
        self.kept().into_iter().for_each(|id| cx.write(Write::OutboxRemoved(id)));
        self.outbox.retain(|message| !message.in_log);
    }

    fn kept(&self) -> Vec<MessageId> {
        self.outbox.iter().filter(|message| message.in_log).map(|message| message.message).collect()
    }
}
