//! An evil server and its key log: each attack by its name, and what people notice of it.

use std::time::Duration;

use openchat_identity::device::issue_device_certificate;
use openchat_identity::device_list::{self, key_hash};
use openchat_identity::{DeviceKey, IdentityKey};
use openchat_protocol::account::{Account, ClaimedKeyPackage};
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::{DeviceId, Did};
use openchat_transparency::Fork;
use openchat_transparency::body::ResetStep;

use super::world::{ALICE, BOB, CAROL, World, kind};
use crate::command::{Access, Answer, Command};
use crate::error::ErrorKind;
use crate::event::{Alarm, Delivery, Entry, Event};

const HOUR: Duration = Duration::from_secs(3600);
/// Longer than between two looks at the log.
const LOOK: Duration = Duration::from_secs(11 * 60);

fn add(name: &str, room: openchat_protocol::RoomId) -> Command {
    Command::AddMember { room, name: name.parse().unwrap() }
}

/// An account of somebody else under `name`, as the server's authority would make it.
fn impostor(world: &World, name: &str) -> Account {
    let mallory = world.clients[CAROL].device.uid;
    let account = world.server.accounts.iter().find(|account| account.uid == mallory).unwrap();
    Account { name: name.parse().unwrap(), ..account.clone() }
}

/// From now on the server says that `name` is Mallory.
fn swap(world: &mut World, name: &str) -> Account {
    let impostor = impostor(world, name);
    world.server.accounts.retain(|account| account.name.as_str() != name && account.uid != impostor.uid);
    world.server.accounts.push(impostor.clone());
    impostor
}

fn waiting(world: &World, client: usize, room: openchat_protocol::RoomId) -> usize {
    let waits = |entry: &Entry<_>| matches!(entry, Entry::Text { delivery: Delivery::Pending, .. });
    world.lines(client, room).iter().filter(|line| waits(&line.entry)).count()
}

/// 4 and 5 without a record: what is not in the log is not believed.
#[test]
fn a_key_that_is_not_in_the_log_is_believed_by_nobody() {
    let mut world = World::of(&["alice", "bob", "mallory"]);
    let room = world.create(ALICE, "secret", Access::Private);
    swap(&mut world, "bob");
    assert_eq!(kind(world.ask(ALICE, add("bob", room))), Err(ErrorKind::Alarm));
    assert_eq!(world.epoch(ALICE, room), Some(0), "nobody came in");
}

/// Attack 4: the authority gives a name that people know to somebody else.
#[test]
fn a_swapped_key_of_somebody_who_is_known_stops_what_was_to_be_said() {
    let mut world = World::of(&["alice", "bob", "mallory"]);
    world.lobby();
    let impostor = swap(&mut world, "bob");
    let now = world.now;
    world.server.log.issue_name(&impostor, now);
    let room = world.create(ALICE, "secret", Access::Private);
    assert_eq!(kind(world.ask(ALICE, add("bob", room))), Err(ErrorKind::Alarm));
    assert!(world.alarms(ALICE).iter().any(|alarm| matches!(alarm, Alarm::NameMoved { .. })));
    assert_eq!(world.epoch(ALICE, room), Some(0), "nobody came in");
}

/// 4: the server leaves the owner of a name no time to object, or passes over the objection.
#[test]
fn a_name_that_moves_against_the_rules_of_a_reset_is_a_swapped_key() {
    use ResetStep::{Approved, Asked, Objected};
    let wait = HOUR * 72;
    let stories: [(&[ResetStep], Duration, bool); 4] = [
        (&[Asked], wait, true),
        (&[Asked], wait - HOUR, false),
        (&[Asked, Objected], wait, false),
        (&[Asked, Objected, Approved], wait, true),
    ];
    for (steps, waited, is_lawful) in stories {
        let mut world = World::of(&["alice", "bob", "mallory"]);
        world.lobby();
        let (new, now) = (impostor(&world, "bob"), world.now);
        steps.iter().for_each(|step| world.server.log.reset(&new, *step, now));
        world.pass(waited);
        let told = |alarm: &&Alarm| matches!(alarm, Alarm::NameWanted { .. });
        assert!(world.alarms(BOB).iter().any(told), "{:?}", world.alarms(BOB));
        assert_eq!(world.alarms(ALICE), Vec::<&Alarm>::new(), "a wish is nobody else's affair");
        swap(&mut world, "bob");
        let now = world.now;
        world.server.log.issue_name(&new, now);
        let room = world.create(ALICE, "secret", Access::Private);
        let added = world.ask(ALICE, add("bob", room)).is_ok();
        let moved = world.alarms(ALICE).iter().any(|alarm| matches!(alarm, Alarm::NameMoved { .. }));
        assert_eq!((added, moved), (is_lawful, !is_lawful), "{steps:?} {waited:?}");
    }
}

