//! The operator's door.

use std::os::unix::fs::PermissionsExt;

use openchat_protocol::record::Position;
use openchat_protocol::{DeviceId, Did, RefusalCode, Request, Response};
use openchat_server::admin::{Admin, AdminError};
use tempfile::TempDir;

use crate::wire::{Wire, code};
use crate::world::{World, append};

async fn with_door() -> (World, TempDir) {
    let (mut world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    world.server.open_admin_door(folder.path()).unwrap();
    (world, folder)
}

#[tokio::test]
async fn the_operator_disables_an_account_at_once_and_enables_it_again() {
    let (world, folder) = with_door().await;
    let (alice, carol) = (world.user("alice").await, world.user("carol").await);
    let (mut alices, mut carols) = (Wire::log_in(&world, &alice).await, Wire::log_in(&world, &carol).await);
    let mut admin = Admin::connect(folder.path()).await.unwrap();
    admin.set_disabled("alice".parse().unwrap(), true).await.unwrap();
    assert_eq!(alices.goodbye().await.code, Some(RefusalCode::AccountDisabled));
    assert_eq!(carols.ask(Request::Ping).await, Ok(Response::Done));
    assert_eq!(code(Wire::try_log_in(&world, &alice).await.map(|_| ())), RefusalCode::AccountDisabled);
    admin.set_disabled("alice".parse().unwrap(), false).await.unwrap();
    Wire::log_in(&world, &alice).await;
    let unknown = admin.set_disabled("stranger".parse().unwrap(), true).await;
    assert!(matches!(unknown, Err(AdminError::Refused(why)) if why.contains("no account of this name")));
}

#[tokio::test]
async fn the_operator_revokes_a_device_at_once() {
    let (world, folder) = with_door().await;
    let alice = world.user("alice").await;
    let mut wire = Wire::log_in(&world, &alice).await;
    let mut admin = Admin::connect(folder.path()).await.unwrap();
    admin.revoke_device(alice.id).await.unwrap();
    assert_eq!(wire.goodbye().await.code, Some(RefusalCode::DeviceRevoked));
    let unknown = admin.revoke_device(DeviceId { did: Did([9; 10]), ..alice.id }).await;
    assert!(matches!(unknown, Err(AdminError::Refused(_))), "{unknown:?}");
    let accounts = admin.accounts().await.unwrap();
    assert!(accounts[0].devices[0].revoked);
}

#[tokio::test]
async fn the_operator_sees_how_the_server_is_and_who_is_on_it() {
    let (world, folder) = with_door().await;
    let (bob, alice) = (world.user("bobby").await, world.user("alice").await);
    let mut wire = Wire::log_in(&world, &alice).await;
    let room = world.room(&mut wire, "lobby").await;
    append(&mut wire, world.message(room, Position::start(room), 1, b"hello")).await;
    let mut admin = Admin::connect(folder.path()).await.unwrap();
    let status = admin.status().await.unwrap();
    assert_eq!((status.accounts, status.rooms, status.records), (2, 1, 1));
    assert_eq!((status.strangers, status.connections), (0, 1));
    let accounts = admin.accounts().await.unwrap();
    let seen: Vec<_> = accounts.iter().map(|line| (line.name.as_str(), line.uid, line.disabled)).collect();
    assert_eq!(seen, [("alice", alice.id.uid, false), ("bobby", bob.id.uid, false)]);
    assert_eq!(accounts[0].devices.iter().map(|device| device.did).collect::<Vec<_>>(), [alice.id.did]);
}

#[tokio::test]
async fn the_door_is_its_users_alone_and_closes_with_the_server() {
    let (mut world, folder) = with_door().await;
    let socket = folder.path().join("admin.sock");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // As after a kill: the socket of before is still there.
    world.server.open_admin_door(folder.path()).unwrap();
    Admin::connect(folder.path()).await.unwrap().status().await.unwrap();
    world.server.stop().await;
    assert!(!socket.exists());
    let closed = Admin::connect(folder.path()).await.err();
    assert!(matches!(closed, Some(AdminError::NotRunning { .. })), "{closed:?}");
}
