//! The bytes of the log, which a snapshot fixes: a changed snapshot is another log.

use data_encoding::HEXLOWER;
use openchat_protocol::device_list::SignedDeviceList;
use openchat_protocol::{Timestamp, Uid};
use openchat_transparency::body::{AuthorityEvent, IdentityIssued, NoLonger};
use openchat_transparency::{
    Body, BodyError, CheckpointError, Commitment, Head, Kind, Label, LabelError, Leaf, LeafError, LogKey,
    LogSigner, Opening, VrfKey, VrfSecret,
};
use proptest::prelude::*;

use crate::server::{NOW, Server, genesis, name, signer, user, vrf};

const LEAF: Leaf = Leaf {
    kind: Kind::DeviceList,
    time: Timestamp(0x0102_0304_0506_0708),
    label: Label([0xaa; 32]),
    seq: 0x1112_1314,
    previous: Some(0x2122_2324_2526_2728),
    commitment: Commitment([0xcc; 32]),
};

#[test]
fn a_leaf_has_these_bytes() {
    let bytes = LEAF.to_bytes();
    assert_eq!(Leaf::from_bytes(&bytes), Ok(LEAF));
    let first = Leaf { seq: 1, previous: None, ..LEAF };
    assert_eq!(Leaf::from_bytes(&first.to_bytes()), Ok(first));
    insta::assert_snapshot!(
        [bytes, first.to_bytes()].map(|bytes| HEXLOWER.encode(&bytes)).join("\n"),
        @"
    01030102030405060708aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa111213142122232425262728cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
    01030102030405060708aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa00000001ffffffffffffffffcccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
    "
    );
}

#[test]
fn what_is_no_leaf_is_refused_by_reason() {
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = LEAF.to_bytes();
        bytes[at..at + to.len()].copy_from_slice(to);
        Leaf::from_bytes(&bytes).unwrap_err()
    };
    assert_eq!(Leaf::from_bytes(&LEAF.to_bytes()[..85]), Err(LeafError::Length(85)));
    assert_eq!(Leaf::from_bytes(&[LEAF.to_bytes().as_slice(), &[0]].concat()), Err(LeafError::Length(87)));
    assert_eq!(changed(0, &[2]), LeafError::Version(2));
    assert_eq!(changed(1, &[7]), LeafError::Kind(7));
    assert_eq!(changed(1, &[0]), LeafError::Label, "a heartbeat of somebody");
    assert_eq!(changed(10, &[0; 32]), LeafError::Label, "the devices of nobody");
    assert_eq!(changed(2, &[0x80]), LeafError::Number);
    assert_eq!(changed(46, &[0x80]), LeafError::Number);
    assert_eq!(changed(42, &[0; 4]), LeafError::Previous { seq: 0 });
    assert_eq!(changed(42, &[0, 0, 0, 1]), LeafError::Previous { seq: 1 }, "a first one with one before it");
    assert_eq!(changed(46, &[0xff; 8]), LeafError::Previous { seq: LEAF.seq }, "a later one without");
}

#[test]
fn labels_commitments_and_heads_have_these_bytes() {
    let label = |subject| HEXLOWER.encode(&vrf().prove(&subject).unwrap().0.0);
    let opening = Opening { nonce: [7; 32], body: b"body".to_vec() };
    let head = Server::with_users(3).head();
    insta::assert_snapshot!(
        format!(
            "name {}\nuser {}\ncommitment {}\n{}",
            label(name("alice")),
            label(user(1)),
            HEXLOWER.encode(&opening.commitment().0),
            std::str::from_utf8(head.note()).unwrap()
        ),
        @"
    name ffa4eb090874081540d58a504a726a031ec1e9f3b43dd6a324a9c393a31e9f39
    user d8be79f26ab377f63b2d79baa749be35d663fc1f0bf8eab8ea2aa4763a637552
    commitment a6d842f703caddaddd0d5b7b7b13d45df5614b98f55ac62cf9515b88220dfeef
    openchat.alt/log/FSQcZBcvj1-ySYb8hqel6iF8Ly_mTzTAsSYa9ayJ2H4
    4
    TSD6W80eXW4IXueWp4zoFk1Bbq4IarCvYuVyzG63lNo=

    — openchat.alt/log/FSQcZBcvj1-ySYb8hqel6iF8Ly_mTzTAsSYa9ayJ2H4 OlmlC9q1NlktTVxqJbJeRj4q48ExgWobpzGS8zgE8NyZHyCmaAk/gy4gQcEOUllJi2NwpcAxzBgu1FxJzV+Js8hukgU=
    "
    );
}

#[test]
fn a_label_is_proven_for_one_subject_and_one_key() {
    let (label, proof) = vrf().prove(&name("alice")).unwrap();
    let key = VrfKey::new(&genesis().vrf_key).unwrap();
    assert_eq!(key.verify(&name("alice"), &proof), Ok(label));
    assert_eq!(key.verify(&name("alicf"), &proof), Err(LabelError::Unproven(name("alicf"))));
    let other = VrfKey::new(&genesis().log_key).unwrap();
    assert_eq!(other.verify(&name("alice"), &proof), Err(LabelError::Unproven(name("alice"))));
    assert_ne!(vrf().prove(&user(b'a')).unwrap().0, label);
}

