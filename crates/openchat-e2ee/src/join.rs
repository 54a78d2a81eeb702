//! Joining a room: from outside by an external commit, or by a Welcome.

use mls_rs::MlsMessage;
use mls_rs::error::MlsError;
use mls_rs::group::{ExportedTree, GroupContext};
use mls_rs::storage_provider::in_memory::InMemoryKeyPackageStorage;
use mls_rs_core::key_package::KeyPackageStorage;
use openchat_protocol::room::{JoinInfo, PendingWelcome};
use openchat_protocol::statement::Statement;
use openchat_protocol::{DeviceId, RoomId, RoomName, Timestamp, codec};
use zeroize::Zeroizing;

use crate::change::{EpochChange, View};
use crate::commit::{CommitDraft, TooLarge, hash};
use crate::credential::CredentialError;
use crate::device::{Device, MlsGroup};
use crate::guard::{Failure, guarded};
use crate::key_package::{self, parse};
use crate::policy::{PolicyError, RoomKey, RoomPolicy, UnsealError, unseal};
use crate::room_group::RoomGroup;
use crate::rules::RuleError;
use crate::state::{OwnCommits, Pending, StateStorage};
use crate::suites::Suite;
use crate::tree::{self, TreeError};

/// Why a room cannot be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// What the server gave belongs to another room.
    #[error("the server gave the group of another room")]
    OtherRoom,
    /// The group calls itself something else than the server does.
    #[error("the server lists this room as {listed}, its members call it #{name}")]
    OtherName {
        /// The name inside the group.
        name: RoomName,
        /// What the server says.
        listed: String,
    },
    /// The group's policy is not one.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The group information does not open with the room key.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
    /// A suite this build does not have.
    #[error("the room uses cipher suite {0:#06x}, which this build does not have: update OpenChat")]
    Suite(u16),
    /// The certificate of this device, or of a member, is refused.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The rules of the room keep this device out.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The Welcome is for a key package that is not here any more.
    #[error("the invitation uses a key package that this device no longer has: ask to be added again")]
    KeyPackageUnknown,
    /// The Welcome is for a key package of an earlier device key.
    #[error("the invitation was made for an earlier key of this device: rejoin the room")]
    KeyRenewed,
    /// The room has outgrown what the server takes.
    #[error("the room is full: {0}")]
    TooLarge(#[from] TooLarge),
    /// The bytes are malformed, or do not belong together.
    #[error("the room cannot be joined: {0}")]
    Mls(String),
}

impl From<TreeError> for JoinError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Sealed(error) => error.into(),
            TreeError::Mls(failure) => failure.into(),
        }
    }
}

impl From<Failure> for JoinError {
    fn from(failure: Failure) -> Self {
        match (failure.rule(), failure) {
            (Some(rule), _) => Self::Rule(rule),
            (None, Failure::Mls(MlsError::WelcomeKeyPackageNotFound)) => Self::KeyPackageUnknown,
            (None, failure) => Self::Mls(failure.to_string()),
        }
    }
}

/// A room that was joined by a Welcome.
#[derive(Debug)]
pub struct Joined {
    /// The group, in the epoch that began with this device.
    pub group: RoomGroup,
    /// Who added this device.
    pub by: DeviceId,
    /// The key package that was used. Delete its secret, unless it is the last resort.
    pub key_package: Vec<u8>,
}

/// A room's group as the server gives it to somebody outside, opened and checked.
struct Outside {
    group_info: MlsMessage,
    tree: ExportedTree<'static>,
    suite: Suite,
    policy: RoomPolicy,
}

impl Outside {
    fn open(info: &JoinInfo, room_key: Option<&RoomKey>) -> Result<Self, JoinError> {
        let group_info = unseal(room_key, info.room, &info.group.group_info)?;
        let group_info = parse(&group_info).ok_or_else(malformed)?;
        let context = group_info.as_group_info().ok_or_else(malformed)?.group_context();
        let (suite, policy) = read_context(context, info.room)?;
        check_name(&policy, info.name.as_ref())?;
        if policy.room_key() != room_key {
            return Err(UnsealError.into());
        }
        let tree = tree::from_wire(&info.group.tree, room_key, info.room)?;
        Ok(Self { group_info, tree, suite, policy })
    }

    /// The external commit, which states what it does. No time is given: MLS would hold it against the members that are
    /// there, and one expired certificate would keep everybody out.
    fn commit(
        self,
        me: &Device,
        storage: &StateStorage,
        statement: &Statement,
        old_leaf: Option<u32>,
    ) -> Result<(MlsGroup, Vec<u8>), Failure> {
        let client = me.client(self.suite, storage);
        guarded(|| {
            let mut builder = client.external_commit_builder()?.with_tree_data(self.tree);
            builder = builder.with_authenticated_data(codec::encode(statement));
            if let Some(index) = old_leaf {
                builder = builder.with_removal(index);
            }
            let (group, commit) = builder.build(self.group_info)?;
            Ok((group, commit.to_bytes()?))
        })
    }
}

