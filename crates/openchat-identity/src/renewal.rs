//! Renewal of identity certificates: when it is due, and the word of the identity key without which nobody gets one.

use std::time::Duration;

use openchat_protocol::{ServerFingerprint, Timestamp, UserName};

use crate::key_file::IdentityKey;
use crate::signature::{PublicKey, SignatureError, verify_signature};

const DOMAIN: &[u8] = b"OpenChat identity renewal v1\0";

/// An identity certificate is renewed when less than this is left of its two years: twice what is left of a device's
/// certificate when that one is renewed, so that a device never gets less because of the identity above it; and long
/// enough for a machine that is switched on every other month.
pub const BEFORE_THE_END: Duration = Duration::from_secs(60 * 24 * 3600);

/// A certificate that ends less than this after the present one is not worth a place in the log.
pub const WORTH_IT: Duration = Duration::from_secs(24 * 3600);

/// Whether a certificate that ends then is to be renewed.
pub fn is_due(ends: Timestamp, now: Timestamp) -> bool {
    ends.since(now) <= BEFORE_THE_END
}

/// What is signed. It names one place in the log, so that it cannot be used for another one; all but the last part have a
/// fixed length.
fn message(server: &ServerFingerprint, key: &PublicKey, seq: u32, name: &UserName) -> Vec<u8> {
    let (uid, seq) = (key.uid(), seq.to_be_bytes());
    [DOMAIN, server.as_bytes(), uid.as_bytes(), &seq, name.as_str().as_bytes()].concat()
}

/// Says that the leaf with the number `seq` of the label of `name` is for a certificate that this key has asked for, and
/// that its owner knows of all those before it.
pub fn sign(identity: &IdentityKey, server: &ServerFingerprint, name: &UserName, seq: u32) -> Vec<u8> {
    identity.pair().sign(&message(server, identity.public_key(), seq, name))
}

/// Checks that.
pub fn verify(
    identity: &PublicKey,
    server: &ServerFingerprint,
    name: &UserName,
    seq: u32,
    signature: &[u8],
) -> Result<(), SignatureError> {
    verify_signature(identity.point(), &message(server, identity, seq, name), signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_good_for_one_key_server_name_and_place() {
        let (alice, mallory) = (IdentityKey::generate(), IdentityKey::generate());
        let (here, elsewhere) = (ServerFingerprint([1; 32]), ServerFingerprint([2; 32]));
        let [name, other]: [UserName; 2] = ["alice", "alicea"].map(|name| name.parse().unwrap());
        let signed = sign(&alice, &here, &name, 2);
        assert_eq!(verify(alice.public_key(), &here, &name, 2, &signed), Ok(()));
        for (key, server, name, seq) in [
            (&mallory, &here, &name, 2),
            (&alice, &elsewhere, &name, 2),
            (&alice, &here, &other, 2),
            (&alice, &here, &name, 3),
        ] {
            assert!(verify(key.public_key(), server, name, seq, &signed).is_err(), "{server:?} {name} {seq}");
        }
    }

    #[test]
    fn an_identity_is_renewed_in_its_last_sixty_days_and_afterwards() {
        let day = |days: u64| Timestamp(days * 24 * 3600 * 1000);
        assert!(!is_due(day(730), day(669)));
        assert!(is_due(day(730), day(670)));
        assert!(is_due(day(730), day(1100)), "also when it has run out");
    }
}
