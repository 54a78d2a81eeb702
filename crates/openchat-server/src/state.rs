//! What all connections of one server share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use openchat_identity::Authority;
use openchat_protocol::account::RegistrationPolicy;
use openchat_protocol::{Address, DeviceId, Timestamp, Uid};
use openchat_store::{Store, StoreError};

use crate::budget::Budget;
use crate::clock::Clock;
use crate::config::Limits;
use crate::fanout::Rooms;
use crate::issuer::Issuer;
use crate::key_log::KeyLog;
use crate::links::Links;
use crate::listing::Listing;
use crate::live::Live;
use crate::rates::Rates;
use crate::requests::login::{account_disabled, device_revoked};
use crate::signed_head::SignedHead;

pub(crate) struct State {
    pub(crate) registration: RegistrationPolicy,
    pub(crate) address: Option<Address>,
    /// Where it listens.
    pub(crate) listening: SocketAddr,
    pub(crate) limits: Limits,
    pub(crate) issuer: Issuer,
    pub(crate) key_log: KeyLog,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) live: Arc<Live>,
    pub(crate) rates: Rates,
    pub(crate) budget: Budget,
    pub(crate) listing: Listing,
    pub(crate) links: Links,
    pub(crate) clock: Clock,
    pub(crate) signed_head: SignedHead,
    /// A user has shown that this database is older than what the server has signed.
    pub(crate) set_back: AtomicBool,
}

impl State {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn authority(&self) -> Arc<Authority> {
        self.issuer.current()
    }

    /// Disables an account and ends its connections, or enables it again. `false` when there is none.
    pub(crate) async fn set_disabled(&self, uid: Uid, disabled: bool) -> Result<bool, StoreError> {
        let known = self.store.set_disabled(uid, disabled).await?;
        if disabled {
            self.live.end_user(uid, &account_disabled());
        }
        Ok(known)
    }

    /// Revokes a device for good and ends its connections. `false` when it is unknown.
    pub(crate) async fn revoke_device(&self, device: DeviceId) -> Result<bool, StoreError> {
        let known = self.store.revoke_device(device).await?;
        self.live.end_device(device, &device_revoked());
        Ok(known)
    }
}
