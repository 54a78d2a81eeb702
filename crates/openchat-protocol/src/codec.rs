//! Values to CBOR and back. One value fills one buffer exactly: bytes left over are an error.

use minicbor::{Decode, Decoder, Encode};

/// Bytes that are not one CBOR value of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes break CBOR or the type's shape.
    #[error("malformed: {0}")]
    Malformed(String),
    /// The value ended before the bytes did.
    #[error("{0} bytes follow the value")]
    Trailing(usize),
}

/// The CBOR of `value`.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes);
    bytes
}

/// Appends the CBOR of `value` to `bytes`.
pub fn encode_into<T: Encode<()>>(value: &T, bytes: &mut Vec<u8>) {
    // Writing to a Vec cannot fail and no type here refuses to be encoded.
    if let Err(error) = minicbor::encode(value, bytes) {
        unreachable!("encoding into memory failed: {error}");
    }
}

/// The one value in `bytes`.
pub fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let value = decoder.decode().map_err(|error| DecodeError::Malformed(error.to_string()))?;
    match bytes.len().saturating_sub(decoder.position()) {
        0 => Ok(value),
        left => Err(DecodeError::Trailing(left)),
    }
}

/// A sequence, a counter or a time in milliseconds, for `decode_with`: at most 2^63 - 1, so that every database can
/// keep what was accepted.
pub fn decode_count<C>(decoder: &mut Decoder<'_>, _: &mut C) -> Result<u64, minicbor::decode::Error> {
    let number = decoder.u64()?;
    match i64::try_from(number) {
        Ok(_) => Ok(number),
        Err(_) => Err(minicbor::decode::Error::message("a number over 2^63 - 1")),
    }
}
