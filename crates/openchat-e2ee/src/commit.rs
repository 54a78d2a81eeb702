//! Changing a room: commits by this device, from the draft to their fate.
//!
//! A draft changes nothing yet. The caller stores [`RoomGroup::state`], which now holds the pending commit, together
//! with the append in its outbox; then one of these happens:
//!
//! - The append was stored, or its echo is opened as [`crate::Opened::OwnCommit`]: [`RoomGroup::accept_commit`].
//! - It was stale: [`RoomGroup::discard_commit`], catch up, draft anew.
//! - A crash: the append in the outbox is sent again under its old id and answered as it was the first time.
//! - Somebody else's commit is opened first: the pending one is gone, for its append is stale by then.

use aws_lc_rs::digest::{SHA256, digest};
use minicbor::bytes::ByteVec;
use mls_rs::error::MlsError;
use mls_rs::group::proposal::{Proposal, RemoveProposal};
use mls_rs::group::{CommitOutput, LeafNode, LeafNodeSource};
use mls_rs_core::crypto::CryptoProvider;
use openchat_protocol::account::ClaimedKeyPackage;
use openchat_protocol::append::{CommitBundle, GroupSnapshot, GroupUpdate, Welcome};
use openchat_protocol::statement::{LeaveNotice, Statement};
use openchat_protocol::tree::{Tree, TreeChange};
use openchat_protocol::{DeviceId, Timestamp, codec, limits};

use crate::change::{ChangeError, EpochChange, check_removals};
use crate::credential::{CredentialError, mls_time};
use crate::device::MlsGroup;
use crate::guard::{Failure, guarded};
use crate::key_package::{CheckedKeyPackage, KeyPackageError};
use crate::policy::{PolicyError, RoomPolicy};
use crate::room_group::RoomGroup;
use crate::rules::RuleError;
use crate::state::Pending;
use crate::suites::Crypto;
use crate::tree;

/// What goes into an append of kind `Commit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitDraft {
    /// The record's payload.
    pub payload: Vec<u8>,
    /// What is stored with it.
    pub bundle: CommitBundle,
    /// The tree that the commit makes, for a server that holds another one than the author believes.
    pub tree: Tree,
}

/// A commit that the server would not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {part} has {size} bytes, at most {limit} fit")]
pub struct TooLarge {
    /// Which part.
    pub part: &'static str,
    /// Its bytes.
    pub size: usize,
    /// The limit.
    pub limit: usize,
}

impl CommitDraft {
    /// Holds the limits, so that nothing is sent that is refused anyway.
    pub(crate) fn new(
        payload: Vec<u8>,
        before: &Tree,
        after: GroupSnapshot,
        welcomes: Vec<Welcome>,
    ) -> Result<Self, TooLarge> {
        let GroupSnapshot { group_info, tree } = after;
        check_size("change", payload.len(), limits::COMMIT)?;
        check_size("group information", group_info.len(), limits::GROUP_INFO)?;
        check_size("ratchet tree", tree.size(), limits::TREE)?;
        let longest = welcomes.iter().map(|welcome| welcome.message.len()).max();
        check_size("invitation", longest.unwrap_or_default(), limits::WELCOME)?;
        let group = GroupUpdate { group_info, tree: TreeChange::between(before, &tree) };
        Ok(Self { payload, bundle: CommitBundle { group, welcomes }, tree })
    }

    /// The same, with the whole tree in place of what changes.
    #[must_use]
    pub fn with_whole_tree(mut self) -> Self {
        self.bundle.group.tree = TreeChange::whole(&self.tree);
        self
    }
}

fn check_size(part: &'static str, size: usize, limit: usize) -> Result<(), TooLarge> {
    if size > limit { Err(TooLarge { part, size, limit }) } else { Ok(()) }
}

/// Why a commit cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The one before waits for its fate.
    #[error("a change of this room is on its way: wait for it")]
    Pending,
    /// A device cannot be added; leave it out and try again.
    #[error("{device} cannot be added: {reason}")]
    KeyPackage {
        /// Which device.
        device: DeviceId,
        /// What is wrong with its key package.
        reason: KeyPackageError,
    },
    /// A device is in the room already.
    #[error("{0} is a member already")]
    AlreadyMember(DeviceId),
    /// A device to be removed is not in the room.
    #[error("{0} is no member")]
    NotAMember(DeviceId),
    /// Nobody removes itself by a commit.
    #[error("a device cannot remove itself: it leaves, and another member removes it")]
    Myself,
    /// More Welcomes than one commit carries.
    #[error("{0} devices are too many for one change, at most {max}: add them in parts", max = limits::WELCOMES)]
    TooMany(usize),
    /// Larger than the server takes.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The others would refuse it.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The others would refuse it.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// MLS refuses.
    #[error("the change cannot be made: {0}")]
    Mls(String),
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> Self {
        failure.rule().map_or_else(|| Self::Mls(failure.to_string()), Self::Rule)
    }
}

impl From<CredentialError> for CommitError {
    fn from(error: CredentialError) -> Self {
        Self::Change(error.into())
    }
}

