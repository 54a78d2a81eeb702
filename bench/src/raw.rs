//! What the disk and SQLite do by themselves: the limit of everything durable.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

/// Rows in one transaction.
const BATCH: u32 = 100;
/// Bytes in one row.
const ROW: usize = 500;

/// What was measured in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw {
    /// Rows a second of a log that is only appended to, WAL, synchronous=FULL, [`BATCH`] in one transaction.
    pub(crate) rows: f64,
    /// Writes of one row with fdatasync(2), a second.
    pub(crate) syncs: f64,
}

/// Measures for so long each.
pub(crate) fn measure(folder: &Path, time: Duration) -> Result<Raw, String> {
    Ok(Raw {
        rows: rows(folder, time).map_err(|it| it.to_string())?,
        syncs: syncs(folder, time).map_err(|it| it.to_string())?,
    })
}

fn rows(folder: &Path, time: Duration) -> rusqlite::Result<f64> {
    let connection = Connection::open(folder.join("raw.db"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, record BLOB NOT NULL);",
    )?;
    let row = vec![1_u8; ROW];
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < time {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut insert = connection.prepare_cached("INSERT INTO log (record) VALUES (?1)")?;
        for _ in 0..BATCH {
            insert.execute(params![row])?;
        }
        connection.execute_batch("COMMIT")?;
        count += BATCH;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

fn syncs(folder: &Path, time: Duration) -> std::io::Result<f64> {
    let mut file = File::create(folder.join("raw.log"))?;
    let row = vec![1_u8; ROW];
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < time {
        file.write_all(&row)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}
