//! The rooms together: names, listing, and the rules of an append that look beyond one room.

use std::sync::Arc;

use openchat_protocol::limits::{LISTED_ROOMS, ROOM_DEVICES, ROOMS_PER_USER};
use openchat_protocol::record::Base;
use openchat_protocol::room::{CreateRoom, FetchJoinInfo, JoinedRoom, RoomSelector, RoomSummary};
use openchat_protocol::statement::Statement;
use openchat_protocol::tree::Tree;
use openchat_protocol::{DeviceId, Incarnation, RoomId, RoomName, Timestamp, Uid};

use super::people::count;
use super::room::{Effects, Room};
use super::{State, people};
use crate::effect::Effect;
use crate::group::JoinOffer;
use crate::room::{CreateRoomError, LISTED_AFTER_THE_LAST_MEMBER};
use crate::room_log::{AppendError, AppendOutcome, NewCommit, NewContent, NewRecord};
use crate::sweep::{Swept, oldest_room, oldest_welcome};

impl State {
    pub(super) fn create_room(
        &mut self,
        create: CreateRoom,
        creator: DeviceId,
        now: Timestamp,
    ) -> Result<(), CreateRoomError> {
        if let Some(known) = self.rooms.get(&create.room) {
            let same = known.creator == creator && known.name == create.name;
            return if same { Ok(()) } else { Err(CreateRoomError::IdTaken) };
        }
        if !self.is_usable(creator) {
            return Err(CreateRoomError::DeviceUnknown);
        }
        if self.rooms_of_user(creator.uid) + self.deserted_by(creator.uid) >= ROOMS_PER_USER {
            return Err(CreateRoomError::TooManyRooms);
        }
        if let Some(name) = &create.name {
            self.free_name(name)?;
        }
        self.rooms.insert(create.room, Room::new(create, creator, now));
        Ok(())
    }