/// Why a commit of this device that was stored is void.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// There is none.
    #[error("no change of this room is on its way")]
    NotPending,
    /// The certificate of a new leaf is not valid at the record's time: all members skip the commit, and so does this
    /// device. The group stays as it was; a group that was being joined is of no use.
    #[error("the change came too late, it is void: {0}")]
    Late(#[from] CredentialError),
    /// The lifetime of a key package does not hold the record's time: as above.
    #[error("the change came too late, it is void: the key package of an added device is out of date")]
    LateKeyPackage,
    /// MLS cannot apply what it made.
    #[error("the change cannot be applied ({0}): rejoin the room")]
    Mls(String),
}

impl RoomGroup {
    /// Adds devices by their key packages.
    pub fn add(
        &mut self,
        key_packages: &[ClaimedKeyPackage],
        now: Timestamp,
    ) -> Result<CommitDraft, CommitError> {
        if key_packages.len() > limits::WELCOMES {
            return Err(CommitError::TooMany(key_packages.len()));
        }
        let members = self.roster();
        let check = |claimed: &ClaimedKeyPackage| {
            let device = claimed.device;
            if members.iter().any(|member| member.device == device) {
                return Err(CommitError::AlreadyMember(device));
            }
            CheckedKeyPackage::check(claimed, self.suite, self.me.credentials(), now)
                .map_err(|reason| CommitError::KeyPackage { device, reason })
        };
        let added = key_packages.iter().map(check).collect::<Result<Vec<_>, _>>()?;
        let mut joined: Vec<_> = added.iter().map(|it| it.device).collect();
        joined.sort_unstable();
        if let Some(twice) =
            joined.windows(2).find_map(|pair| (pair.first() == pair.last()).then(|| pair.first()))
        {
            return Err(twice.copied().map_or(CommitError::Myself, CommitError::AlreadyMember));
        }
        let statement = Statement { joined, ..Statement::default() };
        self.draft(Plan { statement, added, ..Plan::default() }, now)
    }

    /// Removes `devices` by right of role, and those that have left by their notices.
    pub fn remove(
        &mut self,
        devices: &[DeviceId],
        leaves: &[LeaveNotice],
        now: Timestamp,
    ) -> Result<CommitDraft, CommitError> {
        let mut removed: Vec<_> =
            devices.iter().copied().chain(leaves.iter().map(|notice| notice.device)).collect();
        removed.sort_unstable();
        removed.dedup();
        if removed.contains(&self.me.id()) {
            return Err(CommitError::Myself);
        }
        let tree = self.group.export_tree();
        let view = self.view(&tree);
        let index = |device: &DeviceId| Ok(view.find(*device)?.ok_or(CommitError::NotAMember(*device))?.0);
        let removals = removed.iter().map(index).collect::<Result<Vec<_>, CommitError>>()?;
        let statement = Statement { removed, leaves: leaves.to_vec(), ..Statement::default() };
        check_removals(self.me.id(), &statement, &self.policy, self.room, view)?;
        self.draft(Plan { statement, removals, ..Plan::default() }, now)
    }

    /// Renews this device's keys in the room, and its certificate if there is a newer one.
    pub fn update(&mut self, now: Timestamp) -> Result<CommitDraft, CommitError> {
        self.draft(Plan::default(), now)
    }

    /// Changes what the members agree on. For administrators.
    pub fn set_policy(&mut self, policy: RoomPolicy, now: Timestamp) -> Result<CommitDraft, CommitError> {
        let statement = Statement { admins: Some(policy.admins().to_vec()), ..Statement::default() };
        self.draft(Plan { statement, policy: Some(policy), ..Plan::default() }, now)
    }

    /// The pending commit was stored at `time`: goes into the epoch it began.
    pub fn accept_commit(&mut self, time: Timestamp) -> Result<EpochChange, AcceptError> {
        let pending = self.own.pending.clone().ok_or(AcceptError::NotPending)?;
        let mut group = MlsGroup::clone(&self.group);
        if !pending.joins {
            guarded(|| group.apply_pending_commit()).map_err(|error| AcceptError::Mls(error.to_string()))?;
        }
        let policy = RoomPolicy::from_extensions(&group.context().extensions);
        let policy = policy.map_err(|error: PolicyError| AcceptError::Mls(error.to_string()))?;
        if let Err(error) = self.check_times(&group, &pending.change, time) {
            self.discard_commit();
            return Err(error);
        }
        self.settle();
        (self.group, self.policy) = (group.into(), policy);
        Ok(pending.change)
    }

    /// The pending commit will not be stored. A group that was being joined is of no use afterwards.
    pub fn discard_commit(&mut self) {
        self.group.keys_mut().clear_pending_commit();
        self.settle();
    }

    /// The fate of the pending commit is known; its echo is still recognised.
    pub(crate) fn settle(&mut self) {
        if let Some(pending) = self.own.pending.take() {
            self.own.settled = Some(pending.hash);
        }
    }

