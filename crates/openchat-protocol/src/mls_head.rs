//! The head of an MLS message (RFC 9420 §6), as far as it is in clear: what the server checks an append by.

use crate::ids::RoomId;

/// `ProtocolVersion` mls10.
const MLS10: u16 = 1;

/// Bytes that do not begin like an MLS group message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The bytes end early or a length is not minimal (RFC 9420 §2.1.2).
    #[error("a truncated or malformed MLS message")]
    Malformed,
    /// Not MLS 1.0.
    #[error("an MLS message of version {0}")]
    Version(u16),
    /// A wire format other than PublicMessage and PrivateMessage.
    #[error("an MLS message of wire format {0}")]
    WireFormat(u16),
    /// A content type or sender type that RFC 9420 does not have.
    #[error("an MLS message of an unknown content or sender type")]
    Unknown,
    /// The group id is not a room's.
    #[error("the MLS group is no room")]
    Room,
}

/// RFC 9420 §6 `ContentType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// A message.
    Application,
    /// A proposal sent by itself.
    Proposal,
    /// A commit.
    Commit,
}

/// How the content is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// PrivateMessage: encrypted by a member.
    Private,
    /// PublicMessage by a member.
    PublicMember,
    /// PublicMessage by someone who joins with it (external commit).
    PublicNewMember,
    /// PublicMessage by another outsider.
    PublicOther,
}

/// What is in clear at the head of a group message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// The group.
    pub room: RoomId,
    /// The epoch it was made in.
    pub epoch: u64,
    /// Encrypted or not, and by whom.
    pub framing: Framing,
    /// What it is.
    pub content_type: ContentType,
    /// `authenticated_data`.
    pub authenticated_data: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads the head of `message`; the rest is not looked at.
    pub fn parse(message: &'a [u8]) -> Result<Self, HeadError> {
        let mut reader = Reader(message);
        match reader.u16()? {
            MLS10 => {}
            version => return Err(HeadError::Version(version)),
        }
        let wire_format = reader.u16()?;
        let room = RoomId::try_from(reader.vector()?).map_err(|_| HeadError::Room)?;
        let epoch = reader.u64()?;
        let (framing, content_type, authenticated_data) = match wire_format {
            1 => {
                let framing = reader.sender()?;
                let authenticated_data = reader.vector()?;
                (framing, reader.content_type()?, authenticated_data)
            }
            2 => {
                let content_type = reader.content_type()?;
                (Framing::Private, content_type, reader.vector()?)
            }
            other => return Err(HeadError::WireFormat(other)),
        };
        Ok(Self { room, epoch, framing, content_type, authenticated_data })
    }
}

/// A cursor over TLS presentation language as RFC 9420 §2.1 uses it.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], HeadError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(HeadError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], HeadError> {
        self.bytes(N)?.try_into().map_err(|_| HeadError::Malformed)
    }

    fn u8(&mut self) -> Result<u8, HeadError> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, HeadError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, HeadError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A vector with a variable-length length (RFC 9420 §2.1.2).
    fn vector(&mut self) -> Result<&'a [u8], HeadError> {
        let first = self.u8()?;
        let low = u32::from(first & 0x3f);
        let (length, smallest) = match first >> 6 {
            0 => (low, 0),
            1 => ((low << 8) | u32::from(self.u8()?), 1 << 6),
            2 => {
                let [a, b, c] = self.array()?;
                (u32::from_be_bytes([first & 0x3f, a, b, c]), 1 << 14)
            }
            _ => return Err(HeadError::Malformed),
        };
        if length < smallest {
            return Err(HeadError::Malformed);
        }
        self.bytes(length as usize)
    }

    fn content_type(&mut self) -> Result<ContentType, HeadError> {
        match self.u8()? {
            1 => Ok(ContentType::Application),
            2 => Ok(ContentType::Proposal),
            3 => Ok(ContentType::Commit),
            _ => Err(HeadError::Unknown),
        }
    }

    fn sender(&mut self) -> Result<Framing, HeadError> {
        match self.u8()? {
            1 => self.bytes(4).map(|_| Framing::PublicMember),
            2 => self.bytes(4).map(|_| Framing::PublicOther),
            3 => Ok(Framing::PublicOther),
            4 => Ok(Framing::PublicNewMember),
            _ => Err(HeadError::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn private(room: &[u8], content_type: u8) -> Vec<u8> {
        let mut message = vec![0, 1, 0, 2, u8::try_from(room.len()).unwrap()];
        message.extend_from_slice(room);
        message.extend_from_slice(&7u64.to_be_bytes());
        message.extend_from_slice(&[content_type, 2, b'h', b'i', 0]);
        message
    }

    #[test]
    fn a_private_message_is_read() {
        let message = private(&[9; 16], 3);
        let head = Head::parse(&message).unwrap();
        assert_eq!(head.room, RoomId([9; 16]));
        assert_eq!((head.epoch, head.framing), (7, Framing::Private));
        assert_eq!((head.content_type, head.authenticated_data), (ContentType::Commit, &b"hi"[..]));
    }

    #[test]
    fn what_is_no_room_message_is_refused() {
        assert_eq!(Head::parse(&private(&[9; 15], 1)), Err(HeadError::Room));
        assert_eq!(Head::parse(&private(&[9; 16], 9)), Err(HeadError::Unknown));
        assert_eq!(Head::parse(&[0, 2]), Err(HeadError::Version(2)));
        assert_eq!(Head::parse(&[0, 1, 0, 2, 0x40, 1]), Err(HeadError::Malformed), "length not minimal");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Head::parse(&bytes);
        }
    }
}
