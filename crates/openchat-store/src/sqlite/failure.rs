//! What ends a job early: a rule of the store, or SQLite.

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use crate::StoreError;

/// Why a job was not done.
#[derive(Debug)]
pub(super) enum Failure<E> {
    /// A rule forbids it.
    Rule(E),
    /// SQLite failed.
    Sqlite(rusqlite::Error),
}

impl<E> From<rusqlite::Error> for Failure<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// What SQLite's error means for who wanted to write.
pub(super) fn of_write(error: &rusqlite::Error) -> StoreError {
    specific(error).unwrap_or_else(|| StoreError::Write(error.to_string()))
}

/// What SQLite's error means for who wanted to read.
pub(super) fn of_read(error: &rusqlite::Error) -> StoreError {
    specific(error).unwrap_or_else(|| StoreError::Read(error.to_string()))
}

fn specific(error: &rusqlite::Error) -> Option<StoreError> {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    let damaged = || Some(StoreError::Damaged(error.to_string()));
    match (error, error.sqlite_error()) {
        (FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..), _) => damaged(),
        // The WAL index could not be extended: the way a full disk shows before anything else.
        (_, Some(code)) if code.extended_code == SQLITE_IOERR_SHMSIZE => Some(StoreError::Full),
        (_, Some(code)) => match code.code {
            ErrorCode::DiskFull => Some(StoreError::Full),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => damaged(),
            _ => None,
        },
        (_, None) => None,
    }
}
