//! Roots after the first one: what leads to them, exactly, and what does not.

use super::*;

/// Alice's chain and a server's below the last of some roots, each made by the one before.
struct Succession {
    world: World,
    roots: Vec<KeyPair>,
    /// The newest first.
    certificates: Vec<Vec<u8>>,
}

type Made = Box<dyn Fn(&Succession) -> Vec<u8>>;

impl Succession {
    fn of(length: usize) -> Self {
        let mut all = Self { world: World::new(), roots: Vec::new(), certificates: Vec::new() };
        for _ in 0..length {
            let next = KeyPair::generate();
            let certificate = all.successor(&next, all.newest(), |_| {});
            all.certificates.insert(0, certificate);
            all.roots.push(next);
        }
        all
    }

    fn newest(&self) -> &KeyPair {
        self.roots.last().unwrap_or(&self.world.root)
    }

    fn successor(&self, key: &KeyPair, by: &KeyPair, spoil: impl FnOnce(&mut Draft)) -> Vec<u8> {
        self.world.make(Profile::Successor(self.world.genesis), key, by, spoil)
    }

    fn issuing(&self) -> Vec<u8> {
        self.world.make(Profile::Issuing, &self.world.issuing, self.newest(), |_| {})
    }

    /// Device, identity, issuing, and these.
    fn chain(&self, successors: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let [device, identity, _] = self.world.chain().try_into().unwrap();
        [&[device, identity, self.issuing()], successors].concat()
    }

    fn server(&self, successors: &[Vec<u8>], root: Vec<u8>) -> Vec<Vec<u8>> {
        let leaf = self.world.server(&self.world.device, |_| {});
        [&[leaf, self.issuing()], successors, &[root]].concat()
    }

    /// What each of the three doors says.
    fn verify(&self, successors: &[Vec<u8>], at: Timestamp) -> [Option<Refusal>; 3] {
        let (chain, anchor) = (self.chain(successors), &self.world.anchor);
        let device = anchor.verify_device(&chain, Validity::At(at)).map(|_| ());
        let identity = anchor
            .verify_identity(&chain[1], &above(chain[2..].iter().map(Vec::as_slice)), Validity::At(at))
            .map(|_| ());
        let server = self.server(successors, self.world.root(|_| {}));
        let server = TrustAnchor::verify_server(&server, &anchor.fingerprint(), at).map(|_| ());
        [device, identity, server].map(|found| found.err().map(refusal))
    }
}

#[test]
fn chains_below_a_successor_hold_with_all_that_leads_to_it() {
    for length in 1..4 {
        let all = Succession::of(length);
        assert_eq!(all.verify(&all.certificates, NOW), [None; 3], "{length}");
        let member = all.world.anchor.verify_device(&all.chain(&all.certificates), AT).unwrap();
        assert_eq!(member.device(), device_of(&all.world.alice));
        assert_eq!(
            all.world.anchor.verify_device(&all.world.chain(), AT),
            Ok(member),
            "the same one as before"
        );
        let server = all.server(&all.certificates, all.world.root(|_| {}));
        let anchor = TrustAnchor::verify_server(&server, &all.world.anchor.fingerprint(), NOW).unwrap();
        assert_eq!(anchor.fingerprint(), all.world.anchor.fingerprint());
        let missing = Some((Some(Role::Issuing), Rule::Issuer));
        assert_eq!(all.verify(&[], NOW), [missing; 3], "nobody knows the newest root");
        assert_eq!(all.verify(&all.certificates[1..], NOW), [missing; 3]);
    }
    let all = Succession::of(2);
    let turned: Vec<_> = all.certificates.iter().rev().cloned().collect();
    let other_order = Some((Some(Role::Successor), Rule::Issuer));
    assert_eq!(all.verify(&turned, NOW), [other_order; 3]);
    assert_eq!(all.verify(&all.certificates[..1], NOW), [other_order; 3], "the one in between is missing");
    let long = Succession::of(SUCCESSORS + 1);
    assert_eq!(long.verify(&long.certificates, NOW), [Some((None, Rule::Length)); 3]);
    let longest = Succession::of(SUCCESSORS);
    assert_eq!(longest.verify(&longest.certificates, NOW), [None; 3]);
}

