//! An upload on its way in: bytes are hashed and written while more arrive.

mod pending;
mod workers;

use std::fmt;
use std::sync::Arc;

use berth_oci::{Algorithm, Digest, Hasher};
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::backend::Staged;
use crate::following::Lead;
use crate::lane::{Batch, Lane, Then};
use crate::store::{Shared, blocking};
use crate::verified::{Content, Verified};
use crate::{Following, INLINE_MAX, StageId, StoreError, VerifyError};

use pending::Pending;
use workers::{FileWorker, HashWorker};
pub(crate) use workers::{Leases, StageLease};

/// Bytes that are collected before the workers get them.
const BATCH: usize = 256 * 1024;
/// Bytes of one upload that may wait for its workers.
const IN_FLIGHT: usize = 512 * 1024;
/// What a batch counts at least, so that a trickle cannot make a long queue of tiny ones.
const LEAST_SHARE: usize = 4 * 1024;

/// An upload that has no name yet.
///
/// It takes at most about 1 MiB of memory, and a thread only while there are bytes to work on. Dropping it keeps what
/// its file already has (see [`BlobStore::resume`](crate::BlobStore::resume)); bytes that are still in memory are lost.
/// After an error the file is gone and every later call fails too.
pub struct Stage {
    store: Arc<Shared>,
    lease: StageLease,
    algorithm: Algorithm,
    len: u64,
    pending: Pending,
    /// Whether any byte went to the workers, so that there is a file.
    spilled: bool,
    /// What is owed to those who read meanwhile.
    lead: Option<Lead>,
    budget: Arc<Semaphore>,
    hash: Lane<HashWorker>,
    file: Lane<FileWorker>,
}

impl Stage {
    pub(crate) fn new(store: Arc<Shared>, lease: StageLease, algorithm: Algorithm) -> Stage {
        let file = FileWorker::new(store.backend.clone(), lease.clone(), None);
        Stage::build(store, lease, Hasher::new(algorithm), algorithm, file, 0)
    }

    /// Takes up what an earlier run left in the stage's file. Blocks while it reads the file.
    pub(crate) fn resumed(
        store: Arc<Shared>,
        lease: StageLease,
        algorithm: Algorithm,
    ) -> Result<Stage, StoreError> {
        let mut hasher = Hasher::new(algorithm);
        let mut staged = store.backend.reopen(lease.id())?;
        let len = match &mut staged {
            Some(staged) => staged.read_back(&mut |bytes| hasher.update(bytes))?,
            None => 0,
        };
        let file = FileWorker::new(store.backend.clone(), lease.clone(), staged);
        Ok(Stage::build(store, lease, hasher, algorithm, file, len))
    }

    fn build(
        store: Arc<Shared>,
        lease: StageLease,
        hasher: Hasher,
        algorithm: Algorithm,
        file: FileWorker,
        len: u64,
    ) -> Stage {
        Stage {
            lease,
            algorithm,
            len,
            pending: Pending::default(),
            spilled: file.has_file(),
            lead: None,
            budget: Arc::new(Semaphore::new(IN_FLIGHT)),
            hash: Lane::new(HashWorker(hasher), store.threads.clone()),
            file: Lane::new(file, store.threads.clone()),
            store,
        }
    }

    /// The name of this stage.
    pub fn id(&self) -> StageId {
        self.lease.id()
    }

