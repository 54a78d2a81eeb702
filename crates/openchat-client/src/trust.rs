//! What is known of a person's key, and on what it rests.

use minicbor::{Decode, Encode};
use openchat_identity::SafetyNumber;
use openchat_identity::comparison::ShortCode;
use openchat_protocol::{Timestamp, Uid};

use crate::event::Person;

/// Why a key is taken for a person's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub enum Basis {
    /// It came first under this name: that the server said so is all.
    #[n(0)]
    #[default]
    FirstUse,
    /// Both ends of an invite have proven to each other that they have the link.
    #[n(1)]
    Invited {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// The two people have compared a code.
    #[n(2)]
    Compared {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
}

impl Basis {
    /// Whether it rests on more than the server's word.
    pub fn is_verified(self) -> bool {
        self != Self::FirstUse
    }
}

/// An identity that the server has given under the name of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Claimant {
    /// Who.
    #[n(0)]
    pub uid: Uid,
    /// When the server said so first.
    #[n(1)]
    pub at: Timestamp,
    /// The person at this device has found the earlier key to be the right one.
    #[n(2)]
    pub refused: bool,
}

/// How far a person's key can be relied on, as people are shown it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Only the server has said whose it is.
    #[default]
    FirstUse,
    /// By an invite.
    Invited,
    /// Compared.
    Compared,
    /// The server gives this name to two keys, of which this is one, and nobody has decided yet.
    Changed,
    /// This profile's own.
    Mine,
}

impl From<Basis> for Trust {
    fn from(basis: Basis) -> Self {
        match basis {
            Basis::FirstUse => Self::FirstUse,
            Basis::Invited { .. } => Self::Invited,
            Basis::Compared { .. } => Self::Compared,
        }
    }
}

/// What became known about somebody, for the history of the rooms that they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum TrustChange {
    /// An invite has proven it at both ends.
    #[n(0)]
    Invited,
    /// The two people have compared a code.
    #[n(1)]
    Compared,
    /// The server says that the name is another key's now. Nobody had checked the first one.
    #[n(2)]
    Changed,
    /// The same, of a key that had been checked: nothing is said in the room until it is decided.
    #[n(3)]
    Stopped,
    /// The person at this device takes the new key for the right one.
    #[n(4)]
    Accepted,
    /// The name belongs to another key, by a reset that keeps the rules of the log.
    #[n(5)]
    Reset,
}

/// The people of a room, without this profile's own, by what their keys rest on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoomTrust {
    /// Compared.
    pub compared: u32,
    /// By an invite.
    pub invited: u32,
    /// On the server's word.
    pub first_use: u32,
    /// With a key that has changed.
    pub changed: u32,
    /// Nothing is said here until somebody's changed key is accepted or compared.
    pub is_stopped: bool,
}

impl RoomTrust {
    pub(crate) fn count(&mut self, trust: Trust) {
        let number = match trust {
            Trust::Compared => &mut self.compared,
            Trust::Invited => &mut self.invited,
            Trust::FirstUse => &mut self.first_use,
            Trust::Changed => &mut self.changed,
            Trust::Mine => return,
        };
        *number = number.saturating_add(1);
    }

    /// The weakest among its people; nothing when nobody else is there.
    pub fn weakest(self) -> Option<Trust> {
        let order = [
            (self.changed, Trust::Changed),
            (self.first_use, Trust::FirstUse),
            (self.invited, Trust::Invited),
            (self.compared, Trust::Compared),
        ];
        order.into_iter().find(|(number, _)| *number > 0).map(|(_, trust)| trust)
    }
}

/// Somebody whose name is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquaintance {
    /// Who.
    pub person: Person,
    /// What the key rests on.
    pub basis: Basis,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// What both compare.
    pub number: SafetyNumber,
    /// The keys to which the server has given the name since then, and which nobody has refused: the newest last.
    pub claimants: Vec<(Uid, SafetyNumber)>,
}

/// How far a comparison over a room is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparing {
    /// The other one is asked.
    Waiting,
    /// The other one asks.
    Asked,
    /// Both see this code. It is compared by voice, or however two people know each other.
    Code(ShortCode),
    /// It is over.
    Ended(Outcome),
}

/// How a comparison over a room ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The codes were the same.
    Same,
    /// The codes were different: somebody stands in between, or one of the two has misread.
    Differs,
    /// The other one says that the codes were different, whatever was said here.
    SaidToDiffer,
    /// The other one does not want to, or not any more.
    Cancelled,
    /// It took too long.
    TimedOut,
    /// The other one's program has not kept to what it had committed to.
    Broken,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_as_good_as_its_weakest_key() {
        let mut room = RoomTrust::default();
        assert_eq!(room.weakest(), None);
        for trust in [Trust::Mine, Trust::Compared, Trust::Invited, Trust::FirstUse, Trust::Changed] {
            room.count(trust);
            assert_eq!(room.weakest(), Some(trust).filter(|it| *it != Trust::Mine));
        }
    }
}
