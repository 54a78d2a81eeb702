//! Login: the device key, as the database has it, signs the nonce of this very channel.

use std::fmt;
use std::time::Duration;

use openchat_identity::{VerifiedMember, challenge};
use openchat_protocol::account::{AccountSelector, LoggedIn, Login};
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Timestamp};
use openchat_store::device::StoredDevice;

use crate::live::Presence;
use crate::requests::{internal, store_failed};
use crate::state::State;

/// How long a nonce is good.
const NONCE_LIFE: Duration = Duration::from_secs(30);

/// 32 random bytes for one login on one connection. Using it is giving it away.
pub(crate) struct Nonce {
    bytes: [u8; 32],
    made: Timestamp,
}

/// What the TLS handshake has shown of the peer.
pub(crate) struct Peer {
    /// By its certificate, if it has shown one.
    pub(crate) member: Option<Box<VerifiedMember>>,
    /// RFC 9266 `tls-exporter`: the name of this channel.
    pub(crate) channel: [u8; 32],
}

impl Nonce {
    pub(crate) fn generate(now: Timestamp) -> Result<Self, Refusal> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| internal())?;
        Ok(Self { bytes, made: now })
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

/// Checks the proof and makes `presence` that of the device.
pub(crate) async fn handle(
    state: &State,
    peer: &Peer,
    nonce: Nonce,
    presence: &mut Presence,
    login: &Login,
) -> Result<(DeviceId, LoggedIn), Refusal> {
    let now = state.now();
    if now.since(nonce.made) > NONCE_LIFE {
        return Err(failed("the nonce is older than 30 s: say Hello again and answer sooner"));
    }
    let Some(member) = &peer.member else {
        return Err(failed("this connection was made without a device certificate: connect with it"));
    };
    presence.become_device(member.device(), member.expires());
    let result = admit(state, &peer.channel, &nonce, member, login).await;
    if result.is_err() {
        presence.become_stranger();
    }
    result.map(|logged_in| (member.device(), logged_in))
}

async fn admit(
    state: &State,
    channel: &[u8; 32],
    nonce: &Nonce,
    member: &VerifiedMember,
    login: &Login,
) -> Result<LoggedIn, Refusal> {
    let device = member.device();
    let failure = |error| store_failed(&error);
    let stored = state.store.device(device).await.map_err(failure)?;
    let stored = stored.ok_or_else(|| {
        Refusal::new(RefusalCode::AccountUnknown, "this device is unknown here: enrol it, or register first")
    })?;
    check_proof(state, channel, nonce, member, &stored, login)?;
    if stored.revoked || stored.account_disabled {
        let account = state.store.account(&AccountSelector::Uid(device.uid)).await.map_err(failure)?;
        if account.is_some_and(|account| account.retired) {
            return Err(account_reset());
        }
    }
    check_standing(&stored)?;
    Ok(LoggedIn {
        device,
        name: stored.name,
        key_packages: state.store.key_package_counts(device).await.map_err(failure)?,
        rooms: state.store.rooms_of(device).await.map_err(failure)?,
    })
}

fn check_proof(
    state: &State,
    channel: &[u8; 32],
    nonce: &Nonce,
    member: &VerifiedMember,
    stored: &StoredDevice,
    login: &Login,
) -> Result<(), Refusal> {
    if stored.public_key != member.device_key() {
        return Err(failed("the certificate is for another key than the one this device was enrolled with"));
    }
    let server = state.authority().fingerprint();
    challenge::verify(&stored.public_key, &server, member.device(), &nonce.bytes, channel, &login.signature)
        .map_err(|_| failed("the signature does not prove possession of the device key on this connection"))
}

fn check_standing(stored: &StoredDevice) -> Result<(), Refusal> {
    if stored.account_disabled {
        return Err(account_disabled());
    }
    if stored.revoked {
        return Err(device_revoked());
    }
    Ok(())
}

/// Why a disabled account cannot log in, and its live connections end.
pub(crate) fn account_disabled() -> Refusal {
    Refusal::new(
        RefusalCode::AccountDisabled,
        "this account was disabled by an administrator of the server: ask there",
    )
}

/// Why an account whose name is another key's cannot log in, and its live connections end.
pub(crate) fn account_reset() -> Refusal {
    let detail = "this account was reset: its name belongs to another key since then, which somebody asked for with a link \
                  of the host's, and in 72 hours nobody objected or the host has decided; if it was not you, tell the host";
    Refusal::new(RefusalCode::AccountDisabled, detail)
}

/// Why a revoked device cannot log in, and its live connections end.
pub(crate) fn device_revoked() -> Refusal {
    Refusal::new(
        RefusalCode::DeviceRevoked,
        "this device was revoked: use another device of the account, or enrol this one anew",
    )
}

fn failed(detail: &str) -> Refusal {
    Refusal::new(RefusalCode::LoginFailed, detail)
}
