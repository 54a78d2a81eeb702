//! Commands: what works without a connection is done at once, the rest is asked of the server.

use std::time::Duration;

use openchat_identity::{InviteLink, InviteToken, VouchKey};
use openchat_protocol::account::{AccountSelector, CreateInvite};
use openchat_protocol::key_log::Prove;
use openchat_protocol::room::{FetchJoinInfo, RoomSelector};
use openchat_protocol::{MessageId, Request, RoomId, RoomName, Timestamp, Uid, UserName};

use super::Engine;
use super::core::{Core, offline};
use super::key_log::unproven;
use super::room::{Room, Wish};
use super::sending::{no_failed_message, no_room};
use super::session::{Aim, Purpose};
use super::step::{Step, Ticket};
use crate::command::{Access, Answer, Command, RoomDetails, RoomSuite};
use crate::error::{ClientError, ErrorKind};
use crate::event::{Member, Membership};
use crate::likeness::nearest;
use crate::vault::{StoredInvite, Write};

impl Engine {
    /// Somebody wants something. It is answered under `ticket`, in this step or a later one.
    pub fn handle_command(&mut self, ticket: Ticket, command: Command, now: Timestamp) -> Step {
        self.cx.now = now;
        match command {
            Command::CreateRoom { name, access, suite } => self.create_room(ticket, name, access, suite),
            Command::JoinRoom { name } => self.join_room(ticket, name),
            Command::ListRooms => self.ask_for(ticket, Request::ListRooms, Purpose::ListRooms(ticket)),
            Command::Send { room, text } => {
                self.in_room(ticket, room, |it, cx| it.handle_send(cx, ticket, text));
            }
            Command::Retry { message } => self.with_failed(ticket, message, Room::retry),
            Command::Discard { message } => self.with_failed(ticket, message, Room::discard),
            Command::LeaveRoom { room } => self.in_room(ticket, room, |it, cx| it.handle_leave(cx, ticket)),
            Command::AddMember { room, name } => self.identify(ticket, room, name, Aim::Add),
            Command::RemoveMember { room, name } => self.remove_member(ticket, room, name),
            Command::UpdateKeys { room } => {
                self.online_in_room(ticket, room, |it, cx| it.add_wish(cx, Wish::Update(ticket)));
            }
            Command::Members { room } => self.in_room(ticket, room, |it, cx| {
                let members = it.members(&cx.people, cx.me().uid);
                cx.answer(ticket, Ok(Answer::Members(members)));
            }),
            Command::Details { room } => self.in_room(ticket, room, |it, cx| {
                let details = it.details(cx);
                cx.answer(ticket, details.map(|details| Answer::Details(Box::new(details))));
            }),
            Command::MarkRead { room, sequence } => self.in_room(ticket, room, |_, cx| {
                cx.write(Write::Read(room, sequence));
                cx.answer(ticket, Ok(Answer::Done));
            }),
            Command::CreateInvite { valid, uses, room } => self.create_invite(ticket, valid, uses, room),
            Command::Acquaintances => self.acquaintances(ticket),
            Command::SafetyNumber { name } => self.safety_number(ticket, &name),
            Command::CompareNumber { name, code } => self.compare_number(ticket, &name, &code),
            Command::Compare { room, name } => self.compare(ticket, room, &name),
            Command::Decide { name, same } => self.decide(ticket, &name, same),
            Command::AcceptKey { name } => self.accept_key(ticket, &name),
            Command::Devices => self.own_devices(ticket),
            Command::RevokeDevice { id } => self.revoke_device(ticket, &id),
            Command::OpenLink => self.open_link(ticket),
            Command::PassOn(request) => self.pass_on(ticket, *request),
            Command::FollowDevices => self.follow_devices(ticket),
        }
        self.finish()
    }

    pub(super) fn in_room(&mut self, ticket: Ticket, room: RoomId, work: impl FnOnce(&mut Room, &mut Core)) {
        match self.rooms.get_mut(&room) {
            Some(room) => {
                work(room, &mut self.cx);
                room.progress(&mut self.cx);
            }
            None => self.cx.answer(ticket, Err(no_room(room))),
        }
    }

