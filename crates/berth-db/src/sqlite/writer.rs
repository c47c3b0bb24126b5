//! The writer: one thread that commits all waiting transactions with one fsync.
//!
//! Invariants: a job's answer is sent only after the commit that holds it; jobs run in the order of submission; a job
//! that fails leaves nothing behind (savepoint); after a failed commit no further write is accepted, since nobody can
//! know what a repeated fsync would really save.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::checkpoint::Checkpointer;
use crate::DbError;

/// Jobs in one commit at most: bounds the wait of the first.
const BATCH: usize = 512;
/// How long deferred jobs may wait for company.
const DEFERRED: Duration = Duration::from_millis(50);

/// Tells a job's caller how it went, once the commit is durable or has failed.
type Finish = Box<dyn FnOnce(Option<DbError>) + Send>;
/// Runs a job; tells whether to keep what it did.
type Run = Box<dyn FnOnce(&mut Connection) -> (bool, Finish) + Send>;

/// A transaction waiting for its turn.
pub(super) struct Job {
    run: Run,
    deferred: bool,
}

impl Job {
    /// `work` runs inside the transaction; `answer` is called with its result after the commit.
    pub(super) fn new<T, E>(
        work: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
        answer: impl FnOnce(Result<T, E>) + Send + 'static,
    ) -> Job
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let run = move |connection: &mut Connection| {
            let result = work(connection);
            let keep = result.is_ok();
            let finish: Finish =
                Box::new(move |failure| answer(failure.map_or(result, |error| Err(error.into()))));
            (keep, finish)
        };
        Job { run: Box::new(run), deferred: false }
    }

    /// Marks a job that nobody waits for.
    pub(super) fn deferred(self) -> Job {
        Job { deferred: true, ..self }
    }
}

pub(super) struct Writer {
    jobs: Sender<Job>,
    shared: Arc<Shared>,
}

/// What others may know of the writer.
#[derive(Default)]
struct Shared {
    failure: OnceLock<String>,
    /// Counts up before and after every commit, so it is odd while what readers see may change.
    epoch: AtomicU64,
}

impl Writer {
    pub(super) fn start(connection: Connection, checkpoints: Connection) -> Result<Writer, DbError> {
        let (jobs, queue) = channel();
        let shared = Arc::<Shared>::default();
        let checkpointer = Checkpointer::start(checkpoints).map_err(|error| stopped(&error))?;
        let thread = Thread { connection, queue, checkpointer, shared: Arc::clone(&shared) };
        std::thread::Builder::new()
            .name("berth-db-writer".to_owned())
            .spawn(move || thread.run())
            .map_err(|error| stopped(&error))?;
        Ok(Writer { jobs, shared })
    }

    pub(super) fn submit(&self, job: Job) -> Result<(), DbError> {
        self.check()?;
        self.jobs.send(job).map_err(|_| self.stopped())
    }

    pub(super) fn check(&self) -> Result<(), DbError> {
        if self.shared.failure.get().is_some() { Err(self.stopped()) } else { Ok(()) }
    }

    pub(super) fn epoch(&self) -> Option<u64> {
        let epoch = self.shared.epoch.load(Ordering::SeqCst);
        epoch.is_multiple_of(2).then_some(epoch)
    }

    pub(super) fn stopped(&self) -> DbError {
        let reason = self.shared.failure.get().cloned().unwrap_or_else(|| "the writer has ended".to_owned());
        DbError::Stopped { reason }
    }
}

fn stopped(error: &dyn std::error::Error) -> DbError {
    DbError::Stopped { reason: error.to_string() }
}

struct Thread {
    connection: Connection,
    queue: Receiver<Job>,
    checkpointer: Checkpointer,
    shared: Arc<Shared>,
}

impl Thread {
    fn run(mut self) {
        while let Some(batch) = self.gather() {
            if let Err(error) = self.commit(batch) {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a commit failed; the database stops writing"
                );
                // The first reason stays; this thread ends here, so there is no second.
                let _ = self.shared.failure.set(error.to_string());
                return;
            }
            if self.checkpointer.log_is_long() {
                self.restart_log();
            }
        }
    }

    /// Waits for work and takes all that is there; `None` when every handle is gone.
    fn gather(&self) -> Option<Vec<Job>> {
        let first = self.queue.recv().ok()?;
        let mut urgent = !first.deferred;
        let mut batch = vec![first];
        let patience = Instant::now() + DEFERRED;
        while batch.len() < BATCH {
            let wait =
                if urgent { Duration::ZERO } else { patience.saturating_duration_since(Instant::now()) };
            match self.queue.recv_timeout(wait) {
                Ok(job) => {
                    urgent |= !job.deferred;
                    batch.push(job);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        Some(batch)
    }

    /// Runs the jobs in one transaction, commits, then answers. An error means that the engine cannot be trusted.
    fn commit(&mut self, batch: Vec<Job>) -> Result<(), DbError> {
        let mut finishes = Vec::with_capacity(batch.len());
        let outcome = self.transaction(batch, &mut finishes);
        match outcome {
            Ok(()) => {
                for finish in finishes {
                    finish(None);
                }
                self.checkpointer.committed();
                Ok(())
            }
            Err(error) => {
                let full = matches!(error, DbError::Full);
                for finish in finishes {
                    let told = if full { DbError::Full } else { stopped(&error) };
                    finish(Some(told));
                }
                // A full disk is no broken promise: nothing was committed, and space may come back.
                if full && self.rollback().is_ok() { Ok(()) } else { Err(error) }
            }
        }
    }

    fn transaction(&mut self, batch: Vec<Job>, finishes: &mut Vec<Finish>) -> Result<(), DbError> {
        self.execute("BEGIN IMMEDIATE")?;
        for job in batch {
            self.execute("SAVEPOINT job")?;
            let (keep, finish) = (job.run)(&mut self.connection);
            finishes.push(finish);
            if !keep {
                self.execute("ROLLBACK TO job")?;
            }
            self.execute("RELEASE job")?;
        }
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        let committed = self.execute("COMMIT");
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        committed
    }

    fn rollback(&mut self) -> Result<(), DbError> {
        if self.connection.is_autocommit() { Ok(()) } else { self.execute("ROLLBACK") }
    }

    fn execute(&self, sql: &str) -> Result<(), DbError> {
        let run = || self.connection.prepare_cached(sql)?.execute([]);
        run().map(|_| ()).map_err(DbError::from_sqlite)
    }

    /// Starts the log from its beginning. The checkpointer could not: it never found a moment without writes.
    fn restart_log(&mut self) {
        let run = self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
        if let Err(error) = run {
            tracing::warn!(error = &error as &dyn std::error::Error, "the log could not be restarted yet");
        }
    }
}
