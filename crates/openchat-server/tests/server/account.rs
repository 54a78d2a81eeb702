//! Registration, invites and enrolment.

use std::time::Duration;

use openchat_identity::device::DeviceKey;
use openchat_identity::{IdentityKey, InviteToken};
use openchat_protocol::account::{AccountSelector, CreateInvite, RegistrationPolicy};
use openchat_protocol::{Did, RefusalCode, Request, Response};
use openchat_server::{Config, Server};

use crate::wire::{Wire, code};
use crate::world::{World, config};

fn with_policy(registration: RegistrationPolicy) -> Config {
    Config { registration, ..config() }
}

#[tokio::test]
async fn who_registers_enrols_and_logs_in_is_known_to_others() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let (mut wire, logged_in) = Wire::try_log_in(&world, &alice).await.unwrap();
    assert_eq!((logged_in.device, logged_in.name.as_str()), (alice.id, "alice"));
    assert_eq!((logged_in.key_packages, logged_in.rooms), (vec![], vec![]));
    let Ok(Response::Account(account)) =
        wire.ask(Request::LookUp(AccountSelector::Name("alice".parse().unwrap()))).await
    else {
        panic!("alice is known")
    };
    assert_eq!((account.uid, account.identity_certificate.as_slice()), (alice.id.uid, &*alice.chain[1]));
    let nobody = Request::LookUp(AccountSelector::Name("stranger".parse().unwrap()));
    assert_eq!(code(wire.ask(nobody).await), RefusalCode::AccountUnknown);
}

#[tokio::test]
async fn a_closed_server_takes_nobody_invite_or_not() {
    let world = World::with(&with_policy(RegistrationPolicy::Closed)).await;
    let invite = world.invite(1, world.clock.now().plus(Duration::from_secs(60))).await;
    let key = IdentityKey::generate();
    assert_eq!(code(world.register(&key, "alice", None).await), RefusalCode::RegistrationClosed);
    assert_eq!(code(world.register(&key, "alice", Some(&invite)).await), RefusalCode::RegistrationClosed);
}

