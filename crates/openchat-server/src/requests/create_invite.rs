//! CreateInvite: a member lets others in, for a while.

use std::time::Duration;

use openchat_protocol::account::CreateInvite;
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Response};
use openchat_store::invite::{CreateInviteError, NewInvite};

use crate::requests::{Answer, malformed, store_failed};
use crate::state::State;

/// Accounts one invite can make.
const USES: u32 = 1_000;
/// How long an invite can be good.
const LIFE: Duration = Duration::from_secs(366 * 24 * 3600);

pub(crate) async fn handle(state: &State, device: DeviceId, request: CreateInvite) -> Answer {
    let now = state.now();
    let CreateInvite { hash, expires, uses, room } = request;
    if !(1..=USES).contains(&uses) {
        return Err(malformed(format!("an invite makes 1 to {USES} accounts")));
    }
    if expires <= now || expires > now.plus(LIFE) {
        return Err(malformed("an invite expires within a year, and not in the past: is the clock right?"));
    }
    state.rates.invited.check_many(&device.uid, usize::try_from(uses).unwrap_or(usize::MAX))?;
    let invite = NewInvite { hash, creator: Some(device.uid), expires, uses, room };
    state.store.create_invite(invite, now).await.map_err(|error| refusal(&error))?;
    Ok(Response::Done)
}

fn refusal(error: &CreateInviteError) -> Refusal {
    match error {
        CreateInviteError::Taken => malformed(error.to_string()),
        CreateInviteError::TooMany => Refusal::new(RefusalCode::Quota, error.to_string()),
        CreateInviteError::Store(error) => store_failed(error),
    }
}