/// Attack 5: before anybody has met the victim, who notices it all the same.
#[test]
fn a_victim_notices_a_key_under_its_name_within_one_tail() {
    let mut world = World::of(&["alice", "bob", "mallory"]);
    assert_eq!(world.alarms(BOB), Vec::<&Alarm>::new());
    let (impostor, now) = (impostor(&world, "bob"), world.now);
    world.server.log.issue_name(&impostor, now);
    world.pass(LOOK);
    assert!(matches!(world.alarms(BOB)[..], [Alarm::OwnKeys { .. }]), "{:?}", world.alarms(BOB));
    assert_eq!(world.alarms(ALICE), Vec::<&Alarm>::new());
    world.restart(BOB);
    world.clients[BOB].events.clear();
    world.connect(BOB);
    world.settle();
    assert!(matches!(world.alarms(BOB)[..], [Alarm::OwnKeys { .. }]), "it is not forgotten");
}

/// 5, before the victim was ever here.
#[test]
fn a_victim_notices_a_key_under_its_name_when_it_first_comes() {
    let mut world = World::unconnected(&["alice", "bob", "mallory"], None);
    let (impostor, now) = (impostor(&world, "bob"), world.now);
    world.server.log.issue_name(&impostor, now);
    world.connect(BOB);
    world.settle();
    assert!(matches!(world.alarms(BOB)[..], [Alarm::OwnKeys { .. }]), "{:?}", world.alarms(BOB));
}

/// Attack 6: two people are shown two logs, and talk.
#[test]
fn a_split_view_is_proven_to_those_who_talk() {
    // As many records as the other log, and more.
    (1..4).for_each(a_split_view_is_proven);
}

fn a_split_view_is_proven(records: usize) {
    let mut world = World::of(&["alice", "bob", "mallory"]);
    let room = world.lobby();
    let (carla, dave, now) = (impostor(&world, "carla"), impostor(&world, "dave"), world.now);
    let mut other = world.server.log.clone();
    other.issue_name(&carla, now);
    (0..records).for_each(|_| world.server.log.issue_name(&dave, now));
    world.server.other_logs.insert(world.clients[BOB].device, other);
    world.pass(25 * HOUR);
    world.say(BOB, room, "hello");
    world.pass(LOOK);
    let alarms = world.alarms(ALICE);
    let evidence = alarms.iter().find_map(|alarm| match alarm {
        Alarm::KeyLogForked { evidence: Some(file), by: Some(by) } => Some((file.clone(), by.uid)),
        _ => None,
    });
    let (file, by) = evidence.unwrap_or_else(|| panic!("{alarms:?}"));
    assert_eq!(by, world.clients[BOB].device.uid);
    let bytes = std::fs::read(world.clients[ALICE].folder.path().join(file)).unwrap();
    let fork = Fork::from_bytes(&bytes).unwrap();
    fork.verify(&world.server.anchor.fingerprint()).unwrap();
    world.restart(ALICE);
    world.clients[ALICE].events.clear();
    world.connect(ALICE);
    world.settle();
    let told = |alarm: &&Alarm| matches!(alarm, Alarm::KeyLogForked { evidence: Some(_), by: Some(_) });
    assert!(world.alarms(ALICE).iter().any(told), "it is not forgotten: {:?}", world.alarms(ALICE));
    let secret = world.create(ALICE, "secret", Access::Private);
    assert_eq!(kind(world.ask(ALICE, add("bob", secret))), Ok(Answer::Done), "whom she knows already");
}