    fn online_in_room(&mut self, ticket: Ticket, room: RoomId, work: impl FnOnce(&mut Room, &mut Core)) {
        if self.cx.session.is_up() {
            self.in_room(ticket, room, work);
        } else {
            self.cx.answer(ticket, Err(offline()));
        }
    }

    fn ask_for(&mut self, ticket: Ticket, request: Request, purpose: Purpose) {
        if self.cx.session.is_up() {
            self.cx.ask(request, purpose);
        } else {
            self.cx.answer(ticket, Err(offline()));
        }
    }

    fn create_room(&mut self, ticket: Ticket, name: RoomName, access: Access, suite: RoomSuite) {
        if !self.cx.session.is_up() {
            return self.cx.answer(ticket, Err(offline()));
        }
        match Room::made(&self.cx, name, access, suite) {
            Ok(mut room) => {
                room.waiting.push(ticket);
                room.progress(&mut self.cx);
                self.rooms.insert(room.id(), room);
            }
            Err(error) => self.cx.answer(ticket, Err(error)),
        }
    }

    fn join_room(&mut self, ticket: Ticket, name: RoomName) {
        let known = self.rooms.values_mut().find(|room| room.record.listed && room.record.name == name);
        match known {
            Some(room) if room.record.membership == Membership::Member => {
                self.cx.answer(ticket, Ok(Answer::Room(room.id())));
            }
            Some(room) if room.record.membership == Membership::Joining => room.waiting.push(ticket),
            _ => {
                let fetch = FetchJoinInfo { room: RoomSelector::Name(name.clone()), doubted: Vec::new() };
                self.ask_for(ticket, Request::FetchJoinInfo(fetch), Purpose::JoinByName(ticket, name));
            }
        }
    }

    /// Finds out who `name` is.
    pub(super) fn identify(&mut self, ticket: Ticket, room: RoomId, name: UserName, aim: Aim) {
        if !self.rooms.contains_key(&room) {
            return self.cx.answer(ticket, Err(no_room(room)));
        }
        if self.cx.session.is_up() && !self.cx.log.is_current {
            if !self.cx.session.is_asking(&Purpose::FollowLog) {
                return self.cx.answer(ticket, Err(unproven()));
            }
            return self.cx.log.wanted.push((ticket, room, name, aim));
        }
        let known = self.cx.log.known_size();
        let prove = Request::Prove(Prove { who: AccountSelector::Name(name.clone()), known });
        self.ask_for(ticket, prove, Purpose::Identity(ticket, room, name, aim, known));
    }

    /// Whoever is to be removed is known already, unless the server has not told all names yet.
    fn remove_member(&mut self, ticket: Ticket, room: RoomId, name: UserName) {
        let nameless = self.rooms.get(&room).is_some_and(|room| room.has_nameless(&self.cx));
        if nameless && self.cx.people.names.owner(&name).is_none() {
            return self.identify(ticket, room, name, Aim::Remove);
        }
        self.remove_known(ticket, room, &name);
    }

    /// The name is known, if anybody here has it.
    pub(super) fn remove_known(&mut self, ticket: Ticket, room: RoomId, name: &UserName) {
        let Some(it) = self.rooms.get(&room) else { return self.cx.answer(ticket, Err(no_room(room))) };
        match it.removable(&self.cx, name) {
            Ok(uid) => self.online_in_room(ticket, room, |it, cx| it.add_wish(cx, Wish::Remove(ticket, uid))),
            Err(error) => self.cx.answer(ticket, Err(error)),
        }
    }

    fn with_failed(
        &mut self,
        ticket: Ticket,
        message: MessageId,
        work: fn(&mut Room, &mut Core, MessageId) -> Result<(), ClientError>,
    ) {
        match self.rooms.values_mut().find(|room| room.has_failed(message)) {
            Some(room) => {
                let done = work(room, &mut self.cx, message);
                self.cx.answer(ticket, done.map(|()| Answer::Done));
                room.progress(&mut self.cx);
            }
            None => self.cx.answer(ticket, Err(no_failed_message(message))),
        }
    }

