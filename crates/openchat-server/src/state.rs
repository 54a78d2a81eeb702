//! What all connections of one server share.

use std::sync::Arc;

use openchat_identity::authority::Authority;
use openchat_protocol::account::RegistrationPolicy;
use openchat_protocol::{Address, Timestamp};
use openchat_store::Store;

use crate::budget::Budget;
use crate::clock::Clock;
use crate::config::Limits;
use crate::fanout::Rooms;
use crate::listing::Listing;
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
    pub(crate) budget: Budget,
    pub(crate) listing: Listing,
    pub(crate) clock: Clock,
}

impl State {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
