use proptest::prelude::*;
use time::Duration as Days;

use super::*;
use crate::drafts::{DID, Draft, NOW, World, device_of, domain, resign, tlv};
use crate::ecdsa::KeyPair;
use crate::profile::SERVER_NAME;

mod succession;

const SUBJECT_KEY_ID: &[u64] = &[2, 5, 29, 14];
const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const NAME_CONSTRAINTS: &[u64] = &[2, 5, 29, 30];
const AUTHORITY_KEY_ID: &[u64] = &[2, 5, 29, 35];
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];
const GENESIS: &[u64] = &[1, 3, 6, 1, 3, 8442, 1];

const AT: Validity = Validity::At(NOW);

/// What was refused and why; no role where the chain as a whole is refused.
type Refusal = (Option<Role>, Rule);

fn refusal(error: TrustError) -> Refusal {
    let role = match error {
        TrustError::Profile(error) => Some(error.role),
        TrustError::Expired { role, .. } | TrustError::NotYetValid { role, .. } => Some(role),
        _ => None,
    };
    (role, error.rule())
}

/// Makes bad chains, each with one thing wrong with it.
struct Corpus {
    world: World,
}

impl Corpus {
    fn new() -> Self {
        Self { world: World::new() }
    }

    fn expect(&self, what: &str, found: Result<(), TrustError>, role: Role, rule: Rule) {
        self.expect_refusal(what, found, (Some(role), rule));
    }

    fn expect_refusal(&self, what: &str, found: Result<(), TrustError>, expected: Refusal) {
        let found = found.expect_err(what);
        assert_eq!(refusal(found), expected, "{what}: {found}");
    }

    fn verify(&self, chain: &[Vec<u8>]) -> Result<(), TrustError> {
        self.world.anchor.verify_device(chain, AT).map(|_| ())
    }

    /// Alice's device certificate is spoiled.
    fn device(&self, what: &str, rule: Rule, spoil: impl FnOnce(&mut Draft)) {
        let mut chain = self.world.chain();
        chain[0] = self.world.device(&self.world.alice, spoil);
        self.expect(what, self.verify(&chain), Role::Device, rule);
    }

    /// Alice's device has another name, given as GeneralNames.
    fn device_name(&self, what: &str, names: &[(u8, &str)]) {
        let names: Vec<u8> = names.iter().flat_map(|(tag, name)| tlv(*tag, name.as_bytes())).collect();
        let spoil = |draft: &mut Draft| draft.extension(SUBJECT_ALT_NAME).2 = tlv(0x30, &names);
        self.device(what, Rule::SubjectAltName, spoil);
    }

    /// Alice's identity certificate is spoiled.
    fn identity(&self, what: &str, rule: Rule, spoil: impl Fn(&mut Draft)) {
        let mut chain = self.world.chain();
        chain[1] = self.world.identity(&self.world.alice, spoil);
        let alone = self.world.anchor.verify_identity(&chain[1], &chain[2], AT).map(|_| ());
        self.expect(what, self.verify(&chain), Role::Identity, rule);
        self.expect(what, alone, Role::Identity, rule);
    }

    /// The issuing certificate is spoiled.
    fn issuing(&self, what: &str, rule: Rule, spoil: impl FnOnce(&mut Draft)) {
        let mut chain = self.world.chain();
        chain[2] = self.world.issuing(spoil);
        self.expect(what, self.verify(&chain), Role::Issuing, rule);
    }

    /// The server's certificate is spoiled.
    fn server(&self, what: &str, rule: Rule, spoil: impl FnOnce(&mut Draft)) {
        let leaf = self.world.server(&self.world.device, spoil);
        let chain = [leaf, self.world.issuing(|_| {}), self.world.root(|_| {})];
        self.expect(what, self.verify_server(&chain), Role::Server, rule);
    }

    fn verify_server(&self, chain: &[Vec<u8>]) -> Result<(), TrustError> {
        TrustAnchor::verify_server(chain, &self.world.anchor.fingerprint(), NOW).map(|_| ())
    }

    /// The root certificate is spoiled.
    fn root(&self, what: &str, rule: Rule, spoil: impl FnOnce(&mut Draft)) {
        let root = self.world.root(spoil);
        self.expect(what, TrustAnchor::from_root(&root).map(|_| ()), Role::Root, rule);
    }
}

fn purposes(last_arcs: &[u8]) -> Vec<u8> {
    let list: Vec<u8> = last_arcs.iter().flat_map(|arc| tlv(0x06, &[0x2b, 6, 1, 5, 5, 7, 3, *arc])).collect();
    tlv(0x30, &list)
}

fn subtrees(tag: u8, names: &[&str]) -> Vec<u8> {
    let list: Vec<u8> = names.iter().flat_map(|name| tlv(0x30, &tlv(0x82, name.as_bytes()))).collect();
    tlv(tag, &list)
}

