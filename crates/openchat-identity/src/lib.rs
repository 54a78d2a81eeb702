//! Who someone is: key files, signatures, certificates, and the one verifier that all doors share.
//!
//! The hierarchy is root → issuing → identity (one per user) → device. [`profile`] says what each certificate must
//! look like, byte for byte; [`trust`] adds the path and the dates; TLS, MLS, the authority and the tests all ask there.

pub mod authority;
mod certificate;
pub mod challenge;
pub mod comparison;
pub mod device;
pub mod device_link;
pub mod device_list;
#[cfg(test)]
mod drafts;
mod ecdsa;
pub mod hardening;
pub mod invite;
pub mod key_file;
pub mod linking;
pub mod password;
pub mod profile;
pub mod recovery;
pub mod renewal;
pub mod safety_number;
mod secret_file;
pub mod signature;
pub mod tls;
pub mod trust;
pub mod vouch;

pub use authority::Authority;
pub use device::DeviceKey;
pub use device_link::{DeviceLink, LinkCode};
pub use invite::{InviteLink, InviteToken};
pub use key_file::{IdentityKey, KeyFolder};
pub use password::Password;
pub use recovery::RecoveryCode;
pub use safety_number::SafetyNumber;
pub use signature::PublicKey;
pub use trust::{TrustAnchor, TrustError, Validity, VerifiedMember};
pub use vouch::VouchKey;