    fn free_name(&mut self, name: &RoomName) -> Result<(), CreateRoomError> {
        let skeleton = Some(name.skeleton());
        let holder = |room: &&mut Room| room.name.as_ref().map(RoomName::skeleton) == skeleton;
        match self.rooms.values_mut().find(holder) {
            Some(room) if room.members().next().is_some() => Err(CreateRoomError::NameTaken),
            Some(room) => {
                room.name = None;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn is_usable(&self, device: DeviceId) -> bool {
        self.devices.get(&device).is_some_and(|device| !device.is_revoked())
    }

    fn rooms_of_user(&self, uid: Uid) -> usize {
        self.rooms.values().filter(|room| room.members().any(|member| member.uid == uid)).count()
    }

    /// Rooms that a user has made and that have no members any more.
    fn deserted_by(&self, uid: Uid) -> usize {
        self.rooms.values().filter(|room| room.creator.uid == uid && room.is_deserted()).count()
    }

    pub(super) fn sweep(&mut self, now: Timestamp) -> Swept {
        let (welcomes, rooms) = (self.welcomes.len(), self.rooms.len());
        self.welcomes.retain(|_, welcome| welcome.queued >= oldest_welcome(now));
        let welcomes = welcomes - self.welcomes.len();
        self.rooms.retain(|_, room| !room.is_deserted() || room.last_time >= oldest_room(now));
        self.welcomes.retain(|_, welcome| self.rooms.contains_key(&welcome.room));
        Swept { welcomes, rooms: rooms - self.rooms.len(), more: false }
    }

    pub(super) fn list_rooms(&self, now: Timestamp) -> Vec<RoomSummary> {
        let mut rooms: Vec<_> = self.rooms.iter().filter_map(|(id, room)| self.summary(*id, room)).collect();
        rooms.retain(|r| r.members > 0 || now.since(r.last_activity) <= LISTED_AFTER_THE_LAST_MEMBER);
        rooms.sort_by(|a, b| b.last_activity.cmp(&a.last_activity).then_with(|| a.name.cmp(&b.name)));
        rooms.truncate(LISTED_ROOMS);
        rooms
    }

    fn summary(&self, id: RoomId, room: &Room) -> Option<RoomSummary> {
        let name = room.name.clone()?;
        let members = count(room.users().len());
        Some(RoomSummary { room: id, name, members, last_activity: room.last_time })
    }

    pub(super) fn join_offer(
        &self,
        request: &FetchJoinInfo,
        device: DeviceId,
        incarnation: Incarnation,
    ) -> Option<JoinOffer> {
        let room = match &request.room {
            RoomSelector::Id(id) => self.rooms.get(id),
            RoomSelector::Name(name) => self.rooms.values().find(|room| room.name.as_ref() == Some(name)),
        };
        let room = room.filter(|room| room.is_open_to(device))?;
        Some(room.join_offer(&request.doubted, device.uid, incarnation))
    }

    pub(super) fn rooms_of(&self, device: DeviceId) -> Vec<JoinedRoom> {
        self.rooms.values().filter(|room| room.is_member(device)).map(Room::joined).collect()
    }

    pub(super) fn append(
        &mut self,
        new: &NewRecord,
        now: Timestamp,
        incarnation: Incarnation,
    ) -> Result<AppendOutcome, AppendError> {
        let room = self.rooms.get(&new.room).ok_or(AppendError::RoomUnknown)?;
        if let Some(repeated) = room.repeated(new) {
            return Ok(repeated);
        }
        let joins = new.is_join() && room.is_open_to(new.author);
        if !joins && !room.is_member(new.author) {
            return Err(AppendError::NotAMember);
        }
        let last_commit = room.last_commit(incarnation);
        if new.base != last_commit {
            return Ok(AppendOutcome::Stale { last_commit: last_commit.commit.sequence });
        }
        let effects = match &new.content {
            NewContent::Commit(commit) => Some(Effects {
                group: room.group.after(&commit.bundle().group)?,
                mirror: self.effect(room, commit.statement(), new.author)?,
            }),
            NewContent::Message | NewContent::Leave => None,
        };
        let room = self.rooms.get_mut(&new.room).ok_or(AppendError::RoomUnknown)?;
        let stored = room.append(new, effects, now);
        if let NewContent::Commit(commit) = &new.content {
            let tree = Arc::new(room.group.tree.clone());
            let base = Base { incarnation, commit: stored.position };
            self.queue_welcomes((new.room, base), commit, &tree, stored.time);
        }
        Ok(AppendOutcome::Stored(stored))
    }

    pub(super) fn effect(
        &self,
        room: &Room,
        statement: &Statement,
        author: DeviceId,
    ) -> Result<Effect, AppendError> {
        let is_member = |device| Ok::<_, AppendError>(room.is_member(device));
        let effect = Effect::of(statement, author, room.is_administrator(author.uid), is_member)?;
        if let Some(unknown) = statement.joined.iter().find(|device| !self.is_usable(**device)) {
            return Err(AppendError::DeviceUnknown(*unknown));
        }
        let new = effect.joined.iter().filter(|device| !room.is_member(**device)).count();
        let gone = effect.change().ended.len();
        if room.members().count() + new - gone > ROOM_DEVICES {
            return Err(AppendError::RoomFull);
        }
        let users = room.users();
        let mut new_users = effect.joined.iter().map(|device| device.uid).filter(|uid| !users.contains(uid));
        match new_users.find(|uid| self.rooms_of_user(*uid) >= ROOMS_PER_USER) {
            Some(uid) => Err(AppendError::TooManyRooms(uid)),
            None => Ok(effect),
        }
    }

    fn queue_welcomes(
        &mut self,
        (room, base): (RoomId, Base),
        commit: &NewCommit,
        tree: &Arc<Tree>,
        queued: Timestamp,
    ) {
        for welcome in &commit.bundle().welcomes {
            self.last_welcome += 1;
            let (message, tree) = (welcome.message.clone(), Arc::clone(tree));
            let waiting = people::Welcome { device: welcome.device, room, base, message, tree, queued };
            self.welcomes.insert(self.last_welcome, waiting);
        }
    }
}
