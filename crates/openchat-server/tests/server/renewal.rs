//! Another certificate for the key of an account: when its time has come, at the word of the key, and in the log.

use std::sync::Arc;
use std::time::Duration;

use openchat_identity::authority::Authority;
use openchat_identity::{DeviceKey, IdentityKey, Validity, renewal};
use openchat_protocol::account::{EnrolDevice, Registered, RenewIdentity};
use openchat_protocol::{Refusal, RefusalCode, Request, Response, Timestamp, Uid};
use openchat_store::MemoryStore;
use openchat_transparency::body::IdentityIssued;
use openchat_transparency::{Body, Kind};

use crate::key_log::{Outsider, prove};
use crate::wire::Wire;
use crate::world::{Device, World, config};

const DAY: u64 = 24 * 3600 * 1000;
const YEAR: u64 = 365 * DAY;

/// What the server says when `key` signs for the leaf with the number `seq` under Alice's name.
async fn ask(world: &World, uid: Uid, key: &IdentityKey, seq: u32) -> Result<Registered, Refusal> {
    let mut wire = Wire::connect(world, None).await;
    wire.hello().await;
    let name = "alice".parse().unwrap();
    let signature = renewal::sign(key, &world.server.fingerprint(), &name, seq).into();
    match wire.ask(Request::RenewIdentity(RenewIdentity { uid, seq, signature })).await? {
        Response::Registered(registered) => Ok(registered),
        other => panic!("{other:?}"),
    }
}

async fn renew(world: &World, alice: &Device, seq: u32) -> Result<Registered, Refusal> {
    ask(world, alice.id.uid, &alice.identity, seq).await
}

async fn refused(world: &World, alice: &Device, seq: u32) -> Option<RefusalCode> {
    renew(world, alice, seq).await.unwrap_err().code
}

/// A certificate for Alice's device of today, below what the server has issued.
fn below(world: &World, alice: &Device, registered: &Registered) -> Device {
    let identity = IdentityKey::from_pkcs8(&alice.identity.to_pkcs8()).unwrap();
    let key = DeviceKey::from_pkcs8(&alice.key.to_pkcs8()).unwrap();
    world.device(identity, registered, alice.id.did, key)
}

async fn log_in_with(world: &World, device: &Device) -> Wire {
    let mut wire = Wire::connect(world, None).await;
    wire.hello().await;
    let chain = device.chain.iter().cloned().map(Into::into).collect();
    let enrolled = wire.ask(Request::EnrolDevice(EnrolDevice { chain, list: None })).await;
    assert_eq!(enrolled, Ok(Response::Done));
    Wire::log_in(world, device).await
}

#[tokio::test]
async fn an_identity_is_renewed_in_its_last_days_and_the_log_has_it_before_anybody() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let early = renew(&world, &alice, 2).await.unwrap();
    assert_eq!(early.identity_certificate.to_vec(), alice.chain[1], "it is good for long");
    let mut outsider = Outsider::new(&world).await;
    outsider.follow(&world).await;
    let before = outsider.leaves.len();

    world.advance(2 * YEAR - 59 * DAY);
    let beaten = async {
        while world.store.log_state().await.unwrap().heartbeat < Some(Timestamp(world.clock.now().0 - DAY)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), beaten).await.expect("a heartbeat");
    let renewed = renew(&world, &alice, 2).await.unwrap();
    assert_ne!(renewed.identity_certificate.to_vec(), alice.chain[1]);
    let mut outsider = Outsider::new(&world).await;
    outsider.follow(&world).await;
    let new = outsider.leaves[before..].iter().filter(|kind| **kind == Kind::IdentityIssued);
    assert_eq!(new.count(), 1, "one record, under the name");

    let device = below(&world, &alice, &renewed);
    let mut wire = log_in_with(&world, &device).await;
    let (by_name, by_uid) = prove(&mut wire, &mut outsider.auditor, &world, &alice).await;
    let Body::IdentityIssued(IdentityIssued { certificate, renewal, .. }) = by_name else { panic!() };
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &renewed.identity_certificate);
    assert_eq!(certificate, digest.as_ref());
    let (key, here) = (alice.identity.public_key(), world.server.fingerprint());
    let signature = renewal.unwrap();
    assert_eq!(renewal::verify(key, &here, &"alice".parse().unwrap(), 2, &signature), Ok(()));
    assert!(matches!(by_uid, Body::DeviceList(_)), "under the uid the devices are the newest");

    // Who has the old chain is the same one, for the short time that is left to it.
    let old = Registered {
        identity_certificate: alice.chain[1].clone().into(),
        issuing_certificate: alice.chain[2].clone().into(),
        ..renewed.clone()
    };
    log_in_with(&world, &below(&world, &alice, &old)).await;
    for seq in [2, 3] {
        assert_eq!(renew(&world, &alice, seq).await.as_ref(), Ok(&renewed), "it was an answer that was lost");
    }
}

#[tokio::test]
async fn who_was_away_for_years_gets_a_new_certificate_by_the_key_alone() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    world.advance(5 * YEAR);
    let ended = world.enrol(&alice).await.unwrap_err();
    assert_eq!(ended.code, Some(RefusalCode::Certificate), "{ended}");
    let renewed = renew(&world, &alice, 2).await.unwrap();
    log_in_with(&world, &below(&world, &alice, &renewed)).await;
}

#[tokio::test]
async fn nobody_else_has_it_renewed_and_nobody_in_another_place() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    world.advance(2 * YEAR);
    for seq in [0, 1, 3, u32::MAX] {
        assert_eq!(refused(&world, &alice, seq).await, Some(RefusalCode::LogRange), "{seq}");
    }
    let mallory = IdentityKey::generate();
    let by_mallory = ask(&world, alice.id.uid, &mallory, 2).await.unwrap_err();
    assert_eq!(by_mallory.code, Some(RefusalCode::LoginFailed));
    let of_nobody = ask(&world, mallory.uid(), &mallory, 2).await.unwrap_err();
    assert_eq!(of_nobody.code, Some(RefusalCode::AccountUnknown));
    world.server.set_disabled(alice.id.uid, true).await.unwrap();
    assert_eq!(refused(&world, &alice, 2).await, Some(RefusalCode::AccountDisabled));
    world.server.set_disabled(alice.id.uid, false).await.unwrap();
    renew(&world, &alice, 2).await.unwrap();
}

/// Else each question would put a record into the log.
#[tokio::test]
async fn nothing_is_issued_that_would_end_no_later() {
    let past = Timestamp(Timestamp::now().0 - (10 * YEAR - 30 * DAY));
    let authority = Authority::create(past).unwrap();
    let anchor = authority.anchor().clone();
    let store = Arc::new(MemoryStore::new().unwrap());
    let world = World::under(&config(), store, authority).await;
    let alice = world.user("alice").await;
    let ends = anchor.verify_identity(&alice.chain[1], &alice.chain[2], Validity::Ignored).unwrap().expires();
    assert!(renewal::is_due(ends, world.clock.now()), "the issuing certificate ends");
    let same = renew(&world, &alice, 2).await.unwrap();
    assert_eq!(same.identity_certificate.to_vec(), alice.chain[1]);
}
