//! What the server does about each request: one file per request, with its checks and its effect.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Request, Response};
use openchat_store::StoreError;
use tracing::error;

use crate::key_log::KeyLogError;
use crate::rates::Network;
use crate::state::State;

mod acknowledge_welcome;
mod append;
pub(crate) mod ask_reset;
mod claim_key_packages;
mod compare_heads;
mod create_invite;
mod create_room;
mod enrol_device;
mod fetch_join_info;
pub(crate) mod follow;
mod follow_log;
mod give_back_account;
mod give_back_leaves;
mod give_back_records;
pub(crate) mod hello;
mod link;
mod list_rooms;
pub(crate) mod login;
mod look_up;
mod prove;
mod publish_devices;
mod publish_key_packages;
mod register;
mod renew_identity;

/// What becomes of a request.
pub(crate) type Answer = Result<Response, Refusal>;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) network: Network,
    /// The device, once it is logged in.
    pub(crate) device: Option<DeviceId>,
}

/// Carries out a request that leaves its connection as it is. (Hello, Login, Follow and Unfollow do not; the session
/// sees to them, and to Ping.)
///
/// Appends reach the store's queue when this is polled first, so that those of one connection, polled first in the
/// order they came, are stored in that order though they wait for the disk together.
pub(crate) fn carry_out(state: Arc<State>, asker: Asker, request: Request) -> BoxFuture<'static, Answer> {
    match (request, asker.device) {
        // By far the most frequent, so its future is not made as large as that of all others.
        (Request::Append(request), Some(device)) => {
            Box::pin(async move { append::handle(&state, device, request).await })
        }
        (request, _) => Box::pin(async move { carry_out_rarer(&state, asker, request).await }),
    }
}

/// Whether the answer may be of a size that must not be there many times over.
pub(crate) fn may_be_answered_at_length(request: &Request) -> bool {
    matches!(
        request,
        Request::FetchJoinInfo(_) | Request::ListRooms | Request::ClaimKeyPackages(_) | Request::FollowLog(_)
    )
}

async fn carry_out_rarer(state: &State, asker: Asker, request: Request) -> Answer {
    match (request, asker.device) {
        (Request::Register(request), _) => register::handle(state, asker.network, request).await,
        (Request::RenewIdentity(request), _) => renew_identity::handle(state, request).await,
        (Request::AskReset(request), _) => ask_reset::handle(state, asker.network, request).await,
        (Request::EnrolDevice(request), _) => enrol_device::handle(state, request).await,
        (Request::FollowLog(request), _) => follow_log::handle(state, asker, request).await,
        (Request::GiveBackLeaves(request), _) => give_back_leaves::handle(state, asker, request).await,
        (Request::GiveBackAccount(request), _) => give_back_account::handle(state, asker, request).await,
        (Request::EnterLink(slot), _) => link::enter(state, asker, slot),
        (Request::SendLink(request), _) => link::send(state, asker, request),
        (Request::ReceiveLink(request), _) => link::receive(state, asker, request).await,
        (request, Some(device)) => carry_out_for(state, device, request).await,
        (_, None) => Err(login_first()),
    }
}

async fn carry_out_for(state: &State, device: DeviceId, request: Request) -> Answer {
    match request {
        Request::CreateInvite(request) => create_invite::handle(state, device, request).await,
        Request::ListRooms => list_rooms::handle(state).await,
        Request::CreateRoom(request) => create_room::handle(state, device, request).await,
        Request::FetchJoinInfo(request) => fetch_join_info::handle(state, device, request).await,
        Request::LookUp(request) => look_up::handle(state, request).await,
        Request::PublishKeyPackages(request) => publish_key_packages::handle(state, device, request).await,
        Request::ClaimKeyPackages(request) => claim_key_packages::handle(state, device, request).await,
        Request::AcknowledgeWelcome(request) => acknowledge_welcome::handle(state, device, request).await,
        Request::Prove(request) => prove::handle(state, request).await,
        Request::CompareHeads(request) => compare_heads::handle(state, request).await,
        Request::PublishDevices(signed) => publish_devices::handle(state, device, signed).await,
        Request::GiveBackRecords(request) => give_back_records::handle(state, device, request).await,
        Request::ObjectToReset => ask_reset::object(state, device).await,
        Request::OpenLink => link::open(state, device),
        Request::CloseLink(slot) => link::close(state, device, slot),
        Request::Append(_)
        | Request::FollowLog(_)
        | Request::GiveBackLeaves(_)
        | Request::GiveBackAccount(_)
        | Request::EnterLink(_)
        | Request::SendLink(_)
        | Request::ReceiveLink(_)
        | Request::Hello(_)
        | Request::Register(_)
        | Request::RenewIdentity(_)
        | Request::AskReset(_)
        | Request::EnrolDevice(_)
        | Request::Login(_)
        | Request::Follow(_)
        | Request::Unfollow(_)
        | Request::Ping => Err(Refusal::new(RefusalCode::Unsupported, "not possible here")),
    }
}

/// The refusal of whatever needs a login.
pub(crate) fn login_first() -> Refusal {
    Refusal::new(RefusalCode::NotLoggedIn, "this needs a login first")
}

/// The refusal that stands for a failed store. What exactly failed concerns the operator, not the client.
pub(crate) fn store_failed(error: &StoreError) -> Refusal {
    match error {
        StoreError::Full | StoreError::Write(_) => {
            error!(%error, "the store cannot write");
            let detail = "the server cannot write to its disk: tell its operator; nothing was changed";
            Refusal::new(RefusalCode::Storage, detail)
        }
        StoreError::Closed => stopping(),
        StoreError::Read(_) | StoreError::Damaged(_) => {
            error!(%error, "the store cannot read");
            internal()
        }
    }
}

/// The refusal that stands for a failure of the log of keys.
pub(crate) fn log_failed(error: &KeyLogError) -> Refusal {
    if let KeyLogError::Store(error) = error {
        return store_failed(error);
    }
    error!(%error, "the log of keys has failed");
    internal()
}

/// The reason that every client gets when the server stops.
pub(crate) fn stopping() -> Refusal {
    Refusal::new(RefusalCode::Stopping, "the server is stopping: connect again in a moment")
}

/// A fault of the server; its log says more.
pub(crate) fn internal() -> Refusal {
    Refusal::new(
        RefusalCode::Internal,
        "the server has failed at this: its operator finds the reason in its log",
    )
}

/// Refuses bytes over their limit.
pub(crate) fn within(what: &str, length: usize, limit: usize) -> Result<(), Refusal> {
    if length <= limit {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::TooLarge, format!("{what}: {length} is over the limit of {limit}")))
}

fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::Malformed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_store_tells_the_client_what_it_can_do_and_no_more() {
        let code = |error| store_failed(&error).code;
        assert_eq!(code(StoreError::Full), Some(RefusalCode::Storage));
        assert_eq!(code(StoreError::Closed), Some(RefusalCode::Stopping));
        let refusal = store_failed(&StoreError::Read("/srv/secret-path".into()));
        assert_eq!(refusal.code, Some(RefusalCode::Internal));
        assert!(!refusal.detail.contains("secret"));
    }
}
