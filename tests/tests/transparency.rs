//! The keys of an authority's folder and the log that they sign belong together.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use openchat_identity::{Authority, TrustAnchor};
use openchat_protocol::{Timestamp, Uid};
use openchat_transparency::{Hash, Head, LogKey, LogSigner, Subject, VrfKey, VrfSecret};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

#[test]
fn what_an_authority_signs_is_checked_with_its_root_certificate_alone() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::open_or_create(&folder.path().join("authority"), NOW).unwrap();
    let anchor = TrustAnchor::from_root(authority.root_certificate()).unwrap();
    let genesis = anchor.genesis_record();
    assert_eq!(genesis.fingerprint(), authority.fingerprint());

    let signer = LogSigner::from_seed(&authority.log_seed(), &genesis).unwrap();
    let head = Head { size: 7, root: Hash([1; 32]) };
    let note = signer.sign(head).unwrap().note().to_vec();
    assert_eq!(LogKey::new(&genesis).open(&note).unwrap().head(), head);

    let vrf = VrfSecret::from_seed(&authority.vrf_seed(), &genesis.vrf_key).unwrap();
    let subject = Subject::User(Uid([1; 16]));
    let (label, proof) = vrf.prove(&subject).unwrap();
    assert_eq!(VrfKey::new(&genesis.vrf_key).unwrap().verify(&subject, &proof), Ok(label));
}
