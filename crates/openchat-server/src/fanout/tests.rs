use openchat_protocol::record::Position;
use openchat_protocol::{ChainHash, Did, Timestamp, Uid};
use openchat_store::room::MembershipChange;

use super::*;

const ROOM: RoomId = RoomId([1; 16]);

fn device(number: u8) -> DeviceId {
    DeviceId { uid: Uid([number; 16]), did: Did([number; 10]) }
}

fn record(sequence: u64) -> StoredRecord {
    StoredRecord {
        position: Position { sequence, chain: ChainHash([0; 32]) },
        time: Timestamp(0),
        bytes: sequence.to_be_bytes().to_vec().into(),
        change: MembershipChange::default(),
    }
}

struct Reader {
    bell: Arc<Doorbell>,
    following: Following,
}

impl Reader {
    fn new(rooms: &Arc<Rooms>, number: u8, head: u64) -> Self {
        let bell = Arc::new(Doorbell::default());
        let following = rooms.follow(ROOM, device(number), &bell);
        following.learn(head);
        Self { bell, following }
    }

    fn rung(&self) -> usize {
        self.bell.take().rooms.len()
    }

    fn records(&self, cursor: u64) -> Option<usize> {
        match self.following.next(cursor) {
            Next::Tail(TailRead::Records(records), _) => Some(records.len()),
            _ => None,
        }
    }
}

#[test]
fn rings_merge_until_the_reader_looks() {
    let rooms = Arc::new(Rooms::default());
    let reader = Reader::new(&rooms, 1, 4);
    rooms.stored(ROOM, &record(5));
    rooms.stored(ROOM, &record(6));
    assert_eq!(reader.rung(), 1);
    rooms.stored(ROOM, &record(7));
    assert_eq!(reader.rung(), 0, "it has not looked yet");
    assert_eq!(reader.records(4), Some(3));
    rooms.stored(ROOM, &record(8));
    assert_eq!(reader.rung(), 1);
    assert_eq!(reader.records(7), Some(1));
    assert_eq!(reader.records(8), Some(0));
}

#[test]
fn a_change_of_membership_is_seen_before_what_comes_after_it() {
    let rooms = Arc::new(Rooms::default());
    let (gone, stays) = (Reader::new(&rooms, 1, 4), Reader::new(&rooms, 2, 4));
    let change = MembershipChange { ended: vec![device(1)], ..MembershipChange::default() };
    rooms.stored(ROOM, &record(6));
    assert_eq!((gone.records(4), stays.records(4)), (Some(0), Some(0)), "5 is missing");
    rooms.stored(ROOM, &StoredRecord { change, ..record(5) });
    assert_eq!(gone.following.next(4), Next::Membership);
    assert_eq!(stays.records(4), Some(2));
}

#[test]
fn a_change_without_a_record_rings_only_whom_it_concerns() {
    let rooms = Arc::new(Rooms::default());
    let (gone, stays) = (Reader::new(&rooms, 1, 4), Reader::new(&rooms, 2, 4));
    rooms.membership_changed(ROOM, &[device(1), device(3)]);
    assert_eq!((gone.rung(), stays.rung()), (1, 0));
    assert_eq!(gone.following.next(4), Next::Membership);
}

#[test]
fn a_lost_ring_is_made_up_for_by_the_sweep() {
    let rooms = Arc::new(Rooms::default());
    let (behind, ahead) = (Reader::new(&rooms, 1, 4), Reader::new(&rooms, 2, 4));
    behind.records(4);
    ahead.records(6);
    rooms.sweep(ROOM, 6);
    assert_eq!((behind.rung(), ahead.rung()), (1, 0));
    assert_eq!(behind.records(4), Some(0));
    rooms.sweep(ROOM, 6);
    assert_eq!(behind.rung(), 1);
    assert_eq!(behind.records(4), None, "the store has it");
}

#[test]
fn a_room_that_nobody_follows_is_forgotten() {
    let rooms = Arc::new(Rooms::default());
    let (one, two) = (Reader::new(&rooms, 1, 0), Reader::new(&rooms, 2, 0));
    assert_eq!(rooms.followed(), [(ROOM, device(1))]);
    drop(one);
    assert_eq!(rooms.followed(), [(ROOM, device(2))]);
    drop(two);
    assert!(rooms.followed().is_empty());
    rooms.stored(ROOM, &record(1));
    assert!(lock(&rooms.rooms).is_empty());
}
