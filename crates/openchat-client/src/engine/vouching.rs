//! Invites, after the account is made: who came by one proves it to who made it, over a room that both are in, and gets
//! the same proof back. The server has no part in it but to carry sealed messages.

use std::time::Duration;

use openchat_e2ee::Verification;
use openchat_identity::vouch::{End, Vouch};
use openchat_protocol::{InviteHash, RoomName, Timestamp, Uid, UserName};

use super::core::Core;
use super::room::Room;
use crate::event::{Alarm, Event, InviteFault};
use crate::vault::{StoredInvite, Voucher, Write};

/// Whoever has made an account at the last moment may come into a room this much later.
const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(30 * 24 * 3600);
/// Rooms in which an invite is offered for want of an answer.
const OFFERS: usize = 32;

/// A proof as it was sent.
pub(super) struct Proof<'a> {
    pub(super) invite: InviteHash,
    pub(super) name: &'a UserName,
    pub(super) room: Option<&'a RoomName>,
    pub(super) proof: &'a [u8; 32],
}

impl Core {
    /// Keeps what is needed to know whoever comes by a new invite, and forgets the old ones.
    pub(super) fn keep_invite(&mut self, invite: StoredInvite) {
        let is_over = |it: &StoredInvite, now: Timestamp| it.expires.plus(KEPT_AFTER_EXPIRY) <= now;
        let old: Vec<_> =
            self.invites.values().filter(|it| is_over(it, self.now)).map(|it| it.hash).collect();
        for hash in old {
            self.invites.remove(&hash);
            self.write(Write::InviteRemoved(hash));
        }
        self.write(Write::Invite(Box::new(invite.clone())));
        self.invites.insert(invite.hash, invite);
    }
}

impl Room {
    /// Proves to the inviter, who is here, that this profile has come by the invite.
    pub(super) fn offer_proof(&mut self, cx: &mut Core) -> bool {
        let (Some(voucher), Some(group)) = (&cx.voucher, &self.group) else { return false };
        // Who is here changes with the epoch alone.
        if self.offered_in.replace(group.epoch()) == Some(group.epoch()) {
            return false;
        }
        let (room, me) = (self.id(), cx.me().uid);
        let is_due = !voucher.offered.contains(&room) && voucher.offered.len() < OFFERS;
        if !is_due || !self.has_member(voucher.inviter) {
            return false;
        }
        let Some(key) = self.identity_key(me) else { return false };
        let mut voucher = voucher.clone();
        voucher.offered.push(room);
        let name = cx.credentials.name.clone();
        let vouch = about(cx, voucher.inviter, (me, &key), &name, voucher.room.as_ref());
        let proof = voucher.key().prove(End::Invitee, &vouch).into();
        let invite = voucher.hash;
        let offer =
            Verification::InviteProof { invite, name: name.clone(), room: voucher.room.clone(), proof };
        keep_voucher(cx, Some(voucher));
        self.say_verification(cx, offer);
        true
    }

    /// Somebody here says to have come by an invite.
    pub(super) fn handle_invite_proof(&mut self, cx: &mut Core, from: Uid, proof: &Proof<'_>) {
        let (Some(invite), Some(key)) = (cx.invites.get(&proof.invite).cloned(), self.identity_key(from))
        else {
            return;
        };
        let vouch = about(cx, cx.me().uid, (from, &key), proof.name, proof.room);
        let is_good = invite.key().verify(End::Invitee, &vouch, proof.proof);
        match (is_good, invite.proven_by) {
            // Who has the link is known already; anybody can say something else.
            (false, Some(_)) => {}
            (false, None) => self.fault(cx, from, InviteFault::Forged),
            (true, Some(known)) if known != from => self.fault(cx, from, InviteFault::Twice),
            (true, _) if proof.room.is_some() && proof.room != invite.room.as_ref() => {
                self.fault(cx, from, InviteFault::OtherRoom);
            }
            (true, _) if !cx.name_is_of(proof.name, from) => self.fault(cx, from, InviteFault::OtherName),
            (true, _) => {
                let mine = cx.credentials.name.clone();
                let answer = invite.key().prove(End::Inviter(&mine), &vouch).into();
                let hash = invite.hash;
                cx.know_by_invite(from, proof.name);
                let mut proven = invite;
                proven.proven_by = Some(from);
                cx.keep_invite(proven);
                // Once in each room, or somebody could have this device talk without end.
                if cx.answered.insert((hash, self.id())) {
                    let answer = Verification::InviteAnswer { invite: hash, name: mine, proof: answer };
                    self.say_verification(cx, answer);
                }
            }
        }
    }

    /// The inviter has found the proof of this profile to be good, and proves to be the one who made the link.
    pub(super) fn handle_invite_answer(&mut self, cx: &mut Core, from: Uid, answer: &Proof<'_>) {
        let me = cx.me().uid;
        let asked = cx.voucher.clone().filter(|it| it.hash == answer.invite && it.inviter == from);
        let (Some(voucher), Some(key)) = (asked, self.identity_key(me)) else { return };
        let mine = cx.credentials.name.clone();
        let vouch = about(cx, from, (me, &key), &mine, voucher.room.as_ref());
        if !voucher.key().verify(End::Inviter(answer.name), &vouch, answer.proof) {
            return self.fault(cx, from, InviteFault::Forged);
        }
        if !cx.name_is_of(answer.name, from) {
            return self.fault(cx, from, InviteFault::OtherName);
        }
        keep_voucher(cx, None);
        cx.know_by_invite(from, answer.name);
    }

    fn fault(&self, cx: &mut Core, by: Uid, fault: InviteFault) {
        let by = cx.people.person(by);
        cx.emit(Event::Alarm(Alarm::Invite { room: self.id(), by, fault }));
    }
}

impl Core {
    /// Whether nothing is known that speaks against `name` being the name of `uid`. Another owner of it is in dispute
    /// from here on.
    fn name_is_of(&mut self, name: &UserName, uid: Uid) -> bool {
        if let Some(known) = self.people.names.name(uid) {
            return known == name;
        }
        match self.people.names.owner(name) {
            Some(owner) => {
                self.name_moved(name, owner, uid);
                false
            }
            None => true,
        }
    }
}

fn keep_voucher(cx: &mut Core, voucher: Option<Voucher>) {
    cx.write(Write::Voucher(voucher.clone().map(Box::new)));
    cx.voucher = voucher;
}

fn about<'a>(
    cx: &Core,
    inviter: Uid,
    (invitee, invitee_key): (Uid, &'a [u8]),
    name: &'a UserName,
    room: Option<&'a RoomName>,
) -> Vouch<'a> {
    Vouch { server: cx.credentials.server, inviter, invitee, invitee_key, name, room }
}
