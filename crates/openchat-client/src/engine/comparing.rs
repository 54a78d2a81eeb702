//! Comparing keys over a room that both people are in: one commits to a nonce, the other answers with one, the first
//! opens the commitment, and both see a short code. What is compared is the code; the room only carries the steps.
//!
//! An exchange lives in memory and for [`LIFE`]: one code, one look at it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use openchat_e2ee::Verification;
use openchat_identity::comparison::{Commitment, Comparison, ExchangeId, Nonce, Party, ShortCode};
use openchat_protocol::record::Record;
use openchat_protocol::{DeviceId, RoomId, Timestamp, Uid, UserName};

use super::Engine;
use super::core::Core;
use super::room::Room;
use super::step::Ticket;
use super::trust::{not_here, room_of};
use super::vouching::Proof;
use crate::command::Answer;
use crate::error::{ClientError, ErrorKind};
use crate::event::Event;
use crate::random;
use crate::trust::{Comparing, Outcome};
use crate::vault::Contact;

/// From the first step to the decision of a person.
const LIFE: Duration = Duration::from_secs(10 * 60);

/// Exchanges of other devices that are remembered.
const ELSEWHERE: usize = 64;

/// Comparisons under way, one with each person.
#[derive(Default)]
pub(super) struct Comparisons {
    under_way: HashMap<Uid, Exchange>,
    /// With whom the codes were the same here, by the last exchange: the other one may see it otherwise.
    same: HashMap<Uid, Same>,
    /// Who was told that this device knows nothing of an exchange. Told once, or somebody could have it talk without end.
    turned_away: HashSet<Uid>,
    /// What this user's other devices have begun: the newest of them.
    elsewhere: VecDeque<ExchangeId>,
}

/// A comparison that the person here has found to agree.
struct Same {
    exchange: ExchangeId,
    room: RoomId,
    /// What was known before of whose name was compared.
    before: Contact,
}

/// One comparison.
struct Exchange {
    about: Comparison,
    stage: Stage,
    until: Timestamp,
}

enum Stage {
    /// This device has begun.
    Begun { nonce: Nonce },
    /// The other one has begun; the person here has not answered.
    Asked { device: DeviceId, commitment: Commitment },
    /// The person here has answered.
    Accepted { device: DeviceId, commitment: Commitment, nonce: Nonce },
    /// Both see the code.
    Code(ShortCode),
}

impl Comparisons {
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.under_way.values().map(|exchange| exchange.until).min()
    }

    /// Another device of this user takes part in an exchange: this one stays out of it.
    fn note_elsewhere(&mut self, step: &Verification) {
        match step {
            Verification::Begin { exchange, .. } => {
                self.elsewhere.push_back(**exchange);
                if self.elsewhere.len() > ELSEWHERE {
                    self.elsewhere.pop_front();
                }
            }
            Verification::Accept { exchange, .. } => {
                self.under_way.retain(|_, it| {
                    it.about.exchange != **exchange || !matches!(it.stage, Stage::Asked { .. })
                });
            }
            _ => {}
        }
    }

    fn of(&self, uid: Uid, exchange: &ExchangeId) -> Option<&Exchange> {
        self.under_way.get(&uid).filter(|it| it.about.exchange == *exchange)
    }
}

// What the other one's program says.

