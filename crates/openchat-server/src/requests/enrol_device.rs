//! EnrolDevice: a device becomes known by a certificate that the account's identity key has signed.

use openchat_identity::{TrustError, Validity, VerifiedMember};
use openchat_protocol::account::{AccountSelector, EnrolDevice};
use openchat_protocol::limits::CERTIFICATE;
use openchat_protocol::{Refusal, RefusalCode, Response};
use openchat_store::device::{EnrolError, NewDevice};

use crate::requests::{Answer, login, store_failed, within};
use crate::state::State;

pub(crate) async fn handle(state: &State, request: EnrolDevice) -> Answer {
    let chain: Vec<Vec<u8>> = request.chain.into_iter().map(Into::into).collect();
    chain.iter().try_for_each(|certificate| within("a certificate", certificate.len(), CERTIFICATE))?;
    let now = state.now();
    let member = state
        .authority
        .anchor()
        .verify_device(&chain, Validity::At(now))
        .map_err(|error| untrusted(&error))?;
    check_account(state, &member).await?;
    let device = NewDevice { device: member.device(), public_key: member.device_key().to_vec(), chain };
    state.store.enrol_device(device, now).await.map_err(|error| refusal(&error))?;
    Ok(Response::Done)
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
        EnrolError::Store(error) => return store_failed(error),
    };
    Refusal::new(code, error.to_string())
}
