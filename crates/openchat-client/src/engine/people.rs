//! People: names by identity, as the server gave them first, and events that wait until the names in them are known.
//!
//! A certificate proves the identity, not the name: a name stays with whom it was first seen. What else is known of a key
//! is in [`super::trust`].

use std::collections::HashSet;
use std::time::Duration;

use openchat_identity::Validity;
use openchat_protocol::account::Account;
use openchat_protocol::{Timestamp, Uid, UserName};

use super::core::Core;
use super::session::Purpose;
use crate::error::{ClientError, ErrorKind};
use crate::event::{Alarm, Event, Person};
use crate::vault::{Contact, Names};

/// How long events wait for a name.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many events wait for a name; one more, and all of them go as they are.
const HELD: usize = 2048;

/// Who is who.
#[derive(Default)]
pub(super) struct People {
    pub(super) names: Names,
    /// Asked for and not answered.
    asked: HashSet<Uid>,
    /// Asked for in vain: not asked again on this connection.
    unknown: HashSet<Uid>,
    held: Vec<Event>,
    held_until: Option<Timestamp>,
    /// No name is being asked for any more: what waited for them can go on.
    pub(super) settled: bool,
}

impl People {
    pub(super) fn new(me: Uid, contacts: Vec<Contact>) -> Self {
        Self { names: Names::new(me, contacts), ..Self::default() }
    }

    /// Whether the name of `uid` is being asked for.
    pub(super) fn is_asked(&self, uid: Uid) -> bool {
        self.asked.contains(&uid)
    }

    /// Whether a name that is being asked for may turn out to be that of a key that was checked.
    pub(super) fn is_protected(&self) -> bool {
        !self.asked.is_empty() && self.names.is_anybody_verified()
    }

    pub(super) fn person(&self, uid: Uid) -> Person {
        self.names.person(uid)
    }

    /// Gives `event` out, or keeps it while a name is being asked for.
    pub(super) fn emit(&mut self, event: Event, now: Timestamp, out: &mut Vec<Event>) {
        let at_once = match &event {
            // About somebody who has come this moment: without the name nobody would know who is meant.
            Event::Alarm(Alarm::Invite { .. }) => false,
            event => matches!(event, Event::Connection(_) | Event::Person(_) | Event::Alarm(_)),
        };
        if at_once || self.asked.is_empty() {
            out.push(self.named(event));
            return;
        }
        self.held_until.get_or_insert(now.plus(PATIENCE));
        self.held.push(event);
        if self.held.len() > HELD {
            self.release(out);
        }
    }

    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.held_until
    }

    pub(super) fn handle_timer(&mut self, now: Timestamp, out: &mut Vec<Event>) {
        if self.held_until.is_some_and(|until| until <= now) {
            self.release(out);
        }
    }

    pub(super) fn handle_lost(&mut self, out: &mut Vec<Event>) {
        self.settled |= !self.asked.is_empty();
        self.asked.clear();
        self.unknown.clear();
        self.release(out);
    }

    /// There is no proof to be had for now: what waits for names goes without them.
    pub(super) fn give_up(&mut self, out: &mut Vec<Event>) {
        self.asked.clear();
        self.release(out);
    }

    fn release(&mut self, out: &mut Vec<Event>) {
        self.held_until = None;
        let held = std::mem::take(&mut self.held);
        out.extend(held.into_iter().map(|event| self.named(event)));
    }

    fn settle(&mut self, uid: Uid, out: &mut Vec<Event>) {
        self.asked.remove(&uid);
        if self.asked.is_empty() {
            self.settled = true;
            self.release(out);
        }
    }

    fn named(&self, event: Event) -> Event {
        match event {
            Event::Line(mut line) => {
                line.author = self.person(line.author.uid);
                line.entry = line.entry.map(|person| self.person(person.uid));
                Event::Line(line)
            }
            Event::Epoch(mut epoch) => {
                epoch.by = self.person(epoch.by.uid);
                Event::Epoch(epoch)
            }
            Event::Alarm(Alarm::Invite { room, by, fault }) => {
                Event::Alarm(Alarm::Invite { room, by: self.person(by.uid), fault })
            }
            other => other,
        }
    }
}

impl Core {
    /// Asks for the names of those among `uids` who have none yet.
    pub(super) fn learn_names(&mut self, uids: impl IntoIterator<Item = Uid>) {
        if !self.session.is_up() {
            return;
        }
        for uid in uids {
            let known = self.people.names.name(uid).is_some() || self.people.unknown.contains(&uid);
            if !known && self.people.asked.insert(uid) && self.log.is_current {
                self.ask_name(uid);
            }
        }
    }

    /// Asks for the names that waited for the log of keys.
    pub(super) fn ask_names(&mut self) {
        let waiting: Vec<Uid> = self.people.asked.iter().copied().collect();
        waiting.into_iter().for_each(|uid| self.ask_name(uid));
    }

    /// A name comes with the proof of the devices.
    fn ask_name(&mut self, uid: Uid) {
        self.ask_proof(uid);
        if !self.session.is_asking(&Purpose::Name(uid)) {
            self.people.settle(uid, &mut self.out.events);
        }
    }

    /// The answer to a question of [`Self::learn_names`]; a refusal is no answer.
    pub(super) fn handle_name(&mut self, uid: Uid, account: Option<&Account>) {
        let learnt = account.is_some_and(|account| account.uid == uid && self.meet(account).is_ok());
        if !learnt {
            self.people.unknown.insert(uid);
        }
        self.people.settle(uid, &mut self.out.events);
    }

    /// Takes in what the server says about somebody, if the certificates bear it out.
    pub(super) fn meet(&mut self, account: &Account) -> Result<Uid, ClientError> {
        let (identity, issuing) = (&account.identity_certificate, &account.issuing_certificate);
        let verified = self.anchor.verify_identity(identity, issuing, Validity::Ignored);
        let uid = match verified {
            Ok(identity) if identity.uid() == account.uid => account.uid,
            Ok(_) => return Err(forged(&account.name, "it is another identity's")),
            Err(error) => return Err(forged(&account.name, error)),
        };
        if self.people.names.name(uid) == Some(&account.name) {
            return Ok(uid);
        }
        if let Some(from) = self.people.names.owner(&account.name).filter(|owner| *owner != uid) {
            self.name_moved(&account.name, from, uid);
            if self.people.names.name(uid) == Some(&account.name) {
                return Ok(uid);
            }
            return Err(moved(&account.name));
        }
        if let Some(known) = self.people.names.name(uid) {
            return Err(renamed(known, &account.name));
        }
        self.keep_contact(Contact::at_first_use(uid, account.name.clone(), self.now));
        Ok(uid)
    }
}

fn moved(name: &UserName) -> ClientError {
    let message = format!("the server says that {name} is somebody else than before");
    ClientError::new(ErrorKind::Alarm, message).with_help(format!(
        "ask that person on another way whether the key is new; then /accept {name} takes it, and until then \
             nothing is done"
    ))
}

/// Accounts keep their names: nobody is shown under another one than at first.
fn renamed(known: &UserName, name: &UserName) -> ClientError {
    let message = format!("the server now calls {known} {name}, which it must not: the name stays {known}");
    ClientError::new(ErrorKind::Alarm, message).with_help("ask that person over another channel")
}

fn forged(name: &UserName, why: impl std::fmt::Display) -> ClientError {
    ClientError::new(
        ErrorKind::Protocol,
        format!("the certificate the server gives for {name} is refused: {why}"),
    )
}