impl Room {
    /// A step of a member towards knowing each other's keys.
    pub(super) fn handle_verification(
        &mut self,
        cx: &mut Core,
        record: &Record,
        sender: DeviceId,
        step: &Verification,
    ) {
        let from = sender.uid;
        if from == cx.me().uid {
            return cx.comparisons.note_elsewhere(step);
        }
        match step {
            Verification::InviteProof { invite, name, room, proof } => {
                let proof = Proof { invite: *invite, name, room: room.as_ref(), proof };
                self.handle_invite_proof(cx, from, &proof);
            }
            Verification::InviteAnswer { invite, name, proof } => {
                self.handle_invite_answer(cx, from, &Proof { invite: *invite, name, room: None, proof });
            }
            Verification::Begin { exchange, with, commitment } if *with == cx.me().uid => {
                self.asked(cx, record.time, sender, (**exchange, **commitment));
            }
            Verification::Begin { .. } => {}
            Verification::Accept { exchange, nonce } => self.accepted(cx, sender, exchange, nonce),
            Verification::Reveal { exchange, nonce } => self.revealed(cx, sender, exchange, nonce),
            Verification::Cancel { exchange, with } => {
                if *with == cx.me().uid
                    && cx.comparisons.of(from, exchange).is_some_and(|it| it.about.room == self.id())
                {
                    cx.end_comparison(from, Outcome::Cancelled);
                }
            }
            Verification::Differ { exchange, with } if *with == cx.me().uid => {
                self.said_to_differ(cx, from, exchange);
            }
            Verification::Differ { .. } => {}
        }
    }

    fn asked(
        &mut self,
        cx: &mut Core,
        time: Timestamp,
        by: DeviceId,
        (exchange, commitment): (ExchangeId, Commitment),
    ) {
        // What was asked while this device was away is asked again by whoever still wants it.
        if cx.now.since(time) >= LIFE {
            return;
        }
        let me = cx.me().uid;
        let mine = cx.comparisons.under_way.get(&by.uid).map(|it| &it.stage);
        let both_began = matches!(mine, Some(Stage::Begun { .. }));
        // Of two who begin at once, the smaller identifier goes on: both sides see that alike.
        let is_taken = matches!(mine, Some(Stage::Accepted { .. } | Stage::Code(_)));
        if is_taken || both_began && me < by.uid {
            return;
        }
        // Who asks again and again is told of once.
        let is_told = matches!(mine, Some(Stage::Asked { .. }));
        let Some(about) = self.comparison(cx, exchange, (by.uid, me)) else { return };
        let until = cx.now.plus(LIFE);
        let stage = Stage::Asked { device: by, commitment };
        cx.comparisons.under_way.insert(by.uid, Exchange { about, stage, until });
        if both_began {
            self.accept(cx, by.uid);
        } else if !is_told {
            cx.tell_comparison(self.id(), by.uid, Comparing::Asked);
        }
    }

    /// The person here, or its wish to compare, answers whoever has asked.
    fn accept(&mut self, cx: &mut Core, uid: Uid) {
        let nonce: Nonce = random::bytes();
        let Some(exchange) = cx.comparisons.under_way.get_mut(&uid) else { return };
        let Stage::Asked { device, commitment } = exchange.stage else { return };
        exchange.stage = Stage::Accepted { device, commitment, nonce };
        let exchange = exchange.about.exchange.into();
        self.say_verification(cx, Verification::Accept { exchange, nonce: nonce.into() });
    }

    /// The other one takes part: this device opens its commitment, and can show the code.
    fn accepted(&mut self, cx: &mut Core, by: DeviceId, id: &ExchangeId, theirs: &Nonce) {
        let Some(exchange) = cx.comparisons.of(by.uid, id).filter(|it| it.about.room == self.id()) else {
            // Of a comparison that this device knows no more: else the other one would wait for it.
            let is_unknown =
                !cx.comparisons.under_way.contains_key(&by.uid) && !cx.comparisons.elsewhere.contains(id);
            if is_unknown && cx.comparisons.turned_away.insert(by.uid) {
                self.say_verification(cx, Verification::Cancel { exchange: (*id).into(), with: by.uid });
            }
            return;
        };
        let Stage::Begun { nonce } = exchange.stage else { return };
        let commitment = exchange.about.commit(&nonce);
        let code = exchange.about.code(&commitment, &nonce, theirs);
        let reveal = Verification::Reveal { exchange: (*id).into(), nonce: nonce.into() };
        self.say_verification(cx, reveal);
        self.show_code(cx, by.uid, code);
    }

