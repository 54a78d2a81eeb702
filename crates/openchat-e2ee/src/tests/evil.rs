//! A member with other rules and other crypto than ours: it makes what an honest client never would.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use mls_rs::client_builder::{ClientBuilder, MlsConfig, PaddingMode};
use mls_rs::group::external_commit::ExternalCommitBuilder;
use mls_rs::identity::{CredentialType, SigningIdentity};
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions};
use mls_rs::{Client, ExtensionList, Group, IdentityProvider, MlsMessage};
use mls_rs_core::crypto::{
    CipherSuite, CipherSuiteProvider, CryptoProvider, HpkeCiphertext, HpkePsk, HpkePublicKey, HpkeSecretKey,
    SignaturePublicKey, SignatureSecretKey,
};
use mls_rs_core::identity::MemberValidationContext;
use mls_rs_core::psk::{ExternalPskId, PreSharedKey};
use mls_rs_core::time::MlsTime;
use openchat_protocol::statement::Statement;

use super::*;
use crate::policy;
use crate::suites::{Crypto, CryptoError, SuiteProvider};

/// Crypto that does wrong at a chosen moment: counts down, and acts at zero.
#[derive(Clone)]
pub(crate) struct EvilCrypto {
    /// Which HPKE ciphertext is damaged.
    pub(crate) damaged: Arc<AtomicI64>,
    /// Which HPKE ciphertext is of something else.
    pub(crate) wrong: Arc<AtomicI64>,
    /// Which generated KEM key is unusable.
    pub(crate) generate: Arc<AtomicI64>,
}

impl EvilCrypto {
    pub(crate) fn harmless() -> Self {
        let never = || Arc::new(AtomicI64::new(-1));
        Self { damaged: never(), wrong: never(), generate: never() }
    }
}

/// A pre-shared key that the evil client has.
pub(crate) fn psk() -> ExternalPskId {
    ExternalPskId::new(b"psk".to_vec())
}

/// `who` with rules that let everything pass.
pub(crate) fn client(
    world: &World,
    who: usize,
    crypto: EvilCrypto,
    encrypted: bool,
) -> Client<impl MlsConfig + use<>> {
    let device = &world.people[who].device;
    let identities = device.credentials().clone();
    build(world, crypto, encrypted, identities, device.signing_identity().clone(), device.signer())
}

/// Somebody who believes every certificate, with any of them.
pub(crate) fn gullible(
    world: &World,
    identity: SigningIdentity,
    signer: SignatureSecretKey,
) -> Client<impl MlsConfig + use<>> {
    build(world, EvilCrypto::harmless(), true, BasicIdentities, identity, signer)
}

fn build<I: IdentityProvider + Clone>(
    world: &World,
    crypto: EvilCrypto,
    encrypted: bool,
    identities: I,
    identity: SigningIdentity,
    signer: SignatureSecretKey,
) -> Client<impl MlsConfig + use<I>> {
    let commit = CommitOptions::new()
        .with_path_required(true)
        .with_ratchet_tree_extension(false)
        .with_single_welcome_message(false)
        .with_allow_external_commit(true);
    let encryption = EncryptionOptions::new(encrypted, PaddingMode::None);
    let rules = DefaultMlsRules::new().with_commit_options(commit).with_encryption_options(encryption);
    ClientBuilder::new()
        .crypto_provider(crypto)
        .identity_provider(identities)
        .mls_rules(rules)
        .extension_type(policy::EXTENSION)
        .psk(psk(), PreSharedKey::new(vec![1; 48]))
        .signing_identity(identity, signer, world.suite.mls())
        .build()
}

/// Takes a leaf's key for its name.
#[derive(Clone)]
struct BasicIdentities;

impl IdentityProvider for BasicIdentities {
    type Error = Infallible;

    fn validate_member(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: MemberValidationContext<'_>,
    ) -> std::result::Result<(), Infallible> {
        Ok(())
    }

    fn validate_external_sender(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: Option<&ExtensionList>,
    ) -> std::result::Result<(), Infallible> {
        Ok(())
    }

    fn identity(&self, of: &SigningIdentity, _: &ExtensionList) -> std::result::Result<Vec<u8>, Infallible> {
        Ok(of.signature_key.to_vec())
    }

    fn valid_successor(
        &self,
        _: &SigningIdentity,
        _: &SigningIdentity,
        _: &ExtensionList,
    ) -> std::result::Result<bool, Infallible> {
        Ok(true)
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        vec![CredentialType::X509]
    }
}

/// Joins the room from outside and stores the commit, which is a good one unless the crypto is not.
pub(crate) fn join<C: MlsConfig>(world: &mut World, who: usize, client: &Client<C>) -> Group<C> {
    let id = world.id(who);
    let (group, commit) = draft_join(world, id, client);
    world.append_raw(id, RecordKind::Commit, commit);
    group
}

pub(crate) fn draft_join<C: MlsConfig>(
    world: &World,
    who: DeviceId,
    client: &Client<C>,
) -> (Group<C>, Vec<u8>) {
    let statement = Statement { joined: vec![who], ..Statement::default() };
    draft_join_stating(world, codec::encode(&statement), client)
}

pub(crate) fn draft_join_stating<C: MlsConfig>(
    world: &World,
    statement: Vec<u8>,
    client: &Client<C>,
) -> (Group<C>, Vec<u8>) {
    let (group, commit) = join_builder(world, statement, client).build(group_info(world)).unwrap();
    (group, commit.to_bytes().unwrap())
}

pub(crate) fn join_builder<C: MlsConfig>(
    world: &World,
    statement: Vec<u8>,
    client: &Client<C>,
) -> ExternalCommitBuilder<C> {
    let tree = crate::tree::from_wire(&world.snapshot.tree, world.room_key.as_ref(), ROOM).unwrap();
    let builder = client.external_commit_builder().unwrap().with_authenticated_data(statement);
    builder.with_tree_data(tree)
}

