//! What the vault keeps to give back, should the server be restored from an older copy: the newest records of each room
//! and the newest leaves of the log of keys, in the bytes in which they came.

use openchat_protocol::limits::{PAGE_BYTES, PAGE_RECORDS};
use openchat_protocol::record::Position;
use openchat_protocol::{ChainHash, RoomId};
use openchat_transparency::Leaf;
use rusqlite::{Connection, params};

/// Newest records of a room that are kept.
const RECORDS: u64 = 4096;
/// Bytes of a room's newest records that are kept, give or take those of [`LOOK`] records.
const BYTES: u64 = 16 << 20;
/// So many records come between two looks at how large the kept ones are.
const LOOK: u64 = 64;
/// Newest leaves of the log that are kept: 86 bytes each, for a frame.
const LEAVES: u64 = 16_384;

/// Records of one room that lie one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptRecords {
    /// This device made the room, and has kept all of its records.
    pub from_start: bool,
    /// Each with the place after it; at most a page.
    pub records: Vec<(Position, Vec<u8>)>,
}

pub(super) fn put_record(
    database: &Connection,
    room: RoomId,
    place: &Position,
    bytes: &[u8],
) -> rusqlite::Result<()> {
    database
        .prepare_cached(
            "INSERT OR REPLACE INTO kept_record (room, sequence, chain, record) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![room.as_bytes(), place.sequence, place.chain.as_bytes(), bytes])?;
    database
        .prepare_cached("DELETE FROM kept_record WHERE room = ?1 AND sequence <= ?2 - ?3")?
        .execute(params![room.as_bytes(), place.sequence, RECORDS])?;
    if place.sequence.is_multiple_of(LOOK) {
        forget_beyond(database, room, BYTES)?;
    }
    Ok(())
}

/// Forgets the oldest records until the others have no more than `bytes`.
fn forget_beyond(database: &Connection, room: RoomId, bytes: u64) -> rusqlite::Result<()> {
    database
        .prepare_cached(
            "DELETE FROM kept_record WHERE room = ?1 AND sequence <= (SELECT max(sequence) FROM
                 (SELECT sequence, sum(length(record)) OVER (ORDER BY sequence DESC) AS newer
                  FROM kept_record WHERE room = ?1) WHERE newer > ?2)",
        )?
        .execute(params![room.as_bytes(), bytes])
        .map(drop)
}

pub(super) fn forget_records(database: &Connection, room: RoomId) -> rusqlite::Result<()> {
    database.prepare_cached("DELETE FROM kept_record WHERE room = ?1")?.execute([room.as_bytes()]).map(drop)
}

/// The records after the one at `after`; none when the next one is not kept.
pub(super) fn records(database: &Connection, room: RoomId, after: u64) -> rusqlite::Result<KeptRecords> {
    let from_start = database
        .prepare_cached("SELECT 1 FROM kept_record WHERE room = ?1 AND sequence = 0")?
        .exists([room.as_bytes()])?;
    let mut find = database.prepare_cached(
        "SELECT sequence, chain, record FROM kept_record WHERE room = ?1 AND sequence > ?2 ORDER BY sequence",
    )?;
    let mut rows = find.query(params![room.as_bytes(), after])?;
    let (mut records, mut next, mut bytes) = (Vec::new(), after.saturating_add(1), 0);
    while let Some(row) = rows.next()? {
        let place = Position { sequence: row.get(0)?, chain: ChainHash(row.get(1)?) };
        if place.sequence != next || records.len() >= PAGE_RECORDS || bytes >= PAGE_BYTES {
            break;
        }
        let record: Vec<u8> = row.get(2)?;
        bytes += record.len();
        next += 1;
        records.push((place, record));
    }
    Ok(KeptRecords { from_start, records })
}

/// Leaves that come one after the other, the first one at `from`.
pub(super) fn put_leaves(database: &Connection, from: u64, leaves: &[Leaf]) -> rusqlite::Result<()> {
    let mut insert =
        database.prepare_cached("INSERT OR REPLACE INTO kept_leaf (number, leaf) VALUES (?1, ?2)")?;
    for (number, leaf) in (from..).zip(leaves) {
        insert.execute(params![number, leaf.to_bytes()])?;
    }
    let end = from.saturating_add(u64::try_from(leaves.len()).unwrap_or(u64::MAX));
    database
        .prepare_cached("DELETE FROM kept_leaf WHERE number < ?1")?
        .execute([end.saturating_sub(LEAVES)])
        .map(drop)
}

/// The bytes of the leaves from `from` to before `end`; nothing when one of them is not kept.
pub(super) fn leaves(database: &Connection, from: u64, end: u64) -> rusqlite::Result<Option<Vec<u8>>> {
    let leaves: Vec<Vec<u8>> = database
        .prepare_cached("SELECT leaf FROM kept_leaf WHERE number >= ?1 AND number < ?2 ORDER BY number")?
        .query_map([from, end], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let is_whole = u64::try_from(leaves.len()).is_ok_and(|count| count == end.saturating_sub(from));
    Ok(is_whole.then(|| leaves.concat()))
}
