//! The client's side of the log: what it has seen, and every rule by which it believes or raises the alarm.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use minicbor::{Decode, Encode};
use openchat_protocol::key_log::SeenHead;
use openchat_protocol::{Genesis, Timestamp, codec};

use crate::checkpoint::{CheckpointError, Head, LogKey, SignedHead};
use crate::fork::Fork;
use crate::label::{Label, LabelError, Subject, VrfKey, VrfProof};
use crate::leaf::{Kind, Leaf};
use crate::proof::{Lookup, Path, ProofError};
use crate::tail::Tail;
use crate::tree::{Frontier, Hash};

/// A log without a heartbeat for so long is frozen. Servers write one a day.
pub const FROZEN_AFTER: Duration = Duration::from_secs(48 * 60 * 60);
/// How far the clocks of a server and of a client may differ.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(60 * 60);

/// The rule that a server has broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The head is malformed, not signed by this server, or of another log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It is not proven that the label is that of who was asked for.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// It is not proven that the leaf stands in the log, or that the log only grew.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A smaller log than before.
    #[error(
        "the server shows a log of {shown} records and has shown one of {known} before: its database was set back, or it hides records"
    )]
    RolledBack {
        /// Leaves of the own head.
        known: u64,
        /// Leaves of the head that was shown.
        shown: u64,
    },
    /// Two logs of the same size.
    #[error(
        "THE SERVER HAS SHOWN DIFFERENT KEY RECORDS TO DIFFERENT PEOPLE: keep the evidence and ask its operator"
    )]
    Fork(Box<Fork>),
    /// More or fewer leaves than lie between two heads.
    #[error("the server sent {sent} records of its log where {wanted} are new")]
    TailLength {
        /// As many as there should be.
        wanted: u64,
        /// As many as there are.
        sent: u64,
    },
    /// The leaves are not those that the head was signed over.
    #[error("the first {size} records of the server's log are not those that it has signed")]
    OtherRecords {
        /// The size at which the roots differ.
        size: u64,
    },
    /// A leaf is older than the one before it.
    #[error("record {index} of the server's log is older than the one before it")]
    TimeWentBack {
        /// Which leaf.
        index: u64,
    },
    /// A leaf of tomorrow: a stock of heartbeats to freeze the log with.
    #[error("record {index} of the server's log is from the future, or the clock of this machine is wrong")]
    FromTheFuture {
        /// Which leaf.
        index: u64,
    },
    /// A leaf does not name the one of its label before it.
    #[error("record {index} of the server's log does not continue the records about the same person")]
    BrokenChain {
        /// Which leaf.
        index: u64,
    },
    /// A lookup had passed over a leaf that was in the log already.
    #[error("the server hid record {index} of its log when it was asked about the same person")]
    HiddenLeaf {
        /// Which leaf.
        index: u64,
    },
    /// The leaf is about somebody else.
    #[error("the server answered with a record about somebody else")]
    OtherLabel,
    /// The opening is not what the leaf was made for.
    #[error("what the server says is not what stands in its log")]
    Commitment,
    /// The log has a newer leaf of this label.
    #[error("the server answered with an old record: record {index} of its log is newer")]
    LaterLeaf {
        /// Which leaf.
        index: u64,
    },
    /// This client was shown a newer leaf of this label.
    #[error("the server answered with version {shown} and has shown version {known} before")]
    OlderThanSeen {
        /// The version that is known.
        known: u32,
        /// The version that was shown.
        shown: u32,
    },
    /// The records that were before under a name are not all there, or are not those of the log.
    #[error("the server did not prove what its log had about {0} before")]
    History(Subject),
    /// No heartbeat for [`FROZEN_AFTER`].
    #[error("the server's log has stood still for more than 48 hours: what it says may be out of date")]
    Frozen {
        /// The time of the last heartbeat.
        since: Timestamp,
    },
}

/// What a lookup has proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where the leaf stands.
    pub index: u64,
    /// The newest leaf.
    pub leaf: Leaf,
    /// What it is about, in the form of its kind.
    pub body: Vec<u8>,
}

/// Where the newest leaf of a label stands, in the leaves that this client has followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
struct Newest {
    #[n(0)]
    index: u64,
    #[n(1)]
    seq: u32,
}

/// What a lookup said to be the newest leaf of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
struct Shown {
    #[n(0)]
    newest: Newest,
    /// Of a log of so many leaves.
    #[n(1)]
    size: u64,
}

/// What a client knows of one label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
struct Known {
    /// In the leaves that were followed.
    #[n(0)]
    tail: Option<Newest>,
    /// By lookups.
    #[n(1)]
    shown: Option<Shown>,
}

