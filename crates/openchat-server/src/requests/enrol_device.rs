//! EnrolDevice: a device becomes known by a certificate that the account's identity key has signed.

use openchat_identity::{TrustError, Validity, VerifiedMember, device_list};
use openchat_protocol::account::{AccountSelector, EnrolDevice};
use openchat_protocol::device_list::{ListedDevice, SignedDeviceList};
use openchat_protocol::limits::CERTIFICATE;
use openchat_protocol::{Refusal, RefusalCode, Response};
use openchat_store::device::{EnrolError, NewDevice};
use openchat_store::key_log::NewDeviceList;

use crate::requests::{Answer, log_failed, login, publish_devices, store_failed, within};
use crate::state::State;

pub(crate) async fn handle(state: &State, request: EnrolDevice) -> Answer {
    if request.list.is_some() {
        state.check_takes_new()?;
    }
    let chain: Vec<Vec<u8>> = request.chain.into_iter().map(Into::into).collect();
    chain.iter().try_for_each(|certificate| within("a certificate", certificate.len(), CERTIFICATE))?;
    let now = state.now();
    let member = state
        .authority()
        .anchor()
        .verify_device(&chain, Validity::At(now))
        .map_err(|error| untrusted(&error))?;
    check_account(state, &member).await?;
    let list = list(state, &member, request.list).await?;
    let device = NewDevice { device: member.device(), public_key: member.device_key().to_vec(), chain, list };
    let (uid, listed) = (device.device.uid, device.list.as_ref().map(|list| list.devices.clone()));
    state.store.enrol_device(device, now).await.map_err(|error| refusal(&error))?;
    if let Some(listed) = listed {
        state.live.end_others(uid, &listed, &login::device_revoked());
    }
    Ok(Response::Done)
}

/// The list that has the device. One that is known comes without when only its certificate is new.
async fn list(
    state: &State,
    member: &VerifiedMember,
    signed: Option<SignedDeviceList>,
) -> Result<Option<NewDeviceList>, Refusal> {
    let Some(signed) = signed else {
        let known = state.store.device(member.device()).await.map_err(|error| store_failed(&error))?;
        return known.map(|_| None).ok_or_else(|| unlisted("a new device comes without a list of devices"));
    };
    let list = publish_devices::checked(state, member.identity_spki(), &signed)?;
    let own = ListedDevice { did: member.device().did, key: device_list::key_hash(member.device_key()) };
    if !list.devices.contains(&own) {
        return Err(unlisted("the device is not in the list of devices that comes with it"));
    }
    state.key_log.devices(&list, signed).map(Some).map_err(|error| log_failed(&error))
}

fn unlisted(detail: &str) -> Refusal {
    Refusal::new(RefusalCode::DeviceList, detail)
}

async fn check_account(state: &State, member: &VerifiedMember) -> Result<(), Refusal> {
    let account = state.store.account(&AccountSelector::Uid(member.device().uid)).await;
    let Some(account) = account.map_err(|error| store_failed(&error))? else {
        return Err(refusal(&EnrolError::AccountUnknown));
    };
    if account.identity_spki != member.identity_spki() {
        let detail = "the identity certificate is for another key than the account's";
        return Err(Refusal::new(RefusalCode::Certificate, detail));
    }
    if account.disabled { Err(login::account_disabled()) } else { Ok(()) }
}

/// Told so that it is true on the other machine, too.
fn untrusted(error: &TrustError) -> Refusal {
    let detail = match error {
        TrustError::NotYetValid { role, .. } => format!(
            "by the server's clock the {role} certificate is made in the future: set your clock right, or tell the host"
        ),
        TrustError::Expired { role, .. } => format!(
            "by the server's clock the {role} certificate has expired: set your clock right, or tell the host"
        ),
        error => format!("the device certificate: {error}"),
    };
    Refusal::new(RefusalCode::Certificate, detail)
}

fn refusal(error: &EnrolError) -> Refusal {
    let code = match error {
        EnrolError::AccountUnknown => RefusalCode::AccountUnknown,
        EnrolError::DeviceRevoked => RefusalCode::DeviceRevoked,
        EnrolError::KeyDiffers => RefusalCode::KeyTaken,
        EnrolError::TooManyDevices => RefusalCode::Quota,
        EnrolError::List(error) => return publish_devices::refusal(error),
        EnrolError::Store(error) => return store_failed(error),
    };
    Refusal::new(code, error.to_string())
}
