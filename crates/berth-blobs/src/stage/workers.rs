//! What happens to the bytes of a stage on blocking threads.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_oci::Hasher;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::backend::{Backend, Staged};
use crate::following::Growth;
use crate::lane::{Batch, Then, Worker};
use crate::{StageId, StoreError};

/// Hashes.
pub(super) struct HashWorker(pub(super) Hasher);

impl Worker for HashWorker {
    fn run(&mut self, batch: &Batch) -> Result<(), StoreError> {
        for chunk in &batch.chunks {
            self.0.update(chunk);
        }
        Ok(())
    }
}

/// Writes, and makes the file when the first batch comes.
pub(super) struct FileWorker {
    backend: Arc<dyn Backend>,
    staged: Option<Box<dyn Staged>>,
    /// Those who read meanwhile, if there are any.
    growth: Option<Arc<Growth>>,
    /// After `staged`: the stage is free for others only when nobody writes to it.
    lease: StageLease,
}

impl FileWorker {
    pub(super) fn new(
        backend: Arc<dyn Backend>,
        lease: StageLease,
        staged: Option<Box<dyn Staged>>,
    ) -> FileWorker {
        FileWorker { backend, staged, growth: None, lease }
    }

    pub(super) fn has_file(&self) -> bool {
        self.staged.is_some()
    }

    pub(super) fn into_staged(self) -> Option<Box<dyn Staged>> {
        self.staged
    }

    fn append(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let staged = match &mut self.staged {
            Some(staged) => staged,
            None => self.staged.insert(self.backend.create(self.lease.id())?),
        };
        staged.append(&batch.chunks)?;
        if let Then::Follow(growth) = &batch.then {
            growth.begin(staged.follow()?);
            self.growth = Some(growth.clone());
        }
        if self.growth.is_some() || matches!(batch.then, Then::Flush) {
            staged.flush()?;
        }
        if let Some(growth) = &self.growth {
            growth.show(batch.end);
        }
        Ok(())
    }
}

impl Worker for FileWorker {
    fn run(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.append(batch).inspect_err(|error| {
            if let Some(growth) = &self.growth {
                growth.fail(error.clone().into());
            }
            // What was written is worthless now. If the removal fails too, the cleaner of old stages does it.
            self.staged = None;
            let _ = self.backend.discard(self.lease.id());
        })
    }
}

/// How long a new user of a stage waits for the one before: long enough for a cut-off request to write its last bytes.
const PATIENCE: Duration = Duration::from_secs(2);

/// The stages in use. A stage has one user at a time, because two would mix their bytes.
#[derive(Default)]
pub(crate) struct Leases {
    held: Mutex<HashSet<StageId>>,
    freed: Notify,
}

impl Leases {
    fn held(&self) -> MutexGuard<'_, HashSet<StageId>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the stage is free.
    async fn insert(&self, id: StageId) {
        loop {
            // Created before the look, so that a change in between wakes it.
            let freed = self.freed.notified();
            if self.held().insert(id) {
                return;
            }
            freed.await;
        }
    }
}

/// The right to use a stage; given back when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct StageLease(Arc<Held>);

struct Held {
    id: StageId,
    leases: Arc<Leases>,
}

impl StageLease {
    /// Fails with [`StoreError::Busy`] if another lease of this stage does not end soon.
    pub(crate) async fn take(leases: &Arc<Leases>, id: StageId) -> Result<StageLease, StoreError> {
        timeout(PATIENCE, leases.insert(id)).await.map_err(|_| StoreError::Busy { id })?;
        Ok(StageLease(Arc::new(Held { id, leases: leases.clone() })))
    }

    pub(crate) fn id(&self) -> StageId {
        self.0.id
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leases.held().remove(&self.id);
        self.leases.freed.notify_waiters();
    }
}
