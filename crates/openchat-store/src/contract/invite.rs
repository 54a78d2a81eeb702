//! Rules of invites.

use openchat_protocol::limits::INVITES_PER_USER;
use openchat_protocol::{InviteHash, Timestamp};
use tokio::task::JoinSet;

use super::World;
use super::world::NOW;
use crate::account::CreateAccountError;
use crate::invite::{CreateInviteError, KEPT_AFTER_EXPIRY, NewInvite};

/// Each account takes one use and learns the room.
pub async fn an_invite_makes_as_many_accounts_as_it_says(world: &World) {
    let room = Some("lobby".parse().unwrap());
    let invite = NewInvite { room: room.clone(), ..world.invite(None, 2) };
    world.store.create_invite(invite.clone(), NOW).await.unwrap();
    for name in ["alice", "bob"] {
        let made = world.store.create_account(world.account(name), Some(invite.hash), NOW).await;
        assert_eq!(made, Ok(room.clone()), "{name}");
    }
    let third = world.store.create_account(world.account("carol"), Some(invite.hash), NOW).await;
    assert_eq!(third, Err(CreateAccountError::InviteUsed));
}

/// An invite is good up to, and not at, the moment of its expiry.
pub async fn unknown_and_expired_invites_are_refused(world: &World) {
    let unknown = InviteHash([9; 32]);
    let refused = world.store.create_account(world.account("alice"), Some(unknown), NOW).await;
    assert_eq!(refused, Err(CreateAccountError::InviteUnknown));
    let invite = world.invite(None, 5);
    world.store.create_invite(invite.clone(), NOW).await.unwrap();
    let late = world.store.create_account(world.account("alice"), Some(invite.hash), invite.expires).await;
    assert_eq!(late, Err(CreateAccountError::InviteExpired));
    let last_moment = Timestamp(invite.expires.0 - 1);
    assert_eq!(
        world.store.create_account(world.account("alice"), Some(invite.hash), last_moment).await,
        Ok(None)
    );
}

/// Redemption and account are one operation.
pub async fn a_refused_registration_uses_no_invite(world: &World) {
    let alice = world.user("alice").await;
    let invite = world.invite(Some(alice.uid), 1);
    world.store.create_invite(invite.clone(), NOW).await.unwrap();
    let refused = world.store.create_account(world.account("alice"), Some(invite.hash), NOW).await;
    assert_eq!(refused, Err(CreateAccountError::NameTaken));
    assert_eq!(world.store.open_invites(alice.uid, NOW).await, Ok(1));
    assert_eq!(world.store.create_account(world.account("bob"), Some(invite.hash), NOW).await, Ok(None));
    assert_eq!(world.store.open_invites(alice.uid, NOW).await, Ok(0));
}

/// Attack 19: an invite is used twice, or guessed.
/// However many come at once.
pub async fn one_of_a_hundred_redeems_a_single_use_invite(world: &World) {
    let invite = world.invite(None, 1);
    world.store.create_invite(invite.clone(), NOW).await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..100 {
        let (store, account) = (world.store.clone(), world.account(&format!("user-{number}-x")));
        tasks.spawn(async move { store.create_account(account, Some(invite.hash), NOW).await });
    }
    let results = tasks.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(results.iter().filter(|result| **result == Err(CreateAccountError::InviteUsed)).count(), 99);
}

/// Only invites that somebody can still use count; those of the server itself are not limited.
pub async fn open_invites_of_a_user_are_limited(world: &World) {
    let alice = world.user("alice").await.uid;
    let mut tasks = JoinSet::new();
    for number in 0..=INVITES_PER_USER {
        let (store, mine, bootstrap) =
            (world.store.clone(), world.invite(Some(alice), 1), world.invite(None, 1));
        tasks.spawn(async move {
            store.create_invite(bootstrap, NOW).await.unwrap();
            if number > 0 { store.create_invite(mine, NOW).await } else { Ok(()) }
        });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    assert_eq!(world.store.open_invites(alice, NOW).await.unwrap() as usize, INVITES_PER_USER);
    let one_more = world.invite(Some(alice), 1);
    assert_eq!(world.store.create_invite(one_more.clone(), NOW).await, Err(CreateInviteError::TooMany));
    let later = one_more.expires;
    assert_eq!(world.store.open_invites(alice, later).await, Ok(0), "expired ones do not count");
    assert_eq!(world.store.create_invite(one_more, later).await, Ok(()));
}

/// The same creator may ask again, for its answer may have been lost; it gives the invite no new uses.
pub async fn an_invite_is_made_once(world: &World) {
    let (alice, bob) = (world.user("alice").await.uid, world.user("bob").await.uid);
    let invite = world.invite(Some(alice), 1);
    world.store.create_invite(invite.clone(), NOW).await.unwrap();
    world.store.create_account(world.account("carol"), Some(invite.hash), NOW).await.unwrap();
    assert_eq!(world.store.create_invite(invite.clone(), NOW).await, Ok(()));
    let dave = world.store.create_account(world.account("dave"), Some(invite.hash), NOW).await;
    assert_eq!(dave, Err(CreateAccountError::InviteUsed));
    for creator in [Some(bob), None] {
        let other = NewInvite { creator, ..invite.clone() };
        assert_eq!(world.store.create_invite(other, NOW).await, Err(CreateInviteError::Taken));
    }
}

/// What nobody can use any more does not stay for ever.
pub async fn an_old_invite_is_forgotten(world: &World) {
    let old = world.invite(None, 1);
    world.store.create_invite(old.clone(), NOW).await.unwrap();
    let later = old.expires.plus(KEPT_AFTER_EXPIRY);
    world.store.create_invite(world.invite(None, 1), later).await.unwrap();
    let refused = world.store.create_account(world.account("alice"), Some(old.hash), later).await;
    assert_eq!(refused, Err(CreateAccountError::InviteUnknown));
}
