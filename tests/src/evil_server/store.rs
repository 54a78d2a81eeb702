//! A store that lies: the server's real one, with misdeeds between it and whoever asks.

use std::sync::{Arc, Mutex, PoisonError};

use openchat_protocol::account::{
    AccountSelector, AcknowledgeWelcome, ClaimKeyPackages, ClaimedKeyPackage, KeyPackageCount,
    PublishKeyPackages,
};
use openchat_protocol::record::Record;
use openchat_protocol::room::{CreateRoom, FetchJoinInfo, JoinedRoom, RoomSummary};
use openchat_protocol::{
    ChainHash, DeviceId, Incarnation, InviteHash, RoomId, RoomName, Timestamp, Uid, UserName,
};
use openchat_store::account::{
    CreateAccountError, NewAccount, NewCertificate, RenewAccountError, StoredAccount,
};
use openchat_store::counts::Counts;
use openchat_store::device::{EnrolError, NewDevice, StoredDevice};
use openchat_store::group::JoinOffer;
use openchat_store::invite::{CreateInviteError, NewInvite};
use openchat_store::key_log::{DeviceListError, LogState, LoggedEntries, LoggedTail, NewDeviceList, NewLeaf};
use openchat_store::key_package::PublishKeyPackagesError;
use openchat_store::lost::{
    LostAccount, LostLeaves, LostRecords, TakeAccountError, TakeBackError, TakeLeavesError, TakenBack,
};
use openchat_store::reset::{ResetError, StoredReset};
use openchat_store::room::{CreateRoomError, Membership, MembershipChange};
use openchat_store::room_log::{AppendError, AppendOutcome, LogPage, NewRecord, PageLimit, ReadError};
use openchat_store::sweep::Swept;
use openchat_store::welcome::QueuedWelcome;
use openchat_store::{SqliteStore, Store, StoreError};
use openchat_transparency::body::ResetStep;
use openchat_transparency::tree::{self, MemoryNodes};
use openchat_transparency::{Entry, Hash, Kind, Label, Opening, Path};

/// What the server does wrong.
#[derive(Clone, Default)]
pub enum Misdeed {
    /// Nothing.
    #[default]
    None,
    /// Readers do not get the record at this place; the others close the gap.
    Drop(u64),
    /// Readers get the record at this place after the one that follows it.
    Reorder(u64),
    /// Readers get the record at this place twice.
    Repeat(u64),
    /// Readers are told that this device made the record at this place.
    AlterAuthor(u64, DeviceId),
    /// Everybody is shown the log of keys of another store: one that was rolled back, or is forked.
    ShowLog(Arc<SqliteStore>),
    /// Nobody gets a newer list of anybody's devices than the last but one, under a true head and with a true proof.
    ShowOldLists,
    /// The log of keys gets no sign of life.
    WithholdHeartbeats,
}

/// The real store behind a misdeed.
pub(super) struct EvilStore {
    honest: Arc<SqliteStore>,
    misdeed: Mutex<Misdeed>,
    /// What lists were logged with: the real store keeps only the newest.
    openings: Mutex<Vec<Opening>>,
}

impl EvilStore {
    pub(super) fn new(honest: Arc<SqliteStore>, misdeed: Misdeed) -> Self {
        Self { honest, misdeed: Mutex::new(misdeed), openings: Mutex::default() }
    }

    pub(super) fn commit(&self, misdeed: Misdeed) {
        *self.misdeed.lock().unwrap_or_else(PoisonError::into_inner) = misdeed;
    }

