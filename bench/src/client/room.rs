//! The same through our layers: a room with certificates, checked records, a vault and an engine.

use openchat_client::vault::{Change, OutboxMessage, OwnCommit, RoomRecord, Sealed, Vault, Write};
use openchat_e2ee::{CommitDraft, Content, Device, Opened, RoomGroup, RoomPolicy, Suite};
use openchat_identity::Authority;
use openchat_protocol::account::ClaimedKeyPackage;
use openchat_protocol::record::{Base, Position, Record, RecordKind};
use openchat_protocol::room::JoinInfo;
use openchat_protocol::{DeviceId, Incarnation, MessageId, RoomId, RoomName};
use tempfile::TempDir;

use super::profile::{Profile, room_record, stored, vault};
use super::{Operation, Spent, timed};
use crate::paths::record;
use crate::person::{NOW, Outcome, Somebody};
use crate::text;

const ROOM: RoomId = RoomId([7; 16]);
/// Records in a page, at most.
const PAGE: usize = openchat_protocol::limits::PAGE_RECORDS;

/// What the two layers spend.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) room: Spent,
    pub(super) vault: Spent,
}

impl Layers {
    /// Does `work`, of which `keep` keeps what the vault takes besides: that is all that differs.
    fn on<T>(
        &mut self,
        operation: Operation,
        work: impl FnOnce() -> Outcome<T>,
        keep: impl FnOnce(&T) -> Outcome<()>,
    ) -> Outcome<T> {
        self.on_part(operation, 1, work, keep)
    }

    /// The same, of a part of an operation: one part counts, the others add their time to it.
    fn on_part<T>(
        &mut self,
        operation: Operation,
        times: u32,
        work: impl FnOnce() -> Outcome<T>,
        keep: impl FnOnce(&T) -> Outcome<()>,
    ) -> Outcome<T> {
        let (done, time) = timed(work);
        let done = done?;
        let (kept, besides) = timed(|| keep(&done));
        self.room.note(operation, times, time);
        self.vault.note(operation, times, time + besides);
        kept.map(|()| done)
    }
}

/// A room of so many devices, of whom three do anything: who speaks and changes it, who opens, and who reads with an
/// engine.
pub(super) struct Room {
    authority: Authority,
    speaker: RoomGroup,
    speaker_id: DeviceId,
    /// Where the speaker keeps what it does.
    vault: Vault,
    _folder: TempDir,
    reader: RoomGroup,
    profile: Profile,
    /// The speaker's.
    record: RoomRecord,
    sealed: u64,
}

impl Room {
    pub(super) fn of(devices: u32) -> Outcome<Self> {
        let authority = Authority::create(NOW)?;
        let owner = Somebody::new(&authority)?;
        let device = owner.device(&authority)?;
        let policy = RoomPolicy::listed(name()?, owner.id.uid);
        let (mut speaker, _) = device.create_room(ROOM, policy, Suite::Hybrid, NOW)?;
        let others = 1..devices - 1;
        let others = others.map(|_| Somebody::new(&authority)?.device(&authority));
        let others = others.collect::<Outcome<Vec<_>>>()?;
        for part in others.chunks(super::AT_ONCE) {
            let packages = part.iter().map(key_package).collect::<Outcome<Vec<_>>>()?;
            speaker.add(&packages, NOW)?;
            speaker.accept_commit(NOW)?;
        }
        let (vault, folder) = vault(&owner, &authority)?;
        let start = Position::start(ROOM);
        let mut record = room_record(ROOM, start);
        let second = Somebody::new(&authority)?;
        let (mut reader, draft) = second.device(&authority)?.join_external(&outside(&speaker)?, None, NOW)?;
        let commit = self::record(1, second.id, RecordKind::Commit, draft.payload);
        speaker.open(&commit)?;
        reader.accept_commit(NOW)?;
        record.cursor = Position { sequence: 1, chain: start.chain.then(&commit.to_bytes()) };
        record.commit = record.cursor;
        let profile = Profile::of(&second, &authority, record.clone(), &mut reader, owner.id)?;
        let (speaker_id, sealed) = (owner.id, 0);
        let mut room =
            Self { authority, speaker, speaker_id, vault, _folder: folder, reader, profile, record, sealed };
        keep(&mut room.vault, &mut room.speaker, &room.record, Vec::new(), true)?;
        Ok(room)
    }