/// 6: a command that ends when all is caught up must not end before the alarm.
#[test]
fn all_is_caught_up_once_what_was_heard_of_the_log_is_compared() {
    let mut world = World::of(&["alice", "bob", "mallory"]);
    let room = world.lobby();
    world.disconnect(ALICE);
    let (carla, dave, now) = (impostor(&world, "carla"), impostor(&world, "dave"), world.now);
    let mut other = world.server.log.clone();
    other.issue_name(&carla, now);
    (0..3).for_each(|_| world.server.log.issue_name(&dave, now));
    world.server.other_logs.insert(world.clients[BOB].device, other);
    world.pass(25 * HOUR);
    world.say(BOB, room, "hello");
    world.restart(ALICE);
    world.clients[ALICE].events.clear();
    world.connect(ALICE);
    world.settle();
    let events = &world.clients[ALICE].events;
    let alarm = events.iter().position(|it| matches!(it, Event::Alarm(Alarm::KeyLogForked { .. })));
    let caught_up = events.iter().position(|it| *it == Event::CaughtUp);
    assert!(alarm.is_some() && alarm < caught_up, "{events:?}");
}

/// Attack 6: split view of the log.
/// 6, by a server that does not answer for what it has shown.
#[test]
fn a_head_that_is_left_unproven_for_a_day_counts_as_a_fork() {
    let mut world = World::of(&["alice", "bob", "mallory"]);
    let room = world.lobby();
    // Bob is shown a longer log than Alice ever is.
    let (impostor, now) = (impostor(&world, "carla"), world.now);
    world.server.log.frozen = true;
    let mut other = world.server.log.clone();
    (0..9).for_each(|_| other.issue_name(&impostor, now));
    world.server.other_logs.insert(world.clients[BOB].device, other);
    world.clients[BOB].events.clear();
    world.pass(LOOK);
    world.say(BOB, room, "hello");
    world.pass(HOUR);
    assert_eq!(world.said(ALICE, room).len(), 1);
    assert_eq!(world.alarms(ALICE), Vec::<&Alarm>::new(), "it may still prove it");
    world.pass(24 * HOUR);
    let by = Some(world.clients[BOB].device.uid);
    let told = |alarm: &&&Alarm| matches!(alarm, Alarm::KeyLogForked { evidence: None, by: it } if it.as_ref().map(|by| by.uid) == by);
    assert!(world.alarms(ALICE).iter().any(|alarm| told(&alarm)), "{:?}", world.alarms(ALICE));
    let secret = world.create(ALICE, "secret", Access::Private);
    world.clients[ALICE].forget_people();
    assert_eq!(kind(world.ask(ALICE, add("mallory", secret))), Err(ErrorKind::Alarm), "nobody new");
    let other = world.server.other_logs.remove(&world.clients[BOB].device).unwrap();
    world.server.log = other;
    world.pass(LOOK);
    assert_eq!(
        kind(world.ask(ALICE, add("mallory", secret))),
        Ok(Answer::Done),
        "it has proven it after all"
    );
}

/// 7: an old database is put back.
#[test]
fn a_log_that_is_rolled_back_is_refused() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.pass(25 * HOUR);
    let old = world.server.log.size() - 1;
    let mut rolled_back = world.server.log.rolled_back(old);
    rolled_back.frozen = true;
    let honest = std::mem::replace(&mut world.server.log, rolled_back);
    world.restart(ALICE);
    world.clients[ALICE].events.clear();
    world.connect(ALICE);
    world.settle();
    let expected = Alarm::KeyLogRolledBack { known: old + 1, shown: old };
    assert!(world.alarms(ALICE).contains(&&expected), "{:?}", world.alarms(ALICE));
    world.say(ALICE, room, "does this go out?");
    assert_eq!((waiting(&world, ALICE, room), world.said(BOB, room).len()), (1, 0), "the message waits");
    world.server.log = honest;
    world.pass(LOOK);
    assert_eq!((waiting(&world, ALICE, room), world.said(BOB, room).len()), (0, 1), "now it is proven");
}

