//! The store on disk: one SQLite file, one writer, a few readers.

mod account;
mod administrator;
mod columns;
mod database;
mod device;
mod failure;
mod group;
mod invite;
mod key_log;
mod key_package;
mod log_index;
mod lost;
mod membership;
mod open;
mod readers;
mod reset;
mod room;
mod room_log;
mod sweep;
#[cfg(test)]
mod tests;
mod welcome;
mod writer;

use std::path::Path as FilePath;
use std::sync::Arc;

use async_trait::async_trait;
use openchat_protocol::account::{
    AccountSelector, AcknowledgeWelcome, ClaimKeyPackages, ClaimedKeyPackage, KeyPackageCount,
    PublishKeyPackages,
};
use openchat_protocol::record::RecordKind;
use openchat_protocol::room::{CreateRoom, FetchJoinInfo, JoinedRoom, RoomSummary};
use openchat_protocol::{
    ChainHash, DeviceId, Incarnation, InviteHash, RoomId, RoomName, Timestamp, Uid, UserName,
};
use openchat_transparency::body::ResetStep;
use openchat_transparency::{Entry, Hash, Label, Opening, Path};

use self::database::Database;
use self::log_index::LogIndex;
pub use self::open::OpenError;
use self::open::{Life, Lock};
use self::readers::Readers;
use self::writer::{Undo, Writer};
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

/// A store in one SQLite file. Its methods run inside a tokio runtime. Dropping it waits for the writes in hand.
#[derive(Debug)]
pub struct SqliteStore {
    // Closed in this order: the last connection to close, the writer's, tidies the file up; then others may open it.
    readers: Readers,
    writer: Writer,
    _lock: Lock,
    life: Life,
}

impl SqliteStore {
    /// Opens the database at `path`, or makes one that only this user may read.
    pub fn open(path: &FilePath) -> Result<Self, OpenError> {
        Self::open_with(path, None)
    }

    /// The same, of a database that was restored from an older copy: a new life begins, which takes back until then what
    /// was lost. Invites and key packages for one use are void, for they may have been used since the copy.
    pub fn open_restored(path: &FilePath, takes_back_until: Timestamp) -> Result<Self, OpenError> {
        Self::open_with(path, Some(takes_back_until))
    }

