//! The cipher suites of rooms, and the crypto provider that MLS uses them through.

use mls_rs_core::crypto::{
    CipherSuite, CipherSuiteProvider, CryptoProvider, HpkeCiphertext, HpkePsk, HpkePublicKey, HpkeSecretKey,
    SignaturePublicKey, SignatureSecretKey,
};
use mls_rs_core::error::IntoAnyError;
use mls_rs_crypto_awslc::{
    AwsLcCipherSuite, AwsLcCipherSuiteBuilder, AwsLcCryptoError, AwsLcCryptoProvider, AwsLcHash, AwsLcHmac,
    MlKem, Sha3,
};
use mls_rs_crypto_traits::{AeadId, Curve, KdfId};
use zeroize::Zeroizing;

/// How a room is encrypted: chosen when it is made, the same for all its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Suite {
    /// 0xF0C1, private use (RFC 9420 §17.1): X-Wing (ML-KEM-768 with X25519), AES-256-GCM, SHA-384, ECDSA P-384.
    #[default]
    Hybrid,
    /// 0x0007, `MLS_256_DHKEMP384_AES256GCM_SHA384_P384`: for members with other MLS software.
    P384,
}

impl Suite {
    /// Every suite, the preferred one first.
    pub const ALL: [Self; 2] = [Self::Hybrid, Self::P384];

    /// The MLS cipher suite number.
    pub fn id(self) -> u16 {
        match self {
            Self::Hybrid => 0xF0C1,
            Self::P384 => 0x0007,
        }
    }

    /// The suite with this MLS number, if this build has it.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.id() == id)
    }

    pub(crate) fn mls(self) -> CipherSuite {
        CipherSuite::new(self.id())
    }
}

/// What AWS-LC refused. Opening an HPKE ciphertext is told apart: while a commit is processed it is the one operation
/// whose result depends on the member that does it (RFC 9420 §7.5), so the commit may be good for the others.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CryptoError {
    /// An HPKE ciphertext for this member does not open.
    #[error("an HPKE ciphertext does not open: {0:?}")]
    HpkeOpen(AwsLcCryptoError),
    /// Everything else.
    #[error("{0:?}")]
    Other(#[from] AwsLcCryptoError),
}

impl IntoAnyError for CryptoError {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

/// AWS-LC, restricted to the suites of [`Suite`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Crypto;

impl CryptoProvider for Crypto {
    type CipherSuiteProvider = SuiteProvider;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        Suite::ALL.map(Suite::mls).to_vec()
    }

    fn cipher_suite_provider(&self, cipher_suite: CipherSuite) -> Option<SuiteProvider> {
        let provider = match Suite::from_id(cipher_suite.into())? {
            Suite::Hybrid => hybrid(cipher_suite)?,
            Suite::P384 => AwsLcCryptoProvider::new().cipher_suite_provider(cipher_suite)?,
        };
        Some(SuiteProvider(provider))
    }
}

/// X-Wing takes X25519 from suite 0x0001; the rest is suite 0x0007's.
fn hybrid(id: CipherSuite) -> Option<AwsLcCipherSuite> {
    AwsLcCipherSuiteBuilder::new()
        .signing(Curve::P384)
        .aead(AeadId::Aes256Gcm)
        .kdf(KdfId::HkdfSha384)
        .hmac(AwsLcHmac::new(CipherSuite::P384_AES256)?)
        .hash(AwsLcHash::new(CipherSuite::P384_AES256)?)
        .combined_hpke(
            CipherSuite::CURVE25519_AES128,
            MlKem::MlKem768,
            KdfId::HkdfSha384,
            AeadId::Aes256Gcm,
            AwsLcHash::new_sha3(Sha3::SHA3_256)?,
        )
        .build(id)
}

/// AWS-LC for one suite; see [`CryptoError`] for why it is wrapped.
#[derive(Clone)]
pub(crate) struct SuiteProvider(AwsLcCipherSuite);

type Result<T, E = CryptoError> = std::result::Result<T, E>;

impl CipherSuiteProvider for SuiteProvider {
    type Error = CryptoError;
    type HpkeContextS = <AwsLcCipherSuite as CipherSuiteProvider>::HpkeContextS;
    type HpkeContextR = <AwsLcCipherSuite as CipherSuiteProvider>::HpkeContextR;

    fn cipher_suite(&self) -> CipherSuite {
        self.0.cipher_suite()
    }

    fn hash(&self, data: &[u8]) -> Result<Vec<u8>> {
        Ok(self.0.hash(data)?)
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>> {
        Ok(self.0.mac(key, data)?)
    }

    fn aead_seal(&self, key: &[u8], data: &[u8], aad: Option<&[u8]>, nonce: &[u8]) -> Result<Vec<u8>> {
        Ok(self.0.aead_seal(key, data, aad, nonce)?)
    }

    fn aead_open(
        &self,
        key: &[u8],
        sealed: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        Ok(self.0.aead_open(key, sealed, aad, nonce)?)
    }

    fn aead_key_size(&self) -> usize {
        self.0.aead_key_size()
    }

    fn aead_nonce_size(&self) -> usize {
        self.0.aead_nonce_size()
    }

    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Ok(self.0.kdf_extract(salt, ikm)?)
    }

