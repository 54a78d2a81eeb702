//! Several devices of one user: every room follows the list.

use std::time::Duration;

use openchat_identity::device::issue_device_certificate;
use openchat_identity::device_list::{self, key_hash};
use openchat_identity::{DeviceKey, IdentityKey};
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::{DeviceId, Did};

use super::world::{ALICE, BOB, World, kind};
use crate::command::{Access, Answer, Command};
use crate::error::ErrorKind;
use crate::event::{Alarm, Membership};
use crate::trust::{Comparing, Outcome, Trust};
use crate::vault::Credentials;

const LOOK: Duration = Duration::from_secs(700);
const MOMENT: Duration = Duration::from_secs(30);
/// The first client that is added to a world of two.
const PHONE: usize = 2;

impl World {
    /// One more device of somebody, listed and connected.
    pub(super) fn link(&mut self, client: usize) -> usize {
        let mut new = self.clients[client].credentials().clone();
        let identity = IdentityKey::from_pkcs8(&new.identity_key).unwrap();
        let (key, did) = (DeviceKey::generate(), Did([u8::try_from(self.clients.len()).unwrap(); 10]));
        new.chain[0] = issue_device_certificate(&identity, key.public_key(), did, self.now).into();
        new.device = DeviceId { uid: identity.uid(), did };
        new.device_key = key.to_pkcs8().to_vec().into();
        let devices = self.clients.iter().map(|it| it.credentials()).chain([&new]);
        let devices = devices.filter(|it| it.device.uid == new.device.uid).map(listed).collect();
        self.publish(client, devices);
        let added = self.add_profile(new);
        self.connect(added);
        added
    }

    fn publish(&mut self, client: usize, devices: Vec<ListedDevice>) {
        let credentials = self.clients[client].credentials();
        let identity = IdentityKey::from_pkcs8(&credentials.identity_key).unwrap();
        let (uid, version) = (identity.uid(), self.server.log.versions(identity.uid()) + 1);
        let signed = device_list::sign(&identity, &credentials.server, version, devices);
        let now = self.now;
        self.server.log.list(uid, signed, now);
    }