    /// The checks that MLS made at drafting time, at the time that counts: the receivers make them then.
    fn check_times(
        &self,
        group: &MlsGroup,
        change: &EpochChange,
        time: Timestamp,
    ) -> Result<(), AcceptError> {
        let tree = group.export_tree();
        let view = self.view(&tree);
        for device in change.joined.iter().chain([&change.by]) {
            let found = view.find(*device)?;
            let (_, leaf) =
                found.ok_or_else(|| AcceptError::Mls(format!("{device} is not in the new tree")))?;
            check_time(leaf, self, time)?;
        }
        Ok(())
    }

    fn draft(&mut self, plan: Plan, now: Timestamp) -> Result<CommitDraft, CommitError> {
        if self.has_pending_commit() {
            return Err(CommitError::Pending);
        }
        let mut group = MlsGroup::clone(&self.group);
        let output = guarded(|| plan.build(&mut group, self, now))?;
        let draft = self.package(&plan, &output)?;
        let Statement { joined, removed, .. } = plan.statement;
        let epoch = group.current_epoch() + 1;
        let change =
            EpochChange { epoch, by: self.me.id(), joined, removed, external: false, i_am_removed: false };
        self.group = group.into();
        self.own.pending = Some(Pending { hash: hash(&draft.payload), change, joins: false });
        Ok(draft)
    }

    fn package(&self, plan: &Plan, output: &CommitOutput) -> Result<CommitDraft, CommitError> {
        let missing = || CommitError::Mls("the library gave no group information".to_owned());
        let group_info = output.external_commit_group_info.as_ref().ok_or_else(missing)?;
        let tree = output.ratchet_tree.as_ref().ok_or_else(missing)?;
        let (payload, group_info) =
            guarded(|| Ok((output.commit_message.to_bytes()?, group_info.to_bytes()?)))?;
        let policy = plan.policy.as_ref().unwrap_or(&self.policy);
        let sealed = policy.seal_group_info(self.room, group_info);
        let group_info = sealed.map_err(|error| CommitError::Mls(error.to_string()))?;
        let tree = tree::to_wire(tree, policy.room_key(), self.room);
        let after = tree.map(|tree| GroupSnapshot { group_info, tree });
        let after = after.map_err(|error| CommitError::Mls(error.to_string()))?;
        let before = self.wire_tree().map_err(|error| CommitError::Mls(error.to_string()))?;
        Ok(CommitDraft::new(payload, &before, after, self.address(plan, output)?)?)
    }

    /// Finds the Welcome of each added device by the key package it names.
    fn address(&self, plan: &Plan, output: &CommitOutput) -> Result<Vec<Welcome>, CommitError> {
        let missing = || CommitError::Mls("the library gave no invitation".to_owned());
        let provider = Crypto.cipher_suite_provider(self.suite.mls()).ok_or_else(missing)?;
        let address = |added: &CheckedKeyPackage| {
            let reference =
                guarded(|| added.message.key_package_reference(&provider))?.ok_or_else(missing)?;
            let named = |welcome: &&mls_rs::MlsMessage| {
                welcome.welcome_key_package_references().contains(&&reference)
            };
            let welcome = output.welcome_messages.iter().find(named).ok_or_else(missing)?;
            Ok(Welcome { device: added.device, message: guarded(|| welcome.to_bytes())?.into() })
        };
        plan.added.iter().map(address).collect()
    }
}

/// What a commit shall do.
#[derive(Default)]
struct Plan {
    statement: Statement,
    added: Vec<CheckedKeyPackage>,
    removals: Vec<u32>,
    policy: Option<RoomPolicy>,
}

impl Plan {
    fn build(
        &self,
        group: &mut MlsGroup,
        room: &RoomGroup,
        now: Timestamp,
    ) -> Result<CommitOutput, MlsError> {
        let renewed = group.current_member_signing_identity()? != room.me.signing_identity();
        let mut builder = group.commit_builder().commit_time(mls_time(now));
        builder = builder.authenticated_data(codec::encode(&self.statement));
        if renewed {
            builder = builder.set_new_signing_identity(room.me.signer(), room.me.signing_identity().clone());
        }
        for added in &self.added {
            builder = builder.add_member(added.message.clone())?;
        }
        for index in &self.removals {
            builder = builder.raw_proposal(Proposal::Remove(RemoveProposal::removing(*index)?));
        }
        if let Some(policy) = &self.policy {
            builder = builder.set_group_context_ext(policy.to_extensions())?;
        }
        builder.build()
    }
}

fn check_time(leaf: &LeafNode, room: &RoomGroup, time: Timestamp) -> Result<(), AcceptError> {
    room.me.credentials().holder_at(&leaf.signing_identity, time)?;
    match &leaf.leaf_node_source {
        LeafNodeSource::KeyPackage(lifetime) => {
            let lifetime = lifetime.not_before..=lifetime.not_after;
            if lifetime.contains(&mls_time(time)) { Ok(()) } else { Err(AcceptError::LateKeyPackage) }
        }
        _ => Ok(()),
    }
}

/// By what the echo of a commit is recognised.
pub(crate) fn hash(payload: &[u8]) -> ByteVec {
    digest(&SHA256, payload).as_ref().to_vec().into()
}
