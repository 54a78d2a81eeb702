//! What is inside the encryption of a message: versioned CBOR that old and new builds both read.
//!
//! A new *field* is skipped by old builds; a new *kind* of body, or a raised `version`, is kept by them and shown as
//! "needs a newer OpenChat". Reserved body kinds: 1 edit, 2 reaction, 3 file, 4 receipt; 5 is [`Verification`]. Reserved fields of
//! [`Content`]: 5 expiry; of [`Text`]: 1 what it replies to.

use minicbor::bytes::ByteVec;
use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};
use openchat_protocol::codec::{self, DecodeError};
use openchat_protocol::key_log::SeenHead;
use openchat_protocol::record::Position;
use openchat_protocol::{MessageId, limits};

use crate::padding;
use crate::verification::Verification;

/// The newest content version that this build reads.
pub const VERSION: u16 = 1;

/// The longest padded content: a sealed message has at most [`limits::MESSAGE`] bytes, and MLS adds its head, a
/// signature and two AEAD tags.
pub const MAXIMUM: usize = limits::MESSAGE - 512;

/// Why a content cannot be sealed, or bytes are no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// More than one message carries.
    #[error(
        "the message is too long: with its padding it has {0} bytes, at most {MAXIMUM} fit; send it in parts"
    )]
    TooLong(usize),
    /// The padding is not what [`Content`] is padded with.
    #[error("the content is not padded as it must be")]
    Padding,
    /// The bytes are no content.
    #[error("the content is malformed: {0}")]
    Malformed(#[from] DecodeError),
}

/// One message, as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The author's identifier of this message, the same as the record's: an id that comes twice is shown once.
    pub message_id: MessageId,
    /// The author's count of messages in this room, from 1: a gap shows that one was withheld.
    pub counter: u64,
    /// How far the author had read: a forked log shows.
    pub seen: Option<Position>,
    /// What it says.
    pub body: Body,
    /// Which log of keys the author was shown, when it is news.
    pub log: Option<Box<SeenHead>>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Words.
    Text(Text),
    /// What programs say to each other so that people know each other's keys.
    Verification(Verification),
    /// Of a newer build.
    Unknown(Unknown),
}

/// Words.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Text {
    /// CommonMark.
    #[n(0)]
    pub markdown: String,
}

/// A body that this build does not know, as it came: kept, so that a newer build can show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Its kind.
    pub kind: u16,
    /// Its CBOR.
    pub raw: Vec<u8>,
}

impl Content {
    /// A message of words.
    pub fn text(
        message_id: MessageId,
        counter: u64,
        seen: Option<Position>,
        markdown: impl Into<String>,
    ) -> Self {
        Self { message_id, counter, seen, body: Body::Text(Text { markdown: markdown.into() }), log: None }
    }

    /// CBOR, as it is kept in a vault.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&Envelope {
            version: VERSION,
            message_id: self.message_id,
            counter: self.counter,
            seen: self.seen,
            body: RawBody::from(&self.body),
            log: self.log.clone(),
        })
    }

    /// The content in `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ContentError> {
        let envelope: Envelope = codec::decode(bytes)?;
        let body = match envelope.body {
            RawBody { kind: TEXT, raw } if envelope.version <= VERSION => Body::Text(codec::decode(&raw)?),
            // What does not decode is of a newer build, which may say more of the kind.
            RawBody { kind: VERIFICATION, raw } if envelope.version <= VERSION => match codec::decode(&raw) {
                Ok(verification) => Body::Verification(verification),
                Err(_) => Body::Unknown(Unknown { kind: VERIFICATION, raw: raw.into() }),
            },
            RawBody { kind, raw } => Body::Unknown(Unknown { kind, raw: raw.into() }),
        };
        let Envelope { message_id, counter, seen, log, .. } = envelope;
        Ok(Self { message_id, counter, seen, body, log })
    }

    /// What is given to MLS.
    pub(crate) fn to_padded(&self) -> Result<Vec<u8>, ContentError> {
        let padded = padding::pad(self.to_bytes());
        if padded.len() > MAXIMUM { Err(ContentError::TooLong(padded.len())) } else { Ok(padded) }
    }

    /// What came out of MLS.
    pub(crate) fn from_padded(padded: &[u8]) -> Result<Self, ContentError> {
        Self::from_bytes(padding::unpad(padded).ok_or(ContentError::Padding)?)
    }
}

const TEXT: u16 = 0;
const VERIFICATION: u16 = 5;

