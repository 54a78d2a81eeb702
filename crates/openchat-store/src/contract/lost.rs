//! Rules of what is taken back after an older copy of the database took the place of a newer one.

use bytes::Bytes;
use openchat_protocol::account::AccountSelector;
use openchat_protocol::record::{Base, Position, Record, RecordKind};
use openchat_protocol::room::RoomSelector;
use openchat_protocol::statement::Statement;
use openchat_protocol::{ChainHash, DeviceId, MessageId, RoomId, Timestamp};
use openchat_transparency::tree::Frontier;
use openchat_transparency::{Hash, Kind, Label, Leaf, Opening};

use super::World;
use super::world::NOW;
use crate::account::CreateAccountError;
use crate::group::JoinOffer;
use crate::key_log::LogState;
use crate::lost::{
    LostAccount, LostLeaves, LostRecord, LostRecords, TakeAccountError, TakeBackError, TakeLeavesError,
};
use crate::room_log::StoredRecord;

/// The records of a room as the server had them, of which this store has lost the later ones, or all.
struct Before {
    room: RoomId,
    end: Position,
    records: Vec<(LostRecord, Position)>,
}

impl Before {
    fn new(room: RoomId) -> Self {
        Self { room, end: Position::start(room), records: Vec::new() }
    }

    fn had(&mut self, author: DeviceId, kind: RecordKind, statement: Option<Statement>) {
        let sequence = self.end.sequence + 1;
        let record = Record {
            sequence,
            time: Timestamp(NOW.0 - 1000 + sequence),
            author,
            message_id: MessageId([u8::try_from(sequence).unwrap(); 16]),
            kind,
            payload: b"as it was".to_vec().into(),
        };
        let bytes = Bytes::from(record.to_bytes());
        self.end = Position { sequence, chain: self.end.chain.then(&bytes) };
        self.records.push((LostRecord::new(record, bytes, statement).unwrap(), self.end));
    }

    fn said(&mut self, author: DeviceId) {
        self.had(author, RecordKind::Message, None);
    }

    fn committed(&mut self, author: DeviceId, joined: &[DeviceId], removed: &[DeviceId]) {
        let statement =
            Statement { joined: joined.to_vec(), removed: removed.to_vec(), ..Statement::default() };
        self.had(author, RecordKind::Commit, Some(statement));
    }

    /// The records from `first` to `last`, both included.
    fn between(&self, by: DeviceId, first: usize, last: usize) -> LostRecords {
        let some = &self.records[first - 1..last];
        let records = some.iter().map(|(record, _)| record.clone()).collect();
        LostRecords { room: self.room, by, records, end: some.last().unwrap().1, before: NOW }
    }

    fn bytes(&self) -> Vec<Bytes> {
        self.records.iter().map(|(record, _)| record.bytes.clone()).collect()
    }
}

async fn take(world: &World, lost: LostRecords) -> Result<(usize, u64), TakeBackError> {
    let taken = world.store.take_back_records(lost).await?;
    Ok((taken.stored.len(), taken.end.sequence))
}

/// Messages, a commit that adds, one that removes and a leave come back in their places, with their times; twice is once.
pub async fn records_are_taken_back_as_they_were(world: &World) {
    let (alice, bob, carol) = (world.user("alice").await, world.user("bob").await, world.user("carol").await);
    let room = world.room(None, alice).await;
    let mut before = Before::new(room);
    before.said(alice);
    before.committed(alice, &[bob, carol], &[]);
    before.said(bob);
    before.had(bob, RecordKind::Leave, None);
    before.committed(alice, &[], &[carol]);
    before.said(alice);
    assert_eq!(take(world, before.between(alice, 1, 3)).await, Ok((3, 3)));
    assert!(world.is_member(room, bob).await);
    assert_eq!(take(world, before.between(carol, 2, 6)).await, Ok((3, 6)), "another one has more of them");
    assert_eq!(take(world, before.between(alice, 1, 6)).await, Ok((0, 6)));
    assert_eq!(world.read_bytes(room, alice, 0).await, before.bytes());
    assert_eq!(world.store.chain_at(room, 6).await, Ok(Some(before.end.chain)));
    let members = [alice, bob, carol].map(|device| world.is_member(room, device));
    assert_eq!(futures(members).await, [true, false, false]);
    assert_eq!(world.sequences(room, bob, 0).await, [2, 3, 4]);
    let info = world.join_offer(&RoomSelector::Id(room), alice, &[]).await;
    assert_eq!(info, Some(JoinOffer::Doubted { room, helpers: vec![] }), "its group is lost");
}

