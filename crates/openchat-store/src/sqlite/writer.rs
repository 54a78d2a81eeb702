//! The one writer: its thread takes all jobs that wait, runs them in one transaction, and answers when that is on disk.

use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::database::Database;
use super::failure::{self, Failure};
use crate::StoreError;

/// Jobs in one transaction. More would make the first of them wait long for little more throughput.
const BATCH: usize = 512;

/// Jobs that wait for the transaction after. Who comes later waits to be let in.
const WAITING: usize = 512;

/// A handle on the writer's thread. Dropping it ends the thread after the jobs that were let in.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; `database` is closed when it ends.
    pub(super) fn start(database: Database) -> std::io::Result<Self> {
        let (jobs, mut waiting) = mpsc::channel::<Box<dyn Job>>(WAITING);
        let serve = move || {
            let mut batch = Vec::with_capacity(BATCH);
            while waiting.blocking_recv_many(&mut batch, BATCH) > 0 {
                commit_together(&database, batch.drain(..));
            }
        };
        let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(serve)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs `work` on the writer's thread. An error undoes what it did; success is on disk.
    pub(super) async fn run<T, E>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Failure<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.run_undoing(Undo::Job, work).await
    }

    /// The same, with what an error takes along.
    pub(super) async fn run_undoing<T, E>(
        &self,
        undo: Undo,
        work: impl FnOnce(&Database) -> Result<T, Failure<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let closed = || E::from(StoreError::Closed);
        let (reply, answer) = oneshot::channel();
        let task = Task { work: Some(work), undo, result: None, reply };
        let jobs = self.jobs.as_ref().ok_or_else(closed)?;
        jobs.send(Box::new(task)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(Err(_)) = self.thread.take().map(thread::JoinHandle::join) {
            tracing::error!("the store's writer ended by a panic");
        }
    }
}

/// Runs all jobs. If a transaction is lost, its jobs have failed and the rest goes into another one.
fn commit_together(database: &Database, jobs: impl Iterator<Item = Box<dyn Job>>) {
    let mut waiting = jobs.peekable();
    while waiting.peek().is_some() {
        let mut done = Vec::with_capacity(waiting.size_hint().0);
        let before = database.mark();
        let lost = transaction(database, &mut waiting, &mut done).err();
        match &lost {
            None => database.settle(),
            Some(error) => {
                database.back_to(before);
                tracing::error!(%error, jobs = done.len(), "a transaction was lost");
            }
        }
        done.into_iter().for_each(|job| job.answer(lost.clone()));
    }
}

/// Takes at least one job. On an error nothing of those taken is on disk.
fn transaction(
    database: &Database,
    waiting: &mut impl Iterator<Item = Box<dyn Job>>,
    done: &mut Vec<Box<dyn Job>>,
) -> Result<(), StoreError> {
    let begun = execute(database, "BEGIN IMMEDIATE");
    for mut job in waiting {
        let going_on = begun.clone().and_then(|()| run(database, &mut *job));
        done.push(job);
        going_on?;
    }
    index(database)?;
    commit(database)
}

/// Runs one job. An error when it took the transaction with it: a full disk, say, makes SQLite roll back everything.
fn run(database: &Database, job: &mut dyn Job) -> Result<(), StoreError> {
    let failed = job.run(database);
    if let Some(error) = &failed {
        tracing::error!(%error, "a write failed");
    }
    if database.is_autocommit() {
        return Err(failed.unwrap_or_else(|| StoreError::Write("the transaction ended early".to_owned())));
    }
    Ok(())
}

/// Writes the places of the newest records if there are many. If that fails, they stay in memory until the next time.
fn index(database: &Database) -> Result<(), StoreError> {
    if !database.fresh().are_many() {
        return Ok(());
    }
    let written = in_savepoint::<_, StoreError>(database, |database| Ok(database.write_places()?));
    let Err(Failure::Sqlite(error)) = written else { return Ok(()) };
    let error = failure::of_write(&error);
    tracing::error!(%error, "the log was not indexed");
    if database.is_autocommit() { Err(error) } else { Ok(()) }
}

fn commit(database: &Database) -> Result<(), StoreError> {
    let committed = execute(database, "COMMIT");
    if committed.is_err() && !database.is_autocommit() {
        execute(database, "ROLLBACK")?;
    }
    committed
}

fn execute(database: &Database, sql: &str) -> Result<(), StoreError> {
    let done = database.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    done.map(drop).map_err(|error| failure::of_write(&error))
}

