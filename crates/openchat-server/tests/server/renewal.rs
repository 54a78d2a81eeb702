//! Another certificate for the key of an account: when its time has come, at the word of the key, and in the log.

use std::sync::Arc;
use std::time::Duration;

use openchat_identity::authority::Authority;
use openchat_identity::{DeviceKey, IdentityKey, InviteToken, Validity, renewal};
use openchat_protocol::account::{AccountSelector, EnrolDevice, Registered, RenewIdentity};
use openchat_protocol::key_log::Prove;
use openchat_protocol::reset::{AskReset, RESET_WAIT, ResetPhase};
use openchat_protocol::{Did, Refusal, RefusalCode, Request, Response, Timestamp, Uid, UserName};
use openchat_store::MemoryStore;
use openchat_store::reset::StoredReset;
use openchat_transparency::body::IdentityIssued;
use openchat_transparency::{Body, History, Kind, Lookup, NameState, Subject};

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

/// A renewal is neither a way to keep a name that is asked for, nor one to get it sooner.
#[tokio::test]
async fn what_is_renewed_meanwhile_changes_nothing_for_who_asks_for_the_name() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    world.advance(2 * YEAR - 30 * DAY);
    let (token, name) = (InviteToken::generate(), "alice".parse::<UserName>().unwrap());
    let (hash, uid, expires) = (token.redeem_hash(), alice.id.uid, world.clock.now().plus(RESET_WAIT));
    let offer = StoredReset { name: name.clone(), uid, hash, expires, wish: None, denied: false };
    world.store.offer_reset(offer).await.unwrap();
    let new = IdentityKey::generate();
    let ask_for = async || {
        let mut wire = Wire::connect(&world, None).await;
        wire.hello().await;
        let csr = new.sign_csr(&world.server.fingerprint()).into();
        let redeem = token.redeem().to_vec().into();
        match wire.ask(Request::AskReset(AskReset { csr, redeem })).await {
            Ok(Response::ResetState(state)) => (state.phase, state.until),
            other => panic!("{other:?}"),
        }
    };
    let until = world.clock.now().plus(RESET_WAIT);
    assert_eq!(ask_for().await, (ResetPhase::Waiting, until));
    world.advance(DAY);
    assert_eq!(
        refused(&world, &alice, 2).await,
        Some(RefusalCode::LogRange),
        "who does not know of the wish"
    );
    let renewed = renew(&world, &alice, 3).await.unwrap();
    assert_ne!(renewed.identity_certificate.to_vec(), alice.chain[1]);
    assert_eq!(ask_for().await, (ResetPhase::Waiting, until));
    world.advance(2 * DAY - 1);
    let early = world.register(&new, "alice", None).await.unwrap_err();
    assert_eq!(early.code, Some(RefusalCode::NoReset), "{early}");
    world.advance(1);
    let registered = world.register(&new, "alice", None).await.unwrap();
    let late = renew(&world, &alice, 5).await.unwrap_err();
    assert!(late.to_string().contains("this account was reset"), "she has nothing to renew: {late}");

    let new = world.device(new, &registered, Did([2; 10]), DeviceKey::generate());
    world.enrol(&new).await.unwrap();
    world.advance(2 * YEAR - 30 * DAY);
    let registered = renew(&world, &new, 5).await.unwrap();
    let mut wire = log_in_with(&world, &below(&world, &new, &registered)).await;
    let request = Prove { who: AccountSelector::Name(name.clone()), known: 0 };
    let Ok(Response::Proven(proven)) = wire.ask(Request::Prove(request)).await else { panic!("no proof") };
    assert_eq!(proven.account.identity_certificate, registered.identity_certificate);
    let outsider = Outsider::new(&world).await;
    let lookup = Lookup::from_bytes(&proven.name).unwrap();
    let history = History::from_bytes(&proven.history.unwrap()).unwrap();
    let records = outsider.auditor.check_history(&Subject::Name(name.clone()), &lookup, &history).unwrap();
    let state = NameState::read(&name, &records).unwrap();
    assert_eq!((state.holder.uid, state.moved), (new.id.uid, Some((alice.id.uid, until))));
    let here = world.server.fingerprint();
    for (renewal, (key, seq)) in state.renewals.iter().zip([(&alice, 3), (&new, 5)]) {
        assert_eq!((renewal.uid, renewal.seq), (key.id.uid, seq));
        let key = key.identity.public_key();
        assert_eq!(renewal::verify(key, &here, &name, seq, &renewal.signature), Ok(()));
    }
    assert_eq!(state.renewals.len(), 2);
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
