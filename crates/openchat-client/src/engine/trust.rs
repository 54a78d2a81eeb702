//! Whose key it is that a name stands for: what is known of it, what the server says otherwise, and what people decide.
//!
//! None of this changes what is valid in a room's log. It decides what is shown, and whether this device says anything.

use openchat_identity::SafetyNumber;
use openchat_protocol::{RoomId, Uid, UserName};

use super::Engine;
use super::core::Core;
use super::room::Room;
use super::step::Ticket;
use crate::command::Answer;
use crate::error::{ClientError, ErrorKind};
use crate::event::{Alarm, Entry, Event};
use crate::likeness::nearest;
use crate::trust::{Acquaintance, Basis, Claimant, TrustChange};
use crate::vault::{Contact, OutboxMessage, Write};

/// Identities that are remembered for claiming one name: a server that makes up more wins nothing by it.
const CLAIMANTS: usize = 16;

/// Something that became known, and is still to be told in the rooms it is about.
#[derive(Debug)]
pub(super) struct News {
    /// Whose keys: their rooms are told.
    pub(super) about: Vec<Uid>,
    pub(super) who: Uid,
    pub(super) name: UserName,
    pub(super) change: TrustChange,
}

impl Core {
    /// Keeps what is known of somebody.
    pub(super) fn keep_contact(&mut self, contact: Contact) {
        let uid = contact.uid;
        self.write(Write::Contact(contact.clone()));
        self.people.names.insert(contact);
        self.emit(Event::Person(self.people.person(uid)));
    }

    fn tell_rooms(&mut self, about: Vec<Uid>, who: Uid, name: &UserName, change: TrustChange) {
        self.news.push(News { about, who, name: name.clone(), change });
    }

    /// The server gives `name`, which is the name of `from`, to `to`. It stays with whom it was first seen.
    pub(super) fn name_moved(&mut self, name: &UserName, from: Uid, to: Uid) {
        let Some(mut contact) = self.people.names.contact(from).cloned() else { return };
        let known = contact.claimants.iter().find(|claimant| claimant.uid == to);
        if known.is_some_and(|claimant| claimant.refused) {
            return;
        }
        let by_reset = self.log.resets.get(&from) == Some(&to);
        if by_reset && known.is_none() {
            self.tell_rooms(vec![from, to], to, name, TrustChange::Reset);
        }
        if by_reset && !contact.basis.is_verified() {
            return self.replace(from, to);
        }
        self.emit(Event::Alarm(Alarm::NameMoved { name: name.clone(), from, to }));
        if known.is_some() || from == self.me().uid {
            return;
        }
        if contact.claimants.len() >= CLAIMANTS {
            contact.claimants.remove(0);
        }
        contact.claimants.push(Claimant { uid: to, at: self.now, refused: false });
        let change = if contact.basis.is_verified() { TrustChange::Stopped } else { TrustChange::Changed };
        self.keep_contact(contact);
        self.emit(Event::Person(self.people.person(to)));
        self.tell_rooms(vec![from, to], to, name, change);
    }

    /// An invite has proven whose key this is.
    pub(super) fn know_by_invite(&mut self, uid: Uid, name: &UserName) {
        let known = self.people.names.contact(uid).cloned();
        let mut contact = known.unwrap_or_else(|| Contact::at_first_use(uid, name.clone(), self.now));
        if contact.basis.is_verified() {
            return;
        }
        contact.basis = Basis::Invited { at: self.now };
        self.keep_contact(contact);
        self.tell_rooms(vec![uid], uid, name, TrustChange::Invited);
    }

    /// Two people have compared a code of their keys: whoever else has this name from the server is refused.
    pub(super) fn know_by_comparison(&mut self, uid: Uid) {
        if let Some(owner) = self.people.names.claimed_by(uid).map(|contact| contact.uid) {
            self.replace(owner, uid);
        }
        let Some(mut contact) = self.people.names.contact(uid).cloned() else { return };
        contact.basis = Basis::Compared { at: self.now };
        contact.claimants.iter_mut().for_each(|claimant| claimant.refused = true);
        let refused: Vec<_> = contact.claimants.iter().map(|claimant| claimant.uid).collect();
        let name = contact.name.clone();
        self.keep_contact(contact);
        refused.into_iter().for_each(|uid| self.emit(Event::Person(self.people.person(uid))));
        self.tell_rooms(vec![uid], uid, &name, TrustChange::Compared);
    }

