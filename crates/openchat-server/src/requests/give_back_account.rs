//! GiveBackAccount: an account, or a device of one, that a restored server has lost. Its certificates are this
//! authority's, and the log of keys, under heads that this server has signed, has a leaf that was made for it: so it proves
//! itself, whoever gives it back and whenever.

use openchat_identity::{Validity, VerifiedMember, device_list};
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::give_back::{Disclosed, GiveBackAccount};
use openchat_protocol::limits::CERTIFICATE;
use openchat_protocol::{Refusal, RefusalCode, Response};
use openchat_store::device::NewDevice;
use openchat_store::lost::{LostAccount, TakeAccountError};
use openchat_transparency::{Body, Kind, Opening, Subject};

use crate::key_log::hash;
use crate::requests::{Answer, Asker, log_failed, malformed, publish_devices, store_failed, within};
use crate::state::State;

pub(crate) async fn handle(state: &State, asker: Asker, request: GiveBackAccount) -> Answer {
    if asker.device.is_none() {
        state.rates.log_pages.check(&asker.network)?;
    }
    let lost = checked(state, request)?;
    state.store.take_back_account(lost, state.now()).await.map_err(|error| refusal(&error))?;
    Ok(Response::Done)
}

fn checked(state: &State, request: GiveBackAccount) -> Result<LostAccount, Refusal> {
    let GiveBackAccount { name, chain, name_opening, user_opening } = request;
    let chain: Vec<Vec<u8>> = chain.into_iter().map(Into::into).collect();
    chain.iter().try_for_each(|certificate| within("a certificate", certificate.len(), CERTIFICATE))?;
    // Whether it has expired is looked at when it logs in.
    let member = state
        .authority()
        .anchor()
        .verify_device(&chain, Validity::Ignored)
        .map_err(|error| Refusal::new(RefusalCode::Certificate, error.to_string()))?;
    let uid = member.device().uid;
    let identity = chain.get(1).map(Vec::as_slice).unwrap_or_default();
    match Body::read(Kind::IdentityIssued, &name_opening.body) {
        Ok(Body::IdentityIssued(issued))
            if (issued.uid, &issued.name, issued.certificate) == (uid, &name, hash(identity)) => {}
        _ => return Err(not_that()),
    }
    let version = version(state, &member, &user_opening)?;
    let label = |subject| state.key_log.label(&subject).map(|(label, _)| label);
    let by_name = label(Subject::Name(name.clone())).map_err(|error| log_failed(&error))?;
    let by_uid = label(Subject::User(uid)).map_err(|error| log_failed(&error))?;
    let (identity_spki, public_key) = (member.identity_spki().to_vec(), member.device_key().to_vec());
    Ok(LostAccount {
        name,
        identity_spki,
        device: NewDevice { device: member.device(), public_key, chain, list: None },
        version,
        by_name: (by_name, opening(name_opening)),
        by_uid: (by_uid, opening(user_opening)),
    })
}

/// The version of the list in `disclosed`, which has the device.
fn version(state: &State, member: &VerifiedMember, disclosed: &Disclosed) -> Result<u32, Refusal> {
    let Ok(Body::DeviceList(signed)) = Body::read(Kind::DeviceList, &disclosed.body) else {
        return Err(not_that());
    };
    let list = publish_devices::checked(state, member.identity_spki(), &signed)?;
    let own = ListedDevice { did: member.device().did, key: device_list::key_hash(member.device_key()) };
    if list.devices.contains(&own) { Ok(list.version) } else { Err(not_that()) }
}

fn opening(disclosed: Disclosed) -> Opening {
    Opening { nonce: disclosed.nonce, body: disclosed.body.into() }
}

fn not_that() -> Refusal {
    malformed("what the log of keys says is not about this account and this device")
}

fn refusal(error: &TakeAccountError) -> Refusal {
    let code = match error {
        TakeAccountError::NotInLog => RefusalCode::LogRange,
        TakeAccountError::NameTaken => RefusalCode::NameTaken,
        TakeAccountError::Store(error) => return store_failed(error),
    };
    Refusal::new(code, error.to_string())
}
