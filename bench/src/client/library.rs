//! The MLS library by itself, with our provider and suite: no certificates, no log, no policy, no disk.

use mls_rs::client_builder::{
    BaseConfig, PaddingMode, WithCryptoProvider, WithIdentityProvider, WithMlsRules,
};
use mls_rs::group::{CommitOutput, ExportedTree, ReceivedMessage};
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider, ExtensionList, Group, MlsMessage};
use mls_rs_crypto_awslc::{AwsLcCipherSuite, AwsLcCipherSuiteBuilder, AwsLcHash, AwsLcHmac, MlKem, Sha3};
use mls_rs_crypto_traits::{AeadId, Curve, KdfId};

use super::{Operation, Spent};
use crate::person::Outcome;
use crate::text;

/// The suite that rooms have: [`openchat_e2ee::Suite::Hybrid`].
const SUITE: CipherSuite = CipherSuite::new(0xF0C1);

/// AWS-LC, put together for this suite as `openchat-e2ee` does it.
#[derive(Debug, Clone, Copy)]
struct Provider;

impl CryptoProvider for Provider {
    type CipherSuiteProvider = AwsLcCipherSuite;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        vec![SUITE]
    }

    fn cipher_suite_provider(&self, suite: CipherSuite) -> Option<AwsLcCipherSuite> {
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
            .build(suite)
    }
}

type Config = WithMlsRules<
    DefaultMlsRules,
    WithIdentityProvider<BasicIdentityProvider, WithCryptoProvider<Provider, BaseConfig>>,
>;

/// A group of so many, of whom two do anything.
pub(super) struct Library {
    speaker: Group<Config>,
    reader: Group<Config>,
    /// How many clients there were.
    made: u32,
}

impl Library {
    pub(super) fn of(devices: u32) -> Outcome<Self> {
        let speaker = client(0)?.create_group(ExtensionList::new(), ExtensionList::new(), None)?;
        let mut group = speaker;
        // Those who only are there come by a few commits, as in our rooms.
        let others: Vec<u32> = (1..devices - 1).collect();
        for part in others.chunks(super::AT_ONCE) {
            let packages = part.iter().map(|number| key_package(*number)).collect::<Outcome<Vec<_>>>()?;
            let mut builder = group.commit_builder();
            for package in packages {
                builder = builder.add_member(package)?;
            }
            builder.build()?;
            group.apply_pending_commit()?;
        }
        let (reader, commit) = join(devices - 1, &published(&group)?)?;
        take(&mut group, &commit)?;
        Ok(Self { speaker: group, reader, made: devices })
    }

    /// So many messages, one after the other.
    pub(super) fn talk(&mut self, messages: u64, spent: &mut Spent) -> Outcome<()> {
        let mut sealed = Vec::new();
        for number in 0..messages {
            let mut said = Vec::new();
            text::put(0, number, text::LENGTH, &mut said);
            sealed.push(spent.on(Operation::Seal, || {
                Ok(self.speaker.encrypt_application_message(&said, Vec::new())?.to_bytes()?)
            })?);
        }
        for (payload, number) in sealed.iter().zip(0..) {
            let received = spent.on(Operation::Open, || {
                Ok(self.reader.process_incoming_message(MlsMessage::from_bytes(payload)?)?)
            })?;
            match received {
                ReceivedMessage::ApplicationMessage(message)
                    if text::read(message.data())? == (0, number) => {}
                other => return Err(format!("not message {number}: {other:?}").into()),
            }
        }
        Ok(())
    }

