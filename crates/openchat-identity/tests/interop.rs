//! OpenSSL and Python's `cryptography` read what we write, and the other way round.
#![cfg(test)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use openchat_identity::authority::RootKey;
use openchat_identity::device::issue_device_certificate;
use openchat_identity::key_file::KeyFileError;
use openchat_identity::signature::{Digest, Hash};
use openchat_identity::{Authority, DeviceKey, IdentityKey, KeyFolder, Password, PublicKey};
use openchat_protocol::{DeviceId, Did, Timestamp};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const PASSWORD: &str = "pässword with spaces";
const TEXT: &[u8] = b"what is signed\n";

fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).output().unwrap_or_else(|error| {
        panic!("cannot run openssl ({error}): install it with: apt-get install openssl")
    })
}

/// Runs a Python script that has `cryptography`, and returns what it prints.
fn python(script: &str, arguments: &[&str]) -> String {
    let python = std::env::var("OPENCHAT_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let mut child = Command::new(&python)
        .args(["-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {python} ({error}): set OPENCHAT_TEST_PYTHON"));
    child.stdin.take().unwrap().write_all(format!("{PRELUDE}{script}").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !errors.contains("No module named"),
        "{errors}\ninstall it with: apt-get install python3-cryptography, or: {python} -m pip install cryptography"
    );
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

const PRELUDE: &str = r"
import sys
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import *
HASHES = {'sha256': hashes.SHA256(), 'sha384': hashes.SHA384()}
";

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder with a key of ours and a file to sign.
struct Desk {
    folder: tempfile::TempDir,
    keys: KeyFolder,
    key: IdentityKey,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFolder::new(folder.path());
        let key = IdentityKey::generate();
        keys.create(&key, &Password::new(PASSWORD)).unwrap();
        fs::write(folder.path().join("text"), TEXT).unwrap();
        Self { folder, keys, key }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &[u8]) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }
}

