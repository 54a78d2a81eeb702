//! The answer to "who is this": complete or worth nothing, to the last byte.

use openchat_transparency::{Lookup, ProofError};
use proptest::prelude::*;

use crate::server::{NOW, Server, hours, user};

#[test]
fn an_answer_with_any_byte_altered_is_refused() {
    let mut server = Server::with_users(9);
    let auditor = server.follower();
    server.issue(&user(3), "a new key", hours(1));
    server.heartbeat(hours(1));
    let bytes = server.lookup(&user(3), auditor.followed()).to_bytes();
    let check = |bytes: &[u8]| {
        let lookup = Lookup::from_bytes(bytes).map_err(|error| error.to_string())?;
        auditor.clone().check(&user(3), &lookup, NOW).map_err(|error| error.to_string())
    };
    assert_eq!(check(&bytes).unwrap().body, b"a new key");
    for at in 0..bytes.len() {
        for mask in [1, 0x10, 0x80] {
            let mut altered = bytes.clone();
            altered[at] ^= mask;
            check(&altered).expect_err(&format!("byte {at} altered by {mask:#x}"));
        }
        check(&bytes[..at]).expect_err("a part of an answer");
    }
    check(&[bytes.as_slice(), &[0]].concat()).expect_err("more than an answer");
}

#[test]
fn an_answer_has_one_encoding() {
    let bytes = Server::with_users(2).lookup(&user(1), 0).to_bytes();
    // The same array of four, its length in a byte of its own.
    assert_eq!(bytes[0], 0x84);
    let longer = [&[0x98, 4], &bytes[1..]].concat();
    assert_eq!(Lookup::from_bytes(&longer), Err(ProofError::Malformed));
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Lookup::from_bytes(&bytes);
    }
}
