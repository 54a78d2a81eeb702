//! Identity keys and the password-encrypted files they live in, which OpenSSL and Python read as well.

use std::fmt;
use std::path::{Path, PathBuf};

use openchat_protocol::{ServerFingerprint, Uid};
use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::der::{Decode, ErrorKind};
use pkcs8::pkcs5::pbes2::{Kdf, PBES2_OID, Parameters};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncryptedPrivateKeyInfo, LineEnding, PrivateKeyInfo, SecretDocument};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::certificate;
use crate::ecdsa::KeyPair;
use crate::password::Password;
pub use crate::secret_file::FileError;
use crate::secret_file::{self, PRIVATE, PUBLIC};
use crate::signature::PublicKey;

/// scrypt (RFC 7914): N = 2^14, r = 8, p = 10. A greater N is beyond OpenSSL's memory limit; p makes up for it.
const SCRYPT: (u8, u32, u32) = (14, 8, 10);
/// What a file may ask for before it is refused: 1 GiB of scrypt work in at most 128 MiB, or ten million rounds.
const MOST_SCRYPT_MEMORY: u64 = 128 << 20;
const MOST_SCRYPT_WORK: u64 = 1 << 30;
const MOST_PBKDF2_ROUNDS: u32 = 10_000_000;

const LABEL: &str = "ENCRYPTED PRIVATE KEY";
const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// Why the text of a key file does not become a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// No private key in PEM.
    #[error("not a private key file: it begins with `{BEGIN}`")]
    NotPem,
    /// A private key, but without password.
    #[error(
        "the private key is not encrypted; encrypt it with: openssl pkcs8 -topk8 -scrypt -scrypt_p 10 -in FILE"
    )]
    NotEncrypted,
    /// The password is wrong. Damage to the last bytes of the file looks the same.
    #[error("wrong password")]
    WrongPassword,
    /// The file's structure is broken, or the password fits and yet what it opens is no key.
    #[error("the private key file is damaged: put back a copy of it, or use the recovery kit")]
    Damaged,
    /// Encrypted in a way that is not read here.
    #[error("the private key is encrypted in a way that OpenChat does not read: {0}")]
    Unsupported(String),
    /// A key of another kind.
    #[error("not a P-384 private key: OpenChat uses the curve P-384 (secp384r1) only")]
    NotP384,
}

/// A user's long-term key (P-384): what makes the user who they are.
pub struct IdentityKey(KeyPair);

impl IdentityKey {
    /// A new key, hence a new user.
    pub fn generate() -> Self {
        Self(KeyPair::generate())
    }

    /// Reads `private.pem`: PKCS#8 under PBES2 (RFC 8018) with scrypt or PBKDF2 and AES-CBC. CBC has no integrity;
    /// compare [`Self::public_key`] with what is known of this user, as [`KeyFolder::read`] does.
    pub fn from_encrypted_pem(text: &str, password: &Password) -> Result<Self, KeyFileError> {
        let broken = || if text.contains(BEGIN) { KeyFileError::Damaged } else { KeyFileError::NotPem };
        let (label, document) = SecretDocument::from_pem(text).map_err(|_| broken())?;
        match label {
            LABEL => Self::from_encrypted_der(document.as_bytes(), password),
            "PRIVATE KEY" | "EC PRIVATE KEY" => Err(KeyFileError::NotEncrypted),
            _ => Err(KeyFileError::NotPem),
        }
    }

    fn from_encrypted_der(der: &[u8], password: &Password) -> Result<Self, KeyFileError> {
        let file = EncryptedPrivateKeyInfo::from_der(der).map_err(|error| not_understood(der, error))?;
        let scheme = file.encryption_algorithm;
        check_cost(scheme.pbes2().ok_or_else(|| KeyFileError::Unsupported("PBES1".to_owned()))?)?;
        let plain =
            scheme.decrypt(password.as_bytes(), file.encrypted_data).map_err(|error| match error {
                pkcs8::pkcs5::Error::EncryptFailed | pkcs8::pkcs5::Error::DecryptFailed => {
                    KeyFileError::WrongPassword
                }
                other => KeyFileError::Unsupported(other.to_string()),
            })?;
        let padding = file.encrypted_data.len().saturating_sub(plain.len());
        Self::from_decrypted(&Zeroizing::new(plain), padding)
    }