/// What a client keeps, apart from its labels.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct State {
    /// The signed note of the own head; none before the first.
    #[cbor(n(0), with = "minicbor::bytes")]
    note: Option<Vec<u8>>,
    /// Leaves before this one were never seen.
    #[n(1)]
    began: u64,
    /// How far the leaves were followed: up to the own head, or less far.
    #[n(2)]
    followed: Frontier,
    #[n(3)]
    latest: Timestamp,
    /// The last heartbeat that was followed.
    #[n(4)]
    heartbeat: Option<Timestamp>,
    /// When this client began: the last sign of life where there was no heartbeat yet.
    #[n(5)]
    since: Timestamp,
}

/// Follows a log. Whatever breaks a rule changes nothing of what it knows.
#[derive(Debug, Clone)]
pub struct Auditor {
    genesis: Genesis,
    pub(crate) log_key: LogKey,
    vrf_key: VrfKey,
    head: Option<SignedHead>,
    state: State,
    labels: BTreeMap<Label, Known>,
    /// Labels of which more is known than was kept.
    changed: BTreeSet<Label>,
}

impl Auditor {
    /// Follows a log from its first leaf. Until there is a heartbeat, the log has been silent since `now`.
    pub fn new(genesis: Genesis, now: Timestamp) -> Result<Self, Violation> {
        Self::begin(genesis, Frontier::default(), now)
    }

    /// Follows a log from the head in `note` on, whose `frontier` the server has shown. Of the leaves before, only those
    /// are checked that lookups show.
    pub fn from_head(
        genesis: Genesis,
        note: &[u8],
        frontier: Frontier,
        now: Timestamp,
    ) -> Result<Self, Violation> {
        let mut auditor = Self::begin(genesis, frontier, now)?;
        let signed = auditor.log_key.open(note)?;
        auditor.check_followed(&auditor.state.followed, &signed)?;
        auditor.adopt(signed);
        Ok(auditor)
    }

    fn begin(genesis: Genesis, followed: Frontier, now: Timestamp) -> Result<Self, Violation> {
        let state = State {
            note: None,
            began: followed.size(),
            followed,
            latest: Timestamp(0),
            heartbeat: None,
            since: now,
        };
        Self::with_state(genesis, state, BTreeMap::new())
    }

    fn with_state(genesis: Genesis, state: State, labels: BTreeMap<Label, Known>) -> Result<Self, Violation> {
        let (log_key, vrf_key) = (LogKey::new(&genesis), VrfKey::new(&genesis.vrf_key)?);
        let head = state.note.as_deref().map(|note| log_key.open(note)).transpose()?;
        Ok(Self { genesis, log_key, vrf_key, head, state, labels, changed: BTreeSet::new() })
    }

    /// All that it knows apart from its labels, as CBOR, to be kept by the client: some hundred bytes.
    pub fn state(&self) -> Vec<u8> {
        codec::encode(&self.state)
    }

    /// The labels of which more is known since this was asked last, each with CBOR to be kept in the place of what was
    /// kept for it before. A log of many people has many: they are not one value.
    pub fn take_labels(&mut self) -> Vec<(Label, Vec<u8>)> {
        let changed = std::mem::take(&mut self.changed);
        let known = |label: Label| self.labels.get(&label).map(|known| (label, codec::encode(known)));
        changed.into_iter().filter_map(known).collect()
    }

    /// Goes on from what [`Self::state`] and [`Self::take_labels`] said. The bytes are this client's own, so they are
    /// believed.
    pub fn resume(
        genesis: Genesis,
        state: &[u8],
        labels: impl IntoIterator<Item = (Label, Vec<u8>)>,
    ) -> Result<Self, Violation> {
        let state: State = codec::decode(state).map_err(|_| ProofError::Malformed)?;
        Frontier::new(state.followed.size(), state.followed.subtrees().clone())
            .ok_or(ProofError::Malformed)?;
        let known = |(label, bytes): (Label, Vec<u8>)| Ok((label, codec::decode(&bytes)?));
        let labels = labels.into_iter().map(known).collect::<Result<_, codec::DecodeError>>();
        Self::with_state(genesis, state, labels.map_err(|_| ProofError::Malformed)?)
    }

    /// The own head: what is compared with other people's.
    pub fn head(&self) -> Option<&SignedHead> {
        self.head.as_ref()
    }

    /// How many leaves were followed: the next tail begins there.
    pub fn followed(&self) -> u64 {
        self.state.followed.size()
    }

    /// Whether all leaves of the own head were followed.
    pub fn is_complete(&self) -> bool {
        self.head.as_ref().is_some_and(|own| own.head().size == self.followed())
    }

