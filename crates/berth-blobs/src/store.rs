//! The handle that everybody else holds.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use berth_oci::{Algorithm, Digest};
use tokio::sync::Semaphore;
use tokio::task;

use crate::backend::Backend;
use crate::disk::LocalDisk;
use crate::stage::{Leases, StageLease};
use crate::sync::{Syncs, syncs};
use crate::verified::Content;
use crate::{BlobFile, Stage, StageId, StoreError, Verified};

/// Commits that may wait for the disk at once. They mostly sleep, and the more wait together, the more share a sync.
const COMMITS: usize = 32;

/// How a store behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of the volume that uploads leave free, so that deletions and the database still work on a full disk.
    /// Below it [`StoreError::Full`] refuses new bytes. Default: 64 MiB.
    pub reserve: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { reserve: 64 * 1024 * 1024 }
    }
}

/// What a commit found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The blob was not there before, or had the wrong length and was replaced.
    New,
    /// The same blob was already there; the stage was dropped.
    AlreadyPresent,
}

/// Blobs on a disk. Cheap to clone; all clones are the same store. Needs a tokio runtime with time.
///
/// It takes no lock on its folder: one program at a time is the caller's duty.
#[derive(Clone)]
pub struct BlobStore {
    shared: Arc<Shared>,
}

/// What the store shares with its stages.
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn Backend>,
    /// Threads that all lanes together may hold.
    pub(crate) threads: Arc<Semaphore>,
    commits: Arc<Semaphore>,
    leases: Arc<Leases>,
}

impl BlobStore {
    /// Opens the store in folder `root`, making what is missing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if a folder cannot be made or synced.
    pub async fn open(root: &Path) -> Result<BlobStore, StoreError> {
        BlobStore::open_with(root, Options::default()).await
    }

    /// As [`open`](BlobStore::open), with options.
    ///
    /// # Errors
    ///
    /// As for [`open`](BlobStore::open).
    pub async fn open_with(root: &Path, options: Options) -> Result<BlobStore, StoreError> {
        BlobStore::open_syncing(root, options, syncs()).await
    }

    pub(crate) async fn open_syncing(
        root: &Path,
        options: Options,
        syncs: Box<dyn Syncs>,
    ) -> Result<BlobStore, StoreError> {
        let root = root.to_path_buf();
        let disk = blocking(move || LocalDisk::open(&root, options.reserve, syncs)).await?;
        let cores = thread::available_parallelism().map_or(2, usize::from);
        let shared = Shared {
            backend: Arc::new(disk),
            threads: Arc::new(Semaphore::new((4 * cores).clamp(8, 64))),
            commits: Arc::new(Semaphore::new(COMMITS)),
            leases: Arc::default(),
        };
        Ok(BlobStore { shared: Arc::new(shared) })
    }

    /// Begins an upload. Its file appears when its first byte leaves the memory.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] below the reserve, [`StoreError::Poisoned`] after a failed sync, [`StoreError::Busy`] if the
    /// stage stays in use for two seconds.
    pub async fn stage(&self, id: &StageId, algorithm: Algorithm) -> Result<Stage, StoreError> {
        let lease = StageLease::take(&self.shared.leases, *id).await?;
        let backend = self.shared.backend.clone();
        blocking(move || backend.check_room()).await?;
        Ok(Stage::new(self.shared.clone(), lease, algorithm))
    }

    /// Takes up an upload after its [`Stage`] was dropped, or after a restart. Its length is that of its file, zero if
    /// there is none; the hash is made again by reading the file.
    ///
    /// # Errors
    ///
    /// As for [`stage`](BlobStore::stage), and [`StoreError::Io`] if the file cannot be read. A dropped [`Stage`]
    /// is in use until its last bytes are written.
    pub async fn resume(&self, id: &StageId, algorithm: Algorithm) -> Result<Stage, StoreError> {
        let lease = StageLease::take(&self.shared.leases, *id).await?;
        let permit = self.shared.threads.clone().acquire_owned().await;
        let shared = self.shared.clone();
        blocking(move || {
            let _permit = permit;
            shared.backend.check_room()?;
            Stage::resumed(shared, lease, algorithm)
        })
        .await
    }

    /// Removes what an upload left. One that left nothing is fine.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the file cannot be removed.
    pub async fn discard(&self, id: &StageId) -> Result<(), StoreError> {
        self.shared.discard(*id).await
    }

    /// All uploads that have a file, with the time of their last write, in no order.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the folder cannot be read.
    pub async fn list_stages(&self) -> Result<Vec<(StageId, SystemTime)>, StoreError> {
        let backend = self.shared.backend.clone();
        blocking(move || backend.list_stages()).await
    }

    /// Gives checked bytes their name. When this returns `Ok`, they survive a power cut.
    ///
    /// Inline content gets a file as well, if the caller does not keep it elsewhere and commits it here. Dropping the
    /// future does not stop a commit that has begun. The caller must not let [`delete`](BlobStore::delete) of the same
    /// digest run at the same time: this method may rely on the file that it finds.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Poisoned`] or [`StoreError::Io`]. The stage is gone; upload again.
    pub async fn commit(&self, verified: Verified) -> Result<Stored, StoreError> {
        let permit = self.shared.commits.clone().acquire_owned().await;
        let backend = self.shared.backend.clone();
        blocking(move || {
            let _permit = permit;
            let Verified { digest, size, content, lease } = verified;
            let stored = publish(&*backend, content, &digest, size, lease.id());
            if stored.is_err() {
                // The first error is the one to report.
                let _ = backend.discard(lease.id());
            }
            stored
        })
        .await
    }

    /// Opens a blob that is recorded to have `size` bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] only if the disk says so while the folder is there; [`StoreError::Corrupt`] if the file
    /// has another length.
    pub async fn open_blob(&self, digest: &Digest, size: u64) -> Result<BlobFile, StoreError> {
        let (backend, digest) = (self.shared.backend.clone(), digest.clone());
        blocking(move || backend.open_blob(&digest, size)).await
    }

    /// Removes a blob for good: when this returns `Ok`, a power cut does not bring it back. One that is not there is fine.
    ///
    /// # Errors
    ///
    /// [`StoreError::Poisoned`] or [`StoreError::Io`].
    pub async fn delete(&self, digest: &Digest) -> Result<(), StoreError> {
        let (backend, digest) = (self.shared.backend.clone(), digest.clone());
        blocking(move || backend.delete(&digest)).await
    }

    /// Bytes that the volume has left, reserve included.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the volume does not answer.
    pub async fn free_space(&self) -> Result<u64, StoreError> {
        let backend = self.shared.backend.clone();
        blocking(move || backend.free_space()).await
    }

    /// Fails if an upload would be refused now; for readiness checks.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] below the reserve, [`StoreError::Poisoned`] after a failed sync.
    pub async fn check_room(&self) -> Result<(), StoreError> {
        let backend = self.shared.backend.clone();
        blocking(move || backend.check_room()).await
    }
}

impl Shared {
    pub(crate) async fn discard(&self, id: StageId) -> Result<(), StoreError> {
        let backend = self.backend.clone();
        blocking(move || backend.discard(id)).await
    }
}

fn publish(
    backend: &dyn Backend,
    content: Content,
    digest: &Digest,
    size: u64,
    id: StageId,
) -> Result<Stored, StoreError> {
    let staged = match content {
        Content::Staged(staged) => staged,
        Content::Inline(bytes) => {
            let mut staged = backend.create(id)?;
            staged.append(&[bytes])?;
            staged
        }
    };
    staged.publish(digest, size)
}

/// Runs `work` on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Interrupted))
}

#[cfg(test)]
mod tests;
