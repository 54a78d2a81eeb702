//! The short code of an exchange over a room: the initiator commits to a nonce, the responder answers with one, the
//! initiator opens the commitment, and both see twelve digits over all of it.
//!
//! Whoever stands in between has to fix all but one nonce of each half before that nonce is known: one guess in 10^12.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use openchat_protocol::{RoomId, ServerFingerprint, Uid};

const COMMITMENT: &[u8] = b"OpenChat comparison commitment v1\0";
const CODE: &[u8] = b"OpenChat comparison code v1\0";
/// Digits of a code.
const DIGITS: usize = 12;

/// Names one exchange: random, chosen by the initiator.
pub type ExchangeId = [u8; 16];
/// What each side adds: random.
pub type Nonce = [u8; 32];
/// Binds the initiator to its nonce before it sees the responder's.
pub type Commitment = [u8; 32];

/// Who compares, where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The server.
    pub server: ServerFingerprint,
    /// The room, which is the MLS group.
    pub room: RoomId,
    /// Which exchange.
    pub exchange: ExchangeId,
    /// Who began.
    pub initiator: Party,
    /// Who answered.
    pub responder: Party,
}

/// One of the two, as the other's program knows it from the room's key tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Who.
    pub uid: Uid,
    /// The identity key, SubjectPublicKeyInfo.
    pub key: Vec<u8>,
}

/// What both people see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortCode(u64);

impl ShortCode {
    /// The last twelve digits of a number.
    pub fn of(number: u64) -> Self {
        Self(number % 10_u64.pow(u32::try_from(DIGITS).unwrap_or_default()))
    }
}

impl Comparison {
    /// What the initiator sends first.
    pub fn commit(&self, nonce: &Nonce) -> Commitment {
        hash(COMMITMENT, &[&self.bytes(), nonce])
    }

    /// Whether `nonce` is what the initiator is bound to.
    pub fn opens(&self, commitment: &Commitment, nonce: &Nonce) -> bool {
        verify_slices_are_equal(&self.commit(nonce), commitment).is_ok()
    }

    /// The code over all that was said. The commitment must have been opened.
    pub fn code(&self, commitment: &Commitment, initiator: &Nonce, responder: &Nonce) -> ShortCode {
        let hash = hash(CODE, &[&self.bytes(), commitment, initiator, responder]);
        ShortCode::of(hash.first_chunk().copied().map_or(0, u64::from_be_bytes))
    }

    /// Keys stand behind their length; all else has one.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.server.as_bytes(), self.room.as_bytes(), &self.exchange].concat();
        for party in [&self.initiator, &self.responder] {
            bytes.extend_from_slice(party.uid.as_bytes());
            bytes.extend_from_slice(&u32::try_from(party.key.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(&party.key);
        }
        bytes
    }
}

/// Three groups of four digits.
impl fmt::Display for ShortCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |over: u64| self.0 / over % 10_000;
        write!(f, "{:04} {:04} {:04}", group(100_000_000), group(10_000), group(1))
    }
}

fn hash(domain: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let bytes = [&[domain], parts].concat().concat();
    digest(&SHA256, &bytes).as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison() -> Comparison {
        Comparison {
            server: ServerFingerprint([1; 32]),
            room: RoomId([2; 16]),
            exchange: [3; 16],
            initiator: Party { uid: Uid([4; 16]), key: b"alice".to_vec() },
            responder: Party { uid: Uid([5; 16]), key: b"bob".to_vec() },
        }
    }

    #[test]
    fn a_commitment_opens_with_its_nonce_in_its_exchange_only() {
        let here = comparison();
        let commitment = here.commit(&[6; 32]);
        assert!(here.opens(&commitment, &[6; 32]));
        assert!(!here.opens(&commitment, &[7; 32]));
        let there = Comparison { exchange: [0; 16], ..comparison() };
        assert!(!there.opens(&commitment, &[6; 32]));
    }

    #[test]
    fn the_code_is_over_everything() {
        let here = comparison();
        let code = |it: &Comparison, initiator, responder| {
            it.code(&it.commit(&[initiator; 32]), &[initiator; 32], &[responder; 32])
        };
        let other = Party { uid: Uid([5; 16]), key: b"eve".to_vec() };
        let seen = [
            code(&here, 6, 7),
            code(&here, 6, 8),
            code(&here, 8, 7),
            code(&Comparison { server: ServerFingerprint([0; 32]), ..comparison() }, 6, 7),
            code(&Comparison { room: RoomId([0; 16]), ..comparison() }, 6, 7),
            code(&Comparison { exchange: [0; 16], ..comparison() }, 6, 7),
            code(&Comparison { responder: other.clone(), ..comparison() }, 6, 7),
            code(&Comparison { initiator: other, ..comparison() }, 6, 7),
        ];
        for (index, one) in seen.iter().enumerate() {
            assert!(seen.iter().skip(index + 1).all(|other| other != one), "{index}: {one}");
        }
    }

    /// Alice talks to Mallory in Bob's place, Bob to Mallory in Alice's. Mallory passes on whatever can be passed on.
    #[test]
    fn who_relays_between_two_people_shows_them_different_codes() {
        let mallory = |uid| Party { uid: Uid([uid; 16]), key: b"mallory".to_vec() };
        let (with_alice, with_bob) = (
            Comparison { responder: mallory(6), ..comparison() },
            Comparison { initiator: mallory(7), ..comparison() },
        );
        for number in 0..=255 {
            let (nonce, answer) = ([number; 32], [number ^ 0xff; 32]);
            let alice = with_alice.code(&with_alice.commit(&nonce), &nonce, &answer);
            // Alice's own commitment does not open for Bob, so that Mallory has to make one.
            assert!(!with_bob.opens(&with_alice.commit(&nonce), &nonce));
            let bob = with_bob.code(&with_bob.commit(&nonce), &nonce, &answer);
            assert_ne!(alice, bob);
        }
    }

    #[test]
    fn a_code_is_three_groups_of_four_digits() {
        assert_eq!(ShortCode(42).to_string(), "0000 0000 0042");
        assert_eq!(ShortCode(123_456_789_012).to_string(), "1234 5678 9012");
    }
}