#[test]
fn a_proof_of_a_label_has_one_encoding() {
    let (_, mut proof) = vrf().prove(&name("alice")).unwrap();
    let key = VrfKey::new(&genesis().vrf_key).unwrap();
    // The order of the group (RFC 8032 §5.1), little-endian: s and s + order are the same number.
    let order = HEXLOWER.decode(b"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0;
    for (byte, add) in proof.0[48..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(key.verify(&name("alice"), &proof), Err(LabelError::Malformed));
}

#[test]
fn label_keys_that_are_no_keys_are_refused() {
    // The neutral element, a point of order 8, and a point in an encoding that it must not have.
    let order_eight = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let order_eight = HEXLOWER.decode(order_eight.as_bytes()).unwrap().try_into().unwrap();
    for key in [neutral, order_eight, [0xff; 32]] {
        assert_eq!(VrfKey::new(&key).unwrap_err(), LabelError::Key);
    }
}

#[test]
fn secrets_of_another_server_are_refused() {
    assert_eq!(VrfSecret::from_seed(&[9; 32], &genesis().vrf_key).unwrap_err(), LabelError::OtherKey);
    assert_eq!(LogSigner::from_seed(&[9; 32], &genesis()).unwrap_err(), CheckpointError::OtherKey);
}

#[test]
fn a_head_is_signed_by_one_log_and_every_byte_of_it_counts() {
    let server = Server::with_users(3);
    let key = LogKey::new(&genesis());
    assert_eq!(key.open(&server.note()), Ok(server.head()));
    let mut elsewhere = genesis();
    elsewhere.root_spki.push(0);
    assert_eq!(LogKey::new(&elsewhere).open(&server.note()), Err(CheckpointError::OtherLog));
    for at in 0..server.note().len() {
        for mask in [1, 0x20, 0x80] {
            let mut note = server.note();
            note[at] ^= mask;
            key.open(&note).expect_err("an altered note");
        }
    }
    assert_eq!(key.open(&vec![b'a'; 5000]), Err(CheckpointError::Malformed));
}

#[test]
fn signatures_of_witnesses_are_passed_over() {
    let server = Server::new();
    let witness = "\u{2014} witness.example AAAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n";
    let note = [server.note().as_slice(), witness.as_bytes()].concat();
    assert_eq!(LogKey::new(&genesis()).open(&note).unwrap().head(), server.head().head());
}

#[test]
fn sizes_that_no_database_keeps_are_refused() {
    let head = Head { size: 1 << 63, ..Server::new().head().head() };
    let signed = signer().sign(head).unwrap();
    assert_eq!(LogKey::new(&genesis()).open(signed.note()), Err(CheckpointError::Malformed));
}

proptest! {
    #[test]
    fn what_reads_as_a_leaf_is_written_the_same(mut bytes in proptest::array::uniform(any::<u8>()), kind in prop::sample::select(vec![1, 2, 3, 5_u8])) {
        let bytes: &mut [u8; Leaf::LENGTH] = &mut bytes;
        (bytes[0], bytes[1]) = (1, kind);
        (bytes[2], bytes[46]) = (bytes[2] & 0x7f, bytes[46] & 0x7f);
        bytes[42] |= 1;
        prop_assert_eq!(&Leaf::from_bytes(bytes).unwrap().to_bytes(), &*bytes);
    }

    #[test]
    fn any_bytes_are_leaves_and_heads_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Leaf::read_tail(&bytes);
        let _ = LogKey::new(&genesis()).open(&bytes);
    }
}

#[test]
fn a_tail_is_leaves_one_after_the_other() {
    let server = Server::with_users(4);
    let bytes: Vec<u8> = server.leaves.iter().flat_map(Leaf::to_bytes).collect();
    assert_eq!(Leaf::read_tail(&bytes).as_ref(), Ok(&server.leaves));
    assert_eq!(Leaf::read_tail(&bytes[..bytes.len() - 1]), Err(LeafError::Length(85)));
    assert_eq!(server.leaves[0].time, NOW);
}

fn bodies() -> Vec<Body> {
    let (uid, name) = (Uid([1; 16]), || "alice".parse().unwrap());
    let no_longer = || NoLonger { uid, name: name() };
    vec![
        Body::Heartbeat,
        Body::IdentityIssued(IdentityIssued { uid, name: name(), certificate: [2; 32], renewal: None }),
        Body::IdentityRetired(no_longer()),
        Body::DeviceList(SignedDeviceList { list: vec![3].into(), signature: vec![4].into() }),
        Body::Authority(AuthorityEvent::Issuing { certificate: [5; 32], root: None }),
        Body::NameReleased(no_longer()),
        Body::Authority(AuthorityEvent::Issuing { certificate: [5; 32], root: Some(vec![7; 32].into()) }),
        Body::IdentityIssued(IdentityIssued {
            uid,
            name: name(),
            certificate: [2; 32],
            renewal: Some(vec![6].into()),
        }),
    ]
}

#[test]
fn bodies_have_these_bytes() {
    let lines = bodies().into_iter().map(|body| {
        let bytes = body.to_bytes();
        assert_eq!(Body::read(body.kind(), &bytes), Ok(body.clone()));
        format!("{:?} {}", body.kind(), HEXLOWER.encode(&bytes))
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_is_no_body_of_its_kind_is_refused() {
    let mut bytes = bodies()[1].to_bytes();
    assert_eq!(Body::read(Kind::DeviceList, &bytes), Err(BodyError::Malformed));
    bytes.push(0);
    assert_eq!(Body::read(Kind::IdentityIssued, &bytes), Err(BodyError::Malformed));
    bytes.pop();
    bytes[1] = 2;
    assert_eq!(Body::read(Kind::IdentityIssued, &bytes), Err(BodyError::Format(2)));
}
