//! Whose key it is: invites that verify both ends, comparisons, and servers and members that try to come in between.

use std::time::Duration;

use openchat_e2ee::Verification;
use openchat_identity::{InviteLink, InviteToken, VouchKey};
use openchat_protocol::RoomId;
use openchat_protocol::record::Position;

use super::world::{ALICE, BOB, CAROL, World, kind};
use crate::ShortCode;
use crate::command::{Access, Answer, Command};
use crate::error::ErrorKind;
use crate::event::{Alarm, Event, InviteFault};
use crate::trust::{Comparing, Outcome, RoomTrust, Trust};
use crate::vault::{Voucher, Write};

const MOMENT: Duration = Duration::from_secs(5);

fn invite(world: &mut World, uses: u32) -> InviteLink {
    let room = Some("lobby".parse().unwrap());
    let valid = Duration::from_secs(3600);
    match world.ask(ALICE, Command::CreateInvite { valid, uses, room }) {
        Ok(Answer::Invite(link)) => link.parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// As after enrolling with `link`, on a server that names `room`.
fn came_by(link: &InviteLink, room: &str) -> Write {
    let room = Some(room.parse().unwrap());
    let key = VouchKey::of(&link.token);
    Write::Voucher(Some(Box::new(Voucher::new(link.token.redeem_hash(), &key, link.inviter.unwrap(), room))))
}

fn faults(world: &World, client: usize) -> Vec<InviteFault> {
    let fault = |alarm: &&Alarm| if let Alarm::Invite { fault, .. } = alarm { Some(*fault) } else { None };
    world.alarms(client).iter().filter_map(fault).collect()
}

fn compare(world: &mut World, client: usize, room: RoomId, with: &str) {
    let answer = world.ask(client, Command::Compare { room, name: with.parse().unwrap() });
    assert_eq!(answer, Ok(Answer::Done));
}

fn decide(world: &mut World, client: usize, with: &str, same: bool) -> Result<Answer, ErrorKind> {
    kind(world.ask(client, Command::Decide { name: with.parse().unwrap(), same }))
}

fn code(world: &World, client: usize) -> Option<ShortCode> {
    world.comparisons(client).into_iter().rev().find_map(|stage| match stage {
        Comparing::Code(code) => Some(code),
        _ => None,
    })
}

/// Alice and Bob know each other by an invite, and are in the lobby.
fn acquainted(names: &[&str]) -> (World, RoomId) {
    let mut world = World::of(names);
    let link = invite(&mut world, 1);
    world.plant(BOB, came_by(&link, "lobby"));
    let room = world.lobby();
    assert_eq!((world.trust(ALICE, BOB), world.trust(BOB, ALICE)), (Trust::Invited, Trust::Invited));
    (world, room)
}

/// The server gives Bob's name to somebody else from now on, who is in the room.
fn swap_bob(world: &mut World, room: RoomId) -> usize {
    let mallory = world.add_client("bob");
    world.connect(mallory);
    world.settle();
    assert_eq!(world.join(mallory, "lobby"), room);
    world.pass(MOMENT);
    mallory
}

// Invites.

#[test]
fn an_invite_verifies_both_ends() {
    let (mut world, room) = acquainted(&["alice", "bob", "carol"]);
    assert_eq!((world.trust(CAROL, BOB), world.trust(CAROL, ALICE)), (Trust::FirstUse, Trust::FirstUse));
    assert!(world.view(ALICE, room).contains(&"bob: Invited".to_owned()));
    assert!(world.view(BOB, room).contains(&"alice: Invited".to_owned()));
    assert!(world.said(CAROL, room).is_empty(), "others see nothing of it");
    world.say(BOB, room, "hello");
    world.restart(ALICE);
    world.connect(ALICE);
    world.pass(MOMENT);
    let line = world.lines(ALICE, room).pop().unwrap();
    assert_eq!((line.author.trust, line.author.to_string()), (Trust::Invited, "bob".to_owned()));
    let trust = world.overviews(ALICE)[0].trust;
    assert_eq!(trust, RoomTrust { invited: 1, first_use: 1, ..RoomTrust::default() });
}

#[test]
fn an_invite_for_several_verifies_nobody() {
    let mut world = World::of(&["alice", "bob"]);
    assert_eq!(invite(&mut world, 2).inviter, None);
    assert!(invite(&mut world, 1).inviter.is_some());
}

#[test]
fn the_inviter_answers_when_it_is_there_again() {
    let mut world = World::of(&["alice", "bob"]);
    let link = invite(&mut world, 1);
    let room = world.create(ALICE, "lobby", Access::Listed);
    world.restart(ALICE);
    world.plant(BOB, came_by(&link, "lobby"));
    assert_eq!(world.join(BOB, "lobby"), room);
    assert_eq!(world.trust(BOB, ALICE), Trust::FirstUse, "that the proof is on its way shows nothing");
    world.connect(ALICE);
    world.pass(MOMENT);
    assert_eq!((world.trust(ALICE, BOB), world.trust(BOB, ALICE)), (Trust::Invited, Trust::Invited));
}

/// The server redeems the invite for a key of its own, which it calls by the name of who was invited.
#[test]
fn an_invitee_who_was_swapped_is_noticed() {
    let mut world = World::of(&["alice", "bob"]);
    let link = invite(&mut world, 1);
    // It knows the hash, not the key.
    let other = InviteLink { token: InviteToken::generate(), ..link.clone() };
    let key = VouchKey::of(&other.token);
    let forged = Voucher::new(link.token.redeem_hash(), &key, link.inviter.unwrap(), None);
    world.plant(BOB, Write::Voucher(Some(Box::new(forged))));
    world.lobby();
    assert_eq!(faults(&world, ALICE), [InviteFault::Forged]);
    assert_eq!((world.trust(ALICE, BOB), world.trust(BOB, ALICE)), (Trust::FirstUse, Trust::FirstUse));
}

#[test]
fn an_invite_proves_one_person_only() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let link = invite(&mut world, 1);
    let lobby = world.create(ALICE, "lobby", Access::Listed);
    for client in [BOB, CAROL] {
        world.plant(client, came_by(&link, "lobby"));
        assert_eq!(world.join(client, "lobby"), lobby);
    }
    world.pass(MOMENT);
    assert_eq!((world.trust(ALICE, BOB), world.trust(ALICE, CAROL)), (Trust::Invited, Trust::FirstUse));
    assert_eq!(faults(&world, ALICE), [InviteFault::Twice]);
}

#[test]
fn who_is_led_to_another_room_is_noticed() {
    let mut world = World::of(&["alice", "bob"]);
    let link = invite(&mut world, 1);
    world.plant(BOB, came_by(&link, "elsewhere"));
    world.lobby();
    assert_eq!(faults(&world, ALICE), [InviteFault::OtherRoom]);
    assert_eq!(world.trust(ALICE, BOB), Trust::FirstUse);
}

#[test]
fn an_answer_that_the_inviter_did_not_give_is_no_answer() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let link = invite(&mut world, 1);
    world.restart(ALICE);
    let room = world.create(CAROL, "lobby", Access::Listed);
    world.plant(BOB, came_by(&link, "lobby"));
    world.connect(ALICE);
    world.settle();
    assert_eq!(world.join(BOB, "lobby"), room);
    let invite = link.token.redeem_hash();
    let forged = |name: &str| Verification::InviteAnswer {
        invite,
        name: name.parse().unwrap(),
        proof: [1; 32].into(),
    };
    world.say_step(CAROL, room, forged("alice"));
    assert!(world.alarms(BOB).is_empty(), "whoever is not the inviter of the link has nothing to say");
    assert_eq!(world.trust(BOB, CAROL), Trust::FirstUse);
    world.clients[ALICE].events.clear();
    assert_eq!(world.join(ALICE, "lobby"), room);
    assert_eq!(world.trust(BOB, ALICE), Trust::Invited, "and the true answer still counts");
}

