//! Copies the write-ahead log back into the database file, beside the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use rusqlite::Connection;

/// Pages of log (4 KiB each) after which the writer itself restarts it: 64 MiB, which a start after a crash reads back
/// in a moment.
const LONG: i64 = 16_384;
/// Time between two looks at the log while there are commits.
const PAUSE: Duration = Duration::from_millis(100);
/// Time after which an unfinished checkpoint is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Time between two wake-ups without work.
const IDLE: Duration = Duration::from_secs(3_600);

pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    long: Arc<AtomicBool>,
}

impl Checkpointer {
    pub(super) fn start(connection: Connection) -> std::io::Result<Checkpointer> {
        let (wake, woken) = sync_channel(1);
        let long = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&long);
        std::thread::Builder::new()
            .name("berth-db-log".to_owned())
            .spawn(move || run(&connection, &woken, &flag))?;
        Ok(Checkpointer { wake, long })
    }

    /// Tells that there was a commit. A full channel means that the thread knows already.
    pub(super) fn committed(&self) {
        let _ = self.wake.try_send(());
    }

    /// Whether the log grew past its bound; asks once.
    pub(super) fn log_is_long(&self) -> bool {
        self.long.swap(false, Ordering::Relaxed)
    }
}

fn run(connection: &Connection, woken: &Receiver<()>, long: &AtomicBool) {
    let mut behind = false;
    loop {
        // Readers can keep a checkpoint from finishing; then it is tried again also when no commit comes.
        let wait = if behind { RETRY } else { IDLE };
        match woken.recv_timeout(wait) {
            Ok(()) => std::thread::sleep(PAUSE),
            Err(RecvTimeoutError::Timeout) if behind => {}
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        }
        match checkpoint(connection) {
            Ok((pages, copied)) => {
                behind = copied < pages;
                if pages > LONG {
                    long.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => {
                behind = true;
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a checkpoint failed; it is tried again"
                );
            }
        }
    }
}

/// Runs a checkpoint that makes nobody wait. Gives the pages in the log, and how many of them are copied.
fn checkpoint(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(1)?, row.get(2)?)))
}