    /// How many leaves of a label there are among those that were followed.
    pub fn count(&self, label: &Label) -> u32 {
        self.labels.get(label).and_then(|known| known.tail).map_or(0, |newest| newest.seq)
    }

    /// Follows the log by a page of it, whose leaves are the next ones from [`Self::followed`] on.
    pub fn advance(&mut self, tail: &Tail, now: Timestamp) -> Result<(), Violation> {
        let signed = self.log_key.open(&tail.note)?;
        self.check_grown(&signed, &tail.consistency)?;
        let wanted = signed.head().size.saturating_sub(self.followed());
        let sent = u64::try_from(tail.leaves.len()).unwrap_or(u64::MAX);
        if sent > wanted || (sent == 0) != (wanted == 0) {
            return Err(Violation::TailLength { wanted, sent });
        }
        let mut step = Step::new(self);
        for leaf in &tail.leaves {
            self.check_known_head(&step.followed)?;
            step.follow(leaf, now)?;
        }
        self.check_known_head(&step.followed)?;
        let page_end = Head { size: step.followed.size(), root: step.followed.root() };
        tail.beyond
            .check_consistency(&page_end, &signed.head())
            .map_err(|_| Violation::OtherRecords { size: page_end.size })?;
        let Step { followed, latest, heartbeat, tail, .. } = step;
        for (label, newest) in tail {
            self.labels.entry(label).or_default().tail = Some(newest);
            self.changed.insert(label);
        }
        self.state.followed = followed;
        self.state.latest = latest;
        self.state.heartbeat = heartbeat;
        self.adopt(signed);
        Ok(())
    }

    /// Checks a head that somebody else was shown. `beginning` is what the server says was the root of the larger of the
    /// two logs when it was as small as the other one, and `proof` its proof of that.
    pub fn compare(&self, seen: &SeenHead, beginning: Hash, proof: &Path) -> Result<(), Violation> {
        let other = self.log_key.open_seen(seen)?;
        let Some(own) = &self.head else { return Ok(()) };
        self.check_no_fork(own, &other)?;
        let (smaller, larger) =
            if own.head().size <= other.head().size { (own, &other) } else { (&other, own) };
        let then = Head { size: smaller.head().size, root: beginning };
        proof.check_consistency(&then, &larger.head())?;
        if then.root == smaller.head().root {
            return Ok(());
        }
        Err(Violation::Fork(Box::new(Fork {
            genesis: self.genesis.clone(),
            smaller: smaller.note().to_vec(),
            larger: larger.note().to_vec(),
            beginning,
            proof: proof.clone(),
        })))
    }

    /// Whether a head that somebody else was shown is signed by this server.
    pub fn is_signed(&self, seen: &SeenHead) -> bool {
        self.log_key.open_seen(seen).is_ok()
    }

    /// The label of `subject`, if `proof` proves it.
    pub fn label(&self, subject: &Subject, proof: &VrfProof) -> Result<Label, Violation> {
        Ok(self.vrf_key.verify(subject, proof)?)
    }

    /// Whether the log is alive.
    pub fn check_fresh(&self, now: Timestamp) -> Result<(), Violation> {
        let since = self.state.heartbeat.unwrap_or(self.state.since);
        if now.since(since) < FROZEN_AFTER { Ok(()) } else { Err(Violation::Frozen { since }) }
    }

    /// Checks an answer to the question who `subject` is, and remembers it.
    pub fn check(&mut self, subject: &Subject, lookup: &Lookup, now: Timestamp) -> Result<Found, Violation> {
        let signed = self.log_key.open(&lookup.note)?;
        self.check_grown(&signed, &lookup.consistency)?;
        let label = self.vrf_key.verify(subject, &lookup.vrf)?;
        let entry = &lookup.entry;
        if entry.leaf.label != label {
            return Err(Violation::OtherLabel);
        }
        entry.inclusion.check_inclusion(&entry.leaf, entry.index, &signed.head())?;
        if entry.opening.commitment() != entry.leaf.commitment {
            return Err(Violation::Commitment);
        }
        let newest = Newest { index: entry.index, seq: entry.leaf.seq };
        self.check_newest(label, newest)?;
        self.check_fresh(now)?;
        self.labels.entry(label).or_default().shown = Some(Shown { newest, size: signed.head().size });
        self.changed.insert(label);
        self.adopt(signed);
        Ok(Found { index: entry.index, leaf: entry.leaf, body: entry.opening.body.clone() })
    }

