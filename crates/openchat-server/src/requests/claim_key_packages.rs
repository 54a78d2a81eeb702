//! ClaimKeyPackages: one package for each device of a user, in order to add them.

use openchat_protocol::account::ClaimKeyPackages;
use openchat_protocol::{DeviceId, Response};

use crate::requests::{Answer, store_failed};
use crate::state::State;

pub(crate) async fn handle(state: &State, device: DeviceId, request: ClaimKeyPackages) -> Answer {
    // Whoever claims without end uses up the packages of others.
    state.rates.claims.check(&device.uid)?;
    let packages = state.store.claim_key_packages(request).await.map_err(|error| store_failed(&error))?;
    Ok(Response::KeyPackages(packages))
}
