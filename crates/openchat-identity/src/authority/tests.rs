use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::key_file::{FileError, IdentityKey};
use crate::password::Password;
use crate::trust::Validity;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

#[test]
fn what_is_issued_is_trusted() {
    let authority = Authority::create(NOW).unwrap();
    let key = IdentityKey::generate();
    let issued = authority.issue_identity(&key.sign_csr(&authority.fingerprint()), NOW).unwrap();
    assert_eq!((issued.uid, issued.spki.as_slice()), (key.uid(), key.spki_der()));
    let verified = authority.anchor().verify_identity(
        &issued.certificate,
        authority.issuing_certificate(),
        Validity::At(NOW),
    );
    assert_eq!(verified.unwrap().uid(), key.uid());
    let leaf = authority.issue_server_leaf(NOW);
    let anchor = TrustAnchor::verify_server(&leaf.chain, &authority.fingerprint(), NOW).unwrap();
    assert_eq!(anchor.fingerprint(), authority.fingerprint());
}

#[test]
fn a_request_is_good_for_one_server_and_one_key() {
    let authority = Authority::create(NOW).unwrap();
    let key = IdentityKey::generate();
    let here = authority.fingerprint();
    let issue = |csr: &[u8]| authority.issue_identity(csr, NOW).unwrap_err();
    assert_eq!(issue(&key.sign_csr(&ServerFingerprint([0; 32]))), CsrError::OtherServer);
    assert_eq!(issue(b"nothing"), CsrError::Malformed);
    assert_eq!(issue(&[key.sign_csr(&here), vec![0]].concat()), CsrError::Malformed);

    let mut forged = key.sign_csr(&here);
    let point = forged.windows(97).position(|it| it == key.public_key().point()).unwrap();
    forged[point..point + 97].copy_from_slice(IdentityKey::generate().public_key().point());
    assert_eq!(issue(&forged), CsrError::Signature);

    let mut relabelled = key.sign_csr(&here);
    let algorithm = relabelled.windows(4).rposition(|it| it == [0x3d, 4, 3, 3]).unwrap();
    relabelled[algorithm + 3] = 2;
    assert_eq!(issue(&relabelled), CsrError::Signature, "the label says SHA-256");

    let mut large = rcgen::CertificateParams::default();
    let extension = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![0; limits::CERTIFICATE]);
    large.custom_extensions.push(extension);
    assert_eq!(issue(large.serialize_request(key.pair()).unwrap().der()), CsrError::Malformed);

    let p256 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&p256).unwrap();
    assert_eq!(issue(request.der()), CsrError::Key);
}

#[test]
fn a_folder_is_made_once_and_read_back() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("data/authority");
    let made = Authority::open_or_create(&path, NOW).unwrap();
    let again = Authority::open_or_create(&path, NOW).unwrap();
    assert_eq!(made.fingerprint(), again.fingerprint());
    assert!(again.root_key.is_none(), "the root key does not stay in memory");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        let wanted = if entry.file_name().to_string_lossy().contains("-key") { 0o600 } else { 0o644 };
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, wanted, "{entry:?}");
    }
    let other = Authority::create(NOW).unwrap();
    assert!(matches!(other.save(&path), Err(AuthorityError::File(FileError::Exists(_)))));
    assert_eq!(Authority::load(&path).unwrap().fingerprint(), made.fingerprint());
}

#[test]
fn the_root_key_may_be_taken_away() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("authority");
    let made = Authority::open_or_create(&path, NOW).unwrap();
    fs::remove_file(path.join("root-key.pem")).unwrap();
    assert_eq!(Authority::open_or_create(&path, NOW).unwrap().fingerprint(), made.fingerprint());
}

