//! Uses of manifests: noted in memory when they are served, written now and then. A crash loses the last seconds of them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_meta::{Timestamp, Use, UsedManifest};
use berth_oci::{Digest, RepositoryName};
use tokio::sync::Notify;

use crate::{Registry, RegistryError};

/// Time between two writes.
const EVERY: Duration = Duration::from_secs(5);
/// Manifests that are noted at most; then they are written at once.
const MOST: usize = 10_000;
/// Manifests in one transaction.
const BATCH: usize = 500;

/// How a manifest was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Somebody read it.
    Pulled,
    /// Somebody looked whether it is there: a cluster that has the image does only this.
    Looked,
}

/// What was noted and not written yet.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    noted: Mutex<HashMap<UsedManifest, Use>>,
    full: Notify,
}

impl Uses {
    /// Notes a use.
    pub(crate) fn note(&self, repository: &RepositoryName, digest: &Digest, seen: Seen) {
        let pulls = u64::from(seen == Seen::Pulled);
        let now = Timestamp::now();
        let mut noted = self.lock();
        let used =
            noted.entry((repository.clone(), digest.clone())).or_insert(Use { pulls: 0, last_at: now });
        used.pulls += pulls;
        used.last_at = used.last_at.max(now);
        if noted.len() >= MOST {
            self.full.notify_one();
        }
    }

    fn take(&self) -> Vec<(UsedManifest, Use)> {
        std::mem::take(&mut *self.lock()).into_iter().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UsedManifest, Use>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Runs for ever: writes what was used every few seconds.
    pub async fn run_uses(self) {
        loop {
            let _ = tokio::time::timeout(EVERY, self.uses.full.notified()).await;
            if let Err(error) = self.write_uses().await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "pulls could not be counted; those of the last seconds are lost");
            }
        }
    }

    /// Writes what was used until now.
    ///
    /// # Errors
    /// Only internal ones; what was noted is lost then.
    pub async fn write_uses(&self) -> Result<(), RegistryError> {
        for batch in self.uses.take().chunks(BATCH) {
            self.meta.add_uses(batch.to_vec()).await?;
        }
        Ok(())
    }
}