    fn revealed(&mut self, cx: &mut Core, by: DeviceId, id: &ExchangeId, theirs: &Nonce) {
        let Some(exchange) = cx.comparisons.of(by.uid, id).filter(|it| it.about.room == self.id()) else {
            return;
        };
        match exchange.stage {
            Stage::Accepted { device, commitment, nonce } if device == by => {
                if !exchange.about.opens(&commitment, theirs) {
                    return cx.end_comparison(by.uid, Outcome::Broken);
                }
                let code = exchange.about.code(&commitment, theirs, &nonce);
                self.show_code(cx, by.uid, code);
            }
            _ => {}
        }
    }

    /// The other one's person has seen another code, whatever the person here has decided.
    fn said_to_differ(&self, cx: &mut Core, by: Uid, id: &ExchangeId) {
        if cx.comparisons.of(by, id).is_some_and(|it| it.about.room == self.id()) {
            cx.end_comparison(by, Outcome::SaidToDiffer);
        } else if cx.comparisons.same.get(&by).is_some_and(|it| (it.exchange, it.room) == (*id, self.id())) {
            if let Some(same) = cx.comparisons.same.remove(&by) {
                cx.know_as_before(by, same.before);
            }
            cx.tell_comparison(self.id(), by, Comparing::Ended(Outcome::SaidToDiffer));
        }
    }

    fn show_code(&self, cx: &mut Core, with: Uid, code: ShortCode) {
        if let Some(exchange) = cx.comparisons.under_way.get_mut(&with) {
            exchange.stage = Stage::Code(code);
        }
        cx.tell_comparison(self.id(), with, Comparing::Code(code));
    }

    /// What is compared, by the keys of the room's tree.
    fn comparison(
        &self,
        cx: &Core,
        exchange: ExchangeId,
        (initiator, responder): (Uid, Uid),
    ) -> Option<Comparison> {
        let party = |uid| Some(Party { uid, key: self.identity_key(uid)? });
        Some(Comparison {
            server: cx.credentials.server,
            room: self.id(),
            exchange,
            initiator: party(initiator)?,
            responder: party(responder)?,
        })
    }

    /// The identity key of somebody here.
    pub(super) fn identity_key(&self, uid: Uid) -> Option<Vec<u8>> {
        self.group.as_ref()?.identity_key(uid)
    }

    fn begin(&mut self, cx: &mut Core, with: Uid) {
        let (exchange, nonce): (ExchangeId, Nonce) = (random::bytes(), random::bytes());
        let Some(about) = self.comparison(cx, exchange, (cx.me().uid, with)) else { return };
        let commitment = about.commit(&nonce).into();
        let until = cx.now.plus(LIFE);
        cx.comparisons.under_way.insert(with, Exchange { about, stage: Stage::Begun { nonce }, until });
        self.say_verification(cx, Verification::Begin { exchange: exchange.into(), with, commitment });
        cx.tell_comparison(self.id(), with, Comparing::Waiting);
    }
}

impl Core {
    fn tell_comparison(&mut self, room: RoomId, with: Uid, stage: Comparing) {
        let names = &self.people.names;
        let mut person = names.person(with);
        // Under the name in dispute, for that is what is compared.
        person.name = person.name.or_else(|| Some(names.claimed_by(with)?.name.clone()));
        let with = person;
        self.emit(Event::Comparison { room, with, stage });
    }

    fn end_comparison(&mut self, with: Uid, outcome: Outcome) {
        if let Some(exchange) = self.comparisons.under_way.remove(&with) {
            self.tell_comparison(exchange.about.room, with, Comparing::Ended(outcome));
        }
    }
}

// What the person at this device wants.

impl Engine {
    /// Begins a comparison with somebody in a room, or goes on with the one that they have begun.
    pub(super) fn compare(&mut self, ticket: Ticket, room: RoomId, name: &UserName) {
        match self.peer(room, name) {
            Ok(with) => {
                self.in_room(ticket, room, |it, cx| {
                    it.begin_or_accept(cx, with);
                    cx.answer(ticket, Ok(Answer::Done));
                });
            }
            Err(error) => self.cx.answer(ticket, Err(error)),
        }
    }