// Comparing over a room.

#[test]
fn two_people_compare_over_a_room() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.lobby();
    compare(&mut world, ALICE, room, "bob");
    assert_eq!(world.comparisons(BOB), [Comparing::Asked]);
    assert!(world.comparisons(CAROL).is_empty());
    compare(&mut world, BOB, room, "alice");
    let shown = code(&world, ALICE);
    assert!(shown.is_some() && shown == code(&world, BOB));
    assert_eq!(world.trust(ALICE, BOB), Trust::FirstUse, "a code that nobody has looked at shows nothing");
    assert_eq!(decide(&mut world, ALICE, "bob", true), Ok(Answer::Done));
    assert_eq!(decide(&mut world, BOB, "alice", true), Ok(Answer::Done));
    assert_eq!((world.trust(ALICE, BOB), world.trust(BOB, ALICE)), (Trust::Compared, Trust::Compared));
    assert_eq!((world.trust(CAROL, BOB), world.trust(ALICE, CAROL)), (Trust::FirstUse, Trust::FirstUse));
    assert!(world.said(CAROL, room).is_empty());
    assert_eq!(decide(&mut world, ALICE, "bob", true), Err(ErrorKind::Usage), "one code, one decision");
}

#[test]
fn two_who_begin_at_once_see_one_code() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    for (client, with) in [(ALICE, "bob"), (BOB, "alice")] {
        world.begin(client, Command::Compare { room, name: with.parse().unwrap() });
    }
    world.pass(MOMENT);
    let shown = code(&world, ALICE);
    assert!(shown.is_some() && shown == code(&world, BOB));
}