#[derive(Encode, Decode)]
#[cbor(map)]
struct Envelope {
    /// The content version that a reader must know at least.
    #[n(0)]
    version: u16,
    #[n(1)]
    message_id: MessageId,
    #[cbor(n(2), decode_with = "codec::decode_count")]
    counter: u64,
    #[n(3)]
    seen: Option<Position>,
    #[n(4)]
    body: RawBody,
    #[n(6)]
    log: Option<Box<SeenHead>>,
}

/// `[kind, value]`, the value not looked at.
struct RawBody {
    kind: u16,
    raw: ByteVec,
}

impl From<&Body> for RawBody {
    fn from(body: &Body) -> Self {
        match body {
            Body::Text(text) => Self { kind: TEXT, raw: codec::encode(text).into() },
            Body::Verification(it) => Self { kind: VERIFICATION, raw: codec::encode(it).into() },
            Body::Unknown(Unknown { kind, raw }) => Self { kind: *kind, raw: raw.clone().into() },
        }
    }
}

impl<C> Encode<C> for RawBody {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.array(2)?.u16(self.kind)?;
        e.writer_mut().write_all(&self.raw).map_err(encode::Error::write)
    }
}

impl<'b, C> Decode<'b, C> for RawBody {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        if d.array()? != Some(2) {
            return Err(decode::Error::message("a body is a kind and a value"));
        }
        let kind = d.u16()?;
        let start = d.position();
        d.skip()?;
        let raw = d.input().get(start..d.position()).unwrap_or_default();
        Ok(Self { kind, raw: raw.to_vec().into() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(markdown: &str) -> Content {
        Content::text(MessageId([3; 16]), 7, None, markdown)
    }

    #[test]
    fn an_unknown_kind_is_kept_byte_for_byte() {
        let raw = codec::encode(&("a reaction", 5u8));
        let content = Content { body: Body::Unknown(Unknown { kind: 2, raw }), ..text("") };
        assert_eq!(Content::from_bytes(&content.to_bytes()), Ok(content));
    }

    #[test]
    fn a_raised_version_makes_a_known_kind_unknown() {
        let mut bytes = text("hi").to_bytes();
        assert_eq!(bytes[..3], [0xa4, 0, 1]);
        bytes[2] = 2;
        let Body::Unknown(unknown) = Content::from_bytes(&bytes).unwrap().body else { panic!("text") };
        assert_eq!((unknown.kind, unknown.raw), (0, codec::encode(&Text { markdown: "hi".into() })));
    }

    #[test]
    fn a_counter_that_no_vault_keeps_is_no_content() {
        let content = Content { counter: u64::MAX, ..text("hi") };
        assert!(matches!(Content::from_bytes(&content.to_bytes()), Err(ContentError::Malformed(_))));
    }

    #[test]
    fn a_new_field_is_skipped() {
        let mut bytes = text("hi").to_bytes();
        bytes[0] = 0xa5;
        bytes.extend([5, 0x18, 99]);
        assert_eq!(Content::from_bytes(&bytes), Ok(text("hi")));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_size() {
        let fits = text(&"x".repeat(60_000));
        assert!(fits.to_padded().unwrap().len() <= MAXIMUM);
        let error = text(&"x".repeat(limits::MESSAGE)).to_padded().unwrap_err();
        assert!(matches!(error, ContentError::TooLong(size) if size > limits::MESSAGE), "{error}");
    }

    /// A change of these bytes makes old messages unreadable.
    #[test]
    fn the_encoding_is_fixed() {
        let bytes = Content::text(MessageId([0; 16]), 1, None, "hi").to_bytes();
        let expected = "a400010150000000000000000000000000000000000201048200a100626869";
        assert_eq!(data_encoding::HEXLOWER.encode(&bytes), expected);
    }

    #[test]
    fn what_an_author_has_seen_of_the_key_log_takes_little() {
        let log = Some(Box::new(SeenHead { size: 1 << 40, root: [1; 32], signature: [2; 64] }));
        let content = Content { log, ..text("hi") };
        assert_eq!(Content::from_bytes(&content.to_bytes()), Ok(content.clone()));
        assert_eq!(content.to_bytes().len() - text("hi").to_bytes().len(), 111);
    }

    proptest! {
        #[test]
        fn contents_survive(markdown: String, counter in 0..1u64 << 63, sequence in 0..1u64 << 63) {
            let seen = Some(Position { sequence, chain: openchat_protocol::ChainHash([9; 32]) });
            let content = Content { counter, seen, ..text(&markdown) };
            prop_assert_eq!(Content::from_padded(&content.to_padded().unwrap()), Ok(content));
        }

        #[test]
        fn any_bytes_are_a_content_or_an_error(bytes: Vec<u8>) {
            let _ = Content::from_bytes(&bytes);
            let _ = Content::from_padded(&bytes);
        }
    }
}