#[tokio::test]
async fn an_invite_makes_as_many_accounts_as_it_is_for_until_it_expires() {
    let world = World::with(&with_policy(RegistrationPolicy::InviteOnly)).await;
    let invite = world.invite(1, world.clock.now().plus(Duration::from_secs(60))).await;
    let register = async |name: &str, invite| world.register(&IdentityKey::generate(), name, invite).await;
    assert_eq!(code(register("alice", None).await), RefusalCode::RegistrationClosed);
    let guessed = InviteToken::generate();
    assert_eq!(code(register("alice", Some(&guessed)).await), RefusalCode::InviteUnknown);
    register("alice", Some(&invite)).await.unwrap();
    assert_eq!(code(register("carol", Some(&invite)).await), RefusalCode::InviteUsed);
    let other = world.invite(1, world.clock.now().plus(Duration::from_secs(60))).await;
    world.advance(60_000);
    assert_eq!(code(register("carol", Some(&other)).await), RefusalCode::InviteExpired);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_redeem_one_invite_at_once_one_gets_in() {
    let world = std::sync::Arc::new(World::with(&with_policy(RegistrationPolicy::InviteOnly)).await);
    let invite = world.invite(1, world.clock.now().plus(Duration::from_secs(60))).await;
    let attempts: Vec<_> = (0..20)
        .map(|number| {
            let (world, invite) = (std::sync::Arc::clone(&world), invite.clone());
            let name = format!("guest-{}", char::from(b'a' + number));
            tokio::spawn(async move { world.register(&IdentityKey::generate(), &name, Some(&invite)).await })
        })
        .collect();
    let mut won = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => won += 1,
            Err(refusal) => assert_eq!(refusal.code, Some(RefusalCode::InviteUsed)),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_member_invites_within_reason() {
    let world = World::with(&with_policy(RegistrationPolicy::InviteOnly)).await;
    let first = world.invite(1, world.clock.now().plus(Duration::from_secs(60))).await;
    let identity = IdentityKey::generate();
    let registered = world.register(&identity, "alice", Some(&first)).await.unwrap();
    let alice = world.device(identity, &registered, Did([1; 10]), DeviceKey::generate());
    world.enrol(&alice).await.unwrap();
    let mut wire = Wire::log_in(&world, &alice).await;

    let token = InviteToken::generate();
    let expires = world.clock.now().plus(Duration::from_secs(60));
    let invite =
        CreateInvite { hash: token.redeem_hash(), expires, uses: 1, room: Some("lobby".parse().unwrap()) };
    for bad in [
        CreateInvite { uses: 0, ..invite.clone() },
        CreateInvite { expires: world.clock.now(), ..invite.clone() },
        CreateInvite {
            expires: world.clock.now().plus(Duration::from_secs(400 * 24 * 3600)),
            ..invite.clone()
        },
    ] {
        assert_eq!(code(wire.ask(Request::CreateInvite(bad)).await), RefusalCode::Malformed);
    }
    assert_eq!(wire.ask(Request::CreateInvite(invite)).await, Ok(Response::Done));
    let bob = world.register(&IdentityKey::generate(), "bobby", Some(&token)).await.unwrap();
    assert_eq!(bob.room, Some("lobby".parse().unwrap()));
}

#[tokio::test]
async fn the_first_user_is_invited_by_the_server_and_no_other() {
    let world = World::with(&with_policy(RegistrationPolicy::InviteOnly)).await;
    let invite = async || Server::bootstrap_invite(world.store.as_ref(), world.clock.now()).await.unwrap();
    let (first, second) = (invite().await.unwrap(), invite().await.unwrap());
    assert_ne!(first, second);
    world.register(&IdentityKey::generate(), "alice", Some(&second)).await.unwrap();
    assert_eq!(invite().await, None);
}

#[tokio::test]
async fn a_name_that_looks_taken_is_taken() {
    let world = World::new().await;
    world.user("mike").await;
    let again = world.register(&IdentityKey::generate(), "rnike", None).await;
    assert_eq!(code(again), RefusalCode::NameTaken);
}

#[tokio::test]
async fn a_registration_whose_answer_was_lost_can_be_repeated_by_the_same_key_only() {
    let world = World::new().await;
    let key = IdentityKey::generate();
    let first = world.register(&key, "alice", None).await.unwrap();
    world.advance(5000);
    assert_eq!(world.register(&key, "alice", None).await.unwrap(), first);
    assert_eq!(code(world.register(&key, "other", None).await), RefusalCode::KeyTaken);
    assert_eq!(code(world.register(&IdentityKey::generate(), "alice", None).await), RefusalCode::NameTaken);
}

#[tokio::test]
async fn who_has_an_account_needs_no_invite_to_get_its_certificates_again() {
    let world = World::with(&with_policy(RegistrationPolicy::InviteOnly)).await;
    let key = IdentityKey::generate();
    let invite = world.invite(1, world.clock.now().plus(Duration::from_secs(60))).await;
    let first = world.register(&key, "alice", Some(&invite)).await.unwrap();
    assert_eq!(world.register(&key, "alice", None).await.unwrap(), first);
    assert_eq!(code(world.register(&key, "other", None).await), RefusalCode::KeyTaken);
    world.server.set_disabled(key.uid(), true).await.unwrap();
    assert_eq!(code(world.register(&key, "alice", None).await), RefusalCode::KeyTaken);
    let stranger = world.register(&IdentityKey::generate(), "mallory", None).await;
    assert_eq!(code(stranger), RefusalCode::RegistrationClosed);
}

#[tokio::test]
async fn a_device_is_enrolled_by_a_chain_of_this_server_and_an_account_on_it() {
    let (world, elsewhere) = (World::new().await, World::new().await);
    let stranger = elsewhere.user("alice").await;
    assert_eq!(code(world.enrol(&stranger).await), RefusalCode::Certificate);

    let mut alice = world.user("alice").await;
    alice.chain.swap(0, 1);
    assert_eq!(code(world.enrol(&alice).await), RefusalCode::Certificate);
    alice.chain.swap(0, 1);
    alice.chain.pop();
    assert_eq!(code(world.enrol(&alice).await), RefusalCode::Certificate);
    alice.chain.push(vec![0; 5000]);
    assert_eq!(code(world.enrol(&alice).await), RefusalCode::TooLarge);
}

#[tokio::test]
async fn registrations_from_one_address_are_counted() {
    let mut config = config();
    config.limits.registrations_per_hour = 2;
    let world = World::with(&config).await;
    world.user("alice").await;
    world.user("carol").await;
    let refusal = world.register(&IdentityKey::generate(), "eve", None).await.unwrap_err();
    assert_eq!(refusal.code, Some(RefusalCode::RateLimited));
    assert!(refusal.retry_after.is_some_and(|wait| wait > 1_000_000), "{refusal:?}");
}

#[tokio::test]
async fn the_accounts_that_the_invites_of_one_account_can_make_are_counted() {
    let mut config = config();
    config.limits.invited_per_day = 5;
    let world = World::with(&config).await;
    let (alice, carol) = (world.user("alice").await, world.user("carol").await);
    let (mut alice, mut carol) = (Wire::log_in(&world, &alice).await, Wire::log_in(&world, &carol).await);
    let expires = world.clock.now().plus(Duration::from_secs(60));
    let invite = |uses| {
        let hash = InviteToken::generate().redeem_hash();
        Request::CreateInvite(CreateInvite { hash, expires, uses, room: None })
    };
    alice.ask(invite(3)).await.unwrap();
    let refusal = alice.ask(invite(3)).await.unwrap_err();
    assert_eq!(refusal.code, Some(RefusalCode::RateLimited));
    assert!(refusal.retry_after.is_some_and(|wait| wait > 1_000_000), "{refusal:?}");
    assert_eq!(code(alice.ask(invite(6)).await), RefusalCode::TooLarge);
    alice.ask(invite(2)).await.unwrap();
    carol.ask(invite(5)).await.unwrap();
}