async fn futures<const N: usize>(asked: [impl Future<Output = bool>; N]) -> [bool; N] {
    let mut answers = [false; N];
    for (answer, asked) in answers.iter_mut().zip(asked) {
        *answer = asked.await;
    }
    answers
}

/// The room goes on from what was taken back, and the next commit brings a group for joiners.
pub async fn a_room_goes_on_from_what_was_taken_back(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(Some("lobby"), alice).await;
    let mut update = world.commit(room, alice, &[], &[]).await;
    let mut before = Before::new(room);
    before.committed(bob, &[bob], &[]);
    before.said(bob);
    assert_eq!(take(world, before.between(bob, 1, 2)).await, Ok((2, 2)), "he joined by the first of them");
    let commit = before.records[0].1;
    let base = Base { incarnation: world.store.incarnation(), commit };
    update.base = base;
    let StoredRecord { position, time, .. } = world.append(update).await;
    assert_eq!((position.sequence, time), (3, NOW));
    let offer = world.join_offer(&RoomSelector::Id(room), alice, &[]).await;
    assert!(matches!(offer, Some(JoinOffer::Group(info)) if info.base.commit == position));
}

/// What does not lead from the log to where it is said to lead, or could not have been in it, changes nothing.
pub async fn what_was_not_in_the_log_is_not_taken(world: &World) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(None, alice).await;
    let mut before = Before::new(room);
    before.said(alice);
    before.said(alice);
    before.said(alice);
    assert_eq!(take(world, before.between(bob, 1, 1)).await, Err(TakeBackError::NotAMember));
    assert_eq!(take(world, before.between(alice, 2, 3)).await, Ok((0, 0)), "a gap: nothing is changed");
    let mut elsewhere = before.between(alice, 1, 2);
    elsewhere.end.chain = ChainHash([9; 32]);
    assert_eq!(take(world, elsewhere).await, Err(TakeBackError::Diverged));
    let mut by_a_stranger = Before::new(room);
    by_a_stranger.said(alice);
    by_a_stranger.said(bob);
    let refused = take(world, by_a_stranger.between(alice, 1, 2)).await;
    assert_eq!(refused, Err(TakeBackError::Impossible));
    assert_eq!(world.read_bytes(room, alice, 0).await, Vec::<Bytes>::new(), "all of them or none");
    assert_eq!(take(world, before.between(alice, 1, 1)).await, Ok((1, 1)));
    world.say(room, alice, "something new").await;
    assert_eq!(take(world, before.between(alice, 1, 3)).await, Err(TakeBackError::Diverged));
    let stored = world.read_bytes(room, alice, 1).await;
    let end = Position { sequence: 2, chain: before.records[0].1.chain.then(&stored[0]) };
    let mut after_it = Before { room, end, records: Vec::new() };
    after_it.said(alice);
    assert_eq!(take(world, after_it.between(alice, 1, 1)).await, Err(TakeBackError::TooLate));
    let unknown = world.new_device(alice.uid).device;
    let mut with_unknown = Before::new(world.room(None, alice).await);
    with_unknown.committed(alice, &[unknown], &[]);
    let refused = take(world, with_unknown.between(alice, 1, 1)).await;
    assert_eq!(refused, Err(TakeBackError::DeviceUnknown(unknown)));
}

/// Leaves of a log, as another life of the server had it.
async fn log_of(world: &World, more: &[(Kind, Label, Opening)]) -> (Vec<Leaf>, Frontier) {
    let mut leaves = world.store.log_tail(0, 0, 1000).await.unwrap().leaves;
    for (kind, label, opening) in more {
        let index = leaves.iter().rposition(|leaf| leaf.label == *label);
        leaves.push(Leaf {
            kind: *kind,
            time: NOW,
            label: *label,
            seq: index.map_or(1, |index| leaves[index].seq + 1),
            previous: index.map(|index| index as u64),
            commitment: opening.commitment(),
        });
    }
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(leaf));
    (leaves, frontier)
}

fn opening(number: u8) -> Opening {
    Opening { nonce: [number; 32], body: vec![number] }
}

