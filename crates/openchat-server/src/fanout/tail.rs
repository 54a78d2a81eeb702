//! The newest records of one room, in memory, encoded once and shared by everyone who reads them.

use std::collections::BTreeMap;

use bytes::Bytes;
use openchat_protocol::limits::{PAGE_BYTES, PAGE_RECORDS};

/// Beyond so many records, or bytes, the oldest go: a reader that needs them is slow and reads the store.
const RECORDS: usize = 2 * PAGE_RECORDS;
const BYTES: usize = 2 * PAGE_BYTES;

/// Where the tail begins while nothing is known of the room.
const UNKNOWN: u64 = u64::MAX;

/// What a reader finds after its cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TailRead {
    /// The records that follow the cursor without a gap, up to one page. None when the reader has all of them, or when
    /// the next one is stored but has not come here yet.
    Records(Vec<Bytes>),
    /// The cursor is before the tail: the store knows.
    Behind,
}

/// Records arrive here in any order, for they are stored by concurrent requests; they leave in one.
#[derive(Debug)]
pub(crate) struct Tail {
    records: BTreeMap<u64, Bytes>,
    bytes: usize,
    /// Every record after this one is here, or about to come.
    start: u64,
    /// The newest record known.
    head: u64,
    /// `head` at the last sweep.
    swept: u64,
    /// Where the run without a gap ended at the last sweep.
    stuck: u64,
}

impl Default for Tail {
    fn default() -> Self {
        Self { records: BTreeMap::new(), bytes: 0, start: UNKNOWN, head: 0, swept: 0, stuck: UNKNOWN }
    }
}

impl Tail {
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Takes in a record that was just stored.
    pub(crate) fn push(&mut self, sequence: u64, record: Bytes) {
        if self.start == UNKNOWN {
            self.start = sequence.saturating_sub(1);
        }
        self.head = self.head.max(sequence);
        if sequence > self.start {
            self.bytes += record.len();
            self.records.insert(sequence, record);
        }
        while self.records.len() > RECORDS || self.bytes > BYTES {
            self.drop_first();
        }
    }

    /// Learns the newest record from a read of the store that began when this tail already took in records.
    pub(crate) fn learn(&mut self, head: u64) {
        if self.start == UNKNOWN {
            self.start = head;
        }
        self.head = self.head.max(head);
    }

    pub(crate) fn read(&self, cursor: u64) -> TailRead {
        if cursor < self.start {
            return TailRead::Behind;
        }
        let mut bytes = 0;
        let run = self.run_after(cursor).take(PAGE_RECORDS).take_while(|record| {
            let fits = bytes < PAGE_BYTES;
            bytes += record.len();
            fits
        });
        TailRead::Records(run.cloned().collect())
    }

    /// Run every few seconds with the store's newest sequence: forgets what was here at the last sweep already, and
    /// gives up on a record that is still missing, so that its readers turn to the store.
    pub(crate) fn sweep(&mut self, head: u64) {
        if self.start == UNKNOWN {
            return;
        }
        self.head = self.head.max(head);
        let end = self.start.saturating_add(self.run_after(self.start).count() as u64);
        if end < self.head && end == self.stuck {
            self.forget_up_to(self.head);
        }
        self.stuck = end;
        self.forget_up_to(self.swept.min(end));
        self.swept = self.head;
    }

    /// Consecutive records from the one after `cursor` on.
    fn run_after(&self, cursor: u64) -> impl Iterator<Item = &Bytes> {
        let expected = cursor.saturating_add(1)..;
        let records = self.records.range(expected.clone());
        records
            .zip(expected)
            .take_while(|((sequence, _), expected)| *sequence == expected)
            .map(|((_, r), _)| r)
    }

    fn forget_up_to(&mut self, sequence: u64) {
        while self.records.first_key_value().is_some_and(|(first, _)| *first <= sequence) {
            self.drop_first();
        }
        self.start = self.start.max(sequence);
    }

