//! The fake server's log of keys: honest by itself, and told by stories to be otherwise.

use std::rc::Rc;

use openchat_identity::Authority;
use openchat_protocol::account::{Account, AccountSelector};
use openchat_protocol::device_list::SignedDeviceList;
use openchat_protocol::give_back::Disclosed;
use openchat_protocol::key_log::{CompareHeads, Compared, FollowLog, Prove, Proven};
use openchat_protocol::{Refusal, RefusalCode, Response, Timestamp, UserName};
use openchat_transparency::body::{IdentityIssued, NoLonger, Reset, ResetStep};
use openchat_transparency::tree::{self, MemoryNodes};
use openchat_transparency::{
    Body, Entry, Head, History, Label, Leaf, LogKey, LogSigner, Lookup, Opening, Path, Subject, Tail,
    VrfSecret,
};

use super::server::Answer;

const DAY: u64 = 24 * 3600 * 1000;
/// Few leaves a page, so that following takes several.
const PAGE: usize = 3;

#[derive(Clone)]
pub(super) struct FakeLog {
    signer: Rc<LogSigner>,
    vrf: Rc<VrfSecret>,
    log_key: LogKey,
    nodes: MemoryNodes,
    leaves: Vec<(Leaf, Opening)>,
    last_heartbeat: Timestamp,
    /// No more heartbeats.
    pub(super) frozen: bool,
    /// Lookups show the leaf before the newest one of a label.
    pub(super) shows_old_records: bool,
}

impl FakeLog {
    pub(super) fn new(authority: &Authority, now: Timestamp) -> Self {
        let genesis = authority.anchor().genesis_record();
        let mut log = Self {
            signer: Rc::new(LogSigner::from_seed(&authority.log_seed(), &genesis).unwrap()),
            log_key: LogKey::new(&genesis),
            vrf: Rc::new(VrfSecret::from_seed(&authority.vrf_seed(), &genesis.vrf_key).unwrap()),
            nodes: MemoryNodes::default(),
            leaves: Vec::new(),
            last_heartbeat: now,
            frozen: false,
            shows_old_records: false,
        };
        log.append(Label::LOG, &Body::Heartbeat, now);
        log
    }

    fn label(&self, subject: &Subject) -> Label {
        self.vrf.prove(subject).unwrap().0
    }

    pub(super) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// One record more, of nobody.
    pub(super) fn grow(&mut self, now: Timestamp) {
        self.append(Label::LOG, &Body::Heartbeat, now);
        self.last_heartbeat = now;
    }

    fn append(&mut self, label: Label, body: &Body, time: Timestamp) {
        let previous = self.leaves.iter().rposition(|(leaf, _)| leaf.label == label);
        let seq = previous.map_or(1, |index| self.leaves[index].0.seq + 1);
        let opening =
            Opening { nonce: [u8::try_from(self.leaves.len() % 256).unwrap(); 32], body: body.to_bytes() };
        let (previous, commitment) = (previous.map(|index| index as u64), opening.commitment());
        let leaf = Leaf { kind: body.kind(), time, label, seq, previous, commitment };
        self.push(leaf, opening);
    }

    fn push(&mut self, leaf: Leaf, opening: Opening) {
        let nodes = tree::nodes_of(&leaf, self.size(), &self.nodes).unwrap();
        self.nodes.extend(&nodes);
        self.leaves.push((leaf, opening));
    }

    pub(super) fn beat(&mut self, now: Timestamp) {
        if !self.frozen && now.0 >= self.last_heartbeat.0 + DAY {
            self.last_heartbeat = now;
            self.append(Label::LOG, &Body::Heartbeat, now);
        }
    }

    /// Under the name and under the uid.
    pub(super) fn issue(&mut self, account: &Account, now: Timestamp) {
        let body = Body::IdentityIssued(issued(account));
        self.append(self.label(&Subject::Name(account.name.clone())), &body, now);
        self.append(self.label(&Subject::User(account.uid)), &body, now);
    }