    /// Bytes taken so far: where the next byte goes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether no byte was taken yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds bytes at the end. Waits while the workers are 512 KiB behind.
    ///
    /// # Errors
    ///
    /// An error belongs to these bytes or to earlier ones, because writing happens later; the upload is over.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(BATCH));
            self.len += piece.len() as u64;
            self.pending.push(piece);
            let spill = self.spilled || self.len > INLINE_MAX as u64;
            if spill && self.pending.len() >= BATCH {
                self.spill(Then::Nothing).await?;
            }
        }
        Ok(())
    }

    /// Waits until all bytes are in the stage's file, so that [`BlobStore::resume`](crate::BlobStore::resume) finds them
    /// after the program ended. Not after a power cut: there is no sync, and the digest is checked at the end anyway.
    ///
    /// # Errors
    ///
    /// As for [`write`](Stage::write).
    pub async fn persist(&mut self) -> Result<(), StoreError> {
        self.spill(Then::Flush).await?;
        self.file.settle().await
    }

    /// Lets others read the bytes while more arrive; the first ones too. `size` is the length of the whole in bytes, if it
    /// is known.
    ///
    /// From now on every batch goes to the file, however small the upload is, and through the page cache, where the
    /// readers find it. Followers end with this stage: [`verify`](Stage::verify) tells them the result, and if the stage
    /// is dropped without it they get [`FollowError::Abandoned`](crate::FollowError::Abandoned). A second call gives what
    /// the first one gave.
    ///
    /// # Errors
    ///
    /// As for [`write`](Stage::write).
    pub async fn follow(&mut self, size: Option<u64>) -> Result<Following, StoreError> {
        let growth = self.lead.get_or_insert_with(|| Lead::new(size)).growth().clone();
        self.spill(Then::Follow(growth)).await?;
        self.file.settle().await?;
        self.lead.as_ref().and_then(Lead::following).ok_or(StoreError::Interrupted)
    }

    /// Sends what was taken so far on its way to the followers, instead of waiting for a batch of 256 KiB: to be called
    /// when the source pauses. Does nothing if there is nothing new, or nobody follows. Does not wait for the disk, unless
    /// [`write`](Stage::write) would.
    ///
    /// # Errors
    ///
    /// As for [`write`](Stage::write).
    pub async fn show(&mut self) -> Result<(), StoreError> {
        if self.lead.is_some() { self.spill(Then::Nothing).await } else { Ok(()) }
    }

    /// Ends the upload and compares its digest. Followers hear of the result before the caller does.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Mismatch`] names the digest that the bytes have. After any error the stage is gone.
    pub async fn verify(mut self, expected: &Digest) -> Result<Verified, VerifyError> {
        let (store, id, lead) = (self.store.clone(), self.lease.id(), self.lead.take());
        let verified = self.check(expected).await;
        if let Some(lead) = lead {
            lead.end(verified.as_ref().map(Verified::size).map_err(Into::into));
        }
        if verified.is_err() {
            // The first error is the one to report.
            let _ = store.discard(id).await;
        }
        verified
    }

    async fn check(mut self, expected: &Digest) -> Result<Verified, VerifyError> {
        let small = self.len <= INLINE_MAX as u64;
        let (content, actual) = if small && !self.spilled {
            inline(expected.algorithm(), self.pending.join())
        } else {
            self.spill(Then::Nothing).await?;
            // The file lane first: on a mismatch nobody may be writing to the stage when it is removed.
            let file = self.file.finish().await;
            let hasher = self.hash.finish().await?.0;
            let staged = file?.into_staged().ok_or(StoreError::Interrupted)?;
            if small {
                let bytes = blocking(move || read_all(staged)).await?;
                self.store.discard(self.lease.id()).await?;
                inline(expected.algorithm(), bytes)
            } else if expected.algorithm() != self.algorithm {
                let algorithm = expected.algorithm();
                blocking(move || rehash(staged, algorithm)).await?
            } else {
                (Content::Staged(staged), hasher.finish())
            }
        };
        if actual != *expected {
            return Err(VerifyError::Mismatch { expected: expected.clone(), actual });
        }
        Ok(Verified { digest: actual, size: self.len, content, lease: self.lease })
    }

    /// Hands all pending bytes to the workers, and what is to be done then.
    async fn spill(&mut self, then: Then) -> Result<(), StoreError> {
        let is_needed = match then {
            Then::Nothing => false,
            Then::Flush => self.spilled,
            Then::Follow(_) => true,
        };
        if self.pending.len() == 0 && !is_needed {
            return Ok(());
        }
        // A batch is below two pieces of `write`, so it fits the budget; the semaphore is never closed.
        let share = self.pending.len().max(LEAST_SHARE) as u32;
        let budget =
            self.budget.clone().acquire_many_owned(share).await.map_err(|_| StoreError::Interrupted)?;
        let batch = Arc::new(Batch { chunks: self.pending.take(), end: self.len, then, _budget: budget });
        self.spilled = true;
        self.file.push(batch.clone())?;
        self.hash.push(batch)
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("id", &self.lease.id()).field("len", &self.len).finish_non_exhaustive()
    }
}

/// Bytes that stay in memory, with the digest that they have.
fn inline(algorithm: Algorithm, bytes: Bytes) -> (Content, Digest) {
    let actual = Digest::of(algorithm, &bytes);
    (Content::Inline(bytes), actual)
}

/// The bytes of a small stage. Blocks.
fn read_all(mut staged: Box<dyn Staged>) -> Result<Bytes, StoreError> {
    let mut bytes = Vec::with_capacity(INLINE_MAX);
    staged.read_back(&mut |piece| bytes.extend_from_slice(piece))?;
    Ok(bytes.into())
}

/// The digest by another algorithm than the one that the upload began with. Blocks.
fn rehash(mut staged: Box<dyn Staged>, algorithm: Algorithm) -> Result<(Content, Digest), StoreError> {
    let mut hasher = Hasher::new(algorithm);
    staged.read_back(&mut |piece| hasher.update(piece))?;
    Ok((Content::Staged(staged), hasher.finish()))
}
