//! Rules of devices.

use openchat_protocol::limits::DEVICES_PER_USER;
use openchat_protocol::{Timestamp, Uid};

use super::World;
use super::world::NOW;
use crate::device::{EnrolError, NewDevice};

/// What was put in comes out; the certificate may change.
pub async fn a_device_is_enrolled_and_renewed(world: &World) {
    let uid = world.user("alice").await.uid;
    let new = world.new_device(uid);
    world.store.enrol_device(new.clone(), NOW).await.unwrap();
    let stored = world.store.device(new.device).await.unwrap().unwrap();
    assert_eq!((stored.device, stored.name.as_str()), (new.device, "alice"));
    assert_eq!((&stored.public_key, &stored.chain), (&new.public_key, &new.chain));
    assert_eq!((stored.revoked, stored.account_disabled, stored.last_seen), (false, false, NOW));
    let renewed = NewDevice { chain: vec![b"renewed".to_vec()], ..new.clone() };
    world.store.enrol_device(renewed.clone(), Timestamp(NOW.0 + 1)).await.unwrap();
    assert_eq!(world.store.device(new.device).await.unwrap().unwrap().chain, renewed.chain);
    let of_user = world.store.devices_of(uid).await.unwrap();
    assert_eq!(of_user.len(), 2);
    assert_eq!(of_user[1].device, new.device, "in the order of enrolment");
    assert_eq!(world.store.device(world.new_device(uid).device).await, Ok(None));
}

/// Nobody replaces the key of a device, and nobody without an account has one.
pub async fn a_device_keeps_its_key(world: &World) {
    let uid = world.user("alice").await.uid;
    let new = world.new_device(uid);
    world.store.enrol_device(new.clone(), NOW).await.unwrap();
    let other_key = NewDevice { public_key: vec![4, 4], ..new.clone() };
    assert_eq!(world.store.enrol_device(other_key, NOW).await, Err(EnrolError::KeyDiffers));
    assert_eq!(world.store.device(new.device).await.unwrap().unwrap().public_key, new.public_key);
    let stranger = world.new_device(Uid([7; 16]));
    assert_eq!(world.store.enrol_device(stranger, NOW).await, Err(EnrolError::AccountUnknown));
}

/// Not even its own certificate brings it back.
pub async fn a_revoked_device_stays_revoked(world: &World) {
    let uid = world.user("alice").await.uid;
    let new = world.new_device(uid);
    world.store.enrol_device(new.clone(), NOW).await.unwrap();
    assert_eq!(world.store.revoke_device(new.device).await, Ok(true));
    assert!(world.store.device(new.device).await.unwrap().unwrap().revoked);
    assert_eq!(world.store.enrol_device(new.clone(), NOW).await, Err(EnrolError::DeviceRevoked));
    assert_eq!(world.store.revoke_device(new.device).await, Ok(true), "twice is no error");
    assert_eq!(world.store.revoke_device(world.new_device(uid).device).await, Ok(false));
}

/// Revoked devices leave room for others; known ones may renew at the limit.
pub async fn devices_of_a_user_are_limited(world: &World) {
    let first = world.user("alice").await;
    let mut last = world.new_device(first.uid);
    for _ in 1..DEVICES_PER_USER {
        last = world.new_device(first.uid);
        world.store.enrol_device(last.clone(), NOW).await.unwrap();
    }
    let one_more = world.new_device(first.uid);
    assert_eq!(world.store.enrol_device(one_more.clone(), NOW).await, Err(EnrolError::TooManyDevices));
    assert_eq!(world.store.enrol_device(last, NOW).await, Ok(()), "a renewal");
    world.store.revoke_device(first).await.unwrap();
    assert_eq!(world.store.enrol_device(one_more, NOW).await, Ok(()));
}

/// Whatever the clock does.
pub async fn last_seen_never_goes_back(world: &World) {
    let device = world.user("alice").await;
    for (now, expected) in [(NOW.0 + 5, NOW.0 + 5), (NOW.0 - 5, NOW.0 + 5)] {
        world.store.touch_device(device, Timestamp(now)).await.unwrap();
        let stored = world.store.device(device).await.unwrap().unwrap();
        assert_eq!(stored.last_seen, Timestamp(expected));
    }
}