    fn check_newest(&self, label: Label, newest: Newest) -> Result<(), Violation> {
        let known = self.labels.get(&label).copied().unwrap_or_default();
        if let Some(tail) = known.tail
            && tail.index > newest.index
        {
            return Err(Violation::LaterLeaf { index: tail.index });
        }
        match known.shown.map(|shown| shown.newest) {
            // One leaf and one version, or a later leaf and a later version.
            Some(known) if known.index.cmp(&newest.index) != known.seq.cmp(&newest.seq) => {
                Err(Violation::BrokenChain { index: newest.index })
            }
            Some(known) if known.seq > newest.seq => {
                Err(Violation::OlderThanSeen { known: known.seq, shown: newest.seq })
            }
            _ => Ok(()),
        }
    }

    /// That the log with the head `signed` continues the own one.
    fn check_grown(&self, signed: &SignedHead, consistency: &Path) -> Result<(), Violation> {
        self.check_not_smaller(signed)?;
        match &self.head {
            Some(own) => Ok(consistency.check_consistency(&own.head(), &signed.head())?),
            None if consistency.hashes().is_empty() => Ok(()),
            None => Err(ProofError::Consistency.into()),
        }
    }

    fn check_not_smaller(&self, signed: &SignedHead) -> Result<(), Violation> {
        let Some(own) = &self.head else { return Ok(()) };
        let (known, shown) = (own.head().size, signed.head().size);
        if shown < known {
            return Err(Violation::RolledBack { known, shown });
        }
        self.check_no_fork(own, signed)
    }

    fn check_no_fork(&self, own: &SignedHead, other: &SignedHead) -> Result<(), Violation> {
        Fork::between(&self.genesis, own, other).map_or(Ok(()), |fork| Err(Violation::Fork(Box::new(fork))))
    }

    /// A lookup may have moved the own head beyond the leaves that were followed: these must lead to it.
    fn check_known_head(&self, followed: &Frontier) -> Result<(), Violation> {
        match &self.head {
            Some(own) if own.head().size == followed.size() => self.check_followed(followed, own),
            _ => Ok(()),
        }
    }

    fn check_followed(&self, followed: &Frontier, signed: &SignedHead) -> Result<(), Violation> {
        let head = signed.head();
        if (followed.size(), followed.root()) == (head.size, head.root) {
            return Ok(());
        }
        Err(Violation::OtherRecords { size: head.size })
    }

    fn adopt(&mut self, signed: SignedHead) {
        self.state.note = Some(signed.note().to_vec());
        self.head = Some(signed);
    }
}

/// Following a tail, before it is known to be the server's.
struct Step<'a> {
    before: &'a BTreeMap<Label, Known>,
    began: u64,
    followed: Frontier,
    latest: Timestamp,
    heartbeat: Option<Timestamp>,
    tail: BTreeMap<Label, Newest>,
}

impl<'a> Step<'a> {
    fn new(auditor: &'a Auditor) -> Self {
        let state = &auditor.state;
        Self {
            before: &auditor.labels,
            began: state.began,
            followed: state.followed.clone(),
            latest: state.latest,
            heartbeat: state.heartbeat,
            tail: BTreeMap::new(),
        }
    }

    fn follow(&mut self, leaf: &Leaf, now: Timestamp) -> Result<(), Violation> {
        let index = self.followed.size();
        if leaf.time < self.latest {
            return Err(Violation::TimeWentBack { index });
        }
        if leaf.time > now.plus(CLOCK_TOLERANCE) {
            return Err(Violation::FromTheFuture { index });
        }
        self.check_chain(leaf, index)?;
        self.tail.insert(leaf.label, Newest { index, seq: leaf.seq });
        self.latest = leaf.time;
        if leaf.kind == Kind::Heartbeat {
            self.heartbeat = Some(leaf.time);
        }
        self.followed.push(leaf);
        Ok(())
    }

    fn check_chain(&self, leaf: &Leaf, index: u64) -> Result<(), Violation> {
        let known = self.before.get(&leaf.label).copied().unwrap_or_default();
        let shown = known.shown;
        if shown.is_some_and(|shown| (shown.newest.index + 1..shown.size).contains(&index)) {
            return Err(Violation::HiddenLeaf { index });
        }
        let followed = self.tail.get(&leaf.label).copied().or(known.tail);
        let looked_up = shown.map(|shown| shown.newest).filter(|newest| newest.index < index);
        let continues = match followed.into_iter().chain(looked_up).max_by_key(|newest| newest.index) {
            Some(known) => leaf.previous == Some(known.index) && leaf.seq == known.seq.saturating_add(1),
            // The one before it may be among the leaves that were never seen.
            None => leaf.previous.is_none_or(|previous| previous < self.began),
        };
        if continues { Ok(()) } else { Err(Violation::BrokenChain { index }) }
    }
}
