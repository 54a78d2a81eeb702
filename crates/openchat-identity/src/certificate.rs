//! Makes certificates and requests: whatever the profile says, and nothing else.

use aws_lc_rs::rand;
use openchat_protocol::{ServerFingerprint, Timestamp};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, SerialNumber};
use time::OffsetDateTime;

use crate::ecdsa::KeyPair;
use crate::profile::{Profile, SKEW};
use crate::signature::PublicKey;

/// A certificate (DER) for `subject`, signed by `issuer`, valid from a little before `now`.
pub(crate) fn issue(profile: Profile, subject: &PublicKey, issuer: &KeyPair, now: Timestamp) -> Vec<u8> {
    let mut parameters = named(&profile.subject());
    parameters.serial_number = Some(random_serial());
    parameters.not_before = date(now) - SKEW;
    parameters.not_after = date(now.plus(profile.lifetime()));
    parameters.custom_extensions = profile.extensions(subject, issuer.public()).iter().map(custom).collect();
    let issuer_name = named(&profile.issuer());
    #[expect(clippy::expect_used, reason = "names are ASCII and dates within range, by construction")]
    let certificate =
        parameters.signed_by(subject, &Issuer::from_params(&issuer_name, issuer)).expect("a certificate");
    certificate.der().to_vec()
}

/// A certificate signing request (DER) of `key` to the authority of `server`.
pub(crate) fn request(server: &ServerFingerprint, key: &KeyPair) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "the name is ASCII, by construction")]
    let request = named(&server.to_string()).serialize_request(key).expect("a request");
    request.der().to_vec()
}

fn named(common_name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    // The profile lists every extension, this one too.
    parameters.is_ca = IsCa::NoCa;
    parameters
}

fn custom(extension: &crate::profile::Extension) -> CustomExtension {
    let oid: Vec<u64> = extension.oid.iter().into_iter().flatten().collect();
    let mut custom = CustomExtension::from_oid_content(&oid, extension.value.clone());
    custom.set_criticality(extension.critical);
    custom
}

/// 128 random bits (RFC 5280 §4.1.2.2 wants at least 64 from a random source, and no sign).
fn random_serial() -> SerialNumber {
    let mut serial = [0; 16];
    fill_random(&mut serial);
    SerialNumber::from_slice(&serial)
}

/// The nearest moment that a certificate can name.
pub(crate) fn date(time: Timestamp) -> OffsetDateTime {
    let seconds = i64::try_from(time.as_seconds()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(LAST_DATE)
}

/// The end of time for certificates (RFC 5280 §4.1.2.5).
const LAST_DATE: OffsetDateTime = time::macros::datetime!(9999-12-31 23:59:59 UTC);

/// Random bytes from AWS-LC.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    #[expect(
        clippy::expect_used,
        reason = "AWS-LC ends the process itself when the system has no randomness"
    )]
    rand::fill(bytes).expect("randomness");
}