#[test]
fn good_chains_are_accepted() {
    let world = World::new();
    let chain = world.chain();
    let member = world.anchor.verify_device(&chain, AT).unwrap();
    assert_eq!(member.device(), device_of(&world.alice));
    assert_eq!(member.device_key(), world.device.public().point());
    assert_eq!(member.identity_spki(), world.alice.public().spki_der());
    assert_eq!(member.expires(), NOW.plus(Duration::from_secs(90 * 86400)));
    assert_eq!(world.anchor.verify_device(&chain, Validity::At(member.expires())), Ok(member.clone()));
    assert_eq!(world.anchor.verify_device(&chain, Validity::Ignored), Ok(member));

    let identity = world.anchor.verify_identity(&chain[1], &chain[2], AT).unwrap();
    assert_eq!(identity.uid(), world.alice.public().uid());
    assert_eq!(identity.spki_fingerprint(), world.alice.public().fingerprint());
    assert_eq!(identity.expires(), NOW.plus(Duration::from_secs(2 * 365 * 86400)));

    let server = [world.server(&world.device, |_| {}), world.issuing(|_| {}), world.root(|_| {})];
    let anchor = TrustAnchor::verify_server(&server, &world.anchor.fingerprint(), NOW).unwrap();
    assert_eq!(anchor.genesis(), &world.genesis);
}

/// Attack 12: another SAN, a CN, a wildcard.
#[test]
fn device_certificates_are_exact() {
    let corpus = Corpus::new();
    let own = format!("{DID}.{}", domain(corpus.world.alice.public().uid()));
    let uri = format!("https://{own}/");
    corpus.device_name("a wildcard", &[(0x82, &own.replace(&DID.to_string(), "*"))]);
    corpus.device_name("a URI only", &[(0x86, &uri)]);
    corpus.device_name("an extra URI", &[(0x82, &own), (0x86, &uri)]);
    corpus.device_name("an extra name", &[(0x82, &own), (0x82, SERVER_NAME)]);
    corpus.device_name("the name twice", &[(0x82, &own), (0x82, &own)]);
    corpus.device_name("an e-mail address", &[(0x81, "alice@example.com")]);
    corpus.device_name("an empty list", &[]);
    corpus.device_name("no device", &[(0x82, &domain(corpus.world.alice.public().uid()))]);
    corpus.device_name("a deeper name", &[(0x82, &format!("x.{own}"))]);
    corpus.device_name("upper case", &[(0x82, &own.to_uppercase())]);
    corpus.device_name("a final dot", &[(0x82, &format!("{own}."))]);
    corpus.device_name("a NUL", &[(0x82, &format!("{own}\0.example"))]);
    corpus.device_name("the server's name", &[(0x82, SERVER_NAME)]);
    corpus.device("no name", Rule::SubjectAltName, |it| it.remove(SUBJECT_ALT_NAME));
    corpus.device("a common name only", Rule::SubjectAltName, |it| {
        it.remove(SUBJECT_ALT_NAME);
        it.subject.clone_from(&own);
    });
    corpus.device("a user's name as subject", Rule::Subject, |it| it.subject = "alice".into());
    for (what, arcs) in [
        ("TLS server", &[1][..]),
        ("TLS client only", &[2]),
        ("TLS server as well", &[1, 2, 40]),
        ("another order", &[40, 2]),
        ("code signing as well", &[2, 40, 3]),
    ] {
        let spoil = |it: &mut Draft| it.extension(EXTENDED_KEY_USAGE).2 = purposes(arcs);
        corpus.device(what, Rule::ExtendedKeyUsage, spoil);
    }
    corpus.device("any purpose", Rule::ExtendedKeyUsage, |it| {
        it.extension(EXTENDED_KEY_USAGE).2 = tlv(0x30, &tlv(0x06, &[0x55, 0x1d, 0x25, 0]));
    });
    corpus.device("no purpose", Rule::ExtendedKeyUsage, |it| it.remove(EXTENDED_KEY_USAGE));
    corpus.device("a CA", Rule::BasicConstraints, |it| {
        it.extension(BASIC_CONSTRAINTS).2 = vec![0x30, 3, 1, 1, 0xff];
    });
    corpus.device("a CA in BER", Rule::BasicConstraints, |it| {
        it.extension(BASIC_CONSTRAINTS).2 = vec![0x30, 3, 1, 1, 1];
    });
    corpus.device("no CA, not in DER", Rule::BasicConstraints, |it| {
        it.extension(BASIC_CONSTRAINTS).2 = vec![0x30, 3, 1, 1, 0];
    });
    corpus.device("no basic constraints", Rule::BasicConstraints, |it| it.remove(BASIC_CONSTRAINTS));
    corpus.device("may sign certificates", Rule::KeyUsage, |it| {
        it.extension(KEY_USAGE).2 = vec![3, 2, 2, 0x84];
    });
    corpus.device("no key usage", Rule::KeyUsage, |it| it.remove(KEY_USAGE));
    corpus.device("a key usage that is not critical", Rule::Criticality, |it| {
        it.extension(KEY_USAGE).1 = false;
    });
    corpus.device("a critical name", Rule::Criticality, |it| it.extension(SUBJECT_ALT_NAME).1 = true);
    corpus.device("a name constraint", Rule::NameConstraints, |it| {
        it.extensions.push((NAME_CONSTRAINTS.to_vec(), true, tlv(0x30, &subtrees(0xa0, &["alt"]))));
    });
    for critical in [false, true] {
        corpus.device("an unknown extension", Rule::Unknown, |it| {
            it.extensions.push((vec![1, 2, 3, 4], critical, vec![5, 0]));
        });
    }
    corpus.device("many bytes", Rule::Encoding, |it| {
        it.extensions.push((vec![1, 2, 3, 4], false, vec![0; openchat_protocol::limits::CERTIFICATE]));
    });
    corpus.device("an extension twice", Rule::Repeated, |it| {
        let again = it.extension(SUBJECT_ALT_NAME).clone();
        it.extensions.push(again);
    });
    corpus.device("no key identifier", Rule::SubjectKeyId, |it| it.remove(SUBJECT_KEY_ID));
    corpus.device("another key identifier", Rule::SubjectKeyId, |it| {
        it.extension(SUBJECT_KEY_ID).2 = tlv(4, &[7; 20]);
    });
    corpus.device("no issuer's key identifier", Rule::Issuer, |it| it.remove(AUTHORITY_KEY_ID));
    corpus.device("a name of another issuer", Rule::Issuer, |it| it.issuer = "OpenChat issuing".into());
    corpus.device("a life of 91 days", Rule::Lifetime, |it| it.not_after += Days::days(1));
    corpus.device("an end before the beginning", Rule::Lifetime, |it| {
        it.not_after = it.not_before - Days::days(1);
    });
    corpus.device("serial number 0", Rule::Serial, |it| it.serial = vec![0]);
    corpus.device("a serial number of 21 bytes", Rule::Serial, |it| it.serial = vec![1; 21]);
}

