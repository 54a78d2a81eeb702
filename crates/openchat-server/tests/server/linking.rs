//! The rendezvous of two devices of a user, and the end of a device that its user's list has no more.

use openchat_identity::device_list::{self, key_hash};
use openchat_protocol::device_list::{ListedDevice, SignedDeviceList};
use openchat_protocol::linking::{LinkEnd, LinkMessage, ReceiveLink, SendLink};
use openchat_protocol::{Did, LinkSlot, RefusalCode, Request, Response};

use crate::wire::{Wire, code};
use crate::world::{Device, World};

async fn open(wire: &mut Wire) -> LinkSlot {
    match wire.ask(Request::OpenLink).await {
        Ok(Response::LinkOpened(slot)) => slot,
        other => panic!("{other:?}"),
    }
}

async fn enter(wire: &mut Wire, slot: LinkSlot) -> LinkEnd {
    match wire.ask(Request::EnterLink(slot)).await {
        Ok(Response::LinkEntered(entered)) => LinkEnd::New { key: entered.key },
        other => panic!("{other:?}"),
    }
}

fn send(slot: LinkSlot, end: &LinkEnd, message: &[u8]) -> Request {
    Request::SendLink(SendLink { slot, end: end.clone(), message: message.to_vec().into() })
}

fn receive(slot: LinkSlot, end: &LinkEnd) -> Request {
    Request::ReceiveLink(ReceiveLink { slot, end: end.clone() })
}

fn message(attempt: u8, message: &[u8]) -> Result<Response, openchat_protocol::Refusal> {
    Ok(Response::LinkMessage(Some(LinkMessage { attempt, message: message.to_vec().into() })))
}

#[tokio::test]
async fn two_devices_meet_before_one_of_them_has_a_login() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let mut known = Wire::log_in(&world, &alice).await;
    let slot = open(&mut known).await;
    let mut new = Wire::connect(&world, None).await;
    new.hello().await;
    let new_end = enter(&mut new, slot).await;
    assert_eq!(new.ask(send(slot, &new_end, b"to the known one")).await, Ok(Response::Done));
    let known_end = LinkEnd::Known { attempt: 0 };
    assert_eq!(known.ask(receive(slot, &known_end)).await, message(1, b"to the known one"));
    let known_end = LinkEnd::Known { attempt: 1 };
    assert_eq!(known.ask(send(slot, &known_end, b"to the new one")).await, Ok(Response::Done));
    // Another connection of the same end, as after a broken one.
    let mut again = Wire::connect(&world, None).await;
    again.hello().await;
    assert_eq!(again.ask(receive(slot, &new_end)).await, message(1, b"to the new one"));
    assert_eq!(known.ask(Request::CloseLink(slot)).await, Ok(Response::Done));
    assert_eq!(code(again.ask(Request::EnterLink(slot)).await), RefusalCode::LinkUnknown);
}

#[tokio::test]
async fn a_stranger_opens_nothing_and_has_few_tries() {
    let world = World::new().await;
    let (alice, mallory) = (world.user("alice").await, world.user("mallory").await);
    let mut known = Wire::log_in(&world, &alice).await;
    let slot = open(&mut known).await;
    let mut stranger = Wire::connect(&world, None).await;
    stranger.hello().await;
    assert_eq!(code(stranger.ask(Request::OpenLink).await), RefusalCode::NotLoggedIn);
    let known_end = LinkEnd::Known { attempt: 0 };
    assert_eq!(code(stranger.ask(receive(slot, &known_end)).await), RefusalCode::LinkUnknown);
    let mut other_user = Wire::log_in(&world, &mallory).await;
    assert_eq!(code(other_user.ask(receive(slot, &known_end)).await), RefusalCode::LinkUnknown);
    for _ in 0..3 {
        enter(&mut stranger, slot).await;
    }
    assert_eq!(code(stranger.ask(Request::EnterLink(slot)).await), RefusalCode::LinkUnknown);
    assert_eq!(code(known.ask(receive(slot, &known_end)).await), RefusalCode::LinkUnknown, "it is burnt");
    for _ in 4..12 {
        let guess = stranger.ask(Request::EnterLink(LinkSlot(slot.0 ^ 1))).await;
        assert_eq!(code(guess), RefusalCode::LinkUnknown);
    }
    let last = stranger.ask(Request::EnterLink(slot)).await;
    assert_eq!(code(last), RefusalCode::RateLimited);
}

fn list(world: &World, alice: &Device, version: u32, devices: &[&Device]) -> SignedDeviceList {
    let listed = devices
        .iter()
        .map(|device| ListedDevice { did: device.id.did, key: key_hash(&device.key.public_point()) });
    device_list::sign(&alice.identity, &world.server.fingerprint(), version, listed.collect())
}

#[tokio::test]
async fn a_device_that_the_list_has_no_more_is_out_at_once() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let lost = world.another_device(&alice, Did([2; 10]));
    world.enrol_with(&lost, list(&world, &alice, 2, &[&alice, &lost])).await.unwrap();
    let mut kept_wire = Wire::log_in(&world, &alice).await;
    let mut lost_wire = Wire::log_in(&world, &lost).await;
    let without = Request::PublishDevices(list(&world, &alice, 3, &[&alice]));
    assert_eq!(kept_wire.ask(without).await, Ok(Response::Done));
    assert_eq!(lost_wire.goodbye().await.code, Some(RefusalCode::DeviceRevoked));
    let refused = Wire::try_log_in(&world, &lost).await.map(drop);
    assert_eq!(code(refused), RefusalCode::DeviceRevoked);
    assert_eq!(kept_wire.ask(Request::Ping).await, Ok(Response::Done), "the others stay");
}