impl Device {
    /// Joins from outside (RFC 9420 §12.4.3.2): a listed room by its name, or one that this user is in already, with its
    /// room key when it is private. An old leaf of this device goes with it.
    ///
    /// The group is in the new epoch at once, and is worth nothing until [`RoomGroup::accept_commit`]: if the commit is
    /// not stored, drop the group and join again.
    pub fn join_external(
        &self,
        info: &JoinInfo,
        room_key: Option<&RoomKey>,
        now: Timestamp,
    ) -> Result<(RoomGroup, CommitDraft), JoinError> {
        self.check_certificate(now)?;
        let outside = Outside::open(info, room_key)?;
        let (suite, policy, storage) = (outside.suite, outside.policy.clone(), StateStorage::default());
        let old = View { tree: &outside.tree, credentials: self.credentials() }.find(self.id())?;
        let old_leaf = old.map(|(index, _)| index);
        let removed: Vec<_> = old_leaf.map(|_| self.id()).into_iter().collect();
        let statement = Statement { joined: vec![self.id()], removed, ..Statement::default() };
        let (group, commit) = outside.commit(self, &storage, &statement, old_leaf)?;
        let Statement { joined, removed, .. } = statement;
        let epoch = group.current_epoch();
        let change =
            EpochChange { epoch, by: self.id(), joined, removed, external: true, i_am_removed: false };
        let pending = Some(Pending { hash: hash(&commit), change, joins: true });
        let own = OwnCommits { pending, settled: None };
        let (me, room) = (self.clone(), info.room);
        let group = RoomGroup { me, group: group.into(), storage, room, suite, policy, own };
        let snapshot = group.snapshot().map_err(|error| JoinError::Mls(error.to_string()))?;
        Ok((group, CommitDraft::new(commit, &info.group.tree, snapshot, Vec::new())?))
    }

    /// Joins by a Welcome (RFC 9420 §12.4.3.1). `secret` finds a [`crate::KeyPackageSecret::secret`] by its id.
    pub fn join_welcome(
        &self,
        pending: &PendingWelcome,
        mut secret: impl FnMut(&[u8]) -> Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Joined, JoinError> {
        let (room, storage) = (pending.room, StateStorage::default());
        let welcome = parse(&pending.welcome).ok_or_else(malformed)?;
        let suite = welcome.cipher_suite().map_or(0, u16::from);
        let suite = Suite::from_id(suite).ok_or(JoinError::Suite(suite))?;
        let mut key_packages = InMemoryKeyPackageStorage::new();
        let key_package =
            fill(&mut key_packages, &welcome, &mut secret).ok_or(JoinError::KeyPackageUnknown)?;
        let client = self.client_with(suite, &storage, key_packages, key_package::LIFETIME);
        // In a private room the key to the tree is in the Welcome.
        let context = guarded(|| Ok(client.examine_welcome_message(&welcome)?.group_context().clone()))?;
        let (suite, policy) = read_context(&context, room)?;
        let tree = tree::from_wire(&pending.tree, policy.room_key(), room)?;
        let (group, info) = guarded(|| client.join_group(Some(tree), &welcome, None))?;
        // Another certificate for the same key goes into the room with the next commit.
        let leaf = group.current_member_signing_identity().map_err(Failure::from)?;
        if leaf.signature_key != self.signing_identity().signature_key {
            return Err(JoinError::KeyRenewed);
        }
        let (me, own) = (self.clone(), OwnCommits::default());
        let group = RoomGroup { me, group: group.into(), storage, room, suite, policy, own };
        let by = group.device_at(info.sender).map_err(|error| JoinError::Mls(error.to_string()))?;
        Ok(Joined { group, by, key_package })
    }
}

fn malformed() -> JoinError {
    JoinError::Mls("the group information is malformed".to_owned())
}

/// The suite and policy in a group context, which must be the room's.
fn read_context(context: &GroupContext, room: RoomId) -> Result<(Suite, RoomPolicy), JoinError> {
    if context.group_id != room.as_bytes() {
        return Err(JoinError::OtherRoom);
    }
    let suite = context.cipher_suite.into();
    let suite = Suite::from_id(suite).ok_or(JoinError::Suite(suite))?;
    Ok((suite, RoomPolicy::from_extensions(&context.extensions)?))
}

/// The server must not pass off one room as another.
fn check_name(policy: &RoomPolicy, listed: Option<&RoomName>) -> Result<(), JoinError> {
    if policy.is_listed().then_some(policy.name()) == listed {
        return Ok(());
    }
    let listed = listed.map_or_else(|| "private".to_owned(), |name| format!("#{name}"));
    Err(JoinError::OtherName { name: policy.name().clone(), listed })
}

/// Puts the secrets that `welcome` asks for into `storage`, and says which.
fn fill(
    storage: &mut InMemoryKeyPackageStorage,
    welcome: &MlsMessage,
    secret: &mut impl FnMut(&[u8]) -> Option<Zeroizing<Vec<u8>>>,
) -> Option<Vec<u8>> {
    welcome.welcome_key_package_references().into_iter().find_map(|reference| {
        let id = reference.to_vec();
        let data = key_package::from_vault(&secret(&id)?)?;
        KeyPackageStorage::insert(storage, id.clone(), data).ok()?;
        Some(id)
    })
}
