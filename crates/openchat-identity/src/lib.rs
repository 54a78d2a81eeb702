//! Who someone is: key files, signatures, certificates, and the one verifier that all doors share.
//!
//! The hierarchy is root → issuing → identity (one per user) → device. [`profile`] says what each certificate must

mod certificate;
pub mod challenge;
pub mod device;
mod ecdsa;
pub mod hardening;
pub mod invite;
pub mod key_file;
pub mod password;
pub mod profile;
mod secret_file;
pub mod signature;
pub mod trust;

pub use device::DeviceKey;
pub use invite::{InviteLink, InviteToken};
pub use key_file::{IdentityKey, KeyFolder};
pub use password::Password;
pub use signature::PublicKey;
pub use trust::{TrustAnchor, TrustError, Validity, VerifiedMember};