/// What the thread sees of a [`Task`].
trait Job: Send {
    /// Does the work, inside a transaction. Says what failed when it was not a rule.
    fn run(&mut self, database: &Database) -> Option<StoreError>;

    /// Sends the result, or the reason why the transaction was lost.
    fn answer(self: Box<Self>, lost: Option<StoreError>);
}

/// What an error takes along.
#[derive(Debug, Clone, Copy)]
pub(super) enum Undo {
    /// What the job has written.
    Job,
    /// If it has written anything, all that is in its transaction. For messages, which are frequent and, when they fail,
    /// have mostly written nothing: a savepoint for each costs more than a message itself.
    Transaction,
}

struct Task<W, T, E> {
    work: Option<W>,
    undo: Undo,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<W, T, E> Job for Task<W, T, E>
where
    W: FnOnce(&Database) -> Result<T, Failure<E>> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, database: &Database) -> Option<StoreError> {
        let work = self.work.take()?;
        let result = match self.undo {
            Undo::Job => in_savepoint(database, work),
            Undo::Transaction => undivided(database, work),
        };
        let failed = match &result {
            Err(Failure::Sqlite(error)) => Some(failure::of_write(error)),
            Ok(_) | Err(Failure::Rule(_)) => None,
        };
        self.result = Some(result.map_err(|failure| match failure {
            Failure::Rule(error) => error,
            Failure::Sqlite(error) => E::from(failure::of_write(&error)),
        }));
        failed
    }

    fn answer(self: Box<Self>, lost: Option<StoreError>) {
        let result = match (lost, self.result) {
            (Some(error), _) => Err(E::from(error)),
            (None, Some(result)) => result,
            (None, None) => Err(E::from(StoreError::Closed)),
        };
        // Who asked may have gone away.
        let _ = self.reply.send(result);
    }
}

fn in_savepoint<T, E>(
    database: &Database,
    work: impl FnOnce(&Database) -> Result<T, Failure<E>>,
) -> Result<T, Failure<E>> {
    let step = |sql| database.prepare_cached(sql)?.execute([]);
    let before = database.mark();
    step("SAVEPOINT job")?;
    let result = work(database);
    database.forget_authors();
    if database.is_autocommit() {
        return result;
    }
    if result.is_err() {
        database.back_to(before);
        if step("ROLLBACK TO job").is_err() {
            // Half a job must not be committed.
            step("ROLLBACK")?;
            return result;
        }
    }
    step("RELEASE job")?;
    result
}

