//! Rules of key packages.

use std::collections::BTreeSet;

use openchat_protocol::Uid;
use openchat_protocol::account::{ClaimKeyPackages, KeyPackageCount};
use openchat_protocol::limits::{KEY_PACKAGE_SUITES, KEY_PACKAGES};
use tokio::task::JoinSet;

use super::World;
use super::world::SUITE;
use crate::key_package::PublishKeyPackagesError;

/// One that is there already counts once; a refused upload leaves nothing behind.
pub async fn packages_are_counted_and_limited(world: &World) {
    let alice = world.user("alice").await;
    let first = world.packages(2, true);
    assert_eq!(world.store.publish_key_packages(alice, first.clone()).await, Ok(2));
    assert_eq!(world.store.publish_key_packages(alice, first).await, Ok(2), "the same again");
    let rest = world.packages(KEY_PACKAGES - 2, false);
    let too_many = world.packages(KEY_PACKAGES - 1, true);
    let refused = world.store.publish_key_packages(alice, too_many).await;
    assert_eq!(refused, Err(PublishKeyPackagesError::TooMany));
    assert_eq!(world.packages_left(alice).await, 2);
    let full = world.store.publish_key_packages(alice, rest).await.unwrap();
    assert_eq!(full as usize, KEY_PACKAGES);
    let stranger = world.new_device(alice.uid).device;
    let refused = world.store.publish_key_packages(stranger, world.packages(1, false)).await;
    assert_eq!(refused, Err(PublishKeyPackagesError::DeviceUnknown));
    assert_eq!(world.store.key_package_counts(stranger).await, Ok(vec![]));
}

/// What is wanted of one device takes nothing from the others.
pub async fn packages_of_one_device_are_claimed_alone(world: &World) {
    let alice = world.user("alice").await;
    let other = world.device(alice.uid).await;
    for device in [alice, other] {
        world.store.publish_key_packages(device, world.packages(2, false)).await.unwrap();
    }
    let claim = ClaimKeyPackages { uid: alice.uid, suite: SUITE, device: Some(other.did) };
    let claimed = world.store.claim_key_packages(claim).await.unwrap();
    assert_eq!(claimed.iter().map(|claimed| claimed.device).collect::<Vec<_>>(), [other]);
    assert_eq!((world.packages_left(alice).await, world.packages_left(other).await), (2, 1));
}

/// The oldest first, each once; then the newest last resort, again and again.
pub async fn the_last_resort_is_given_when_all_others_are_gone(world: &World) {
    let alice = world.user("alice").await;
    let silent = world.device(alice.uid).await;
    let claim = async || {
        let claimed = world.claim(alice.uid).await;
        assert!(claimed.iter().all(|claimed| claimed.device != silent), "it has none");
        claimed.into_iter().map(|claimed| claimed.key_package).next()
    };
    assert_eq!(claim().await, None);
    world.store.publish_key_packages(alice, world.packages(0, true)).await.unwrap();
    let (old, new) = (world.packages(1, true), world.packages(1, false));
    world.store.publish_key_packages(alice, old.clone()).await.unwrap();
    world.store.publish_key_packages(alice, new.clone()).await.unwrap();
    world.store.publish_key_packages(alice, world.packages(0, false)).await.unwrap();
    assert_eq!(claim().await.as_ref(), old.one_time.first());
    assert_eq!(claim().await.as_ref(), new.one_time.first());
    for _ in 0..2 {
        assert_eq!(claim().await, old.last_resort);
    }
    assert_eq!(world.claim(Uid([0; 16])).await, []);
}

/// RFC 9420 §16.8.
pub async fn concurrent_claims_never_share_a_package(world: &World) {
    let alice = world.user("alice").await;
    let second = world.device(alice.uid).await;
    for device in [alice, second] {
        world.store.publish_key_packages(device, world.packages(40, false)).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let world = world.clone();
        tasks.spawn(async move { world.claim(alice.uid).await });
    }
    let claimed = tasks.join_all().await.concat();
    assert_eq!(claimed.len(), 80);
    let distinct: BTreeSet<_> = claimed.iter().map(|claimed| claimed.key_package.to_vec()).collect();
    assert_eq!(distinct.len(), 80);
    assert_eq!(claimed.iter().filter(|claimed| claimed.device == second).count(), 40);
}

/// A claim gives packages of the suite that it asks for, and a suite is known as long as it has any package.
pub async fn each_suite_has_packages_of_its_own(world: &World) {
    let alice = world.user("alice").await;
    let count = |suite, one_time| KeyPackageCount { suite, one_time };
    let (old, new) = (world.packages_of(7, 1, true), world.packages_of(8, 2, false));
    assert_eq!(world.store.publish_key_packages(alice, new.clone()).await, Ok(2));
    assert_eq!(world.store.publish_key_packages(alice, old.clone()).await, Ok(1));
    assert_eq!(world.store.key_package_counts(alice).await, Ok(vec![count(7, 1), count(8, 2)]));
    let claim = async |suite| {
        let claimed =
            world.store.claim_key_packages(ClaimKeyPackages { uid: alice.uid, suite, device: None }).await;
        claimed.unwrap().into_iter().map(|claimed| claimed.key_package).next()
    };
    assert_eq!((claim(7).await, claim(7).await), (old.one_time.first().cloned(), old.last_resort));
    assert_eq!(
        (claim(8).await.as_ref(), claim(8).await.as_ref()),
        (new.one_time.first(), new.one_time.last())
    );
    assert_eq!((claim(8).await, claim(9).await), (None, None));
    assert_eq!(world.store.key_package_counts(alice).await, Ok(vec![count(7, 0)]));
}

/// One more is refused, until one is used up.
pub async fn suites_of_a_device_are_limited(world: &World) {
    let alice = world.user("alice").await;
    let publish = async |suite| {
        let packages = world.packages_of(suite, 1, false);
        world.store.publish_key_packages(alice, packages).await
    };
    for suite in (SUITE..).take(KEY_PACKAGE_SUITES) {
        assert_eq!(publish(suite).await, Ok(1));
    }
    assert_eq!(publish(7).await, Err(PublishKeyPackagesError::TooManySuites));
    assert_eq!(publish(SUITE).await, Ok(2));
    assert_eq!(world.store.publish_key_packages(alice, world.packages_of(7, 0, false)).await, Ok(0));
    world.claim(alice.uid).await;
    world.claim(alice.uid).await;
    assert_eq!(publish(7).await, Ok(1));
    assert_eq!(publish(SUITE).await, Err(PublishKeyPackagesError::TooManySuites));
}

/// Nobody adds a device that cannot come.
pub async fn revoked_devices_have_no_packages(world: &World) {
    let alice = world.user("alice").await;
    world.store.publish_key_packages(alice, world.packages(3, true)).await.unwrap();
    world.store.revoke_device(alice).await.unwrap();
    assert_eq!(world.claim(alice.uid).await, []);
    assert_eq!(world.store.key_package_counts(alice).await, Ok(vec![]));
    let refused = world.store.publish_key_packages(alice, world.packages(1, false)).await;
    assert_eq!(refused, Err(PublishKeyPackagesError::DeviceUnknown));
}
