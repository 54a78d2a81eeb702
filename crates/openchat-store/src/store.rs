//! The one trait that the server speaks to.

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

use crate::StoreError;
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

/// What the server remembers.
///
/// Each operation happens wholly or not at all, as if all came one after another; when it has answered, its effect is
/// on disk and seen by every later one. A future that is dropped does not stop what it has begun. Appends whose
/// futures are polled first in some order are taken in that order.
///
/// The store trusts its caller for what needs keys (logins, certificates, signatures) and checks all that needs
/// memory: uniqueness, membership, order, limits.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The life of this database.
    fn incarnation(&self) -> Incarnation;

    /// Until when this life, which began with an older copy of the database, takes back what was lost.
    fn takes_back_until(&self) -> Option<Timestamp>;

    // Accounts and devices

    /// Makes an account with its leaves in the log of keys, by the invite `redeem` if one is given, and answers with the room that the invite is for.
    /// Whether an account needs an invite is the caller's decision.
    async fn create_account(
        &self,
        account: NewAccount,
        redeem: Option<InviteHash>,
        now: Timestamp,
    ) -> Result<Option<RoomName>, CreateAccountError>;

    /// Gives an account another certificate, and logs it. The identity key has signed which leaf of its name that is.
    async fn renew_account(&self, new: NewCertificate, now: Timestamp) -> Result<(), RenewAccountError>;

    /// Whether anybody has an account.
    async fn has_accounts(&self) -> Result<bool, StoreError>;

    /// The account, if there is one.
    async fn account(&self, selector: &AccountSelector) -> Result<Option<StoredAccount>, StoreError>;

    /// Accounts after a name, in the order of names.
    async fn accounts_after(
        &self,
        name: Option<UserName>,
        limit: usize,
    ) -> Result<Vec<StoredAccount>, StoreError>;

    /// How much there is.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Disables or enables an account. `false` when there is none.
    async fn set_disabled(&self, uid: Uid, disabled: bool) -> Result<bool, StoreError>;

    /// Makes a device known, or replaces the certificate of a known one, and logs the list that comes with it. Doing it
    /// again is no error.
    async fn enrol_device(&self, device: NewDevice, now: Timestamp) -> Result<(), EnrolError>;

    /// The device, if it is known.
    async fn device(&self, device: DeviceId) -> Result<Option<StoredDevice>, StoreError>;

    /// All devices of a user, revoked ones included, in the order of enrolment.
    async fn devices_of(&self, uid: Uid) -> Result<Vec<StoredDevice>, StoreError>;

    /// Bars a device from logging in and forgets its key packages and Welcomes. Rooms remove it by commits of their
    /// members. `false` when the device is unknown.
    async fn revoke_device(&self, device: DeviceId) -> Result<bool, StoreError>;

    /// Notes that a device is connected. An earlier time than the one known changes nothing.
    async fn touch_device(&self, device: DeviceId, now: Timestamp) -> Result<(), StoreError>;

    // The log of keys. Reading it gives one state of it, whatever is added meanwhile.

    /// How far it is.
    async fn log_state(&self) -> Result<LogState, StoreError>;

    /// Adds leaves that are about no account: heartbeats, and events of the authority.
    async fn append_to_log(&self, leaves: Vec<NewLeaf>, now: Timestamp) -> Result<(), StoreError>;

    /// What the newest event of the authority is about.
    async fn last_authority_event(&self) -> Result<Option<Opening>, StoreError>;

    /// Accounts that are not in the log, for they are older than it.
    async fn unlogged_accounts(&self, limit: usize) -> Result<Vec<StoredAccount>, StoreError>;

    /// Adds the leaves of such an account. Nothing when it is in the log.
    async fn log_account(&self, uid: Uid, leaves: Vec<NewLeaf>, now: Timestamp) -> Result<(), StoreError>;

    /// Logs a list of devices, the next one after the newest of its user, and [revokes](Self::revoke_device) those that are
    /// in it no more. The newest one again is no error.
    async fn publish_devices(
        &self,
        uid: Uid,
        list: NewDeviceList,
        now: Timestamp,
    ) -> Result<(), DeviceListError>;

    /// The newest leaves of some labels, for somebody who knows the log when it had `known` leaves.
    async fn log_entries(&self, labels: Vec<Label>, known: u64) -> Result<LoggedEntries, StoreError>;

    /// At most `limit` leaves from the one at `from` on, for somebody who knows the log when it had `known` leaves.
    async fn log_tail(&self, known: u64, from: u64, limit: usize) -> Result<LoggedTail, StoreError>;

    /// The root of the log when it had `old` leaves, and that the log of `new` leaves begins so. Nothing when it never
    /// had these sizes in this order.
    async fn log_compare(&self, old: u64, new: u64) -> Result<Option<(Hash, Path)>, StoreError>;

    /// All leaves of a label but the newest, with proofs for the log of `size` leaves; the newest by that size. Those
    /// whose openings were erased are left out.
    async fn log_history(&self, label: Label, size: u64) -> Result<Vec<Entry>, StoreError>;

    /// Erases what the leaves of a label stand for.
    async fn erase_log(&self, label: Label) -> Result<(), StoreError>;

    // Names that a new key asks for

    /// All of them, in the order of names.
    async fn resets(&self) -> Result<Vec<StoredReset>, StoreError>;

    /// A name may be asked for, by a link that takes the place of the one before.
    async fn offer_reset(&self, new: StoredReset) -> Result<(), ResetError>;

    /// Logs a step of `uid`, the new identity, if what is stored is still what is `known`.
    async fn step_reset(
        &self,
        known: StoredReset,
        step: (ResetStep, Uid),
        leaf: NewLeaf,
        now: Timestamp,
    ) -> Result<StoredReset, ResetError>;

    /// Gives the name to the account of who has asked, when the time has come and nobody is against it. The account that
    /// had it is retired: disabled, with its devices revoked and its invites void, and known by its uid alone.
    async fn finish_reset(
        &self,
        known: StoredReset,
        account: NewAccount,
        retired: NewLeaf,
        now: Timestamp,
    ) -> Result<(), ResetError>;

    // Invites

    /// Makes an invite.
    async fn create_invite(&self, invite: NewInvite, now: Timestamp) -> Result<(), CreateInviteError>;

    /// Invites of a user that can still be redeemed.
    async fn open_invites(&self, uid: Uid, now: Timestamp) -> Result<u32, StoreError>;

    // Rooms

    /// Makes a room with `creator` as its only member and administrator. Rooms that its user has made and everybody has
    /// left count as the user's until they are swept. Takes over the name of a room that has no members any more.
    async fn create_room(
        &self,
        room: CreateRoom,
        creator: DeviceId,
        now: Timestamp,
    ) -> Result<(), CreateRoomError>;

    /// Rooms with a name that have members or were active in the last
    /// [seven days](crate::room::LISTED_AFTER_THE_LAST_MEMBER); the most recently active first, at most
    /// [`LISTED_ROOMS`](openchat_protocol::limits::LISTED_ROOMS).
    async fn list_rooms(&self, now: Timestamp) -> Result<Vec<RoomSummary>, StoreError>;

    /// How `device` joins a room: any room with a name, or one that its user is in with any device. Nothing when there
    /// is no such room for it. No group is given whose author is doubted.
    async fn join_offer(
        &self,
        request: &FetchJoinInfo,
        device: DeviceId,
    ) -> Result<Option<JoinOffer>, StoreError>;

    /// The rooms a device is a member of.
    async fn rooms_of(&self, device: DeviceId) -> Result<Vec<JoinedRoom>, StoreError>;

    /// What a device has to do with a room; nothing when it never was a member or there is no such room.
    async fn membership(&self, room: RoomId, device: DeviceId) -> Result<Option<Membership>, StoreError>;

    // Room logs

    /// Appends a record, under these rules in this order:
    ///
    /// 1. the room exists;
    /// 2. a record of the same author under the same message identifier is answered as the first time, even when the
    ///    author has left since (by that very record, perhaps);
    /// 3. the author is a member; or it joins by this record, and the room has a name or a member of the same user;
    /// 4. the base is the room's last commit in this life of the database;
    /// 5. added devices are known, and no limit is exceeded.
    ///
    /// The record's time is `now`, or the time of the record before when that is later. The mirror of members follows
    /// at once: devices that join, that leave, that are removed by their own user or by an administrator; removals of
    /// others by anybody else are not followed. Administrators are whom the last administrator's commit that says so
    /// has named. The group that comes with a commit is what joiners get from then on.
    async fn append(&self, record: NewRecord, now: Timestamp) -> Result<AppendOutcome, AppendError>;

    /// The records after `after` that `device` may read, up to `limit` or the end of the stretch it was a member.
    async fn read(
        &self,
        room: RoomId,
        device: DeviceId,
        after: u64,
        limit: PageLimit,
    ) -> Result<LogPage, ReadError>;

    /// The chain after the record at `sequence`; nothing when the room has no such record.
    async fn chain_at(&self, room: RoomId, sequence: u64) -> Result<Option<ChainHash>, StoreError>;

    // Key packages

    /// Adds key packages and answers with the number of one-time packages of that suite now there. One that is there already is not
    /// added again.
    async fn publish_key_packages(
        &self,
        device: DeviceId,
        packages: PublishKeyPackages,
    ) -> Result<u32, PublishKeyPackagesError>;

    /// One-time packages of a device, of each suite that it has any package of, in the order of suites.
    async fn key_package_counts(&self, device: DeviceId) -> Result<Vec<KeyPackageCount>, StoreError>;

    /// One package for each device of a user, or for the one that is named, that is not revoked and has any of the suite: a one-time package, which nobody gets
    /// again, or else the last resort.
    async fn claim_key_packages(&self, claim: ClaimKeyPackages)
    -> Result<Vec<ClaimedKeyPackage>, StoreError>;

    // Welcomes

    /// Whether [`next_welcome`](Self::next_welcome) has something.
    async fn welcome_waits(&self, device: DeviceId, cursor: u64) -> Result<bool, StoreError>;

    /// The oldest waiting Welcome of a device after `cursor`, which is 0 at first. One at a time, for each may come
    /// with a tree of megabytes.
    async fn next_welcome(&self, device: DeviceId, cursor: u64) -> Result<Option<QueuedWelcome>, StoreError>;

    /// Forgets a Welcome. No error when there is none. A device that did not come in by it is no member any more, if
    /// it still was one by that commit; the answer says so.
    async fn acknowledge_welcome(
        &self,
        device: DeviceId,
        welcome: AcknowledgeWelcome,
    ) -> Result<MembershipChange, StoreError>;

    // What was lost with the newer part of a database. When it may be taken back is the caller's decision.

    /// Takes records back, in their places and with their times. The mirror of members follows; nobody gets a Welcome,
    /// and joiners no group before the next commit. Records that are there already are passed over, and when some before
    /// these are missing nothing is changed.
    ///
    /// Who gives them back is a member where the log ends, or joined by the first record that is missing.
    async fn take_back_records(&self, lost: LostRecords) -> Result<TakenBack, TakeBackError>;

    /// Takes leaves of the key log back, without what they stand for. The head of the log has been signed by this server.
    async fn take_back_leaves(&self, lost: LostLeaves) -> Result<(), TakeLeavesError>;

    /// Takes an account and a device of it back, for which the newest leaves under its name and its uid were made. What
    /// is there already stays as it is, but for the version of its list of devices, and its certificate, which may have
    /// been renewed.
    async fn take_back_account(&self, lost: LostAccount, now: Timestamp) -> Result<(), TakeAccountError>;

    // What time ends

    /// Forgets Welcomes after [`WELCOME_LIFE`](crate::welcome::WELCOME_LIFE), and rooms without members when they
    /// are [listed](crate::room::LISTED_AFTER_THE_LAST_MEMBER) no more. A piece of the work at a time, for others wait
    /// meanwhile; the answer says whether there is more.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError>;
}
