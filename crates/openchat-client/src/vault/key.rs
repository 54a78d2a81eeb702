//! The vault's key: random, and kept in a file beside the database, wrapped by the password.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use openchat_identity::Password;
use openchat_protocol::codec;
use zeroize::Zeroizing;

use super::error::VaultError;
use crate::random;

/// The format that this version writes.
const FORMAT: u32 = 1;
/// Argon2id (RFC 9106), memory in KiB, passes, lanes: a quarter of a second, and 64 MiB for each guess.
const COST: (u32, u32, u32) = if cfg!(test) { (1 << 10, 1, 1) } else { (64 << 10, 3, 1) };
/// A file that asks for more memory (KiB) or passes than this is damaged.
const MOST: (u32, u32, u32) = (1 << 20, 64, 16);
/// More than any key file has.
const LARGEST: u64 = 4 << 10;

/// The key of the database.
pub(super) type VaultKey = Zeroizing<[u8; 32]>;

/// How the key is wrapped. All of it is authenticated by the wrapping.
#[derive(Encode, Decode)]
struct Wrapping {
    #[n(0)]
    format: u32,
    #[n(1)]
    memory: u32,
    #[n(2)]
    passes: u32,
    #[n(3)]
    lanes: u32,
    #[n(4)]
    salt: ByteArray<16>,
    #[n(5)]
    nonce: ByteArray<12>,
}

/// What stands in the file.
#[derive(Encode, Decode)]
struct KeyFile {
    #[n(0)]
    wrapping: Wrapping,
    /// The key under AES-256-GCM, with its tag.
    #[n(1)]
    sealed: ByteVec,
    /// SHA-256 over the other two: tells damage from a wrong password.
    #[n(2)]
    checksum: ByteArray<32>,
}

/// Makes a key and writes it, wrapped by `password`, to `path`. After a crash the file is whole or not there.
pub(super) fn create(path: &Path, password: &Password) -> Result<VaultKey, VaultError> {
    let mut key = Zeroizing::new([0; 32]);
    random::fill(&mut *key);
    let (memory, passes, lanes) = COST;
    let (salt, nonce) = (random::bytes().into(), random::bytes().into());
    let wrapping = Wrapping { format: FORMAT, memory, passes, lanes, salt, nonce };
    let file = wrap(wrapping, &key, password).map_err(|reason| VaultError::storage(path, &reason))?;
    write_whole(path, &codec::encode(&file)).map_err(|error| VaultError::storage(path, &error))?;
    Ok(key)
}

/// The key in the file at `path`.
pub(super) fn open(path: &Path, password: &Password) -> Result<VaultKey, VaultError> {
    let damaged = |reason: &str| VaultError::damaged(path, &reason);
    let bytes = read(path)?;
    let KeyFile { wrapping, sealed, checksum } =
        codec::decode(&bytes).map_err(|error| VaultError::damaged(path, &error))?;
    if checksum_of(&wrapping, &sealed) != checksum {
        return Err(damaged("its checksum does not hold"));
    }
    if wrapping.format != FORMAT {
        return Err(VaultError::Newer { path: path.to_owned(), found: wrapping.format });
    }
    let (memory, passes, lanes) = MOST;
    if wrapping.memory > memory || wrapping.passes > passes || wrapping.lanes > lanes {
        return Err(damaged("it asks for more work than any key file needs"));
    }
    let aead = wrapping_key(&wrapping, password).map_err(damaged)?;
    let mut sealed = Zeroizing::new(Vec::from(sealed));
    let opened = aead
        .open_in_place(nonce_of(&wrapping), Aad::from(codec::encode(&wrapping)), &mut sealed)
        .map_err(|_| VaultError::WrongPassword(path.to_owned()))?;
    (&*opened).try_into().map(Zeroizing::new).map_err(|_| damaged("the key in it has a wrong length"))
}

fn wrap(wrapping: Wrapping, key: &VaultKey, password: &Password) -> Result<KeyFile, &'static str> {
    let aead = wrapping_key(&wrapping, password)?;
    let mut sealed = key.to_vec();
    aead.seal_in_place_append_tag(nonce_of(&wrapping), Aad::from(codec::encode(&wrapping)), &mut sealed)
        .map_err(|_| "the key cannot be wrapped")?;
    let sealed = ByteVec::from(sealed);
    let checksum = checksum_of(&wrapping, &sealed);
    Ok(KeyFile { wrapping, sealed, checksum })
}

fn wrapping_key(wrapping: &Wrapping, password: &Password) -> Result<LessSafeKey, &'static str> {
    let Wrapping { memory, passes, lanes, salt, .. } = wrapping;
    let params = Params::new(*memory, *passes, *lanes, Some(32)).map_err(|_| "its cost makes no sense")?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), &salt[..], &mut *key)
        .map_err(|_| "its cost makes no sense")?;
    let key = UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| "its key makes no sense")?;
    Ok(LessSafeKey::new(key))
}

fn nonce_of(wrapping: &Wrapping) -> Nonce {
    Nonce::assume_unique_for_key(*wrapping.nonce)
}

fn checksum_of(wrapping: &Wrapping, sealed: &ByteVec) -> ByteArray<32> {
    let bytes = [codec::encode(wrapping), sealed.to_vec()].concat();
    let mut checksum = [0; 32];
    checksum.copy_from_slice(digest(&SHA256, &bytes).as_ref());
    checksum.into()
}

fn read(path: &Path) -> Result<Vec<u8>, VaultError> {
    let length = fs::metadata(path).map_err(|error| missing_or(path, &error))?.len();
    if length > LARGEST {
        return Err(VaultError::damaged(path, "it is larger than any key file"));
    }
    fs::read(path).map_err(|error| missing_or(path, &error))
}

fn missing_or(path: &Path, error: &io::Error) -> VaultError {
    match error.kind() {
        io::ErrorKind::NotFound => VaultError::Missing(path.parent().unwrap_or(path).to_owned()),
        _ => VaultError::storage(path, &error),
    }
}

fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    // The new name is durable only with the folder that holds it.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
