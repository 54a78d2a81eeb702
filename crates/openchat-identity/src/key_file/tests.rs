use std::fs;

use super::*;

fn password() -> Password {
    Password::new("correct horse battery staple")
}

/// A key file that costs little, for tests that open many of them.
fn cheap_file(key: &IdentityKey, password: &Password) -> String {
    let parameters = Parameters::pbkdf2_sha256_aes256cbc(1, &[1; 16], &[2; 16]).unwrap();
    let plain = key.to_pkcs8();
    let info = PrivateKeyInfo::try_from(plain.as_slice()).unwrap();
    let document = info.encrypt_with_params(parameters, password.as_bytes()).unwrap();
    (*document.to_pem(LABEL, LineEnding::LF).unwrap()).clone()
}

fn repack(pem: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let (_, document) = SecretDocument::from_pem(pem).unwrap();
    let mut der = document.as_bytes().to_vec();
    change(&mut der);
    crate::signature::pem(&der, LABEL)
}

fn open(pem: &str, password: &Password) -> Result<(), KeyFileError> {
    IdentityKey::from_encrypted_pem(pem, password).map(|_| ())
}

#[test]
fn a_key_survives_its_file() {
    let key = IdentityKey::generate();
    let pem = key.to_encrypted_pem(&password());
    let again = IdentityKey::from_encrypted_pem(&pem, &password()).unwrap();
    assert_eq!(again.public_key(), key.public_key());
    assert_eq!(IdentityKey::from_pkcs8(&key.to_pkcs8()).unwrap().uid(), key.uid());
    assert_ne!(key.to_encrypted_pem(&password()), pem, "salt and IV are new each time");
    assert!(!format!("{key:?}").contains("PRIVATE"));
}

#[test]
fn wrong_passwords_are_wrong_passwords() {
    // A valid padding comes up by chance for one in 256, so that many are tried.
    let pem = cheap_file(&IdentityKey::generate(), &password());
    for number in 0..2000 {
        let wrong = Password::new(format!("wrong {number}"));
        assert_eq!(open(&pem, &wrong), Err(KeyFileError::WrongPassword), "{number}");
    }
}

#[test]
fn damage_is_told_from_a_wrong_password() {
    let pem = cheap_file(&IdentityKey::generate(), &password());
    let (_, document) = SecretDocument::from_pem(&pem).unwrap();
    let length = document.as_bytes().len();
    // Everything but the last two blocks, which hold the padding and what decides about it.
    for byte in 0..length - 32 {
        let damaged = repack(&pem, |der| der[byte] ^= 0x40);
        let error = open(&damaged, &password()).unwrap_err();
        let in_parameters = byte < length - 192;
        let good = match &error {
            KeyFileError::Damaged => true,
            KeyFileError::Unsupported(_) | KeyFileError::WrongPassword => in_parameters,
            KeyFileError::NotP384 => !in_parameters,
            _ => false,
        };
        assert!(good, "byte {byte} of {length}: {error:?}");
    }
    assert_eq!(open(&repack(&pem, |der| der.truncate(length - 16)), &password()), Err(KeyFileError::Damaged));
    assert_eq!(open(&pem[..pem.len() / 2], &password()), Err(KeyFileError::Damaged));
    assert_eq!(open(&pem.replace("-----END", "----END"), &password()), Err(KeyFileError::Damaged));
}

#[test]
fn what_is_no_key_file_is_said_to_be_none() {
    let key = IdentityKey::generate();
    assert_eq!(open("", &password()), Err(KeyFileError::NotPem));
    assert_eq!(open("some text", &password()), Err(KeyFileError::NotPem));
    assert_eq!(open(&key.public_pem(), &password()), Err(KeyFileError::NotPem));
    let plain = crate::signature::pem(&key.to_pkcs8(), "PRIVATE KEY");
    assert_eq!(open(&plain, &password()), Err(KeyFileError::NotEncrypted));
    assert_eq!(IdentityKey::from_plain_pem(&plain).unwrap().uid(), key.uid());
    assert!(matches!(IdentityKey::from_plain_pem("some text"), Err(KeyFileError::NotPem)));
    let p256 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    assert!(matches!(IdentityKey::from_plain_pem(&p256.serialize_pem()), Err(KeyFileError::NotP384)));
    assert!(matches!(IdentityKey::from_pkcs8(&p256.serialize_der()), Err(KeyFileError::NotP384)));
    assert!(matches!(IdentityKey::from_pkcs8(&[]), Err(KeyFileError::Damaged)));
}

#[test]
fn a_file_cannot_cost_gigabytes_or_hours() {
    let cost = |log_n, r, p| {
        let cost = scrypt::Params::new(log_n, r, p, 32).unwrap();
        check_cost(&Parameters::scrypt_aes256cbc(cost, &[1; 16], &[2; 16]).unwrap())
    };
    assert_eq!(cost(14, 8, 10), Ok(()));
    assert_eq!(cost(17, 8, 1), Ok(()));
    for (log_n, r, p) in [(18, 8, 1), (30, 8, 1), (14, 8, 1000), (17, 8, 20)] {
        assert!(matches!(cost(log_n, r, p), Err(KeyFileError::Unsupported(_))), "{log_n} {r} {p}");
    }
    let rounds =
        |rounds| check_cost(&Parameters::pbkdf2_sha256_aes256cbc(rounds, &[1; 16], &[2; 16]).unwrap());
    assert_eq!(rounds(600_000), Ok(()));
    assert!(matches!(rounds(100_000_000), Err(KeyFileError::Unsupported(_))));
}

#[test]
fn the_two_files_must_be_of_one_key() {
    let temporary = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|name| KeyFolder::new(temporary.path().join(name)));
    let key = IdentityKey::generate();
    assert!(!ours.exists());
    ours.create(&key, &password()).unwrap();
    theirs.create(&IdentityKey::generate(), &password()).unwrap();
    assert!(ours.exists());
    fs::copy(theirs.public_path(), ours.public_path()).unwrap();
    assert!(matches!(ours.read(&password()), Err(KeyFolderError::Mismatch(_))));
    fs::write(ours.public_path(), "rubbish").unwrap();
    let error = ours.read(&password()).unwrap_err().to_string();
    assert!(error.contains("public.pem: no public key found"), "{error}");
    // As after a crash between the two writes.
    fs::remove_file(ours.public_path()).unwrap();
    assert_eq!(ours.read(&password()).unwrap().uid(), key.uid());
    assert_eq!(ours.read_public().unwrap().uid(), key.uid());
}

#[test]
fn errors_name_the_file() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = KeyFolder::new(temporary.path());
    let path = folder.private_path().display().to_string();
    let error = folder.read(&password()).unwrap_err().to_string();
    assert_eq!(error, format!("{path} does not exist"));
    secret_file::create(&folder.private_path(), "rubbish", PRIVATE).unwrap();
    let error = folder.read(&password()).unwrap_err();
    assert!(!error.is_wrong_password());
    assert_eq!(error.to_string(), format!("{path}: {}", KeyFileError::NotPem));
}
