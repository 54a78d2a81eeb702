//! Another issuing key for a server that runs.

use std::sync::Arc;

use openchat_identity::authority::{Authority, RootKey};
use openchat_identity::{DeviceKey, IdentityKey};
use openchat_protocol::{Did, Request, Response, Timestamp};
use openchat_server::admin::{Admin, AdminError};
use openchat_store::{MemoryStore, Store};
use openchat_transparency::body::AuthorityEvent;
use openchat_transparency::{Body, Kind};
use tempfile::TempDir;

use crate::wire::Wire;
use crate::world::{World, config};

/// A server whose authority is in its folder, and whose operator's door is open.
async fn hosted(folder: &TempDir, store: Arc<dyn Store>) -> World {
    let config = openchat_server::Config { data_dir: folder.path().to_owned(), ..config() };
    let authority = Authority::open_or_create(&config.authority_folder(), Timestamp::now()).unwrap();
    let mut world = World::under(&config, store, authority).await;
    world.server.open_admin_door(folder.path()).unwrap();
    world
}

/// Exchanges the issuing key in the folder, and answers with the new certificate.
fn rotate(folder: &TempDir) -> Vec<u8> {
    let folder = folder.path().join("authority");
    let root = RootKey::load(&folder).unwrap();
    let rotated = Authority::rotate_issuing(&folder, &root, Timestamp::now()).unwrap();
    rotated.issuing_certificate().to_vec()
}

/// Changes the root in the folder, and answers with what is above identities from then on.
fn rotate_root(folder: &TempDir) -> Vec<u8> {
    let folder = folder.path().join("authority");
    let root = RootKey::load(&folder).unwrap();
    Authority::rotate_root(&folder, &root, Timestamp::now()).unwrap().above_identity()
}

async fn kinds(store: &dyn Store) -> Vec<Kind> {
    store.log_tail(0, 0, 1000).await.unwrap().leaves.iter().map(|leaf| leaf.kind).collect()
}

/// The issuing certificate that the server shows.
fn shown(wire: &Wire) -> Vec<u8> {
    wire.stream.get_ref().1.peer_certificates().unwrap()[1].to_vec()
}

#[tokio::test]
async fn a_new_issuing_key_is_logged_before_it_is_used_and_nobody_has_to_do_anything() {
    let folder = tempfile::tempdir().unwrap();
    let world = hosted(&folder, Arc::new(MemoryStore::new().unwrap())).await;
    let alice = world.user("alice").await;
    let mut live = Wire::log_in(&world, &alice).await;
    let before = shown(&live);
    let new = rotate(&folder);
    assert_eq!(shown(&Wire::log_in(&world, &alice).await), before, "the server was not told yet");

    let mut admin = Admin::connect(folder.path()).await.unwrap();
    admin.reload_authority().await.unwrap();
    assert_eq!(live.ask(Request::Ping).await, Ok(Response::Done), "who is there stays");
    let again = Wire::log_in(&world, &alice).await;
    assert_eq!(shown(&again), new, "who comes again sees the new one, and is known by the old one");

    let identity = IdentityKey::generate();
    let registered = world.register(&identity, "bobby", None).await.unwrap();
    assert_eq!(registered.issuing_certificate.to_vec(), new);
    let bob = world.device(identity, &registered, Did([1; 10]), DeviceKey::generate());
    world.enrol(&bob).await.unwrap();
    Wire::log_in(&world, &bob).await;
    let logged = kinds(world.store.as_ref()).await;
    let events: Vec<_> = (0..logged.len()).filter(|at| logged[*at] == Kind::Authority).collect();
    let bobs = logged.iter().rposition(|kind| *kind == Kind::IdentityIssued).unwrap();
    assert!(events.len() == 2 && events[1] < bobs, "{logged:?}");

    admin.reload_authority().await.unwrap();
    assert_eq!(kinds(world.store.as_ref()).await, logged, "the same certificate is logged once");
}

#[tokio::test]
async fn an_issuing_key_that_was_exchanged_while_no_server_ran_is_logged_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().unwrap());
    let world = hosted(&folder, Arc::clone(&store)).await;
    let alice = world.user("alice").await;
    world.server.stop().await;
    let new = rotate(&folder);
    for _ in 0..2 {
        let world = hosted(&folder, Arc::clone(&store)).await;
        assert_eq!(shown(&Wire::log_in(&world, &alice).await), new);
        let events = kinds(store.as_ref()).await.into_iter().filter(|kind| *kind == Kind::Authority);
        assert_eq!(events.count(), 2);
        world.server.stop().await;
    }
}

#[tokio::test]
async fn a_server_does_not_become_another_one_while_it_runs() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = hosted(&folder, Arc::new(MemoryStore::new().unwrap())).await;
    let alice = world.user("alice").await;
    Authority::open_or_create(&other.path().join("authority"), Timestamp::now()).unwrap();
    std::fs::remove_dir_all(folder.path().join("authority")).unwrap();
    std::fs::rename(other.path().join("authority"), folder.path().join("authority")).unwrap();
    let mut admin = Admin::connect(folder.path()).await.unwrap();
    let refused = admin.reload_authority().await.unwrap_err();
    assert!(matches!(&refused, AdminError::Refused(why) if why.contains("another server")), "{refused}");
    Wire::log_in(&world, &alice).await;
}

#[tokio::test]
async fn a_new_root_is_logged_before_it_is_used_and_nobody_has_to_do_anything() {
    let folder = tempfile::tempdir().unwrap();
    let world = hosted(&folder, Arc::new(MemoryStore::new().unwrap())).await;
    let alice = world.user("alice").await;
    let mut live = Wire::log_in(&world, &alice).await;
    let mut admin = Admin::connect(folder.path()).await.unwrap();
    let mut people = vec![alice];
    for (number, name) in [(1, "bobby"), (2, "carol")] {
        let above = rotate_root(&folder);
        admin.reload_authority().await.unwrap();
        assert_eq!(live.ask(Request::Ping).await, Ok(Response::Done), "who is there stays");
        let stranger = Wire::connect(&world, None).await;
        let chain = stranger.stream.get_ref().1.peer_certificates().unwrap();
        assert_eq!(chain.len(), 3 + number, "the fingerprint alone is enough to know the server by");
        let identity = IdentityKey::generate();
        let registered = world.register(&identity, name, None).await.unwrap();
        assert_eq!(registered.issuing_certificate.to_vec(), above);
        let device = world.device(identity, &registered, Did([1; 10]), DeviceKey::generate());
        assert_eq!(device.chain.len(), 3 + number);
        world.enrol(&device).await.unwrap();
        people.push(device);
        for device in &people {
            Wire::log_in(&world, device).await;
        }
    }
    let events = kinds(world.store.as_ref()).await.into_iter().filter(|kind| *kind == Kind::Authority);
    assert_eq!(events.count(), 3);
    let last = world.store.last_authority_event().await.unwrap().unwrap();
    let event = Body::read(Kind::Authority, &last.body).unwrap();
    let Body::Authority(AuthorityEvent::Issuing { root: Some(root), .. }) = event else {
        panic!("{event:?}")
    };
    let newest = &people[2].chain[3];
    assert_eq!(root.as_slice(), aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, newest).as_ref());
}
