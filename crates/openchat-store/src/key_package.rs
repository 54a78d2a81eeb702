//! Key packages: what lets others add a device to a room while it is away.

use crate::StoreError;

/// Why key packages were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishKeyPackagesError {
    /// The device is unknown here, or revoked.
    #[error("this device is unknown here or revoked: enrol it first")]
    DeviceUnknown,
    /// With these the device would have more than [`KEY_PACKAGES`](openchat_protocol::limits::KEY_PACKAGES) one-time
    /// packages of this suite.
    #[error("this device would have too many key packages: upload fewer")]
    TooMany,
    /// With these the device would have packages of more than
    /// [`KEY_PACKAGE_SUITES`](openchat_protocol::limits::KEY_PACKAGE_SUITES) suites.
    #[error("this device has key packages of as many cipher suites as it can: use one of those")]
    TooManySuites,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
