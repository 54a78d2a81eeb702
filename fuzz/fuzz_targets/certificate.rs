//! No bytes become a trust anchor or panic on the way.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = openchat_identity::TrustAnchor::from_root(bytes);
    let _ = openchat_identity::trust::split(bytes);
    let _ = openchat_identity::PublicKey::from_spki_der(bytes);
});
