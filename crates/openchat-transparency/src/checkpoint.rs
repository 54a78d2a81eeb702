//! Heads of the log as C2SP checkpoints: signed notes, of which two that disagree convict the server.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use minicbor::{Decode, Encode};
use openchat_protocol::key_log::SeenHead;
use openchat_protocol::{Genesis, ServerFingerprint};
use signed_note::{Note, Signature, Verifier, VerifierList};
use tlog_tiles::Checkpoint;

use crate::tree::Hash;

/// The algorithm byte of Ed25519 in C2SP signed notes.
const ALGORITHM: u8 = 1;
/// The longest note, in bytes: room for the signatures of witnesses.
const MAX_NOTE: usize = 4096;

/// Why a signed head is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a C2SP note with a checkpoint in it, or too large.
    #[error("the head of the server's log is malformed")]
    Malformed,
    /// Not signed by the log key, or altered since.
    #[error("the head of the log is not signed with this server's log key")]
    Signature,
    /// Signed for another log.
    #[error("the head is that of another server's log")]
    OtherLog,
    /// The secret does not belong to the public key.
    #[error("the log key in the authority's folder is not the server's: put back the folder from a backup")]
    OtherKey,
}

/// What a log was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// How many leaves it has.
    #[cbor(n(0), decode_with = "openchat_protocol::codec::decode_count")]
    pub size: u64,
    /// The root hash over all of them (RFC 6962 §2.1).
    #[n(1)]
    pub root: Hash,
}

/// A head with the note that proves it. Only [`LogKey::open`] and [`LogSigner::sign`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    head: Head,
    note: Vec<u8>,
    /// The log key's (RFC 8032).
    signature: [u8; 64],
}

impl SignedHead {
    /// What was signed.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The note, byte for byte.
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// The head in few bytes, for others to compare.
    pub fn to_seen(&self) -> SeenHead {
        SeenHead { size: self.head.size, root: self.head.root.0, signature: self.signature }
    }
}

/// The name of a log, in its heads and of its key.
pub fn origin(server: &ServerFingerprint) -> String {
    format!("openchat.alt/log/{server}")
}

/// The key that heads are checked with, and the log that they must be of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    origin: String,
    public: [u8; 32],
}

impl LogKey {
    /// The log of a server.
    pub fn new(genesis: &Genesis) -> Self {
        Self { origin: origin(&genesis.fingerprint()), public: genesis.log_key }
    }

    /// Checks a head in its short form, and makes its note of it.
    pub fn open_seen(&self, seen: &SeenHead) -> Result<SignedHead, CheckpointError> {
        let head = Head { size: seen.size, root: Hash(seen.root) };
        self.open(&self.note(head, seen.signature.to_vec())?)
    }

    fn text(&self, head: Head) -> Result<Vec<u8>, CheckpointError> {
        let checkpoint = Checkpoint::new(&self.origin, head.size, head.root.into(), "");
        Ok(checkpoint.map_err(|_| CheckpointError::Malformed)?.to_bytes())
    }

    fn note(&self, head: Head, signature: Vec<u8>) -> Result<Vec<u8>, CheckpointError> {
        let malformed = |_| CheckpointError::Malformed;
        let signature = Signature::new(self.origin.clone(), self.key_id(), signature).map_err(malformed)?;
        Ok(Note::new(&self.text(head)?, &[signature]).map_err(malformed)?.to_bytes())
    }

    /// Checks a signed note. Signatures of others in it, such as witnesses, are passed over.
    pub fn open(&self, note: &[u8]) -> Result<SignedHead, CheckpointError> {
        if note.len() > MAX_NOTE {
            return Err(CheckpointError::Malformed);
        }
        let parsed = Note::from_bytes(note).map_err(|_| CheckpointError::Malformed)?;
        let checkpoint = Checkpoint::from_bytes(parsed.text()).map_err(|_| CheckpointError::Malformed)?;
        let known = VerifierList::new(vec![Box::new(self.clone())]);
        if checkpoint.origin() != self.origin {
            return Err(CheckpointError::OtherLog);
        }
        let (verified, _) = parsed.verify(&known).map_err(|_| CheckpointError::Signature)?;
        let signature = verified.first().and_then(|it| it.signature().try_into().ok());
        let signature = signature.ok_or(CheckpointError::Signature)?;
        let size = checkpoint.size();
        if i64::try_from(size).is_err() || !checkpoint.extension().is_empty() {
            return Err(CheckpointError::Malformed);
        }
        let head = Head { size, root: Hash(checkpoint.hash().0) };
        Ok(SignedHead { head, note: note.to_vec(), signature })
    }
}

impl Verifier for LogKey {
    fn name(&self) -> &str {
        &self.origin
    }

    fn key_id(&self) -> u32 {
        let mut key = vec![ALGORITHM];
        key.extend(self.public);
        signed_note::key_id(&self.origin, &key)
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(message, signature).is_ok()
    }
}

/// The key that heads are signed with.
pub struct LogSigner {
    key: LogKey,
    secret: Ed25519KeyPair,
}

impl LogSigner {
    /// From the 32 bytes of the Ed25519 private key (RFC 8032 §5.1.5) that `genesis` names.
    pub fn from_seed(seed: &[u8; 32], genesis: &Genesis) -> Result<Self, CheckpointError> {
        let secret = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| CheckpointError::OtherKey)?;
        if secret.public_key().as_ref() != genesis.log_key {
            return Err(CheckpointError::OtherKey);
        }
        Ok(Self { key: LogKey::new(genesis), secret })
    }

    /// Whoever signs two heads that disagree has convicted itself: sign only what is on disk.
    pub fn sign(&self, head: Head) -> Result<SignedHead, CheckpointError> {
        let made = self.secret.sign(&self.key.text(head)?);
        let signature = made.as_ref().try_into().map_err(|_| CheckpointError::Malformed)?;
        Ok(SignedHead { head, note: self.key.note(head, made.as_ref().to_vec())?, signature })
    }
}

impl fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogSigner({})", self.key.origin)
    }
}
