//! How two devices that know one short code come to a secret channel: SPAKE2, keys confirmed at both ends, then AES-GCM.
//!
//! Whoever stands between them, the server included, has one guess at the code in each exchange, and learns of a wrong
//! guess only that it was wrong.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hkdf::{self, HKDF_SHA256};
use openchat_protocol::{LinkSlot, ServerFingerprint};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::Zeroizing;

use crate::device_link::LinkCode;

const SALT: &[u8] = b"OpenChat link v1";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The device that the user has: it shows the code.
    Known,
    /// The device that is to become the user's.
    New,
}

/// Why an exchange comes to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkingError {
    /// What came is no message of the exchange.
    #[error("what came is no part of a key exchange")]
    Malformed,
    /// The other end has another code, is for another server or slot, or somebody has altered what was sent.
    #[error("the codes are not the same, or somebody has altered what was sent")]
    Unconfirmed,
    /// A sealed message was altered, repeated, left out, or made by somebody else.
    #[error("a message of the other device was altered on its way")]
    Altered,
}

/// An exchange of which the first message is made.
pub struct Exchange {
    end: End,
    spake: Spake2<Ed25519Group>,
}

impl Exchange {
    /// Begins at one end; the message goes to the other one. Both ends, the server and the slot are part of the secret.
    pub fn begin(end: End, code: &LinkCode, server: &ServerFingerprint) -> (Self, Vec<u8>) {
        let known = identity(b"known device", code.slot, server);
        let new = identity(b"new device", code.slot, server);
        let password = Password::new(code.secret());
        let (spake, message) = match end {
            End::Known => Spake2::<Ed25519Group>::start_a(&password, &known, &new),
            End::New => Spake2::<Ed25519Group>::start_b(&password, &known, &new),
        };
        (Self { end, spake }, message)
    }

    /// Takes the other end's first message.
    pub fn agree(self, theirs: &[u8]) -> Result<Agreed, LinkingError> {
        let secret = self.spake.finish(theirs).map_err(|_| LinkingError::Malformed)?;
        Agreed::new(self.end, &Zeroizing::new(secret))
    }
}

/// Keys that are the other end's as well if it knows the code.
pub struct Agreed {
    own_tag: Zeroizing<[u8; 32]>,
    other_tag: Zeroizing<[u8; 32]>,
    channel: Channel,
}

impl Agreed {
    fn new(end: End, secret: &[u8]) -> Result<Self, LinkingError> {
        let secret = hkdf::Salt::new(HKDF_SHA256, SALT).extract(secret);
        let (known, new) = (derive(&secret, b"confirm known")?, derive(&secret, b"confirm new")?);
        let (to_known, to_new) = (derive(&secret, b"to known")?, derive(&secret, b"to new")?);
        let (own_tag, other_tag, seal, open) = match end {
            End::Known => (known, new, to_new, to_known),
            End::New => (new, known, to_known, to_new),
        };
        let channel = Channel { seal: Direction::new(&seal)?, open: Direction::new(&open)? };
        Ok(Self { own_tag, other_tag, channel })
    }

    /// What shows the other end that this one knows the code.
    pub fn tag(&self) -> Vec<u8> {
        self.own_tag.to_vec()
    }

    /// Takes what the other end shows.
    pub fn confirm(self, tag: &[u8]) -> Result<Channel, LinkingError> {
        verify_slices_are_equal(&*self.other_tag, tag).map_err(|_| LinkingError::Unconfirmed)?;
        Ok(self.channel)
    }
}

/// Between two ends that have confirmed each other. Messages arrive in order, each once, or not at all.
pub struct Channel {
    seal: Direction,
    open: Direction,
}

impl Channel {
    /// Seals the next message to the other end.
    pub fn seal(&mut self, plain: &[u8]) -> Result<Vec<u8>, LinkingError> {
        let mut sealed = plain.to_vec();
        let (key, nonce) = self.seal.next()?;
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed).map_err(|_| LinkingError::Altered)?;
        Ok(sealed)
    }

    /// Opens the next message of the other end.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkingError> {
        let mut plain = Zeroizing::new(sealed.to_vec());
        let (key, nonce) = self.open.next()?;
        let length =
            key.open_in_place(nonce, Aad::empty(), &mut plain).map_err(|_| LinkingError::Altered)?.len();
        plain.truncate(length);
        Ok(plain)
    }
}

/// One key, and how many messages it has sealed or opened.
struct Direction {
    key: LessSafeKey,
    count: u64,
}

impl Direction {
    fn new(key: &[u8; 32]) -> Result<Self, LinkingError> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| LinkingError::Malformed)?;
        Ok(Self { key: LessSafeKey::new(key), count: 0 })
    }

    /// A nonce is never used twice: the keys are of this exchange alone, and the count only grows.
    fn next(&mut self) -> Result<(&LessSafeKey, Nonce), LinkingError> {
        let mut nonce = [0; NONCE_LEN];
        if let Some(end) = nonce.last_chunk_mut() {
            *end = self.count.to_be_bytes();
        }
        self.count = self.count.checked_add(1).ok_or(LinkingError::Altered)?;
        Ok((&self.key, Nonce::assume_unique_for_key(nonce)))
    }
}

