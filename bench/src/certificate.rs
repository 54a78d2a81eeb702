//! Certificates that are made when a run begins: P-256 for the peers, and P-384 on both ends for the bare servers.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use rustls::client::Resumption;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// The name in every certificate.
pub(crate) const NAME: &str = "localhost";

/// A self-signed certificate for the peers, and one for both ends of the bare servers.
pub(crate) struct Certificate {
    peer: Pair,
    mutual: Pair,
}

struct Pair {
    der: Vec<u8>,
    pem: String,
    key: KeyPair,
}

impl Certificate {
    pub(crate) fn make() -> Self {
        let pair = |algorithm| {
            let key = KeyPair::generate_for(algorithm).expect("a key");
            let parameters = CertificateParams::new(vec![NAME.to_owned()]).expect("a DNS name");
            let certificate = parameters.self_signed(&key).expect("a certificate");
            Pair { der: certificate.der().to_vec(), pem: certificate.pem(), key }
        };
        Self { peer: pair(&PKCS_ECDSA_P256_SHA256), mutual: pair(&PKCS_ECDSA_P384_SHA384) }
    }

    /// `cert.pem` and `key.pem` for a peer, `mutual.der` and `mutual.key` for a bare server.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), String> {
        let write = |name: &str, bytes: &[u8]| {
            fs::write(folder.join(name), bytes).map_err(|error| format!("cannot write {name}: {error}"))
        };
        write("cert.pem", self.peer.pem.as_bytes())?;
        write("key.pem", self.peer.key.serialize_pem().as_bytes())?;
        write("mutual.der", &self.mutual.der)?;
        write("mutual.key", self.mutual.key.serialized_der())
    }

    /// TLS 1.3 only, every handshake in full.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13]);
        let mut config = builder.with_root_certificates(roots(&self.peer.der)).with_no_client_auth();
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }

    /// The same with a certificate of the client's own.
    pub(crate) fn mutual(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13]);
        let key = PrivatePkcs8KeyDer::from(self.mutual.key.serialized_der().to_vec());
        let chain = vec![CertificateDer::from(self.mutual.der.clone())];
        let builder = builder.with_root_certificates(roots(&self.mutual.der));
        let mut config = builder.with_client_auth_cert(chain, key.into()).expect("our own key");
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }
}

/// What a bare server in `folder` shows, and asks for.
pub(crate) fn server(folder: &Path) -> Arc<ServerConfig> {
    let read = |name: &str| fs::read(folder.join(name)).expect("written by whoever started this");
    let certificate = read("mutual.der");
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots(&certificate))).build().expect("one root");
    let key = PrivatePkcs8KeyDer::from(read("mutual.key"));
    let builder = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13]);
    let mut config = builder
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![CertificateDer::from(certificate)], key.into())
        .expect("our own key");
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

fn roots(der: &[u8]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(der.to_vec())).expect("our own certificate");
    roots
}