#[test]
fn successors_are_exact() {
    let spoilt = |spoil: fn(&mut Draft)| -> Made {
        Box::new(move |all| all.successor(&all.roots[0], &all.world.root, spoil))
    };
    let length = |limit: u8| -> Made {
        Box::new(move |all| {
            all.successor(&all.roots[0], &all.world.root, |it| {
                it.extension(BASIC_CONSTRAINTS).2 = vec![0x30, 6, 1, 1, 0xff, 2, 1, limit];
            })
        })
    };
    let by = |signer: fn(&Succession) -> &KeyPair, claims: bool| -> Made {
        Box::new(move |all| {
            all.successor(&all.roots[0], signer(all), |it| {
                if claims {
                    let (key, root) = (all.roots[0].public(), all.world.root.public());
                    it.extensions = Draft::new(Profile::Successor(all.world.genesis), key, root).extensions;
                }
            })
        })
    };
    let cases: [(&str, Made, Rule); 21] = [
        ("made by itself", by(|all| &all.roots[0], false), Rule::Issuer),
        ("made by itself in the root's name", by(|all| &all.roots[0], true), Rule::Signature),
        ("made by the issuing key", by(|all| &all.world.issuing, false), Rule::Issuer),
        ("made by the issuing key in the root's name", by(|all| &all.world.issuing, true), Rule::Signature),
        ("made by a user in the root's name", by(|all| &all.world.mallory, true), Rule::Signature),
        ("a path length of 1", length(1), Rule::BasicConstraints),
        ("a path length of 3", length(3), Rule::BasicConstraints),
        (
            "no path length",
            spoilt(|it| it.extension(BASIC_CONSTRAINTS).2 = vec![0x30, 3, 1, 1, 0xff]),
            Rule::BasicConstraints,
        ),
        ("may sign data", spoilt(|it| it.extension(KEY_USAGE).2 = vec![3, 2, 2, 0x84]), Rule::KeyUsage),
        ("another server's log", spoilt(|it| it.extension(GENESIS).2 = tlv(4, &[7; 64])), Rule::Genesis),
        ("no keys of the log", spoilt(|it| it.remove(GENESIS)), Rule::Genesis),
        ("no key identifier", spoilt(|it| it.remove(SUBJECT_KEY_ID)), Rule::SubjectKeyId),
        ("no issuer's key identifier", spoilt(|it| it.remove(AUTHORITY_KEY_ID)), Rule::Issuer),
        ("another subject", spoilt(|it| it.subject = "OpenChat issuing".into()), Rule::Subject),
        ("another issuer", spoilt(|it| it.issuer = "OpenChat issuing".into()), Rule::Issuer),
        (
            "a purpose",
            spoilt(|it| it.extensions.push((EXTENDED_KEY_USAGE.to_vec(), false, purposes(&[1])))),
            Rule::Unknown,
        ),
        ("a life of 21 years", spoilt(|it| it.not_after += Days::days(365)), Rule::Lifetime),
        ("the root itself", Box::new(|all| all.world.root(|_| {})), Rule::Issuer),
        (
            "another root for itself",
            Box::new(|all| {
                all.world.make(Profile::Root(all.world.genesis), &all.roots[0], &all.roots[0], |_| {})
            }),
            Rule::Issuer,
        ),
        (
            "an issuing certificate",
            Box::new(|all| all.world.make(Profile::Issuing, &all.roots[0], &all.world.root, |_| {})),
            Rule::Subject,
        ),
        ("nothing", Box::new(|_| vec![0x30, 0]), Rule::Encoding),
    ];
    let all = Succession::of(1);
    for (what, make, rule) in cases {
        assert_eq!(all.verify(&[make(&all)], NOW), [Some((Some(Role::Successor), rule)); 3], "{what}");
    }
}

#[test]
fn a_successor_certifies_no_people_and_an_issuing_key_no_roots() {
    let all = Succession::of(1);
    let [device, identity, issuing] = all.world.chain().try_into().unwrap();
    let verify = |chain: &[Vec<u8>]| all.world.anchor.verify_device(chain, AT).map(|_| ()).map_err(refusal);
    let in_its_place = [device.clone(), identity.clone(), all.certificates[0].clone()];
    assert_eq!(verify(&in_its_place), Err((Some(Role::Issuing), Rule::Subject)));
    let as_path = [device, identity, issuing, all.certificates[0].clone()];
    assert_eq!(verify(&as_path), Err((Some(Role::Issuing), Rule::Issuer)), "below the root of before");
}

