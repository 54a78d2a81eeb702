//! Signatures over files and messages: ECDSA on P-384 (FIPS 186-5), DER, as OpenSSL and Python make and check them.

use std::fmt;
use std::io::{self, Read};

use aws_lc_rs::digest::{self, SHA256, SHA384};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, ParsedPublicKey};
use openchat_protocol::Uid;
use pkcs8::LineEnding;
use pkcs8::der::pem::encode_string;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

use crate::key_file::IdentityKey;

/// Length of an uncompressed P-384 point (SEC 1 §2.3.3).
pub const POINT: usize = 97;
/// Length of a SubjectPublicKeyInfo that carries one.
pub const SPKI: usize = PREFIX.len() + POINT;

/// SubjectPublicKeyInfo of a P-384 key (RFC 5480 §2) up to its point.
const PREFIX: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
    0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];

/// Why a public key, a digest or a signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The text has no PEM section `PUBLIC KEY`.
    #[error("no public key found: a file that begins with `-----BEGIN PUBLIC KEY-----` is wanted")]
    NotPem,
    /// A public key of another kind, or not a point of the curve.
    #[error("not a P-384 public key: OpenChat uses the curve P-384 (secp384r1) only")]
    NotP384,
    /// A digest whose length is not its hash's.
    #[error("a {hash} digest has {} bytes, this one has {found}", hash.length())]
    DigestLength {
        /// The hash that was named.
        hash: Hash,
        /// The bytes that were given.
        found: usize,
    },
    /// The signature does not belong to this data and this key.
    #[error("the signature does not match: other data, another key, or another hash")]
    Mismatch,
}

/// Which hash is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256: the default, as in the original.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
}

impl Hash {
    /// Length of a digest, in bytes.
    pub fn length(self) -> usize {
        self.algorithm().output_len()
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &SHA256,
            Self::Sha384 => &SHA384,
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
        })
    }
}

