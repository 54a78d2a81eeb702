//! OpenLink, EnterLink, SendLink, ReceiveLink, CloseLink: two devices of one user meet, see [`crate::links`].

use openchat_protocol::linking::{ReceiveLink, SendLink};
use openchat_protocol::{DeviceId, LinkSlot, Response};

use crate::requests::{Answer, Asker};
use crate::state::State;

pub(crate) fn open(state: &State, device: DeviceId) -> Answer {
    state.links.open(device, state.now()).map(Response::LinkOpened)
}

/// Numbers can be guessed, so one network does not get to try many.
pub(crate) fn enter(state: &State, asker: Asker, slot: LinkSlot) -> Answer {
    state.rates.link_entries.check(&asker.network)?;
    state.links.enter(slot, state.now()).map(Response::LinkEntered)
}

pub(crate) fn send(state: &State, asker: Asker, request: SendLink) -> Answer {
    state.links.send(asker.device, request, state.now()).map(|()| Response::Done)
}

pub(crate) async fn receive(state: &State, asker: Asker, request: ReceiveLink) -> Answer {
    state.links.receive(asker.device, request, state.now()).await.map(Response::LinkMessage)
}

pub(crate) fn close(state: &State, device: DeviceId, slot: LinkSlot) -> Answer {
    state.links.close(device, slot, state.now());
    Ok(Response::Done)
}
