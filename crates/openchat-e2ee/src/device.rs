//! This device as a member of rooms: it makes them, joins them, and loads the ones it is in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mls_rs::client_builder::{
    BaseConfig, ClientBuilder, WithCryptoProvider, WithGroupStateStorage, WithIdentityProvider, WithMlsRules,
};
use mls_rs::group::ExportedTree;
use mls_rs::identity::SigningIdentity;
use mls_rs::storage_provider::in_memory::InMemoryKeyPackageStorage;
use mls_rs::{Client, ExtensionList, Group};
use mls_rs_core::crypto::{SignaturePublicKey, SignatureSecretKey};
use openchat_identity::{DeviceKey, TrustAnchor};
use openchat_protocol::append::GroupSnapshot;
use openchat_protocol::{DeviceId, RoomId, Timestamp};

use crate::credential::{self, CredentialError, Credentials, mls_time};
use crate::guard::{Failure, guarded};
use crate::key_package::{self, KeyPackageSecret};
use crate::policy::{self, RoomPolicy};
use crate::room_group::RoomGroup;
use crate::rules::RoomRules;
use crate::state::{GroupState, OwnCommits, StateError, StateStorage};
use crate::suites::{Crypto, Suite};

pub(crate) type Config = WithMlsRules<
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

impl From<Failure> for DeviceError {
    fn from(failure: Failure) -> Self {
        Self::Mls(failure.to_string())
    }
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
    /// A device with the chain [device, identity, issuing, successors of the root] (DER) below the pinned authority.
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
        let client = self.client(suite, &storage);
        let extensions = policy.to_extensions();
        let id = room.as_bytes().to_vec();
        let group = guarded(|| {
            client.create_group_with_id(id, extensions, ExtensionList::new(), Some(mls_time(now)))
        })?;
        let own = OwnCommits::default();
        let group = RoomGroup { me: self.clone(), group: group.into(), storage, room, suite, policy, own };
        let snapshot = group.snapshot().map_err(|error| DeviceError::Mls(error.to_string()))?;
        Ok((group, snapshot))
    }

    /// The group that [`RoomGroup::state`] stored.
    pub fn load(&self, state: &GroupState) -> Result<RoomGroup, StateError> {
        let storage = StateStorage::with(&state.snapshot);
        let client = self.client(state.suite, &storage);
        let group = guarded(|| {
            let tree = ExportedTree::from_bytes(&state.tree)?;
            client.load_group_with_ratchet_tree(state.room.as_bytes(), tree)
        });
        let group = group.map_err(|error| StateError::Mls(error.to_string()))?;
        let policy = RoomPolicy::from_extensions(&group.context().extensions);
        let policy = policy.map_err(|error| StateError::Mls(error.to_string()))?;
        let (me, own) = (self.clone(), state.own.clone());
        Ok(RoomGroup { me, group: group.into(), storage, room: state.room, suite: state.suite, policy, own })
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
        let client = self.client_with(suite, &StateStorage::default(), storage.clone(), lifetime);
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
    pub(crate) fn check_certificate(&self, now: Timestamp) -> Result<(), CredentialError> {
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

    /// MLS for one group, without a key package.
    pub(crate) fn client(&self, suite: Suite, storage: &StateStorage) -> Client<Config> {
        self.client_with(suite, storage, InMemoryKeyPackageStorage::new(), key_package::LIFETIME)
    }

    pub(crate) fn client_with(
        &self,
        suite: Suite,
        storage: &StateStorage,
        key_packages: InMemoryKeyPackageStorage,
        lifetime: Duration,
    ) -> Client<Config> {
        ClientBuilder::new()
            .crypto_provider(Crypto)
            .identity_provider(self.0.credentials.clone())
            .group_state_storage(storage.clone())
            .key_package_repo(key_packages)
            .mls_rules(RoomRules::new(self.0.credentials.clone()))
            .extension_type(policy::EXTENSION)
            .key_package_lifetime(lifetime)
            .signing_identity(self.0.identity.clone(), self.signer(), suite.mls())
            .build()
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.0.id)
    }
}
