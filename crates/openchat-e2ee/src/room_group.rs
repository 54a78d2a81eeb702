//! A room's group on this device: who is in it, what may be said and derived in its present epoch.

use std::fmt;

use mls_rs::group::ExportedTree;
use openchat_protocol::append::GroupSnapshot;
use openchat_protocol::statement::LeaveNotice;
use openchat_protocol::tree::Tree;
use openchat_protocol::{DeviceId, RoomId, Timestamp, Uid, limits};
use zeroize::Zeroizing;

use crate::change::{ChangeError, View};
use crate::content::{Content, ContentError};
use crate::device::Device;
use crate::fernet::{self, FernetKey};
use crate::guard::{Failure, guarded};
use crate::leave::{self, LeaveError};
use crate::live::LiveGroup;
use crate::policy::RoomPolicy;
use crate::state::{GroupState, OwnCommits, StateError, StateStorage};
use crate::suites::Suite;
use crate::tree;

/// Why a message cannot be sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It does not fit.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// MLS cannot seal, which an intact group always can.
    #[error("the message cannot be sealed ({0}): rejoin the room")]
    Mls(String),
}

/// One device in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its place among the leaves of the ratchet tree.
    pub leaf: u32,
    /// Which device of which user.
    pub device: DeviceId,
    /// Whether it is this one.
    pub is_me: bool,
    /// When its certificates end. It stays a member after that.
    pub expires: Timestamp,
    /// The device's key, as lists of devices have it ([`key_hash`](openchat_identity::device_list::key_hash)).
    pub key: [u8; 32],
}

/// A room's group on this device.
///
/// Methods that fail leave the group as it was.
pub struct RoomGroup {
    pub(crate) me: Device,
    pub(crate) group: LiveGroup,
    pub(crate) storage: StateStorage,
    pub(crate) room: RoomId,
    pub(crate) suite: Suite,
    pub(crate) policy: RoomPolicy,
    pub(crate) own: OwnCommits,
}

impl RoomGroup {
    /// Which room.
    pub fn room(&self) -> RoomId {
        self.room
    }

    /// How it is encrypted.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// How many commits made the group what it is.
    pub fn epoch(&self) -> u64 {
        self.group.current_epoch()
    }

    /// What its members agree on.
    pub fn policy(&self) -> &RoomPolicy {
        &self.policy
    }

    /// Whether `uid` may remove others and change the policy.
    pub fn is_admin(&self, uid: Uid) -> bool {
        self.policy.is_admin(uid)
    }

    /// Every device in the room, by leaf.
    pub fn roster(&self) -> Vec<Member> {
        let me = self.group.current_member_index();
        let member = |member: mls_rs::group::Member| {
            let leaf = member.index;
            let holder = self.me.credentials().holder(&member.signing_identity).ok()?;
            let (device, expires, key) = (holder.device, holder.expires, holder.key);
            Some(Member { leaf, device, is_me: leaf == me, expires, key })
        };
        self.group.roster().members_iter().filter_map(member).collect()
    }

    /// The identity key of a member (SubjectPublicKeyInfo, DER), as the chain of one of its leaves proves it.
    pub fn identity_key(&self, uid: Uid) -> Option<Vec<u8>> {
        let credentials = self.me.credentials();
        let is_of = |member: &mls_rs::group::Member| {
            credentials.holder(&member.signing_identity).is_ok_and(|holder| holder.device.uid == uid)
        };
        let leaf = self.group.roster().members_iter().find(is_of)?;
        credentials.identity_key(&leaf.signing_identity).ok()
    }

    /// The certificates of a member's device, as its leaf has them: device, identity, issuing, successors of the root (X.509, DER).
    pub fn chain(&self, device: DeviceId) -> Option<Vec<Vec<u8>>> {
        let credentials = self.me.credentials();
        let is_it = |member: &mls_rs::group::Member| {
            credentials.holder(&member.signing_identity).is_ok_and(|holder| holder.device == device)
        };
        let leaf = self.group.roster().members_iter().find(is_it)?;
        let chain = leaf.signing_identity.credential.as_x509()?;
        Some(chain.iter().map(|certificate| certificate.to_vec()).collect())
    }

    /// Whether a commit of this device waits for its fate: see [`Self::accept_commit`].
    pub fn has_pending_commit(&self) -> bool {
        self.own.pending.is_some()
    }

