//! Who is who: names by identity, what they rest on, and which of them are in dispute.

use std::collections::HashMap;

use openchat_protocol::{Uid, UserName};

use super::record::Contact;
use crate::event::Person;
use crate::trust::Trust;

/// People whose names are known.
#[derive(Debug, Default)]
pub(crate) struct Names {
    me: Option<Uid>,
    known: HashMap<Uid, Contact>,
    /// Keys of a name that the server has given to several, and whether they stop what is said.
    disputed: HashMap<Uid, bool>,
}

impl Names {
    /// `contacts`, as `me` knows them.
    pub(crate) fn new(me: Uid, contacts: impl IntoIterator<Item = Contact>) -> Self {
        let known = contacts.into_iter().map(|contact| (contact.uid, contact)).collect();
        let mut names = Self { me: Some(me), known, disputed: HashMap::new() };
        names.settle();
        names
    }

    /// Takes over what has become known of somebody.
    pub(crate) fn insert(&mut self, contact: Contact) {
        self.known.insert(contact.uid, contact);
        self.settle();
    }

    /// Forgets whose key this is.
    pub(crate) fn remove(&mut self, uid: Uid) {
        self.known.remove(&uid);
        self.settle();
    }

    fn settle(&mut self) {
        self.disputed.clear();
        for contact in self.known.values() {
            let stops = contact.basis.is_verified();
            for claimant in contact.open_claimants() {
                for uid in [claimant.uid, contact.uid] {
                    let known = self.disputed.entry(uid).or_default();
                    *known |= stops;
                }
            }
        }
    }

    pub(crate) fn contact(&self, uid: Uid) -> Option<&Contact> {
        self.known.get(&uid)
    }

    pub(crate) fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.known.values()
    }

    /// The name of `uid`, if it is known.
    pub(crate) fn name(&self, uid: Uid) -> Option<&UserName> {
        self.known.get(&uid).map(|contact| &contact.name)
    }

    /// Whose `name` is, or one that looks like it.
    pub(crate) fn owner(&self, name: &UserName) -> Option<Uid> {
        let skeleton = name.skeleton();
        self.known.values().find(|known| known.name.skeleton() == skeleton).map(|contact| contact.uid)
    }

    /// Whose name the server has given to `uid` as well, while that is undecided.
    pub(crate) fn claimed_by(&self, uid: Uid) -> Option<&Contact> {
        self.disputed.get(&uid)?;
        self.known.values().find(|contact| contact.open_claimants().any(|claimant| claimant.uid == uid))
    }

    /// `uid` as people see it.
    pub(crate) fn person(&self, uid: Uid) -> Person {
        Person { uid, name: self.name(uid).cloned(), trust: self.trust(uid) }
    }

    /// How far the key of `uid` can be relied on.
    pub(crate) fn trust(&self, uid: Uid) -> Trust {
        match self.known.get(&uid) {
            _ if self.me == Some(uid) => Trust::Mine,
            _ if self.disputed.contains_key(&uid) => Trust::Changed,
            Some(contact) => contact.basis.into(),
            None => Trust::FirstUse,
        }
    }

    /// Whether nothing is to be said where `uid` is.
    pub(crate) fn stops(&self, uid: Uid) -> bool {
        self.disputed.get(&uid).copied().unwrap_or_default()
    }

    /// Whether any key stops what is said.
    pub(crate) fn is_anything_stopped(&self) -> bool {
        self.disputed.values().any(|stops| *stops)
    }

    /// Whether there is a key that was checked.
    pub(crate) fn is_anybody_verified(&self) -> bool {
        self.known.values().any(|contact| contact.basis.is_verified())
    }
}
