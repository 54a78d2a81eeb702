//! This device as a member of rooms: it makes them, joins them, and loads the ones it is in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mls_rs::client_builder::{
    BaseConfig, ClientBuilder, WithCryptoProvider, WithGroupStateStorage, WithIdentityProvider, WithMlsRules,
};
use mls_rs::error::MlsError;
use mls_rs::group::{ExportedTree, GroupContext};
use mls_rs::identity::SigningIdentity;
use mls_rs::storage_provider::in_memory::InMemoryKeyPackageStorage;
use mls_rs::{Client, ExtensionList, Group, MlsMessage};
use mls_rs_core::crypto::{SignaturePublicKey, SignatureSecretKey};
use mls_rs_core::key_package::KeyPackageStorage;
use openchat_identity::{DeviceKey, TrustAnchor};
use openchat_protocol::append::GroupSnapshot;
use openchat_protocol::room::{JoinInfo, PendingWelcome};
use openchat_protocol::statement::Statement;
use openchat_protocol::{DeviceId, RoomId, RoomName, Timestamp, codec};
use zeroize::Zeroizing;

use crate::change::{EpochChange, View};
use crate::commit::{CommitDraft, bundle, hash};
use crate::credential::{self, CredentialError, Credentials, mls_time};
use crate::guard::{Failure, guarded};
use crate::key_package::{self, KeyPackageSecret};
use crate::policy::{self, PolicyError, RoomKey, RoomPolicy, UnsealError};
use crate::room_group::RoomGroup;
use crate::rules::{RoomRules, RuleError};
use crate::state::{GroupState, OwnCommits, Pending, StateError, StateStorage};
use crate::suites::{Crypto, Suite};

type Config = WithMlsRules<
    RoomRules,
    WithGroupStateStorage<
        StateStorage,
        WithIdentityProvider<Credentials, WithCryptoProvider<Crypto, BaseConfig>>,
    >,
>;

pub(crate) type MlsGroup = Group<Config>;

/// Why this device cannot be a member of rooms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Its certificates are refused.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// MLS cannot do what an intact device can.
    #[error("the encryption layer failed: {0}")]
    Mls(String),
    /// No randomness.
    #[error("the system's random number generator failed")]
    Random,
}

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
    /// The bytes are malformed, or do not belong together.
    #[error("the room cannot be joined: {0}")]
    Mls(String),
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

