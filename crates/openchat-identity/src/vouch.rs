//! What an invite proves: each end shows the other that it has the link, under the identity it speaks with.

use std::fmt;

use aws_lc_rs::hmac;
use openchat_protocol::{RoomName, ServerFingerprint, Uid, UserName};
use zeroize::Zeroizing;

use crate::invite::InviteToken;

const DOMAIN: &[u8] = b"OpenChat invite proof v1\0";

/// Length of a proof: HMAC-SHA-256 (RFC 2104).
pub const PROOF: usize = 32;

/// The secret that only the two ends of an invite have: derived from the token, never sent.
#[derive(Clone, PartialEq, Eq)]
pub struct VouchKey(Zeroizing<[u8; 32]>);

impl VouchKey {
    /// The key of an invite.
    pub fn of(token: &InviteToken) -> Self {
        Self(token.mac_key())
    }

    /// A key that was kept.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key, to be kept: a secret.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Proves to be at one end of the invite.
    pub fn prove(&self, end: End<'_>, vouch: &Vouch<'_>) -> [u8; PROOF] {
        let tag = hmac::sign(&self.hmac(), &vouch.message(end));
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// Whether `proof` is of somebody at that end, about exactly this. In constant time.
    pub fn verify(&self, end: End<'_>, vouch: &Vouch<'_>, proof: &[u8; PROOF]) -> bool {
        hmac::verify(&self.hmac(), &vouch.message(end), proof).is_ok()
    }

    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.as_bytes())
    }
}

impl fmt::Debug for VouchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VouchKey(..)")
    }
}

/// Which end of the invite speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End<'a> {
    /// Who came by it.
    Invitee,
    /// Who made it, and the name that goes with it.
    Inviter(&'a UserName),
}

/// What both ends prove the same about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vouch<'a> {
    /// The server.
    pub server: ServerFingerprint,
    /// Who made the invite.
    pub inviter: Uid,
    /// Who came by it.
    pub invitee: Uid,
    /// The invitee's identity key, SubjectPublicKeyInfo.
    pub invitee_key: &'a [u8],
    /// The invitee's name.
    pub name: &'a UserName,
    /// The room that the server has led the invitee to.
    pub room: Option<&'a RoomName>,
}

impl Vouch<'_> {
    /// Parts of variable length stand behind their length, so that no two statements have the same bytes.
    fn message(&self, end: End<'_>) -> Vec<u8> {
        let (role, inviter_name) = match end {
            End::Invitee => (1, ""),
            End::Inviter(name) => (2, name.as_str()),
        };
        let mut bytes = [DOMAIN, &[role], self.server.as_bytes()].concat();
        bytes.extend_from_slice(self.inviter.as_bytes());
        bytes.extend_from_slice(self.invitee.as_bytes());
        let room = self.room.map_or("", RoomName::as_str);
        for part in
            [self.invitee_key, self.name.as_str().as_bytes(), room.as_bytes(), inviter_name.as_bytes()]
        {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_about_one_server_pair_key_name_and_room_and_from_one_end() {
        let key = VouchKey::of(&InviteToken::generate());
        let (bob, eve): (UserName, UserName) = ("bob".parse().unwrap(), "eve".parse().unwrap());
        let (lobby, other): (RoomName, RoomName) = ("lobby".parse().unwrap(), "other".parse().unwrap());
        let vouch = Vouch {
            server: ServerFingerprint([1; 32]),
            inviter: Uid([2; 16]),
            invitee: Uid([3; 16]),
            invitee_key: b"key",
            name: &bob,
            room: Some(&lobby),
        };
        let proof = key.prove(End::Invitee, &vouch);
        assert!(key.verify(End::Invitee, &vouch, &proof));
        for changed in [
            Vouch { server: ServerFingerprint([0; 32]), ..vouch },
            Vouch { inviter: Uid([0; 16]), ..vouch },
            Vouch { invitee: Uid([0; 16]), ..vouch },
            Vouch { invitee_key: b"yek", ..vouch },
            Vouch { name: &eve, ..vouch },
            Vouch { room: None, ..vouch },
            Vouch { room: Some(&other), ..vouch },
        ] {
            assert!(!key.verify(End::Invitee, &changed, &proof), "{changed:?}");
        }
        assert!(!VouchKey::of(&InviteToken::generate()).verify(End::Invitee, &vouch, &proof));
        // A proof that is sent back proves nothing.
        assert!(!key.verify(End::Inviter(&bob), &vouch, &proof));
        let answer = key.prove(End::Inviter(&bob), &vouch);
        assert!(key.verify(End::Inviter(&bob), &vouch, &answer));
        assert!(!key.verify(End::Inviter(&eve), &vouch, &answer), "the inviter has one name");
    }

    #[test]
    fn no_part_can_be_taken_for_another() {
        let name: UserName = "bob".parse().unwrap();
        let vouch = |invitee_key, room| Vouch {
            server: ServerFingerprint([1; 32]),
            inviter: Uid([2; 16]),
            invitee: Uid([3; 16]),
            invitee_key,
            name: &name,
            room,
        };
        let room: RoomName = "lobby".parse().unwrap();
        let one = vouch(b"key", Some(&room)).message(End::Invitee);
        let other = vouch(b"keylobby", None).message(End::Invitee);
        assert_ne!(one, other);
    }

    #[test]
    fn the_key_is_not_shown() {
        assert_eq!(format!("{:?}", VouchKey::from_bytes([7; 32])), "VouchKey(..)");
    }
}
