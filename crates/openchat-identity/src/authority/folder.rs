//! The authority's folder: made once, as a whole, and checked whenever it is read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::Ed25519KeyPair;
use openchat_protocol::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::issuing::Issuing;
use super::root::RootKey;
use super::term::Term;
use super::{Authority, public};
use crate::certificate;
use crate::ecdsa::{KeyPair, infallible};
use crate::profile::Profile;
use crate::secret_file::{self, FileError, PRIVATE, PUBLIC};
use crate::signature::pem;
use crate::trust::{Newest, TrustAnchor, TrustError};

const ROOT: &str = "root.pem";
pub(super) const ROOT_KEY: &str = "root-key.pem";
/// Key and certificate in one file, so that both are exchanged at one instant.
const ISSUING_KEY: &str = "issuing-key.pem";
/// Where the certificate is when it is not behind the key.
const ISSUING: &str = "issuing.pem";
/// Certificates of the roots after the first one, the newest first.
const SUCCESSORS: &str = "successors.pem";
/// The key of a root that is about to succeed: it has its name when its certificate is there.
const NEXT_ROOT_KEY: &str = "next-root-key.pem";
const LOG_KEY: &str = "log-key.pem";
const VRF_KEY: &str = "vrf-key.pem";

/// Labels of PEM (RFC 7468).
pub(super) const KEY: &str = "PRIVATE KEY";
pub(super) const CERTIFICATE: &str = "CERTIFICATE";

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
    /// A root key of another server.
    #[error("this is not the root key that certifies this server: name the export of this server's root key")]
    OtherRoot,
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
        secret_file::create_folder(folder)?;
        let write = |name, der: &[u8], label, mode| {
            secret_file::write(&folder.join(name), &Zeroizing::new(pem(der, label)), mode)
        };
        let seed = |key: &Ed25519KeyPair| infallible(key.to_pkcs8v1());
        write(ROOT, self.root_certificate(), CERTIFICATE, PUBLIC)?;
        secret_file::write(&folder.join(ISSUING_KEY), &self.issuing.to_pem(), PRIVATE)?;
        write(LOG_KEY, seed(&self.log_key).as_ref(), KEY, PRIVATE)?;
        write(VRF_KEY, seed(&self.vrf_key).as_ref(), KEY, PRIVATE)?;
        if let Some(key) = &self.root_key {
            write(ROOT_KEY, &key.to_pkcs8(), KEY, PRIVATE)?;
        }
        secret_file::sync_parent(&folder.join(ROOT))
    }

    /// Makes a new issuing key in the authority of `folder`, certified by its root key. After a crash the folder has the
    /// one before, or this one. A server that runs has to be told.
    pub fn rotate_issuing(folder: &Path, root: &RootKey, now: Timestamp) -> Result<Self, AuthorityError> {
        let authority = Self::load_for(folder, root)?;
        let issuing = Issuing::create(&authority.anchor, &authority.successors, root.pair(), now)
            .map_err(|error| Folder(folder).invalid(ISSUING_KEY, error))?;
        secret_file::replace(&folder.join(ISSUING_KEY), &issuing.to_pem(), PRIVATE)?;
        Ok(Self { issuing, ..authority })
    }

    /// Makes a new root, certified by the newest one, and an issuing key below it, in the authority of `folder`. The key
    /// of the root before is there no more. After a crash the folder has the root before, or this one with the issuing
    /// key of before or the new one. A server that runs has to be told.
    pub fn rotate_root(folder: &Path, root: &RootKey, now: Timestamp) -> Result<Self, AuthorityError> {
        let authority = Self::load_for(folder, root)?;
        let (files, anchor) = (Folder(folder), &authority.anchor);
        let key = KeyPair::generate();
        let next = Profile::Successor(*anchor.genesis());
        let mut successors = vec![certificate::issue(next, key.public(), root.pair(), now)];
        successors.extend(authority.successors);
        let invalid = |error| files.invalid(SUCCESSORS, error);
        let term = Term::of_root(&anchor.newest(&successors).map_err(invalid)?);
        let issuing = Issuing::create(anchor, &successors, &key, now).map_err(invalid)?;

        let key = Zeroizing::new(pem(&key.to_pkcs8(), KEY));
        secret_file::replace(&folder.join(NEXT_ROOT_KEY), &key, PRIVATE)?;
        let certificates: String = successors.iter().map(|der| pem(der, CERTIFICATE)).collect();
        secret_file::replace(&folder.join(SUCCESSORS), &certificates, PUBLIC)?;
        secret_file::rename(&folder.join(NEXT_ROOT_KEY), &folder.join(ROOT_KEY))?;
        secret_file::replace(&folder.join(ISSUING_KEY), &issuing.to_pem(), PRIVATE)?;
        Ok(Self { successors, root: term, issuing, ..authority })
    }

    /// For whoever has the key of the newest root.
    fn load_for(folder: &Path, root: &RootKey) -> Result<Self, AuthorityError> {
        let authority = Self::load(folder)?;
        let newest = authority.anchor.newest(&authority.successors);
        match newest.map_err(|error| Folder(folder).invalid(SUCCESSORS, error))?.key == *root.public_key() {
            true => Ok(authority),
            false => Err(AuthorityError::OtherRoot),
        }
    }

    /// Reads what [`Self::save`] wrote, and checks that all of it belongs together. `root-key.pem` may be kept
    /// elsewhere; when it is here it is checked, and not kept in memory.
    pub fn load(folder: &Path) -> Result<Self, AuthorityError> {
        let folder = Folder(folder);
        let anchor = folder.root()?;
        let successors = folder.successors()?;
        let newest = anchor.newest(&successors).map_err(|error| folder.invalid(SUCCESSORS, error))?;
        let root = Term::of_root(&newest);
        let issuing = folder.issuing(&anchor, &successors)?;
        let genesis = anchor.genesis();
        let log_key = folder.ed25519(LOG_KEY, &genesis.log)?;
        let vrf_key = folder.ed25519(VRF_KEY, &genesis.vrf)?;
        folder.root_key(&newest)?;
        Ok(Self { anchor, successors, root, issuing, log_key, vrf_key, root_key: None })
    }
}

