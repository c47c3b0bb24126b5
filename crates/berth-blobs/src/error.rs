//! What can go wrong when bytes are stored or read back.

use std::io;
use std::sync::Arc;

use berth_oci::Digest;
use rustix::io::Errno;

use crate::StageId;

/// An operation of the blob store failed.
///
/// It is `Clone` because one failed batch is reported to every later call on the same stage.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The store has no such blob. The folder that would hold it was there, so this is not an unmounted disk.
    #[error("blob {digest} is not in the store")]
    NotFound {
        /// The digest that was asked for.
        digest: Digest,
    },
    /// The file of a blob does not have the length that was recorded for it.
    #[error("blob {digest} should have {expected} bytes but its file has {actual}; push it again to heal it")]
    Corrupt {
        /// The digest that was asked for.
        digest: Digest,
        /// The recorded length in bytes.
        expected: u64,
        /// The length of the file in bytes.
        actual: u64,
    },
    /// The volume (or the user's quota on it) has no room. The stage in question was removed.
    #[error("the volume of the blob store is full; free space or lower the reserve")]
    Full,
    /// A sync failed earlier, so the store takes no more writes. Reading goes on.
    #[error("the blob store stopped writing after a failed sync ({reason}); check the disk, then restart")]
    Poisoned {
        /// The sync that failed and its error.
        reason: Arc<str>,
    },
    /// Another holder is using the same stage.
    #[error("upload {id} is in use by another request")]
    Busy {
        /// The stage that was asked for.
        id: StageId,
    },
    /// The work of a stage ended early, because the program is shutting down or a worker panicked.
    #[error("the upload was interrupted")]
    Interrupted,
    /// The operating system reported an error.
    #[error("could not {action}")]
    Io {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// The error of the operating system.
        source: Arc<io::Error>,
    },
}

impl StoreError {
    /// Gives an I/O error its meaning: a full volume is [`StoreError::Full`], anything else keeps its source.
    pub(crate) fn io(action: &'static str, source: io::Error) -> StoreError {
        if is_full(&source) { StoreError::Full } else { StoreError::Io { action, source: Arc::new(source) } }
    }
}

/// Tells whether the error says that the volume, or a quota on it, has no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::DQUOT))
}

/// A stage could not become a [`Verified`](crate::Verified).
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyError {
    /// The bytes have another digest. The stage was removed.
    #[error("the bytes have digest {actual}, not {expected}")]
    Mismatch {
        /// The digest that the client promised.
        expected: Digest,
        /// The digest of the bytes that arrived.
        actual: Digest,
    },
    /// The bytes could not be stored or read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The bytes of a stage that somebody follows will never be complete.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FollowError {
    /// The bytes have another digest than they should.
    #[error("the bytes have digest {actual}, not {expected}")]
    Mismatch {
        /// The digest that was promised.
        expected: Digest,
        /// The digest of the bytes that arrived.
        actual: Digest,
    },
    /// The digest is right, but the length that followers were told is not.
    #[error("{told} bytes were promised, but there are {actual}")]
    Length {
        /// The promised length in bytes.
        told: u64,
        /// The length in bytes.
        actual: u64,
    },
    /// The writer gave up before the end.
    #[error("the bytes stopped coming before their end; ask for them again")]
    Abandoned,
    /// The bytes could not be stored, or not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<&VerifyError> for FollowError {
    fn from(error: &VerifyError) -> FollowError {
        match error.clone() {
            VerifyError::Mismatch { expected, actual } => FollowError::Mismatch { expected, actual },
            VerifyError::Store(error) => FollowError::Store(error),
        }
    }
}
