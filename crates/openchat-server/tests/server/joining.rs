//! Joining a room whose last commit is by somebody who wants to keep others out.

use openchat_protocol::room::{FetchJoinInfo, JoinInfo, RoomSelector};
use openchat_protocol::statement::Statement;
use openchat_protocol::{Event, Refusal, RefusalCode, Request, Response, RoomId, Uid, limits};

use crate::two::Two;
use crate::wire::{Wire, code};
use crate::world::append;

async fn fetch(wire: &mut Wire, room: RoomId, doubted: &[Uid]) -> Result<JoinInfo, Refusal> {
    let request = FetchJoinInfo { room: RoomSelector::Id(room), doubted: doubted.to_vec() };
    match wire.ask(Request::FetchJoinInfo(request)).await? {
        Response::JoinInfo(info) => Ok(info),
        other => panic!("{other:?}"),
    }
}

/// How often a member has been asked for a commit until now.
async fn times_asked(member: &mut Wire) -> usize {
    assert_eq!(member.ask(Request::Ping).await, Ok(Response::Done));
    let events = std::mem::take(&mut member.events);
    assert!(events.iter().all(|event| matches!(event, Event::GroupWanted(_))), "{events:?}");
    events.len()
}

#[tokio::test]
async fn who_doubts_the_last_author_gets_the_group_of_another_member() {
    let mut two = Two::new().await;
    let (room, mallory) = (two.room, two.bobs.id.uid);
    let carol = two.world.user("carol").await;
    let mut carols = Wire::log_in(&two.world, &carol).await;
    assert_eq!(fetch(&mut carols, room, &[]).await.unwrap().by, mallory);
    let refusal = fetch(&mut carols, room, &[mallory]).await.unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after), (Some(RefusalCode::GroupUnavailable), Some(1000)));
    assert!(refusal.detail.contains("was asked"), "{refusal}");
    assert_eq!(two.alice.event().await, Event::GroupWanted(room), "nobody else could help");
    let update = two.world.commit(room, two.joined, &Statement::default(), Vec::new());
    let update = append(&mut two.alice, update).await;
    let info = fetch(&mut carols, room, &[mallory]).await.unwrap();
    assert_eq!((info.by, info.base), (two.alices.id.uid, two.world.base(update)));
    append(&mut carols, two.world.join(room, update, &carol)).await;
    assert_eq!(times_asked(&mut two.bob).await, 0);
}

#[tokio::test]
async fn who_commits_again_and_again_cannot_shut_joiners_out() {
    let mut two = Two::new().await;
    let (room, mallory) = (two.room, two.bobs.id.uid);
    let mut base = two.joined;
    for name in ["carol", "dave", "erin"] {
        base = append(&mut two.bob, two.world.commit(room, base, &Statement::default(), Vec::new())).await;
        let joiner = two.world.user(name).await;
        let mut wire = Wire::log_in(&two.world, &joiner).await;
        // Members who are here answer each wish; a wish within two seconds of another is as good as that one.
        let info = loop {
            match fetch(&mut wire, room, &[mallory]).await {
                Ok(info) => break info,
                Err(refusal) => assert_eq!(refusal.code, Some(RefusalCode::GroupUnavailable)),
            }
            let update = two.world.commit(room, base, &Statement::default(), Vec::new());
            base = append(&mut two.alice, update).await;
        };
        assert_eq!(info.by, two.alices.id.uid);
        base = append(&mut wire, two.world.join(room, base, &joiner)).await;
    }
}

#[tokio::test]
async fn doubts_are_passed_on_seldom() {
    let mut two = Two::new().await;
    let (room, mallory) = (two.room, two.bobs.id.uid);
    let (carol, dave) = (two.world.user("carol").await, two.world.user("dave").await);
    let (mut carols, mut daves) =
        (Wire::log_in(&two.world, &carol).await, Wire::log_in(&two.world, &dave).await);
    for _ in 0..20 {
        assert_eq!(code(fetch(&mut carols, room, &[mallory]).await), RefusalCode::GroupUnavailable);
    }
    assert_eq!(code(fetch(&mut daves, room, &[mallory]).await), RefusalCode::GroupUnavailable);
    let asked = times_asked(&mut two.alice).await;
    assert!((1..=2).contains(&asked), "{asked}");
    assert!(fetch(&mut carols, room, &[]).await.is_ok(), "who doubts nobody is not concerned");
    let too_many = [mallory; limits::DOUBTED + 1];
    assert_eq!(code(fetch(&mut daves, room, &too_many).await), RefusalCode::Malformed);
}

#[tokio::test]
async fn nobody_is_asked_who_is_away_or_doubted_or_asks() {
    let mut two = Two::new().await;
    let (room, alice, bob) = (two.room, two.alices.id.uid, two.bobs.id.uid);
    let refusal = fetch(&mut two.alice, room, &[bob]).await.unwrap_err();
    assert_eq!(refusal.code, Some(RefusalCode::GroupUnavailable));
    assert!(refusal.detail.contains("nobody who could help is online"), "{refusal}");
    let carol = two.world.user("carol").await;
    let mut carols = Wire::log_in(&two.world, &carol).await;
    for _ in 0..10 {
        let refusal = fetch(&mut carols, room, &[alice, bob]).await.unwrap_err();
        assert_eq!(
            refusal.code,
            Some(RefusalCode::GroupUnavailable),
            "nobody was asked, so nothing was too often"
        );
    }
    assert_eq!((times_asked(&mut two.alice).await, times_asked(&mut two.bob).await), (0, 0));
}