pub(crate) fn group_info(world: &World) -> MlsMessage {
    let group_info = policy::unseal(world.room_key.as_ref(), ROOM, &world.snapshot.group_info);
    MlsMessage::from_bytes(&group_info.unwrap()).unwrap()
}

/// A room of `members` honest people, and Mallory (Dave's certificates) who joined last.
pub(crate) fn room<'a>(members: usize, encrypted: bool) -> (World, Group<impl MlsConfig + use<'a>>) {
    let mut world = World::of(members);
    let client = client(&world, DAVE, EvilCrypto::harmless(), encrypted);
    let group = join(&mut world, DAVE, &client);
    world.read_all();
    (world, group)
}

#[derive(Clone)]
pub(crate) struct EvilProvider {
    inner: SuiteProvider,
    evil: EvilCrypto,
}

impl CryptoProvider for EvilCrypto {
    type CipherSuiteProvider = EvilProvider;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        Crypto.supported_cipher_suites()
    }

    fn cipher_suite_provider(&self, suite: CipherSuite) -> Option<EvilProvider> {
        Some(EvilProvider { inner: Crypto.cipher_suite_provider(suite)?, evil: self.clone() })
    }
}

/// Bytes of the right length that are no key: no point of the curve, or coefficients over the modulus.
fn unusable(key: &HpkePublicKey) -> HpkePublicKey {
    if key.len() == 97 { [&[4][..], &[0xAA; 96]].concat() } else { vec![0xFF; key.len()] }.into()
}

type Result<T> = std::result::Result<T, CryptoError>;

impl CipherSuiteProvider for EvilProvider {
    type Error = CryptoError;
    type HpkeContextS = <SuiteProvider as CipherSuiteProvider>::HpkeContextS;
    type HpkeContextR = <SuiteProvider as CipherSuiteProvider>::HpkeContextR;

    fn hpke_seal(
        &self,
        to: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        data: &[u8],
    ) -> Result<HpkeCiphertext> {
        let wrong = self.evil.wrong.fetch_sub(1, SeqCst) == 0;
        let other = vec![0; data.len()];
        let mut sealed = self.inner.hpke_seal(to, info, aad, if wrong { &other } else { data })?;
        if self.evil.damaged.fetch_sub(1, SeqCst) == 0 {
            sealed.ciphertext[0] ^= 1;
        }
        Ok(sealed)
    }
    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey)> {
        let (secret, public) = self.inner.kem_generate()?;
        let evil = self.evil.generate.fetch_sub(1, SeqCst) == 0;
        Ok((secret, if evil { unusable(&public) } else { public }))
    }
    fn kem_public_key_validate(&self, _: &HpkePublicKey) -> Result<()> {
        Ok(())
    }

    fn cipher_suite(&self) -> CipherSuite {
        self.inner.cipher_suite()
    }
    fn hash(&self, data: &[u8]) -> Result<Vec<u8>> {
        self.inner.hash(data)
    }
    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>> {
        self.inner.mac(key, data)
    }
    fn aead_seal(&self, key: &[u8], data: &[u8], aad: Option<&[u8]>, nonce: &[u8]) -> Result<Vec<u8>> {
        self.inner.aead_seal(key, data, aad, nonce)
    }
    fn aead_open(
        &self,
        key: &[u8],
        data: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.inner.aead_open(key, data, aad, nonce)
    }
    fn aead_key_size(&self) -> usize {
        self.inner.aead_key_size()
    }
    fn aead_nonce_size(&self) -> usize {
        self.inner.aead_nonce_size()
    }
    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.inner.kdf_extract(salt, ikm)
    }
    fn kdf_expand(&self, prk: &[u8], info: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>> {
        self.inner.kdf_expand(prk, info, length)
    }
    fn kdf_extract_size(&self) -> usize {
        self.inner.kdf_extract_size()
    }
    fn hpke_seal_psk(
        &self,
        to: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        data: &[u8],
        psk: HpkePsk<'_>,
    ) -> Result<HpkeCiphertext> {
        self.inner.hpke_seal_psk(to, info, aad, data, psk)
    }
    fn hpke_open(
        &self,
        sealed: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.inner.hpke_open(sealed, secret, public, info, aad)
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
        self.inner.hpke_open_psk(sealed, secret, public, info, aad, psk)
    }
    fn hpke_setup_s(&self, to: &HpkePublicKey, info: &[u8]) -> Result<(Vec<u8>, Self::HpkeContextS)> {
        self.inner.hpke_setup_s(to, info)
    }
    fn hpke_setup_r(
        &self,
        kem_output: &[u8],
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
    ) -> Result<Self::HpkeContextR> {
        self.inner.hpke_setup_r(kem_output, secret, public, info)
    }
    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey)> {
        self.inner.kem_derive(ikm)
    }
    fn random_bytes(&self, out: &mut [u8]) -> Result<()> {
        self.inner.random_bytes(out)
    }
    fn signature_key_generate(&self) -> Result<(SignatureSecretKey, SignaturePublicKey)> {
        self.inner.signature_key_generate()
    }
    fn signature_key_derive_public(&self, secret: &SignatureSecretKey) -> Result<SignaturePublicKey> {
        self.inner.signature_key_derive_public(secret)
    }
    fn sign(&self, secret: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>> {
        self.inner.sign(secret, data)
    }
    fn verify(&self, public: &SignaturePublicKey, signature: &[u8], data: &[u8]) -> Result<()> {
        self.inner.verify(public, signature, data)
    }
}
