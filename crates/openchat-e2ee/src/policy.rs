//! What all members of a room agree on beside the keys: its name, its administrators, and who may come in.
//!
//! The policy stands in the group context (RFC 9420 §12.1.7), so every epoch's keys are bound to it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use mls_rs::extension::ExtensionType;
use mls_rs::{Extension, ExtensionList};
use openchat_protocol::{RoomId, RoomName, Uid, codec, limits};
use zeroize::Zeroizing;

/// Private use (RFC 9420 §17.3).
pub(crate) const EXTENSION: ExtensionType = ExtensionType::new(0xF0C1);

const VERSION: u16 = 1;
const NONCE: usize = 12;

/// A group context without a policy that this build understands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// There is no policy at all: the group was not made as a room.
    #[error("the group has no room policy, so it is no OpenChat room")]
    Missing,
    /// The bytes are not a policy.
    #[error("the room policy is malformed: {0}")]
    Malformed(#[from] codec::DecodeError),
    /// A policy of a newer build.
    #[error("the room policy has version {0}, this build knows {VERSION}: a newer OpenChat is needed")]
    Version(u16),
    /// A room without an administrator could never be governed.
    #[error("the room policy names no administrator")]
    NoAdministrator,
    /// More than the server keeps.
    #[error("the room policy names {0} administrators, at most {max} fit", max = limits::ADMINISTRATORS)]
    Administrators(usize),
    /// The group context carries something beside the policy, and members could not agree on what it means.
    #[error("the group context has an extension that is not the room policy")]
    Extra,
}

/// A value under the room key that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the room's group information does not open: it belongs to another room, or was sealed under another room key"
)]
pub struct UnsealError;

/// What the server must not see of a private room (its GroupInfo, tree and name) is sealed under this key. Members
/// hold it in the policy; it stays the same when members go, so that a member who lost an epoch can come back.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomKey(Zeroizing<[u8; 32]>);

impl RoomKey {
    /// A new random key.
    pub fn generate() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *key)?;
        Ok(Self(key))
    }

    /// The key with these bytes, from a vault or a recovery kit.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for a vault or a recovery kit.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// AES-256-GCM under a random nonce, which stands in front. The room is authenticated with it.
    fn seal(&self, room: RoomId, mut plain: Vec<u8>) -> Result<ByteVec, UnsealError> {
        let nonce =
            self.aead()?.seal_in_place_append_tag(Aad::from(room.0), &mut plain).map_err(|_| UnsealError)?;
        Ok(ByteVec::from([&nonce.as_ref()[..], &plain].concat()))
    }

    fn open(&self, room: RoomId, sealed: &[u8]) -> Result<Vec<u8>, UnsealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(UnsealError)?;
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain =
            self.aead()?.open_in_place(nonce, Aad::from(room.0), &mut bytes).map_err(|_| UnsealError)?;
        Ok(plain.to_vec())
    }

    fn aead(&self) -> Result<RandomizedNonceKey, UnsealError> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.0[..]).map_err(|_| UnsealError)
    }
}

impl fmt::Debug for RoomKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomKey(..)")
    }
}

/// Who may come in, and what the server sees.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    Listed,
    Private(RoomKey),
}

/// What all members of a room agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPolicy {
    name: RoomName,
    admins: Vec<Uid>,
    access: Access,
}

impl RoomPolicy {
    /// A room that everybody may join by its public name.
    pub fn listed(name: RoomName, creator: Uid) -> Self {
        Self { name, admins: vec![creator], access: Access::Listed }
    }

    /// A room that members add others to; the server knows neither its name nor its tree.
    pub fn private(name: RoomName, creator: Uid, key: RoomKey) -> Self {
        Self { name, admins: vec![creator], access: Access::Private(key) }
    }

    /// The room's name.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// Who may remove others and change the policy. Sorted, never empty.
    pub fn admins(&self) -> &[Uid] {
        &self.admins
    }

    /// Whether `uid` is an administrator.
    pub fn is_admin(&self, uid: Uid) -> bool {
        self.admins.contains(&uid)
    }

    /// Whether everybody may join by name.
    pub fn is_listed(&self) -> bool {
        self.access == Access::Listed
    }

    /// The key of a private room.
    pub fn room_key(&self) -> Option<&RoomKey> {
        match &self.access {
            Access::Listed => None,
            Access::Private(key) => Some(key),
        }
    }

    /// The same policy with other administrators.
    pub fn with_admins(self, mut admins: Vec<Uid>) -> Result<Self, PolicyError> {
        admins.sort_unstable();
        admins.dedup();
        match admins.len() {
            0 => return Err(PolicyError::NoAdministrator),
            count if count > limits::ADMINISTRATORS => return Err(PolicyError::Administrators(count)),
            _ => {}
        }
        Ok(Self { admins, ..self })
    }

    /// The same policy with another name. Only a private room's name can change: the server knows the other ones.
    #[must_use]
    pub fn with_name(self, name: RoomName) -> Self {
        Self { name, ..self }
    }

    /// Whether an administrator may put `next` in place of this policy: what the server was told stays.
    pub(crate) fn permits(&self, next: &Self) -> bool {
        match (&self.access, &next.access) {
            (Access::Listed, Access::Listed) => self.name == next.name,
            (Access::Private(_), Access::Private(_)) => true,
            _ => false,
        }
    }