#[test]
fn encodings_are_exact() {
    let corpus = Corpus::new();
    let (chain, alice, key) = (corpus.world.chain(), &corpus.world.alice, corpus.world.device.public());
    let patched = |from: &[u8], to: &[u8]| resign(&chain[0], from, to, alice);
    let version_3 = [0xa0, 3, 2, 1, 2];
    let sha384 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
    let sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let outside = {
        let at = chain[0].windows(8).rposition(|it| it == sha384).unwrap();
        [&chain[0][..at], &sha256, &chain[0][at + 8..]].concat()
    };
    let extensions = |it: &&[u8]| matches!(it, [0xa3, 0x81, all, 0x30, 0x81, list] if *all == list + 3);
    let extensions = chain[0].windows(6).find(extensions).unwrap();
    let unique = [&[0x81, 2, 0, 7], extensions].concat();
    let p256 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let draft = Draft::new(Profile::Device(device_of(alice)), alice.public(), alice.public());
    let short = [&[0, 2 + (key.point()[96] & 1)], &key.point()[1..49]].concat();
    let short = tlv(0x30, &[&key.spki_der()[2..20], &tlv(3, &short)].concat());
    for (what, certificate, rule) in [
        ("re-signed as it was", patched(&version_3, &version_3), None),
        ("version 2", patched(&version_3, &[0xa0, 3, 2, 1, 1]), Some(Rule::Version)),
        ("a unique identifier", patched(extensions, &unique), Some(Rule::Version)),
        ("a negative serial number", patched(&[2, 16, 1, 1], &[2, 16, 0x81, 1]), Some(Rule::Serial)),
        ("SHA-256 inside", patched(&sha384, &sha256), Some(Rule::Algorithm)),
        ("SHA-256 outside", outside, Some(Rule::Algorithm)),
        ("a key of P-256", draft.sign(&p256, alice), Some(Rule::Key)),
        ("a compressed key", patched(key.spki_der(), &short), Some(Rule::Key)),
        ("nothing", vec![], Some(Rule::Encoding)),
        ("text", b"certificate".to_vec(), Some(Rule::Encoding)),
        ("a byte too few", chain[0][..chain[0].len() - 1].to_vec(), Some(Rule::Encoding)),
        ("a byte too many", [&chain[0][..], &[0]].concat(), Some(Rule::Encoding)),
    ] {
        let found = corpus.verify(&[certificate, chain[1].clone(), chain[2].clone()]);
        match rule {
            None => assert_eq!(found, Ok(()), "{what}"),
            Some(rule) => assert_eq!(refusal(found.expect_err(what)), (Some(Role::Device), rule), "{what}"),
        }
    }
}