#[test]
fn a_folder_that_does_not_fit_together_is_refused_by_file() {
    let temporary = tempfile::tempdir().unwrap();
    let (ours, others) = (temporary.path().join("ours"), temporary.path().join("others"));
    Authority::open_or_create(&ours, NOW).unwrap();
    Authority::open_or_create(&others, NOW).unwrap();
    for name in ["root.pem", "root-key.pem", "issuing-key.pem", "log-key.pem", "vrf-key.pem"] {
        let good = fs::read(ours.join(name)).unwrap();
        fs::copy(others.join(name), ours.join(name)).unwrap();
        let error = Authority::open_or_create(&ours, NOW).unwrap_err().to_string();
        let blamed = if name == "root.pem" { "issuing-key.pem" } else { name };
        assert!(error.contains(ours.join(blamed).to_str().unwrap()), "{name}: {error}");
        fs::write(ours.join(name), "rubbish").unwrap();
        let error = Authority::open_or_create(&ours, NOW).unwrap_err().to_string();
        assert!(error.contains(ours.join(name).to_str().unwrap()), "{name}: {error}");
        if !name.contains("root") {
            fs::remove_file(ours.join(name)).unwrap();
            let error = Authority::open_or_create(&ours, NOW).unwrap_err();
            assert!(matches!(error, AuthorityError::File(FileError::Missing(_))), "{name}: {error}");
            secret_file_again(&ours.join(name));
        }
        fs::write(ours.join(name), good).unwrap();
        Authority::load(&ours).unwrap();
    }
    let root = ours.join("root.pem");
    fs::remove_file(&root).unwrap();
    let error = Authority::open_or_create(&ours, NOW).unwrap_err();
    assert!(
        matches!(error, AuthorityError::File(FileError::Exists(it)) if it == ours),
        "half an authority stays"
    );
}