    fn misdeed(&self) -> Misdeed {
        self.misdeed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The store whose log of keys is shown.
    fn shown_log(&self) -> Arc<SqliteStore> {
        match self.misdeed() {
            Misdeed::ShowLog(other) => other,
            _ => Arc::clone(&self.honest),
        }
    }

    async fn read(
        &self,
        room: RoomId,
        device: DeviceId,
        after: u64,
        limit: PageLimit,
    ) -> Result<LogPage, ReadError> {
        let page = self.honest.read(room, device, after, limit).await?;
        Ok(altered(page, &self.misdeed()))
    }

    async fn append_to_log(&self, mut leaves: Vec<NewLeaf>, now: Timestamp) -> Result<(), StoreError> {
        if matches!(self.misdeed(), Misdeed::WithholdHeartbeats) {
            leaves.retain(|leaf| leaf.kind != Kind::Heartbeat);
        }
        self.honest.append_to_log(leaves, now).await
    }

    async fn enrol_device(&self, device: NewDevice, now: Timestamp) -> Result<(), EnrolError> {
        let opening = device.list.as_ref().map(|list| list.leaf.opening.clone());
        self.openings.lock().unwrap_or_else(PoisonError::into_inner).extend(opening);
        self.honest.enrol_device(device, now).await
    }

    async fn log_state(&self) -> Result<LogState, StoreError> {
        self.shown_log().log_state().await
    }

    async fn log_tail(&self, known: u64, from: u64, limit: usize) -> Result<LoggedTail, StoreError> {
        self.shown_log().log_tail(known, from, limit).await
    }

    async fn log_compare(&self, old: u64, new: u64) -> Result<Option<(Hash, Path)>, StoreError> {
        self.shown_log().log_compare(old, new).await
    }

    async fn log_history(&self, label: Label, size: u64) -> Result<Vec<Entry>, StoreError> {
        self.shown_log().log_history(label, size).await
    }

    async fn log_entries(&self, labels: Vec<Label>, known: u64) -> Result<LoggedEntries, StoreError> {
        let mut found = self.shown_log().log_entries(labels, known).await?;
        if matches!(self.misdeed(), Misdeed::ShowOldLists) {
            for entry in found.entries.iter_mut().flatten() {
                if let Some(older) = self.older_list(entry, found.size).await? {
                    *entry = older;
                }
            }
        }
        Ok(found)
    }

    /// The list before the one in `entry`, with the proof that it stands in the log of this size.
    async fn older_list(&self, entry: &Entry, size: u64) -> Result<Option<Entry>, StoreError> {
        let tail = self.honest.log_tail(0, 0, usize::MAX >> 1).await?;
        let before = tail.leaves.iter().zip(0..).find(|(_, index)| entry.leaf.previous == Some(*index));
        let Some((leaf, index)) = before.filter(|(leaf, _)| leaf.kind == Kind::DeviceList) else {
            return Ok(None);
        };
        let openings = self.openings.lock().unwrap_or_else(PoisonError::into_inner);
        let opening = openings.iter().find(|opening| opening.commitment() == leaf.commitment);
        let opening = opening.expect("a list that came this way").clone();
        let mut nodes = MemoryNodes::default();
        for (leaf, index) in tail.leaves.iter().zip(0..size) {
            let more = tree::nodes_of(leaf, index, &nodes).expect("nodes");
            nodes.extend(&more);
        }
        let inclusion = tree::prove_inclusion(index, size, &nodes).expect("a proof");
        Ok(Some(Entry { index, leaf: *leaf, opening, inclusion }))
    }
}

/// The page with a misdeed done to it, and no gap in its numbers.
fn altered(mut page: LogPage, misdeed: &Misdeed) -> LogPage {
    let read = |bytes: &bytes::Bytes| Record::from_bytes(bytes).expect("a record of the store");
    let mut records: Vec<Record> = page.records.iter().map(read).collect();
    let Some(first) = records.first().map(|record| record.sequence) else { return page };
    let place = |sequence: &u64| records.iter().position(|record| record.sequence == *sequence);
    match misdeed {
        Misdeed::Drop(sequence) => {
            if let Some(place) = place(sequence) {
                records.remove(place);
                page.head -= 1;
            }
        }
        Misdeed::Reorder(sequence) => {
            if let Some(place) = place(sequence) {
                records.swap(place, place + 1);
            }
        }
        Misdeed::Repeat(sequence) => {
            if let Some(place) = place(sequence) {
                records.insert(place, records[place].clone());
                page.head += 1;
            }
        }
        Misdeed::AlterAuthor(sequence, author) => {
            if let Some(place) = place(sequence) {
                records[place].author = *author;
            }
        }
        _ => {}
    }
    for (record, sequence) in records.iter_mut().zip(first..) {
        record.sequence = sequence;
    }
    page.records = records.iter().map(|record| record.to_bytes().into()).collect();
    page
}

/// Implements the whole trait: these functions by the real store, and those by the functions above.
macro_rules! store {
    (
        $(honest fn $honest:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
        $(evil fn $evil:ident($($given:ident: $of:ty),*) -> $result:ty;)*
    ) => {
        #[async_trait::async_trait]
        impl Store for EvilStore {
            fn incarnation(&self) -> Incarnation {
                self.honest.incarnation()
            }

            fn takes_back_until(&self) -> Option<Timestamp> {
                self.honest.takes_back_until()
            }

            $(async fn $honest(&self, $($argument: $type),*) -> $answer {
                self.honest.$honest($($argument),*).await
            })*

            $(async fn $evil(&self, $($given: $of),*) -> $result {
                EvilStore::$evil(self, $($given),*).await
            })*
        }
    };
}

store! {
    honest fn create_account(account: NewAccount, redeem: Option<InviteHash>, now: Timestamp)
        -> Result<Option<RoomName>, CreateAccountError>;
    honest fn renew_account(new: NewCertificate, now: Timestamp) -> Result<(), RenewAccountError>;
    honest fn has_accounts() -> Result<bool, StoreError>;
    honest fn account(selector: &AccountSelector) -> Result<Option<StoredAccount>, StoreError>;
    honest fn accounts_after(name: Option<UserName>, limit: usize) -> Result<Vec<StoredAccount>, StoreError>;
    honest fn counts() -> Result<Counts, StoreError>;
    honest fn set_disabled(uid: Uid, disabled: bool) -> Result<bool, StoreError>;
    honest fn device(device: DeviceId) -> Result<Option<StoredDevice>, StoreError>;
    honest fn devices_of(uid: Uid) -> Result<Vec<StoredDevice>, StoreError>;
    honest fn revoke_device(device: DeviceId) -> Result<bool, StoreError>;
    honest fn touch_device(device: DeviceId, now: Timestamp) -> Result<(), StoreError>;
    honest fn last_authority_event() -> Result<Option<Opening>, StoreError>;
    honest fn unlogged_accounts(limit: usize) -> Result<Vec<StoredAccount>, StoreError>;
    honest fn log_account(uid: Uid, leaves: Vec<NewLeaf>, now: Timestamp) -> Result<(), StoreError>;
    honest fn publish_devices(uid: Uid, list: NewDeviceList, now: Timestamp) -> Result<(), DeviceListError>;
    honest fn erase_log(label: Label) -> Result<(), StoreError>;
    honest fn resets() -> Result<Vec<StoredReset>, StoreError>;
    honest fn offer_reset(new: StoredReset) -> Result<(), ResetError>;
    honest fn step_reset(known: StoredReset, step: (ResetStep, Uid), leaf: NewLeaf, now: Timestamp)
        -> Result<StoredReset, ResetError>;
    honest fn finish_reset(known: StoredReset, account: NewAccount, retired: NewLeaf, now: Timestamp)
        -> Result<(), ResetError>;
    honest fn create_invite(invite: NewInvite, now: Timestamp) -> Result<(), CreateInviteError>;
    honest fn open_invites(uid: Uid, now: Timestamp) -> Result<u32, StoreError>;
    honest fn create_room(room: CreateRoom, creator: DeviceId, now: Timestamp) -> Result<(), CreateRoomError>;
    honest fn list_rooms(now: Timestamp) -> Result<Vec<RoomSummary>, StoreError>;
    honest fn join_offer(request: &FetchJoinInfo, device: DeviceId) -> Result<Option<JoinOffer>, StoreError>;
    honest fn rooms_of(device: DeviceId) -> Result<Vec<JoinedRoom>, StoreError>;
    honest fn membership(room: RoomId, device: DeviceId) -> Result<Option<Membership>, StoreError>;
    honest fn append(record: NewRecord, now: Timestamp) -> Result<AppendOutcome, AppendError>;
    honest fn chain_at(room: RoomId, sequence: u64) -> Result<Option<ChainHash>, StoreError>;
    honest fn publish_key_packages(device: DeviceId, packages: PublishKeyPackages)
        -> Result<u32, PublishKeyPackagesError>;
    honest fn key_package_counts(device: DeviceId) -> Result<Vec<KeyPackageCount>, StoreError>;
    honest fn claim_key_packages(claim: ClaimKeyPackages) -> Result<Vec<ClaimedKeyPackage>, StoreError>;
    honest fn welcome_waits(device: DeviceId, cursor: u64) -> Result<bool, StoreError>;
    honest fn next_welcome(device: DeviceId, cursor: u64) -> Result<Option<QueuedWelcome>, StoreError>;
    honest fn acknowledge_welcome(device: DeviceId, welcome: AcknowledgeWelcome)
        -> Result<MembershipChange, StoreError>;
    honest fn take_back_records(lost: LostRecords) -> Result<TakenBack, TakeBackError>;
    honest fn take_back_leaves(lost: LostLeaves) -> Result<(), TakeLeavesError>;
    honest fn take_back_account(lost: LostAccount, now: Timestamp) -> Result<(), TakeAccountError>;
    honest fn sweep(now: Timestamp) -> Result<Swept, StoreError>;

    evil fn read(room: RoomId, device: DeviceId, after: u64, limit: PageLimit) -> Result<LogPage, ReadError>;
    evil fn append_to_log(leaves: Vec<NewLeaf>, now: Timestamp) -> Result<(), StoreError>;
    evil fn enrol_device(device: NewDevice, now: Timestamp) -> Result<(), EnrolError>;
    evil fn log_state() -> Result<LogState, StoreError>;
    evil fn log_tail(known: u64, from: u64, limit: usize) -> Result<LoggedTail, StoreError>;
    evil fn log_compare(old: u64, new: u64) -> Result<Option<(Hash, Path)>, StoreError>;
    evil fn log_history(label: Label, size: u64) -> Result<Vec<Entry>, StoreError>;
    evil fn log_entries(labels: Vec<Label>, known: u64) -> Result<LoggedEntries, StoreError>;
}