    /// One device comes by an invitation, the keys change, the device goes, and another one comes from outside and goes.
    pub(super) fn change(&mut self, spent: &mut Spent) -> Outcome<()> {
        let package = key_package(self.made)?;
        let commit = spent.on(Operation::Add, || {
            let package = MlsMessage::from_bytes(&package.to_bytes()?)?;
            let made = self.speaker.commit_builder().add_member(package)?.build()?;
            self.publish(&made)
        })?;
        spent.on(Operation::TakeAdd, || take(&mut self.reader, &commit))?;
        let commit = spent.on(Operation::Update, || {
            let made = self.speaker.commit_builder().build()?;
            self.publish(&made)
        })?;
        spent.on(Operation::TakeUpdate, || take(&mut self.reader, &commit))?;
        let commit = self.remove(self.made, spent)?;
        spent.on(Operation::TakeRemove, || take(&mut self.reader, &commit))?;
        self.made += 1;

        let outside = published(&self.speaker)?;
        let commit = spent.on(Operation::Join, || {
            let (joiner, commit) = join(self.made, &outside)?;
            published(&joiner)?;
            Ok(commit)
        })?;
        take(&mut self.speaker, &commit)?;
        spent.on(Operation::TakeJoin, || take(&mut self.reader, &commit))?;
        let commit = self.remove(self.made, &mut Spent::default())?;
        take(&mut self.reader, &commit)?;
        self.made += 1;
        Ok(())
    }

    fn remove(&mut self, number: u32, spent: &mut Spent) -> Outcome<Vec<u8>> {
        let name = number.to_be_bytes();
        let is_it = |member: &mls_rs::group::Member| {
            member.signing_identity.credential.as_basic().is_some_and(|basic| basic.identifier == name)
        };
        let leaf = self.speaker.roster().members_iter().find(is_it).ok_or("nobody to remove")?.index;
        spent.on(Operation::Remove, || {
            let made = self.speaker.commit_builder().remove_member(leaf)?.build()?;
            self.publish(&made)
        })
    }

    /// All that has to be sent for the others and for joiners, and the new epoch.
    fn publish(&mut self, made: &CommitOutput) -> Outcome<Vec<u8>> {
        let commit = made.commit_message.to_bytes()?;
        for welcome in &made.welcome_messages {
            welcome.to_bytes()?;
        }
        made.external_commit_group_info.as_ref().ok_or("no group information")?.to_bytes()?;
        made.ratchet_tree.as_ref().ok_or("no tree")?.to_bytes()?;
        self.speaker.apply_pending_commit()?;
        Ok(commit)
    }
}

/// A client that nobody knows yet.
fn client(number: u32) -> Outcome<Client<Config>> {
    let suite = Provider.cipher_suite_provider(SUITE).ok_or("no such suite")?;
    let (secret, public) = suite.signature_key_generate().map_err(|error| format!("{error:?}"))?;
    let credential = BasicCredential::new(number.to_be_bytes().to_vec()).into_credential();
    let options = CommitOptions::new()
        .with_path_required(true)
        .with_ratchet_tree_extension(false)
        .with_single_welcome_message(false)
        .with_allow_external_commit(true);
    let rules = DefaultMlsRules::new()
        .with_commit_options(options)
        .with_encryption_options(EncryptionOptions::new(true, PaddingMode::None));
    Ok(Client::builder()
        .crypto_provider(Provider)
        .identity_provider(BasicIdentityProvider::new())
        .mls_rules(rules)
        .signing_identity(SigningIdentity::new(credential, public), secret, SUITE)
        .build())
}

fn key_package(number: u32) -> Outcome<MlsMessage> {
    Ok(client(number)?.generate_key_package_message(ExtensionList::new(), ExtensionList::new(), None)?)
}

/// What a joiner from outside needs: GroupInfo and tree.
type Published = (Vec<u8>, Vec<u8>);

fn published(group: &Group<Config>) -> Outcome<Published> {
    let info = group.group_info_message_allowing_ext_commit(false)?.to_bytes()?;
    Ok((info, group.export_tree().to_bytes()?))
}

fn join(number: u32, (info, tree): &Published) -> Outcome<(Group<Config>, Vec<u8>)> {
    let tree = ExportedTree::from_bytes(tree)?;
    let builder = client(number)?.external_commit_builder()?.with_tree_data(tree);
    let (group, commit) = builder.build(MlsMessage::from_bytes(info)?)?;
    Ok((group, commit.to_bytes()?))
}

fn take(group: &mut Group<Config>, commit: &[u8]) -> Outcome<()> {
    match group.process_incoming_message(MlsMessage::from_bytes(commit)?)? {
        ReceivedMessage::Commit(_) => Ok(()),
        other => Err(format!("no commit: {other:?}").into()),
    }
}
