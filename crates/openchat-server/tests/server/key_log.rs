//! The log of keys as a server keeps it: what is issued is in it, and whoever asks gets proofs.

use std::sync::Arc;
use std::time::Duration;

use openchat_identity::{DeviceKey, IdentityKey, TrustAnchor, tls};
use openchat_protocol::account::{AccountSelector, EnrolDevice};
use openchat_protocol::key_log::{CompareHeads, FollowLog, Prove};
use openchat_protocol::limits::LOG_PAGE_BEFORE_LOGIN;
use openchat_protocol::{Did, RefusalCode, Request, Response, Timestamp};
use openchat_store::SqliteStore;
use openchat_transparency::body::IdentityIssued;
use openchat_transparency::{Auditor, Body, Kind, Lookup, Path, Subject, Tail};

use crate::wire::{Wire, code};
use crate::world::{Device, World, config};

const DAY: u64 = 24 * 3600 * 1000;

/// Somebody who follows the log from outside, without a login.
pub(crate) struct Outsider {
    wire: Wire,
    pub(crate) auditor: Auditor,
    pub(crate) leaves: Vec<Kind>,
}

impl Outsider {
    pub(crate) async fn new(world: &World) -> Self {
        let mut wire = Wire::connect(world, None).await;
        wire.hello().await;
        let anchor = tls_anchor(&wire, world);
        let auditor = Auditor::new(anchor.genesis_record(), world.clock.now()).unwrap();
        Self { wire, auditor, leaves: Vec::new() }
    }

    pub(crate) async fn follow(&mut self, world: &World) {
        loop {
            let known = self.auditor.head().map_or(0, |head| head.head().size);
            let request = FollowLog { known, from: self.auditor.followed() };
            let Ok(Response::LogTail(tail)) = self.wire.ask(Request::FollowLog(request)).await else {
                panic!("no tail")
            };
            let tail = Tail::from_bytes(&tail).unwrap();
            assert!(tail.leaves.len() <= LOG_PAGE_BEFORE_LOGIN);
            self.auditor.advance(&tail, world.clock.now()).unwrap();
            self.leaves.extend(tail.leaves.iter().map(|leaf| leaf.kind));
            if self.auditor.is_complete() {
                return;
            }
        }
    }
}

fn tls_anchor(wire: &Wire, world: &World) -> TrustAnchor {
    let session = wire.stream.get_ref().1;
    let config = tls::client_config(world.server.fingerprint(), None, Arc::new(world.clock.clone())).unwrap();
    config.anchor(session, world.clock.now()).unwrap()
}

pub(crate) async fn prove(
    wire: &mut Wire,
    auditor: &mut Auditor,
    world: &World,
    device: &Device,
) -> (Body, Body) {
    let known = auditor.head().map_or(0, |head| head.head().size);
    let request = Prove { who: AccountSelector::Name("alice".parse().unwrap()), known };
    let Ok(Response::Proven(proven)) = wire.ask(Request::Prove(request)).await else { panic!("no proof") };
    assert_eq!(proven.account.uid, device.id.uid);
    let now = world.clock.now();
    let mut check = |subject, lookup: &[u8]| {
        let lookup = Lookup::from_bytes(lookup).unwrap();
        let found = auditor.check(&subject, &lookup, now).unwrap();
        Body::read(found.leaf.kind, &found.body).unwrap()
    };
    let by_name = check(Subject::Name("alice".parse().unwrap()), &proven.name);
    (by_name, check(Subject::User(device.id.uid), &proven.user))
}

#[tokio::test]
async fn what_is_issued_is_in_the_log_and_proven_to_who_asks() {
    let world = World::new().await;
    let mut outsider = Outsider::new(&world).await;
    outsider.follow(&world).await;
    assert_eq!(outsider.leaves, [Kind::Authority, Kind::Heartbeat]);
    let alice = world.user("alice").await;
    outsider.follow(&world).await;
    let issued = [Kind::IdentityIssued, Kind::IdentityIssued, Kind::DeviceList];
    assert_eq!(outsider.leaves[2..], issued);

    let mut wire = Wire::log_in(&world, &alice).await;
    let (by_name, by_uid) = prove(&mut wire, &mut outsider.auditor, &world, &alice).await;
    let Body::IdentityIssued(IdentityIssued { uid, name, .. }) = by_name else { panic!("{by_name:?}") };
    assert_eq!((uid, name.as_str()), (alice.id.uid, "alice"));
    let Body::DeviceList(signed) = by_uid else { panic!("{by_uid:?}") };
    assert_eq!(signed.list, world.list(&alice, 1).list);
    let nobody = Prove { who: AccountSelector::Name("stranger".parse().unwrap()), known: 0 };
    assert_eq!(code(wire.ask(Request::Prove(nobody)).await), RefusalCode::AccountUnknown);
}