    fn devices(&mut self, client: usize) -> Vec<(Did, bool, usize)> {
        match self.ask(client, Command::Devices) {
            Ok(Answer::Devices(devices)) => devices.iter().map(|it| (it.did, it.is_this, it.rooms)).collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn listed(credentials: &Credentials) -> ListedDevice {
    let key = DeviceKey::from_pkcs8(&credentials.device_key).unwrap();
    ListedDevice { did: credentials.device.did, key: key_hash(&key.public_point()) }
}

/// Two rooms of Alice and Bob, and a phone of Alice's.
fn linked() -> (World, [openchat_protocol::RoomId; 2]) {
    let mut world = World::of(&["alice", "bob"]);
    let lobby = world.lobby();
    let secret = world.create(ALICE, "secret", Access::Private);
    world.ask(ALICE, Command::AddMember { room: secret, name: "bob".parse().unwrap() }).unwrap();
    assert_eq!(world.link(ALICE), PHONE);
    world.ask(ALICE, Command::FollowDevices).unwrap();
    world.pass(MOMENT);
    (world, [lobby, secret])
}

#[test]
fn a_new_device_is_in_every_room_of_its_user() {
    let (mut world, rooms) = linked();
    for room in rooms {
        assert_eq!(world.view(BOB, room).last().unwrap(), "a device of alice joined");
        world.say(PHONE, room, "from the phone");
        world.say(ALICE, room, "from the desk");
        world.say(BOB, room, "hello both");
        let said = ["alice: from the phone", "alice: from the desk", "bob: hello both"];
        for client in [ALICE, BOB, PHONE] {
            assert_eq!(world.said(client, room), said, "client {client}");
        }
    }
    for client in [ALICE, BOB, PHONE] {
        assert_eq!(world.alarms(client), Vec::<&Alarm>::new(), "client {client}");
    }
    let (desk, phone) = (world.clients[ALICE].device.did, world.clients[PHONE].device.did);
    let mut devices = world.devices(ALICE);
    devices.sort_by_key(|(_, is_this, _)| !is_this);
    assert_eq!(devices, [(desk, true, 2), (phone, false, 2)]);
}

#[test]
fn a_device_that_was_not_there_yet_comes_in_later() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.link(ALICE);
    world.disconnect(PHONE);
    world.server.key_packages.clear();
    world.ask(ALICE, Command::FollowDevices).unwrap();
    world.pass(MOMENT);
    world.say(ALICE, room, "nobody waits for it");
    assert_eq!(world.said(BOB, room).len(), 1);
    world.connect(PHONE);
    world.pass(Duration::from_secs(1_200));
    world.say(BOB, room, "now it is here");
    assert_eq!(world.said(PHONE, room), ["bob: now it is here"]);
}

#[test]
fn who_leaves_a_room_leaves_it_with_every_device() {
    let (mut world, [room, _]) = linked();
    world.ask(PHONE, Command::LeaveRoom { room }).unwrap();
    world.pass(Duration::from_secs(60));
    for client in [ALICE, PHONE] {
        let overview = world.overviews(client).into_iter().find(|it| it.room == room).unwrap();
        assert_eq!(overview.membership, Membership::Left, "client {client}");
    }
    let left = world.view(BOB, room).iter().filter(|line| *line == "alice left").count();
    assert_eq!(left, 1, "{:?}", world.view(BOB, room));
    let Ok(Answer::Members(members)) = world.ask(BOB, Command::Members { room }) else { panic!() };
    assert_eq!(members.len(), 1);
}

#[test]
fn people_with_several_devices_compare_on_one_of_them() {
    let (mut world, [room, _]) = linked();
    let second = world.link(BOB);
    world.ask(BOB, Command::FollowDevices).unwrap();
    world.pass(MOMENT);
    let compare = |name: &str| Command::Compare { room, name: name.parse().unwrap() };
    world.ask(ALICE, compare("bob")).unwrap();
    world.ask(second, compare("alice")).unwrap();
    let code = |stages: Vec<Comparing>| stages.into_iter().find(|it| matches!(it, Comparing::Code(_)));
    assert!(code(world.comparisons(ALICE)).is_some());
    assert_eq!(code(world.comparisons(ALICE)), code(world.comparisons(second)));
    for (client, name) in [(ALICE, "bob"), (second, "alice")] {
        world.ask(client, Command::Decide { name: name.parse().unwrap(), same: true }).unwrap();
    }
    world.pass(LOOK);
    assert_eq!((world.trust(ALICE, BOB), world.trust(second, ALICE)), (Trust::Compared, Trust::Compared));
    for client in [ALICE, BOB, PHONE, second] {
        let cancelled = Comparing::Ended(Outcome::Cancelled);
        assert!(!world.comparisons(client).contains(&cancelled), "client {client}");
    }
}

/// Attack 16: a device that was stolen while it was open.
#[test]
fn a_revoked_device_gets_nothing_afterwards() {
    let (mut world, rooms) = linked();
    let phone = world.clients[PHONE].device.did;
    let revoke = |id: &str| Command::RevokeDevice { id: id.to_owned() };
    assert_eq!(kind(world.ask(ALICE, revoke("zz"))), Err(ErrorKind::NotFound));
    let own = world.clients[ALICE].device.did.to_string();
    assert_eq!(kind(world.ask(ALICE, revoke(&own))), Err(ErrorKind::Usage));
    world.disconnect(PHONE);
    assert_eq!(kind(world.ask(ALICE, revoke(&phone.to_string()))), Ok(Answer::Done));
    world.pass(LOOK);
    let before = world.epoch(PHONE, rooms[0]);
    for room in rooms {
        world.say(ALICE, room, "only for two");
        world.say(BOB, room, "indeed");
        assert_eq!(world.said(BOB, room), ["alice: only for two", "bob: indeed"]);
        let Ok(Answer::Members(members)) = world.ask(BOB, Command::Members { room }) else { panic!() };
        assert!(members.iter().all(|member| member.devices.len() == 1), "it is out of the keys");
        assert_eq!(world.said(PHONE, room), Vec::<String>::new());
    }
    assert_eq!(world.epoch(PHONE, rooms[0]), before, "its keys are those of before");
    assert_eq!(world.alarms(BOB), Vec::<&Alarm>::new(), "it is no ghost");
    assert_eq!(world.devices(ALICE).len(), 1);
}

/// The user's other devices are away: nothing is said until it is out, and an administrator may see to that.
#[test]
fn nothing_is_said_to_a_revoked_device_that_is_still_in_the_keys() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let phone = world.link(BOB);
    world.ask(BOB, Command::FollowDevices).unwrap();
    world.pass(MOMENT);
    world.say(phone, room, "it is in");
    world.disconnect(BOB);
    world.disconnect(phone);
    let desk = listed(world.clients[BOB].credentials());
    world.publish(BOB, vec![desk]);
    world.pass(LOOK);
    assert_eq!(world.alarms(ALICE), Vec::<&Alarm>::new(), "it is no ghost");
    world.say(ALICE, room, "without the phone");
    world.connect(BOB);
    world.pass(MOMENT);
    assert_eq!(world.said(BOB, room), ["bob: it is in", "alice: without the phone"]);
    let Ok(Answer::Members(members)) = world.ask(ALICE, Command::Members { room }) else { panic!() };
    assert!(members.iter().all(|member| member.devices.len() == 1));
}

#[test]
fn who_may_not_remove_a_revoked_device_waits_until_it_is_out() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.link(ALICE);
    world.ask(ALICE, Command::FollowDevices).unwrap();
    world.pass(MOMENT);
    world.disconnect(ALICE);
    world.disconnect(PHONE);
    let desk = listed(world.clients[ALICE].credentials());
    world.publish(ALICE, vec![desk]);
    world.pass(LOOK);
    world.say(BOB, room, "who reads this?");
    assert!(world.said(BOB, room)[0].contains("Pending"), "{:?}", world.said(BOB, room));
    world.connect(ALICE);
    world.pass(LOOK);
    assert_eq!(world.said(ALICE, room), ["bob: who reads this?"]);
    assert_eq!(world.alarms(BOB), Vec::<&Alarm>::new());
}