#[test]
fn codes_that_differ_verify_nobody() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    compare(&mut world, ALICE, room, "bob");
    compare(&mut world, BOB, room, "alice");
    assert_eq!(decide(&mut world, ALICE, "bob", false), Ok(Answer::Done));
    assert_eq!(world.comparisons(BOB).last(), Some(&Comparing::Ended(Outcome::SaidToDiffer)));
    assert_eq!(world.trust(ALICE, BOB), Trust::FirstUse);
    assert_eq!(decide(&mut world, BOB, "alice", true), Err(ErrorKind::Usage));
}

#[test]
fn who_was_too_quick_is_told_that_the_codes_differ() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.lobby();
    compare(&mut world, ALICE, room, "bob");
    compare(&mut world, BOB, room, "alice");
    let (exchange, with) = (exchange_of(&world, BOB).into(), world.clients[BOB].device.uid);
    assert_eq!(decide(&mut world, BOB, "alice", true), Ok(Answer::Done));
    // Nobody else can say so.
    world.say_step(CAROL, room, Verification::Differ { exchange, with });
    assert_eq!(world.comparisons(BOB).last(), Some(&Comparing::Ended(Outcome::Same)));
    assert_eq!(world.trust(BOB, ALICE), Trust::Compared);
    assert_eq!(decide(&mut world, ALICE, "bob", false), Ok(Answer::Done));
    assert_eq!(world.comparisons(BOB).last(), Some(&Comparing::Ended(Outcome::SaidToDiffer)));
    assert_eq!(world.trust(BOB, ALICE), Trust::FirstUse, "a comparison takes two");
    let told = world.comparisons(BOB).len();
    world.say_step(ALICE, room, Verification::Differ { exchange, with });
    assert_eq!(world.comparisons(BOB).len(), told, "once");
}

/// What Alice has sent to begin, as everybody in the room reads it.
fn exchange_of(world: &World, client: usize) -> [u8; 16] {
    world.clients[client].engine_exchange()
}

