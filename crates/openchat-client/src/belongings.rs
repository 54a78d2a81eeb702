//! What a device of a user who is known already begins with: it was kept in a recovery kit, or comes from another device.

use openchat_identity::TrustAnchor;
use openchat_protocol::key_log::SeenHead;
use openchat_protocol::{Timestamp, Uid};

use crate::enrol::bad_certificate;
use crate::error::ClientError;
use crate::vault::{Change, Contact, HeardHead, RoomRecord, StoredKeyLog, Write};

/// What a vault begins with beside the credentials.
pub(crate) struct Belongings<'a> {
    /// Rooms to come into.
    pub(crate) rooms: Vec<RoomRecord>,
    /// Who is known, and what that rests on.
    pub(crate) contacts: &'a [Contact],
    /// What the user was shown of the log of keys.
    pub(crate) head: Option<SeenHead>,
}

impl Belongings<'_> {
    /// Writes them.
    pub(crate) fn put(&self, first: &mut Change, anchor: &TrustAnchor, me: Uid) -> Result<(), ClientError> {
        self.rooms.iter().for_each(|room| first.push(Write::Room(Box::new(room.clone()))));
        self.contacts.iter().for_each(|contact| first.push(Write::Contact(contact.clone())));
        let Some(head) = self.head else { return Ok(()) };
        let heard = HeardHead { head, by: me, since: Timestamp::now() };
        let log = StoredKeyLog::hearing(anchor.genesis_record(), heard)
            .map_err(|error| bad_certificate(&error.to_string()))?;
        first.push(Write::KeyLog(Box::new(log)));
        Ok(())
    }
}
