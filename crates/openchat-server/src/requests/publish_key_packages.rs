//! PublishKeyPackages: a device lets itself be added while it is away.

use openchat_protocol::account::PublishKeyPackages;
use openchat_protocol::limits::{KEY_PACKAGE, KEY_PACKAGES};
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Response};
use openchat_store::key_package::PublishKeyPackagesError;

use crate::requests::{Answer, store_failed, within};
use crate::state::State;

pub(crate) async fn handle(state: &State, device: DeviceId, request: PublishKeyPackages) -> Answer {
    within("an upload of key packages", request.one_time.len(), KEY_PACKAGES)?;
    let packages = request.one_time.iter().chain(&request.last_resort);
    packages.into_iter().try_for_each(|package| within("a key package", package.len(), KEY_PACKAGE))?;
    let count = state.store.publish_key_packages(device, request).await.map_err(|error| refusal(&error))?;
    Ok(Response::KeyPackageCount(count))
}

fn refusal(error: &PublishKeyPackagesError) -> Refusal {
    let code = match error {
        PublishKeyPackagesError::DeviceUnknown => RefusalCode::DeviceRevoked,
        PublishKeyPackagesError::TooMany | PublishKeyPackagesError::TooManySuites => RefusalCode::Quota,
        PublishKeyPackagesError::Store(error) => return store_failed(error),
    };
    Refusal::new(code, error.to_string())
}
