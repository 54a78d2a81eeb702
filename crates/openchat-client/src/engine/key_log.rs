//! The log of keys: followed to its end after each login and again and again, and what a server is told by it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use openchat_e2ee::Member;
use openchat_identity::TrustAnchor;
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::key_log::{FollowLog, SeenHead};
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Request, RoomId, Timestamp, Uid, UserName};
use openchat_transparency::{Auditor, SignedHead, Tail, Violation};

use super::core::Core;
use super::session::{Aim, Purpose};
use super::step::{EvidenceFile, Step, Ticket};
use crate::error::{ClientError, ErrorKind};
use crate::event::{Alarm, Event};
use crate::vault::{
    HeardHead, LoadedKeyLog, LoggedPerson, OwnLabels, SeenFork, StoredKeyLog, WholeLog, Write,
};

/// The longest time between two looks at the log.
const LOOK: Duration = Duration::from_secs(600);
/// The same while something waits for it.
const LOOK_SOON: Duration = Duration::from_secs(30);
/// What a server leaves unproven for so long counts as forked.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// All of that but an hour, in milliseconds.
const DOUBTED_BEFORE: u64 = 23 * 3600 * 1000;

/// How a device in a room's keys stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// In its user's list.
    Listed,
    /// Not known yet.
    Unproven,
    /// Was in its user's list, and is no more.
    Revoked,
    /// Not in its user's list, though that was asked for since the device was seen.
    Ghost,
}

/// What this device knows of the log.
pub(super) struct KeyLog {
    pub(super) auditor: Auditor,
    pub(super) own: Option<OwnLabels>,
    /// Since when the log has more under the own name than the server has shown to be this user's.
    unexplained: Option<Timestamp>,
    pub(super) unproven: Option<Timestamp>,
    pub(super) heard: Vec<HeardHead>,
    pub(super) forked: Option<SeenFork>,
    pub(super) people: HashMap<Uid, LoggedPerson>,
    /// Devices that are in the keys of a room, and not in their users' lists.
    pub(super) ghosts: HashSet<DeviceId>,
    /// People whose proofs did not help: they are asked for again when the log has been looked at.
    pub(super) in_vain: HashSet<Uid>,
    /// Heads of others that were found good.
    pub(super) good: VecDeque<SeenHead>,
    /// On this connection, the log was followed to its end and keeps its rules.
    pub(super) is_current: bool,
    /// Who is to be found once the log is followed.
    pub(super) wanted: Vec<(Ticket, RoomId, UserName, Aim)>,
    look_at: Timestamp,
    /// The size of the head that was known when the tail was asked for.
    tail_from: u64,
    /// The same of each proof that was asked for.
    pub(super) proof_from: HashMap<Uid, u64>,
    /// Alarms that were raised on this connection.
    told: HashSet<String>,
    /// The newest head up to which all leaves were followed.
    pub(super) whole: Option<WholeLog>,
    /// What the server lacks from here on was given back to it on this connection.
    pub(super) gave_from: Option<u64>,
    /// Names that were moved by a reset that keeps the log's rules: from whom, and to whom.
    pub(super) resets: HashMap<Uid, Uid>,
    /// All records under the own name have been read since this program started.
    pub(super) own_name_is_read: bool,
    changed: bool,
    /// Grows with every change of what is known.
    pub(super) generation: u64,
}