#[test]
fn a_log_that_grows_between_two_answers_is_no_alarm() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.lobby();
    world.server.log_is_busy = true;
    world.clients[ALICE].forget_people();
    world.disconnect(ALICE);
    world.connect(ALICE);
    world.settle();
    world.say(ALICE, room, "hello");
    assert_eq!(world.said(BOB, room), ["alice: hello"]);
    let broken =
        |alarm: &&Alarm| matches!(alarm, Alarm::KeyLogBroken { .. } | Alarm::KeyLogRolledBack { .. });
    assert_eq!(world.alarms(ALICE).into_iter().find(broken), None);
}

/// Attack 8: no heartbeats.
#[test]
fn a_frozen_log_is_warned_of_after_two_days() {
    let mut world = World::of(&["alice", "bob"]);
    world.server.log.frozen = true;
    world.pass(47 * HOUR);
    assert_eq!(world.alarms(ALICE), Vec::<&Alarm>::new());
    world.pass(2 * HOUR);
    assert!(matches!(world.alarms(ALICE)[..], [Alarm::KeyLogFrozen { .. }]), "{:?}", world.alarms(ALICE));
    let room = world.create(ALICE, "secret", Access::Private);
    assert_eq!(kind(world.ask(ALICE, add("bob", room))), Err(ErrorKind::Alarm), "nobody is proven any more");
}

/// Attack 9: somebody has the identity key, and adds a device that its user has never listed.
#[test]
fn a_ghost_device_is_told_and_nothing_is_said_before_it() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let bob = world.clients[BOB].device;
    let ghost = world.ghost_of(BOB);
    assert_eq!(ghost.uid, bob.uid);
    world.disconnect(BOB);
    let before = world.epoch(ALICE, room);
    world.join_as_ghost(BOB, ghost, room);
    world.pass(LOOK);
    let told = |alarm: &&Alarm| matches!(alarm, Alarm::GhostDevice { device, .. } if *device == ghost);
    assert!(world.alarms(ALICE).iter().any(told), "{:?}", world.alarms(ALICE));
    world.say(ALICE, room, "who reads this?");
    assert_eq!(waiting(&world, ALICE, room), 1, "the message waits");
    assert_eq!(world.epoch(ALICE, room), before.map(|epoch| epoch + 1), "the commit is valid all the same");
    // Its user is told as well, and puts it out.
    world.connect(BOB);
    world.pass(LOOK);
    assert!(world.alarms(BOB).iter().any(told), "{:?}", world.alarms(BOB));
    assert_eq!(world.said(BOB, room), ["alice: who reads this?"]);
}

/// Attack 9: a ghost device.
/// 9, by whoever hands out key packages.
#[test]
fn keys_of_a_ghost_device_let_nobody_in() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.create(ALICE, "secret", Access::Private);
    let bob = world.clients[BOB].device;
    let package = world.server.key_packages[&(bob, 0xF0C1)].one_time[0].clone();
    let ghost = DeviceId { uid: bob.uid, did: Did([9; 10]) };
    world.server.more_packages.push(ClaimedKeyPackage { device: ghost, key_package: package });
    assert_eq!(kind(world.ask(ALICE, add("bob", room))), Err(ErrorKind::Alarm));
    assert_eq!(world.epoch(ALICE, room), Some(0));
}

/// Attack 10: a list of before.
#[test]
fn an_old_device_list_is_refused() {
    let mut world = World::of(&["alice", "bob"]);
    world.lobby();
    let bob = world.clients[BOB].device.uid;
    let (signed, now) = (world.list_of(BOB, 2), world.now);
    world.server.log.list(bob, signed, now);
    world.pass(LOOK);
    assert_eq!(world.alarms(ALICE), Vec::<&Alarm>::new(), "a new list is no attack");
    assert_eq!(world.alarms(BOB), Vec::<&Alarm>::new(), "and it is signed by his key");
    world.server.log.shows_old_records = true;
    let room = world.create(ALICE, "secret", Access::Private);
    assert_eq!(kind(world.ask(ALICE, add("bob", room))), Err(ErrorKind::Alarm));
    world.server.log.shows_old_records = false;
    world.pass(LOOK);
    assert_eq!(kind(world.ask(ALICE, add("bob", room))), Ok(Answer::Done));
}