    /// The one with whom the keys were compared says that the codes differ: what the comparison with `uid` has changed is
    /// undone. Who has claimed the name since then goes on claiming it.
    pub(super) fn know_as_before(&mut self, uid: Uid, mut before: Contact) {
        let Some(now) = self.people.names.contact(uid).cloned() else { return };
        let is_new = |claimant: &&Claimant| before.claimants.iter().all(|known| known.uid != claimant.uid);
        let since: Vec<_> = now.claimants.iter().filter(is_new).copied().collect();
        before.claimants.extend(since);
        if before.uid != uid {
            self.people.names.remove(uid);
            self.write(Write::ContactRemoved(uid));
        }
        self.keep_contact(before.clone());
        for claimant in &before.claimants {
            self.emit(Event::Person(self.people.person(claimant.uid)));
        }
    }

    /// The name of `owner` is `claimant`'s from now on, on the word of the person at this device.
    fn accept_claimant(&mut self, owner: Uid, claimant: Uid) {
        let Some(name) = self.people.names.name(owner).cloned() else { return };
        self.replace(owner, claimant);
        self.tell_rooms(vec![owner, claimant], claimant, &name, TrustChange::Accepted);
    }

    fn replace(&mut self, owner: Uid, claimant: Uid) {
        let Some(name) = self.people.names.name(owner).cloned() else { return };
        self.people.names.remove(owner);
        self.write(Write::ContactRemoved(owner));
        self.emit(Event::Person(self.people.person(owner)));
        self.keep_contact(Contact::at_first_use(claimant, name, self.now));
    }

    fn acquaintance(&self, contact: &Contact) -> Acquaintance {
        let (server, me) = (self.credentials.server, self.me().uid);
        let number = |uid| SafetyNumber::of(&server, me, uid);
        let claimants = contact.open_claimants().map(|claimant| (claimant.uid, number(claimant.uid)));
        Acquaintance {
            person: self.people.person(contact.uid),
            basis: contact.basis,
            first_seen: contact.first_seen,
            number: number(contact.uid),
            claimants: claimants.collect(),
        }
    }

    /// Who is known under a name, other than this profile.
    pub(super) fn contact_named(&self, name: &UserName) -> Result<&Contact, ClientError> {
        let names = &self.people.names;
        let owner = names.owner(name).filter(|_| *name != self.credentials.name);
        let named = owner.and_then(|uid| names.contact(uid)).filter(|contact| contact.name == *name);
        named.ok_or_else(|| {
            if *name == self.credentials.name {
                return ClientError::new(ErrorKind::Usage, "that is you: name somebody else");
            }
            let error = ClientError::new(ErrorKind::NotFound, format!("nobody known here is called {name}"));
            let others = names.contacts().map(|contact| contact.name.as_str());
            match nearest(name.as_str(), others.filter(|other| *other != self.credentials.name.as_str())) {
                Some(meant) => error.with_help(format!("did you mean {meant}?")),
                None => error.with_help("be in a room with them first"),
            }
        })
    }
}

// What people ask and decide.

impl Engine {
    /// Everybody whose name is known, and what it rests on.
    pub(super) fn acquaintances(&mut self, ticket: Ticket) {
        let me = self.cx.me().uid;
        let others = self.cx.people.names.contacts().filter(|contact| contact.uid != me);
        let mut all: Vec<_> = others.map(|contact| self.cx.acquaintance(contact)).collect();
        all.sort_by(|one, other| one.person.name.cmp(&other.person.name));
        self.cx.answer(ticket, Ok(Answer::Acquaintances(all)));
    }

    /// What two people compare.
    pub(super) fn safety_number(&mut self, ticket: Ticket, name: &UserName) {
        let known = self.cx.contact_named(name).map(|contact| self.cx.acquaintance(contact));
        self.cx.answer(ticket, known.map(|known| Answer::Acquaintance(Box::new(known))));
    }

    /// Somebody has typed or scanned what the other one's program shows.
    pub(super) fn compare_number(&mut self, ticket: Ticket, name: &UserName, code: &str) {
        let answer = self.number_matches(name, code).map(|uid| {
            self.cx.know_by_comparison(uid);
            Answer::Done
        });
        self.cx.answer(ticket, answer);
    }

    fn number_matches(&self, name: &UserName, code: &str) -> Result<Uid, ClientError> {
        let number: SafetyNumber =
            code.parse().map_err(|error| ClientError::new(ErrorKind::Usage, format!("{error}")))?;
        let known = self.cx.acquaintance(self.cx.contact_named(name)?);
        let claimant = known.claimants.iter().find(|(_, of)| *of == number).map(|(uid, _)| *uid);
        let owner = Some(known.person.uid).filter(|_| known.number == number);
        owner.or(claimant).ok_or_else(|| {
            ClientError::new(ErrorKind::Alarm, format!("this is not the number of you and {name}")).with_help(
                "if it was read without a mistake, somebody stands between you: say nothing secret, tell the host",
            )
        })
    }

