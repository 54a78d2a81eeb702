//! What the vault keeps, as the engine works with it.

use std::fmt;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use openchat_e2ee::fernet::{FernetKey, KeyId};
use openchat_e2ee::{Device, GroupState, RoomGroup, RoomKey, StateError, Suite, Verification};
use openchat_identity::trust;
use openchat_protocol::append::CommitBundle;
use openchat_protocol::device_list::SignedDeviceList;
use openchat_protocol::record::{Base, Position};
use openchat_protocol::statement::LeaveNotice;
use openchat_protocol::{
    DeviceId, Incarnation, MessageId, RoomId, RoomName, ServerFingerprint, Timestamp, Uid, UserName,
};
use zeroize::{Zeroize, Zeroizing};

use super::invite::{StoredInvite, Voucher};
use crate::event::{Entry, Membership};
use crate::mention::mentions;
use crate::trust::{Basis, Claimant};
use crate::vault::logged::LoadedKeyLog;

/// Who this profile is, where its server is, and the keys that prove both.
#[derive(Clone, Encode, Decode)]
pub struct Credentials {
    /// Where the server is.
    #[n(0)]
    pub host: String,
    /// Its TCP port.
    #[n(1)]
    pub port: u16,
    /// Who the server is: the only one this profile talks to.
    #[n(2)]
    pub server: ServerFingerprint,
    /// The server's root certificate, DER.
    #[n(3)]
    pub root: ByteVec,
    /// The account's name.
    #[n(4)]
    pub name: UserName,
    /// This device.
    #[n(5)]
    pub device: DeviceId,
    /// The identity key, PKCS#8.
    #[n(6)]
    pub identity_key: ByteVec,
    /// The device key, PKCS#8.
    #[n(7)]
    pub device_key: ByteVec,
    /// Device, identity and issuing certificate, and behind them successors of the root, the newest first; each DER.
    #[n(8)]
    pub chain: Vec<ByteVec>,
    /// Whether the server has accepted the device.
    #[n(9)]
    pub enrolled: bool,
    /// The newest list of this user's devices that this device has signed.
    #[n(10)]
    pub devices: Option<SignedDeviceList>,
}

impl Credentials {
    /// The certificates of device and identity, and [what is above](openchat_identity::trust::above) the identity.
    pub fn certificates(&self) -> Option<(&[u8], &[u8], Vec<u8>)> {
        let [device, identity, above @ ..] = self.chain.as_slice() else { return None };
        Some((device, identity, trust::above(above.iter().map(|der| der.as_slice()))))
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.identity_key.zeroize();
        self.device_key.zeroize();
    }
}

/// Without the keys.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, {:?})", self.device, self.server)
    }
}

/// Someone whose name was looked up; the identity is proven by its certificate, the name is the server's word.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Contact {
    /// Who: the hash of the identity key, so that the key needs no pin of its own.
    #[n(0)]
    pub uid: Uid,
    /// The name that was seen first; another one is refused.
    #[n(1)]
    pub name: UserName,
    /// When this identity was first seen.
    #[n(2)]
    pub first_seen: Timestamp,
    /// What it rests on that the name is this identity's.
    #[n(3)]
    pub basis: Basis,
    /// Other identities to which the server has given the name.
    #[n(4)]
    pub claimants: Vec<Claimant>,
}

impl Contact {
    /// Somebody of whom nothing is known but what the server says.
    pub fn at_first_use(uid: Uid, name: UserName, now: Timestamp) -> Self {
        Self { uid, name, first_seen: now, basis: Basis::FirstUse, claimants: Vec::new() }
    }

    /// Those who are not refused.
    pub fn open_claimants(&self) -> impl Iterator<Item = &Claimant> {
        self.claimants.iter().filter(|claimant| !claimant.refused)
    }
}

/// One room, without its keys.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RoomRecord {
    /// Which.
    #[n(0)]
    pub room: RoomId,
    /// Its name.
    #[n(1)]
    pub name: RoomName,
    /// Whether the server lists it.
    #[n(2)]
    pub listed: bool,
    /// How this device stands to it.
    #[n(3)]
    pub membership: Membership,
    /// The last record that is on this disk.
    #[n(4)]
    pub cursor: Position,
    /// The last commit record up to there, valid or skipped, or the start of the room.
    #[n(5)]
    pub commit: Position,
    /// Messages this device has sealed since it came in: the counter of the last one.
    #[n(6)]
    pub sealed: u64,
    /// Messages that this device may still send before it changes its keys.
    #[n(7)]
    pub until_update: u32,
    /// When this device changes its keys at the latest.
    #[n(8)]
    pub update_at: Timestamp,
    /// Devices that have left and are still in the key tree.
    #[n(9)]
    pub departed: Vec<LeaveNotice>,
    /// Whether this device ever was in it: else it is forgotten when there is no way in.
    #[n(10)]
    pub was_in: bool,
    /// Set after it came in from outside, until enough others were heard in the same keys.
    #[n(11)]
    pub unheard: Option<Unheard>,
    /// Of a private room: opens what is needed to come in again, should the group on this disk be damaged.
    #[cbor(n(12), with = "room_key")]
    pub room_key: Option<RoomKey>,
}

