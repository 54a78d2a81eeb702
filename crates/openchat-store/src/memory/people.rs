//! Accounts, devices, invites, key packages and waiting Welcomes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use minicbor::bytes::ByteVec;
use openchat_protocol::account::{
    Account, AccountSelector, AcknowledgeWelcome, ClaimKeyPackages, ClaimedKeyPackage, KeyPackageCount,
    PublishKeyPackages,
};
use openchat_protocol::limits::{DEVICES_PER_USER, INVITES_PER_USER, KEY_PACKAGE_SUITES, KEY_PACKAGES};
use openchat_protocol::record::Base;
use openchat_protocol::room::PendingWelcome;
use openchat_protocol::tree::Tree;
use openchat_protocol::{DeviceId, Did, InviteHash, RoomId, RoomName, Timestamp, Uid, UserName};

use super::State;
use crate::account::{CreateAccountError, NewAccount, NewCertificate, RenewAccountError, StoredAccount};
use crate::counts::Counts;
use crate::device::{EnrolError, NewDevice, StoredDevice};
use crate::invite::{CreateInviteError, KEPT_AFTER_EXPIRY, NewInvite};
use crate::key_package::PublishKeyPackagesError;
use crate::lost::LostAccount;
use crate::room::MembershipChange;
use crate::welcome::QueuedWelcome;

#[derive(Debug)]
pub(super) struct Device {
    /// The how manieth enrolment of the store this was.
    order: u64,
    known: NewDevice,
    revoked: bool,
    last_seen: Timestamp,
    /// By cipher suite; none of them empty.
    packages: BTreeMap<u16, Packages>,
}

#[derive(Debug, Clone, Default)]
struct Packages {
    one_time: VecDeque<ByteVec>,
    last_resort: Option<ByteVec>,
}

impl Packages {
    fn is_empty(&self) -> bool {
        self.one_time.is_empty() && self.last_resort.is_none()
    }
}

impl Device {
    pub(super) fn is_revoked(&self) -> bool {
        self.revoked
    }
}

/// A Welcome that waits. Those of one commit share its tree.
#[derive(Debug)]
pub(super) struct Welcome {
    pub(super) device: DeviceId,
    pub(super) room: RoomId,
    pub(super) base: Base,
    pub(super) message: ByteVec,
    pub(super) tree: Arc<Tree>,
    pub(super) queued: Timestamp,
}

impl Welcome {
    fn queued_at(&self, cursor: u64) -> QueuedWelcome {
        let (welcome, tree) = (self.message.clone(), self.tree.as_ref().clone());
        QueuedWelcome { cursor, welcome: PendingWelcome { room: self.room, base: self.base, welcome, tree } }
    }
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn is_open(invite: &NewInvite, now: Timestamp) -> bool {
    invite.uses > 0 && now < invite.expires
}

impl State {
    pub(super) fn create_account(
        &mut self,
        new: NewAccount,
        redeem: Option<InviteHash>,
        now: Timestamp,
    ) -> Result<Option<RoomName>, CreateAccountError> {
        let same_key = |a: &StoredAccount| a.account.uid == new.uid || a.identity_spki == new.identity_spki;
        if self.accounts.values().any(same_key) {
            return Err(CreateAccountError::KeyTaken);
        }
        let invite = redeem.map(|hash| self.redeemable(hash, now)).transpose()?;
        let skeleton = new.name.skeleton();
        // Who had the name, or the key, may have been lost, to be given back.
        let in_log = new.log.iter().any(|leaf| self.key_log.knows(&leaf.label));
        if in_log || self.accounts.values().any(|a| a.account.name.skeleton() == skeleton) {
            return Err(CreateAccountError::NameTaken);
        }
        let room = invite.and_then(|invite| {
            let invite = self.invites.get_mut(&invite)?;
            invite.uses -= 1;
            invite.room.clone()
        });
        let (uid, leaves) = (new.uid, new.log.clone());
        self.accounts.insert(uid, stored_account(new, now));
        self.log_account(uid, &leaves, now)?;
        Ok(room)
    }

    fn redeemable(&self, hash: InviteHash, now: Timestamp) -> Result<InviteHash, CreateAccountError> {
        match self.invites.get(&hash) {
            None => Err(CreateAccountError::InviteUnknown),
            Some(invite) if invite.uses == 0 => Err(CreateAccountError::InviteUsed),
            Some(invite) if now >= invite.expires => Err(CreateAccountError::InviteExpired),
            Some(_) => Ok(hash),
        }
    }

    pub(super) fn renew_account(
        &mut self,
        new: &NewCertificate,
        now: Timestamp,
    ) -> Result<(), RenewAccountError> {
        let known = self.key_log.count(&new.leaf.label);
        if known.checked_add(1) != Some(new.seq) {
            return Err(RenewAccountError::Place { known });
        }
        let known = self.accounts.get_mut(&new.uid).filter(|known| !known.retired);
        let known = known.ok_or(RenewAccountError::AccountUnknown)?;
        self.key_log.append(&new.leaf, now)?;
        known.account.identity_certificate = new.identity_certificate.clone().into();
        known.account.issuing_certificate = new.issuing_certificate.clone().into();
        Ok(())
    }

