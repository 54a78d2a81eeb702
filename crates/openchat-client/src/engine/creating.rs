//! Creating a room: its keys are made here and are on disk before the server hears of it.

use openchat_e2ee::{RoomKey, RoomPolicy};
use openchat_protocol::record::Position;
use openchat_protocol::room::CreateRoom;
use openchat_protocol::{Refusal, Request, RoomId, RoomName};

use super::core::Core;
use super::room::{Busy, Room};
use super::session::Purpose;
use crate::command::{Access, RoomSuite};
use crate::error::{ClientError, ErrorKind};
use crate::event::{Entry, Membership};
use crate::random;
use crate::vault::{RoomRecord, StoredEpoch, Write};

impl Room {
    /// A room with this device as its only member.
    pub(super) fn made(
        cx: &Core,
        name: RoomName,
        access: Access,
        suite: RoomSuite,
    ) -> Result<Self, ClientError> {
        let id = RoomId(random::bytes());
        let me = cx.me().uid;
        let listed = access == Access::Listed;
        let policy = match access {
            Access::Listed => RoomPolicy::listed(name.clone(), me),
            Access::Private => {
                RoomPolicy::private(name.clone(), me, RoomKey::generate().map_err(cannot_make)?)
            }
        };
        let (group, _) = cx.device.create_room(id, policy, suite.into(), cx.now).map_err(cannot_make)?;
        let mut room = Self::new(RoomRecord::new(id, name, listed, Membership::Creating));
        room.set_group(group);
        room.record_changed();
        Ok(room)
    }

    /// Tells the server, again after every loss of the connection.
    pub(super) fn create(&mut self, cx: &mut Core) -> bool {
        let snapshot = self.group.as_ref().map(openchat_e2ee::RoomGroup::snapshot);
        let Some(Ok(group)) = snapshot else {
            self.not_created(cx, &cannot_make("its keys are lost"));
            return false;
        };
        self.busy = Some(Busy::Creating);
        let name = self.record.listed.then(|| self.record.name.clone());
        let create = CreateRoom { room: self.id(), name, group };
        cx.ask(Request::CreateRoom(create), Purpose::CreateRoom(self.id()));
        true
    }

    /// The server has the room.
    pub(super) fn created(&mut self, cx: &mut Core) {
        self.not_busy_with(Busy::Creating);
        if self.record.membership != Membership::Creating {
            return;
        }
        self.record.was_in = true;
        self.plan_update(cx);
        self.take_policy();
        self.become_(cx, Membership::Member);
        let start = Position::start(self.id());
        self.advance_to(cx, start);
        cx.write(Write::Record(self.id(), start, Vec::new()));
        self.keep_epoch_key(cx);
        let me = cx.me();
        self.add_line(cx, 0, cx.now, me.uid, Entry::Created);
        let (room, time, by) = (self.id(), cx.now, me.uid);
        let (joined, removed) = (vec![me], Vec::new());
        self.add_epoch(cx, StoredEpoch { room, epoch: 0, sequence: 0, time, by, joined, removed });
        self.answer_waiting(cx, Ok(()));
    }

    pub(super) fn handle_create_refused(&mut self, cx: &mut Core, refusal: &Refusal) {
        self.not_busy_with(Busy::Creating);
        if !self.pause_if_temporary(cx, refusal) {
            self.not_created(cx, &refusal.clone().into());
        }
    }

    fn not_created(&mut self, cx: &mut Core, error: &ClientError) {
        self.answer_waiting(cx, Err(error));
        self.is_gone = true;
        cx.write(Write::RoomForgotten(self.id()));
    }
}

fn cannot_make(why: impl std::fmt::Display) -> ClientError {
    ClientError::new(ErrorKind::Internal, format!("the room cannot be made: {why}"))
}