    /// Another certificate of the same key, which has asked for it.
    pub(super) fn renew(&mut self, account: &Account, signature: Vec<u8>, now: Timestamp) {
        let body = IdentityIssued { renewal: Some(signature.into()), ..issued(account) };
        let label = self.label(&Subject::Name(account.name.clone()));
        self.append(label, &Body::IdentityIssued(body), now);
    }

    /// Under the name alone: somebody else's key for a name that is taken.
    pub(super) fn issue_name(&mut self, account: &Account, now: Timestamp) {
        let label = self.label(&Subject::Name(account.name.clone()));
        self.append(label, &Body::IdentityIssued(issued(account)), now);
    }

    /// Under the name of `account`: its key asks for it, or what was said to that.
    pub(super) fn reset(&mut self, account: &Account, step: ResetStep, now: Timestamp) {
        let label = self.label(&Subject::Name(account.name.clone()));
        let body = Body::Reset(Reset { uid: account.uid, name: account.name.clone(), step });
        self.append(label, &body, now);
    }

    /// Under the uid of who has lost its name to another key.
    pub(super) fn retire(&mut self, account: &Account, now: Timestamp) {
        let label = self.label(&Subject::User(account.uid));
        let gone = NoLonger { uid: account.uid, name: account.name.clone() };
        self.append(label, &Body::IdentityRetired(gone), now);
    }

    /// All records under a name but the newest.
    fn history(&self, name: &UserName) -> History {
        let label = self.label(&Subject::Name(name.clone()));
        let entry = |(index, (leaf, opening)): (u64, &(Leaf, Opening))| {
            let inclusion = tree::prove_inclusion(index, self.size(), &self.nodes).unwrap();
            (leaf.label == label).then(|| Entry { index, leaf: *leaf, opening: opening.clone(), inclusion })
        };
        let mut all: Vec<_> = (0..).zip(&self.leaves).filter_map(entry).collect();
        all.pop();
        History(all)
    }

    pub(super) fn list(&mut self, uid: openchat_protocol::Uid, signed: SignedDeviceList, now: Timestamp) {
        let label = self.label(&Subject::User(uid));
        self.append(label, &Body::DeviceList(signed), now);
    }

    /// How many lists of devices somebody has.
    pub(super) fn versions(&self, uid: openchat_protocol::Uid) -> u32 {
        let label = self.label(&Subject::User(uid));
        let lists = self
            .leaves
            .iter()
            .filter(|(leaf, _)| leaf.label == label && leaf.kind == openchat_transparency::Kind::DeviceList);
        u32::try_from(lists.count()).unwrap()
    }

    /// The log as it was with `size` leaves.
    pub(super) fn rolled_back(&self, size: u64) -> Self {
        let mut old = Self { nodes: MemoryNodes::default(), leaves: Vec::new(), ..self.clone() };
        for (leaf, opening) in self.leaves.iter().take(usize::try_from(size).unwrap()) {
            old.push(*leaf, opening.clone());
        }
        old
    }

    /// Takes leaves back when they lead to the head in the note. Whether they do.
    pub(super) fn take_back(&mut self, note: &[u8], leaves: &[Leaf]) -> bool {
        let head = self.log_key.open(note).unwrap().head();
        let mut whole = self.clone();
        let missing = usize::try_from(head.size - self.size()).unwrap();
        for leaf in &leaves[leaves.len() - missing..] {
            // What it was made for is lost.
            whole.push(*leaf, Opening { nonce: [0; 32], body: Vec::new() });
        }
        let leads = tree::root(whole.size(), &whole.nodes).unwrap() == head.root;
        if leads {
            *self = whole;
        }
        leads
    }

