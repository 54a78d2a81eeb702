//! Any bytes are frames or an error.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut buffer = bytes::BytesMut::from(bytes);
    while let Ok(Some(_)) = openchat_protocol::frame::take(&mut buffer, 1 << 16) {}
});