/// Attack 11: Mallory certifies Alice.
#[test]
fn identity_certificates_are_exact() {
    let corpus = Corpus::new();
    let own = domain(corpus.world.alice.public().uid());
    let others = domain(corpus.world.mallory.public().uid());
    for (what, rule, value) in [
        ("the constraint of another user", Rule::UserOfKey, subtrees(0xa0, &[&others])),
        ("an extra subtree", Rule::NameConstraints, subtrees(0xa0, &[&own, &others])),
        ("an empty subtree", Rule::NameConstraints, subtrees(0xa0, &[""])),
        ("all users", Rule::NameConstraints, subtrees(0xa0, &["users.openchat.alt"])),
        ("a leading dot", Rule::NameConstraints, subtrees(0xa0, &[&format!(".{own}")])),
        ("upper case", Rule::NameConstraints, subtrees(0xa0, &[&own.to_uppercase()])),
        ("excluded, not permitted", Rule::NameConstraints, subtrees(0xa1, &[&own])),
        (
            "an exclusion as well",
            Rule::NameConstraints,
            [subtrees(0xa0, &[&own]), subtrees(0xa1, &["example"])].concat(),
        ),
        ("empty constraints", Rule::NameConstraints, vec![]),
    ] {
        corpus.identity(what, rule, |it| it.extension(NAME_CONSTRAINTS).2 = tlv(0x30, &value));
    }
    corpus.identity("no constraint", Rule::NameConstraints, |it| it.remove(NAME_CONSTRAINTS));
    corpus.identity("a constraint that is not critical", Rule::Criticality, |it| {
        it.extension(NAME_CONSTRAINTS).1 = false;
    });
    for (what, value) in [
        ("a path length of 1", vec![0x30, 6, 1, 1, 0xff, 2, 1, 1]),
        ("no path length", vec![0x30, 3, 1, 1, 0xff]),
        ("no CA", vec![0x30, 0]),
    ] {
        let spoil = |it: &mut Draft| it.extension(BASIC_CONSTRAINTS).2.clone_from(&value);
        corpus.identity(what, Rule::BasicConstraints, spoil);
    }
    corpus.identity("may not sign certificates", Rule::KeyUsage, |it| {
        it.extension(KEY_USAGE).2 = vec![3, 2, 7, 0x80];
    });
    corpus.identity("a purpose", Rule::Unknown, |it| {
        it.extensions.push((EXTENDED_KEY_USAGE.to_vec(), false, purposes(&[2, 40])));
    });
    corpus.identity("a name", Rule::Unknown, |it| {
        let name = tlv(0x30, &tlv(0x82, own.as_bytes()));
        it.extensions.push((SUBJECT_ALT_NAME.to_vec(), false, name));
    });
    corpus.identity("a user's name as subject", Rule::Subject, |it| it.subject = "alice".into());
    corpus.identity("a life of three years", Rule::Lifetime, |it| it.not_after += Days::days(365));
}

#[test]
fn certificates_of_the_authority_are_exact() {
    let corpus = Corpus::new();
    for (what, value) in [
        ("a path length of 3", vec![0x30, 6, 1, 1, 0xff, 2, 1, 3]),
        ("a path length of 0", vec![0x30, 6, 1, 1, 0xff, 2, 1, 0]),
        ("no path length", vec![0x30, 3, 1, 1, 0xff]),
    ] {
        corpus.issuing(what, Rule::BasicConstraints, |it| {
            it.extension(BASIC_CONSTRAINTS).2.clone_from(&value);
        });
        corpus.root(what, Rule::BasicConstraints, |it| it.extension(BASIC_CONSTRAINTS).2.clone_from(&value));
    }
    corpus.issuing("a life of 11 years", Rule::Lifetime, |it| it.not_after += Days::days(365));
    corpus.root("a life of 21 years", Rule::Lifetime, |it| it.not_after += Days::days(365));
    corpus.root("no keys of the log", Rule::Genesis, |it| it.remove(GENESIS));
    for length in [0, 32, 63, 65] {
        corpus.root("keys of another length", Rule::Genesis, |it| {
            it.extension(GENESIS).2 = tlv(4, &vec![7; length]);
        });
    }
    corpus.issuing("keys of the log", Rule::Unknown, |it| {
        it.extensions.push((GENESIS.to_vec(), false, tlv(4, &[7; 64])));
    });
    let root = &corpus.world.root(|_| {});
    let forged = corpus.world.make(
        Profile::Root(corpus.world.genesis),
        &corpus.world.root,
        &corpus.world.mallory,
        |_| {},
    );
    let found = TrustAnchor::from_root(&forged).map(|_| ());
    corpus.expect("a root that another key signed", found, Role::Root, Rule::Signature);
    let exchanged = resign(root, &corpus.world.genesis.log, &[7; 32], &corpus.world.mallory);
    let found = TrustAnchor::from_root(&exchanged).map(|_| ());
    corpus.expect("a root with another log key", found, Role::Root, Rule::Signature);
}