    pub(super) fn account(&self, selector: &AccountSelector) -> Option<StoredAccount> {
        match selector {
            AccountSelector::Uid(uid) => self.accounts.get(uid).cloned(),
            AccountSelector::Name(name) => self.named(name).cloned(),
        }
    }

    fn named(&self, name: &UserName) -> Option<&StoredAccount> {
        self.accounts.values().find(|it| it.account.name == *name && !it.retired)
    }

    pub(super) fn accounts_after(&self, name: Option<&UserName>, limit: usize) -> Vec<StoredAccount> {
        let is_after = |a: &&StoredAccount| {
            !a.retired && name.is_none_or(|name| a.account.name.as_str() > name.as_str())
        };
        let mut accounts: Vec<_> = self.accounts.values().filter(is_after).cloned().collect();
        accounts.sort_by(|a, b| a.account.name.as_str().cmp(b.account.name.as_str()));
        accounts.truncate(limit);
        accounts
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            accounts: self.accounts.values().filter(|it| !it.retired).count() as u64,
            rooms: self.rooms.len() as u64,
            records: self.rooms.values().map(|room| room.head().sequence).sum(),
        }
    }

    pub(super) fn set_disabled(&mut self, uid: Uid, disabled: bool) -> bool {
        let account = self.accounts.get_mut(&uid).filter(|account| !account.retired);
        account.map(|account| account.disabled = disabled).is_some()
    }

    pub(super) fn enrol_device(&mut self, new: NewDevice, now: Timestamp) -> Result<(), EnrolError> {
        if self.accounts.get(&new.device.uid).is_none_or(|it| it.retired) {
            return Err(EnrolError::AccountUnknown);
        }
        let active = self.of_user(new.device.uid).filter(|device| !device.revoked).count();
        match self.devices.get(&new.device) {
            Some(known) if known.revoked => return Err(EnrolError::DeviceRevoked),
            Some(known) if known.known.public_key != new.public_key => return Err(EnrolError::KeyDiffers),
            None if active >= DEVICES_PER_USER => return Err(EnrolError::TooManyDevices),
            _ => {}
        }
        if let Some(list) = &new.list {
            self.publish_devices(new.device.uid, list, now)?;
        }
        match self.devices.get_mut(&new.device) {
            Some(known) => known.known = new,
            None => self.add_device(new, now),
        }
        Ok(())
    }

    /// Makes an account and a device known that were lost; what is there stays as it is, but for a certificate that was
    /// renewed.
    pub(super) fn restore_account(&mut self, lost: &LostAccount, created: Timestamp, now: Timestamp) {
        let uid = lost.device.device.uid;
        let (identity, above) = lost.certificates();
        let (identity, above) = (ByteVec::from(identity), ByteVec::from(above));
        let known = self.accounts.entry(uid).or_insert_with(|| StoredAccount {
            account: Account {
                uid,
                name: lost.name.clone(),
                identity_certificate: identity.clone(),
                issuing_certificate: above.clone(),
            },
            identity_spki: lost.identity_spki.clone(),
            disabled: false,
            created,
            retired: false,
        });
        known.account.identity_certificate = identity;
        known.account.issuing_certificate = above;
        if !self.devices.contains_key(&lost.device.device) {
            self.add_device(lost.device.clone(), now);
        }
    }

    fn add_device(&mut self, known: NewDevice, now: Timestamp) {
        self.enrolled += 1;
        let device =
            Device { order: self.enrolled, known, revoked: false, last_seen: now, packages: BTreeMap::new() };
        self.devices.insert(device.known.device, device);
    }

    fn of_user(&self, uid: Uid) -> impl Iterator<Item = &Device> {
        self.devices.values().filter(move |device| device.known.device.uid == uid)
    }

    pub(super) fn device(&self, device: DeviceId) -> Option<StoredDevice> {
        self.devices.get(&device).and_then(|device| self.stored_device(device))
    }

    fn stored_device(&self, device: &Device) -> Option<StoredDevice> {
        let account = self.accounts.get(&device.known.device.uid)?;
        Some(StoredDevice {
            device: device.known.device,
            name: account.account.name.clone(),
            public_key: device.known.public_key.clone(),
            chain: device.known.chain.clone(),
            revoked: device.revoked,
            account_disabled: account.disabled,
            last_seen: device.last_seen,
        })
    }

    pub(super) fn devices_of(&self, uid: Uid) -> Vec<StoredDevice> {
        let mut devices: Vec<_> = self.of_user(uid).collect();
        devices.sort_by_key(|device| device.order);
        devices.into_iter().filter_map(|device| self.stored_device(device)).collect()
    }

    pub(super) fn revoke_device(&mut self, device: DeviceId) -> bool {
        let Some(known) = self.devices.get_mut(&device) else { return false };
        known.revoked = true;
        known.packages.clear();
        self.welcomes.retain(|_, welcome| welcome.device != device);
        true
    }

