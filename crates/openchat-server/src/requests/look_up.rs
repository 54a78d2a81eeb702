//! LookUp: a user as others see them.

use openchat_protocol::account::AccountSelector;
use openchat_protocol::{Refusal, RefusalCode, Response};

use crate::requests::{Answer, store_failed};
use crate::state::State;

pub(crate) async fn handle(state: &State, selector: AccountSelector) -> Answer {
    let known = state.store.account(&selector).await.map_err(|error| store_failed(&error))?;
    known
        .map(|known| Response::Account(known.account))
        .ok_or_else(|| Refusal::new(RefusalCode::AccountUnknown, "there is no such user here"))
}