    /// The person at this device takes the newest key that the server has given to `name` for the right one.
    pub(super) fn accept_key(&mut self, ticket: Ticket, name: &UserName) {
        let decided = self.cx.contact_named(name).and_then(|contact| {
            let newest = contact.open_claimants().last().map(|claimant| (contact.uid, claimant.uid));
            newest.ok_or_else(|| {
                ClientError::new(ErrorKind::Usage, format!("the key of {name} has not changed"))
            })
        });
        let answer = decided.map(|(owner, claimant)| {
            self.cx.accept_claimant(owner, claimant);
            Answer::Done
        });
        self.cx.answer(ticket, answer);
    }

    /// Tells the rooms what became known, and lets go on what had to wait for it.
    pub(super) fn tell_news(&mut self) {
        if std::mem::take(&mut self.cx.people.settled) || !self.cx.news.is_empty() {
            let news = std::mem::take(&mut self.cx.news);
            for room in self.rooms.values_mut() {
                news.iter().for_each(|it| room.add_news(&mut self.cx, it));
                room.progress(&mut self.cx);
            }
        }
    }
}

#[cfg(test)]
impl Engine {
    /// Says `step` in a room, whatever this engine thinks of it.
    pub(super) fn say_step(
        &mut self,
        room: RoomId,
        step: openchat_e2ee::Verification,
        now: openchat_protocol::Timestamp,
    ) -> super::Step {
        self.cx.now = now;
        let room = self.rooms.get_mut(&room).unwrap();
        room.say_verification(&mut self.cx, step);
        room.progress(&mut self.cx);
        self.finish()
    }
}

impl Room {
    fn add_news(&mut self, cx: &mut Core, news: &News) {
        let is_here = |member: openchat_e2ee::Member| news.about.contains(&member.device.uid);
        if self.is_in() && self.roster().into_iter().any(is_here) {
            let &News { who, ref name, change, .. } = news;
            let (sequence, me) = (self.record.cursor.sequence, cx.me().uid);
            self.add_line(cx, sequence, cx.now, me, Entry::Trust { who, name: name.clone(), change });
            if self.outbox.iter().any(OutboxMessage::is_said) {
                self.tell_stopped(cx);
            }
        }
    }

    /// Whose changed key keeps this device from saying anything here.
    pub(super) fn stopped_by(&self, cx: &Core) -> Option<Uid> {
        if !cx.people.names.is_anything_stopped() {
            return None;
        }
        self.roster().iter().map(|member| member.device.uid).find(|uid| cx.people.names.stops(*uid))
    }

    /// Whether texts wait: for a decision, or for the names of those who would read them.
    pub(super) fn holds_texts(&self, cx: &Core) -> bool {
        self.stopped_by(cx).is_some()
            || cx.people.is_protected()
                && self.roster().iter().any(|member| cx.people.is_asked(member.device.uid))
    }

    /// What whoever says something here is told while it waits.
    pub(super) fn tell_stopped(&self, cx: &mut Core) {
        let Some(uid) = self.stopped_by(cx) else { return };
        let names = &cx.people.names;
        let name = names.claimed_by(uid).map(|contact| &contact.name).or_else(|| names.name(uid));
        let Some(name) = name.cloned() else { return };
        let message = format!("messages in #{} wait: the key of {name} has changed", self.record.name);
        let help = format!(
            "ask {name} on another way: /verify {name} compares codes, /accept {name} takes the new key"
        );
        cx.emit(Event::Trouble(ClientError::new(ErrorKind::Alarm, message).with_help(help)));
    }

    /// Whether `uid` is in the room, by its keys.
    pub(super) fn has_member(&self, uid: Uid) -> bool {
        self.roster().iter().any(|member| member.device.uid == uid)
    }
}

/// Nobody is compared with who is not in the room.
pub(super) fn not_here(room: &Room, name: &UserName) -> ClientError {
    ClientError::new(ErrorKind::NotFound, format!("{name} is not in #{}", room.record.name))
        .with_help("compare over a room that both are in, or the number itself")
}

/// The room of a command.
pub(super) fn room_of(engine: &Engine, room: RoomId) -> Result<&Room, ClientError> {
    engine.rooms.get(&room).ok_or_else(|| super::sending::no_room(room))
}
