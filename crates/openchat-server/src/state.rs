//! What all connections of one server share.

use std::sync::Arc;

use openchat_identity::authority::Authority;
use openchat_protocol::account::RegistrationPolicy;
use openchat_protocol::{Address, RoomId, Timestamp};
use openchat_store::Store;
use openchat_store::room::MembershipChange;
use openchat_store::room_log::StoredRecord;

use crate::clock::Clock;
use crate::config::Limits;
use crate::fanout::Rooms;
use crate::live::Live;
use crate::rates::Rates;

pub(crate) struct State {
    pub(crate) registration: RegistrationPolicy,
    pub(crate) address: Option<Address>,
    pub(crate) limits: Limits,
    pub(crate) authority: Authority,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) live: Arc<Live>,
    pub(crate) rates: Rates,
    pub(crate) clock: Clock,
}

impl State {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Passes on a record that was just stored: to the followers of its room, and to those it lets in.
    pub(crate) fn announce(&self, room: RoomId, record: &StoredRecord) {
        self.rooms.stored(room, record);
        record.change.joined.iter().for_each(|device| self.live.ring_welcome(*device));
    }

    /// Passes on a change of memberships that came without a record.
    pub(crate) fn announce_change(&self, room: RoomId, change: &MembershipChange) {
        let devices = [change.joined.as_slice(), change.ended.as_slice()].concat();
        self.rooms.membership_changed(room, &devices);
    }
}
