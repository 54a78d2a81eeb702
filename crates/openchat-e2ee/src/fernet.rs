//! Fernet tokens under a key of the room: for secrets in a repository, a ticket, a pipe.
//!
//! A line is `<key id>.<token>`. The part after the dot is a Fernet token that every Fernet library opens with
//! [`FernetKey::to_base64`]; the key id says which epoch's key that is.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64URL, HEXLOWER};
use openchat_protocol::Timestamp;
use zeroize::Zeroizing;

/// The exporter label (RFC 9420 §8.5) of [`FernetKey`].
pub(crate) const LABEL: &str = "OpenChat Fernet";

/// Why a line does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FernetError {
    /// Not `<key id>.<token>`.
    #[error("not a sealed line: it looks like `0123456789abcdef.gAAAA…`")]
    Malformed,
    /// Sealed under the key of another epoch or room.
    #[error("sealed under key {needed}, this is key {found}")]
    OtherKey {
        /// The key it was sealed under.
        needed: KeyId,
        /// The key that was tried.
        found: KeyId,
    },
    /// Altered, older than the time to live, or from the future.
    #[error("the token does not open: it was altered, or it is older than its time to live")]
    Token,
}

/// Names a key without telling it: the first 8 bytes of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for KeyId {
    type Err = FernetError;

    fn from_str(text: &str) -> Result<Self, FernetError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| FernetError::Malformed)?;
        bytes.as_slice().try_into().map(Self).map_err(|_| FernetError::Malformed)
    }
}

/// The key that `line` was sealed under.
pub fn key_id(line: &str) -> Result<KeyId, FernetError> {
    split(line).map(|(id, _)| id)
}

fn split(line: &str) -> Result<(KeyId, &str), FernetError> {
    let (id, token) = line.trim().split_once('.').ok_or(FernetError::Malformed)?;
    Ok((id.parse()?, token))
}

/// The Fernet key of one epoch of one room.
#[derive(Clone, PartialEq, Eq)]
pub struct FernetKey(Zeroizing<[u8; 32]>);

impl FernetKey {
    /// The key with these bytes, from a vault.
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The bytes, for a vault.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As Fernet libraries take it.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL.encode(&self.0[..]))
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        KeyId(*digest(&SHA256, &self.0[..]).as_ref().first_chunk().unwrap_or(&[0; 8]))
    }

    /// Seals `plain`, as of `now`.
    pub fn seal(&self, plain: &[u8], now: Timestamp) -> Result<String, FernetError> {
        Ok(format!("{}.{}", self.id(), self.cipher()?.encrypt_at_time(plain, now.as_seconds())))
    }

    /// Opens `line` if it is not older than `time_to_live` at `now`.
    pub fn open(
        &self,
        line: &str,
        time_to_live: Option<Duration>,
        now: Timestamp,
    ) -> Result<Zeroizing<Vec<u8>>, FernetError> {
        let (needed, token) = split(line)?;
        let found = self.id();
        if needed != found {
            return Err(FernetError::OtherKey { needed, found });
        }
        let plain =
            self.cipher()?.decrypt_at_time(token, time_to_live.map(|it| it.as_secs()), now.as_seconds());
        plain.map(Zeroizing::new).map_err(|_| FernetError::Token)
    }

    fn cipher(&self) -> Result<fernet::Fernet, FernetError> {
        fernet::Fernet::new(&self.to_base64()).ok_or(FernetError::Malformed)
    }
}

impl fmt::Debug for FernetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FernetKey({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(499_162_800_000);

    fn key(byte: u8) -> FernetKey {
        FernetKey::from_bytes(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_line_opens_under_its_key_until_it_is_too_old() {
        let line = key(1).seal(b"secret", NOW).unwrap();
        assert_eq!(key_id(&line), Ok(key(1).id()));
        let minute = Some(Duration::from_secs(60));
        let at = |seconds| {
            key(1).open(&line, minute, NOW.plus(Duration::from_secs(seconds))).map(|it| it.to_vec())
        };
        assert_eq!(at(60), Ok(b"secret".to_vec()));
        assert_eq!(at(61), Err(FernetError::Token));
        assert_eq!(key(1).open(&line, None, Timestamp(u64::MAX)).unwrap()[..], *b"secret");
        let other = FernetError::OtherKey { needed: key(1).id(), found: key(2).id() };
        assert_eq!(key(2).open(&line, None, NOW), Err(other));
    }

    /// `generate.json` of the Fernet specification.
    #[test]
    fn the_token_is_fernets() {
        let bytes = BASE64URL.decode(b"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=").unwrap();
        let key = FernetKey::from_bytes(Zeroizing::new(bytes.try_into().unwrap()));
        let token = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
        let line = format!("{}.{token}", key.id());
        assert_eq!(key.open(&line, Some(Duration::from_secs(60)), NOW).unwrap()[..], *b"hello");
    }

    #[test]
    fn what_is_no_line_is_refused() {
        let line = key(1).seal(b"secret", NOW).unwrap();
        let mut altered = line.clone().into_bytes();
        altered[60] = if altered[60] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(key(1).open(&altered, None, NOW), Err(FernetError::Token));
        for line in ["", "x", "0011.gAAAA", "zz11223344556677.gAAAA"] {
            assert_eq!(key_id(line), Err(FernetError::Malformed), "{line}");
        }
        assert_eq!(format!("{:?}", key(1)), format!("FernetKey({})", key(1).id()));
    }
}