    /// Who it is that has this name here: of several keys the one that is here, and a new one before the known one.
    fn peer(&self, room: RoomId, name: &UserName) -> Result<Uid, ClientError> {
        let room = room_of(self, room)?;
        if !room.is_in() {
            return Err(room.not_in());
        }
        let contact = self.cx.contact_named(name)?;
        let keys = contact.open_claimants().map(|claimant| claimant.uid).chain([contact.uid]);
        keys.into_iter().find(|uid| room.has_member(*uid)).ok_or_else(|| not_here(room, name))
    }

    /// The person at this device has compared the codes.
    pub(super) fn decide(&mut self, ticket: Ticket, name: &UserName, same: bool) {
        let compared = self.comparison_with(name);
        let answer = compared.map(|(uid, exchange, room)| {
            match same {
                true => {
                    let names = &self.cx.people.names;
                    if let Some(before) = names.claimed_by(uid).or(names.contact(uid)).cloned() {
                        self.cx.comparisons.same.insert(uid, Same { exchange, room, before });
                    }
                    self.cx.know_by_comparison(uid);
                    self.cx.end_comparison(uid, Outcome::Same);
                }
                false => {
                    self.cx.end_comparison(uid, Outcome::Differs);
                    self.say_in(room, Verification::Differ { exchange: exchange.into(), with: uid });
                }
            }
            Answer::Done
        });
        self.cx.answer(ticket, answer);
    }

    /// The comparison with whoever has this name or claims it, that shows a code.
    fn comparison_with(&self, name: &UserName) -> Result<(Uid, ExchangeId, RoomId), ClientError> {
        let contact = self.cx.contact_named(name)?;
        let keys = contact.claimants.iter().map(|claimant| claimant.uid).chain([contact.uid]);
        let shown = |uid: &Uid| {
            let exchange = self.cx.comparisons.under_way.get(uid)?;
            matches!(exchange.stage, Stage::Code(_)).then_some((
                *uid,
                exchange.about.exchange,
                exchange.about.room,
            ))
        };
        keys.into_iter().find_map(|uid| shown(&uid)).ok_or_else(|| {
            ClientError::new(ErrorKind::Usage, format!("no code is being compared with {name}"))
                .with_help(format!("/verify {name} begins"))
        })
    }

    fn say_in(&mut self, room: RoomId, step: Verification) {
        if let Some(room) = self.rooms.get_mut(&room) {
            room.say_verification(&mut self.cx, step);
            room.progress(&mut self.cx);
        }
    }

    /// Comparisons that took too long are over.
    pub(super) fn end_old_comparisons(&mut self) {
        let now = self.cx.now;
        let old = self.cx.comparisons.under_way.iter().filter(|(_, exchange)| exchange.until <= now);
        let old: Vec<_> = old.map(|(uid, it)| (*uid, it.about.room, it.about.exchange)).collect();
        for (uid, room, exchange) in old {
            self.cx.end_comparison(uid, Outcome::TimedOut);
            self.say_in(room, Verification::Cancel { exchange: exchange.into(), with: uid });
        }
    }
}

#[cfg(test)]
impl Engine {
    /// The one comparison under way.
    pub(super) fn exchange(&self) -> ExchangeId {
        self.cx.comparisons.under_way.values().next().unwrap().about.exchange
    }
}

impl Room {
    fn begin_or_accept(&mut self, cx: &mut Core, with: Uid) {
        match cx.comparisons.under_way.get(&with).map(|it| (&it.stage, it.about.room)) {
            Some((Stage::Asked { .. }, room)) if room == self.id() => self.accept(cx, with),
            // It goes on by itself; what there is to see is shown again.
            Some((Stage::Code(code), room)) => {
                let code = *code;
                cx.tell_comparison(room, with, Comparing::Code(code));
            }
            Some((Stage::Begun { .. } | Stage::Accepted { .. }, room)) => {
                cx.tell_comparison(room, with, Comparing::Waiting);
            }
            _ => self.begin(cx, with),
        }
    }
}
