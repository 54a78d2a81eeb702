//! The readers: a few read-only connections, used on the runtime's blocking threads.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::failure::{self, Failure};
use super::log_index::{Fresh, LogIndex};
use crate::StoreError;

/// Reads at the same time. Each connection keeps a page cache of its own.
const CONNECTIONS: usize = 4;

#[derive(Debug)]
pub(super) struct Readers {
    index: Arc<LogIndex>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Connections to a database that the writer has opened already.
    pub(super) fn open(path: &Path, index: Arc<LogIndex>) -> rusqlite::Result<Self> {
        let idle: Vec<_> =
            (0..CONNECTIONS).map(|_| super::open::read_only(path)).collect::<rusqlite::Result<_>>()?;
        Ok(Self { index, idle: Arc::new(Mutex::new(idle)), permits: Arc::new(Semaphore::new(CONNECTIONS)) })
    }

    /// Runs `work` on one unchanging state of the database.
    pub(super) async fn run<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.borrow(move |borrowed| borrowed.run(work)).await
    }

    /// The same, with the places of those records of the log whose places are not written in that state.
    pub(super) async fn run_on_log<T, E>(
        &self,
        work: impl FnOnce(&Connection, &Fresh) -> Result<T, Failure<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let index = Arc::clone(&self.index);
        self.borrow(move |borrowed| borrowed.run_on_log(&index, work)).await
    }

    async fn borrow<T, E>(
        &self,
        work: impl FnOnce(&Borrowed<'_>) -> Result<T, Failure<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let closed = || E::from(StoreError::Closed);
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let idle = Arc::clone(&self.idle);
        let read = move || {
            let _permit = permit;
            let borrowed = Borrowed::take(&idle).ok_or(Failure::Rule(E::from(StoreError::Closed)))?;
            work(&borrowed)
        };
        let result: Result<T, Failure<E>> = spawn_blocking(read).await.map_err(|_| closed())?;
        result.map_err(|failure| match failure {
            Failure::Rule(error) => error,
            Failure::Sqlite(error) => {
                let error = failure::of_read(&error);
                tracing::error!(%error, "a read failed");
                E::from(error)
            }
        })
    }
}

/// A connection that goes back to the idle ones whatever happens.
struct Borrowed<'a> {
    idle: &'a Mutex<Vec<Connection>>,
    connection: Option<Connection>,
}

impl<'a> Borrowed<'a> {
    fn take(idle: &'a Mutex<Vec<Connection>>) -> Option<Self> {
        let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Self { idle, connection: Some(connection) })
    }

    fn run<T, E>(&self, work: impl FnOnce(&Connection) -> Result<T, Failure<E>>) -> Result<T, Failure<E>>
    where
        E: From<StoreError>,
    {
        let connection = self.connection()?;
        let _snapshot = connection.unchecked_transaction()?;
        work(connection)
    }

    fn run_on_log<T, E>(
        &self,
        index: &LogIndex,
        work: impl FnOnce(&Connection, &Fresh) -> Result<T, Failure<E>>,
    ) -> Result<T, Failure<E>>
    where
        E: From<StoreError>,
    {
        let connection = self.connection()?;
        loop {
            let _snapshot = connection.unchecked_transaction()?;
            // Otherwise places were written in between, once in thousands of records.
            if let Some(fresh) = index.at(connection)? {
                return work(connection, &fresh);
            }
        }
    }

    fn connection<E: From<StoreError>>(&self) -> Result<&Connection, Failure<E>> {
        self.connection.as_ref().ok_or_else(|| Failure::Rule(StoreError::Closed.into()))
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.connection.take());
    }
}