#[test]
fn another_server_has_no_successor_here() {
    let (ours, theirs) = (Succession::of(1), Succession::of(1));
    let pinned = ours.world.anchor.fingerprint();
    let server = theirs.server(&theirs.certificates, theirs.world.root(|_| {}));
    let found = TrustAnchor::verify_server(&server, &pinned, NOW).unwrap_err();
    assert_eq!(found, TrustError::OtherServer { pinned, found: theirs.world.anchor.fingerprint() });
    let below_ours = theirs.server(&theirs.certificates, ours.world.root(|_| {}));
    let found = TrustAnchor::verify_server(&below_ours, &pinned, NOW).unwrap_err();
    assert_eq!(refusal(found), (Some(Role::Successor), Rule::Genesis));
    // A server that shows its newest root as its first one is another server.
    let newest = ours.world.make(Profile::Root(ours.world.genesis), &ours.roots[0], &ours.roots[0], |_| {});
    let found = TrustAnchor::verify_server(&ours.server(&[], newest), &pinned, NOW).unwrap_err();
    assert_eq!(found.rule(), Rule::Fingerprint);
}

#[test]
fn a_succession_outlives_the_first_root_and_is_made_while_it_lives() {
    let mut all = Succession::of(0);
    let days = |days: i64| Days::days(days);
    let root = all.world.root(|it| it.not_after = it.not_before + days(30));
    all.world.anchor = TrustAnchor::from_root(&root).unwrap();
    let (timely, late) = (KeyPair::generate(), KeyPair::generate());
    let made = |key: &KeyPair, after: i64| {
        all.successor(key, &all.world.root, |it| {
            it.not_before += days(after);
            it.not_after += days(after);
        })
    };
    let (good, bad) = (made(&timely, 29), made(&late, 31));
    let at = NOW.plus(Duration::from_secs(40 * 86400));
    let verify = |key: &KeyPair, certificate: &Vec<u8>, validity| {
        let issuing = all.world.make(Profile::Issuing, &all.world.issuing, key, |_| {});
        let [device, identity, _] = all.world.chain().try_into().unwrap();
        let chain = [device, identity, issuing, certificate.clone()];
        all.world.anchor.verify_device(&chain, validity).map(|_| ()).map_err(refusal)
    };
    assert_eq!(verify(&timely, &good, Validity::At(at)), Ok(()), "the first root has ended");
    for validity in [Validity::At(at), Validity::Ignored] {
        assert_eq!(verify(&late, &bad, validity), Err((Some(Role::Root), Rule::Expired)));
    }
    let early = verify(&timely, &good, Validity::At(NOW));
    assert_eq!(early, Err((Some(Role::Successor), Rule::NotYetValid)));
    let short = all.successor(&timely, &all.world.root, |it| it.not_after = it.not_before + days(30));
    assert_eq!(verify(&timely, &short, Validity::At(at)), Err((Some(Role::Successor), Rule::Expired)));
}

#[test]
fn no_byte_of_a_succession_can_be_changed() {
    let all = Succession::of(2);
    for certificate in 0..2 {
        for byte in 0..all.certificates[certificate].len() {
            let mut changed = all.certificates.clone();
            changed[certificate][byte] ^= 1;
            let found = all.verify(&changed, NOW);
            assert!(found.iter().all(Option::is_some), "byte {byte} of {certificate}: {found:?}");
        }
    }
}

#[test]
fn what_is_above_an_identity_is_one_value_and_splits_again() {
    let all = Succession::of(2);
    let certificates = [vec![all.issuing()], all.certificates.clone()].concat();
    let value = above(certificates.iter().map(Vec::as_slice));
    assert_eq!(split(&value), certificates);
    assert_eq!(split(&[]), [&[0u8; 0]; 0]);
    let identity = all.world.identity(&all.world.alice, |_| {});
    let verify = |above: &[u8]| all.world.anchor.verify_identity(&identity, above, AT).is_ok();
    assert!(verify(&value));
    for spoilt in [&value[..value.len() - 1], &value[1..], &[], &[value.as_slice(), &[0]].concat()] {
        assert!(!verify(spoilt), "{} bytes", spoilt.len());
    }
    assert!(!verify(&value.repeat(20)));
}
