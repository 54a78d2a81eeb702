//! People of an authority in this process: keys and certificates without a server.

use minicbor::bytes::ByteVec;
use openchat_client::vault::Credentials;
use openchat_e2ee::Device;
use openchat_identity::device::issue_device_certificate;
use openchat_identity::{Authority, DeviceKey, IdentityKey};
use openchat_protocol::{DeviceId, Did, Timestamp};

/// A moment within the certificates' validity.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// What goes wrong where nothing should.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Somebody with one device.
pub(crate) struct Somebody {
    identity: IdentityKey,
    key: DeviceKey,
    pub(crate) id: DeviceId,
    chain: Vec<Vec<u8>>,
}

impl Somebody {
    pub(crate) fn new(authority: &Authority) -> Outcome<Self> {
        let (identity, key) = (IdentityKey::generate(), DeviceKey::generate());
        let issued = authority.issue_identity(&identity.sign_csr(&authority.fingerprint()), NOW)?;
        let id = DeviceId { uid: identity.uid(), did: Did([1; Did::LENGTH]) };
        let certificate = issue_device_certificate(&identity, key.public_key(), id.did, NOW);
        let chain = vec![certificate, issued.certificate, authority.issuing_certificate().to_vec()];
        Ok(Self { identity, key, id, chain })
    }

    /// What a profile keeps of it.
    pub(crate) fn credentials(&self, authority: &Authority) -> Outcome<Credentials> {
        let bytes = |bytes: &[u8]| ByteVec::from(bytes.to_vec());
        Ok(Credentials {
            host: "localhost".to_owned(),
            port: 1,
            server: authority.fingerprint(),
            root: bytes(authority.root_certificate()),
            name: "alice".parse()?,
            device: self.id,
            identity_key: bytes(&self.identity.to_pkcs8()),
            device_key: bytes(&self.key.to_pkcs8()),
            chain: self.chain.iter().map(|certificate| bytes(certificate)).collect(),
            enrolled: true,
            devices: None,
        })
    }

    /// As a member of rooms, who has seen nobody's certificates yet.
    pub(crate) fn device(&self, authority: &Authority) -> Outcome<Device> {
        let key = DeviceKey::from_pkcs8(&self.key.to_pkcs8())?;
        Ok(Device::new(key, &self.chain, authority.anchor().clone())?)
    }
}