impl KeyLog {
    pub(super) fn load(anchor: &TrustAnchor, loaded: LoadedKeyLog) -> Result<Self, Violation> {
        let genesis = anchor.genesis_record();
        let LoadedKeyLog { state, labels, people } = loaded;
        let auditor = match &state {
            Some(state) => Auditor::resume(genesis, &state.auditor, labels)?,
            // Nobody knows since when it is silent, so it has to show a sign of life.
            None => Auditor::new(genesis, Timestamp(0))?,
        };
        let whole = state.as_ref().and_then(|it| it.whole.clone());
        let (own, unproven, heard, forked) =
            state.map_or((None, None, Vec::new(), None), |it| (it.own, it.unproven, it.heard, it.forked));
        Ok(Self {
            auditor,
            own,
            unexplained: None,
            unproven,
            heard,
            forked,
            people: people.into_iter().map(|person| (person.uid, person)).collect(),
            ghosts: HashSet::new(),
            in_vain: HashSet::new(),
            good: VecDeque::new(),
            is_current: false,
            wanted: Vec::new(),
            look_at: Timestamp::END,
            tail_from: 0,
            proof_from: HashMap::new(),
            told: HashSet::new(),
            whole,
            gave_from: None,
            resets: HashMap::new(),
            own_name_is_read: false,
            changed: false,
            generation: 0,
        })
    }

    pub(super) fn handle_lost(&mut self) {
        self.is_current = false;
        self.look_at = Timestamp::END;
        self.told.clear();
        self.in_vain.clear();
        self.gave_from = None;
    }

    /// Looks at the log again at `at`.
    pub(super) fn look_again(&mut self, at: Timestamp) {
        self.look_at = at;
    }

    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        let heard = self.heard.iter().map(|heard| heard.since);
        let patience = heard.chain(self.unproven).min().map(|since| since.plus(PATIENCE));
        patience.into_iter().chain([self.look_at]).min()
    }

    /// A server that was away could prove nothing meanwhile: it gets an hour at least.
    pub(super) fn handle_login(&mut self, now: Timestamp) {
        let earliest = Timestamp(now.0.saturating_sub(DOUBTED_BEFORE));
        let since = self.heard.iter_mut().map(|heard| &mut heard.since).chain(self.unproven.as_mut());
        since.for_each(|since| *since = earliest.max(*since));
    }

    /// Whether that was not said on this connection yet.
    pub(super) fn is_news(&mut self, what: &str) -> bool {
        self.told.insert(what.to_owned())
    }

    /// Whether the server has had its time to show what the newest leaf under the own name is.
    pub(super) fn is_left_unexplained(&mut self, now: Timestamp) -> bool {
        let until = self.unexplained.get_or_insert(now).plus(LOOK_SOON);
        if now < until {
            self.look_at = self.look_at.min(until);
        }
        now >= until
    }

    pub(super) fn is_unexplained(&self) -> bool {
        self.unexplained.is_some()
    }

    pub(super) fn own_is_explained(&mut self) {
        self.own_name_is_read = true;
        self.unexplained = None;
    }

    pub(super) fn known_size(&self) -> u64 {
        self.auditor.head().map_or(0, |head| head.head().size)
    }

    pub(super) fn change(&mut self) -> &mut Self {
        self.changed = true;
        self.generation += 1;
        self
    }

    /// How a leaf of a room's tree stands.
    pub(super) fn standing(&self, member: &Member) -> Standing {
        let Some(person) = self.people.get(&member.device.uid) else { return Standing::Unproven };
        if person.retired {
            return Standing::Revoked;
        }
        if person.version == 0 || !self.is_newest(person) {
            return Standing::Unproven;
        }
        let listed = ListedDevice { did: member.device.did, key: member.key };
        match person.devices.contains(&listed) {
            true => Standing::Listed,
            false if person.revoked.contains(&listed) => Standing::Revoked,
            false if self.ghosts.contains(&member.device) => Standing::Ghost,
            false => Standing::Unproven,
        }
    }

    /// Whether the log, as far as it was followed, says nothing newer of somebody.
    pub(super) fn is_newest(&self, person: &LoggedPerson) -> bool {
        person.seq >= self.auditor.count(&person.label)
    }

    fn stored(&self) -> StoredKeyLog {
        StoredKeyLog {
            auditor: self.auditor.state().into(),
            own: self.own,
            unproven: self.unproven,
            heard: self.heard.clone(),
            forked: self.forked.clone(),
            whole: self.whole.clone(),
        }
    }

    /// Leaves were followed from `from` on: they are kept, for the server may lose them.
    fn keep(&mut self, from: u64, tail: &Tail, out: &mut Step) {
        if !tail.leaves.is_empty() {
            out.write(Write::Leaves(from, tail.leaves.clone()));
        }
        if self.auditor.is_complete() {
            let whole =
                |head: &SignedHead| WholeLog { size: head.head().size, note: head.note().to_vec().into() };
            self.whole = self.auditor.head().map(whole);
        }
    }
}

