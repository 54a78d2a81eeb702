//! Login: what is refused, and what ends a session later.

use openchat_identity::IdentityKey;
use openchat_identity::device::DeviceKey;
use openchat_protocol::account::Login;
use openchat_protocol::{Did, RefusalCode, Request, Response};

use crate::wire::{Wire, code};
use crate::world::World;

#[tokio::test]
async fn nothing_is_possible_before_hello_and_little_before_login() {
    let world = World::new().await;
    let mut wire = Wire::connect(&world, None).await;
    assert_eq!(code(wire.ask(Request::Ping).await), RefusalCode::NotLoggedIn);
    wire.hello().await;
    assert_eq!(wire.ask(Request::Ping).await, Ok(Response::Done));
    assert_eq!(code(wire.ask(Request::ListRooms).await), RefusalCode::NotLoggedIn);
}

/// Attack 3: a login is replayed.
#[tokio::test]
async fn a_proof_is_good_once() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let mut wire = Wire::connect(&world, Some(&alice)).await;
    let greeting = wire.hello().await;
    let mut wrong = wire.proof(&world, &alice, &greeting);
    wrong.signature[20] ^= 1;
    assert_eq!(code(wire.ask(Request::Login(wrong)).await), RefusalCode::LoginFailed);
    let proof = wire.proof(&world, &alice, &greeting);
    let replay = wire.ask(Request::Login(proof.clone())).await;
    assert_eq!(code(replay), RefusalCode::LoginFailed, "the nonce is used up even by a failure");

    let fresh = wire.hello().await;
    assert_eq!(code(wire.ask(Request::Login(proof)).await), RefusalCode::LoginFailed, "of an older nonce");
    let fresh_again = wire.hello().await;
    assert_ne!(fresh.nonce, fresh_again.nonce);
    let proof = wire.proof(&world, &alice, &fresh_again);
    assert!(wire.ask(Request::Login(proof.clone())).await.is_ok());
    assert_eq!(code(wire.ask(Request::Login(proof)).await), RefusalCode::NotLoggedIn, "logged in already");
}

/// Attack 3: a login is replayed.
#[tokio::test]
async fn a_nonce_is_good_for_thirty_seconds() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    for (wait, good) in [(30_000, true), (30_001, false)] {
        let mut wire = Wire::connect(&world, Some(&alice)).await;
        let greeting = wire.hello().await;
        let proof = wire.proof(&world, &alice, &greeting);
        world.advance(wait);
        assert_eq!(wire.ask(Request::Login(proof)).await.is_ok(), good, "{wait} ms");
    }
}

/// Attack 2: a login is relayed.
/// Mallory sits between Alice and the server: she shows Alice the server's nonce and forwards Alice's answer. (That
/// Alice's client would not talk to her at all is another story.)
#[tokio::test]
async fn a_login_relayed_from_another_channel_is_refused() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let (mut server_side, alice_side) =
        (Wire::connect(&world, Some(&alice)).await, Wire::connect(&world, Some(&alice)).await);
    let greeting = server_side.hello().await;
    let relayed = alice_side.proof(&world, &alice, &greeting);
    assert_eq!(code(server_side.ask(Request::Login(relayed)).await), RefusalCode::LoginFailed);
}

#[tokio::test]
async fn a_login_needs_a_certificate_in_the_handshake() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let mut wire = Wire::connect(&world, None).await;
    let greeting = wire.hello().await;
    let proof = wire.proof(&world, &alice, &greeting);
    assert_eq!(code(wire.ask(Request::Login(proof)).await), RefusalCode::LoginFailed);
}

#[tokio::test]
async fn a_certificate_of_another_server_ends_the_handshake() {
    let (world, elsewhere) = (World::new().await, World::new().await);
    let stranger = elsewhere.user("alice").await;
    // In TLS 1.3 the client has finished before the server has judged its certificate.
    if let Ok(mut wire) = Wire::try_connect(&world, Some(&stranger)).await {
        assert_eq!(wire.frame().await, None);
    }
}

#[tokio::test]
async fn the_key_must_be_the_one_in_the_database() {
    let world = World::new().await;
    let identity = IdentityKey::generate();
    let registered = world.register(&identity, "alice", None).await.unwrap();
    let enrolled = world.device(identity, &registered, Did([1; 10]), DeviceKey::generate());
    world.enrol(&enrolled).await.unwrap();
    let identity = IdentityKey::from_pkcs8(&enrolled.identity.to_pkcs8()).unwrap();
    let other_key = world.device(identity, &registered, Did([1; 10]), DeviceKey::generate());
    let (refusal, _) = (Wire::try_log_in(&world, &other_key).await.err().unwrap(), ());
    assert_eq!(refusal.code, Some(RefusalCode::LoginFailed));
    assert!(refusal.detail.contains("another key"), "{refusal}");
    assert_eq!(code(world.enrol(&other_key).await), RefusalCode::KeyTaken);

    let mut wire = Wire::connect(&world, Some(&enrolled)).await;
    let greeting = wire.hello().await;
    let signature = wire.proof(&world, &other_key, &greeting).signature;
    assert_eq!(code(wire.ask(Request::Login(Login { signature })).await), RefusalCode::LoginFailed);
}

#[tokio::test]
async fn a_device_that_is_not_enrolled_is_unknown() {
    let world = World::new().await;
    let identity = IdentityKey::generate();
    let registered = world.register(&identity, "alice", None).await.unwrap();
    let device = world.device(identity, &registered, Did([1; 10]), DeviceKey::generate());
    assert_eq!(code(Wire::try_log_in(&world, &device).await.map(|_| ())), RefusalCode::AccountUnknown);
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once_and_stays_out_until_enabled() {
    let world = World::new().await;
    let (alice, carol) = (world.user("alice").await, world.user("carol").await);
    let (mut alices, mut carols) = (Wire::log_in(&world, &alice).await, Wire::log_in(&world, &carol).await);
    assert!(world.server.set_disabled(alice.id.uid, true).await.unwrap());
    let reason = alices.goodbye().await;
    assert_eq!(reason.code, Some(RefusalCode::AccountDisabled));
    assert!(reason.detail.contains("disabled by an administrator"), "{reason}");
    assert_eq!(carols.ask(Request::Ping).await, Ok(Response::Done));
    let again = Wire::try_log_in(&world, &alice).await.map(|_| ());
    assert_eq!(code(again), RefusalCode::AccountDisabled);
    assert_eq!(code(world.enrol(&alice).await), RefusalCode::AccountDisabled);
    assert!(world.server.set_disabled(alice.id.uid, false).await.unwrap());
    Wire::log_in(&world, &alice).await;
}

#[tokio::test]
async fn a_revoked_device_is_out_at_once_and_for_good() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let mut wire = Wire::log_in(&world, &alice).await;
    assert!(world.server.revoke_device(alice.id).await.unwrap());
    assert_eq!(wire.goodbye().await.code, Some(RefusalCode::DeviceRevoked));
    assert_eq!(code(Wire::try_log_in(&world, &alice).await.map(|_| ())), RefusalCode::DeviceRevoked);
    assert_eq!(code(world.enrol(&alice).await), RefusalCode::DeviceRevoked);
}
