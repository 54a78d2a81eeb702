//! What reads as an answer or as evidence is written the same.
#![no_main]
use openchat_transparency::{Body, Fork, Kind, Lookup, Tail};
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    Lookup::from_bytes(bytes).iter().for_each(|it| assert_eq!(it.to_bytes(), bytes));
    Fork::from_bytes(bytes).iter().for_each(|it| assert_eq!(it.to_bytes(), bytes));
    let _ = Tail::from_bytes(bytes);
    for kind in (0..6).filter_map(|kind| Kind::try_from(kind).ok()) {
        Body::read(kind, bytes).iter().for_each(|it| assert_eq!(it.to_bytes(), bytes));
    }
});