/// Leaves are taken back when they lead to the head that was signed, and then the log goes on from there.
pub async fn leaves_are_taken_back_up_to_a_signed_head(world: &World) {
    world.user("alice").await;
    let label = Label([7; 32]);
    let lists = [1, 2, 3].map(|number| (Kind::DeviceList, label, opening(number)));
    let (leaves, frontier) = log_of(world, &lists).await;
    let lost = |from: usize, root| LostLeaves { size: 5, root, leaves: leaves[from..].to_vec() };
    let take = |lost| world.store.take_back_leaves(lost);
    assert_eq!(take(lost(3, frontier.root())).await, Err(TakeLeavesError::Gap { size: 2 }));
    assert_eq!(take(lost(1, Hash([8; 32]))).await, Err(TakeLeavesError::Diverged));
    assert_eq!(world.store.log_state().await.unwrap().size, 2);
    assert_eq!(take(lost(1, frontier.root())).await, Ok(()));
    assert_eq!(take(lost(5, frontier.root())).await, Ok(()), "it is there");
    let LogState { size, root, .. } = world.store.log_state().await.unwrap();
    assert_eq!((size, root), (5, frontier.root()));
    let entries = world.store.log_entries(vec![label], 0).await.unwrap().entries;
    assert_eq!(entries, [None], "what it was made for is not back");
    world.store.append_to_log(vec![world.leaf(Kind::DeviceList, label)], NOW).await.unwrap();
    let newest = world.store.log_tail(0, 5, 10).await.unwrap().leaves;
    assert_eq!((newest[0].seq, newest[0].previous), (4, Some(4)));
}

/// An account is taken back when the newest leaves of its name and its uid were made for it, and until then nobody else
/// gets its name.
pub async fn an_account_is_taken_back_by_the_log(world: &World) {
    let new = world.account("alice");
    let [by_name, by_uid] = new.log.clone();
    let list = opening(4);
    let more = [
        (Kind::IdentityIssued, by_name.label, by_name.opening.clone()),
        (Kind::IdentityIssued, by_uid.label, by_uid.opening.clone()),
        (Kind::DeviceList, by_uid.label, list.clone()),
    ];
    let (leaves, frontier) = log_of(world, &more).await;
    let mut device = world.new_device(new.uid);
    device.chain =
        vec![b"device".to_vec(), new.identity_certificate.clone(), new.issuing_certificate.clone()];
    let id = device.device;
    let lost = LostAccount {
        name: new.name.clone(),
        identity_spki: new.identity_spki.clone(),
        device,
        version: 1,
        by_name: (by_name.label, by_name.opening.clone()),
        by_uid: (by_uid.label, list),
    };
    let take = |lost: &LostAccount| world.store.take_back_account(lost.clone(), NOW);
    assert_eq!(take(&lost).await, Err(TakeAccountError::NotInLog));
    world.store.take_back_leaves(LostLeaves { size: 3, root: frontier.root(), leaves }).await.unwrap();
    let newcomer = world.store.create_account(new.clone(), None, NOW).await;
    assert_eq!(newcomer, Err(CreateAccountError::NameTaken), "it is somebody's who is yet to come back");
    let stale = LostAccount { by_uid: (by_uid.label, by_uid.opening), ..lost.clone() };
    assert_eq!(take(&stale).await, Err(TakeAccountError::NotInLog), "there is a newer leaf");
    assert_eq!(take(&lost).await, Ok(()));
    assert_eq!(take(&lost).await, Ok(()));
    let found = world.store.account(&AccountSelector::Name(new.name.clone())).await.unwrap().unwrap();
    let expected = (new.uid, new.identity_spki.clone(), NOW);
    assert_eq!((found.account.uid, found.identity_spki, found.created), expected);
    assert_eq!(found.account.identity_certificate.as_slice(), new.identity_certificate);
    let mut renewed = lost.clone();
    renewed.device.chain[1] = b"renewed".to_vec();
    assert_eq!(
        take(&renewed).await,
        Ok(()),
        "an account that is there may lack what was renewed since the copy"
    );
    let found = world.store.account(&AccountSelector::Name(new.name.clone())).await.unwrap().unwrap();
    assert_eq!(found.account.identity_certificate.as_slice(), b"renewed");
    assert!(world.store.device(id).await.unwrap().is_some_and(|device| !device.revoked));
    let entries = world.store.log_entries(vec![by_name.label, by_uid.label], 0).await.unwrap().entries;
    assert!(entries.iter().all(Option::is_some), "it can be proven again");
    let next = world.list(2, by_uid.label);
    assert_eq!(world.store.publish_devices(new.uid, next, NOW).await, Ok(()), "its lists go on");
}