    fn create_invite(&mut self, ticket: Ticket, valid: Duration, uses: u32, room: Option<RoomName>) {
        if !self.cx.session.is_up() {
            return self.cx.answer(ticket, Err(offline()));
        }
        let token = InviteToken::generate();
        let (hash, expires) = (token.redeem_hash(), self.cx.now.plus(valid));
        // What several people have shows of none of them who it is.
        let vouches = uses == 1;
        if vouches {
            let invite = StoredInvite::new(hash, &VouchKey::of(&token), room.clone(), expires);
            self.cx.keep_invite(invite);
        }
        let credentials = &self.cx.credentials;
        // Whoever is invited may be elsewhere than this device.
        let (host, port) = self.cx.reached_at();
        let link = InviteLink {
            host,
            port,
            server: credentials.server,
            inviter: vouches.then_some(credentials.device.uid),
            token,
        };
        let create = CreateInvite { hash, expires, uses, room };
        self.ask_for(ticket, Request::CreateInvite(create), Purpose::CreateInvite(ticket, link.to_string()));
    }
}

impl Room {
    fn has_nameless(&self, cx: &Core) -> bool {
        self.roster().iter().any(|member| cx.people.names.name(member.device.uid).is_none())
    }

    /// Whom this device may remove by this name.
    fn removable(&self, cx: &Core, name: &UserName) -> Result<Uid, ClientError> {
        let members = self.members(&cx.people, cx.me().uid);
        let owner = cx.people.names.owner(name);
        let Some(member) = members.iter().find(|member| Some(member.person.uid) == owner) else {
            return Err(self.no_member(name, &members));
        };
        if member.is_me {
            let what = "you cannot remove yourself: leave the room instead";
            return Err(ClientError::new(ErrorKind::Usage, what));
        }
        match members.iter().any(|member| member.is_me && member.is_admin) {
            true => Ok(member.person.uid),
            false => Err(self.only_admins(&members)),
        }
    }

    fn only_admins(&self, members: &[Member]) -> ClientError {
        let admins = members.iter().filter(|member| member.is_admin);
        let admins = admins.map(|member| member.person.to_string()).collect::<Vec<_>>().join(", ");
        let room = &self.record.name;
        let error = |who: &str| {
            ClientError::new(ErrorKind::Refused, format!("only {who} may remove people from #{room}"))
        };
        match admins.as_str() {
            "" => error("an administrator who has left"),
            admins => error(admins).with_help(format!("ask {admins}")),
        }
    }

    fn no_member(&self, name: &UserName, members: &[Member]) -> ClientError {
        let message = format!("there is no {name} in #{}", self.record.name);
        let error = ClientError::new(ErrorKind::NotFound, message);
        let names = members.iter().filter_map(|member| Some(member.person.name.as_ref()?.as_str()));
        match nearest(name.as_str(), names) {
            Some(meant) => error.with_help(format!("did you mean {meant}?")),
            None => error.with_help("see who is in the room, and how they are written"),
        }
    }

    /// What the room's keys say of it. Without keys nothing can be said.
    fn details(&self, cx: &Core) -> Result<RoomDetails, ClientError> {
        let group = self.group.as_ref().ok_or_else(|| self.not_in())?;
        let me = cx.me().uid;
        Ok(RoomDetails {
            room: self.id(),
            epoch: group.epoch(),
            suite: group.suite().into(),
            members: self.members(&cx.people, me),
            is_admin: group.is_admin(me),
        })
    }

    /// Users in the room, by the key tree.
    fn members(&self, people: &super::people::People, me: Uid) -> Vec<Member> {
        let mut members: Vec<Member> = Vec::new();
        for leaf in self.roster() {
            let uid = leaf.device.uid;
            match members.iter_mut().find(|member| member.person.uid == uid) {
                Some(member) => member.devices.push(leaf.device),
                None => members.push(Member {
                    person: people.person(uid),
                    devices: vec![leaf.device],
                    is_me: uid == me,
                    is_admin: self.group.as_ref().is_some_and(|group| group.is_admin(uid)),
                }),
            }
        }
        members
    }
}

#[cfg(test)]
impl Engine {
    /// The key tree of a room, as this device has it.
    pub(super) fn epoch_of(&self, room: RoomId) -> Option<u64> {
        self.rooms.get(&room)?.group.as_ref().map(openchat_e2ee::RoomGroup::epoch)
    }
}