#[test]
fn a_member_in_the_middle_cannot_steer_a_comparison() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.lobby();
    compare(&mut world, ALICE, room, "bob");
    let exchange = exchange_of(&world, ALICE).into();
    // Carol has read everything and answers in Bob's place, opens in Alice's, and calls it off.
    world.say_step(CAROL, room, Verification::Accept { exchange, nonce: [1; 32].into() });
    world.say_step(CAROL, room, Verification::Reveal { exchange, nonce: [1; 32].into() });
    for with in [ALICE, BOB] {
        let with = world.clients[with].device.uid;
        world.say_step(CAROL, room, Verification::Cancel { exchange, with });
    }
    assert_eq!(code(&world, ALICE), None);
    let bob = world.clients[BOB].device.uid;
    // An exchange of the same identifier is another one.
    world.say_step(CAROL, room, Verification::Begin { exchange, with: bob, commitment: [1; 32].into() });
    compare(&mut world, BOB, room, "alice");
    world.say_step(CAROL, room, Verification::Reveal { exchange, nonce: [1; 32].into() });
    let shown = code(&world, ALICE);
    assert!(shown.is_some() && shown == code(&world, BOB));
}

#[test]
fn who_asks_again_and_again_makes_no_noise() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let alice = world.clients[ALICE].device.uid;
    for number in 0..5 {
        let exchange = [number; 16].into();
        world.say_step(BOB, room, Verification::Begin { exchange, with: alice, commitment: [1; 32].into() });
    }
    assert_eq!(world.comparisons(ALICE), [Comparing::Asked]);
    world.restart(ALICE);
    world.connect(ALICE);
    world.pass(MOMENT);
    world.server.seen.clear();
    for number in 0..5 {
        world.say_step(
            BOB,
            room,
            Verification::Accept { exchange: [number; 16].into(), nonce: [1; 32].into() },
        );
    }
    assert_eq!(world.seen("message"), 6, "five of Bob's, and one of Alice's");
}

#[test]
fn a_commitment_that_is_not_kept_ends_the_comparison() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let (bob, exchange) = (world.clients[BOB].device.uid, [1; 16].into());
    world.say_step(ALICE, room, Verification::Begin { exchange, with: bob, commitment: [2; 32].into() });
    world.disconnect(ALICE);
    compare(&mut world, BOB, room, "alice");
    world.say_step(ALICE, room, Verification::Reveal { exchange, nonce: [3; 32].into() });
    world.connect(ALICE);
    world.pass(MOMENT);
    assert_eq!(world.comparisons(BOB).last(), Some(&Comparing::Ended(Outcome::Broken)));
    assert_eq!(code(&world, BOB), None);
}

#[test]
fn who_answers_too_late_is_told_so() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    compare(&mut world, ALICE, room, "bob");
    world.pass(Duration::from_secs(11 * 60));
    for client in [ALICE, BOB] {
        assert_eq!(world.comparisons(client).last(), Some(&Comparing::Ended(Outcome::TimedOut)));
    }
    // Alice's program has forgotten it, and says so to whoever answers all the same.
    world.say_step(BOB, room, Verification::Accept { exchange: [9; 16].into(), nonce: [1; 32].into() });
    assert_eq!(code(&world, ALICE), None);
}

#[test]
fn what_was_asked_while_away_is_asked_again_by_who_still_wants_it() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    world.restart(BOB);
    compare(&mut world, ALICE, room, "bob");
    world.pass(Duration::from_secs(3600));
    world.connect(BOB);
    world.pass(MOMENT);
    assert!(!world.comparisons(BOB).contains(&Comparing::Asked));
}

#[test]
fn a_server_that_drops_steps_verifies_nobody() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    compare(&mut world, ALICE, room, "bob");
    world.server.swallow = true;
    compare(&mut world, BOB, room, "alice");
    world.pass(Duration::from_secs(11 * 60));
    assert_eq!((code(&world, ALICE), code(&world, BOB)), (None, None));
    assert_eq!((world.trust(ALICE, BOB), world.trust(BOB, ALICE)), (Trust::FirstUse, Trust::FirstUse));
}

#[test]
fn a_server_that_replays_steps_begins_nothing() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    compare(&mut world, ALICE, room, "bob");
    let asked = world.comparisons(BOB).len();
    let log = &mut world.server.rooms.get_mut(&room).unwrap().log;
    let (mut record, place) = log.last().unwrap().clone();
    record.sequence += 1;
    let chain = place.chain.then(&record.to_bytes());
    log.push((record.clone(), Position { sequence: record.sequence, chain }));
    world.say(ALICE, room, "and more");
    assert_eq!(world.comparisons(BOB).len(), asked);
    assert!(
        world.view(BOB, room).contains(&"unreadable, by alice".to_owned()),
        "{:?}",
        world.view(BOB, room)
    );
}