#[tokio::test]
async fn heads_that_others_saw_are_compared() {
    let world = World::new().await;
    let mut outsider = Outsider::new(&world).await;
    outsider.follow(&world).await;
    let early = outsider.auditor.head().unwrap().to_seen();
    let alice = world.user("alice").await;
    outsider.follow(&world).await;
    let mut wire = Wire::log_in(&world, &alice).await;
    let compare = CompareHeads { old: early.size, new: outsider.auditor.followed() };
    let Ok(Response::Compared(compared)) = wire.ask(Request::CompareHeads(compare)).await else {
        panic!("no comparison")
    };
    let proof = Path::from_bytes(&compared.proof).unwrap();
    let root = openchat_transparency::Hash(compared.root);
    assert_eq!(outsider.auditor.compare(&early, root, &proof), Ok(()));
    let beyond = CompareHeads { old: 1, new: 1 << 40 };
    assert_eq!(code(wire.ask(Request::CompareHeads(beyond)).await), RefusalCode::LogRange);
}

#[tokio::test]
async fn the_log_has_a_heartbeat_a_day() {
    let world = World::new().await;
    let mut outsider = Outsider::new(&world).await;
    for day in 1..3 {
        world.advance(DAY);
        let beaten = async {
            while world.store.log_state().await.unwrap().size < 2 + day {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), beaten).await.expect("a heartbeat");
    }
    outsider.follow(&world).await;
    assert_eq!(outsider.leaves, [Kind::Authority, Kind::Heartbeat, Kind::Heartbeat, Kind::Heartbeat]);
    assert_eq!(outsider.auditor.check_fresh(world.clock.now()), Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_are_older_than_the_log_are_logged_at_the_first_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    let world = World::on(&config(), Arc::new(SqliteStore::open(&path).unwrap())).await;
    for name in ["alice", "carol", "bobby"] {
        world.user(name).await;
    }
    world.server.stop().await;
    drop(world.store);
    let database = rusqlite::Connection::open(&path).unwrap();
    let forget = "DELETE FROM key_log; DELETE FROM key_log_node; UPDATE account SET list_version = NULL;";
    database.execute_batch(forget).unwrap();
    drop(database);
    let world = World::on(&config(), Arc::new(SqliteStore::open(&path).unwrap())).await;
    let mut outsider = Outsider::new(&world).await;
    outsider.follow(&world).await;
    let count = outsider.leaves.iter().filter(|kind| **kind == Kind::IdentityIssued).count();
    assert_eq!((count, outsider.leaves.len()), (6, 8));
}

#[tokio::test]
async fn a_device_is_enrolled_with_the_list_that_has_it_or_not_at_all() {
    let world = World::new().await;
    let identity = IdentityKey::generate();
    let registered = world.register(&identity, "alice", None).await.unwrap();
    let alice = world.device(identity, &registered, Did([1; 10]), DeviceKey::generate());
    let mut wire = Wire::connect(&world, None).await;
    wire.hello().await;
    let chain: Vec<_> = alice.chain.iter().cloned().map(Into::into).collect();
    let mut other_key = world.list(&alice, 1);
    other_key.list.pop();
    for list in [None, Some(other_key), Some(world.list(&alice, 2))] {
        let refused = wire.ask(Request::EnrolDevice(EnrolDevice { chain: chain.clone(), list })).await;
        assert_eq!(code(refused), RefusalCode::DeviceList);
    }
    let size = async || world.store.log_state().await.unwrap().size;
    assert_eq!((world.store.device(alice.id).await, size().await), (Ok(None), 4));
    world.enrol(&alice).await.unwrap();
    world.enrol(&alice).await.unwrap();
    assert_eq!(size().await, 5, "an answer was lost, and the list signed again");
}

#[tokio::test]
async fn a_new_list_follows_the_newest_one() {
    let world = World::new().await;
    let (alice, carol) = (world.user("alice").await, world.user("carol").await);
    let mut wire = Wire::log_in(&world, &alice).await;
    let mut publish = async |list| wire.ask(Request::PublishDevices(list)).await;
    assert_eq!(code(publish(world.list(&alice, 3)).await), RefusalCode::DeviceList);
    assert_eq!(code(publish(world.list(&carol, 2)).await), RefusalCode::DeviceList, "somebody else's");
    assert_eq!(publish(world.list(&alice, 2)).await, Ok(Response::Done));
}

#[tokio::test]
async fn strangers_may_read_the_log_at_a_rate() {
    let world = World::new().await;
    let mut outsider = Outsider::new(&world).await;
    let request = Request::FollowLog(FollowLog { known: 0, from: 0 });
    let ids = outsider.wire.send_many(&request, 601).await;
    let mut refused = None;
    for id in ids {
        refused = refused.or(outsider.wire.answer(id).await.err());
    }
    assert_eq!(refused.unwrap().code, Some(RefusalCode::RateLimited));
    assert!(world.clock.now() > Timestamp(0));
}