    /// Whether this device's leaf still carries an earlier certificate: [`Self::update`] renews it.
    pub fn is_renewal_due(&self) -> bool {
        self.group.current_member_signing_identity().is_ok_and(|leaf| leaf != self.me.signing_identity())
    }

    /// Seals a message: the payload of a record. Store [`Self::state`] before it is sent, or its key is used twice.
    pub fn seal(&mut self, content: &Content) -> Result<Vec<u8>, SealError> {
        let padded = Zeroizing::new(content.to_padded()?);
        let sealed =
            guarded(|| self.group.keys_mut().encrypt_application_message(&padded, Vec::new())?.to_bytes());
        let sealed = sealed.map_err(|error| SealError::Mls(error.to_string()))?;
        debug_assert!(sealed.len() <= limits::MESSAGE, "content::MAXIMUM leaves room for what MLS adds");
        Ok(sealed)
    }

    /// The notice by which this device leaves: the payload of a record. Nothing changes until a member removes it.
    pub fn leave_notice(&self) -> Result<LeaveNotice, LeaveError> {
        let tree = self.group.export_tree();
        let leaf = self.view(&tree).leaf(self.group.current_member_index());
        leave::sign(self.me.key(), self.room, self.me.id(), leaf.ok_or(LeaveError::NotAMember(self.me.id()))?)
    }

    /// Checks that `notice` is by a member, about its present leaf.
    pub fn check_leave(&self, notice: &LeaveNotice) -> Result<(), LeaveError> {
        crate::change::check_notice(notice, self.room, self.view(&self.group.export_tree()))
    }

    /// A secret that all members have in this epoch and nobody has outside it (RFC 9420 §8.5).
    pub fn room_secret(&self, label: &str) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let secret = guarded(|| self.group.export_secret(label.as_bytes(), self.room.as_bytes(), 32));
        let secret = secret.map_err(|error| SealError::Mls(error.to_string()))?;
        let bytes = secret
            .as_bytes()
            .try_into()
            .map_err(|_| SealError::Mls("a secret of another length".to_owned()))?;
        Ok(Zeroizing::new(bytes))
    }

    /// The Fernet key of this epoch.
    pub fn fernet_key(&self) -> Result<FernetKey, SealError> {
        Ok(FernetKey::from_bytes(self.room_secret(fernet::LABEL)?))
    }

    /// How to join this epoch from outside: for the server, sealed when the room is private.
    pub fn snapshot(&self) -> Result<GroupSnapshot, SealError> {
        let group_info = guarded(|| self.group.group_info_message_allowing_ext_commit(false)?.to_bytes());
        let group_info = group_info.map_err(|error| SealError::Mls(error.to_string()))?;
        let sealed = self.policy.seal_group_info(self.room, group_info);
        let group_info = sealed.map_err(|error| SealError::Mls(error.to_string()))?;
        Ok(GroupSnapshot { group_info, tree: self.wire_tree()? })
    }

    /// The ratchet tree of this epoch, as the server has it.
    pub(crate) fn wire_tree(&self) -> Result<Tree, SealError> {
        let tree = tree::to_wire(&self.group.export_tree(), self.policy.room_key(), self.room);
        tree.map_err(|error| SealError::Mls(error.to_string()))
    }

    /// The group as it is to be stored: after every change, in the transaction that stores what the change was for.
    pub fn state(&mut self) -> Result<GroupState, StateError> {
        let failed = |error: Failure| StateError::Mls(error.to_string());
        guarded(|| self.group.keys_mut().write_to_storage_without_ratchet_tree()).map_err(failed)?;
        Ok(GroupState {
            suite: self.suite,
            room: self.room,
            snapshot: self.storage.take(),
            tree: self.group.tree_bytes().map_err(failed)?,
            own: self.own.clone(),
        })
    }

    pub(crate) fn view<'a>(&'a self, tree: &'a ExportedTree<'a>) -> View<'a> {
        View { tree, credentials: self.me.credentials() }
    }

    /// Who holds the leaf at `index`.
    pub(crate) fn device_at(&self, index: u32) -> Result<DeviceId, ChangeError> {
        let member = self.group.member_at_index(index).ok_or(ChangeError::NoSuchMember)?;
        Ok(self.me.credentials().holder(&member.signing_identity)?.device)
    }
}

impl fmt::Debug for RoomGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomGroup")
            .field("room", &self.room)
            .field("me", &self.me.id())
            .field("epoch", &self.epoch())
            .finish_non_exhaustive()
    }
}