    fn kdf_expand(&self, prk: &[u8], info: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>> {
        Ok(self.0.kdf_expand(prk, info, length)?)
    }

    fn kdf_extract_size(&self) -> usize {
        self.0.kdf_extract_size()
    }

    fn hpke_seal(
        &self,
        to: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        data: &[u8],
    ) -> Result<HpkeCiphertext> {
        Ok(self.0.hpke_seal(to, info, aad, data)?)
    }

    fn hpke_seal_psk(
        &self,
        to: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        data: &[u8],
        psk: HpkePsk<'_>,
    ) -> Result<HpkeCiphertext> {
        Ok(self.0.hpke_seal_psk(to, info, aad, data, psk)?)
    }

    fn hpke_open(
        &self,
        sealed: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.0.hpke_open(sealed, secret, public, info, aad).map_err(CryptoError::HpkeOpen)
    }

    fn hpke_open_psk(
        &self,
        sealed: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        psk: HpkePsk<'_>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.0.hpke_open_psk(sealed, secret, public, info, aad, psk).map_err(CryptoError::HpkeOpen)
    }

    fn hpke_setup_s(&self, to: &HpkePublicKey, info: &[u8]) -> Result<(Vec<u8>, Self::HpkeContextS)> {
        Ok(self.0.hpke_setup_s(to, info)?)
    }

    fn hpke_setup_r(
        &self,
        kem_output: &[u8],
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
    ) -> Result<Self::HpkeContextR> {
        Ok(self.0.hpke_setup_r(kem_output, secret, public, info)?)
    }

    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey)> {
        Ok(self.0.kem_derive(ikm)?)
    }

    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey)> {
        Ok(self.0.kem_generate()?)
    }

    fn kem_public_key_validate(&self, key: &HpkePublicKey) -> Result<()> {
        Ok(self.0.kem_public_key_validate(key)?)
    }

    fn random_bytes(&self, out: &mut [u8]) -> Result<()> {
        Ok(self.0.random_bytes(out)?)
    }

    fn signature_key_generate(&self) -> Result<(SignatureSecretKey, SignaturePublicKey)> {
        Ok(self.0.signature_key_generate()?)
    }

    fn signature_key_derive_public(&self, secret: &SignatureSecretKey) -> Result<SignaturePublicKey> {
        Ok(self.0.signature_key_derive_public(secret)?)
    }

    fn sign(&self, secret: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>> {
        Ok(self.0.sign(secret, data)?)
    }

    fn verify(&self, public: &SignaturePublicKey, signature: &[u8], data: &[u8]) -> Result<()> {
        Ok(self.0.verify(public, signature, data)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in the log of a room must stay readable: numbers and sizes are fixed for good.
    #[test]
    fn suites_keep_their_numbers_and_sizes() {
        for (suite, id, kem_public_key) in [(Suite::Hybrid, 0xF0C1, 1216), (Suite::P384, 0x0007, 97)] {
            assert_eq!((suite.id(), Suite::from_id(id)), (id, Some(suite)));
            let provider = Crypto.cipher_suite_provider(suite.mls()).unwrap();
            let (_, public) = provider.signature_key_generate().unwrap();
            assert_eq!(public.len(), 97, "P-384 signatures");
            assert_eq!(provider.hash(b"").unwrap().len(), 48, "SHA-384");
            assert_eq!((provider.aead_key_size(), provider.aead_nonce_size()), (32, 12), "AES-256-GCM");
            assert_eq!(provider.kem_generate().unwrap().1.len(), kem_public_key);
        }
        assert_eq!(Suite::from_id(1), None);
        assert_eq!(Suite::default(), Suite::Hybrid);
    }

    /// X-Wing follows a draft: if the derivation changes under us, old rooms could not be opened any more.
    #[test]
    fn key_derivation_stays_as_it_is() {
        for (suite, digest) in [(Suite::Hybrid, HYBRID_KEY), (Suite::P384, P384_KEY)] {
            let provider = Crypto.cipher_suite_provider(suite.mls()).unwrap();
            let (_, public) = provider.kem_derive(&[7; 48]).unwrap();
            let found = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &public);
            assert_eq!(data_encoding::HEXLOWER.encode(found.as_ref()), digest, "{suite:?}");
        }
    }

    const HYBRID_KEY: &str = "15506b810a61ede36a01d2a7d83c31453bb23d73cf0fa6737ee882a090225c7f";
    const P384_KEY: &str = "27939ebb5207e21e7f117879bc3bf940a9997bcb0c4d84ec4c633604fe8e94cf";
}
