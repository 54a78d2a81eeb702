//! Who can put others out of a room.

use openchat_protocol::account::AcknowledgeWelcome;
use openchat_protocol::append::Welcome;
use openchat_protocol::statement::Statement;
use openchat_protocol::{RefusalCode, Request, Response, Uid, limits};

use crate::two::Two;
use crate::wire::{Wire, code};
use crate::world::{Device, append};

fn removal(whom: &Device) -> Statement {
    Statement { removed: vec![whom.id], ..Statement::default() }
}

#[tokio::test]
async fn an_administrator_removes_the_only_other_member() {
    let mut two = Two::new().await;
    two.bob.follow(two.room, two.joined).await;
    assert_eq!(two.bob.page().await.records.len(), 0);
    let removal = two.world.commit(two.room, two.joined, &removal(&two.bobs), Vec::new());
    let removed = append(&mut two.alice, removal).await;
    let last = two.bob.page().await;
    assert_eq!((last.records.len(), last.head, last.ended), (1, removed.sequence, true));
    append(&mut two.alice, two.world.message(two.room, removed, 1, b"without bob")).await;
    let message = two.world.message(two.room, removed, 2, b"still here?");
    assert_eq!(code(two.bob.ask(Request::Append(message)).await), RefusalCode::NotAMember);
    assert!(two.bob.events.is_empty(), "{:?}", two.bob.events);
}

#[tokio::test]
async fn accounts_that_work_together_remove_nobody() {
    let mut two = Two::new().await;
    let eve = two.world.user("eve").await;
    let mut eves = Wire::log_in(&two.world, &eve).await;
    let joined = append(&mut eves, two.world.join(two.room, two.joined, &eve)).await;
    two.alice.follow(two.room, joined).await;
    assert_eq!(two.alice.page().await.records.len(), 0);
    let claim = Statement {
        removed: vec![two.alices.id],
        admins: Some(vec![two.bobs.id.uid, eve.id.uid]),
        ..Statement::default()
    };
    let by_bob = append(&mut two.bob, two.world.commit(two.room, joined, &claim, Vec::new())).await;
    let by_eve = append(&mut eves, two.world.commit(two.room, by_bob, &claim, Vec::new())).await;
    append(&mut two.alice, two.world.message(two.room, by_eve, 1, b"still here")).await;
    assert_eq!(two.alice.records(two.room, 3).await.len(), 3);
}

#[tokio::test]
async fn administrators_are_handed_over_by_administrators() {
    let mut two = Two::new().await;
    let hand_over = Statement { admins: Some(vec![two.bobs.id.uid]), ..Statement::default() };
    let handed = append(&mut two.alice, two.world.commit(two.room, two.joined, &hand_over, Vec::new())).await;
    let powerless = two.world.commit(two.room, handed, &removal(&two.bobs), Vec::new());
    let base = append(&mut two.alice, powerless).await;
    let removed =
        append(&mut two.bob, two.world.commit(two.room, base, &removal(&two.alices), Vec::new())).await;
    let message = two.world.message(two.room, removed, 1, b"hello?");
    assert_eq!(code(two.alice.ask(Request::Append(message)).await), RefusalCode::NotAMember);
}

#[tokio::test]
async fn a_room_has_no_end_of_administrators() {
    let mut two = Two::new().await;
    let named = (0..=limits::ADMINISTRATORS).map(|n| Uid((n as u128).to_be_bytes())).collect();
    let statement = Statement { admins: Some(named), ..Statement::default() };
    let commit = two.world.commit(two.room, two.joined, &statement, Vec::new());
    assert_eq!(code(two.alice.ask(Request::Append(commit)).await), RefusalCode::Malformed);
}

#[tokio::test]
async fn a_welcome_that_cannot_be_used_makes_no_member() {
    let mut two = Two::new().await;
    let carol = two.world.user("carol").await;
    let mut carols = Wire::log_in(&two.world, &carol).await;
    let statement = Statement { joined: vec![carol.id], ..Statement::default() };
    let welcome = Welcome { device: carol.id, message: b"garbage".to_vec().into() };
    let added = append(&mut two.bob, two.world.commit(two.room, two.joined, &statement, vec![welcome])).await;
    carols.event().await;
    carols.follow(two.room, added).await;
    assert!(!carols.page().await.ended);
    let refuse = AcknowledgeWelcome { room: two.room, sequence: added.sequence, joined: false };
    assert_eq!(carols.ask(Request::AcknowledgeWelcome(refuse)).await, Ok(Response::Done));
    assert!(carols.page().await.ended);
    let (_, logged_in) = Wire::try_log_in(&two.world, &carol).await.unwrap();
    assert_eq!(logged_in.rooms, []);
}