impl Core {
    /// Asks for what is new in the log.
    pub(super) fn follow_log(&mut self) {
        if !self.session.is_up() || self.session.is_asking(&Purpose::FollowLog) {
            return;
        }
        let (known, from) = (self.log.known_size(), self.log.auditor.followed());
        self.log.look_at = Timestamp::END;
        self.log.tail_from = known;
        self.ask(Request::FollowLog(FollowLog { known, from }), Purpose::FollowLog);
    }

    /// Whether the log, what it says of this profile, or whether it is that of others is still on its way.
    pub(super) fn is_following_log(&self) -> bool {
        let me = self.me().uid;
        self.session.is_asking_for(|purpose| match purpose {
            Purpose::FollowLog | Purpose::CompareHeads(..) => true,
            Purpose::Name(uid) => *uid == me,
            _ => false,
        })
    }

    /// A page of the log. Whether it was the last one.
    pub(super) fn handle_log_tail(&mut self, bytes: &[u8]) -> bool {
        if self.log.tail_from != self.log.known_size() {
            // A proof has shown a newer head meanwhile, with which the answer has nothing to do.
            self.follow_log();
            return false;
        }
        let (tail, from) = (Tail::from_bytes(bytes).map_err(Violation::from), self.log.auditor.followed());
        match tail.and_then(|tail| self.log.auditor.advance(&tail, self.now).map(|()| tail)) {
            Ok(tail) => {
                self.log.keep(from, &tail, &mut self.out);
                self.log.change().unproven = None;
                self.reconsider_fork();
                if self.log.auditor.is_complete() {
                    self.log_is_current();
                    return true;
                }
                self.follow_log();
            }
            Err(violation) => self.log_is_violated(violation),
        }
        false
    }

    pub(super) fn handle_follow_refused(&mut self, refusal: &Refusal) {
        use RefusalCode::{Internal, Stopping, Storage};
        if matches!(refusal.code, Some(Storage | Internal | Stopping)) {
            // It has other worries, and may prove its log when they are over.
            self.log.look_at = self.now.plus(LOOK_SOON);
            self.give_up_wanted(&unproven());
            self.log.unproven.get_or_insert(self.now);
            return;
        }
        self.log_is_unproven(&format!("the server does not show its log of keys: {refusal}"));
    }

    fn log_is_current(&mut self) {
        self.log.is_current = true;
        let waits = !self.log.in_vain.is_empty() || !self.log.heard.is_empty();
        let pause = if waits { LOOK_SOON } else { LOOK };
        let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.log.look_at = self.in_millis(pause / 2, pause);
        self.log.in_vain.clear();
        if let Err(violation) = self.log.auditor.check_fresh(self.now) {
            self.log_is_violated(violation);
        }
        self.tell_of_fork();
        self.begin_life();
        self.ask_names();
        self.check_own();
        self.compare_heard();
    }

    /// What follows from a rule that the server has broken.
    pub(super) fn log_is_violated(&mut self, violation: Violation) {
        match violation {
            Violation::Frozen { since } => self.raise(Alarm::KeyLogFrozen { since }),
            Violation::Fork(fork) => {
                self.log.is_current = false;
                self.log.look_at = self.now.plus(LOOK);
                self.log_is_forked(None, Some(&fork.to_bytes()));
            }
            Violation::RolledBack { known, shown } => self.log_is_rolled_back(known, shown),
            violation => self.log_is_unproven(&violation.to_string()),
        }
    }

