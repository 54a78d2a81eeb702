//! No bytes become a signed head or panic on the way.
#![no_main]
use openchat_protocol::Genesis;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let genesis = Genesis { root_spki: Vec::new(), log_key: [1; 32], vrf_key: [1; 32] };
    let _ = openchat_transparency::LogKey::new(&genesis).open(bytes);
});
