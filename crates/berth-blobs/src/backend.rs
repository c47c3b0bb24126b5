//! The boundary to the place where bytes are kept: small, blocking, and the only thing another kind of storage has to
//! implement.

use std::sync::Arc;
use std::time::SystemTime;

use berth_oci::Digest;
use bytes::Bytes;

use crate::{BlobFile, StageId, StoreError, Stored};

/// A place for blobs. Every method may block and is called on a blocking thread.
pub(crate) trait Backend: Send + Sync + 'static {
    /// Fails with `Full` or `Poisoned` when new bytes are not welcome.
    fn check_room(&self) -> Result<(), StoreError>;
    /// Makes a new, empty stage. One of the same name is an error.
    fn create(&self, id: StageId) -> Result<Box<dyn Staged>, StoreError>;
    /// Opens the stage that an earlier run left, or says that there is none.
    fn reopen(&self, id: StageId) -> Result<Option<Box<dyn Staged>>, StoreError>;
    /// Removes a stage; one that is not there is fine.
    fn discard(&self, id: StageId) -> Result<(), StoreError>;
    /// All stages with the time of their last write.
    fn list_stages(&self) -> Result<Vec<(StageId, SystemTime)>, StoreError>;
    /// Opens a blob of exactly `size` bytes.
    fn open_blob(&self, digest: &Digest, size: u64) -> Result<BlobFile, StoreError>;
    /// Removes a blob, durably; one that is not there is fine.
    fn delete(&self, digest: &Digest) -> Result<(), StoreError>;
    /// Bytes that can still be written.
    fn free_space(&self) -> Result<u64, StoreError>;
}

/// The bytes of one upload, before they have a name.
pub(crate) trait Staged: Send {
    /// Adds bytes at the end. After an error the stage holds garbage and must be discarded.
    fn append(&mut self, batch: &[Bytes]) -> Result<(), StoreError>;
    /// Makes all added bytes visible to [`Backend::reopen`], should the program end. Not durable.
    fn flush(&mut self) -> Result<(), StoreError>;
    /// A way to read the bytes while more are added. From now on what was flushed is visible there.
    fn follow(&mut self) -> Result<Arc<dyn Source>, StoreError>;
    /// Passes all bytes from the start to `sink`, piece by piece, and returns their number.
    fn read_back(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<u64, StoreError>;
    /// Gives the bytes their name. When this returns they survive a power cut; after an error the stage is gone.
    fn publish(self: Box<Self>, digest: &Digest, size: u64) -> Result<Stored, StoreError>;
}

/// The bytes of a stage for those who read while it grows. It outlives the stage and its file's name, and never asks
/// whether bytes are there: its users ask for those that were flushed.
pub(crate) trait Source: Send + Sync {
    /// Reads exactly `len` bytes from `offset`.
    fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError>;
    /// As many of these bytes, at least one, as can be read without blocking; the only method for an async thread.
    fn read_cached(&self, offset: u64, len: usize) -> Option<Bytes>;
}
