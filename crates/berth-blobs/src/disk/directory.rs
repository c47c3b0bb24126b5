//! Directories, and the syncs that make their names durable.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Disk, make_folder};
use crate::StoreError;

/// A directory whose syncs are shared: all that wait for one are served by the next that starts.
pub(super) struct Directory {
    path: PathBuf,
    turns: Mutex<Turns>,
    changed: Condvar,
}

/// Syncs are numbered from one in the order in which they start; one runs at a time.
#[derive(Default)]
struct Turns {
    started: u64,
    /// The last one that succeeded.
    succeeded: u64,
    running: bool,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Directory {
        Directory { path, turns: Mutex::default(), changed: Condvar::new() }
    }

    /// Returns after a `sync` of this directory that started after this call succeeded: one's own or another's.
    pub(super) fn sync(&self, sync: impl FnOnce(&Path) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut turns = lock(&self.turns);
        // The running sync may have looked before our rename; only a later one counts.
        let needed = turns.started + 1;
        while turns.running {
            turns = self.changed.wait(turns).unwrap_or_else(PoisonError::into_inner);
            if turns.succeeded >= needed {
                return Ok(());
            }
        }
        turns.started += 1;
        turns.running = true;
        let number = turns.started;
        drop(turns);
        let result = sync(&self.path);
        let mut turns = lock(&self.turns);
        turns.running = false;
        if result.is_ok() {
            turns.succeeded = number;
        }
        self.changed.notify_all();
        result
    }
}

/// The directory of one algorithm, with a directory for each first two digits.
pub(super) struct FanOut {
    parent: Directory,
    /// Those that were made durable since the store was opened.
    children: Mutex<HashMap<String, Arc<Directory>>>,
}

impl FanOut {
    pub(super) fn new(path: PathBuf) -> FanOut {
        FanOut { parent: Directory::new(path), children: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.parent.path
    }

    /// The directory for blobs that begin with `prefix`; it exists and survives a power cut.
    pub(super) fn child(&self, disk: &Disk, prefix: &str) -> Result<Arc<Directory>, StoreError> {
        if let Some(child) = lock(&self.children).get(prefix) {
            return Ok(child.clone());
        }
        let path = self.parent.path.join(prefix);
        make_folder(&path)?;
        // Also if it was there: an earlier run may have ended between the making and the sync.
        disk.sync_directory(&self.parent)?;
        let child = Arc::new(Directory::new(path));
        Ok(lock(&self.children).entry(prefix.to_owned()).or_insert(child).clone())
    }
}

/// The data is whole at every step, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::Directory;

    #[test]
    fn waiters_share_a_sync_that_started_after_them() {
        let directory = Directory::new("unused".into());
        let (events, syncs, seen) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        // Stands for the rename. `seen` is what the last finished sync has covered.
                        let mine = events.fetch_add(1, Ordering::SeqCst) + 1;
                        let sync = |_: &std::path::Path| {
                            let covered = events.load(Ordering::SeqCst);
                            thread::sleep(Duration::from_micros(200));
                            syncs.fetch_add(1, Ordering::SeqCst);
                            seen.fetch_max(covered, Ordering::SeqCst);
                            Ok(())
                        };
                        directory.sync(sync).unwrap();
                        assert!(seen.load(Ordering::SeqCst) >= mine, "the sync began before the rename");
                    }
                });
            }
        });
        assert!(syncs.load(Ordering::SeqCst) < 320, "nobody shared");
    }
}
