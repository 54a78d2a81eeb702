//! What is on disk is shown before the rooms are open, and what needs them waits for all of them.

use openchat_protocol::RoomId;
use tempfile::TempDir;
use tokio::sync::{broadcast, mpsc, watch};

use super::*;
use crate::command::{Answer, Command};
use crate::driver::{Link, Outside};
use crate::engine::tests::{password, profile_with_rooms};
use crate::event::RoomOverview;
use crate::folder::ProfileFolder;
use crate::handle::COMMANDS;
use crate::vault::Vault;

type Answered = oneshot::Receiver<Result<Answer, ClientError>>;

/// A driver that has not begun, and does not connect; and its other end.
struct World {
    driver: Driver,
    jobs: mpsc::Sender<Job>,
    state: watch::Receiver<ConnectionState>,
    _folder: TempDir,
}

impl World {
    fn of(folder: TempDir, damage: &str) -> Self {
        let vault = Vault::open(folder.path(), &password()).unwrap();
        vault.damage(damage);
        let (jobs, queue) = mpsc::channel(COMMANDS);
        let (connection, state) = watch::channel(ConnectionState::Connecting);
        let outside = Outside { jobs: queue, events: broadcast::Sender::new(1), connection };
        let mut driver = Driver::new(ProfileFolder::lock(folder.path()).unwrap(), vault, outside).unwrap();
        driver.link = Link::Ended;
        Self { driver, jobs, state, _folder: folder }
    }

    fn ask(&self, command: Command) -> Answered {
        let (answer, answered) = oneshot::channel();
        self.jobs.try_send(Job::Command(command, answer)).unwrap();
        answered
    }

    fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Vault) -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (found, finding) = oneshot::channel();
        let job = Job::Vault(Box::new(move |vault| drop(found.send(look(vault)))));
        self.jobs.try_send(job).unwrap();
        finding
    }

    fn stop(&self) -> oneshot::Receiver<()> {
        let (done, stopped) = oneshot::channel();
        self.jobs.try_send(Job::Stop(done)).unwrap();
        stopped
    }
}

fn members(answered: &mut Answered) -> usize {
    match answered.try_recv().expect("an answer") {
        Ok(Answer::Members(members)) => members.len(),
        other => panic!("{other:?}"),
    }
}

fn names(rooms: &[RoomOverview]) -> Vec<&str> {
    rooms.iter().map(|room| room.name.as_str()).collect()
}

fn details(room: RoomId) -> Command {
    Command::Details { room }
}

#[tokio::test]
async fn what_is_on_disk_is_read_before_the_rooms_are_open_and_commands_find_all_of_them() {
    let (folder, rooms) = profile_with_rooms(&["one", "two", "three"]);
    let world = World::of(folder, "");
    let mut asked: Vec<_> = rooms.iter().map(|&room| world.ask(Command::Members { room })).collect();
    // Looked up behind the commands, and found before their answers.
    let mut first = asked.remove(0);
    let found = world.look(move |vault| {
        let is_early = first.try_recv().is_err();
        (vault.rooms().unwrap(), is_early, first)
    });
    let stopped = world.stop();
    let stopper = world.driver.run().await.expect("somebody stopped it");
    stopper.send(()).unwrap();
    stopped.await.unwrap();
    let (overview, is_early, mut first) = found.await.unwrap();
    assert_eq!(names(&overview), ["one", "three", "two"]);
    assert!(is_early, "the keys of the rooms were opened first");
    assert_eq!(members(&mut first), 1);
    // What was asked before the end is answered before it.
    assert!(asked.iter_mut().all(|answered| members(answered) == 1));
}

#[tokio::test]
async fn who_stops_it_does_not_wait_for_rooms() {
    let (folder, _) = profile_with_rooms(&["one", "two", "three"]);
    let mut world = World::of(folder, "");
    let _stopped = world.stop();
    assert!(matches!(world.driver.open_rooms().await, Opening::Stopped(Some(_))));
    assert_eq!(world.driver.unopened.len(), 2, "no room was opened but the one that was begun");
}

#[tokio::test]
async fn what_was_asked_is_done_though_nobody_holds_the_client_any_more() {
    let (folder, rooms) = profile_with_rooms(&["one", "two"]);
    let World { driver, jobs, _folder, state: _state } = {
        let world = World::of(folder, "");
        drop(world.ask(Command::Send { room: rooms[0], text: "last words".into() }));
        world
    };
    drop(jobs);
    assert!(driver.run().await.is_none());
    assert_eq!(Vault::open(_folder.path(), &password()).unwrap().unsent().unwrap(), 1);
}

#[tokio::test]
async fn a_room_whose_keys_do_not_load_holds_up_no_other() {
    let (folder, rooms) = profile_with_rooms(&["one", "lost", "two"]);
    let world = World::of(folder, "");
    let mut asked: Vec<_> = rooms.iter().map(|&room| world.ask(details(room))).collect();
    let _stopped = world.stop();
    assert!(world.driver.run().await.is_some());
    let outcomes: Vec<_> =
        asked.iter_mut().map(|it| it.try_recv().unwrap().map_err(|error| error.kind()).map(drop)).collect();
    assert_eq!(outcomes, [Ok(()), Err(ErrorKind::Refused), Ok(())]);
}

#[tokio::test]
async fn a_vault_with_a_room_that_cannot_be_read_is_said_to_be_damaged_and_shown() {
    let (folder, rooms) = profile_with_rooms(&["one", "two"]);
    let world = World::of(folder, "INSERT INTO own_commit SELECT max(id), x'00' FROM room");
    let mut asked: Vec<_> = rooms.iter().map(|&room| world.ask(details(room))).collect();
    let found = world.look(|vault| vault.rooms().unwrap());
    let stopped = world.stop();
    world.driver.run().await.expect("somebody stopped it").send(()).unwrap();
    stopped.await.unwrap();
    assert_eq!(names(&found.await.unwrap()), ["one", "two"]);
    for answered in &mut asked {
        assert_eq!(answered.try_recv().unwrap().unwrap_err().kind(), ErrorKind::Damaged);
    }
    let ConnectionState::Ended(why) = world.state.borrow().clone() else { panic!("it goes on") };
    assert_eq!(why.kind(), ErrorKind::Damaged);
}
