//! Key packages: for whoever adds a device while it is away.

use openchat_protocol::account::{ClaimKeyPackages, KeyPackageCount, PublishKeyPackages};
use openchat_protocol::{RefusalCode, Request, Response, Uid, limits};

use crate::two::Two;
use crate::wire::{Wire, code};

fn upload(suite: u16, one_time: &[&[u8]]) -> Request {
    let one_time = one_time.iter().map(|package| package.to_vec().into()).collect();
    let last_resort = Some(b"last".to_vec().into());
    Request::PublishKeyPackages(PublishKeyPackages { one_time, last_resort, suite })
}

async fn claim(wire: &mut Wire, uid: Uid, suite: u16) -> Vec<u8> {
    match wire.ask(Request::ClaimKeyPackages(ClaimKeyPackages { uid, suite, device: None })).await {
        Ok(Response::KeyPackages(packages)) => packages[0].key_package.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn key_packages_are_counted_claimed_once_and_limited() {
    let two = Two::new().await;
    let (mut alice, mut bob) = (two.alice, two.bob);
    assert_eq!(bob.ask(upload(7, &[b"one", b"two"])).await, Ok(Response::KeyPackageCount(2)));
    let large = vec![0; limits::KEY_PACKAGE + 1];
    assert_eq!(code(bob.ask(upload(7, &[&large])).await), RefusalCode::TooLarge);
    let many: Vec<_> = (0..=limits::KEY_PACKAGES).map(usize::to_be_bytes).collect();
    let many: Vec<_> = many.iter().map(<[u8; 8]>::as_slice).collect();
    assert_eq!(code(bob.ask(upload(7, &many)).await), RefusalCode::TooLarge);
    let mut claimed = Vec::new();
    for _ in 0..4 {
        claimed.push(claim(&mut alice, two.bobs.id.uid, 7).await);
    }
    claimed[..2].sort();
    assert_eq!(claimed, [&b"one"[..], b"two", b"last", b"last"]);
}

#[tokio::test]
async fn each_suite_has_key_packages_of_its_own_and_there_are_few_suites() {
    let mut two = Two::new().await;
    for suite in (1..).take(limits::KEY_PACKAGE_SUITES) {
        let package = format!("suite {suite}");
        assert_eq!(two.bob.ask(upload(suite, &[package.as_bytes()])).await, Ok(Response::KeyPackageCount(1)));
    }
    assert_eq!(code(two.bob.ask(upload(99, &[b"one more"])).await), RefusalCode::Quota);
    let uid = two.bobs.id.uid;
    assert_eq!(claim(&mut two.alice, uid, 2).await, b"suite 2");
    assert_eq!(claim(&mut two.alice, uid, 2).await, b"last");
    let none =
        two.alice.ask(Request::ClaimKeyPackages(ClaimKeyPackages { uid, suite: 99, device: None })).await;
    assert_eq!(none, Ok(Response::KeyPackages(vec![])));
    let (_, logged_in) = Wire::try_log_in(&two.world, &two.bobs).await.unwrap();
    let expected = [(1, 1), (2, 0), (3, 1), (4, 1)];
    assert_eq!(logged_in.key_packages, expected.map(|(suite, one_time)| KeyPackageCount { suite, one_time }));
}