fn undivided<T, E>(
    database: &Database,
    work: impl FnOnce(&Database) -> Result<T, Failure<E>>,
) -> Result<T, Failure<E>> {
    let before = database.total_changes();
    let result = work(database);
    if result.is_err() && database.total_changes() != before && !database.is_autocommit() {
        database.prepare_cached("ROLLBACK")?.execute([])?;
    }
    result
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as std_mpsc;

    use rusqlite::Connection;

    use super::super::log_index::LogIndex;
    use super::*;

    type Answer = Result<(), StoreError>;

    fn database() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("db")).unwrap();
        connection
            .execute_batch(
                "PRAGMA foreign_keys = ON;
                 CREATE TABLE meta (indexed);
                 INSERT INTO meta VALUES (0);
                 CREATE TABLE number (n INTEGER PRIMARY KEY);
                 CREATE TABLE later (n REFERENCES number DEFERRABLE INITIALLY DEFERRED);",
            )
            .unwrap();
        (folder, opened(connection))
    }

    fn opened(connection: Connection) -> Database {
        let index = LogIndex::of(&connection).unwrap();
        Database::new(connection, index)
    }

    fn task<W>(undo: Undo, work: W) -> (Box<dyn Job>, oneshot::Receiver<Answer>)
    where
        W: FnOnce(&Database) -> Result<(), Failure<StoreError>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        (Box::new(Task { work: Some(work), undo, result: None, reply }), answer)
    }

    /// Runs all in one batch, and tells what they were answered and which numbers are there then.
    fn outcome(connection: &Database, works: &[&'static str]) -> (Vec<Answer>, Vec<i64>) {
        outcome_of(connection, Undo::Job, works)
    }

    fn outcome_of(connection: &Database, undo: Undo, works: &[&'static str]) -> (Vec<Answer>, Vec<i64>) {
        let run =
            |sql: &'static str| task(undo, move |connection: &Database| Ok(connection.execute_batch(sql)?));
        let (jobs, answers): (Vec<_>, Vec<_>) = works.iter().map(|sql| run(sql)).unzip();
        commit_together(connection, jobs.into_iter());
        let answers = answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect();
        let mut numbers = connection.prepare("SELECT n FROM number ORDER BY n").unwrap();
        let numbers = numbers.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        (answers, numbers)
    }

    #[test]
    fn a_failing_job_undoes_itself_only() {
        let (_folder, connection) = database();
        let (answers, numbers) = outcome(
            &connection,
            &[
                "INSERT INTO number VALUES (1)",
                "INSERT INTO number VALUES (2), (1)",
                "INSERT INTO number VALUES (3)",
            ],
        );
        assert!(matches!(answers[..], [Ok(()), Err(StoreError::Write(_)), Ok(())]), "{answers:?}");
        assert_eq!(numbers, [1, 3]);
    }

    #[test]
    fn a_rule_undoes_what_its_job_had_done() {
        let (_folder, connection) = database();
        let (job, mut answer) = task(Undo::Job, |connection: &Database| {
            connection.execute_batch("INSERT INTO number VALUES (1)")?;
            Err(Failure::Rule(StoreError::Closed))
        });
        commit_together(&connection, [job].into_iter());
        assert_eq!(answer.try_recv().unwrap(), Err(StoreError::Closed));
        assert_eq!(outcome(&connection, &[]).1, [0; 0]);
    }

    #[test]
    fn a_job_without_a_savepoint_takes_its_transaction_along_only_if_it_has_written() {
        let (_folder, connection) = database();
        let short = |works: &[&'static str]| outcome_of(&connection, Undo::Transaction, works);
        let (answers, numbers) = short(&["INSERT INTO number VALUES (1)", "INSERT INTO number VALUES (1)"]);
        assert!(matches!(answers[..], [Ok(()), Err(StoreError::Write(_))]), "{answers:?}");
        assert_eq!(numbers, [1]);
        let (answers, numbers) = short(&[
            "INSERT INTO number VALUES (2)",
            "INSERT INTO number VALUES (3); INSERT INTO number VALUES (3)",
            "INSERT INTO number VALUES (4)",
        ]);
        let lost = |answer: &Answer| matches!(answer, Err(StoreError::Write(_)));
        assert!(lost(&answers[0]) && lost(&answers[1]) && answers[2].is_ok(), "{answers:?}");
        assert_eq!(numbers, [1, 4]);
    }

    #[test]
    fn a_failing_commit_fails_all_and_the_next_batch_works() {
        let (_folder, connection) = database();
        let (answers, numbers) =
            outcome(&connection, &["INSERT INTO number VALUES (1)", "INSERT INTO later VALUES (9)"]);
        assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Write(_)))), "{answers:?}");
        assert_eq!(numbers, [0; 0]);
        assert_eq!(outcome(&connection, &["INSERT INTO number VALUES (2)"]), (vec![Ok(())], vec![2]));
    }

    #[test]
    fn a_lost_transaction_fails_its_jobs_and_spares_those_after() {
        let (_folder, connection) = database();
        let (answers, numbers) = outcome(
            &connection,
            &[
                "INSERT INTO number VALUES (1)",
                "INSERT OR ROLLBACK INTO number VALUES (1)",
                "INSERT INTO number VALUES (3)",
            ],
        );
        assert!(
            matches!(answers[..], [Err(StoreError::Write(_)), Err(StoreError::Write(_)), Ok(())]),
            "{answers:?}"
        );
        assert_eq!(numbers, [3]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn dropping_the_writer_finishes_what_was_let_in() {
        let (folder, connection) = database();
        let writer = Writer::start(connection).unwrap();
        let (release, released) = std_mpsc::channel::<()>();
        let (started, has_started) = oneshot::channel();
        let slow = writer.run(move |connection: &Database| -> Result<(), Failure<StoreError>> {
            let _ = started.send(());
            released.recv().unwrap();
            Ok(connection.execute_batch("INSERT INTO number VALUES (1)")?)
        });
        // A caller that goes away does not take its job along.
        tokio::select! {
            biased;
            _ = slow => unreachable!("it was not released"),
            _ = has_started => {}
        }
        release.send(()).unwrap();
        drop(writer);
        let connection = opened(Connection::open(folder.path().join("db")).unwrap());
        assert_eq!(outcome(&connection, &[]).1, [1]);
    }
}