/// What is signed: a digest, as the integer that ECDSA makes of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 48]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(hash: Hash, bytes: &[u8]) -> Self {
        Self::widen(digest::digest(hash.algorithm(), bytes).as_ref())
    }

    /// The digest of all that `reader` gives, whatever its size.
    pub fn of_reader(hash: Hash, mut reader: impl Read) -> io::Result<Self> {
        let mut context = digest::Context::new(hash.algorithm());
        let mut buffer = [0; 16 << 10];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(Self::widen(context.finish().as_ref())),
                length => context.update(buffer.get(..length).unwrap_or_default()),
            }
        }
    }

    /// A digest made elsewhere.
    pub fn prehashed(hash: Hash, digest: &[u8]) -> Result<Self, SignatureError> {
        if digest.len() != hash.length() {
            return Err(SignatureError::DigestLength { hash, found: digest.len() });
        }
        Ok(Self::widen(digest))
    }

    /// ECDSA reads a digest as a big-endian integer and cuts it only when it is longer than the group order
    /// (FIPS 186-5 §6.4.1). So a shorter one with zeros in front is the same integer, hence the same signature; that
    /// lets one 384-bit primitive sign both hashes.
    fn widen(digest: &[u8]) -> Self {
        let mut integer = [0; 48];
        integer.iter_mut().rev().zip(digest.iter().rev()).for_each(|(to, from)| *to = *from);
        Self(integer)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl IdentityKey {
    /// Signs a digest. DER.
    pub fn sign(&self, digest: &Digest) -> Vec<u8> {
        self.pair().sign_integer(&digest.0)
    }
}

/// A P-384 public key: a point that lies on the curve.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: [u8; SPKI],
    point: [u8; POINT],
}

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`.
    pub fn from_pem(text: &str) -> Result<Self, SignatureError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes());
        Self::from_spki_der(&der.map_err(|_| SignatureError::NotPem)?)
    }

    /// Reads a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    pub fn from_spki_der(der: &[u8]) -> Result<Self, SignatureError> {
        der.strip_prefix(&PREFIX).ok_or(SignatureError::NotP384).and_then(Self::from_point)
    }

    /// Reads an uncompressed point, as MLS signature keys are written.
    pub fn from_point(point: &[u8]) -> Result<Self, SignatureError> {
        let point: [u8; POINT] = point.try_into().map_err(|_| SignatureError::NotP384)?;
        ParsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point).map_err(|_| SignatureError::NotP384)?;
        let mut spki = [0; SPKI];
        spki.iter_mut().zip(PREFIX.iter().chain(&point)).for_each(|(to, from)| *to = *from);
        Ok(Self { spki, point })
    }

    /// The user whose identity key this is.
    pub fn uid(&self) -> Uid {
        let hash = digest::digest(&SHA256, &self.spki);
        Uid(*hash.as_ref().first_chunk().unwrap_or(&[0; Uid::LENGTH]))
    }

    /// SHA-256 over the SubjectPublicKeyInfo.
    pub fn fingerprint(&self) -> [u8; 32] {
        *digest::digest(&SHA256, &self.spki).as_ref().first_chunk().unwrap_or(&[0; 32])
    }

    /// The uncompressed point.
    pub fn point(&self) -> &[u8; POINT] {
        &self.point
    }

    /// The SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// `-----BEGIN PUBLIC KEY-----`.
    pub fn to_pem(&self) -> String {
        pem(&self.spki, "PUBLIC KEY")
    }

    /// Checks a DER signature over a digest.
    pub fn verify(&self, digest: &Digest, signature: &[u8]) -> Result<(), SignatureError> {
        let verify = |digest: digest::Digest| {
            ParsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, self.point)
                .map_err(|_| aws_lc_rs::error::Unspecified)?
                .verify_digest_sig(&digest, signature)
        };
        let digest = digest::Digest::import_less_safe(&digest.0, &SHA384);
        digest.and_then(verify).map_err(|_| SignatureError::Mismatch)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.uid())
    }
}

impl rcgen::PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P384_SHA384
    }
}

/// Checks a DER signature, ECDSA P-384 with SHA-384, of the key at `point` over `message`: what devices sign with.
pub fn verify_signature(point: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    PublicKey::from_point(point)?.verify(&Digest::of(Hash::Sha384, message), signature)
}

/// One value as PEM.
pub(crate) fn pem(der: &[u8], label: &'static str) -> String {
    #[expect(clippy::expect_used, reason = "fails for sizes that overflow only")]
    encode_string(label, LineEnding::LF, der).expect("PEM")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hashes_and_prehashed_digests_sign_and_verify() {
        let key = IdentityKey::generate();
        for hash in [Hash::Sha256, Hash::Sha384] {
            let digest = Digest::of(hash, b"text");
            let signature = key.sign(&digest);
            let raw = digest::digest(hash.algorithm(), b"text");
            let again = Digest::prehashed(hash, raw.as_ref()).unwrap();
            assert_eq!(key.public_key().verify(&again, &signature), Ok(()));
            assert_eq!(Digest::of_reader(hash, &b"text"[..]).unwrap(), digest);
            let other = Digest::of(hash, b"Text");
            assert_eq!(key.public_key().verify(&other, &signature), Err(SignatureError::Mismatch));
            let other = IdentityKey::generate();
            assert_eq!(other.public_key().verify(&digest, &signature), Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn a_digest_has_the_length_of_its_hash() {
        let error = SignatureError::DigestLength { hash: Hash::Sha256, found: 48 };
        assert_eq!(error.to_string(), "a SHA-256 digest has 32 bytes, this one has 48");
        assert_eq!(Digest::prehashed(Hash::Sha256, &[1; 48]), Err(error));
    }

    #[test]
    fn public_keys_are_points_of_p384() {
        let key = IdentityKey::generate();
        let pem = key.public_key().to_pem();
        assert_eq!(PublicKey::from_pem(&pem).as_ref(), Ok(key.public_key()));
        assert_eq!(PublicKey::from_pem("nothing"), Err(SignatureError::NotPem));
        let mut point = *key.public_key().point();
        point[96] ^= 1;
        assert_eq!(PublicKey::from_point(&point), Err(SignatureError::NotP384));
        let p256 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        assert_eq!(PublicKey::from_pem(&p256.public_key_pem()), Err(SignatureError::NotP384));
    }
}
