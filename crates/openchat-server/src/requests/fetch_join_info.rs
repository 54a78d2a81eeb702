//! FetchJoinInfo: what a device needs to join a room by itself; if it cannot use that, a member is asked to commit anew.

use openchat_protocol::limits::DOUBTED;
use openchat_protocol::room::FetchJoinInfo;
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Response, RoomId};
use openchat_store::group::JoinOffer;

use crate::requests::{Answer, malformed, store_failed};
use crate::state::State;

/// Milliseconds in which a member who was asked may well have committed.
const SOON: u64 = 1000;

pub(crate) async fn handle(state: &State, device: DeviceId, request: FetchJoinInfo) -> Answer {
    if request.doubted.len() > DOUBTED {
        return Err(malformed(format!("at most {DOUBTED} users can be doubted at once")));
    }
    match state.store.join_offer(&request, device).await.map_err(|error| store_failed(&error))? {
        Some(JoinOffer::Group(info)) => Ok(Response::JoinInfo(info)),
        Some(JoinOffer::Doubted { room, helpers }) => Err(unavailable(ask(state, device, room, &helpers))),
        None => Err(Refusal::new(
            RefusalCode::RoomUnknown,
            "there is no such room here: list the rooms, or create it",
        )),
    }
}

/// Asks one of `helpers` to commit, unless this joiner asks too often, or the room was asked just now: the joiner learns
/// no more than that somebody is there, and tries again in its time. `false` when nobody is.
fn ask(state: &State, joiner: DeviceId, room: RoomId, helpers: &[DeviceId]) -> bool {
    let Some(bell) = state.live.somebody_of(helpers) else { return false };
    if state.rates.wishes.check(&joiner).is_ok() && state.rates.wanted.check(&room).is_ok() {
        bell.ring_group_wanted(room);
    }
    true
}

fn unavailable(asked: bool) -> Refusal {
    let detail = if asked {
        "what this room has for joiners cannot be used: somebody who is in it was asked for more, try again in a moment"
    } else {
        "what this room has for joiners cannot be used, and nobody who could help is online: try again later"
    };
    Refusal { retry_after: Some(SOON), ..Refusal::new(RefusalCode::GroupUnavailable, detail) }
}