    fn drop_first(&mut self) {
        if let Some((sequence, record)) = self.records.pop_first() {
            self.bytes -= record.len();
            self.start = self.start.max(sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: u64) -> Bytes {
        Bytes::copy_from_slice(&sequence.to_be_bytes())
    }

    fn tail(sequences: &[u64]) -> Tail {
        let mut tail = Tail::default();
        sequences.iter().for_each(|sequence| tail.push(*sequence, record(*sequence)));
        tail
    }

    fn records(sequences: impl IntoIterator<Item = u64>) -> TailRead {
        TailRead::Records(sequences.into_iter().map(record).collect())
    }

    #[test]
    fn who_is_before_the_tail_reads_the_store() {
        assert_eq!(Tail::default().read(0), TailRead::Behind);
        assert_eq!(tail(&[5, 6]).read(3), TailRead::Behind);
        assert_eq!(tail(&[5, 6]).read(4), records([5, 6]));
        assert_eq!(tail(&[5, 6]).read(6), records([]));
    }

    #[test]
    fn records_that_arrive_out_of_order_leave_in_order() {
        let mut tail = tail(&[5, 7, 8]);
        assert_eq!(tail.read(4), records([5]));
        assert_eq!(tail.read(5), records([]), "6 is about to come");
        tail.push(6, record(6));
        assert_eq!(tail.read(4), records([5, 6, 7, 8]));
    }

    #[test]
    fn a_record_before_the_first_one_seen_is_left_to_the_store() {
        let mut tail = tail(&[8]);
        tail.push(7, record(7));
        assert_eq!(tail.read(6), TailRead::Behind);
        assert_eq!(tail.read(7), records([8]));
    }

    #[test]
    fn what_the_store_said_first_is_where_the_tail_begins() {
        let mut tail = Tail::default();
        tail.learn(9);
        tail.push(11, record(11));
        assert_eq!(tail.read(8), TailRead::Behind);
        assert_eq!(tail.read(9), records([]));
        tail.push(10, record(10));
        tail.learn(3);
        assert_eq!(tail.read(9), records([10, 11]));
        assert_eq!(tail.head(), 11);
    }

    #[test]
    fn it_never_grows_over_its_bounds() {
        let many = tail(&(1..=RECORDS as u64 + 10).collect::<Vec<_>>());
        assert_eq!(many.records.len(), RECORDS);
        assert_eq!(many.read(9), TailRead::Behind);
        assert_eq!(many.read(10), records(11..=10 + PAGE_RECORDS as u64));

        let mut large = Tail::default();
        (1..=100).for_each(|sequence| large.push(sequence, Bytes::from(vec![0; PAGE_BYTES / 2 + 1])));
        assert!(large.bytes <= BYTES);
        let TailRead::Records(page) = large.read(97) else { panic!("the newest records are there") };
        assert_eq!(page.len(), 2, "the record that fills the page is its last");
    }

    #[test]
    fn a_record_that_never_comes_is_given_up_at_the_second_sweep() {
        let mut tail = tail(&[5, 7]);
        tail.sweep(7);
        assert_eq!(tail.read(5), records([]));
        tail.sweep(7);
        assert_eq!(tail.read(5), TailRead::Behind);
        tail.push(8, record(8));
        assert_eq!(tail.read(7), records([8]));
    }

    #[test]
    fn a_ring_that_was_lost_at_the_end_is_noticed_too() {
        let mut tail = tail(&[5]);
        tail.sweep(6);
        tail.sweep(6);
        assert_eq!(tail.read(5), TailRead::Behind);
    }

    #[test]
    fn a_quiet_room_keeps_nothing() {
        let mut tail = tail(&[5, 6]);
        tail.sweep(6);
        assert_eq!(tail.read(4), records([5, 6]));
        tail.sweep(6);
        assert!(tail.records.is_empty());
        assert_eq!(tail.bytes, 0);
        assert_eq!(tail.read(4), TailRead::Behind);
        assert_eq!(tail.read(6), records([]));
    }
}
