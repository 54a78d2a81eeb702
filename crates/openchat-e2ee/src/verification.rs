//! What two people's programs say to each other in a room so that the people know each other's keys: proofs of an
//! invite, and the exchange behind a short code. Everybody in the room reads it; only the two it is about act on it.

use std::fmt;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use openchat_protocol::{InviteHash, RoomName, Uid, UserName};

/// One step. Who takes it is the sender of the message, proven by MLS.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Verification {
    /// The sender came by this invite.
    #[n(0)]
    InviteProof {
        /// Which invite, as the server knows it.
        #[n(0)]
        invite: InviteHash,
        /// The name under which the sender has registered.
        #[n(1)]
        name: UserName,
        /// The room to which the server has led the sender; nothing when it has not said.
        #[n(2)]
        room: Option<RoomName>,
        /// HMAC-SHA-256 under the key of the invite (docs/protocol.md §Verification).
        #[n(3)]
        proof: ByteArray<32>,
    },
    /// The sender made this invite, and has found its proof to be good.
    #[n(1)]
    InviteAnswer {
        /// Which invite.
        #[n(0)]
        invite: InviteHash,
        /// The sender's name.
        #[n(1)]
        name: UserName,
        /// As in the proof that is answered, from the other end.
        #[n(2)]
        proof: ByteArray<32>,
    },
    /// The sender wants to compare codes.
    #[n(2)]
    Begin {
        /// Names this exchange: random.
        #[n(0)]
        exchange: ByteArray<16>,
        /// With whom.
        #[n(1)]
        with: Uid,
        /// Binds the sender to its nonce.
        #[n(2)]
        commitment: ByteArray<32>,
    },
    /// The sender takes part in an exchange that was begun with it.
    #[n(3)]
    Accept {
        /// Which.
        #[n(0)]
        exchange: ByteArray<16>,
        /// Random.
        #[n(1)]
        nonce: ByteArray<32>,
    },
    /// The one who began opens the commitment.
    #[n(4)]
    Reveal {
        /// Which.
        #[n(0)]
        exchange: ByteArray<16>,
        /// What the commitment is of.
        #[n(1)]
        nonce: ByteArray<32>,
    },
    /// The sender takes no further part.
    #[n(5)]
    Cancel {
        /// In which exchange.
        #[n(0)]
        exchange: ByteArray<16>,
        /// Who is told so.
        #[n(1)]
        with: Uid,
    },
    /// The sender's person says that the two codes are not the same.
    #[n(6)]
    Differ {
        /// In which exchange.
        #[n(0)]
        exchange: ByteArray<16>,
        /// Who is told so.
        #[n(1)]
        with: Uid,
    },
}

/// The step alone.
impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InviteProof { .. } => "InviteProof",
            Self::InviteAnswer { .. } => "InviteAnswer",
            Self::Begin { .. } => "Begin",
            Self::Accept { .. } => "Accept",
            Self::Reveal { .. } => "Reveal",
            Self::Cancel { .. } => "Cancel",
            Self::Differ { .. } => "Differ",
        })
    }
}

#[cfg(test)]
mod tests {
    use openchat_protocol::{MessageId, codec};

    use super::*;
    use crate::{Body, Content};

    fn steps() -> Vec<Verification> {
        let (invite, exchange) = (InviteHash([1; 32]), ByteArray::from([2; 16]));
        let (proof, name): (ByteArray<32>, UserName) = ([3; 32].into(), "bob".parse().unwrap());
        let room = Some("lobby".parse().unwrap());
        vec![
            Verification::InviteProof { invite, name: name.clone(), room, proof },
            Verification::InviteAnswer { invite, name, proof },
            Verification::Begin { exchange, with: Uid([4; 16]), commitment: [5; 32].into() },
            Verification::Accept { exchange, nonce: [6; 32].into() },
            Verification::Reveal { exchange, nonce: [7; 32].into() },
            Verification::Cancel { exchange, with: Uid([4; 16]) },
            Verification::Differ { exchange, with: Uid([4; 16]) },
        ]
    }

    fn content(step: Verification) -> Content {
        Content {
            message_id: MessageId([9; 16]),
            counter: 1,
            seen: None,
            body: Body::Verification(step),
            log: None,
        }
    }

    #[test]
    fn steps_survive_in_a_message() {
        for step in steps() {
            let content = content(step);
            assert_eq!(Content::from_padded(&content.to_padded().unwrap()), Ok(content));
        }
    }

    #[test]
    fn a_step_of_a_newer_build_is_kept() {
        let mut raw = codec::encode(&Verification::Cancel { exchange: [2; 16].into(), with: Uid([4; 16]) });
        // The variant stands after the head of the array.
        assert_eq!(raw[..2], [0x82, 5]);
        raw[1] = 23;
        let newer = Content {
            body: Body::Unknown(crate::content::Unknown { kind: 5, raw }),
            ..content(steps().remove(0))
        };
        assert_eq!(Content::from_bytes(&newer.to_bytes()), Ok(newer));
    }

    /// A change of these bytes makes programs of two versions misunderstand each other.
    #[test]
    fn the_encoding_is_fixed() {
        let hex = |step: &Verification| data_encoding::HEXLOWER.encode(&codec::encode(step));
        let all: Vec<String> = steps().iter().map(hex).collect();
        let (h32, x16) = (|byte: &str| format!("5820{}", byte.repeat(32)), format!("50{}", "02".repeat(16)));
        assert_eq!(
            all,
            [
                format!("820084{}63626f62656c6f626279{}", h32("01"), h32("03")),
                format!("820183{}63626f62{}", h32("01"), h32("03")),
                format!("820283{x16}50{}{}", "04".repeat(16), h32("05")),
                format!("820382{x16}{}", h32("06")),
                format!("820482{x16}{}", h32("07")),
                format!("820582{x16}50{}", "04".repeat(16)),
                format!("820682{x16}50{}", "04".repeat(16)),
            ]
        );
    }
}
