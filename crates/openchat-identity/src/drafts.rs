//! Certificates for tests: exact at first, then spoiled in one place and signed all the same.

use openchat_protocol::{DeviceId, Did, Timestamp, Uid};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, Issuer, PublicKeyData, SerialNumber,
    SigningKey,
};
use time::{Duration, OffsetDateTime};

use crate::certificate;
use crate::ecdsa::KeyPair;
use crate::profile::{GenesisKeys, Profile};
use crate::signature::PublicKey;
use crate::trust::TrustAnchor;

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// One extension: identifier, critical, value.
pub(crate) type RawExtension = (Vec<u64>, bool, Vec<u8>);

/// A certificate in the making.
pub(crate) struct Draft {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) serial: Vec<u8>,
    pub(crate) not_before: OffsetDateTime,
    pub(crate) not_after: OffsetDateTime,
    pub(crate) extensions: Vec<RawExtension>,
}

impl Draft {
    /// As the profile has it, except that nothing is checked.
    pub(crate) fn new(profile: Profile, subject: &PublicKey, issuer: &PublicKey) -> Self {
        let now = OffsetDateTime::from_unix_timestamp(NOW.as_seconds().try_into().unwrap()).unwrap();
        let extensions = profile.extensions(subject, issuer).into_iter();
        Self {
            subject: profile.subject(),
            issuer: profile.issuer(),
            serial: vec![1; 16],
            not_before: now - Duration::minutes(5),
            not_after: now + profile.lifetime(),
            extensions: extensions
                .map(|it| (it.oid.iter().unwrap().collect(), it.critical, it.value))
                .collect(),
        }
    }

    /// The value of an extension, to be spoiled.
    pub(crate) fn extension(&mut self, oid: &[u64]) -> &mut RawExtension {
        self.extensions.iter_mut().find(|it| it.0 == oid).unwrap()
    }

    pub(crate) fn remove(&mut self, oid: &[u64]) {
        self.extensions.retain(|it| it.0 != oid);
    }

    pub(crate) fn sign(&self, key: &impl PublicKeyData, by: &impl SigningKey) -> Vec<u8> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = named(&self.subject);
        parameters.serial_number = Some(SerialNumber::from_slice(&self.serial));
        (parameters.not_before, parameters.not_after) = (self.not_before, self.not_after);
        parameters.custom_extensions = self
            .extensions
            .iter()
            .map(|(oid, critical, value)| {
                let mut extension = CustomExtension::from_oid_content(oid, value.clone());
                extension.set_criticality(*critical);
                extension
            })
            .collect();
        let mut issuer = CertificateParams::default();
        issuer.distinguished_name = named(&self.issuer);
        parameters.signed_by(key, &Issuer::from_params(&issuer, by)).unwrap().der().to_vec()
    }
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// A server with all its keys at hand, Alice, and Mallory, who is an honest-looking user of it.
pub(crate) struct World {
    pub(crate) root: KeyPair,
    pub(crate) issuing: KeyPair,
    pub(crate) alice: KeyPair,
    pub(crate) mallory: KeyPair,
    pub(crate) device: KeyPair,
    pub(crate) genesis: GenesisKeys,
    pub(crate) anchor: TrustAnchor,
}

pub(crate) const DID: Did = Did([5; 10]);

impl World {
    pub(crate) fn new() -> Self {
        let [root, issuing, alice, mallory, device] = std::array::from_fn(|_| KeyPair::generate());
        let mut genesis = GenesisKeys { log: [0; 32], vrf: [0; 32] };
        certificate::fill_random(&mut genesis.log);
        let anchor = certificate::issue(Profile::Root(genesis), root.public(), &root, NOW);
        let anchor = TrustAnchor::from_root(&anchor).unwrap();
        Self { root, issuing, alice, mallory, device, genesis, anchor }
    }

    pub(crate) fn issuing(&self, spoil: impl FnOnce(&mut Draft)) -> Vec<u8> {
        self.make(Profile::Issuing, &self.issuing, &self.root, spoil)
    }

    pub(crate) fn identity(&self, user: &KeyPair, spoil: impl FnOnce(&mut Draft)) -> Vec<u8> {
        self.make(Profile::Identity(user.public().uid()), user, &self.issuing, spoil)
    }

    pub(crate) fn device(&self, user: &KeyPair, spoil: impl FnOnce(&mut Draft)) -> Vec<u8> {
        self.make(Profile::Device(device_of(user)), &self.device, user, spoil)
    }

    pub(crate) fn server(&self, key: &KeyPair, spoil: impl FnOnce(&mut Draft)) -> Vec<u8> {
        self.make(Profile::Server, key, &self.issuing, spoil)
    }

    pub(crate) fn root(&self, spoil: impl FnOnce(&mut Draft)) -> Vec<u8> {
        self.make(Profile::Root(self.genesis), &self.root, &self.root, spoil)
    }

    /// Alice's device, identity, and the issuing certificate.
    pub(crate) fn chain(&self) -> Vec<Vec<u8>> {
        vec![self.device(&self.alice, |_| {}), self.identity(&self.alice, |_| {}), self.issuing(|_| {})]
    }

    pub(crate) fn make(
        &self,
        profile: Profile,
        key: &KeyPair,
        by: &KeyPair,
        spoil: impl FnOnce(&mut Draft),
    ) -> Vec<u8> {
        let mut draft = Draft::new(profile, key.public(), by.public());
        spoil(&mut draft);
        draft.sign(key, by)
    }
}

pub(crate) fn device_of(user: &KeyPair) -> DeviceId {
    DeviceId { uid: user.public().uid(), did: DID }
}

pub(crate) fn domain(uid: Uid) -> String {
    format!("{uid}.users.openchat.alt")
}

/// One DER value of any length.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header = match (high, low) {
        (0, 0..128) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [header, content.to_vec()].concat()
}

/// Replaces bytes in the signed part of a certificate, and signs it again.
pub(crate) fn resign(der: &[u8], from: &[u8], to: &[u8], by: &KeyPair) -> Vec<u8> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).unwrap();
    let signed = certificate.tbs_certificate.as_ref();
    // The header of a certificate of 256 bytes and more: tag, 0x82, two bytes of length.
    let body = &signed[4..];
    let at = body.windows(from.len()).position(|it| it == from).unwrap();
    let signed = tlv(0x30, &[&body[..at], to, &body[at + from.len()..]].concat());
    let algorithm = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
    let signature = tlv(0x03, &[&[0], by.sign(&signed).as_slice()].concat());
    tlv(0x30, &[signed.as_slice(), &algorithm, &signature].concat())
}
