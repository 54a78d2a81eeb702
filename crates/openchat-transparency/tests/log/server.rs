//! A server's log in memory, and all that a bad one does to it.

use std::rc::Rc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use openchat_protocol::{Genesis, Timestamp, Uid};
use openchat_transparency::tree::{self, MemoryNodes};
use openchat_transparency::{
    Auditor, Entry, Frontier, Head, Kind, Label, Leaf, LogSigner, Lookup, Opening, SignedHead, Subject, Tail,
    VrfSecret,
};

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);
pub(crate) const HOUR: u64 = 60 * 60 * 1000;

const LOG_SEED: [u8; 32] = [1; 32];
const VRF_SEED: [u8; 32] = [2; 32];

pub(crate) fn hours(hours: u64) -> Timestamp {
    Timestamp(NOW.0 + hours * HOUR)
}

pub(crate) fn name(name: &str) -> Subject {
    Subject::Name(name.parse().unwrap())
}

pub(crate) fn user(byte: u8) -> Subject {
    Subject::User(Uid([byte; 16]))
}

pub(crate) fn genesis() -> Genesis {
    let public = |seed: &[u8]| {
        Ed25519KeyPair::from_seed_unchecked(seed).unwrap().public_key().as_ref().try_into().unwrap()
    };
    Genesis { root_spki: b"root key".to_vec(), log_key: public(&LOG_SEED), vrf_key: public(&VRF_SEED) }
}

pub(crate) fn signer() -> LogSigner {
    LogSigner::from_seed(&LOG_SEED, &genesis()).unwrap()
}

pub(crate) fn vrf() -> VrfSecret {
    VrfSecret::from_seed(&VRF_SEED, &genesis().vrf_key).unwrap()
}

#[derive(Clone)]
pub(crate) struct Server {
    signer: Rc<LogSigner>,
    vrf: Rc<VrfSecret>,
    pub(crate) nodes: MemoryNodes,
    pub(crate) leaves: Vec<Leaf>,
    openings: Vec<Opening>,
}

impl Server {
    /// A log with one heartbeat.
    pub(crate) fn new() -> Self {
        let mut server = Self {
            signer: Rc::new(signer()),
            vrf: Rc::new(vrf()),
            nodes: MemoryNodes::default(),
            leaves: Vec::new(),
            openings: Vec::new(),
        };
        server.heartbeat(NOW);
        server
    }

    /// A log with `count` users, each of whom has one leaf.
    pub(crate) fn with_users(count: u8) -> Self {
        let mut server = Self::new();
        for byte in 0..count {
            server.issue(&user(byte), "key", NOW);
        }
        server
    }

    /// A log with `count` heartbeats.
    pub(crate) fn with_heartbeats(count: u64) -> Self {
        let mut server = Self::new();
        (1..count).for_each(|hour| server.heartbeat(hours(hour)));
        server
    }

    pub(crate) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    pub(crate) fn heartbeat(&mut self, time: Timestamp) {
        self.append(Kind::Heartbeat, Label::LOG, "", time);
    }

    pub(crate) fn issue(&mut self, subject: &Subject, body: &str, time: Timestamp) {
        let (label, _) = self.vrf.prove(subject).unwrap();
        self.append(Kind::IdentityIssued, label, body, time);
    }

    fn append(&mut self, kind: Kind, label: Label, body: &str, time: Timestamp) {
        let previous = self.leaves.iter().rposition(|leaf| leaf.label == label);
        let seq = previous.map_or(1, |index| self.leaves[index].seq + 1);
        let opening = Opening { nonce: [self.leaves.len() as u8; 32], body: body.as_bytes().to_vec() };
        let previous = previous.map(|index| index as u64);
        self.push(Leaf { kind, time, label, seq, previous, commitment: opening.commitment() }, opening);
    }

    pub(crate) fn push(&mut self, leaf: Leaf, opening: Opening) {
        let added = tree::nodes_of(&leaf, self.size(), &self.nodes).unwrap();
        self.nodes.extend(&added);
        self.leaves.push(leaf);
        self.openings.push(opening);
    }

    /// Another log: `change` is made to one leaf of this one.
    pub(crate) fn rewritten(&self, index: usize, change: impl FnOnce(&mut Leaf)) -> Self {
        let mut other =
            Self { nodes: MemoryNodes::default(), leaves: vec![], openings: vec![], ..self.clone() };
        let mut leaves = self.leaves.clone();
        change(&mut leaves[index]);
        leaves.into_iter().zip(self.openings.clone()).for_each(|(leaf, opening)| other.push(leaf, opening));
        other
    }

    /// This log as it was with `size` leaves.
    pub(crate) fn rolled_back(&self, size: usize) -> Self {
        let mut other =
            Self { nodes: MemoryNodes::default(), leaves: vec![], openings: vec![], ..self.clone() };
        let old = self.leaves.iter().zip(&self.openings).take(size);
        old.for_each(|(leaf, opening)| other.push(*leaf, opening.clone()));
        other
    }

    pub(crate) fn head_at(&self, size: u64) -> SignedHead {
        self.signer.sign(Head { size, root: tree::root(size, &self.nodes).unwrap() }).unwrap()
    }

    pub(crate) fn head(&self) -> SignedHead {
        self.head_at(self.size())
    }

    pub(crate) fn note(&self) -> Vec<u8> {
        self.head().note().to_vec()
    }

    pub(crate) fn frontier(&self) -> Frontier {
        Frontier::read(self.size(), &self.nodes).unwrap()
    }

    /// The honest answer, for a client whose own head has `known` leaves.
    pub(crate) fn lookup(&self, subject: &Subject, known: u64) -> Lookup {
        let (label, _) = self.vrf.prove(subject).unwrap();
        let index = self.leaves.iter().rposition(|leaf| leaf.label == label).unwrap();
        self.lookup_at(subject, index, known)
    }

    /// An answer with any leaf.
    pub(crate) fn lookup_at(&self, subject: &Subject, index: usize, known: u64) -> Lookup {
        let entry = Entry {
            index: index as u64,
            leaf: self.leaves[index],
            opening: self.openings[index].clone(),
            inclusion: tree::prove_inclusion(index as u64, self.size(), &self.nodes).unwrap(),
        };
        Lookup {
            note: self.note(),
            consistency: tree::prove_consistency(known, self.size(), &self.nodes).unwrap(),
            vrf: self.vrf.prove(subject).unwrap().1,
            entry,
        }
    }

    /// A client that has followed all of this log.
    pub(crate) fn follower(&self) -> Auditor {
        let mut auditor = Auditor::new(genesis(), NOW).unwrap();
        auditor.advance(&self.tail(&auditor), NOW).unwrap();
        auditor
    }

    /// The leaves that a client has not followed yet.
    pub(crate) fn tail(&self, auditor: &Auditor) -> Tail {
        self.page(auditor, usize::MAX)
    }

    /// At most so many of them.
    pub(crate) fn page(&self, auditor: &Auditor, limit: usize) -> Tail {
        let known = auditor.head().map_or(0, |head| head.head().size);
        let from = auditor.followed() as usize;
        let leaves: Vec<Leaf> = self.leaves.iter().skip(from).take(limit).copied().collect();
        let end = (from + leaves.len()) as u64;
        let proof = |old| tree::prove_consistency(old, self.size(), &self.nodes).unwrap_or_default();
        Tail { note: self.note(), consistency: proof(known), leaves, beyond: proof(end) }
    }
}