// Numbers.

#[test]
fn two_people_compare_numbers_on_another_way() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.lobby();
    let number = |world: &mut World, client, of: &str| match world
        .ask(client, Command::SafetyNumber { name: of.parse().unwrap() })
    {
        Ok(Answer::Acquaintance(known)) => known.number,
        other => panic!("{other:?}"),
    };
    let (mine, wrong) = (number(&mut world, BOB, "alice"), number(&mut world, CAROL, "alice"));
    assert_eq!(number(&mut world, ALICE, "bob"), mine);
    let mut check =
        |code: String| kind(world.ask(ALICE, Command::CompareNumber { name: "bob".parse().unwrap(), code }));
    assert_eq!(check(wrong.to_string()), Err(ErrorKind::Alarm));
    assert_eq!(check("12345".into()), Err(ErrorKind::Usage));
    assert_eq!(check(mine.to_code()), Ok(Answer::Done));
    assert_eq!((world.trust(ALICE, BOB), world.trust(ALICE, CAROL)), (Trust::Compared, Trust::FirstUse));
    let me = Command::SafetyNumber { name: "alice".parse().unwrap() };
    assert_eq!(kind(world.ask(ALICE, me)), Err(ErrorKind::Usage));
    let nobody = Command::SafetyNumber { name: "bobby".parse().unwrap() };
    assert_eq!(kind(world.ask(ALICE, nobody)), Err(ErrorKind::NotFound));
}

// A key that changes.

fn queue(world: &mut World, room: RoomId, text: &str) {
    assert!(matches!(world.ask(ALICE, Command::Send { room, text: text.into() }), Ok(Answer::Queued(_))));
}

fn told_why(world: &World) -> usize {
    let waits = |event: &&Event| matches!(event, Event::Trouble(why) if why.to_string().contains("the key of bob has changed"));
    world.clients[ALICE].events.iter().filter(waits).count()
}

/// Attack 4 of the design: the authority swaps a pinned identity.
#[test]
fn a_changed_key_of_a_verified_contact_stops_what_is_said() {
    let (mut world, room) = acquainted(&["alice", "bob"]);
    let mallory = swap_bob(&mut world, room);
    queue(&mut world, room, "for bob");
    assert!(world.said(mallory, room).is_empty() && world.said(BOB, room).is_empty());
    assert_eq!(world.said(ALICE, room), ["alice: for bob (Pending)"]);
    assert!(world.view(ALICE, room).contains(&"bob: Stopped".to_owned()), "{:?}", world.view(ALICE, room));
    assert_eq!((world.trust(ALICE, BOB), world.trust(ALICE, mallory)), (Trust::Changed, Trust::Changed));
    assert!(world.overviews(ALICE)[0].trust.is_stopped);
    assert_eq!(told_why(&world), 1);
    // It stays so, and what others say is still read; commits are as valid as before.
    world.restart(ALICE);
    world.connect(ALICE);
    world.say(BOB, room, "are you there?");
    assert_eq!(world.said(ALICE, room), ["bob: are you there?", "alice: for bob (Pending)"]);
    assert_eq!(world.epoch(ALICE, room), world.epoch(BOB, room));
    let accept = Command::AcceptKey { name: "bob".parse().unwrap() };
    assert_eq!(world.ask(ALICE, accept.clone()), Ok(Answer::Done));
    assert_eq!(world.said(mallory, room).len(), 2, "the person at the device has decided");
    assert_eq!((world.trust(ALICE, mallory), world.trust(ALICE, BOB)), (Trust::FirstUse, Trust::FirstUse));
    assert!(!world.overviews(ALICE)[0].trust.is_stopped);
    assert_eq!(kind(world.ask(ALICE, accept)), Err(ErrorKind::Usage));
}