impl RoomRecord {
    /// A room of which nothing is read yet.
    pub fn new(room: RoomId, name: RoomName, listed: bool, membership: Membership) -> Self {
        Self {
            room,
            name,
            listed,
            membership,
            cursor: Position::start(room),
            commit: Position::start(room),
            sealed: 0,
            until_update: u32::MAX,
            update_at: Timestamp::END,
            departed: Vec::new(),
            was_in: false,
            unheard: None,
            room_key: None,
        }
    }
}

/// This device came in from outside, and cannot know yet whether the room is in the same keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Unheard {
    /// Whose group it came in by.
    #[n(0)]
    pub by: Uid,
    /// Whether anybody at all was heard: it may have been the one who forged the group.
    #[n(1)]
    pub answered: bool,
}

/// A commit of this device whose place in the log is not known yet.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OwnCommit {
    /// Its identifier; sent again under the same one, it is stored once.
    #[n(0)]
    pub message_id: MessageId,
    /// What it builds on.
    #[n(1)]
    pub base: Base,
    /// The MLS message.
    #[n(2)]
    pub payload: ByteVec,
    /// What goes with it.
    #[n(3)]
    pub bundle: CommitBundle,
    /// Of an external commit, by which this device comes in: whose group it builds on.
    #[n(4)]
    pub joins_by: Option<Uid>,
}

impl OwnCommit {
    /// Whether this device comes in by it.
    pub fn is_external(&self) -> bool {
        self.joins_by.is_some()
    }
}

/// A message of this profile that is not in the history yet, or may have to be sent again.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct OutboxMessage {
    /// Its identifier, the same in every attempt.
    #[n(0)]
    pub message: MessageId,
    /// Where it goes.
    #[n(1)]
    pub room: RoomId,
    /// When it was written.
    #[n(2)]
    pub time: Timestamp,
    /// What was said.
    #[n(3)]
    pub text: String,
    /// What was sealed last, and may be in the log: sent again as it is until the server says otherwise.
    #[n(4)]
    pub sealed: Option<Sealed>,
    /// Why it will not be sent.
    #[n(5)]
    pub failed: Option<String>,
    /// In the log and in the history, and kept until it is known that the others are in the keys it was sealed with.
    #[n(6)]
    pub in_log: bool,
    /// What one program says to another instead of a text: no line of history.
    #[n(7)]
    pub verification: Option<Verification>,
}

impl OutboxMessage {
    /// Whether a person said it.
    pub fn is_said(&self) -> bool {
        self.verification.is_none()
    }
}

/// Without what was said.
impl fmt::Debug for OutboxMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboxMessage({}, {:?}, {:?})", self.message, self.sealed, self.failed)
    }
}

/// The sealed form of a message.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Sealed {
    /// The identifier of its record: each sealing has its own.
    #[n(0)]
    pub record: MessageId,
    /// The commit under whose epoch it was sealed.
    #[n(1)]
    pub base: Base,
    /// The MLS message.
    #[n(2)]
    pub payload: ByteVec,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes on {})", self.payload.len(), self.base.commit.sequence)
    }
}

/// One line of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLine {
    /// Where.
    pub room: RoomId,
    /// The record it comes from.
    pub sequence: u64,
    /// Which of the lines of one record this is.
    pub part: u32,
    /// When the server accepted the record.
    pub time: Timestamp,
    /// Who said or did it.
    pub author: Uid,
    /// What.
    pub entry: Entry<Uid>,
    /// How it counts while it is unread.
    pub notice: Notice,
}

/// How a line counts while it is unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Not at all: it is this profile's own, or tells of who came and went.
    Nothing = 0,
    /// As a message.
    Message = 1,
    /// As a message that calls this profile by its name.
    Mention = 2,
}

impl Notice {
    /// How a line of `author` counts for the profile that `credentials` are of.
    pub fn of(entry: &Entry<Uid>, author: Uid, credentials: &Credentials) -> Self {
        match entry {
            _ if author == credentials.device.uid => Self::Nothing,
            Entry::Text { text, .. } if mentions(text, &credentials.name) => Self::Mention,
            entry if entry.is_message() => Self::Message,
            _ => Self::Nothing,
        }
    }
}

/// A room's step to its next epoch: [`crate::EpochChanged`] as the vault keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StoredEpoch {
    /// Which room.
    #[n(0)]
    pub room: RoomId,
    /// The new epoch.
    #[n(1)]
    pub epoch: u64,
    /// The record of the commit that did it; 0 when the room was made.
    #[n(2)]
    pub sequence: u64,
    /// When the server accepted the commit; by this device's clock when it made the room, or was added to it.
    #[n(3)]
    pub time: Timestamp,
    /// Whose device committed.
    #[n(4)]
    pub by: Uid,
    /// Devices that came in.
    #[n(5)]
    pub joined: Vec<DeviceId>,
    /// Devices that are out.
    #[n(6)]
    pub removed: Vec<DeviceId>,
}

