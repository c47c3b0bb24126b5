//! The memory of a failed sync.
//!
//! Linux reports a failed write-back once and then calls the pages clean, so a second sync would succeed without the
//! bytes being on the disk. Therefore no sync is tried again: the first failure ends all writing.

use std::io;
use std::sync::{Arc, OnceLock};

use crate::StoreError;
use crate::error::is_full;

/// Whether a sync failed, and which.
#[derive(Default)]
pub(super) struct Poison(OnceLock<Arc<str>>);

impl Poison {
    /// Fails after a failed sync.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.0.get() {
            Some(reason) => Err(StoreError::Poisoned { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Records a failed sync and ends all writing.
    pub(super) fn set(&self, what: &str, error: &io::Error) -> StoreError {
        let reason = self.0.get_or_init(|| {
            tracing::error!(%error, "{what} failed: the blob store stops writing until restart");
            format!("{what}: {error}").into()
        });
        StoreError::Poisoned { reason: reason.clone() }
    }

    /// Judges a failed sync of one file. A full volume concerns only that file, which is thrown away.
    pub(super) fn set_by_file(&self, error: &io::Error) -> StoreError {
        if is_full(error) { StoreError::Full } else { self.set("file sync", error) }
    }
}
