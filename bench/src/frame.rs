//! What the bare servers speak: a big-endian u32 length, then so many bytes.

/// Bytes of a 200-character message as OpenChat's server delivers it: sealed, in its record, in its place in a page.
/// The bare servers carry as many. [`crate::peer::Town`] checks that it is so.
pub(crate) const fn sealed_length() -> usize {
    508
}

/// The first whole frame, and its length with the header.
pub(crate) fn take(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let header = bytes.first_chunk::<4>()?;
    let end = 4 + u32::from_be_bytes(*header) as usize;
    bytes.get(4..end).map(|frame| (frame, end))
}

/// Appends `bytes` as one frame.
pub(crate) fn put(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}
