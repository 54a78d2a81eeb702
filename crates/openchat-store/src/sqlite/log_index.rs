//! Where the records of the log are.
//!
//! A record goes to the end of one table and nowhere else. Its places in the two indexes, by its number in the room and
//! by its author's identifier for it, are kept in memory at first, and written for thousands of records together, in the
//! order of the indexes: so a page of an index is written once for all that is new on it, and not once for each record.
//! What was not written when a server stopped is written when it starts again.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openchat_protocol::MessageId;
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::int;

/// Places that are kept in memory before they are written.
#[cfg(not(test))]
const FRESH: usize = 4096;
/// Few, so that every test of the contract goes past it.
#[cfg(test)]
const FRESH: usize = 5;

/// A record, as its author names it: the row of the room, that of the device, and its identifier.
pub(super) type Name = (i64, i64, MessageId);

/// The places of all records after a certain one, which are not written yet.
#[derive(Debug)]
pub(super) struct Fresh {
    /// The row of the last record whose places are written.
    after: i64,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    /// In the order of their rows, without a gap.
    records: Vec<(Name, u64)>,
    /// Of each room the number of the first of them, and the rows of all.
    rooms: HashMap<i64, (u64, Vec<i64>)>,
    names: HashMap<Name, u64>,
}

impl Fresh {
    fn new(after: i64) -> Arc<Self> {
        Arc::new(Self { after, places: Mutex::default() })
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The row that the next record of the log gets. Those of records that were there once are not used again: whoever
    /// reads may have an older state of the database.
    pub(super) fn next_row(&self) -> i64 {
        self.after + 1 + int(self.count() as u64)
    }

    /// A record was added in the [next row](Self::next_row).
    pub(super) fn add(&self, name: Name, sequence: u64) {
        let row = self.next_row();
        self.places().add(row, name, sequence);
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.places().records.len()
    }

    /// Whether it is time to write them.
    pub(super) fn are_many(&self) -> bool {
        self.count() >= FRESH
    }

    /// Those that came after the first `count` were undone.
    pub(super) fn truncate(&self, count: usize) {
        self.places().truncate(count);
    }

    /// The row of a record.
    pub(super) fn row(
        &self,
        connection: &Connection,
        room: i64,
        sequence: u64,
    ) -> rusqlite::Result<Option<i64>> {
        if let Some(row) = self.rows(room, sequence..=sequence, 1).1.first() {
            return Ok(Some(*row));
        }
        connection
            .prepare_cached("SELECT record FROM log_place WHERE room = ?1 AND sequence = ?2")?
            .query_row(params![room, int(sequence)], |row| row.get(0))
            .optional()
    }

    /// The number that an author's record has in its room.
    pub(super) fn sequence(&self, connection: &Connection, name: Name) -> rusqlite::Result<Option<u64>> {
        if let Some(sequence) = self.places().names.get(&name) {
            return Ok(Some(*sequence));
        }
        connection
            .prepare_cached(
                "SELECT sequence FROM log_name WHERE room = ?1 AND author = ?2 AND message_id = ?3",
            )?
            .query_row(params![name.0, name.1, name.2.0], |row| row.get(0))
            .optional()
    }

    /// The rows of no more than `limit` of these records, as far as they are here, and the number of the first of them.
    /// Those before it are written.
    pub(super) fn rows(&self, room: i64, numbers: RangeInclusive<u64>, limit: usize) -> (u64, Vec<i64>) {
        let places = self.places();
        let Some((first, rows)) = places.rooms.get(&room) else { return (u64::MAX, Vec::new()) };
        let begin = *first.max(numbers.start());
        let skip = usize::try_from(begin - first).unwrap_or(usize::MAX);
        let wanted = numbers.end().checked_sub(begin).map_or(0, |last| last.saturating_add(1));
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(limit);
        (begin, rows.iter().skip(skip).take(wanted).copied().collect())
    }
}

impl Places {
    fn add(&mut self, row: i64, name: Name, sequence: u64) {
        self.records.push((name, sequence));
        self.rooms.entry(name.0).or_insert((sequence, Vec::new())).1.push(row);
        self.names.insert(name, sequence);
    }

    fn truncate(&mut self, count: usize) {
        while self.records.len() > count
            && let Some((name, _)) = self.records.pop()
        {
            self.names.remove(&name);
            if let Some((_, rows)) = self.rooms.get_mut(&name.0) {
                rows.pop();
                if rows.is_empty() {
                    self.rooms.remove(&name.0);
                }
            }
        }
    }
}

/// The fresh places as of now. Who reads takes them, and keeps them for as long as its snapshot of the database.
#[derive(Debug)]
pub(super) struct LogIndex(Mutex<Arc<Fresh>>);

impl LogIndex {
    /// That of a database all of whose places are written.
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Arc<Self>> {
        Ok(Arc::new(Self(Mutex::new(Fresh::new(written(connection)?)))))
    }