    fn open_with(path: &FilePath, restored: Option<Timestamp>) -> Result<Self, OpenError> {
        let lock = Lock::take(path)?;
        let (connection, life) = open::writable(path, restored)?;
        let unusable = |source| OpenError::Store { path: path.to_owned(), source };
        let index = LogIndex::of(&connection).map_err(|error| unusable(failure::of_read(&error)))?;
        let readers =
            Readers::open(path, Arc::clone(&index)).map_err(|error| unusable(failure::of_read(&error)))?;
        let database = Database::new(connection, index);
        let writer =
            Writer::start(database).map_err(|error| unusable(StoreError::Write(error.to_string())))?;
        Ok(Self { readers, writer, _lock: lock, life })
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn incarnation(&self) -> Incarnation {
        self.life.incarnation
    }

    fn takes_back_until(&self) -> Option<Timestamp> {
        self.life.takes_back_until
    }

    async fn create_account(
        &self,
        new: NewAccount,
        redeem: Option<InviteHash>,
        now: Timestamp,
    ) -> Result<Option<RoomName>, CreateAccountError> {
        self.writer.run(move |connection| account::create(connection, &new, redeem, now)).await
    }

    async fn renew_account(&self, new: NewCertificate, now: Timestamp) -> Result<(), RenewAccountError> {
        self.writer.run(move |connection| account::renew(connection, &new, now)).await
    }

    async fn has_accounts(&self) -> Result<bool, StoreError> {
        self.readers.run(account::exist).await
    }

    async fn account(&self, selector: &AccountSelector) -> Result<Option<StoredAccount>, StoreError> {
        let selector = selector.clone();
        self.readers.run(move |connection| account::find(connection, &selector)).await
    }

    async fn accounts_after(
        &self,
        name: Option<UserName>,
        limit: usize,
    ) -> Result<Vec<StoredAccount>, StoreError> {
        self.readers.run(move |connection| account::after(connection, name.as_ref(), limit)).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.readers.run(account::counts).await
    }

    async fn set_disabled(&self, uid: Uid, disabled: bool) -> Result<bool, StoreError> {
        self.writer.run(move |connection| account::set_disabled(connection, uid, disabled)).await
    }

    async fn enrol_device(&self, new: NewDevice, now: Timestamp) -> Result<(), EnrolError> {
        self.writer.run(move |connection| device::enrol(connection, &new, now)).await
    }

    async fn device(&self, device: DeviceId) -> Result<Option<StoredDevice>, StoreError> {
        self.readers.run(move |connection| device::find(connection, device)).await
    }

    async fn devices_of(&self, uid: Uid) -> Result<Vec<StoredDevice>, StoreError> {
        self.readers.run(move |connection| device::of_user(connection, uid)).await
    }

    async fn revoke_device(&self, device: DeviceId) -> Result<bool, StoreError> {
        self.writer.run(move |connection| device::revoke(connection, device)).await
    }

    async fn touch_device(&self, device: DeviceId, now: Timestamp) -> Result<(), StoreError> {
        self.writer.run(move |connection| device::touch(connection, device, now)).await
    }

    async fn log_state(&self) -> Result<LogState, StoreError> {
        self.readers.run(key_log::state).await
    }

    async fn append_to_log(&self, leaves: Vec<NewLeaf>, now: Timestamp) -> Result<(), StoreError> {
        self.writer.run(move |connection| key_log::append_all(connection, &leaves, now)).await
    }

    async fn last_authority_event(&self) -> Result<Option<Opening>, StoreError> {
        self.readers.run(key_log::last_authority_event).await
    }

    async fn unlogged_accounts(&self, limit: usize) -> Result<Vec<StoredAccount>, StoreError> {
        self.readers.run(move |connection| key_log::unlogged_accounts(connection, limit)).await
    }

    async fn log_account(&self, uid: Uid, leaves: Vec<NewLeaf>, now: Timestamp) -> Result<(), StoreError> {
        self.writer.run(move |connection| key_log::log_account(connection, uid, &leaves, now)).await
    }

    async fn publish_devices(
        &self,
        uid: Uid,
        list: NewDeviceList,
        now: Timestamp,
    ) -> Result<(), DeviceListError> {
        self.writer.run(move |connection| key_log::publish_devices(connection, uid, &list, now)).await
    }

    async fn log_entries(&self, labels: Vec<Label>, known: u64) -> Result<LoggedEntries, StoreError> {
        self.readers.run(move |connection| key_log::entries(connection, &labels, known)).await
    }

    async fn log_tail(&self, known: u64, from: u64, limit: usize) -> Result<LoggedTail, StoreError> {
        self.readers.run(move |connection| key_log::tail(connection, known, from, limit)).await
    }

    async fn log_compare(&self, old: u64, new: u64) -> Result<Option<(Hash, Path)>, StoreError> {
        self.readers.run(move |connection| key_log::compare(connection, old, new)).await
    }

    async fn log_history(&self, label: Label, size: u64) -> Result<Vec<Entry>, StoreError> {
        self.readers.run(move |connection| key_log::history(connection, &label, size)).await
    }

    async fn resets(&self) -> Result<Vec<StoredReset>, StoreError> {
        self.readers.run(reset::all).await
    }

    async fn offer_reset(&self, new: StoredReset) -> Result<(), ResetError> {
        self.writer.run(move |connection| reset::offer(connection, &new)).await
    }

    async fn step_reset(
        &self,
        known: StoredReset,
        step: (ResetStep, Uid),
        leaf: NewLeaf,
        now: Timestamp,
    ) -> Result<StoredReset, ResetError> {
        self.writer.run(move |connection| reset::step(connection, &known, step, &leaf, now)).await
    }

    async fn finish_reset(
        &self,
        known: StoredReset,
        new: NewAccount,
        retired: NewLeaf,
        now: Timestamp,
    ) -> Result<(), ResetError> {
        self.writer.run(move |connection| reset::finish(connection, &known, &new, &retired, now)).await
    }

    async fn erase_log(&self, label: Label) -> Result<(), StoreError> {
        self.writer.run(move |connection| key_log::erase(connection, &label)).await
    }

    async fn take_back_records(&self, lost: LostRecords) -> Result<TakenBack, TakeBackError> {
        self.writer.run(move |connection| lost::take_records(connection, &lost)).await
    }

    async fn take_back_leaves(&self, lost: LostLeaves) -> Result<(), TakeLeavesError> {
        self.writer.run(move |connection| lost::take_leaves(connection, &lost)).await
    }

    async fn take_back_account(&self, lost: LostAccount, now: Timestamp) -> Result<(), TakeAccountError> {
        self.writer.run(move |connection| lost::take_account(connection, &lost, now)).await
    }

    async fn create_invite(&self, new: NewInvite, now: Timestamp) -> Result<(), CreateInviteError> {
        self.writer.run(move |connection| invite::create(connection, &new, now)).await
    }

    async fn open_invites(&self, uid: Uid, now: Timestamp) -> Result<u32, StoreError> {
        self.readers.run(move |connection| invite::count_open(connection, uid, now)).await
    }

    async fn create_room(
        &self,
        new: CreateRoom,
        creator: DeviceId,
        now: Timestamp,
    ) -> Result<(), CreateRoomError> {
        self.writer.run(move |connection| room::create(connection, &new, creator, now)).await
    }

    async fn list_rooms(&self, now: Timestamp) -> Result<Vec<RoomSummary>, StoreError> {
        self.readers.run(move |connection| room::list(connection, now)).await
    }

    async fn join_offer(
        &self,
        request: &FetchJoinInfo,
        device: DeviceId,
    ) -> Result<Option<JoinOffer>, StoreError> {
        let (request, incarnation) = (request.clone(), self.life.incarnation);
        self.readers.run(move |connection| group::offer(connection, &request, device, incarnation)).await
    }

    async fn rooms_of(&self, device: DeviceId) -> Result<Vec<JoinedRoom>, StoreError> {
        self.readers.run(move |connection| room::of_device(connection, device)).await
    }

    async fn membership(&self, room: RoomId, device: DeviceId) -> Result<Option<Membership>, StoreError> {
        let find = move |connection: &_| Ok(room::membership(connection, room, device)?);
        self.readers.run(find).await.map(|found| found.map(|(_, membership)| membership))
    }

    async fn append(&self, record: NewRecord, now: Timestamp) -> Result<AppendOutcome, AppendError> {
        let incarnation = self.life.incarnation;
        let undo = if record.kind() == RecordKind::Message { Undo::Transaction } else { Undo::Job };
        let append = move |connection: &Database| room_log::append(connection, record, now, incarnation);
        self.writer.run_undoing(undo, append).await
    }

    async fn read(
        &self,
        room: RoomId,
        device: DeviceId,
        after: u64,
        limit: PageLimit,
    ) -> Result<LogPage, ReadError> {
        let read =
            move |connection: &_, fresh: &_| room_log::read(connection, fresh, room, device, after, limit);
        self.readers.run_on_log(read).await
    }

    async fn chain_at(&self, room: RoomId, sequence: u64) -> Result<Option<ChainHash>, StoreError> {
        let find = move |connection: &_, fresh: &_| room_log::chain_at(connection, fresh, room, sequence);
        self.readers.run_on_log(find).await
    }

    async fn publish_key_packages(
        &self,
        device: DeviceId,
        packages: PublishKeyPackages,
    ) -> Result<u32, PublishKeyPackagesError> {
        self.writer.run(move |connection| key_package::publish(connection, device, &packages)).await
    }

    async fn key_package_counts(&self, device: DeviceId) -> Result<Vec<KeyPackageCount>, StoreError> {
        self.readers.run(move |connection| key_package::counts(connection, device)).await
    }

    async fn claim_key_packages(
        &self,
        claim: ClaimKeyPackages,
    ) -> Result<Vec<ClaimedKeyPackage>, StoreError> {
        self.writer.run(move |connection| key_package::claim(connection, claim)).await
    }

    async fn welcome_waits(&self, device: DeviceId, cursor: u64) -> Result<bool, StoreError> {
        self.readers.run(move |connection| welcome::waits(connection, device, cursor)).await
    }

    async fn next_welcome(&self, device: DeviceId, cursor: u64) -> Result<Option<QueuedWelcome>, StoreError> {
        let incarnation = self.life.incarnation;
        let next =
            move |connection: &_, fresh: &_| welcome::next(connection, fresh, device, cursor, incarnation);
        self.readers.run_on_log(next).await
    }

    async fn acknowledge_welcome(
        &self,
        device: DeviceId,
        done: AcknowledgeWelcome,
    ) -> Result<MembershipChange, StoreError> {
        self.writer.run(move |connection| welcome::acknowledge(connection, device, done)).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        let rooms = self.readers.run(move |connection| sweep::deserted(connection, now)).await?;
        self.writer.run(move |connection| sweep::sweep(connection, &rooms, now)).await
    }
}
