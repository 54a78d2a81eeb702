//! Devices: what logs in, sends, and is a leaf of the rooms' trees.

use openchat_protocol::{DeviceId, Timestamp, UserName};

use crate::StoreError;
use crate::key_log::{DeviceListError, NewDeviceList};

/// A device that is to be made known, or comes with a renewed certificate. Its chain has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    /// Which device.
    pub device: DeviceId,
    /// Its P-384 key: the uncompressed point, 97 bytes.
    pub public_key: Vec<u8>,
    /// X.509, DER: device, identity, issuing.
    pub chain: Vec<Vec<u8>>,
    /// The list of the user's devices, when it changes.
    pub list: Option<NewDeviceList>,
}

/// A device as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDevice {
    /// Which device.
    pub device: DeviceId,
    /// The name of its account.
    pub name: UserName,
    /// Its P-384 key: the uncompressed point, 97 bytes.
    pub public_key: Vec<u8>,
    /// X.509, DER: device, identity, issuing.
    pub chain: Vec<Vec<u8>>,
    /// It must not log in any more.
    pub revoked: bool,
    /// Its account must not log in.
    pub account_disabled: bool,
    /// When it was last connected, or enrolled.
    pub last_seen: Timestamp,
}

/// Why a device was not enrolled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolError {
    /// The user has no account here.
    #[error("this user has no account here: register first")]
    AccountUnknown,
    /// The device was revoked, for good.
    #[error("this device was revoked: enrol it under a new device identifier")]
    DeviceRevoked,
    /// The device is known with another key. A device keeps its key for life.
    #[error("this device is known with another key: enrol it under a new device identifier")]
    KeyDiffers,
    /// The user has [`DEVICES_PER_USER`](openchat_protocol::limits::DEVICES_PER_USER) devices.
    #[error("this user has too many devices: revoke one that is no longer used")]
    TooManyDevices,
    /// The list is not the one after the newest.
    #[error(transparent)]
    List(DeviceListError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DeviceListError> for EnrolError {
    fn from(error: DeviceListError) -> Self {
        match error {
            DeviceListError::AccountUnknown => Self::AccountUnknown,
            DeviceListError::Store(error) => Self::Store(error),
            error @ DeviceListError::Version { .. } => Self::List(error),
        }
    }
}