/// Attack 12: another SAN, a CN, a wildcard.
#[test]
fn server_certificates_are_exact() {
    let corpus = Corpus::new();
    for (what, names) in [
        ("a host name", &["chat.example.com"][..]),
        ("a host name as well", &[SERVER_NAME, "chat.example.com"]),
        ("a wildcard", &["*.openchat.alt"]),
        ("a user's device", &["x.users.openchat.alt"]),
    ] {
        corpus.server(what, Rule::SubjectAltName, |it| {
            let names: Vec<u8> = names.iter().flat_map(|name| tlv(0x82, name.as_bytes())).collect();
            it.extension(SUBJECT_ALT_NAME).2 = tlv(0x30, &names);
        });
    }
    corpus.server("no name", Rule::SubjectAltName, |it| it.remove(SUBJECT_ALT_NAME));
    for (what, arcs) in
        [("TLS client", &[2][..]), ("TLS client as well", &[1, 2]), ("messaging as well", &[1, 40])]
    {
        let spoil = |it: &mut Draft| it.extension(EXTENDED_KEY_USAGE).2 = purposes(arcs);
        corpus.server(what, Rule::ExtendedKeyUsage, spoil);
    }
    corpus.server("a CA", Rule::BasicConstraints, |it| {
        it.extension(BASIC_CONSTRAINTS).2 = vec![0x30, 3, 1, 1, 0xff];
    });
    corpus.server("a life of two years", Rule::Lifetime, |it| it.not_after += Days::days(365));
}

