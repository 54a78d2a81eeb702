use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::key_file::{FileError, IdentityKey};
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
    for name in ["root.pem", "root-key.pem", "issuing.pem", "issuing-key.pem", "log-key.pem", "vrf-key.pem"] {
        let good = fs::read(ours.join(name)).unwrap();
        fs::copy(others.join(name), ours.join(name)).unwrap();
        let error = Authority::open_or_create(&ours, NOW).unwrap_err().to_string();
        let blamed = if name == "root.pem" { "issuing.pem" } else { name };
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
