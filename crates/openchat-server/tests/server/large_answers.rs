//! Answers of megabytes, and clients that ask for many of them and take none.

use std::time::Duration;

use openchat_protocol::append::{CommitBundle, GroupSnapshot};
use openchat_protocol::record::Position;
use openchat_protocol::room::{FetchJoinInfo, RoomSelector};
use openchat_protocol::statement::Statement;
use openchat_protocol::tree::Tree;
use openchat_protocol::{Request, Response, RoomId, ServerFrame, limits};
use tokio::io::AsyncReadExt;

use crate::slow_reader::resident;
use crate::wire::Wire;
use crate::world::{World, append, config, update};

/// A room with the largest tree there can be.
async fn large_room(world: &World, owner: &mut Wire) -> (RoomId, Position) {
    let room = world.room(owner, "lobby").await;
    let tree = Tree::new(vec![vec![2; limits::TREE / 500]; 500]);
    let group = update(GroupSnapshot { group_info: vec![1; 1000].into(), tree });
    let mut commit = world.commit(room, Position::start(room), &Statement::default(), Vec::new());
    commit.bundle = Some(CommitBundle { group, welcomes: Vec::new() });
    let position = append(owner, commit).await;
    (room, position)
}

fn fetch(room: RoomId) -> Request {
    Request::FetchJoinInfo(FetchJoinInfo { room: RoomSelector::Id(room), doubted: Vec::new() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_answers_at_once_cost_the_memory_of_a_few() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let mut owner = Wire::log_in(&world, &alice).await;
    let (room, _) = large_room(&world, &mut owner).await;
    let mut wires = Vec::new();
    for number in 0..8 {
        let device = world.user(&format!("greedy-{number}")).await;
        wires.push(Wire::log_in(&world, &device).await);
    }
    let before = resident();
    let mut asked = Vec::new();
    for wire in &mut wires {
        asked.extend(wire.send_many(&fetch(room), limits::REQUESTS_IN_FLIGHT).await);
    }
    // What a server does for all requests at once, it has done before it answers the first.
    for wire in &mut wires {
        assert!(matches!(wire.frame().await, Some(ServerFrame::Answer { .. })));
    }
    let (grown, asked_for) = (resident().saturating_sub(before), asked.len() * limits::TREE);
    assert!(grown < asked_for / 3, "{} MiB for answers of {} MiB", grown >> 20, asked_for >> 20);
    // Everybody gets everything, in the end.
    for id in &asked[1..limits::REQUESTS_IN_FLIGHT] {
        assert!(matches!(wires[0].answer(*id).await, Ok(Response::JoinInfo(_))));
    }
}

/// Attack 21: floods, slow connections, huge frames.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_a_large_answer_drop_by_drop_is_let_go() {
    let mut config = config();
    config.limits.write_seconds = 1;
    let world = World::with(&config).await;
    let alice = world.user("alice").await;
    let mut owner = Wire::log_in(&world, &alice).await;
    let (room, _) = large_room(&world, &mut owner).await;
    let mut dripping = Wire::log_in(&world, &alice).await;
    dripping.send(fetch(room)).await;
    let mut drops = tokio::time::interval(Duration::from_millis(20));
    let mut taken = 0;
    // Some of it within each second, so that it never looks dead.
    while world.server.connections() == (0, 2) {
        drops.tick().await;
        taken += dripping.stream.read(&mut [0; 6000]).await.unwrap_or(0);
        assert!(taken < limits::TREE, "it could take all of it, however slowly");
    }
    assert!(owner.ask(Request::Ping).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answers_that_one_user_does_not_take_keep_nobody_else_waiting() {
    let world = World::new().await;
    let (alice, eve) = (world.user("alice").await, world.user("eve").await);
    let mut owner = Wire::log_in(&world, &alice).await;
    let (room, position) = large_room(&world, &mut owner).await;
    let mut greedy = Vec::new();
    for _ in 0..4 {
        let mut wire = Wire::log_in(&world, &eve).await;
        wire.send_many(&fetch(room), limits::REQUESTS_IN_FLIGHT).await;
        greedy.push(wire);
    }
    match owner.ask(fetch(room)).await {
        Ok(Response::JoinInfo(info)) => assert_eq!(info.base.commit, position),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_large_answer_reads_on_meanwhile() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let mut owner = Wire::log_in(&world, &alice).await;
    let (room, position) = large_room(&world, &mut owner).await;
    // Two that take nothing have all the memory that one user gets.
    let mut greedy = Vec::new();
    for _ in 0..2 {
        let mut wire = Wire::log_in(&world, &alice).await;
        wire.send(fetch(room)).await;
        assert!(wire.stream.read_u8().await.is_ok(), "its answer is on its way");
        greedy.push(wire);
    }
    let asked = owner.send(fetch(room)).await;
    owner.follow(room, position).await;
    append(&mut owner, world.message(room, position, 1, b"hello")).await;
    assert_eq!(owner.records(room, 1).await.len(), 1);
    drop(greedy);
    assert!(matches!(owner.answer(asked).await, Ok(Response::JoinInfo(_))));
}