    /// A wrong password leaves random bytes, and of these one in 256 ends in valid padding of one byte; of three bytes
    /// and more, one in 2^24. So after long padding the password was right. (Ours is of seven bytes.)
    fn from_decrypted(plain: &[u8], padding: usize) -> Result<Self, KeyFileError> {
        match Self::from_pkcs8(plain) {
            Err(KeyFileError::Damaged) if padding < 3 => Err(KeyFileError::WrongPassword),
            result => result,
        }
    }

    /// Reads an unencrypted key in PEM, PKCS#8 or SEC 1, as OpenSSL writes it. For taking over an existing key.
    pub fn from_plain_pem(text: &str) -> Result<Self, KeyFileError> {
        match PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| KeyFileError::NotPem)? {
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(der) => {
                KeyPair::from_der(der.secret_sec1_der()).map(Self).map_err(|_| KeyFileError::NotP384)
            }
            _ => Err(KeyFileError::NotP384),
        }
    }

    /// Reads what [`Self::to_pkcs8`] wrote.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyFileError> {
        let info = PrivateKeyInfo::try_from(der).map_err(|_| KeyFileError::Damaged)?;
        KeyPair::from_der(der).map(Self).map_err(|_| match info.algorithm.parameters_oid() {
            Ok(curve) if curve == P384 => KeyFileError::Damaged,
            _ => KeyFileError::NotP384,
        })
    }

    /// The key itself, for the vault of a device.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.0.to_pkcs8()
    }

    /// The content of `private.pem`. Takes about half a second, on purpose.
    pub fn to_encrypted_pem(&self, password: &Password) -> String {
        (*encrypted_pem(&self.0, password)).clone()
    }

    /// Who this key makes its holder.
    pub fn uid(&self) -> Uid {
        self.public_key().uid()
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        self.0.public()
    }

    /// The public half as SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> &[u8] {
        self.public_key().spki_der()
    }

    /// The content of `public.pem`.
    pub fn public_pem(&self) -> String {
        self.public_key().to_pem()
    }

    /// Asks the authority of `server` for an identity certificate (PKCS#10, RFC 2986, DER). The server's fingerprint
    /// is the subject, so that no other server can use the request.
    pub fn sign_csr(&self, server: &ServerFingerprint) -> Vec<u8> {
        certificate::request(server, &self.0)
    }

    pub(crate) fn pair(&self) -> &KeyPair {
        &self.0
    }

    pub(crate) fn into_pair(self) -> KeyPair {
        self.0
    }
}

/// `key` as the content of an encrypted key file. Takes about half a second, on purpose.
pub(crate) fn encrypted_pem(key: &KeyPair, password: &Password) -> Zeroizing<String> {
    #[expect(clippy::expect_used, reason = "constant parameters within the limits of PBES2, and a good key")]
    encrypt(key, password).expect("PBES2 encryption")
}

fn encrypt(key: &KeyPair, password: &Password) -> Result<Zeroizing<String>, pkcs8::Error> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    certificate::fill_random(&mut salt);
    certificate::fill_random(&mut iv);
    let (log_n, r, p) = SCRYPT;
    let cost = scrypt::Params::new(log_n, r, p, 32).map_err(|_| pkcs8::Error::ParametersMalformed)?;
    let parameters =
        Parameters::scrypt_aes256cbc(cost, &salt, &iv).map_err(|_| pkcs8::Error::ParametersMalformed)?;
    let plain = key.to_pkcs8();
    let document =
        PrivateKeyInfo::try_from(plain.as_slice())?.encrypt_with_params(parameters, password.as_bytes())?;
    Ok(document.to_pem(LABEL, LineEnding::LF)?)
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({})", self.uid())
    }
}

const P384: pkcs8::ObjectIdentifier = pkcs8::ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// Whether a file that cannot be read is damaged, or sound and encrypted in another way.
fn not_understood(der: &[u8], error: pkcs8::der::Error) -> KeyFileError {
    let scheme = AnyRef::from_der(der).and_then(|file| {
        file.sequence(|fields| {
            let scheme = AlgorithmIdentifierRef::decode(fields)?;
            OctetStringRef::decode(fields).map(|_| scheme.oid)
        })
    });
    match (scheme, error.kind()) {
        (_, ErrorKind::OidUnknown { oid }) => KeyFileError::Unsupported(oid.to_string()),
        (Ok(oid), _) if oid != PBES2_OID => KeyFileError::Unsupported(oid.to_string()),
        _ => KeyFileError::Damaged,
    }
}