/// The root key of the authority in `folder`; nothing when it is kept elsewhere.
pub(super) fn read_root_key(folder: &Path) -> Result<Option<KeyPair>, AuthorityError> {
    let folder = Folder(folder);
    let (anchor, successors) = (folder.root()?, folder.successors()?);
    let newest = anchor.newest(&successors).map_err(|error| folder.invalid(SUCCESSORS, error))?;
    folder.root_key(&newest)
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

    fn successors(&self) -> Result<Vec<Vec<u8>>, AuthorityError> {
        let path = self.0.join(SUCCESSORS);
        let text = match secret_file::read_public(&path) {
            Err(FileError::Missing(_)) => return Ok(Vec::new()),
            text => text?,
        };
        let all = CertificateDer::pem_slice_iter(text.as_bytes()).map(|der| der.map(|der| der.to_vec()));
        all.collect::<Result<_, _>>().map_err(|_| AuthorityError::Content { path, wanted: "certificates" })
    }

    fn issuing(&self, anchor: &TrustAnchor, successors: &[Vec<u8>]) -> Result<Issuing, AuthorityError> {
        let key = self.p384(ISSUING_KEY)?;
        let (certificate, name) = match self.certificate(ISSUING_KEY) {
            Ok(certificate) => (certificate, ISSUING_KEY),
            Err(error) => match self.certificate(ISSUING) {
                Err(AuthorityError::File(FileError::Missing(_))) => return Err(error),
                beside => (beside?, ISSUING),
            },
        };
        match Issuing::new(anchor, successors, key, certificate.to_vec()) {
            Ok(Some(issuing)) => Ok(issuing),
            Ok(None) => Err(self.mismatch(ISSUING_KEY, name)),
            Err(error) => Err(self.invalid(name, error)),
        }
    }

    /// Nothing when it is kept elsewhere. A key that a crash has kept from its name gets it.
    fn root_key(&self, root: &Newest<'_>) -> Result<Option<KeyPair>, AuthorityError> {
        if self.p384(NEXT_ROOT_KEY).is_ok_and(|key| *key.public() == root.key) {
            secret_file::rename(&self.0.join(NEXT_ROOT_KEY), &self.0.join(ROOT_KEY))?;
        }
        match self.p384(ROOT_KEY) {
            Ok(key) if *key.public() == root.key => Ok(Some(key)),
            Err(AuthorityError::File(FileError::Missing(_))) => Ok(None),
            Ok(_) => Err(self.mismatch(ROOT_KEY, ROOT)),
            Err(error) => Err(error),
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