fn identity(role: &[u8], slot: LinkSlot, server: &ServerFingerprint) -> Identity {
    Identity::new(&[SALT, b"\0", role, b"\0", server.as_bytes(), &slot.0.to_be_bytes()].concat())
}

fn derive(secret: &hkdf::Prk, purpose: &[u8]) -> Result<Zeroizing<[u8; 32]>, LinkingError> {
    let mut key = Zeroizing::new([0; 32]);
    let purpose = [purpose];
    let material = secret.expand(&purpose, HKDF_SHA256).map_err(|_| LinkingError::Malformed)?;
    material.fill(&mut *key).map_err(|_| LinkingError::Malformed)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: ServerFingerprint = ServerFingerprint([7; 32]);
    const SLOT: LinkSlot = LinkSlot(123_456);

    fn code(secret: &str) -> LinkCode {
        format!("{SLOT}-{secret}").parse().unwrap()
    }

    /// Both ends as far as the tags.
    fn agreed(
        known: (&LinkCode, ServerFingerprint),
        new: (&LinkCode, ServerFingerprint),
    ) -> (Agreed, Agreed) {
        let (one, to_other) = Exchange::begin(End::Known, known.0, &known.1);
        let (other, to_one) = Exchange::begin(End::New, new.0, &new.1);
        (one.agree(&to_one).unwrap(), other.agree(&to_other).unwrap())
    }

    fn channels() -> (Channel, Channel) {
        let code = code("abcdefgh");
        let (known, new) = agreed((&code, SERVER), (&code, SERVER));
        let (known_tag, new_tag) = (known.tag(), new.tag());
        (known.confirm(&new_tag).unwrap(), new.confirm(&known_tag).unwrap())
    }

    fn is_unconfirmed((known, new): (Agreed, Agreed)) -> bool {
        let (known_tag, new_tag) = (known.tag(), new.tag());
        let refused = |it: Result<Channel, LinkingError>| it.is_err_and(|it| it == LinkingError::Unconfirmed);
        refused(known.confirm(&new_tag)) && refused(new.confirm(&known_tag))
    }

    #[test]
    fn who_knows_the_code_comes_to_the_same_channel() {
        let (mut known, mut new) = channels();
        for text in ["one", "two", ""] {
            let sealed = known.seal(text.as_bytes()).unwrap();
            assert_eq!(new.open(&sealed).unwrap().as_slice(), text.as_bytes());
            let sealed = new.seal(text.as_bytes()).unwrap();
            assert_eq!(known.open(&sealed).unwrap().as_slice(), text.as_bytes());
        }
    }

    #[test]
    fn another_code_slot_or_server_confirms_nothing() {
        let (right, wrong) = (code("abcdefgh"), code("abcdefgj"));
        assert!(is_unconfirmed(agreed((&right, SERVER), (&wrong, SERVER))));
        let elsewhere = "123457-abcdefgh".parse().unwrap();
        assert!(is_unconfirmed(agreed((&right, SERVER), (&elsewhere, SERVER))));
        assert!(is_unconfirmed(agreed((&right, SERVER), (&right, ServerFingerprint([8; 32])))));
    }

    #[test]
    fn who_only_relays_learns_nothing_and_cannot_play_both_ends() {
        let code = code("abcdefgh");
        // The server answers each end with that end's own message.
        let (known, message) = Exchange::begin(End::Known, &code, &SERVER);
        assert!(matches!(known.agree(&message), Err(LinkingError::Malformed)));
        // It gives each end its own tag back.
        let (known, new) = agreed((&code, SERVER), (&code, SERVER));
        let (known_tag, new_tag) = (known.tag(), new.tag());
        assert_ne!(known_tag, new_tag);
        assert!(known.confirm(&known_tag).is_err());
        assert!(new.confirm(&new_tag).is_err());
    }

    #[test]
    fn altered_messages_of_the_exchange_confirm_nothing() {
        let code = code("abcdefgh");
        for byte in 0..33 {
            let (known, to_new) = Exchange::begin(End::Known, &code, &SERVER);
            let (new, mut to_known) = Exchange::begin(End::New, &code, &SERVER);
            to_known[byte] ^= 1;
            let Ok(known) = known.agree(&to_known) else { continue };
            let new = new.agree(&to_new).unwrap();
            assert!(is_unconfirmed((known, new)), "byte {byte}");
        }
    }

    #[test]
    fn altered_repeated_and_missing_messages_are_refused() {
        let (mut known, mut new) = channels();
        let mut sealed = known.seal(b"one").unwrap();
        sealed[0] ^= 1;
        assert_eq!(new.open(&sealed), Err(LinkingError::Altered));
        let (mut known, mut new) = channels();
        let first = known.seal(b"one").unwrap();
        new.open(&first).unwrap();
        assert_eq!(new.open(&first), Err(LinkingError::Altered), "repeated");
        let (mut known, mut new) = channels();
        known.seal(b"one").unwrap();
        let second = known.seal(b"two").unwrap();
        assert_eq!(new.open(&second), Err(LinkingError::Altered), "the first is missing");
        let (mut known, _) = channels();
        let own = known.seal(b"one").unwrap();
        assert_eq!(known.open(&own), Err(LinkingError::Altered), "its own message");
    }
}