/// Attack 11: Mallory certifies Alice.
/// Mallory has an identity certificate, which is a CA certificate, and a key that signs whatever she likes.
#[test]
fn mallory_is_only_mallory() {
    let corpus = Corpus::new();
    let world = &corpus.world;
    let (alice, mallory) = (&world.alice, &world.mallory);
    let [alices, mallorys] = [alice, mallory].map(|user| world.identity(user, |_| {}));
    let (issuing, root) = (world.issuing(|_| {}), world.root(|_| {}));
    let for_alice = Profile::Device(device_of(alice));
    let claims = |spoil: &dyn Fn(&mut Draft)| world.make(for_alice, &world.device, mallory, spoil);
    let as_alice = |it: &mut Draft| {
        let exact = Draft::new(for_alice, world.device.public(), alice.public());
        (it.issuer, it.extensions) = (exact.issuer, exact.extensions);
    };
    let sub = KeyPair::generate();
    let sub_identity = |by: &KeyPair, spoil: &dyn Fn(&mut Draft)| {
        world.make(Profile::Identity(sub.public().uid()), &sub, by, spoil)
    };
    let under_sub = world.make(Profile::Device(device_of(&sub)), &world.device, &sub, |_| {});
    let below_mallory = |it: &mut Draft| it.issuer = mallory.public().uid().to_string();
    let as_issued = |it: &mut Draft| {
        let exact = Draft::new(Profile::Identity(sub.public().uid()), sub.public(), world.issuing.public());
        (it.issuer, it.extensions) = (exact.issuer, exact.extensions);
    };
    let mallorys_device = world.device(mallory, |_| {});
    let by_device = world.make(Profile::Device(device_of(mallory)), &sub, &world.device, |_| {});
    let of_alice = |device: Vec<u8>| vec![device, alices.clone(), issuing.clone()];
    let of_mallory = |device: Vec<u8>| vec![device, mallorys.clone(), issuing.clone()];
    let mut cases = vec![
        ("Alice's name", of_mallory(claims(&|_| {})), (Some(Role::Device), Rule::UserOfIssuer)),
        (
            "Alice's name below Mallory's",
            of_mallory(claims(&below_mallory)),
            (Some(Role::Device), Rule::UserOfIssuer),
        ),
        ("Alice's identity in the chain", of_alice(claims(&|_| {})), (Some(Role::Device), Rule::Issuer)),
        ("all but Alice's key", of_alice(claims(&as_alice)), (Some(Role::Device), Rule::Signature)),
        (
            "Alice's identity beside her own device",
            of_alice(mallorys_device.clone()),
            (Some(Role::Device), Rule::UserOfIssuer),
        ),
        (
            "a CA below her own, without constraint",
            vec![
                under_sub.clone(),
                sub_identity(mallory, &|it| it.remove(NAME_CONSTRAINTS)),
                mallorys.clone(),
            ],
            (Some(Role::Issuing), Rule::Subject),
        ),
        (
            "a CA below her own, four certificates",
            vec![under_sub.clone(), sub_identity(mallory, &|_| {}), mallorys.clone(), issuing.clone()],
            (Some(Role::Successor), Rule::Subject),
        ),
        (
            "a CA below her own, in the place of an identity",
            vec![under_sub.clone(), sub_identity(mallory, &|_| {}), issuing.clone()],
            (Some(Role::Identity), Rule::Issuer),
        ),
        (
            "a CA that claims to be issued",
            vec![under_sub, sub_identity(mallory, &as_issued), issuing.clone()],
            (Some(Role::Identity), Rule::Signature),
        ),
        (
            "a device below her device",
            vec![by_device, mallorys_device.clone(), issuing.clone()],
            (Some(Role::Identity), Rule::NameConstraints),
        ),
        ("her identity as device", of_mallory(mallorys.clone()), (Some(Role::Device), Rule::SubjectAltName)),
        (
            "her identity as device, with the root",
            vec![mallorys.clone(), issuing.clone(), root.clone()],
            (Some(Role::Issuing), Rule::Subject),
        ),
        (
            "the server's certificate as device",
            of_mallory(world.server(&world.device, |_| {})),
            (Some(Role::Device), Rule::SubjectAltName),
        ),
        ("no certificates", vec![], (None, Rule::Length)),
        ("a device alone", vec![mallorys_device.clone()], (None, Rule::Length)),
        (
            "the root appended",
            vec![mallorys_device.clone(), mallorys.clone(), issuing.clone(), root.clone()],
            (Some(Role::Successor), Rule::Issuer),
        ),
        (
            "another order",
            vec![mallorys_device.clone(), issuing.clone(), mallorys.clone()],
            (Some(Role::Issuing), Rule::Subject),
        ),
    ];
    let found: Vec<_> =
        cases.drain(..).map(|(what, chain, rule)| (what, corpus.verify(&chain), rule)).collect();

    let fake = |by: &KeyPair, spoil: &dyn Fn(&mut Draft)| world.make(Profile::Server, &sub, by, spoil);
    let as_leaf = |it: &mut Draft| {
        it.extensions = Draft::new(Profile::Server, sub.public(), world.issuing.public()).extensions;
    };
    let below_mallory = |it: &mut Draft| it.issuer = mallory.public().uid().to_string();
    let servers = [
        (
            "a server below her identity",
            vec![fake(mallory, &below_mallory), mallorys.clone(), root.clone()],
            (Some(Role::Issuing), Rule::Subject),
        ),
        (
            "a server that claims to be issued",
            vec![fake(mallory, &as_leaf), issuing.clone(), root.clone()],
            (Some(Role::Server), Rule::Signature),
        ),
        (
            "a server with her identity in between",
            vec![fake(mallory, &below_mallory), mallorys.clone(), issuing.clone(), root.clone()],
            (Some(Role::Successor), Rule::Subject),
        ),
        (
            "her device as server",
            vec![mallorys_device.clone(), issuing.clone(), root.clone()],
            (Some(Role::Server), Rule::Subject),
        ),
        (
            "her identity as server",
            vec![mallorys.clone(), issuing.clone(), root.clone()],
            (Some(Role::Server), Rule::Subject),
        ),
        ("a server alone", vec![fake(&world.issuing, &|_| {})], (None, Rule::Length)),
    ];
    let servers = servers.map(|(what, chain, rule)| (what, corpus.verify_server(&chain), rule));
    for (what, found, rule) in found.into_iter().chain(servers) {
        corpus.expect_refusal(what, found, rule);
    }
}

#[test]
fn another_authority_is_another_server() {
    let corpus = Corpus::new();
    let other = World::new();
    let chain = other.chain();
    corpus.expect("another authority", corpus.verify(&chain), Role::Issuing, Rule::Issuer);
    let ours = corpus.world.root.public();
    let claimed = other.make(Profile::Issuing, &other.issuing, &other.root, |it| {
        it.extensions = Draft::new(Profile::Issuing, other.issuing.public(), ours).extensions;
    });
    let forged = [chain[0].clone(), chain[1].clone(), claimed.clone()];
    corpus.expect("another authority in our name", corpus.verify(&forged), Role::Issuing, Rule::Signature);
    let alone = corpus.world.anchor.verify_identity(&chain[1], &claimed, AT).map(|_| ());
    corpus.expect("another authority in our name", alone, Role::Issuing, Rule::Signature);

    let theirs = [other.server(&other.device, |_| {}), other.issuing(|_| {}), other.root(|_| {})];
    let pinned = corpus.world.anchor.fingerprint();
    let found = TrustAnchor::verify_server(&theirs, &pinned, NOW).unwrap_err();
    assert_eq!(found, TrustError::OtherServer { pinned, found: other.anchor.fingerprint() });
    // The same root key, but another log: not the same server.
    let genesis = GenesisKeys { log: [9; 32], ..corpus.world.genesis };
    let world = &corpus.world;
    let other_log = world.make(Profile::Root(genesis), &world.root, &world.root, |_| {});
    let swapped = [world.server(&world.device, |_| {}), world.issuing(|_| {}), other_log];
    let found = corpus.verify_server(&swapped);
    corpus.expect_refusal("another log key", found, (None, Rule::Fingerprint));
    // Our root behind a chain of theirs.
    let mixed = [theirs[0].clone(), theirs[1].clone(), corpus.world.root(|_| {})];
    corpus.expect("their chain below our root", corpus.verify_server(&mixed), Role::Issuing, Rule::Issuer);
}

