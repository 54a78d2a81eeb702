//! Linking: a device of a user lets in another one, over a short code that a person carries from one to the other.
//!
//! The server passes on sealed messages and sees no more than that somebody links a device. The identity key goes over,
//! so that no device is the boss; each device makes its own device key.

mod exchange;
mod history;
mod known;
mod new;
#[cfg(test)]
mod tests;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use openchat_protocol::device_list::SignedDeviceList;
use openchat_protocol::key_log::SeenHead;
use openchat_protocol::{Did, UserName};
use zeroize::Zeroize;

pub(crate) use self::history::{PastLine, PastRoom, Place};
pub use self::known::{LinkStep, Linking};
pub use self::new::{HistoryTransfer, Linked, join_as_device};
use crate::vault::Contact;

/// What the new device says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Introduction {
    #[n(0)]
    did: Did,
    /// Its key's uncompressed point, 97 bytes.
    #[n(1)]
    point: ByteVec,
}

/// What the known device answers to that.
#[derive(Clone, Encode, Decode)]
enum Reception {
    /// It becomes a device of the user.
    #[n(0)]
    New(#[n(0)] Box<Given>),
    /// It is one already, and comes for more of the history.
    #[n(1)]
    Known,
}

/// What the known device gives to it.
#[derive(Clone, Encode, Decode)]
struct Given {
    #[n(0)]
    name: UserName,
    /// PKCS#8.
    #[n(1)]
    identity_key: ByteVec,
    /// Device, identity and issuing certificate, DER.
    #[n(2)]
    chain: Vec<ByteVec>,
    /// All devices, with the new one.
    #[n(3)]
    devices: SignedDeviceList,
    /// Everybody whose name is known, and what that rests on.
    #[n(4)]
    contacts: Vec<Contact>,
    /// The newest head of the log of keys, which the server has to continue for the new device as well.
    #[n(5)]
    head: Option<SeenHead>,
}

impl Drop for Given {
    fn drop(&mut self) {
        self.identity_key.zeroize();
    }
}