fn hashes() -> [(Hash, &'static str); 2] {
    [(Hash::Sha256, "sha256"), (Hash::Sha384, "sha384")]
}

fn raw_digest(hash: &str) -> Vec<u8> {
    let algorithm = if hash == "sha256" { &aws_lc_rs::digest::SHA256 } else { &aws_lc_rs::digest::SHA384 };
    aws_lc_rs::digest::digest(algorithm, TEXT).as_ref().to_vec()
}

#[test]
fn openssl_reads_our_key() {
    let desk = Desk::new();
    let read = |password: &str| {
        openssl(&[
            "pkey",
            "-in",
            &desk.path("private.pem"),
            "-passin",
            &format!("pass:{password}"),
            "-pubout",
        ])
    };
    assert_eq!(succeeds(&read(PASSWORD)), desk.key.public_pem());
    assert!(!read("wrong").status.success());
    let structure = succeeds(&openssl(&["asn1parse", "-in", &desk.path("private.pem")]));
    for part in ["PBES2", "scrypt", ":4000\n", ":08\n", ":0A\n", "aes-256-cbc"] {
        assert!(structure.contains(part), "{part} in\n{structure}");
    }
}

#[test]
fn python_reads_our_key() {
    let desk = Desk::new();
    let script = "
path, password = sys.argv[1:]
try:
    key = load_pem_private_key(Path(path).read_bytes(), password.encode())
    print(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
except ValueError:
    print('refused')
";
    assert_eq!(python(script, &[&desk.path("private.pem"), PASSWORD]), desk.key.public_pem().trim());
    assert_eq!(python(script, &[&desk.path("private.pem"), "wrong"]), "refused");
}

#[test]
fn openssl_verifies_our_signatures() {
    let desk = Desk::new();
    let (public, text) = (desk.path("public.pem"), desk.path("text"));
    for (hash, name) in hashes() {
        let signature = desk.write("signature", &desk.key.sign(&Digest::of(hash, TEXT)));
        let dash = format!("-{name}");
        succeeds(&openssl(&["dgst", &dash, "-verify", &public, "-signature", &signature, &text]));

        let raw = raw_digest(name);
        let prehashed = Digest::prehashed(hash, &raw).unwrap();
        let signature = desk.write("signature", &desk.key.sign(&prehashed));
        let raw = desk.write("digest", &raw);
        let arguments =
            ["pkeyutl", "-verify", "-pubin", "-inkey", &public, "-in", &raw, "-sigfile", &signature];
        succeeds(&openssl(&arguments));
        let other = desk.write("other", b"other text");
        let refused = openssl(&["dgst", &dash, "-verify", &public, "-signature", &signature, &other]);
        assert!(!refused.status.success());
    }
}

#[test]
fn we_verify_signatures_of_openssl() {
    let desk = Desk::new();
    let (private, signature) = (desk.path("private.pem"), desk.path("signature"));
    let pass = format!("pass:{PASSWORD}");
    let public = desk.keys.read_public().unwrap();
    for (hash, name) in hashes() {
        let digest = Digest::of(hash, TEXT);
        let dash = format!("-{name}");
        let text = desk.path("text");
        let sign = ["dgst", &dash, "-sign", &private, "-passin", &pass, "-out", &signature, &text];
        succeeds(&openssl(&sign));
        assert_eq!(public.verify(&digest, &desk.read("signature")), Ok(()));

        let raw = desk.write("digest", &raw_digest(name));
        let sign =
            ["pkeyutl", "-sign", "-inkey", &private, "-passin", &pass, "-in", &raw, "-out", &signature];
        succeeds(&openssl(&sign));
        assert_eq!(public.verify(&digest, &desk.read("signature")), Ok(()));
        assert!(public.verify(&Digest::of(hash, b"other text"), &desk.read("signature")).is_err());
    }
}

#[test]
fn python_verifies_our_signatures_and_we_verify_its() {
    let desk = Desk::new();
    let script = "
folder, name, password = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
text, digest, hash = (folder / 'text').read_bytes(), (folder / 'digest').read_bytes(), HASHES[name]
public = load_pem_public_key((folder / 'public.pem').read_bytes())
signature = (folder / 'ours').read_bytes()
public.verify(signature, text, ec.ECDSA(hash))
public.verify(signature, digest, ec.ECDSA(Prehashed(hash)))
try:
    public.verify(signature, text + b'.', ec.ECDSA(hash))
    sys.exit('a wrong signature was accepted')
except InvalidSignature:
    pass
key = load_pem_private_key((folder / 'private.pem').read_bytes(), password.encode())
(folder / 'theirs').write_bytes(key.sign(text, ec.ECDSA(hash)))
(folder / 'prehashed').write_bytes(key.sign(digest, ec.ECDSA(Prehashed(hash))))
";
    for (hash, name) in hashes() {
        let digest = Digest::of(hash, TEXT);
        desk.write("digest", &raw_digest(name));
        desk.write("ours", &desk.key.sign(&digest));
        python(script, &[desk.folder.path().to_str().unwrap(), name, PASSWORD]);
        for theirs in ["theirs", "prehashed"] {
            assert_eq!(desk.key.public_key().verify(&digest, &desk.read(theirs)), Ok(()), "{name} {theirs}");
        }
    }
}

#[test]
fn we_read_keys_of_openssl() {
    let desk = Desk::new();
    let pass = format!("pass:{PASSWORD}");
    let sec1 = desk.path("sec1.pem");
    succeeds(&openssl(&["ecparam", "-genkey", "-name", "secp384r1", "-out", &sec1]));
    let public = PublicKey::from_pem(&succeeds(&openssl(&["pkey", "-in", &sec1, "-pubout"]))).unwrap();
    let pkcs8 = succeeds(&openssl(&["pkey", "-in", &sec1]));
    for plain in [fs::read_to_string(&sec1).unwrap(), pkcs8] {
        assert_eq!(IdentityKey::from_plain_pem(&plain).unwrap().public_key(), &public);
        let refused = IdentityKey::from_encrypted_pem(&plain, &Password::new(PASSWORD));
        assert!(matches!(refused, Err(KeyFileError::NotEncrypted | KeyFileError::NotPem)), "{refused:?}");
    }
    let scrypt = ["-scrypt", "-scrypt_N", "16384", "-scrypt_r", "8", "-scrypt_p", "10"];
    for encryption in
        [&scrypt[..], &["-v2", "aes-256-cbc"], &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"]]
    {
        let convert = ["pkcs8", "-topk8", "-in", &sec1, "-passout", &pass];
        let text = succeeds(&openssl(&[&convert, encryption].concat()));
        let key = IdentityKey::from_encrypted_pem(&text, &Password::new(PASSWORD)).unwrap();
        assert_eq!(key.public_key(), &public, "{encryption:?}");
        let wrong = IdentityKey::from_encrypted_pem(&text, &Password::new("wrong")).unwrap_err();
        assert_eq!(wrong, KeyFileError::WrongPassword, "{encryption:?}");
    }
    let old = ["pkcs8", "-topk8", "-in", &sec1, "-passout", &pass, "-v1", "PBE-SHA1-3DES"];
    let text = succeeds(&openssl(&old));
    let refused = IdentityKey::from_encrypted_pem(&text, &Password::new(PASSWORD)).unwrap_err();
    assert!(matches!(refused, KeyFileError::Unsupported(_)), "{refused}");
}

#[test]
fn we_read_a_key_of_python() {
    let script = "
key = ec.generate_private_key(ec.SECP384R1())
print(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(sys.argv[1].encode())).decode())
print(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
";
    let printed = python(script, &[PASSWORD]);
    let (private, public) = printed.split_once("\n\n").unwrap();
    let key = IdentityKey::from_encrypted_pem(private, &Password::new(PASSWORD)).unwrap();
    assert_eq!(key.public_key(), &PublicKey::from_pem(public).unwrap());
}

/// An authority in its folder, with a chain of each kind beside it.
struct Office {
    folder: tempfile::TempDir,
    device: DeviceId,
}

impl Office {
    fn new() -> Self {
        Self::after(0)
    }

    /// The same whose root was changed so often.
    fn after(rotations: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority");
        let mut authority = Authority::open_or_create(&path, NOW).unwrap();
        for _ in 0..rotations {
            authority = Authority::rotate_root(&path, &RootKey::load(&path).unwrap(), NOW).unwrap();
        }
        let (user, device_key) = (IdentityKey::generate(), DeviceKey::generate());
        let device = DeviceId { uid: user.uid(), did: Did([3; 10]) };
        let csr = user.sign_csr(&authority.fingerprint());
        let issued = authority.issue_identity(&csr, NOW).unwrap();
        let office = Self { folder, device };
        let leaf = issue_device_certificate(&user, device_key.public_key(), device.did, NOW);
        for (name, der) in [
            ("request", &csr),
            ("identity", &issued.certificate),
            ("device", &leaf),
            ("server", &authority.issue_server_leaf(NOW).chain[0]),
        ] {
            fs::write(office.folder.path().join(name), der).unwrap();
        }
        office.to_pem("identity");
        office.to_pem("device");
        office.to_pem("server");
        office
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    fn to_pem(&self, name: &str) {
        let (der, pem) = (self.path(name), self.path(&format!("{name}.pem")));
        succeeds(&openssl(&["x509", "-inform", "DER", "-in", &der, "-out", &pem]));
    }

    fn verify(&self, purpose: &str, leaf: &str, between: &[&str]) -> Output {
        let (root, leaf) = (self.path("authority/root.pem"), self.path(leaf));
        let between: Vec<_> = between.iter().map(|name| self.path(name)).collect();
        let mut arguments =
            vec!["verify", "-x509_strict", "-check_ss_sig", "-attime", "1800000000", "-purpose", purpose];
        arguments.extend(["-CAfile", &root]);
        between.iter().for_each(|path| arguments.extend(["-untrusted", path]));
        arguments.push(&leaf);
        openssl(&arguments)
    }

    fn text(&self, name: &str) -> String {
        succeeds(&openssl(&["x509", "-in", &self.path(name), "-noout", "-text"]))
    }
}

#[test]
fn strict_openssl_accepts_our_chains() {
    let office = Office::new();
    let issuing = "authority/issuing-key.pem";
    succeeds(&office.verify("sslclient", "device.pem", &[issuing, "identity.pem"]));
    succeeds(&office.verify("sslserver", "server.pem", &[issuing]));
    assert!(!office.verify("sslserver", "device.pem", &[issuing, "identity.pem"]).status.success());
    assert!(!office.verify("sslclient", "server.pem", &[issuing]).status.success());
    assert!(!office.verify("sslclient", "device.pem", &[issuing]).status.success());
    succeeds(&openssl(&["req", "-verify", "-noout", "-inform", "DER", "-in", &office.path("request")]));
}

/// Root and successors have one name, so that to RFC 5280 a successor is self-issued and counts for no path length.
#[test]
fn strict_openssl_accepts_chains_below_successors_of_the_root() {
    for rotations in 1..3 {
        let office = Office::after(rotations);
        let (successors, issuing) = ("authority/successors.pem", "authority/issuing-key.pem");
        succeeds(&office.verify("sslclient", "device.pem", &[successors, issuing, "identity.pem"]));
        succeeds(&office.verify("sslserver", "server.pem", &[successors, issuing]));
        assert!(!office.verify("sslclient", "device.pem", &[issuing, "identity.pem"]).status.success());
        let text = office.text(successors);
        for part in ["CA:TRUE, pathlen:2", "1.3.6.1.3.8442.1", "X509v3 Authority Key Identifier"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}

#[test]
fn openssl_sees_the_profile_in_our_certificates() {
    let office = Office::new();
    let DeviceId { uid, did } = office.device;
    for (name, parts) in [
        ("authority/root.pem", vec!["CA:TRUE, pathlen:2", "1.3.6.1.3.8442.1"]),
        ("authority/issuing-key.pem", vec!["CA:TRUE, pathlen:1", "X509v3 Authority Key Identifier"]),
        (
            "identity.pem",
            vec![
                "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0",
                "X509v3 Key Usage: critical\n                Digital Signature, Certificate Sign\n",
                &format!(
                    "X509v3 Name Constraints: critical\n                Permitted:\n                  DNS:{uid}.users.openchat.alt\n"
                ),
            ],
        ),
        (
            "device.pem",
            vec![
                "X509v3 Basic Constraints: critical\n                CA:FALSE",
                "X509v3 Key Usage: critical\n                Digital Signature\n",
                "X509v3 Extended Key Usage: \n                TLS Web Client Authentication, 1.3.6.1.5.5.7.3.40\n",
                &format!(
                    "X509v3 Subject Alternative Name: \n                DNS:{did}.{uid}.users.openchat.alt\n"
                ),
            ],
        ),
        (
            "server.pem",
            vec![
                "X509v3 Extended Key Usage: \n                TLS Web Server Authentication\n",
                "X509v3 Subject Alternative Name: \n                DNS:server.openchat.alt\n",
            ],
        ),
    ] {
        let text = office.text(name);
        for part in parts.into_iter().chain(["ecdsa-with-SHA384", "NIST CURVE: P-384", "Version: 3"]) {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}

#[test]
fn openssl_reads_the_authoritys_keys() {
    let office = Office::new();
    for (name, certificate) in [("root", "root.pem"), ("issuing", "issuing-key.pem")] {
        let key = succeeds(&openssl(&[
            "pkey",
            "-pubout",
            "-in",
            &office.path(&format!("authority/{name}-key.pem")),
        ]));
        let certificate = office.path(&format!("authority/{certificate}"));
        assert_eq!(succeeds(&openssl(&["x509", "-noout", "-pubkey", "-in", &certificate])), key);
    }
    let root = office.text("authority/root.pem").to_lowercase().replace([':', ' ', '\n', '.'], "");
    for name in ["log", "vrf"] {
        let key = office.path(&format!("authority/{name}-key.pem"));
        let text = succeeds(&openssl(&["pkey", "-in", &key, "-noout", "-text_pub"]));
        assert!(text.contains("ED25519"), "{text}");
        let der = Command::new("openssl")
            .args(["pkey", "-in", &key, "-pubout", "-outform", "DER"])
            .output()
            .unwrap();
        let public = der.stdout.last_chunk::<32>().unwrap();
        assert!(contains(&office.root_der(), public), "{name} in\n{root}");
    }
}

impl Office {
    fn root_der(&self) -> Vec<u8> {
        openssl(&["x509", "-in", &self.path("authority/root.pem"), "-outform", "DER"]).stdout
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|it| it == part)
}

#[test]
fn a_key_folder_is_private_and_made_once() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&desk.keys.private_path()), 0o600);
    let again = desk.keys.create(&IdentityKey::generate(), &Password::new(PASSWORD)).unwrap_err();
    assert!(again.to_string().contains("is not overwritten"), "{again}");
    let read = |password: &str| desk.keys.read(&Password::new(password));
    assert_eq!(read(PASSWORD).unwrap().public_key(), desk.key.public_key());
    assert!(read("wrong").unwrap_err().is_wrong_password());
}
