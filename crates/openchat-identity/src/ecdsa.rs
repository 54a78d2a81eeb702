//! P-384 key pairs: the only kind of key that certificates, TLS and MLS leaves have here.

use aws_lc_rs::digest::{Digest, SHA384};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use zeroize::Zeroizing;

use crate::signature::PublicKey;

/// A private key with its public half. AWS-LC wipes it when it is dropped.
pub(crate) struct KeyPair {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl KeyPair {
    pub(crate) fn generate() -> Self {
        infallible(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).and_then(Self::new))
    }

    /// Reads PKCS#8 (RFC 5208) or SEC 1 (RFC 5915), and checks that the halves belong together.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, Unspecified> {
        Self::new(EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_ASN1_SIGNING, der)?)
    }

    fn new(pair: EcdsaKeyPair) -> Result<Self, Unspecified> {
        let public = PublicKey::from_point(pair.public_key().as_ref()).map_err(|_| Unspecified)?;
        Ok(Self { pair, public })
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(infallible(self.pair.to_pkcs8v1()).as_ref().to_vec())
    }

    /// The private scalar, big-endian.
    pub(crate) fn scalar(&self) -> Zeroizing<[u8; 48]> {
        let bytes: EcPrivateKeyBin<'_> = infallible(self.pair.private_key().as_be_bytes());
        let mut scalar = Zeroizing::new([0; 48]);
        scalar.copy_from_slice(bytes.as_ref());
        scalar
    }

    /// ECDSA with SHA-384 over `message`, DER.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        infallible(self.pair.sign(&SystemRandom::new(), message)).as_ref().to_vec()
    }

    /// ECDSA over a digest that is given as the 384-bit integer it stands for, DER.
    pub(crate) fn sign_integer(&self, integer: &[u8; 48]) -> Vec<u8> {
        let signature = Digest::import_less_safe(integer, &SHA384).and_then(|it| self.pair.sign_digest(&it));
        infallible(signature).as_ref().to_vec()
    }
}

impl rcgen::PublicKeyData for KeyPair {
    fn der_bytes(&self) -> &[u8] {
        self.public.point()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P384_SHA384
    }
}

impl rcgen::SigningKey for KeyPair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.sign(message))
    }
}

#[expect(
    clippy::expect_used,
    reason = "AWS-LC fails here only when memory runs out, where Rust aborts as well"
)]
pub(crate) fn infallible<T>(result: Result<T, Unspecified>) -> T {
    result.expect("AWS-LC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_both_of_its_encodings() {
        let key = KeyPair::generate();
        let again = KeyPair::from_der(&key.to_pkcs8()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(again.scalar(), key.scalar());
        let point = key.public().point();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P384_SHA384_ASN1_SIGNING,
            &*key.scalar(),
            point,
        );
        assert_eq!(pair.unwrap().public_key().as_ref(), point);
    }
}