    /// Revokes the devices of `uid` that are not among `listed`.
    pub(super) fn revoke_others(&mut self, uid: Uid, listed: &[Did]) {
        let is_other = |device: &DeviceId| device.uid == uid && !listed.contains(&device.did);
        let others: Vec<_> = self.devices.keys().copied().filter(is_other).collect();
        for device in others {
            self.revoke_device(device);
        }
    }

    pub(super) fn touch_device(&mut self, device: DeviceId, now: Timestamp) {
        if let Some(device) = self.devices.get_mut(&device) {
            device.last_seen = device.last_seen.max(now);
        }
    }

    pub(super) fn create_invite(&mut self, new: NewInvite, now: Timestamp) -> Result<(), CreateInviteError> {
        self.invites.retain(|_, invite| now < invite.expires.plus(KEPT_AFTER_EXPIRY));
        match (self.invites.get(&new.hash), new.creator) {
            (Some(known), creator) if known.creator == creator => return Ok(()),
            (Some(_), _) => return Err(CreateInviteError::Taken),
            (None, Some(creator)) if self.open_invites(creator, now) >= INVITES_PER_USER => {
                return Err(CreateInviteError::TooMany);
            }
            (None, _) => {}
        }
        self.invites.insert(new.hash, new);
        Ok(())
    }

    pub(super) fn open_invites(&self, uid: Uid, now: Timestamp) -> usize {
        self.invites.values().filter(|invite| invite.creator == Some(uid) && is_open(invite, now)).count()
    }

    pub(super) fn publish_key_packages(
        &mut self,
        device: DeviceId,
        packages: PublishKeyPackages,
    ) -> Result<u32, PublishKeyPackagesError> {
        let known = self.devices.get_mut(&device).filter(|device| !device.revoked);
        let device = known.ok_or(PublishKeyPackagesError::DeviceUnknown)?;
        let mut packages_now = device.packages.clone();
        let now = packages_now.entry(packages.suite).or_default();
        for package in packages.one_time {
            if !now.one_time.contains(&package) {
                now.one_time.push_back(package);
            }
        }
        now.last_resort = packages.last_resort.or(now.last_resort.take());
        let one_time = now.one_time.len();
        if one_time > KEY_PACKAGES {
            return Err(PublishKeyPackagesError::TooMany);
        }
        packages_now.retain(|_, packages| !packages.is_empty());
        if packages_now.len() > KEY_PACKAGE_SUITES {
            return Err(PublishKeyPackagesError::TooManySuites);
        }
        device.packages = packages_now;
        Ok(count(one_time))
    }

    pub(super) fn key_package_counts(&self, device: DeviceId) -> Vec<KeyPackageCount> {
        let packages = self.devices.get(&device).into_iter().flat_map(|device| &device.packages);
        let count = |(suite, packages): (&u16, &Packages)| KeyPackageCount {
            suite: *suite,
            one_time: count(packages.one_time.len()),
        };
        packages.map(count).collect()
    }

    pub(super) fn claim_key_packages(&mut self, claim: ClaimKeyPackages) -> Vec<ClaimedKeyPackage> {
        let wanted = |it: DeviceId| it.uid == claim.uid && claim.device.is_none_or(|did| did == it.did);
        let of_user = self.devices.values_mut().filter(|device| wanted(device.known.device));
        let claim = |device: &mut Device| {
            let packages = device.packages.get_mut(&claim.suite)?;
            let key_package = packages.one_time.pop_front().or_else(|| packages.last_resort.clone())?;
            device.packages.retain(|_, packages| !packages.is_empty());
            Some(ClaimedKeyPackage { device: device.known.device, key_package })
        };
        of_user.filter_map(claim).collect()
    }

    pub(super) fn next_welcome(&self, device: DeviceId, cursor: u64) -> Option<QueuedWelcome> {
        let mut later = self.welcomes.range(cursor.saturating_add(1)..);
        later
            .find(|(_, welcome)| welcome.device == device)
            .map(|(cursor, welcome)| welcome.queued_at(*cursor))
    }

    pub(super) fn acknowledge_welcome(
        &mut self,
        device: DeviceId,
        done: AcknowledgeWelcome,
    ) -> MembershipChange {
        self.welcomes.retain(|_, of| {
            of.device != device || of.room != done.room || of.base.commit.sequence != done.sequence
        });
        let room = self.rooms.get_mut(&done.room).filter(|_| !done.joined);
        let ended = room.is_some_and(|room| room.end_what_began_at(device, done.sequence));
        MembershipChange { joined: Vec::new(), ended: ended.then_some(device).into_iter().collect() }
    }
}

pub(super) fn stored_account(new: NewAccount, now: Timestamp) -> StoredAccount {
    StoredAccount {
        account: Account {
            uid: new.uid,
            name: new.name,
            identity_certificate: new.identity_certificate.into(),
            issuing_certificate: new.issuing_certificate.into(),
        },
        identity_spki: new.identity_spki,
        disabled: false,
        created: now,
        retired: false,
    }
}