    /// The next record of the log.
    fn append(&mut self, author: DeviceId, kind: RecordKind, payload: Vec<u8>) -> Record {
        let Position { sequence, chain } = self.record.cursor;
        let record = record(sequence + 1, author, kind, payload);
        self.record.cursor = Position { sequence: sequence + 1, chain: chain.then(&record.to_bytes()) };
        if kind == RecordKind::Commit {
            self.record.commit = self.record.cursor;
        }
        record
    }

    /// So many messages, one after the other; half of them reach the engine one by one, half in pages.
    pub(super) fn talk(&mut self, messages: u64, spent: &mut Layers) -> Outcome<()> {
        let mut said = Vec::new();
        for number in 0..messages {
            let mut words = Vec::new();
            text::put(0, number, text::LENGTH, &mut words);
            let words = String::from_utf8(words)?;
            self.sealed += 1;
            let id = MessageId(u128::from(self.sealed).to_be_bytes());
            let content = Content::text(id, self.sealed, Some(self.record.cursor), words.clone());
            let Self { speaker, vault, record, sealed, .. } = self;
            record.sealed = *sealed;
            let mut payload = Vec::new();
            // The keys are written before what they have sealed goes out: see `openchat_client::engine`.
            let speaker = std::cell::RefCell::new(speaker);
            spent.on(
                Operation::Seal,
                || {
                    payload = speaker.borrow_mut().seal(&content)?;
                    Ok(payload.clone())
                },
                |payload| {
                    let message = outgoing(id, words, record.commit, payload);
                    let outbox = Write::Outbox(Box::new(message));
                    keep(vault, &mut speaker.borrow_mut(), record, vec![outbox], false)
                },
            )?;
            let author = self.speaker_id;
            said.push((self.append(author, RecordKind::Message, payload), Some(number)));
        }
        for (record, number) in &said {
            let opened = spent.room.on(Operation::Open, || Ok(self.reader.open(record)?))?;
            let Opened::Message { sender, content } = opened else {
                return Err(format!("no message: {opened:?}").into());
            };
            let openchat_e2ee::Body::Text(words) = &content.body else { return Err("no text".into()) };
            let read = text::read(words.markdown.as_bytes())?;
            if sender != self.speaker_id || Some(read.1) != *number {
                return Err(format!("message {read:?} of {sender} where {number:?} was said").into());
            }
        }
        let (singly, paged) = said.split_at(said.len().div_ceil(2));
        self.profile.follow(singly, 1, Operation::Open, &mut spent.vault)?;
        self.profile.follow(paged, PAGE, Operation::OpenPage, &mut spent.vault)
    }

    /// One device comes by an invitation, the keys change, the device goes, and another one comes from outside and goes.
    pub(super) fn change(&mut self, spent: &mut Layers) -> Outcome<()> {
        let added = Somebody::new(&self.authority)?;
        let package = key_package(&added.device(&self.authority)?)?;
        self.commit((Operation::Add, Operation::TakeAdd), spent, |room| {
            Ok(room.add(std::slice::from_ref(&package), NOW)?)
        })?;
        self.commit((Operation::Update, Operation::TakeUpdate), spent, |room| Ok(room.update(NOW)?))?;
        self.commit((Operation::Remove, Operation::TakeRemove), spent, |room| {
            Ok(room.remove(&[added.id], &[], NOW)?)
        })?;
        let joiner = self.join(spent)?;
        let unmeasured = &mut Layers::default();
        self.commit((Operation::Remove, Operation::TakeRemove), unmeasured, |room| {
            Ok(room.remove(&[joiner], &[], NOW)?)
        })
    }