#[test]
fn another_issuing_key_needs_the_root() {
    let corpus = Corpus::new();
    let world = &corpus.world;
    let next = KeyPair::generate();
    let by_root = world.make(Profile::Issuing, &next, &world.root, |_| {});
    let identity = |by| world.make(Profile::Identity(world.alice.public().uid()), &world.alice, by, |_| {});
    let [device, old, old_issuing] = world.chain().try_into().unwrap();
    let new = identity(&next);
    corpus.verify(&[device.clone(), new.clone(), by_root.clone()]).unwrap();
    corpus.verify(&[device.clone(), old.clone(), old_issuing.clone()]).unwrap();
    for (what, identity, issuing) in [
        ("an identity of before below the new key", &old, &by_root),
        ("a new identity below the key of before", &new, &old_issuing),
    ] {
        let chain = [device.clone(), identity.clone(), issuing.clone()];
        corpus.expect(what, corpus.verify(&chain), Role::Identity, Rule::Issuer);
    }
    let server = world.make(Profile::Server, &world.device, &next, |_| {});
    corpus.verify_server(&[server.clone(), by_root, world.root(|_| {})]).unwrap();
    for (what, signer) in [
        ("certified by the issuing key of before", &world.issuing),
        ("certified by itself", &next),
        ("certified by a user", &world.mallory),
    ] {
        // Once as what it is, and once in the root's name.
        let honest = world.make(Profile::Issuing, &next, signer, |_| {});
        let claimed = world.make(Profile::Issuing, &next, signer, |it| {
            it.extensions = Draft::new(Profile::Issuing, next.public(), world.root.public()).extensions;
        });
        for (issuing, rule) in [(honest, Rule::Issuer), (claimed, Rule::Signature)] {
            let chain = [device.clone(), new.clone(), issuing.clone()];
            corpus.expect(what, corpus.verify(&chain), Role::Issuing, rule);
            let chain = [server.clone(), issuing, world.root(|_| {})];
            corpus.expect(what, corpus.verify_server(&chain), Role::Issuing, rule);
        }
    }
}

#[test]
fn dates_hold_for_every_certificate_of_the_chain() {
    let world = World::new();
    let chain = world.chain();
    let server = [world.server(&world.device, |_| {}), world.issuing(|_| {}), world.root(|_| {})];
    let days = |days: u64| NOW.plus(Duration::from_secs(days * 86400));
    let second = Duration::from_secs(1);
    let before = Timestamp(NOW.0 - 301_000);
    let check = |at: Timestamp| {
        let device = world.anchor.verify_device(&chain, Validity::At(at)).map(|_| ());
        let identity = world.anchor.verify_identity(&chain[1], &chain[2], Validity::At(at)).map(|_| ());
        let server = TrustAnchor::verify_server(&server, &world.anchor.fingerprint(), at).map(|_| ());
        [device, identity, server].map(|it| it.err().map(refusal))
    };
    let expired = |role| Some((Some(role), Rule::Expired));
    assert_eq!(check(Timestamp(before.0 + 1000)), [None, None, None], "the clock may be five minutes behind");
    assert_eq!(check(before), [Some((Some(Role::Issuing), Rule::NotYetValid)); 3]);
    assert_eq!(check(days(90)), [None, None, None]);
    assert_eq!(check(days(90).plus(second)), [expired(Role::Device), None, None]);
    assert_eq!(check(days(366)), [expired(Role::Device), None, expired(Role::Server)]);
    assert_eq!(check(days(731))[1], expired(Role::Identity));
    assert_eq!(check(days(3651)), [expired(Role::Issuing); 3]);
    let late = world.issuing(|it| it.not_before += Days::days(30));
    let found = world.anchor.verify_device(&[&chain[0], &chain[1], &late], AT).unwrap_err();
    assert_eq!(refusal(found), (Some(Role::Issuing), Rule::NotYetValid));
}