    pub(crate) fn to_extensions(&self) -> ExtensionList {
        let wire = Wire {
            version: VERSION,
            name: self.name.clone(),
            admins: self.admins.clone(),
            key: self.room_key().map(|key| ByteVec::from(key.0.to_vec())),
        };
        let mut extensions = ExtensionList::new();
        extensions.set(Extension::new(EXTENSION, codec::encode(&wire)));
        extensions
    }

    /// The policy in a group context, which must hold nothing else.
    pub(crate) fn from_extensions(extensions: &ExtensionList) -> Result<Self, PolicyError> {
        let extension = extensions.get(EXTENSION).ok_or(PolicyError::Missing)?;
        if extensions.len() != 1 {
            return Err(PolicyError::Extra);
        }
        let version: Version = codec::decode(extension.extension_data())?;
        if version.version != VERSION {
            return Err(PolicyError::Version(version.version));
        }
        let wire: Wire = codec::decode(extension.extension_data())?;
        wire.try_into()
    }

    /// What may be given to the server: sealed when the room is private.
    pub(crate) fn seal_group_info(&self, room: RoomId, group_info: Vec<u8>) -> Result<ByteVec, UnsealError> {
        match &self.access {
            Access::Listed => Ok(group_info.into()),
            Access::Private(key) => key.seal(room, group_info),
        }
    }
}

/// Opens a sealed GroupInfo; without a key it is as it is.
pub(crate) fn unseal(key: Option<&RoomKey>, room: RoomId, bytes: &[u8]) -> Result<Vec<u8>, UnsealError> {
    key.map_or_else(|| Ok(bytes.to_vec()), |key| key.open(room, bytes))
}

#[derive(Decode)]
#[cbor(map)]
struct Version {
    #[n(0)]
    version: u16,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Wire {
    #[n(0)]
    version: u16,
    #[n(1)]
    name: RoomName,
    #[n(2)]
    admins: Vec<Uid>,
    #[n(3)]
    key: Option<ByteVec>,
}

impl TryFrom<Wire> for RoomPolicy {
    type Error = PolicyError;

    fn try_from(wire: Wire) -> Result<Self, PolicyError> {
        let access = match wire.key {
            None => Access::Listed,
            Some(key) => {
                let length = |_| codec::DecodeError::Malformed("a room key of another length".to_owned());
                Access::Private(RoomKey::from_bytes(key.as_slice().try_into().map_err(length)?))
            }
        };
        Self { name: wire.name, admins: Vec::new(), access }.with_admins(wire.admins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private() -> RoomPolicy {
        RoomPolicy::private("den".parse().unwrap(), Uid([1; 16]), RoomKey::generate().unwrap())
    }

    #[test]
    fn a_policy_survives_the_group_context() {
        for policy in [private(), RoomPolicy::listed("lobby".parse().unwrap(), Uid([1; 16]))] {
            assert_eq!(RoomPolicy::from_extensions(&policy.to_extensions()), Ok(policy));
        }
    }

    #[test]
    fn nothing_else_may_stand_in_the_group_context() {
        let mut extensions = private().to_extensions();
        extensions.set(Extension::new(ExtensionType::new(0xF0FF), vec![]));
        assert_eq!(RoomPolicy::from_extensions(&extensions), Err(PolicyError::Extra));
        assert_eq!(RoomPolicy::from_extensions(&ExtensionList::new()), Err(PolicyError::Missing));
    }

    #[test]
    fn a_newer_policy_is_named_as_such() {
        let mut extensions = ExtensionList::new();
        extensions.set(Extension::new(EXTENSION, vec![0xa1, 0, 2]));
        assert_eq!(RoomPolicy::from_extensions(&extensions), Err(PolicyError::Version(2)));
    }

    #[test]
    fn what_the_server_was_told_cannot_change() {
        let listed = RoomPolicy::listed("lobby".parse().unwrap(), Uid([1; 16]));
        assert!(listed.permits(&listed.clone().with_admins(vec![Uid([2; 16])]).unwrap()));
        assert!(!listed.permits(&listed.clone().with_name("other".parse().unwrap())));
        assert!(!listed.permits(&private()));
        assert!(private().permits(&private().with_name("other".parse().unwrap())));
        assert_eq!(listed.with_admins(vec![]), Err(PolicyError::NoAdministrator));
    }

    #[test]
    fn the_room_key_is_not_shown() {
        let policy =
            RoomPolicy::private("den".parse().unwrap(), Uid([1; 16]), RoomKey::from_bytes([171; 32]));
        let shown = format!("{policy:?}");
        assert!(shown.contains("RoomKey(..)") && !shown.contains("171"), "{shown}");
    }

    #[test]
    fn a_sealed_part_opens_in_its_room_only() {
        let (key, room) = (RoomKey::generate().unwrap(), RoomId([1; 16]));
        let sealed = key.seal(room, b"tree".to_vec()).unwrap();
        assert_eq!(key.open(room, &sealed), Ok(b"tree".to_vec()));
        assert_eq!(key.open(RoomId([2; 16]), &sealed), Err(UnsealError));
        assert_eq!(RoomKey::generate().unwrap().open(room, &sealed), Err(UnsealError));
        assert_eq!(key.open(room, &sealed[..5]), Err(UnsealError));
    }
}