    /// Puts what the newest leaves of somebody were made for to them. Whether they were.
    pub(super) fn disclose(&mut self, account: &Account, name: &Disclosed, user: &Disclosed) -> bool {
        let subjects = [Subject::Name(account.name.clone()), Subject::User(account.uid)];
        for (subject, disclosed) in subjects.iter().zip([name, user]) {
            let label = self.label(subject);
            let opening = Opening { nonce: disclosed.nonce, body: disclosed.body.to_vec() };
            let newest = self.leaves.iter_mut().rev().find(|(leaf, _)| leaf.label == label);
            match newest {
                Some((leaf, known)) if leaf.commitment == opening.commitment() => *known = opening,
                _ => return false,
            }
        }
        true
    }

    fn note(&self) -> Vec<u8> {
        let head = Head { size: self.size(), root: tree::root(self.size(), &self.nodes).unwrap() };
        self.signer.sign(head).unwrap().note().to_vec()
    }

    fn proof(&self, old: u64) -> Path {
        tree::prove_consistency(old, self.size(), &self.nodes).unwrap_or_default()
    }

    pub(super) fn follow(&self, request: FollowLog) -> Answer {
        let from = usize::try_from(request.from).unwrap();
        let leaves = self.leaves.iter().skip(from).take(PAGE).map(|(leaf, _)| *leaf);
        let leaves: Vec<Leaf> = leaves.collect();
        let beyond = self.proof(request.from + leaves.len() as u64);
        let tail = Tail { note: self.note(), consistency: self.proof(request.known), leaves, beyond };
        Ok(Response::LogTail(tail.to_bytes().into()))
    }

    fn look_up(&self, subject: &Subject, consistency: Path) -> Option<Lookup> {
        let (label, vrf) = self.vrf.prove(subject).unwrap();
        let mut found = self.leaves.iter().enumerate().rev().filter(|(_, (leaf, _))| leaf.label == label);
        let (index, (leaf, opening)) = found.nth(usize::from(self.shows_old_records))?;
        let inclusion = tree::prove_inclusion(index as u64, self.size(), &self.nodes).unwrap();
        let entry = Entry { index: index as u64, leaf: *leaf, opening: opening.clone(), inclusion };
        Some(Lookup { note: self.note(), consistency, vrf, entry })
    }

    pub(super) fn prove(&self, accounts: &[Account], request: &Prove) -> Answer {
        let nobody = || Refusal::new(RefusalCode::AccountUnknown, "nobody");
        let wanted = |account: &&Account| match &request.who {
            AccountSelector::Uid(uid) => account.uid == *uid,
            AccountSelector::Name(name) => account.name == *name,
        };
        let account = accounts.iter().find(wanted).cloned().ok_or_else(nobody)?;
        let mut honest = self.clone();
        honest.shows_old_records = false;
        let by_name = honest.look_up(&Subject::Name(account.name.clone()), self.proof(request.known));
        let by_uid = self.look_up(&Subject::User(account.uid), Path::default());
        let history = Some(self.history(&account.name).to_bytes().into());
        let (name, user) = by_name.zip(by_uid).ok_or_else(nobody)?;
        let (name, user) = (name.to_bytes().into(), user.to_bytes().into());
        Ok(Response::Proven(Proven { account, name, user, history }))
    }

    pub(super) fn compare(&self, request: CompareHeads) -> Answer {
        let out_of_range = |_| Refusal::new(RefusalCode::LogRange, "no such size");
        let root = tree::root(request.old, &self.nodes).map_err(out_of_range)?;
        let proof = tree::prove_consistency(request.old, request.new, &self.nodes).map_err(out_of_range)?;
        Ok(Response::Compared(Compared { root: root.0, proof: proof.to_bytes().into() }))
    }
}

fn issued(account: &Account) -> IdentityIssued {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &account.identity_certificate);
    let certificate = digest.as_ref().try_into().unwrap();
    IdentityIssued { uid: account.uid, name: account.name.clone(), certificate, renewal: None }
}