#[test]
fn who_compares_again_finds_out_which_key_is_right() {
    let (mut world, room) = acquainted(&["alice", "bob"]);
    let mallory = swap_bob(&mut world, room);
    queue(&mut world, room, "for bob");
    let number = match world.ask(BOB, Command::SafetyNumber { name: "alice".parse().unwrap() }) {
        Ok(Answer::Acquaintance(known)) => known.number,
        other => panic!("{other:?}"),
    };
    let check = Command::CompareNumber { name: "bob".parse().unwrap(), code: number.to_string() };
    assert_eq!(world.ask(ALICE, check), Ok(Answer::Done));
    assert_eq!((world.trust(ALICE, BOB), world.trust(ALICE, mallory)), (Trust::Compared, Trust::FirstUse));
    assert_eq!(world.said(BOB, room).len(), 1);
    let impostor = world.clients[mallory].device.uid;
    world.say(mallory, room, "I am bob, believe me");
    let line = world.lines(ALICE, room).pop().unwrap();
    assert_eq!((line.author.uid, line.author.name), (impostor, None), "nobody else has that name");
}

#[test]
fn a_new_key_is_compared_over_a_room_that_is_stopped() {
    let (mut world, room) = acquainted(&["alice", "bob"]);
    let new = swap_bob(&mut world, room);
    compare(&mut world, ALICE, room, "bob");
    compare(&mut world, new, room, "alice");
    assert_eq!(code(&world, ALICE), code(&world, new));
    let told = |event: &Event| matches!(event, Event::Comparison { with, .. } if with.to_string() == "bob" && with.trust == Trust::Changed);
    assert!(world.clients[ALICE].events.iter().any(told), "under the name that is in dispute");
    assert_eq!(decide(&mut world, ALICE, "bob", true), Ok(Answer::Done));
    assert_eq!(world.trust(ALICE, new), Trust::Compared);
    assert_eq!(world.lines(ALICE, room).pop().unwrap().entry.message(), None);
    assert!(world.view(ALICE, room).contains(&"bob: Compared".to_owned()));
    world.say(ALICE, room, "hello");
    assert_eq!(world.said(new, room), ["alice: hello"]);
}

#[test]
fn a_new_key_whose_code_differs_after_all_is_in_dispute_again() {
    let (mut world, room) = acquainted(&["alice", "bob"]);
    let new = swap_bob(&mut world, room);
    compare(&mut world, ALICE, room, "bob");
    compare(&mut world, new, room, "alice");
    assert_eq!(decide(&mut world, ALICE, "bob", true), Ok(Answer::Done));
    assert_eq!(world.trust(ALICE, new), Trust::Compared);
    assert_eq!(decide(&mut world, new, "alice", false), Ok(Answer::Done));
    assert_eq!(world.trust(ALICE, new), Trust::Changed);
    queue(&mut world, room, "for bob");
    assert!(world.said(new, room).is_empty(), "nothing is said before it is decided");
}

#[test]
fn a_changed_key_at_first_use_is_a_line() {
    let mut world = World::of(&["alice", "bob"]);
    let room = world.lobby();
    let mallory = swap_bob(&mut world, room);
    assert!(world.view(ALICE, room).contains(&"bob: Changed".to_owned()));
    assert_eq!(world.trust(ALICE, mallory), Trust::Changed);
    world.say(ALICE, room, "hello");
    assert_eq!(world.said(BOB, room), ["alice: hello"]);
}

/// Whoever comes in may turn out to have the name of a key that was checked: until that is known nothing is said.
#[test]
fn nothing_is_said_to_who_may_be_an_impostor() {
    let (mut world, room) = acquainted(&["alice", "bob"]);
    world.server.hides_accounts = true;
    let mallory = swap_bob(&mut world, room);
    queue(&mut world, room, "for bob");
    assert!(world.said(mallory, room).is_empty());
    world.disconnect(ALICE);
    world.server.hides_accounts = false;
    world.connect(ALICE);
    world.pass(MOMENT);
    assert!(world.said(mallory, room).is_empty());
    assert_eq!(world.trust(ALICE, mallory), Trust::Changed);
}
