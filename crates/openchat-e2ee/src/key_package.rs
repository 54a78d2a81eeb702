//! Key packages: how a device is added while it is away (RFC 9420 §10).

use std::fmt;

use mls_rs::extension::recommended::LastResortKeyPackageExt;
use mls_rs::group::LeafNode;
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::{ExtensionList, MlsMessage, WireFormat};
use mls_rs_core::crypto::{CipherSuite, HpkePublicKey};
use mls_rs_core::key_package::KeyPackageData;
use mls_rs_core::protocol_version::ProtocolVersion;
use openchat_protocol::account::ClaimedKeyPackage;
use openchat_protocol::{DeviceId, Timestamp, limits};
use std::time::Duration;
use zeroize::Zeroizing;

use crate::change::check_kem_key;
use crate::credential::{CredentialError, Credentials};
use crate::guard::{Failure, guarded};
use crate::suites::Suite;

/// How long a key package can be used, certificate permitting.
pub(crate) const LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// How far back a lifetime begins, so that a clock that is behind does not find it in the future.
const BACKDATED: Duration = Duration::from_secs(24 * 3600);

/// Why a claimed key package is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyPackageError {
    /// The bytes are no key package.
    #[error("it is malformed")]
    Malformed,
    /// For rooms of another cipher suite.
    #[error("it is for cipher suite {found:#06x}, the room uses {room:#06x}")]
    Suite {
        /// The key package's.
        found: u16,
        /// The room's.
        room: u16,
    },
    /// The server gave out another device's.
    #[error("it belongs to {0}: the server handed out the wrong one")]
    OtherDevice(DeviceId),
    /// Its certificates are refused.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// Nobody could encrypt to it.
    #[error("its encryption keys are unusable")]
    KemKey,
}

/// A key package of this device with its secrets.
pub struct KeyPackageSecret {
    /// By what a Welcome names it (RFC 9420 §5.2).
    pub id: Vec<u8>,
    /// For the server.
    pub public: Vec<u8>,
    /// For the vault. To be deleted when the key package was used, unless it is the last resort.
    pub secret: Zeroizing<Vec<u8>>,
    /// Whether it may be used again and again.
    pub last_resort: bool,
}

impl fmt::Debug for KeyPackageSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = data_encoding::HEXLOWER.encode(&self.id);
        f.debug_struct("KeyPackageSecret")
            .field("id", &id)
            .field("last_resort", &self.last_resort)
            .finish_non_exhaustive()
    }
}

/// From when on, and for how long, a key package made at `now` is good.
pub(crate) fn lifetime(now: Timestamp, certificate_expires: Timestamp) -> (Timestamp, Duration) {
    let begin = Timestamp(now.0.saturating_sub(Timestamp(0).plus(BACKDATED).0));
    let end = now.plus(LIFETIME).min(certificate_expires);
    (begin, end.since(begin))
}

pub(crate) fn extensions(last_resort: bool) -> Result<ExtensionList, Failure> {
    let mut extensions = ExtensionList::new();
    if last_resort {
        extensions.set_from(LastResortKeyPackageExt).map_err(mls_rs::error::MlsError::from)?;
    }
    Ok(extensions)
}

/// The secrets of the key packages in `storage`, as the vault keeps them.
pub(crate) fn to_vault(data: &KeyPackageData) -> Result<Zeroizing<Vec<u8>>, Failure> {
    Ok(Zeroizing::new(data.mls_encode_to_vec().map_err(mls_rs::error::MlsError::from)?))
}

pub(crate) fn from_vault(bytes: &[u8]) -> Option<KeyPackageData> {
    KeyPackageData::mls_decode(&mut &*bytes).ok()
}

/// A claimed key package that is the claimed device's and can be encrypted to.
pub(crate) struct CheckedKeyPackage {
    pub(crate) device: DeviceId,
    pub(crate) message: MlsMessage,
}

impl CheckedKeyPackage {
    /// Checks what MLS does not, or says less clearly.
    pub(crate) fn check(
        claimed: &ClaimedKeyPackage,
        suite: Suite,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<Self, KeyPackageError> {
        if claimed.key_package.len() > limits::KEY_PACKAGE {
            return Err(KeyPackageError::Malformed);
        }
        let message = parse(&claimed.key_package).ok_or(KeyPackageError::Malformed)?;
        let head = Head::read(&claimed.key_package).ok_or(KeyPackageError::Malformed)?;
        let (found, room) = (head.suite.into(), suite.id());
        if found != room {
            return Err(KeyPackageError::Suite { found, room });
        }
        let holder = credentials.holder_at(&head.leaf.signing_identity, now)?;
        if holder.device != claimed.device {
            return Err(KeyPackageError::OtherDevice(holder.device));
        }
        for key in [&head.init_key, &head.leaf.public_key] {
            check_kem_key(suite, key).map_err(|()| KeyPackageError::KemKey)?;
        }
        Ok(Self { device: claimed.device, message })
    }
}

/// `ProtocolVersion` mls10, which every message begins with. No signature covers it.
const MLS10: [u8; 2] = [0, 1];

/// One whole message of MLS 1.0, nothing after it.
pub(crate) fn parse(bytes: &[u8]) -> Option<MlsMessage> {
    if !bytes.starts_with(&MLS10) {
        return None;
    }
    let mut rest = bytes;
    let message = guarded(|| Ok(MlsMessage::mls_decode(&mut rest)?)).ok()?;
    rest.is_empty().then_some(message)
}

/// What a key package message begins with (RFC 9420 §10); the library shows no leaf of it.
struct Head {
    suite: CipherSuite,
    init_key: HpkePublicKey,
    leaf: LeafNode,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        guarded(|| {
            ProtocolVersion::mls_decode(&mut rest)?;
            let wire_format = WireFormat::mls_decode(&mut rest)?;
            ProtocolVersion::mls_decode(&mut rest)?;
            let suite = CipherSuite::mls_decode(&mut rest)?;
            let init_key = HpkePublicKey::mls_decode(&mut rest)?;
            let leaf = LeafNode::mls_decode(&mut rest)?;
            Ok((wire_format == WireFormat::KeyPackage).then_some(Self { suite, init_key, leaf }))
        })
        .ok()
        .flatten()
    }
}
