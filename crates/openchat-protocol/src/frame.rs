//! Frames: a big-endian u32 length, then that many bytes of CBOR.

use bytes::{Buf, Bytes, BytesMut};
use minicbor::Encode;

use crate::codec;

const HEADER: usize = 4;

/// A frame that must not be read or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length in the header is over the limit of this connection's state.
    #[error("a frame of {length} bytes is over the limit of {limit}")]
    TooLong {
        /// What the header says, in bytes.
        length: usize,
        /// What is allowed now, in bytes.
        limit: usize,
    },
    /// A frame carries at least one byte.
    #[error("an empty frame")]
    Empty,
}

/// Takes the first whole frame from `buffer`, or nothing when more bytes are needed. The limit is checked as soon
/// as the header is there, so nobody makes us wait for, or store, what we would refuse.
pub fn take(buffer: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, FrameError> {
    let Some(header) = buffer.first_chunk::<HEADER>() else { return Ok(None) };
    let length = u32::from_be_bytes(*header) as usize;
    if length == 0 {
        return Err(FrameError::Empty);
    }
    if length > limit {
        return Err(FrameError::TooLong { length, limit });
    }
    if buffer.len() < HEADER + length {
        return Ok(None);
    }
    buffer.advance(HEADER);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// Appends `value` as one frame. On an error `out` is as it was.
pub fn put<T: Encode<()>>(value: &T, limit: usize, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    codec::encode_into(value, out);
    let length = out.len() - start - HEADER;
    match u32::try_from(length) {
        Ok(header) if length <= limit => {
            if let Some(slot) = out.get_mut(start..start + HEADER) {
                slot.copy_from_slice(&header.to_be_bytes());
            }
            Ok(())
        }
        _ => {
            out.truncate(start);
            Err(FrameError::TooLong { length, limit })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Attack 21: floods, slow connections, huge frames.
    #[test]
    fn a_header_over_the_limit_is_refused_before_its_body_arrives() {
        let mut buffer = BytesMut::from(&[0, 0, 1, 0][..]);
        assert_eq!(take(&mut buffer, 255), Err(FrameError::TooLong { length: 256, limit: 255 }));
    }

    #[test]
    fn a_refused_frame_leaves_the_output_as_it_was() {
        let mut out = vec![7];
        assert!(put(&"long text", 3, &mut out).is_err());
        assert_eq!(out, [7]);
    }

    proptest! {
        #[test]
        fn frames_survive_any_fragmentation(texts in prop::collection::vec(".{0,40}", 1..6), cut in 1usize..9) {
            let mut wire = Vec::new();
            for text in &texts {
                put(text, 1 << 10, &mut wire).unwrap();
            }
            let (mut buffer, mut seen) = (BytesMut::new(), Vec::new());
            for piece in wire.chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Some(frame) = take(&mut buffer, 1 << 10).unwrap() {
                    seen.push(codec::decode::<String>(&frame).unwrap());
                }
            }
            prop_assert_eq!(seen, texts);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn any_bytes_are_frames_or_an_error(bytes: Vec<u8>) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = take(&mut buffer, 64) {}
        }
    }
}
