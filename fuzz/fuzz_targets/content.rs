//! What decodes as content encodes to something that decodes to the same.
#![no_main]
use openchat_e2ee::Content;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(content) = Content::from_bytes(bytes) else { return };
    assert_eq!(Content::from_bytes(&content.to_bytes()).unwrap(), content);
});