fn secret_file_again(path: &std::path::Path) {
    fs::write(path, "").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn keys_that_others_can_read_are_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("authority");
    Authority::open_or_create(&path, NOW).unwrap();
    let key = path.join("vrf-key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Authority::load(&path).unwrap_err().to_string();
    assert!(error.ends_with(&format!("chmod 600 {}", key.display())), "{error}");
}

#[test]
fn a_vrf_key_has_the_public_key_of_rfc_9381() {
    // RFC 9381 appendix B.3, example 16 (ECVRF-EDWARDS25519-SHA512-TAI).
    let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
    let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    let key = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    assert_eq!(
        public(&key).to_vec(),
        hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    );
}

fn made(temporary: &tempfile::TempDir, now: Timestamp) -> (std::path::PathBuf, Authority) {
    let path = temporary.path().join("authority");
    let made = Authority::open_or_create(&path, now).unwrap();
    (path, made)
}

fn root_of_another(temporary: &tempfile::TempDir) -> RootKey {
    let path = temporary.path().join("another");
    Authority::open_or_create(&path, NOW).unwrap();
    RootKey::load(&path).unwrap()
}

#[test]
fn the_root_key_is_removed_when_its_export_opens_and_not_before() {
    let temporary = tempfile::tempdir().unwrap();
    let (path, made) = made(&temporary, NOW);
    let (export, password) = (temporary.path().join("export.pem"), Password::new("a long password"));
    let missing = VerifiedExport::new(&path, &export, &password).unwrap_err();
    assert!(matches!(missing, RootKeyError::File(FileError::Missing(_))), "{missing}");

    RootKey::load(&path).unwrap().export(&export, &password).unwrap();
    assert_eq!(fs::metadata(&export).unwrap().permissions().mode() & 0o777, 0o600);
    let again = RootKey::load(&path).unwrap().export(&export, &password).unwrap_err();
    assert!(matches!(again, RootKeyError::File(FileError::Exists(_))), "an export is not overwritten");
    fs::set_permissions(&export, fs::Permissions::from_mode(0o755)).unwrap();
    let wrong = VerifiedExport::new(&path, &export, &Password::new("another one")).unwrap_err();
    assert!(wrong.is_wrong_password(), "{wrong}");
    let others = temporary.path().join("others.pem");
    root_of_another(&temporary).export(&others, &password).unwrap();
    let different = VerifiedExport::new(&path, &others, &password).unwrap_err();
    assert!(matches!(different, RootKeyError::Different(_)), "{different}");
    RootKey::load(&path).unwrap();

    VerifiedExport::new(&path, &export, &password).unwrap().remove_original().unwrap();
    assert!(matches!(RootKey::load(&path), Err(RootKeyError::Absent(_))));
    assert!(!path.join("root-key.pem").exists());
    let exported = RootKey::from_export(&export, &password).unwrap();
    assert_eq!(*exported.public_key(), made.anchor().newest(&[] as &[Vec<u8>]).unwrap().key);
    assert_eq!(Authority::open_or_create(&path, NOW).unwrap().fingerprint(), made.fingerprint());
}

#[test]
fn a_new_issuing_key_leaves_what_was_issued_before_as_it_is() {
    let temporary = tempfile::tempdir().unwrap();
    let (path, before) = made(&temporary, NOW);
    let root = RootKey::load(&path).unwrap();
    let later = NOW.plus(std::time::Duration::from_secs(3600));
    let rotated = Authority::rotate_issuing(&path, &root, later).unwrap();
    let after = Authority::load(&path).unwrap();
    assert_eq!(after.issuing_certificate(), rotated.issuing_certificate());
    assert_ne!(after.issuing_certificate(), before.issuing_certificate());
    assert_eq!(after.fingerprint(), before.fingerprint());
    assert_eq!(after.anchor().genesis_record(), before.anchor().genesis_record());

    let key = IdentityKey::generate();
    let csr = key.sign_csr(&before.fingerprint());
    for (authority, other) in [(&before, &after), (&after, &before)] {
        let issued = authority.issue_identity(&csr, later).unwrap().certificate;
        let verify = |issuing| before.anchor().verify_identity(&issued, issuing, Validity::At(later));
        assert_eq!(verify(authority.issuing_certificate()).unwrap().uid(), key.uid());
        assert!(verify(other.issuing_certificate()).is_err());
        let leaf = authority.issue_server_leaf(later);
        TrustAnchor::verify_server(&leaf.chain, &before.fingerprint(), later).unwrap();
    }
}

#[test]
fn a_root_key_of_another_server_certifies_nothing_here() {
    let temporary = tempfile::tempdir().unwrap();
    let (path, before) = made(&temporary, NOW);
    let other = root_of_another(&temporary);
    assert!(matches!(Authority::rotate_issuing(&path, &other, NOW), Err(AuthorityError::OtherRoot)));
    assert_eq!(Authority::load(&path).unwrap().issuing_certificate(), before.issuing_certificate());
}

#[test]
fn an_issuing_certificate_in_a_file_of_its_own_is_read_too() {
    let temporary = tempfile::tempdir().unwrap();
    let (path, made) = made(&temporary, NOW);
    let both = fs::read_to_string(path.join("issuing-key.pem")).unwrap();
    let at = both.find("-----BEGIN CERTIFICATE").unwrap();
    fs::write(path.join("issuing-key.pem"), &both[..at]).unwrap();
    assert!(Authority::load(&path).is_err(), "a key without its certificate");
    fs::write(path.join("issuing.pem"), &both[at..]).unwrap();
    assert_eq!(Authority::load(&path).unwrap().issuing_certificate(), made.issuing_certificate());
    let root = RootKey::load(&path).unwrap();
    let rotated = Authority::rotate_issuing(&path, &root, NOW).unwrap();
    assert_eq!(Authority::load(&path).unwrap().issuing_certificate(), rotated.issuing_certificate());
}

#[test]
fn who_hosts_is_told_when_new_identities_would_be_cut_short() {
    let years = |count: u64| std::time::Duration::from_secs(count * 365 * 86400);
    let second = std::time::Duration::from_secs(1);
    let authority = Authority::create(NOW).unwrap();
    let [root, issuing] = authority.terms();
    assert_eq!((root.until, issuing.until), (NOW.plus(years(20)), NOW.plus(years(10))));
    let told = |now| authority.endings(now).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(told(NOW.plus(years(8))).is_empty());
    let [issuing] = told(NOW.plus(years(8) + second)).try_into().unwrap();
    assert!(issuing.starts_with("the issuing certificate ends on 2037-01-12"), "{issuing}");
    assert!(issuing.ends_with("openchat admin authority rotate-issuing"), "{issuing}");
    let both = told(NOW.plus(years(18) + second));
    assert!(both.len() == 2 && both[0].starts_with("the root certificate ends on"), "{both:?}");
}

#[test]
fn a_new_root_certifies_from_now_on_and_what_was_certified_before_stays() {
    let temporary = tempfile::tempdir().unwrap();
    let (path, first) = made(&temporary, NOW);
    let key = IdentityKey::generate();
    let csr = key.sign_csr(&first.fingerprint());
    let mut authorities = vec![first];
    for number in 1..3 {
        let before = RootKey::load(&path).unwrap();
        let rotated = Authority::rotate_root(&path, &before, NOW).unwrap();
        assert_eq!((rotated.succession(), rotated.fingerprint()), (number, authorities[0].fingerprint()));
        let loaded = Authority::load(&path).unwrap();
        assert_eq!(loaded.above_identity(), rotated.above_identity());
        assert_eq!(loaded.terms(), rotated.terms());
        assert_eq!(loaded.terms()[0].role, profile::Role::Successor);
        assert_eq!(loaded.root_certificate(), authorities[0].root_certificate());
        assert_ne!(RootKey::load(&path).unwrap().public_key(), before.public_key());
        let gone = Authority::rotate_issuing(&path, &before, NOW).unwrap_err();
        assert!(matches!(gone, AuthorityError::OtherRoot), "only the newest root certifies: {gone}");
        authorities.push(loaded);
    }
    let newest = RootKey::load(&path).unwrap();
    authorities.push(Authority::rotate_issuing(&path, &newest, NOW).unwrap());
    let anchor = authorities[0].anchor().clone();
    for authority in &authorities {
        let issued = authority.issue_identity(&csr, NOW).unwrap().certificate;
        let verified = anchor.verify_identity(&issued, &authority.above_identity(), Validity::At(NOW));
        assert_eq!(verified.unwrap().uid(), key.uid());
        let leaf = authority.issue_server_leaf(NOW);
        TrustAnchor::verify_server(&leaf.chain, &anchor.fingerprint(), NOW).unwrap();
    }
    assert_eq!(authorities[3].certificates_pem().matches("BEGIN CERTIFICATE").count(), 4);
    assert_eq!(authorities[3].successor_in_use(), authorities[2].successor_in_use());
    assert_ne!(authorities[2].successor_in_use(), authorities[1].successor_in_use());
}

#[test]
fn a_root_key_of_another_server_makes_no_successor_here() {
    let temporary = tempfile::tempdir().unwrap();
    let (path, before) = made(&temporary, NOW);
    let other = root_of_another(&temporary);
    assert!(matches!(Authority::rotate_root(&path, &other, NOW), Err(AuthorityError::OtherRoot)));
    let ended = NOW.plus(std::time::Duration::from_secs(21 * 365 * 86400));
    let late = Authority::rotate_root(&path, &RootKey::load(&path).unwrap(), ended).unwrap_err();
    assert!(late.to_string().contains("the root certificate expired on"), "{late}");
    let after = Authority::load(&path).unwrap();
    assert_eq!((after.above_identity(), after.succession()), (before.above_identity(), 0));
}

/// After each step of a change of roots the power fails.
#[test]
fn a_crash_while_the_root_changes_loses_no_key() {
    let temporary = tempfile::tempdir().unwrap();
    let (path, first) = made(&temporary, NOW);
    let read = |name: &str| fs::read(path.join(name)).unwrap();
    let old = ["root-key.pem", "issuing-key.pem"].map(read);
    let rotated = Authority::rotate_root(&path, &RootKey::load(&path).unwrap(), NOW).unwrap();
    let [new_root, new_issuing] = ["root-key.pem", "issuing-key.pem"].map(read);
    let successors = read("successors.pem");
    let put = |name: &str, content: &[u8]| {
        fs::write(path.join(name), content).unwrap();
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    // The next key is there, and nothing else.
    put("root-key.pem", &old[0]);
    put("issuing-key.pem", &old[1]);
    put("next-root-key.pem", &new_root);
    fs::remove_file(path.join("successors.pem")).unwrap();
    let loaded = Authority::load(&path).unwrap();
    assert_eq!((loaded.succession(), loaded.above_identity()), (0, first.above_identity()));
    assert!(path.join("next-root-key.pem").exists(), "it is nobody's yet");
    // Its certificate is there: it is the root key from now on.
    put("successors.pem", &successors);
    let loaded = Authority::load(&path).unwrap();
    assert_eq!((loaded.succession(), loaded.above_identity()), (1, first.above_identity()));
    assert!(!path.join("next-root-key.pem").exists());
    assert_eq!(read("root-key.pem"), new_root);
    // The same where the root key is kept elsewhere.
    fs::rename(path.join("root-key.pem"), path.join("next-root-key.pem")).unwrap();
    RootKey::load(&path).unwrap();
    let again = Authority::rotate_issuing(&path, &RootKey::load(&path).unwrap(), NOW).unwrap();
    assert_eq!(again.successor_in_use(), rotated.successor_in_use());
    put("issuing-key.pem", &new_issuing);
    assert_eq!(Authority::load(&path).unwrap().above_identity(), rotated.above_identity());
}