/// An account from before the log gets its list by itself; what is said to it waits until then.
#[test]
fn messages_wait_for_the_list_of_an_account_that_is_older_than_the_log() {
    let mut world = World::unconnected(&["alice", "bob"], Some(BOB));
    world.server.refuses_lists = true;
    (0..2).for_each(|client| world.connect(client));
    world.settle();
    let room = world.lobby();
    world.say(ALICE, room, "hello");
    world.say(BOB, room, "is anybody here?");
    assert_eq!((waiting(&world, ALICE, room), world.said(BOB, room).len()), (1, 1), "who reads this?");
    assert_eq!(world.said(ALICE, room)[0], "bob: is anybody here?", "he has proof of her");
    world.server.refuses_lists = false;
    world.pass(LOOK);
    assert_eq!(world.said(BOB, room).last().unwrap(), "alice: hello");
    assert_eq!(world.alarms(BOB), Vec::<&Alarm>::new());
    assert_eq!(world.alarms(ALICE), Vec::<&Alarm>::new());
}

/// What is in the vault is enough to go on from, however often the program dies.
#[test]
fn the_log_is_followed_from_where_it_was_after_a_restart() {
    let mut world = World::of(&["alice", "bob"]);
    world.lobby();
    world.pass(49 * HOUR);
    let size = world.server.log.size();
    world.restart(ALICE);
    let before = world.seen("follow log");
    world.connect(ALICE);
    world.settle();
    assert_eq!(world.seen("follow log"), before + 1, "one page, for nothing is new");
    assert_eq!(world.server.log.size(), size);
    assert_eq!(world.alarms(ALICE), Vec::<&Alarm>::new());
    assert!(world.clients[ALICE].events.contains(&Event::CaughtUp));
}

impl World {
    /// A list of somebody's only device.
    pub(super) fn list_of(
        &self,
        client: usize,
        version: u32,
    ) -> openchat_protocol::device_list::SignedDeviceList {
        let credentials = self.clients[client].credentials();
        let identity = IdentityKey::from_pkcs8(&credentials.identity_key).unwrap();
        let key = DeviceKey::from_pkcs8(&credentials.device_key).unwrap();
        let listed = ListedDevice { did: credentials.device.did, key: key_hash(&key.public_point()) };
        device_list::sign(&identity, &credentials.server, version, vec![listed])
    }

    /// A device that has a certificate of somebody's identity key, and is in no list.
    fn ghost_of(&mut self, client: usize) -> DeviceId {
        let credentials = self.clients[client].credentials();
        let identity = IdentityKey::from_pkcs8(&credentials.identity_key).unwrap();
        let key = DeviceKey::generate();
        let device = DeviceId { uid: identity.uid(), did: Did([9; 10]) };
        let mut chain = credentials.chain.clone();
        chain[0] = issue_device_certificate(&identity, key.public_key(), device.did, self.now).into();
        self.server.chains.insert(device, chain.clone());
        self.ghost = Some((key, chain));
        device
    }

    /// The ghost joins the room from outside, as any device of a member could.
    fn join_as_ghost(&mut self, client: usize, ghost: DeviceId, room: openchat_protocol::RoomId) {
        let (key, chain) = self.ghost.take().unwrap();
        let chain: Vec<Vec<u8>> = chain.iter().map(|der| der.to_vec()).collect();
        let anchor = self.server.anchor.clone();
        let device = openchat_e2ee::Device::new(key, &chain, anchor).unwrap();
        let of_room = openchat_protocol::room::FetchJoinInfo {
            room: openchat_protocol::room::RoomSelector::Id(room),
            doubted: Vec::new(),
        };
        let ask = openchat_protocol::Request::FetchJoinInfo(of_room);
        let info = match self.server.ask(self.clients[client].device, ask) {
            openchat_protocol::Response::JoinInfo(info) => info,
            other => panic!("{other:?}"),
        };
        let (_, draft) = device.join_external(&info, None, self.now).unwrap();
        let append = openchat_protocol::append::Append {
            room,
            message_id: openchat_protocol::MessageId([9; 16]),
            base: info.base,
            kind: openchat_protocol::record::RecordKind::Commit,
            payload: draft.payload.into(),
            bundle: Some(draft.bundle),
        };
        self.server.ask(ghost, openchat_protocol::Request::Append(append));
        self.settle();
    }
}