/// A damaged or hostile file must not cost gigabytes or hours.
fn check_cost(parameters: &Parameters<'_>) -> Result<(), KeyFileError> {
    let cheap = match &parameters.kdf {
        Kdf::Pbkdf2(kdf) => kdf.iteration_count <= MOST_PBKDF2_ROUNDS,
        Kdf::Scrypt(kdf) => {
            let memory = kdf.cost_parameter.saturating_mul(128 * u64::from(kdf.block_size));
            let work = memory.saturating_mul(kdf.parallelization.into());
            memory <= MOST_SCRYPT_MEMORY && work <= MOST_SCRYPT_WORK
        }
        _ => false,
    };
    if cheap {
        Ok(())
    } else {
        Err(KeyFileError::Unsupported("its key derivation costs too much".to_owned()))
    }
}

/// Why the keys of a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFolderError {
    /// A file is missing, in the way, or open to others.
    #[error(transparent)]
    File(#[from] FileError),
    /// `private.pem` does not become a key.
    #[error("{}: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyFileError,
    },
    /// `public.pem` cannot be read.
    #[error("{}: {error}", path.display())]
    Public {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: crate::signature::SignatureError,
    },
    /// The two files hold different keys: one was damaged or exchanged.
    #[error("private.pem and public.pem in {} are of different keys: put back the right copies", _0.display())]
    Mismatch(PathBuf),
}

impl KeyFolderError {
    /// Whether asking for the password again may help.
    pub fn is_wrong_password(&self) -> bool {
        matches!(self, Self::Key { error: KeyFileError::WrongPassword, .. })
    }
}

/// The folder with `private.pem` and `public.pem`.
#[derive(Debug, Clone)]
pub struct KeyFolder(PathBuf);

impl KeyFolder {
    /// Names a folder, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where the encrypted private key is.
    pub fn private_path(&self) -> PathBuf {
        self.0.join("private.pem")
    }

    /// Where the public key is.
    pub fn public_path(&self) -> PathBuf {
        self.0.join("public.pem")
    }

    /// Whether there is a private key.
    pub fn exists(&self) -> bool {
        self.private_path().exists()
    }

    /// Writes both files, the private one for its owner only. A key that is there is never overwritten.
    pub fn create(&self, key: &IdentityKey, password: &Password) -> Result<(), KeyFolderError> {
        if self.exists() {
            return Err(FileError::Exists(self.private_path()).into());
        }
        secret_file::create_folder(&self.0)?;
        secret_file::create(&self.private_path(), &key.to_encrypted_pem(password), PRIVATE)?;
        Ok(secret_file::create(&self.public_path(), &key.public_pem(), PUBLIC)?)
    }

    /// Opens the private key, and compares it with `public.pem`.
    pub fn read(&self, password: &Password) -> Result<IdentityKey, KeyFolderError> {
        let path = self.private_path();
        let text = secret_file::read_private(&path)?;
        let key = IdentityKey::from_encrypted_pem(&text, password)
            .map_err(|error| KeyFolderError::Key { path, error })?;
        match self.read_public() {
            Ok(public) if public == *key.public_key() => Ok(key),
            Ok(_) => Err(KeyFolderError::Mismatch(self.0.clone())),
            // What a crash between the two writes of `create` leaves.
            Err(KeyFolderError::File(FileError::Missing(path))) => {
                secret_file::create(&path, &key.public_pem(), PUBLIC)?;
                Ok(key)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads `public.pem`.
    pub fn read_public(&self) -> Result<PublicKey, KeyFolderError> {
        read_public(&self.public_path())
    }
}

/// Reads a public key from any PEM file.
pub fn read_public(path: &Path) -> Result<PublicKey, KeyFolderError> {
    let text = secret_file::read_public(path)?;
    PublicKey::from_pem(&text).map_err(|error| KeyFolderError::Public { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests;