impl From<Failure> for DeviceError {
    fn from(failure: Failure) -> Self {
        Self::Mls(failure.to_string())
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

/// This device: its key, its certificates, and the authority it trusts. Clones are the same device.
#[derive(Clone)]
pub struct Device(Arc<Inner>);

struct Inner {
    id: DeviceId,
    expires: Timestamp,
    key: DeviceKey,
    identity: SigningIdentity,
    credentials: Credentials,
}

impl Device {
    /// A device with the chain [device, identity, issuing] (DER) below the pinned authority.
    pub fn new(key: DeviceKey, chain: &[Vec<u8>], anchor: TrustAnchor) -> Result<Self, DeviceError> {
        let public = SignaturePublicKey::new_slice(&key.public_point());
        let identity = SigningIdentity::new(credential::chain(chain).into_credential(), public);
        let credentials = Credentials::new(anchor);
        let holder = credentials.holder(&identity)?;
        Ok(Self(Arc::new(Inner { id: holder.device, expires: holder.expires, key, identity, credentials })))
    }

    /// Which device of which user.
    pub fn id(&self) -> DeviceId {
        self.0.id
    }

    /// When its certificates end.
    pub fn expires(&self) -> Timestamp {
        self.0.expires
    }

    /// Makes a room with this device as its only member, and how to join it from outside.
    pub fn create_room(
        &self,
        room: RoomId,
        policy: RoomPolicy,
        suite: Suite,
        now: Timestamp,
    ) -> Result<(RoomGroup, GroupSnapshot), DeviceError> {
        self.check_certificate(now)?;
        let storage = StateStorage::default();
        let client =
            self.client(suite, storage.clone(), InMemoryKeyPackageStorage::new(), Duration::from_secs(1));
        let extensions = policy.to_extensions();
        let id = room.as_bytes().to_vec();
        let group = guarded(|| {
            client.create_group_with_id(id, extensions, ExtensionList::new(), Some(mls_time(now)))
        })?;
        let own = OwnCommits::default();
        let group = RoomGroup { me: self.clone(), group, storage, room, suite, policy, own };
        let snapshot = group.snapshot().map_err(|error| DeviceError::Mls(error.to_string()))?;
        Ok((group, snapshot))
    }

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
        let room = info.room;
        let group_info = policy::unseal(room_key, room, &info.group.group_info)?;
        let message = key_package::parse(&group_info).ok_or_else(malformed)?;
        let context = message.as_group_info().ok_or_else(malformed)?.group_context().clone();
        let (suite, policy) = read_context(&context, room)?;
        check_name(&policy, info.name.as_ref())?;
        if policy.room_key() != room_key {
            return Err(UnsealError.into());
        }
        let tree = parse_tree(&policy::unseal(room_key, room, &info.group.tree)?)?;
        let old =
            View { tree: &tree, credentials: self.credentials() }.find(self.id())?.map(|(index, _)| index);
        let statement = Statement {
            joined: vec![self.id()],
            removed: old.map(|_| self.id()).into_iter().collect(),
            leaves: vec![],
        };
        let storage = StateStorage::default();
        let client =
            self.client(suite, storage.clone(), InMemoryKeyPackageStorage::new(), Duration::from_secs(1));
        // Without a time: else one member's expired certificate would keep everybody out.
        let (group, commit) = guarded(|| {
            let mut builder = client.external_commit_builder()?.with_tree_data(tree);
            builder = builder.with_authenticated_data(codec::encode(&statement));
            if let Some(index) = old {
                builder = builder.with_removal(index);
            }
            let (group, commit) = builder.build(message)?;
            Ok((group, commit.to_bytes()?))
        })?;
        let Statement { joined, removed, .. } = statement;
        let change = EpochChange {
            epoch: group.current_epoch(),
            by: self.id(),
            joined,
            removed,
            external: true,
            i_am_removed: false,
        };
        let own =
            OwnCommits { pending: Some(Pending { hash: hash(&commit), change, joins: true }), settled: None };
        let group = RoomGroup { me: self.clone(), group, storage, room, suite, policy, own };
        let snapshot = group.snapshot().map_err(|error| JoinError::Mls(error.to_string()))?;
        Ok((group, CommitDraft { payload: commit, bundle: bundle(snapshot, vec![]) }))
    }

    /// Joins by a Welcome (RFC 9420 §12.4.3.1). `secret` finds a [`KeyPackageSecret::secret`] by its id.
    pub fn join_welcome(
        &self,
        pending: &PendingWelcome,
        mut secret: impl FnMut(&[u8]) -> Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Joined, JoinError> {
        let welcome = key_package::parse(&pending.welcome).ok_or_else(malformed)?;
        let mut key_packages = InMemoryKeyPackageStorage::new();
        let key_package =
            fill(&mut key_packages, &welcome, &mut secret).ok_or(JoinError::KeyPackageUnknown)?;
        let suite = welcome.cipher_suite().map_or(0, u16::from);
        let suite = Suite::from_id(suite).ok_or(JoinError::Suite(suite))?;
        let storage = StateStorage::default();
        let client = self.client(suite, storage.clone(), key_packages, Duration::from_secs(1));
        let context = guarded(|| Ok(client.examine_welcome_message(&welcome)?.group_context().clone()))?;
        let (suite, policy) = read_context(&context, pending.room)?;
        let tree = parse_tree(&policy::unseal(policy.room_key(), pending.room, &pending.tree)?)?;
        let (group, info) = guarded(|| client.join_group(Some(tree), &welcome, None))?;
        if group.current_member_signing_identity().map_err(Failure::from)? != &self.0.identity {
            return Err(JoinError::KeyRenewed);
        }
        let (me, own) = (self.clone(), OwnCommits::default());
        let group = RoomGroup { me, group, storage, room: pending.room, suite, policy, own };
        let by = group.device_at(info.sender).map_err(|error| JoinError::Mls(error.to_string()))?;
        Ok(Joined { group, by, key_package })
    }

    /// The group that [`RoomGroup::state`] stored.
    pub fn load(&self, state: &GroupState) -> Result<RoomGroup, StateError> {
        let storage = StateStorage::with(&state.snapshot);
        let key_packages = InMemoryKeyPackageStorage::new();
        let client = self.client(state.suite, storage.clone(), key_packages, Duration::from_secs(1));
        let group = guarded(|| {
            let tree = ExportedTree::from_bytes(&state.tree)?;
            client.load_group_with_ratchet_tree(state.room.as_bytes(), tree)
        });
        let group = group.map_err(|error| StateError::Mls(error.to_string()))?;
        let policy = RoomPolicy::from_extensions(&group.context().extensions);
        let policy = policy.map_err(|error| StateError::Mls(error.to_string()))?;
        let (me, own) = (self.clone(), state.own.clone());
        Ok(RoomGroup { me, group, storage, room: state.room, suite: state.suite, policy, own })
    }

    /// New key packages for rooms of `suite`.
    pub fn key_packages(
        &self,
        suite: Suite,
        count: usize,
        last_resort: bool,
        now: Timestamp,
    ) -> Result<Vec<KeyPackageSecret>, DeviceError> {
        self.check_certificate(now)?;
        (0..count).map(|_| self.key_package(suite, last_resort, now)).collect()
    }

    fn key_package(
        &self,
        suite: Suite,
        last_resort: bool,
        now: Timestamp,
    ) -> Result<KeyPackageSecret, DeviceError> {
        let storage = InMemoryKeyPackageStorage::new();
        let (begin, lifetime) = key_package::lifetime(now, self.0.expires);
        let client = self.client(suite, StateStorage::default(), storage.clone(), lifetime);
        let extensions = key_package::extensions(last_resort)?;
        let public = guarded(|| {
            client
                .generate_key_package_message(extensions, ExtensionList::new(), Some(mls_time(begin)))?
                .to_bytes()
        })?;
        let made = storage.key_packages().into_iter().next();
        let (id, data) = made.ok_or_else(|| DeviceError::Mls("no key package was made".to_owned()))?;
        Ok(KeyPackageSecret { id, public, secret: key_package::to_vault(&data)?, last_resort })
    }

    /// Certificates are checked by others at the time of the record; this is the same question asked early.
    fn check_certificate(&self, now: Timestamp) -> Result<(), CredentialError> {
        self.0.credentials.holder_at(&self.0.identity, now).map(drop)
    }

    pub(crate) fn key(&self) -> &DeviceKey {
        &self.0.key
    }

    pub(crate) fn signer(&self) -> SignatureSecretKey {
        SignatureSecretKey::new_slice(&self.0.key.scalar()[..])
    }

    pub(crate) fn signing_identity(&self) -> &SigningIdentity {
        &self.0.identity
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    fn client(
        &self,
        suite: Suite,
        storage: StateStorage,
        key_packages: InMemoryKeyPackageStorage,
        lifetime: Duration,
    ) -> Client<Config> {
        ClientBuilder::new()
            .crypto_provider(Crypto)
            .identity_provider(self.0.credentials.clone())
            .group_state_storage(storage)
            .key_package_repo(key_packages)
            .mls_rules(RoomRules::new(self.0.credentials.clone()))
            .extension_type(policy::EXTENSION)
            .key_package_lifetime(lifetime)
            .signing_identity(self.0.identity.clone(), self.signer(), suite.mls())
            .build()
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

fn parse_tree(bytes: &[u8]) -> Result<ExportedTree<'static>, JoinError> {
    Ok(guarded(|| ExportedTree::from_bytes(bytes))?)
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

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.0.id)
    }
}
