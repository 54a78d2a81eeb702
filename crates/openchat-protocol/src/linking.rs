//! The rendezvous of two devices of one user: the server passes on what it cannot read, for some minutes.

use std::fmt;
use std::str::FromStr;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// The public number of a rendezvous: six digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct LinkSlot(#[n(0)] pub u32);

/// How many numbers there are.
const SLOTS: u32 = 1_000_000;

impl LinkSlot {
    /// The slot that a random number chooses.
    pub fn of(random: u32) -> Self {
        Self(random % SLOTS)
    }
}

impl fmt::Display for LinkSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// Text that is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a slot is a number of six digits")]
pub struct LinkSlotError;

impl FromStr for LinkSlot {
    type Err = LinkSlotError;

    fn from_str(text: &str) -> Result<Self, LinkSlotError> {
        let is_number = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number).map(Self).ok_or(LinkSlotError)
    }
}

/// Which end of a rendezvous asks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum LinkEnd {
    /// The device that has opened it, logged in.
    #[n(0)]
    Known {
        /// The try that it answers, from 1.
        #[n(0)]
        attempt: u8,
    },
    /// The device that has entered it, with the key that it got.
    #[n(1)]
    New {
        /// 16 bytes.
        #[n(0)]
        key: ByteVec,
    },
}

/// Somebody has entered a rendezvous: one of its three tries.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LinkEntered {
    /// Speaks for this try until the next one begins.
    #[n(0)]
    pub key: ByteVec,
}

/// Leaves a message for the other end.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SendLink {
    /// Where.
    #[n(0)]
    pub slot: LinkSlot,
    /// From which end.
    #[n(1)]
    pub end: LinkEnd,
    /// At most [`LINK_MESSAGE`](crate::limits::LINK_MESSAGE).
    #[n(2)]
    pub message: ByteVec,
}

/// Asks for the next message of the other end. It is answered after some seconds when there is none.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ReceiveLink {
    /// Where.
    #[n(0)]
    pub slot: LinkSlot,
    /// At which end. A device that has opened it names the last try that it knows of, 0 at first.
    #[n(1)]
    pub end: LinkEnd,
}

/// A message of the other end.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LinkMessage {
    /// The try that it belongs to. With another one, all that went before is void.
    #[n(0)]
    pub attempt: u8,
    /// What was left.
    #[n(1)]
    pub message: ByteVec,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_six_digits() {
        for slot in [0, 7, 123_456, 999_999] {
            assert_eq!(LinkSlot(slot).to_string().parse(), Ok(LinkSlot(slot)));
        }
        assert_eq!(LinkSlot::of(u32::MAX), LinkSlot(967_295));
        for bad in ["", "7", "+12345", "1234567", "12345a"] {
            assert_eq!(bad.parse::<LinkSlot>(), Err(LinkSlotError), "{bad}");
        }
    }
}
