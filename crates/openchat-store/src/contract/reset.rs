//! Rules of names that a new key asks for.

use openchat_protocol::account::AccountSelector;
use openchat_protocol::reset::RESET_WAIT;
use openchat_protocol::{DeviceId, InviteHash, Timestamp};
use openchat_transparency::body::ResetStep::{Approved, Asked, Denied, Objected};
use openchat_transparency::{Head, Kind, Label};

use super::World;
use super::world::NOW;
use crate::account::{NewAccount, NewCertificate, RenewAccountError};
use crate::device::EnrolError;
use crate::reset::{ResetError, StoredReset};

/// Alice, who has lost everything, with the link that she was given, and the key that she makes.
async fn lost(world: &World) -> (DeviceId, StoredReset, NewAccount) {
    let old = world.user("alice").await;
    let new = world.account("alice");
    let reset = StoredReset {
        name: new.name.clone(),
        uid: old.uid,
        hash: InviteHash(world.fresh()),
        expires: NOW.plus(RESET_WAIT),
        wish: None,
        denied: false,
    };
    world.store.offer_reset(reset.clone()).await.unwrap();
    (old, reset, new)
}

async fn step(
    world: &World,
    known: &StoredReset,
    step: openchat_transparency::body::ResetStep,
    new: &NewAccount,
) -> Result<StoredReset, ResetError> {
    let leaf = world.leaf(Kind::Reset, new.log[0].label);
    world.store.step_reset(known.clone(), (step, new.uid), leaf, NOW).await
}

async fn finish(
    world: &World,
    known: &StoredReset,
    new: &NewAccount,
    now: Timestamp,
) -> Result<(), ResetError> {
    let retired = world.leaf(Kind::IdentityRetired, Label([77; 32]));
    world.store.finish_reset(known.clone(), new.clone(), retired, now).await
}

/// Nothing moves before; then all of it does, at once.
pub async fn a_name_goes_to_who_has_asked_when_the_time_has_passed(world: &World) {
    let (old, reset, new) = lost(world).await;
    assert_eq!(world.store.resets().await, Ok(vec![reset.clone()]));
    let again = StoredReset { hash: InviteHash(world.fresh()), ..reset.clone() };
    world.store.offer_reset(again.clone()).await.unwrap();
    assert_eq!(
        step(world, &reset, Asked, &new).await,
        Err(ResetError::Changed),
        "another link is in its place"
    );
    let asked = step(world, &again, Asked, &new).await.unwrap();
    assert_eq!(step(world, &again, Asked, &new).await, Err(ResetError::Changed), "once");
    assert_eq!(world.store.offer_reset(again).await, Err(ResetError::Open));

    let end = NOW.plus(RESET_WAIT);
    assert_eq!(finish(world, &asked, &new, Timestamp(end.0 - 1)).await, Err(ResetError::NotDue));
    let other = world.account("alice");
    assert_eq!(finish(world, &asked, &other, end).await, Err(ResetError::NotDue));
    let by_name = AccountSelector::Name(new.name.clone());
    assert_eq!(world.store.account(&by_name).await.unwrap().unwrap().account.uid, old.uid);
    let before = world.store.log_state().await.unwrap().size;
    finish(world, &asked, &new, end).await.unwrap();
    assert_eq!(world.store.log_state().await.unwrap().size, before + 3);

    let now = world.store.account(&by_name).await.unwrap().unwrap();
    assert_eq!((now.account.uid, now.retired, now.disabled), (new.uid, false, false));
    let gone = world.store.account(&AccountSelector::Uid(old.uid)).await.unwrap().unwrap();
    assert_eq!((gone.account.name, gone.retired, gone.disabled), (new.name.clone(), true, true));
    assert!(world.store.device(old).await.unwrap().unwrap().revoked);
    assert_eq!(world.store.set_disabled(old.uid, false).await, Ok(false), "it does not come back");
    let device = world.new_device(old.uid);
    assert_eq!(world.store.enrol_device(device, end).await, Err(EnrolError::AccountUnknown));
    world.store.enrol_device(world.new_device(new.uid), end).await.unwrap();
    let renewed = |uid| NewCertificate {
        uid,
        identity_certificate: b"renewed".to_vec(),
        issuing_certificate: b"issuing".to_vec(),
        leaf: world.leaf(Kind::IdentityIssued, new.log[0].label),
        seq: 3,
    };
    let late = world.store.renew_account(renewed(old.uid), end).await;
    assert_eq!(late, Err(RenewAccountError::AccountUnknown), "nothing is certified under the name for it");
    assert_eq!(world.store.renew_account(renewed(new.uid), end).await, Ok(()));
    assert_eq!(world.store.accounts_after(None, 9).await.unwrap().len(), 1);
    assert_eq!(world.store.counts().await.unwrap().accounts, 1);
    assert_eq!(world.store.resets().await, Ok(vec![]));
    assert_eq!(finish(world, &asked, &new, end).await, Err(ResetError::Changed));
}

/// One objection, and then one decision.
pub async fn who_objects_stops_it_until_an_administrator_decides(world: &World) {
    let (_, reset, new) = lost(world).await;
    let end = NOW.plus(RESET_WAIT);
    assert_eq!(step(world, &reset, Objected, &new).await, Err(ResetError::OutOfOrder), "to what?");
    let asked = step(world, &reset, Asked, &new).await.unwrap();
    assert_eq!(
        step(world, &asked, Approved, &new).await,
        Err(ResetError::OutOfOrder),
        "nobody is against it"
    );
    let objected = step(world, &asked, Objected, &new).await.unwrap();
    assert_eq!(step(world, &objected, Objected, &new).await, Err(ResetError::OutOfOrder), "once");
    assert_eq!(finish(world, &objected, &new, end).await, Err(ResetError::NotDue));
    let denied = step(world, &objected, Denied, &new).await.unwrap();
    assert_eq!(finish(world, &denied, &new, end).await, Err(ResetError::NotDue));

    world.store.offer_reset(reset.clone()).await.unwrap();
    let asked = step(world, &reset, Asked, &new).await.unwrap();
    let objected = step(world, &asked, Objected, &new).await.unwrap();
    let approved = step(world, &objected, Approved, &new).await.unwrap();
    assert_eq!(finish(world, &approved, &new, NOW).await, Err(ResetError::NotDue), "it waits all the same");
    finish(world, &approved, &new, end).await.unwrap();
}

/// All leaves but the newest of that size, each with its proof.
pub async fn what_was_there_before_under_a_label_is_proven(world: &World) {
    let label = Label([5; 32]);
    for number in 0..4 {
        let leaves = vec![world.leaf(Kind::Reset, label), world.leaf(Kind::Heartbeat, Label::LOG)];
        world.store.append_to_log(leaves, Timestamp(NOW.0 + number)).await.unwrap();
    }
    let (root, _) = world.store.log_compare(5, 8).await.unwrap().unwrap();
    let history = world.store.log_history(label, 5).await.unwrap();
    assert_eq!(history.iter().map(|entry| entry.index).collect::<Vec<_>>(), [0, 2]);
    for entry in history {
        entry.inclusion.check_inclusion(&entry.leaf, entry.index, &Head { size: 5, root }).unwrap();
        assert_eq!(entry.opening.commitment(), entry.leaf.commitment);
    }
}