    /// The places that are in memory now.
    pub(super) fn fresh(&self) -> Arc<Fresh> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The places of records up to the row `written` are on disk, and need not be in memory for whoever reads from now on.
    pub(super) fn settle(&self, written: i64) {
        let fresh = self.fresh();
        let rest = Fresh::new(written);
        let skip = usize::try_from(written - fresh.after).unwrap_or(usize::MAX);
        for (name, sequence) in fresh.places().records.iter().skip(skip) {
            rest.add(*name, *sequence);
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = rest;
    }

    /// What goes with the snapshot that the connection has; nothing if places were written since it was taken.
    pub(super) fn at(&self, snapshot: &Connection) -> rusqlite::Result<Option<Arc<Fresh>>> {
        let after = written(snapshot)?;
        Ok(Some(self.fresh()).filter(|fresh| fresh.after == after))
    }
}

fn written(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT indexed FROM meta")?.query_row([], |row| row.get(0))
}

/// Writes the places of all records that have none. The row of the last of them.
pub(super) fn write_places(connection: &Connection) -> rusqlite::Result<i64> {
    let after = written(connection)?;
    connection
        .prepare_cached(
            "INSERT INTO log_place SELECT room, sequence, id FROM log WHERE id > ?1 ORDER BY room, sequence",
        )?
        .execute([after])?;
    connection
        .prepare_cached(
            "INSERT INTO log_name SELECT room, author, message_id, sequence FROM log WHERE id > ?1
             ORDER BY room, author, message_id",
        )?
        .execute([after])?;
    connection
        .prepare_cached("UPDATE meta SET indexed = max(indexed, (SELECT coalesce(max(id), 0) FROM log))")?
        .execute([])?;
    written(connection)
}

#[cfg(test)]
mod tests {
    use super::super::database::Database;
    use super::super::open;
    use super::*;

    /// A database with its writer's end and a reader's.
    fn database() -> (tempfile::TempDir, Database, Arc<LogIndex>, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.db");
        let (connection, _) = open::writable(&path, None).unwrap();
        let index = LogIndex::of(&connection).unwrap();
        (folder, Database::new(connection, Arc::clone(&index)), index, open::read_only(&path).unwrap())
    }

    fn name(sequence: u64) -> Name {
        (1, 1, MessageId([u8::try_from(sequence).unwrap(); 16]))
    }

    fn add(database: &Database, sequence: u64) {
        database
            .execute(
                "INSERT INTO log VALUES (?1, 1, ?2, 1, ?3, zeroblob(32), x'00')",
                params![database.fresh().next_row(), int(sequence), name(sequence).2.0],
            )
            .unwrap();
        database.fresh().add(name(sequence), sequence);
    }

    fn transaction(database: &Database, work: impl FnOnce()) {
        database.execute_batch("BEGIN IMMEDIATE").unwrap();
        work();
        database.execute_batch("COMMIT").unwrap();
        database.settle();
    }

    #[test]
    fn places_go_with_the_snapshot_that_lacks_them() {
        let (_folder, database, index, reader) = database();
        transaction(&database, || (1..=2).for_each(|sequence| add(&database, sequence)));
        let snapshot = reader.unchecked_transaction().unwrap();
        let before = index.at(&reader).unwrap().unwrap();
        transaction(&database, || {
            add(&database, 3);
            database.write_places().unwrap();
            add(&database, 4);
        });
        assert!(index.at(&reader).unwrap().is_none(), "this snapshot has them from nowhere else");
        assert_eq!(before.row(&reader, 1, 2), Ok(Some(2)), "whoever has them keeps them");
        drop(snapshot);
        let _snapshot = reader.unchecked_transaction().unwrap();
        let after = index.at(&reader).unwrap().unwrap();
        assert_eq!(after.rows(1, 1..=9, 9), (4, vec![4]), "the others are written");
        for sequence in 1..=4 {
            assert_eq!(after.row(&reader, 1, sequence), Ok(Some(int(sequence))));
            assert_eq!(after.sequence(&reader, name(sequence)), Ok(Some(sequence)));
        }
        assert_eq!((after.row(&reader, 1, 5), after.row(&reader, 2, 1)), (Ok(None), Ok(None)));
    }

    #[test]
    fn rows_are_those_that_are_asked_for() {
        let fresh = Fresh::new(10);
        (5..9).for_each(|sequence| fresh.places().add(int(sequence) + 100, name(sequence), sequence));
        for (numbers, limit, expected) in [
            (1..=4, 9, (5, vec![])),
            (1..=6, 9, (5, vec![105, 106])),
            (6..=7, 9, (6, vec![106, 107])),
            (6..=99, 2, (6, vec![106, 107])),
            (8..=u64::MAX, 9, (8, vec![108])),
            (9..=20, 9, (9, vec![])),
        ] {
            assert_eq!(fresh.rows(1, numbers.clone(), limit), expected, "{numbers:?}");
        }
    }

    #[test]
    fn what_was_undone_is_nowhere_and_its_rows_are_free() {
        let (_folder, database, ..) = database();
        transaction(&database, || add(&database, 1));
        let mark = database.mark();
        database.execute_batch("BEGIN IMMEDIATE").unwrap();
        add(&database, 2);
        database.write_places().unwrap();
        database.execute_batch("ROLLBACK").unwrap();
        database.back_to(mark);
        database.settle();
        assert_eq!(database.fresh().next_row(), 2);
        assert_eq!(database.fresh().sequence(&database, name(2)), Ok(None));
        assert_eq!(
            database.fresh().rows(1, 1..=9, 9),
            (1, vec![1]),
            "what is not written is still in memory"
        );
        transaction(&database, || add(&database, 2));
        assert_eq!(database.fresh().rows(1, 1..=9, 9), (1, vec![1, 2]));
    }
}
