//! What the vault keeps of the log of keys, as the engine works with it.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::give_back::Disclosed;
use openchat_protocol::key_log::SeenHead;
use openchat_protocol::{Genesis, Timestamp, Uid, UserName};
use openchat_transparency::{Auditor, Label, SignedHead, Violation};

/// What this device knows of the log of keys, apart from its labels.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StoredKeyLog {
    /// How far it was followed ([`openchat_transparency::Auditor::state`]).
    #[n(0)]
    pub auditor: ByteVec,
    /// Where this user stands in it; known once the server has proven it.
    #[n(1)]
    pub own: Option<OwnLabels>,
    /// Since when the server does not prove that its log goes on from where this device is.
    #[n(2)]
    pub unproven: Option<Timestamp>,
    /// Heads of others that the server has yet to prove to be of the same log.
    #[n(3)]
    pub heard: Vec<HeardHead>,
    /// The server has shown different logs to different people.
    #[n(4)]
    pub forked: Option<SeenFork>,
    /// The newest head up to which all leaves were followed.
    #[n(5)]
    pub whole: Option<WholeLog>,
}

/// A head of the log of keys whose leaves are known.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WholeLog {
    /// How many.
    #[n(0)]
    pub size: u64,
    /// The server's signed note of it.
    #[n(1)]
    pub note: ByteVec,
}

impl StoredKeyLog {
    /// Of a device that has yet to follow the log from its first leaf on, to a head that the same user was shown elsewhere.
    pub(crate) fn hearing(genesis: Genesis, heard: HeardHead) -> Result<Self, Violation> {
        let auditor = Auditor::new(genesis, Timestamp(0))?;
        // What the server has not signed says nothing about it.
        let heard = if auditor.is_signed(&heard.head) { vec![heard] } else { Vec::new() };
        let auditor = auditor.state().into();
        Ok(Self { auditor, own: None, unproven: None, heard, forked: None, whole: None })
    }

    /// The newest head that this device was shown.
    pub(crate) fn head(&self, genesis: Genesis) -> Option<SeenHead> {
        let auditor = Auditor::resume(genesis, &self.auditor, Vec::new()).ok()?;
        auditor.head().map(SignedHead::to_seen)
    }
}

/// How it came out that there are different logs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SeenFork {
    /// Who was shown another one, if somebody told.
    #[n(0)]
    pub by: Option<Uid>,
    /// The file with the evidence, beside the vault.
    #[n(1)]
    pub evidence: Option<String>,
}

/// Where this user stands in the log of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct OwnLabels {
    /// Under the name.
    #[n(0)]
    pub name: Label,
    /// Under the uid.
    #[n(1)]
    pub user: Label,
    /// Lists of devices that this user has signed.
    #[n(2)]
    pub lists: u32,
    /// Records under the name after the first one: certificates that this user has asked for, and what was said about
    /// wishes of others for the name.
    #[cbor(n(3), default)]
    pub later: u32,
}

impl OwnLabels {
    /// Leaves under the name that are known to be this user's, or about a wish for it.
    pub fn names(&self) -> u32 {
        self.later.saturating_add(1)
    }
}

/// A head of the log of keys that somebody else was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct HeardHead {
    /// The head.
    #[n(0)]
    pub head: SeenHead,
    /// Who told of it.
    #[n(1)]
    pub by: Uid,
    /// When.
    #[n(2)]
    pub since: Timestamp,
}

/// What the log of keys says of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LoggedPerson {
    /// Who.
    #[n(0)]
    pub uid: Uid,
    /// The label of the uid.
    #[n(1)]
    pub label: Label,
    /// The number of the newest leaf of that label that was proven.
    #[n(2)]
    pub seq: u32,
    /// The version of the list of devices; 0 without one.
    #[n(3)]
    pub version: u32,
    /// The devices in it.
    #[n(4)]
    pub devices: Vec<ListedDevice>,
    /// What proves it, should the server lose it.
    #[n(5)]
    pub proven: Option<ProvenPerson>,
    /// Devices that were in an earlier list and are no more.
    #[cbor(n(6), default)]
    pub revoked: Vec<ListedDevice>,
    /// The identity is not used any more: none of its devices is.
    #[cbor(n(7), default)]
    pub retired: bool,
}

/// What the newest leaves of somebody were made for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ProvenPerson {
    /// The name.
    #[n(0)]
    pub name: UserName,
    /// Under the name.
    #[n(1)]
    pub by_name: Disclosed,
    /// Under the uid.
    #[n(2)]
    pub by_uid: Disclosed,
}

/// What is known of the log of keys.
#[derive(Debug, Default)]
pub struct LoadedKeyLog {
    /// Nothing before it was followed for the first time.
    pub state: Option<StoredKeyLog>,
    /// Of each label what [`openchat_transparency::Auditor::take_labels`] said last.
    pub labels: Vec<(Label, Vec<u8>)>,
    /// What it says of people.
    pub people: Vec<LoggedPerson>,
}
