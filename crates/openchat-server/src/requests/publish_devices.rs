//! PublishDevices: the list of a user's devices, signed by the identity key, for the log of keys.

use openchat_identity::{PublicKey, device_list};
use openchat_protocol::account::AccountSelector;
use openchat_protocol::device_list::{DeviceList, SignedDeviceList};
use openchat_protocol::limits::CERTIFICATE;
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Response};
use openchat_store::key_log::DeviceListError;

use crate::requests::login::device_revoked;
use crate::requests::{Answer, internal, log_failed, login_first, store_failed, within};
use crate::state::State;

pub(crate) async fn handle(state: &State, asker: DeviceId, signed: SignedDeviceList) -> Answer {
    state.check_takes_new()?;
    let account = state.store.account(&AccountSelector::Uid(asker.uid)).await;
    let account = account.map_err(|error| store_failed(&error))?.ok_or_else(login_first)?;
    let list = checked(state, &account.identity_spki, &signed)?;
    let new = state.key_log.devices(&list, signed).map_err(|error| log_failed(&error))?;
    let listed = new.devices.clone();
    let published = state.store.publish_devices(asker.uid, new, state.now()).await;
    published.map_err(|error| refusal(&error))?;
    state.live.end_others(asker.uid, &listed, &device_revoked());
    Ok(Response::Done)
}

/// The list, if the key has signed it for this server.
pub(crate) fn checked(
    state: &State,
    identity_spki: &[u8],
    signed: &SignedDeviceList,
) -> Result<DeviceList, Refusal> {
    within("a list of devices", signed.list.len(), CERTIFICATE)?;
    let key = PublicKey::from_spki_der(identity_spki).map_err(|_| internal())?;
    device_list::verify(&key, &state.authority().fingerprint(), signed)
        .map_err(|error| Refusal::new(RefusalCode::DeviceList, error.to_string()))
}

pub(crate) fn refusal(error: &DeviceListError) -> Refusal {
    let code = match error {
        DeviceListError::AccountUnknown => RefusalCode::AccountUnknown,
        DeviceListError::Version { .. } => RefusalCode::DeviceList,
        DeviceListError::Store(error) => return store_failed(error),
    };
    Refusal::new(code, error.to_string())
}