/// The secret half of a key package that others may use to add this device.
#[derive(Clone)]
pub struct StoredKeyPackage {
    /// Its reference (RFC 9420 §5.2).
    pub id: Vec<u8>,
    /// What is needed to use a Welcome for it.
    pub secret: Zeroizing<Vec<u8>>,
    /// For rooms with this cipher suite.
    pub suite: Suite,
    /// Whether it serves again and again.
    pub last_resort: bool,
    /// When it was made.
    pub made: Timestamp,
}

impl fmt::Debug for StoredKeyPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredKeyPackage(last_resort: {})", self.last_resort)
    }
}

/// A room's key of one epoch for sealed files and pipes.
#[derive(Clone, PartialEq, Eq)]
pub struct EpochKey {
    /// The epoch it belongs to.
    pub epoch: u64,
    /// Stands beside each token, so that the key is found again.
    pub id: Vec<u8>,
    /// A Fernet key.
    pub key: Zeroizing<[u8; 32]>,
}

impl EpochKey {
    /// What stands beside each token sealed under this key.
    pub fn key_id(&self) -> KeyId {
        FernetKey::from_bytes(self.key.clone()).id()
    }

    /// The key as every Fernet library takes it: base64url of its 32 bytes.
    pub fn to_base64(&self) -> Zeroizing<String> {
        FernetKey::from_bytes(self.key.clone()).to_base64()
    }
}

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochKey(epoch {})", self.epoch)
    }
}

/// The keys of a room as `openchat-e2ee` writes them.
#[derive(Clone)]
pub struct StoredGroup {
    /// What only this device may know; changes with every message.
    pub secret: Zeroizing<Vec<u8>>,
    /// The ratchet tree; absent in a write when it is still the same.
    pub tree: Option<Vec<u8>>,
}

impl StoredGroup {
    /// `state` for the vault; `with_tree` when the tree on disk is another one.
    pub(crate) fn new(state: &GroupState, with_tree: bool) -> Self {
        Self { secret: state.to_bytes_without_tree(), tree: with_tree.then(|| state.tree().to_vec()) }
    }

    /// The group, if a whole one was stored.
    pub(crate) fn open(self, device: &Device) -> Result<RoomGroup, StateError> {
        let state = GroupState::from_bytes(&self.secret)?;
        device.load(&state.with_tree(self.tree.unwrap_or_default()))
    }
}

/// One room with everything the engine goes on from.
#[derive(Clone)]
pub struct LoadedRoom {
    /// The room.
    pub record: RoomRecord,
    /// Its keys; absent when this device is out.
    pub group: Option<StoredGroup>,
    /// A commit on its way.
    pub own_commit: Option<OwnCommit>,
    /// The newest counter of each sender.
    pub counters: Vec<(DeviceId, u64)>,
    /// The newest places of the hash chain, in order.
    pub chain: Vec<Position>,
    /// The part that the next line at the cursor has.
    pub next_part: u32,
    /// What was not sent, in the order in which it was written.
    pub outbox: Vec<OutboxMessage>,
}

/// Everything the engine goes on from after a restart.
pub struct Loaded {
    /// Who this profile is.
    pub credentials: Credentials,
    /// Whose names are known.
    pub contacts: Vec<Contact>,
    /// Invites of this profile that somebody may still come by.
    pub invites: Vec<StoredInvite>,
    /// What this profile has to prove of the invite it came by.
    pub voucher: Option<Voucher>,
    /// The life of the server's database, as of the last connection.
    pub life: Option<Incarnation>,
    /// All rooms, those it has left as well.
    pub rooms: Vec<LoadedRoom>,
    /// Key packages that others may still use.
    pub key_packages: Vec<StoredKeyPackage>,
    /// What is known of the log of keys.
    pub key_log: LoadedKeyLog,
}

/// A room key as its bytes.
mod room_key {
    use minicbor::bytes::ByteArray;
    use minicbor::decode::{self, Decoder};
    use minicbor::encode::{self, Encoder, Write};
    use minicbor::{Decode, Encode};
    use openchat_e2ee::RoomKey;

    pub(super) fn encode<C, W: Write>(
        key: &Option<RoomKey>,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        key.as_ref().map(|key| ByteArray::from(*key.as_bytes())).encode(e, context)
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, context: &mut C) -> Result<Option<RoomKey>, decode::Error> {
        let bytes: Option<ByteArray<32>> = Option::decode(d, context)?;
        Ok(bytes.map(|bytes| RoomKey::from_bytes(bytes.into())))
    }
}