    /// Nothing goes out until the server proves its log again; after a day it counts as forked.
    pub(super) fn log_is_unproven(&mut self, reason: &str) {
        self.log.is_current = false;
        self.log.look_at = self.now.plus(LOOK);
        if self.log.unproven.is_none() {
            self.log.change().unproven = Some(self.now);
        }
        self.give_up_wanted(&unproven());
        self.raise(Alarm::KeyLogBroken { reason: reason.to_owned() });
    }

    /// What waits for the log goes without it.
    pub(super) fn give_up_wanted(&mut self, why: &ClientError) {
        self.people.give_up(&mut self.out.events);
        for (ticket, ..) in std::mem::take(&mut self.log.wanted) {
            self.answer(ticket, Err(why.clone()));
        }
    }

    /// The server has shown different logs, to this device or to `by`.
    pub(super) fn log_is_forked(&mut self, by: Option<Uid>, fork: Option<&[u8]>) {
        let evidence = fork.map(|bytes| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
            let mark: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            let name = format!("key-log-fork-{mark}.evidence");
            self.out.evidence.push(EvidenceFile { name: name.clone(), bytes: bytes.to_vec() });
            name
        });
        let known = self.log.forked.as_ref();
        // What convicts is worth more than what does not.
        if known.is_none_or(|known| known.evidence.is_none()) {
            self.log.change().forked = Some(SeenFork { by, evidence });
        }
        self.tell_of_fork();
    }

    /// It is told anew on each connection.
    fn tell_of_fork(&mut self) {
        let Some(SeenFork { by, evidence }) = self.log.forked.clone() else { return };
        let by = by.map(|uid| self.people.person(uid));
        self.raise(Alarm::KeyLogForked { by, evidence });
    }

    /// Once on each connection.
    pub(super) fn raise(&mut self, alarm: Alarm) {
        if self.log.is_news(&format!("{alarm:?}")) {
            self.emit(Event::Alarm(alarm));
        }
    }

    pub(super) fn handle_log_timer(&mut self) {
        if !self.session.is_up() {
            return;
        }
        self.lose_patience();
        if self.log.look_at <= self.now {
            self.follow_log();
        }
    }

    fn lose_patience(&mut self) {
        let ended = |since: Timestamp, now: Timestamp| now >= since.plus(PATIENCE);
        let now = self.now;
        if self.log.unproven.is_some_and(|since| ended(since, now)) {
            self.log.change().unproven = None;
            self.log_is_forked(None, None);
        }
        let over = self.log.heard.iter_mut().filter(|heard| ended(heard.since, now));
        // They are kept, for the server may prove them after all.
        let over: Vec<Uid> = over
            .map(|heard| {
                heard.since = Timestamp::END;
                heard.by
            })
            .collect();
        for by in over {
            self.log_is_forked(Some(by), None);
        }
    }

    /// What counted as forked for want of a proof does so no more when the proof comes.
    pub(super) fn reconsider_fork(&mut self) {
        let Some(SeenFork { by, evidence: None }) = &self.log.forked else { return };
        let proven = match by {
            Some(_) => self.log.heard.iter().all(|heard| heard.since != Timestamp::END),
            None => self.log.unproven.is_none(),
        };
        if proven {
            self.log.change().forked = None;
        }
    }

    /// Puts what has changed into the step's one change.
    pub(super) fn save_log(&mut self) {
        let labels = self.log.auditor.take_labels();
        if std::mem::take(&mut self.log.changed) || !labels.is_empty() {
            self.write(Write::KeyLog(Box::new(self.log.stored())));
        }
        for (label, known) in labels {
            self.write(Write::KeyLogLabel(label, known));
        }
    }
}

/// Why nobody new is found.
pub(super) fn unproven() -> ClientError {
    ClientError::new(
        ErrorKind::Refused,
        "the server has not proven its log of keys, so that nobody new is believed",
    )
    .with_help("try again in a moment; when it stays so, tell the host of the server")
}