    /// A commit by the speaker, stored and applied, and followed by the others.
    fn commit(
        &mut self,
        (make, take): (Operation, Operation),
        spent: &mut Layers,
        draft: impl FnOnce(&mut RoomGroup) -> Outcome<CommitDraft>,
    ) -> Outcome<()> {
        let Self { speaker, vault, record, .. } = self;
        let base = base(record.commit);
        let speaker = std::cell::RefCell::new(speaker);
        // First the draft, which is stored before it is sent; then its epoch, when the server has it.
        let draft = spent.on(
            make,
            || draft(&mut speaker.borrow_mut()),
            |draft: &CommitDraft| {
                let (payload, bundle) = (draft.payload.clone().into(), draft.bundle.clone());
                let commit =
                    OwnCommit { message_id: MessageId([1; 16]), base, payload, bundle, joins_by: None };
                let commit = Write::OwnCommit(ROOM, Some(Box::new(commit)));
                keep(vault, &mut speaker.borrow_mut(), record, vec![commit], false)
            },
        )?;
        spent.on_part(
            make,
            0,
            || Ok(speaker.borrow_mut().accept_commit(NOW)?),
            |_| {
                let settled = Write::OwnCommit(ROOM, None);
                keep(vault, &mut speaker.borrow_mut(), record, vec![settled], true)
            },
        )?;
        let author = self.speaker_id;
        let commit = self.append(author, RecordKind::Commit, draft.payload);
        self.take(commit, take, spent)
    }

    /// A device that has seen nobody's certificates comes in from outside.
    fn join(&mut self, spent: &mut Layers) -> Outcome<DeviceId> {
        let joiner = Somebody::new(&self.authority)?;
        let device = joiner.device(&self.authority)?;
        let (mut vault, _folder) = vault(&joiner, &self.authority)?;
        let info = outside(&self.speaker)?;
        let record = &self.record;
        let draft = spent.on(
            Operation::Join,
            || {
                let (mut group, draft) = device.join_external(&info, None, NOW)?;
                group.accept_commit(NOW)?;
                Ok((std::cell::RefCell::new(group), draft))
            },
            |(group, _)| keep(&mut vault, &mut group.borrow_mut(), record, Vec::new(), true),
        )?;
        let commit = self.append(joiner.id, RecordKind::Commit, draft.1.payload);
        self.speaker.open(&commit)?;
        self.take(commit, Operation::TakeJoin, spent)?;
        Ok(joiner.id)
    }

    /// The others follow a commit.
    fn take(&mut self, commit: Record, operation: Operation, spent: &mut Layers) -> Outcome<()> {
        let opened = spent.room.on(operation, || Ok(self.reader.open(&commit)?))?;
        if !matches!(opened, Opened::Commit(_)) {
            return Err(format!("no commit: {opened:?}").into());
        }
        self.profile.follow(&[(commit, None)], 1, operation, &mut spent.vault)
    }
}

fn name() -> Outcome<RoomName> {
    Ok("room-0".parse()?)
}

fn base(commit: Position) -> Base {
    Base { incarnation: Incarnation([0; Incarnation::LENGTH]), commit }
}

/// A message as the outbox has it when it is sealed.
fn outgoing(message: MessageId, text: String, commit: Position, payload: &[u8]) -> OutboxMessage {
    let sealed = Sealed { record: message, base: base(commit), payload: payload.to_vec().into() };
    let (room, time, failed, verification) = (ROOM, NOW, None, None);
    OutboxMessage { message, room, time, text, sealed: Some(sealed), failed, in_log: false, verification }
}

fn key_package(device: &Device) -> Outcome<ClaimedKeyPackage> {
    let made = device.key_packages(Suite::Hybrid, 1, false, NOW)?.pop().ok_or("no key package")?;
    Ok(ClaimedKeyPackage { device: device.id(), key_package: made.public.into() })
}

/// What the server gives to who comes in from outside.
fn outside(room: &RoomGroup) -> Outcome<JoinInfo> {
    let by = room.roster().first().ok_or("nobody")?.device.uid;
    let (base, group) = (base(Position::start(ROOM)), room.snapshot()?);
    Ok(JoinInfo { room: ROOM, name: Some(name()?), base, group, by })
}

/// What goes to the vault with every change of the keys, in one transaction.
fn keep(
    vault: &mut Vault,
    group: &mut RoomGroup,
    record: &RoomRecord,
    writes: Vec<Write>,
    with_tree: bool,
) -> Outcome<()> {
    let keys = Write::Group(ROOM, stored(&group.state()?, with_tree));
    let record = Write::Room(Box::new(record.clone()));
    vault.apply(&Change::from_iter(writes.into_iter().chain([record, keys])))?;
    Ok(())
}
