//! Any bytes have an MLS head or an error.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = openchat_protocol::mls_head::Head::parse(bytes);
});
