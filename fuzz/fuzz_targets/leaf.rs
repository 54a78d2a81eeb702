//! What reads as leaves of the log is written the same.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(leaves) = openchat_transparency::Leaf::read_tail(bytes) else { return };
    assert_eq!(leaves.iter().flat_map(|leaf| leaf.to_bytes()).collect::<Vec<_>>(), bytes);
});
