//! What decodes as a request encodes to something that decodes to the same.
#![no_main]
use openchat_protocol::{ClientFrame, codec};
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = codec::decode::<ClientFrame>(bytes) else { return };
    assert_eq!(codec::decode::<ClientFrame>(&codec::encode(&frame)), Ok(frame));
});
