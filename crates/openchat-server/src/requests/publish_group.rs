//! PublishGroup: a good group in the place of one that came with a garbage commit.

use openchat_protocol::append::GroupSnapshot;
use openchat_protocol::limits::{GROUP_INFO, TREE};
use openchat_protocol::room::PublishGroup;
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Response};
use openchat_store::room::PublishGroupError;

use crate::requests::{Answer, store_failed, within};
use crate::state::State;

pub(crate) async fn handle(state: &State, device: DeviceId, request: PublishGroup) -> Answer {
    check_size(&request.group)?;
    state.store.publish_group(request, device).await.map_err(|error| refusal(&error))?;
    Ok(Response::Done)
}

pub(crate) fn check_size(group: &GroupSnapshot) -> Result<(), Refusal> {
    within("a GroupInfo", group.group_info.len(), GROUP_INFO)?;
    within("a ratchet tree", group.tree.len(), TREE)
}

fn refusal(error: &PublishGroupError) -> Refusal {
    match error {
        PublishGroupError::NotAMember => Refusal::new(RefusalCode::NotAMember, error.to_string()),
        PublishGroupError::Stale { .. } => Refusal::new(RefusalCode::LogDiverged, error.to_string()),
        PublishGroupError::Store(error) => store_failed(error),
    }
}
