//! The authority's folder: made once, as a whole, and checked whenever it is read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::Ed25519KeyPair;
use openchat_protocol::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::{Authority, public};
use crate::ecdsa::{KeyPair, infallible};
use crate::secret_file::{self, FileError, PRIVATE, PUBLIC};
use crate::signature::pem;
use crate::trust::{TrustAnchor, TrustError};

const ROOT: &str = "root.pem";
const ROOT_KEY: &str = "root-key.pem";
const ISSUING: &str = "issuing.pem";
const ISSUING_KEY: &str = "issuing-key.pem";
const LOG_KEY: &str = "log-key.pem";
const VRF_KEY: &str = "vrf-key.pem";

/// Why an authority cannot be loaded or saved.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file is missing, in the way, or open to others.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file does not hold what its name says.
    #[error("{} holds no {wanted}: put back the authority's folder from a backup", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
    },
    /// A certificate breaks the profile.
    #[error("{}: {error}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: TrustError,
    },
    /// A key is not the one that its certificate names.
    #[error("{} does not belong to {certificate}: put back the authority's folder from a backup", path.display())]
    Mismatch {
        /// The file with the key.
        path: PathBuf,
        /// The file with the certificate.
        certificate: &'static str,
    },
}

impl Authority {
    /// Loads the authority in `folder`, or makes one there when there is none.
    pub fn open_or_create(folder: &Path, now: Timestamp) -> Result<Self, AuthorityError> {
        match Self::load(folder) {
            Err(AuthorityError::File(FileError::Missing(path))) if path.ends_with(ROOT) => {}
            result => return result,
        }
        let failed = |error| AuthorityError::Certificate { path: folder.join(ROOT), error };
        Self::create(now).map_err(failed)?.save(folder)?;
        Self::load(folder)
    }

    /// Writes a new authority. After a crash `folder` is there whole, or not there. It is never overwritten.
    pub fn save(&self, folder: &Path) -> Result<(), AuthorityError> {
        if let Some(parent) = folder.parent() {
            secret_file::create_folder(parent)?;
        }
        let draft = secret_file::draft_of(folder);
        let result = self.write(&draft).and_then(|()| publish(&draft, folder));
        if result.is_err() {
            // What is left of it is no authority, and the error that matters is the first one.
            let _ = fs::remove_dir_all(&draft);
        }
        Ok(result?)
    }

    fn write(&self, folder: &Path) -> Result<(), FileError> {
        const KEY: &str = "PRIVATE KEY";
        const CERTIFICATE: &str = "CERTIFICATE";
        secret_file::create_folder(folder)?;
        let write = |name, der: &[u8], label, mode| {
            secret_file::write(&folder.join(name), &zeroize::Zeroizing::new(pem(der, label)), mode)
        };
        let seed = |key: &Ed25519KeyPair| infallible(key.to_pkcs8v1());
        write(ROOT, self.root_certificate(), CERTIFICATE, PUBLIC)?;
        write(ISSUING, self.issuing_certificate(), CERTIFICATE, PUBLIC)?;
        write(ISSUING_KEY, &self.issuing_key.to_pkcs8(), KEY, PRIVATE)?;
        write(LOG_KEY, seed(&self.log_key).as_ref(), KEY, PRIVATE)?;
        write(VRF_KEY, seed(&self.vrf_key).as_ref(), KEY, PRIVATE)?;
        if let Some(key) = &self.root_key {
            write(ROOT_KEY, &key.to_pkcs8(), KEY, PRIVATE)?;
        }
        secret_file::sync_parent(&folder.join(ROOT))
    }

    /// Reads what [`Self::save`] wrote, and checks that all of it belongs together. `root-key.pem` may be kept
    /// elsewhere; when it is here it is checked, and not kept in memory.
    pub fn load(folder: &Path) -> Result<Self, AuthorityError> {
        let folder = Folder(folder);
        let anchor = folder.root()?;
        let issuing_key = folder.p384(ISSUING_KEY)?;
        let issuing_certificate = folder.issuing(&anchor, &issuing_key)?;
        let genesis = anchor.genesis();
        let log_key = folder.ed25519(LOG_KEY, &genesis.log)?;
        let vrf_key = folder.ed25519(VRF_KEY, &genesis.vrf)?;
        match folder.p384(ROOT_KEY) {
            Ok(key) if key.public() == anchor.root_key() => {}
            Err(AuthorityError::File(FileError::Missing(_))) => {}
            Ok(_) => return Err(folder.mismatch(ROOT_KEY, ROOT)),
            Err(error) => return Err(error),
        }
        Ok(Self { anchor, issuing_certificate, issuing_key, log_key, vrf_key, root_key: None })
    }
}

/// Gives the finished folder its name, which only an empty folder may have had.
fn publish(draft: &Path, folder: &Path) -> Result<(), FileError> {
    fs::rename(draft, folder).map_err(|source| match source.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            FileError::Exists(folder.to_owned())
        }
        _ => FileError::Io { action: "make the folder", path: folder.to_owned(), source },
    })?;
    secret_file::sync_parent(folder)
}

/// Reads the files of an authority.
struct Folder<'a>(&'a Path);

impl Folder<'_> {
    fn root(&self) -> Result<TrustAnchor, AuthorityError> {
        TrustAnchor::from_root(&self.certificate(ROOT)?).map_err(|error| self.invalid(ROOT, error))
    }

    fn issuing(&self, anchor: &TrustAnchor, key: &KeyPair) -> Result<Vec<u8>, AuthorityError> {
        let der = self.certificate(ISSUING)?.to_vec();
        match anchor.verify_issuing(&der).map_err(|error| self.invalid(ISSUING, error))? {
            certified if certified == *key.public() => Ok(der),
            _ => Err(self.mismatch(ISSUING_KEY, ISSUING)),
        }
    }

    fn certificate(&self, name: &str) -> Result<CertificateDer<'static>, AuthorityError> {
        let path = self.0.join(name);
        let text = secret_file::read_public(&path)?;
        CertificateDer::from_pem_slice(text.as_bytes())
            .map_err(|_| AuthorityError::Content { path, wanted: "certificate" })
    }

    fn p384(&self, name: &str) -> Result<KeyPair, AuthorityError> {
        self.key(name, "P-384 private key", |der| KeyPair::from_der(der).ok())
    }

    fn ed25519(&self, name: &str, expected: &[u8; 32]) -> Result<Ed25519KeyPair, AuthorityError> {
        let key = self
            .key(name, "Ed25519 private key", |der| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok())?;
        if public(&key) == *expected { Ok(key) } else { Err(self.mismatch(name, ROOT)) }
    }

    fn key<T>(
        &self,
        name: &str,
        wanted: &'static str,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, AuthorityError> {
        let path = self.0.join(name);
        let text = secret_file::read_private(&path)?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).ok();
        der.and_then(|der| parse(der.secret_pkcs8_der())).ok_or(AuthorityError::Content { path, wanted })
    }

    fn invalid(&self, name: &str, error: TrustError) -> AuthorityError {
        AuthorityError::Certificate { path: self.0.join(name), error }
    }

    fn mismatch(&self, key: &str, certificate: &'static str) -> AuthorityError {
        AuthorityError::Mismatch { path: self.0.join(key), certificate }
    }
}
