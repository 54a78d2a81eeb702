//! What reads as an answer or as evidence is written the same.
#![no_main]
use openchat_transparency::{Fork, Lookup};
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    Lookup::from_bytes(bytes).iter().for_each(|it| assert_eq!(it.to_bytes(), bytes));
    Fork::from_bytes(bytes).iter().for_each(|it| assert_eq!(it.to_bytes(), bytes));
});
