//! TLS 1.3 on both sides: one provider, one verifier, no tickets, no early data.

use std::sync::{Arc, Mutex, PoisonError};

use openchat_protocol::{ALPN, ServerFingerprint, Timestamp};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, CommonState, ConnectionCommon, DigitallySignedStruct,
    DistinguishedName, Error, OtherError, PeerIncompatible, ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use webpki::aws_lc_rs::ECDSA_P384_SHA384;

use crate::authority::ServerLeaf;
use crate::device::DeviceKey;
use crate::profile::{Rule, SERVER_NAME};
use crate::trust::{TrustAnchor, TrustError, Validity, VerifiedMember};

pub use rustls::time_provider::DefaultTimeProvider as MachineClock;

/// Certificates here are P-384 throughout.
static SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[ECDSA_P384_SHA384],
    mapping: &[(SignatureScheme::ECDSA_NISTP384_SHA384, &[ECDSA_P384_SHA384])],
};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP384R1],
        signature_verification_algorithms: SIGNATURES,
        ..default_provider()
    })
}

/// The server's side. A client certificate is optional; one that is shown must be a device below the anchor.
#[derive(Debug, Clone)]
pub struct ServerTls {
    provider: Arc<CryptoProvider>,
    certificate: Arc<dyn ResolvesServerCert>,
    anchor: TrustAnchor,
    clock: Arc<dyn TimeProvider>,
}

impl ServerTls {
    /// A server that shows `leaf` and trusts what is below `anchor`.
    pub fn new(leaf: ServerLeaf, anchor: TrustAnchor, clock: Arc<dyn TimeProvider>) -> Result<Self, Error> {
        let provider = provider();
        let chain = leaf.chain.into_iter().map(CertificateDer::from).collect();
        let key = CertifiedKey::from_der(chain, leaf.key_pkcs8.into(), &provider)?;
        Ok(Self { provider, certificate: Arc::new(SingleCertAndKey::from(key)), anchor, clock })
    }

    /// What one connection needs. One of its own, so that what the handshake verifies can be asked for afterwards.
    pub fn accept(&self) -> Result<(Arc<ServerConfig>, Shown), Error> {
        let verifier = Arc::new(DeviceVerifier { anchor: self.anchor.clone(), verified: Mutex::default() });
        let provider = Arc::clone(&self.provider);
        let mut config = ServerConfig::builder_with_details(provider, Arc::clone(&self.clock))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::clone(&verifier) as Arc<dyn ClientCertVerifier>)
            .with_cert_resolver(Arc::clone(&self.certificate));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Ok((Arc::new(config), Shown(verifier)))
    }
}

/// What the other end of one connection shows.
#[derive(Debug)]
pub struct Shown(Arc<DeviceVerifier>);

impl Shown {
    /// Who is on the other end of `connection`, whose handshake is finished; nobody, when no certificate was shown. The
    /// chain is not verified again: it is, byte for byte, the one that the handshake has verified.
    pub fn member(self, connection: &CommonState) -> Option<VerifiedMember> {
        if connection.is_handshaking() {
            return None;
        }
        let verified = self.0.verified.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let shown = connection.peer_certificates()?;
        (shown == verified.chain).then_some(verified.member)
    }
}

/// The client's side, for one server.
#[derive(Debug, Clone)]
pub struct ClientTls {
    /// For any number of connections.
    pub config: Arc<ClientConfig>,
    pin: ServerFingerprint,
}

impl ClientTls {
    /// The name to connect with. The server is known by its fingerprint, and the name is not sent.
    pub fn server_name(&self) -> ServerName<'static> {
        #[expect(clippy::expect_used, reason = "a constant DNS name")]
        ServerName::try_from(SERVER_NAME).expect("a DNS name")
    }

    /// The trust anchor that the server has shown in a finished handshake.
    pub fn anchor(&self, connection: &CommonState, now: Timestamp) -> Result<TrustAnchor, TrustError> {
        TrustAnchor::verify_server(connection.peer_certificates().unwrap_or_default(), &self.pin, now)
    }
}

