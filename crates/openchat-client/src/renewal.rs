//! Renewal of this profile's certificates, before they end and afterwards. It needs no login, which would be too late when
//! they have ended: the identity key signs for all of it.

use std::time::Duration;

use minicbor::bytes::ByteVec;
use openchat_identity::device::issue_device_certificate;
use openchat_identity::{DeviceKey, IdentityKey, TrustAnchor, Validity, renewal};
use openchat_protocol::account::EnrolDevice;
use openchat_protocol::{Request, Response, Timestamp};

use crate::door::{Door, unexpected};
use crate::enrol::{chain, profile_of, server_of};
use crate::error::{ClientError, ErrorKind};
use crate::vault::Credentials;

/// A device certificate is renewed when less than this is left of its 90 days.
const DEVICE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Makes a new certificate for the device when the present one ends soon or has ended, below a new one of the identity when
/// that one does, and makes it known to the server. `names` is how many records the user knows to be right under
/// the account's name. Answers with the new chain, if there is a better one.
pub(crate) async fn renew(
    credentials: &Credentials,
    names: u32,
) -> Result<Option<Vec<ByteVec>>, ClientError> {
    let now = Timestamp::now();
    let identity_ends = identity_ends(credentials);
    let is_identity_due = renewal::is_due(identity_ends, now);
    let is_device_due = is_device_due(profile_of(credentials).expires, now);
    if !is_identity_due && !is_device_due {
        return Ok(None);
    }
    let unusable = |why: String| ClientError::new(ErrorKind::Damaged, why);
    let identity =
        IdentityKey::from_pkcs8(&credentials.identity_key).map_err(|it| unusable(it.to_string()))?;
    let key = DeviceKey::from_pkcs8(&credentials.device_key).map_err(|it| unusable(it.to_string()))?;
    let mut door = Door::open(server_of(credentials)).await?;
    let mut chain = credentials.chain.clone();
    if is_identity_due {
        match door.renew_identity(&identity, &credentials.name, names).await {
            Ok([new, above]) => {
                chain = self::chain(Vec::new(), new, &above);
                // What is above ends, too, and the host is told.
                if !is_device_due && chain.get(1..) == credentials.chain.get(1..) {
                    return Ok(None);
                }
            }
            Err(error) if identity_ends > now => {
                tracing::warn!(%error, "this identity's certificate cannot be renewed");
                if !is_device_due {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
    let certificate = issue_device_certificate(&identity, key.public_key(), credentials.device.did, now);
    if let Some(device) = chain.first_mut() {
        *device = certificate.into();
    }
    match door.ask(Request::EnrolDevice(EnrolDevice { chain: chain.clone(), list: None })).await? {
        Ok(Response::Done) => Ok(Some(chain)),
        Ok(_) => Err(unexpected()),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Whether nobody takes these certificates any more.
pub(crate) fn has_ended(credentials: &Credentials) -> bool {
    profile_of(credentials).expires < Timestamp::now()
}

fn is_device_due(expires: Timestamp, now: Timestamp) -> bool {
    expires.since(now) <= DEVICE
}

/// When the identity's certificate ends, or what is above it.
fn identity_ends(credentials: &Credentials) -> Timestamp {
    let anchor = TrustAnchor::from_root(&credentials.root).ok();
    let verified = anchor.zip(credentials.certificates()).and_then(|(anchor, (_, identity, above))| {
        anchor.verify_identity(identity, &above, Validity::Ignored).ok()
    });
    verified.map_or(Timestamp(0), |identity| identity.expires())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_in_the_last_third_of_its_life() {
        let day = |days: u64| Timestamp(days * 24 * 3600 * 1000);
        assert!(!is_device_due(day(90), day(59)));
        assert!(is_device_due(day(90), day(60)));
        assert!(is_device_due(day(90), day(91)), "also when it has run out");
    }
}
