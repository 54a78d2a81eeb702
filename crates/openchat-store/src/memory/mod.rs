//! A store that lives as long as its process: for tests, and as proof that the trait's rules are nobody's accident.

mod key_log;
mod lost;
mod people;
mod reset;
mod room;
mod rooms;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use openchat_protocol::account::{
    AccountSelector, AcknowledgeWelcome, ClaimKeyPackages, ClaimedKeyPackage, KeyPackageCount,
    PublishKeyPackages,
};
use openchat_protocol::room::{CreateRoom, FetchJoinInfo, JoinedRoom, RoomSummary};
use openchat_protocol::{
    ChainHash, DeviceId, Incarnation, InviteHash, RoomId, RoomName, Timestamp, Uid, UserName,
};
use openchat_transparency::body::ResetStep;
use openchat_transparency::{Entry, Hash, Label, Opening, Path};

use crate::account::{CreateAccountError, NewAccount, NewCertificate, RenewAccountError, StoredAccount};
use crate::counts::Counts;
use crate::device::{EnrolError, NewDevice, StoredDevice};
use crate::group::JoinOffer;
use crate::invite::{CreateInviteError, NewInvite};
use crate::key_log::{DeviceListError, LogState, LoggedEntries, LoggedTail, NewDeviceList, NewLeaf};
use crate::key_package::PublishKeyPackagesError;
use crate::lost::{
    LostAccount, LostLeaves, LostRecords, TakeAccountError, TakeBackError, TakeLeavesError, TakenBack,
};
use crate::reset::{ResetError, StoredReset};
use crate::room::{CreateRoomError, Membership, MembershipChange};
use crate::room_log::{AppendError, AppendOutcome, LogPage, NewRecord, PageLimit, ReadError};
use crate::sweep::Swept;
use crate::welcome::QueuedWelcome;
use crate::{Store, StoreError};

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    incarnation: Incarnation,
    takes_back_until: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct State {
    accounts: BTreeMap<Uid, StoredAccount>,
    devices: BTreeMap<DeviceId, people::Device>,
    enrolled: u64,
    key_log: key_log::KeyLog,
    invites: BTreeMap<InviteHash, NewInvite>,
    resets: BTreeMap<String, StoredReset>,
    rooms: BTreeMap<RoomId, room::Room>,
    welcomes: BTreeMap<u64, people::Welcome>,
    last_welcome: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Result<Self, StoreError> {
        Ok(Self {
            state: Mutex::default(),
            incarnation: crate::incarnation::random()?,
            takes_back_until: None,
        })
    }

    /// The same in a life that takes back until then what was lost.
    pub fn restored(takes_back_until: Timestamp) -> Result<Self, StoreError> {
        Ok(Self { takes_back_until: Some(takes_back_until), ..Self::new()? })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every rule is checked before the first change, so a panic in between leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn takes_back_until(&self) -> Option<Timestamp> {
        self.takes_back_until
    }

    async fn create_account(
        &self,
        account: NewAccount,
        redeem: Option<InviteHash>,
        now: Timestamp,
    ) -> Result<Option<RoomName>, CreateAccountError> {
        self.state().create_account(account, redeem, now)
    }

    async fn renew_account(&self, new: NewCertificate, now: Timestamp) -> Result<(), RenewAccountError> {
        self.state().renew_account(&new, now)
    }

    async fn has_accounts(&self) -> Result<bool, StoreError> {
        Ok(!self.state().accounts.is_empty())
    }

    async fn account(&self, selector: &AccountSelector) -> Result<Option<StoredAccount>, StoreError> {
        Ok(self.state().account(selector))
    }

    async fn accounts_after(
        &self,
        name: Option<UserName>,
        limit: usize,
    ) -> Result<Vec<StoredAccount>, StoreError> {
        Ok(self.state().accounts_after(name.as_ref(), limit))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        Ok(self.state().counts())
    }

    async fn set_disabled(&self, uid: Uid, disabled: bool) -> Result<bool, StoreError> {
        Ok(self.state().set_disabled(uid, disabled))
    }

    async fn enrol_device(&self, device: NewDevice, now: Timestamp) -> Result<(), EnrolError> {
        self.state().enrol_device(device, now)
    }

    async fn device(&self, device: DeviceId) -> Result<Option<StoredDevice>, StoreError> {
        Ok(self.state().device(device))
    }

    async fn devices_of(&self, uid: Uid) -> Result<Vec<StoredDevice>, StoreError> {
        Ok(self.state().devices_of(uid))
    }

    async fn revoke_device(&self, device: DeviceId) -> Result<bool, StoreError> {
        Ok(self.state().revoke_device(device))
    }

    async fn touch_device(&self, device: DeviceId, now: Timestamp) -> Result<(), StoreError> {
        self.state().touch_device(device, now);
        Ok(())
    }

    async fn log_state(&self) -> Result<LogState, StoreError> {
        self.state().key_log.state()
    }

    async fn append_to_log(&self, leaves: Vec<NewLeaf>, now: Timestamp) -> Result<(), StoreError> {
        let mut state = self.state();
        leaves.iter().try_for_each(|leaf| state.key_log.append(leaf, now))
    }

    async fn last_authority_event(&self) -> Result<Option<Opening>, StoreError> {
        Ok(self.state().key_log.last_authority_event())
    }

    async fn unlogged_accounts(&self, limit: usize) -> Result<Vec<StoredAccount>, StoreError> {
        Ok(self.state().unlogged_accounts(limit))
    }

    async fn log_account(&self, uid: Uid, leaves: Vec<NewLeaf>, now: Timestamp) -> Result<(), StoreError> {
        self.state().log_account(uid, &leaves, now)
    }

    async fn publish_devices(
        &self,
        uid: Uid,
        list: NewDeviceList,
        now: Timestamp,
    ) -> Result<(), DeviceListError> {
        self.state().publish_devices(uid, &list, now)
    }

    async fn log_entries(&self, labels: Vec<Label>, known: u64) -> Result<LoggedEntries, StoreError> {
        self.state().key_log.entries(&labels, known)
    }

    async fn log_tail(&self, known: u64, from: u64, limit: usize) -> Result<LoggedTail, StoreError> {
        self.state().key_log.tail(known, from, limit)
    }

    async fn log_compare(&self, old: u64, new: u64) -> Result<Option<(Hash, Path)>, StoreError> {
        self.state().key_log.compare(old, new)
    }

    async fn log_history(&self, label: Label, size: u64) -> Result<Vec<Entry>, StoreError> {
        self.state().key_log.history(&label, size)
    }

    async fn resets(&self) -> Result<Vec<StoredReset>, StoreError> {
        Ok(self.state().resets.values().cloned().collect())
    }

    async fn offer_reset(&self, new: StoredReset) -> Result<(), ResetError> {
        self.state().offer_reset(new)
    }

    async fn step_reset(
        &self,
        known: StoredReset,
        step: (ResetStep, Uid),
        leaf: NewLeaf,
        now: Timestamp,
    ) -> Result<StoredReset, ResetError> {
        self.state().step_reset(&known, step, &leaf, now)
    }

    async fn finish_reset(
        &self,
        known: StoredReset,
        new: NewAccount,
        retired: NewLeaf,
        now: Timestamp,
    ) -> Result<(), ResetError> {
        self.state().finish_reset(&known, new, &retired, now)
    }

    async fn erase_log(&self, label: Label) -> Result<(), StoreError> {
        self.state().key_log.erase(&label);
        Ok(())
    }

    async fn take_back_records(&self, lost: LostRecords) -> Result<TakenBack, TakeBackError> {
        self.state().take_records(&lost)
    }

    async fn take_back_leaves(&self, lost: LostLeaves) -> Result<(), TakeLeavesError> {
        self.state().take_leaves(&lost)
    }

    async fn take_back_account(&self, lost: LostAccount, now: Timestamp) -> Result<(), TakeAccountError> {
        self.state().take_account(&lost, now)
    }

    async fn create_invite(&self, invite: NewInvite, now: Timestamp) -> Result<(), CreateInviteError> {
        self.state().create_invite(invite, now)
    }

    async fn open_invites(&self, uid: Uid, now: Timestamp) -> Result<u32, StoreError> {
        Ok(people::count(self.state().open_invites(uid, now)))
    }

    async fn create_room(
        &self,
        room: CreateRoom,
        creator: DeviceId,
        now: Timestamp,
    ) -> Result<(), CreateRoomError> {
        self.state().create_room(room, creator, now)
    }

    async fn list_rooms(&self, now: Timestamp) -> Result<Vec<RoomSummary>, StoreError> {
        Ok(self.state().list_rooms(now))
    }

    async fn join_offer(
        &self,
        request: &FetchJoinInfo,
        device: DeviceId,
    ) -> Result<Option<JoinOffer>, StoreError> {
        Ok(self.state().join_offer(request, device, self.incarnation))
    }

    async fn rooms_of(&self, device: DeviceId) -> Result<Vec<JoinedRoom>, StoreError> {
        Ok(self.state().rooms_of(device))
    }

    async fn membership(&self, room: RoomId, device: DeviceId) -> Result<Option<Membership>, StoreError> {
        Ok(self.state().rooms.get(&room).and_then(|room| room.membership(device)))
    }

    async fn append(&self, record: NewRecord, now: Timestamp) -> Result<AppendOutcome, AppendError> {
        self.state().append(&record, now, self.incarnation)
    }

    async fn read(
        &self,
        room: RoomId,
        device: DeviceId,
        after: u64,
        limit: PageLimit,
    ) -> Result<LogPage, ReadError> {
        self.state()
            .rooms
            .get(&room)
            .and_then(|room| room.read(device, after, limit))
            .ok_or(ReadError::NotAMember)
    }

    async fn chain_at(&self, room: RoomId, sequence: u64) -> Result<Option<ChainHash>, StoreError> {
        Ok(self.state().rooms.get(&room).and_then(|room| room.chain_at(sequence)))
    }

    async fn publish_key_packages(
        &self,
        device: DeviceId,
        packages: PublishKeyPackages,
    ) -> Result<u32, PublishKeyPackagesError> {
        self.state().publish_key_packages(device, packages)
    }

    async fn key_package_counts(&self, device: DeviceId) -> Result<Vec<KeyPackageCount>, StoreError> {
        Ok(self.state().key_package_counts(device))
    }

    async fn claim_key_packages(
        &self,
        claim: ClaimKeyPackages,
    ) -> Result<Vec<ClaimedKeyPackage>, StoreError> {
        Ok(self.state().claim_key_packages(claim))
    }

    async fn welcome_waits(&self, device: DeviceId, cursor: u64) -> Result<bool, StoreError> {
        Ok(self.state().next_welcome(device, cursor).is_some())
    }

    async fn next_welcome(&self, device: DeviceId, cursor: u64) -> Result<Option<QueuedWelcome>, StoreError> {
        Ok(self.state().next_welcome(device, cursor))
    }

    async fn acknowledge_welcome(
        &self,
        device: DeviceId,
        welcome: AcknowledgeWelcome,
    ) -> Result<MembershipChange, StoreError> {
        Ok(self.state().acknowledge_welcome(device, welcome))
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        Ok(self.state().sweep(now))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::MemoryStore;
    use crate::contract::Fixture;

    fn make() -> Fixture {
        Fixture { store: Arc::new(MemoryStore::new().unwrap()), keep: Box::new(()) }
    }

    crate::store_contract!(make);
}