#[test]
fn the_root_expires_like_every_other_certificate() {
    let mut world = World::new();
    let root = world.root(|it| it.not_after = it.not_before + Days::days(30));
    world.anchor = TrustAnchor::from_root(&root).unwrap();
    let at = NOW.plus(Duration::from_secs(31 * 86400));
    let found = world.anchor.verify_device(&world.chain(), Validity::At(at)).unwrap_err();
    assert_eq!(refusal(found), (Some(Role::Root), Rule::Expired));
    let server = [world.server(&world.device, |_| {}), world.issuing(|_| {}), root];
    let found = TrustAnchor::verify_server(&server, &world.anchor.fingerprint(), at).unwrap_err();
    assert_eq!(refusal(found), (Some(Role::Root), Rule::Expired));
}

#[test]
fn without_a_time_a_chain_must_have_been_valid_once() {
    let world = World::new();
    let mut chain = world.chain();
    chain[0] = world.device(&world.alice, |it| {
        it.not_before -= Days::days(4);
        it.not_after = it.not_before + Days::days(1);
    });
    let found = world.anchor.verify_device(&chain, Validity::Ignored);
    assert_eq!(found, Err(TrustError::NeverValid), "it had expired before its identity was made");
    for (certificate, spoil) in [
        (0, world.device(&world.mallory, |_| {})),
        (1, world.identity(&world.mallory, |_| {})),
        (2, World::new().issuing(|_| {})),
    ] {
        let mut chain = world.chain();
        chain[certificate] = spoil;
        assert!(world.anchor.verify_device(&chain, Validity::Ignored).is_err(), "only dates are ignored");
    }
}

#[test]
fn errors_about_dates_name_the_date() {
    let error = TrustError::Expired { role: Role::Device, not_after: NOW };
    let text = "the device certificate expired on 2027-01-15 08:00 UTC: renew it, or set the clock of this machine right";
    assert_eq!(error.to_string(), text);
}

#[test]
fn fingerprints_are_as_documented() {
    let world = World::new();
    let mut record = Vec::new();
    let parts: [&[u8]; 4] =
        [b"OpenChat genesis v1", world.root.public().spki_der(), &world.genesis.log, &world.genesis.vrf];
    for part in parts {
        record.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        record.extend(part);
    }
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &record);
    assert_eq!(world.anchor.fingerprint().as_bytes(), hash.as_ref());
}

/// Attack 12: another SAN, a CN, a wildcard.
#[test]
fn no_byte_of_a_chain_can_be_changed() {
    let world = World::new();
    let chain = world.chain();
    let server = [world.server(&world.device, |_| {}), world.issuing(|_| {}), world.root(|_| {})];
    for certificate in 0..3 {
        for byte in 0..chain[certificate].len() {
            let mut changed = chain.clone();
            changed[certificate][byte] ^= 1;
            assert!(world.anchor.verify_device(&changed, AT).is_err(), "byte {byte} of {certificate}");
            let identity = world.anchor.verify_identity(&changed[1], &changed[2], AT);
            assert_eq!(identity.is_err(), certificate > 0, "byte {byte} of {certificate}");
        }
        for byte in 0..server[certificate].len() {
            let mut changed = server.clone();
            changed[certificate][byte] ^= 1;
            let found = TrustAnchor::verify_server(&changed, &world.anchor.fingerprint(), NOW);
            assert!(found.is_err(), "byte {byte} of {certificate}");
        }
    }
}

/// Takes bytes out of a certificate and puts others in.
fn splice(certificate: &mut Vec<u8>, at: prop::sample::Index, take: usize, put: &[u8]) {
    let start = at.index(certificate.len());
    let end = (start + take).min(certificate.len());
    certificate.splice(start..end, put.iter().copied());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_changed_chain_is_never_accepted(
        which in 0usize..3,
        at: prop::sample::Index,
        take in 0usize..8,
        put in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        thread_local! {
            static WORLD: (World, Vec<Vec<u8>>) = { let world = World::new(); let chain = world.chain(); (world, chain) };
        }
        WORLD.with(|(world, good)| {
            let mut chain = good.clone();
            splice(&mut chain[which], at, take, &put);
            for validity in [AT, Validity::Ignored] {
                let accepted = world.anchor.verify_device(&chain, validity).is_ok();
                prop_assert_eq!(accepted, chain == *good);
            }
            let accepted = world.anchor.verify_identity(&chain[1], &chain[2], AT).is_ok();
            prop_assert_eq!(accepted, chain[1..] == good[1..]);
            Ok(())
        })?;
    }

    #[test]
    fn any_bytes_are_refused(chain in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..5)) {
        thread_local! { static WORLD: World = World::new(); }
        WORLD.with(|world| {
            prop_assert!(world.anchor.verify_device(&chain, AT).is_err());
            prop_assert!(TrustAnchor::verify_server(&chain, &world.anchor.fingerprint(), NOW).is_err());
            Ok(())
        })?;
    }
}
