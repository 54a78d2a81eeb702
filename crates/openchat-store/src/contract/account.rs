//! Rules of accounts.

use openchat_protocol::Uid;
use openchat_protocol::account::AccountSelector;
use openchat_transparency::Kind;

use super::World;
use super::world::NOW;
use crate::account::{CreateAccountError, NewCertificate, RenewAccountError};
use crate::counts::Counts;

/// What was put in comes out, by either selector.
pub async fn an_account_is_found_by_uid_and_by_name(world: &World) {
    let new = world.account("alice");
    assert_eq!(world.store.has_accounts().await, Ok(false));
    assert_eq!(world.store.create_account(new.clone(), None, NOW).await, Ok(None));
    assert_eq!(world.store.has_accounts().await, Ok(true));
    let by_uid = world.store.account(&AccountSelector::Uid(new.uid)).await.unwrap().unwrap();
    let by_name = world.store.account(&AccountSelector::Name(new.name.clone())).await.unwrap().unwrap();
    assert_eq!(by_uid, by_name);
    assert_eq!((by_uid.account.uid, &by_uid.account.name), (new.uid, &new.name));
    assert_eq!(by_uid.account.identity_certificate.as_slice(), new.identity_certificate);
    assert_eq!(by_uid.account.issuing_certificate.as_slice(), new.issuing_certificate);
    assert_eq!((by_uid.identity_spki, by_uid.disabled, by_uid.created), (new.identity_spki, false, NOW));
    assert_eq!(world.store.account(&AccountSelector::Name("bob".parse().unwrap())).await, Ok(None));
    assert_eq!(world.store.account(&AccountSelector::Uid(Uid([0; 16]))).await, Ok(None));
}

/// Attack 20: a name that looks like another.
/// Names that look alike are one name.
pub async fn a_name_and_its_look_alikes_are_taken_once(world: &World) {
    world.user("mike").await;
    for name in ["mike", "rnike"] {
        let refused = world.store.create_account(world.account(name), None, NOW).await;
        assert_eq!(refused, Err(CreateAccountError::NameTaken), "{name}");
    }
    let look_alike = AccountSelector::Name("rnike".parse().unwrap());
    assert_eq!(world.store.account(&look_alike).await, Ok(None), "a look-alike is not found under its name");
}

/// A key has one account, and says so before anything is said about names and invites.
pub async fn a_key_makes_one_account(world: &World) {
    let invite = world.invite(None, 1);
    world.store.create_invite(invite.clone(), NOW).await.unwrap();
    let new = world.account("alice");
    world.store.create_account(new.clone(), Some(invite.hash), NOW).await.unwrap();
    let again = world.store.create_account(new.clone(), Some(invite.hash), NOW).await;
    assert_eq!(again, Err(CreateAccountError::KeyTaken), "the same request again");
    let mut other = world.account("bob");
    other.identity_spki = new.identity_spki;
    assert_eq!(world.store.create_account(other, None, NOW).await, Err(CreateAccountError::KeyTaken));
}

/// The flag is seen where logins are decided.
pub async fn a_disabled_account_shows_at_its_devices(world: &World) {
    let device = world.user("alice").await;
    let disabled = async || world.store.device(device).await.unwrap().unwrap().account_disabled;
    assert!(!disabled().await);
    assert_eq!(world.store.set_disabled(device.uid, true).await, Ok(true));
    assert!(disabled().await);
    let account = world.store.account(&AccountSelector::Uid(device.uid)).await.unwrap().unwrap();
    assert!(account.disabled);
    assert_eq!(world.store.set_disabled(device.uid, false).await, Ok(true));
    assert!(!disabled().await);
    assert_eq!(world.store.set_disabled(Uid([0; 16]), true).await, Ok(false));
}

/// Page by page; records are those of all rooms.
pub async fn accounts_are_listed_by_name_and_counted(world: &World) {
    assert_eq!(world.store.counts().await, Ok(Counts::default()));
    let mut devices = Vec::new();
    for name in ["carol", "alice", "bobby"] {
        devices.push(world.user(name).await);
    }
    let listed = async |after: Option<&str>, limit| {
        let accounts = world.store.accounts_after(after.map(|name| name.parse().unwrap()), limit).await;
        accounts.unwrap().into_iter().map(|known| known.account.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 2).await, ["alice", "bobby"]);
    assert_eq!(listed(Some("bobby"), 2).await, ["carol"]);
    assert_eq!(listed(Some("carol"), 2).await, [""; 0]);
    for device in devices {
        let room = world.room(None, device).await;
        world.say(room, device, "one").await;
        world.say(room, device, "two").await;
    }
    assert_eq!(world.store.counts().await, Ok(Counts { accounts: 3, rooms: 3, records: 6 }));
}

/// A certificate and the leaf for it change together, in the place that was signed for.
pub async fn a_certificate_is_renewed_with_its_leaf(world: &World) {
    let new = world.account("alice");
    let (uid, name) = (new.uid, new.log[0].label);
    world.store.create_account(new, None, NOW).await.unwrap();
    let renewed = |uid, seq, certificate: &[u8]| NewCertificate {
        uid,
        identity_certificate: certificate.to_vec(),
        issuing_certificate: b"another issuing".to_vec(),
        leaf: world.leaf(Kind::IdentityIssued, name),
        seq,
    };
    let renew = |new| world.store.renew_account(new, NOW);
    for seq in [0, 1, 3] {
        let refused = renew(renewed(uid, seq, b"second")).await;
        assert_eq!(refused, Err(RenewAccountError::Place { known: 1 }), "{seq}");
    }
    assert_eq!(renew(renewed(Uid([0; 16]), 2, b"")).await, Err(RenewAccountError::AccountUnknown));
    let certificates = async || {
        let known = world.store.account(&AccountSelector::Uid(uid)).await.unwrap().unwrap().account;
        (known.identity_certificate.to_vec(), known.issuing_certificate.to_vec())
    };
    assert_eq!(certificates().await, (b"identity".to_vec(), b"issuing".to_vec()));
    assert_eq!(renew(renewed(uid, 2, b"second")).await, Ok(()));
    assert_eq!(certificates().await, (b"second".to_vec(), b"another issuing".to_vec()));
    let newest = world.store.log_tail(0, 2, 10).await.unwrap().leaves;
    assert_eq!(newest.iter().map(|leaf| (leaf.label, leaf.seq)).collect::<Vec<_>>(), [(name, 2)]);
    assert_eq!(renew(renewed(uid, 2, b"third")).await, Err(RenewAccountError::Place { known: 2 }));
}