/// Trusts the server with fingerprint `pin` alone, and shows `device` (its key, and [device, identity, issuing,
/// successors of the root]) if there is one already.
pub fn client_config(
    pin: ServerFingerprint,
    device: Option<(&DeviceKey, Vec<Vec<u8>>)>,
    clock: Arc<dyn TimeProvider>,
) -> Result<ClientTls, Error> {
    let builder = ClientConfig::builder_with_details(provider(), clock)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerVerifier(pin)));
    let mut config = match device {
        None => builder.with_no_client_auth(),
        Some((key, chain)) => {
            let key = PrivatePkcs8KeyDer::from(key.to_pkcs8().to_vec());
            builder
                .with_client_auth_cert(chain.into_iter().map(CertificateDer::from).collect(), key.into())?
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.enable_sni = false;
    Ok(ClientTls { config: Arc::new(config), pin })
}

/// What ties a login to one connection (RFC 9266 §4.2): the same on both ends, and on no other connection.
pub fn channel_binding<Side>(connection: &ConnectionCommon<Side>) -> Result<[u8; 32], Error> {
    connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
}

/// Why this end refused the other end's certificates, if that is what `error` says.
pub fn trust_error(error: &Error) -> Option<&TrustError> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => cause.downcast_ref(),
        _ => None,
    }
}

/// The fingerprint of the server that answered instead of the pinned one.
pub fn other_fingerprint(error: &Error) -> Option<ServerFingerprint> {
    match trust_error(error) {
        Some(TrustError::OtherServer { found, .. }) => Some(*found),
        _ => None,
    }
}

/// Whether the dates of certificates, hence perhaps a clock, are to blame: ours, or as the other end sees it.
pub fn is_about_dates(error: &Error) -> bool {
    match error {
        Error::AlertReceived(AlertDescription::CertificateExpired) => true,
        error => matches!(trust_error(error).map(TrustError::rule), Some(Rule::Expired | Rule::NotYetValid)),
    }
}

/// What both verifiers say about signatures in the handshake itself.
macro_rules! p384_handshakes {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, leaf, signed, &SIGNATURES)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            SIGNATURES.supported_schemes()
        }
    };
}

#[derive(Debug)]
struct DeviceVerifier {
    anchor: TrustAnchor,
    verified: Mutex<Option<Verified>>,
}

#[derive(Debug)]
struct Verified {
    chain: Vec<CertificateDer<'static>>,
    member: VerifiedMember,
}

impl ClientCertVerifier for DeviceVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.anchor.verify_device(&whole(leaf, above), Validity::At(timestamp(now)));
        let member = verified.map_err(|error| match error {
            // rustls makes an alert of it by which the client learns that dates are to blame.
            TrustError::Expired { .. } => CertificateError::Expired.into(),
            TrustError::NotYetValid { .. } => CertificateError::NotValidYet.into(),
            error => untrusted(error),
        })?;
        let chain = std::iter::once(leaf).chain(above).map(|der| der.clone().into_owned()).collect();
        *self.verified.lock().unwrap_or_else(PoisonError::into_inner) = Some(Verified { chain, member });
        Ok(ClientCertVerified::assertion())
    }

    p384_handshakes!();
}

#[derive(Debug)]
struct ServerVerifier(ServerFingerprint);

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        TrustAnchor::verify_server(&whole(leaf, above), &self.0, timestamp(now))
            .map(|_| ServerCertVerified::assertion())
            .map_err(untrusted)
    }

    p384_handshakes!();
}

fn whole<'a>(leaf: &'a CertificateDer<'_>, above: &'a [CertificateDer<'_>]) -> Vec<&'a [u8]> {
    std::iter::once(leaf).chain(above).map(AsRef::as_ref).collect()
}

fn timestamp(now: UnixTime) -> Timestamp {
    Timestamp(now.as_secs().saturating_mul(1000))
}

fn untrusted(error: TrustError) -> Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

#[cfg(test)]
mod tests;
