//! What happens without a request: forgotten uploads are removed.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use berth_meta::Timestamp;

use crate::{Registry, RegistryError, UploadId};

/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(60);
/// Time after which an idle session leaves the memory (not the disk).
const COLD: Duration = Duration::from_secs(300);
/// Uploads looked at in one query.
const BATCH: usize = 200;

impl Registry {
    /// Runs for ever: every minute, idle sessions leave the memory, and those past their expiry leave the disk.
    pub async fn run_janitor(self) {
        loop {
            tokio::time::sleep(ROUND).await;
            self.sessions.shed(COLD);
            match self.expire_uploads().await {
                Ok(0) => {}
                Ok(n_expired) => tracing::info!(n_expired, "removed uploads that were left idle"),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "idle uploads could not be removed; the next round tries again"
                    );
                }
            }
        }
    }

    /// Removes uploads that were idle for longer than the policy allows, and staged bytes that no session owns. Gives
    /// their number.
    ///
    /// # Errors
    /// The first that stopped the round; what was removed until then stays removed.
    pub async fn expire_uploads(&self) -> Result<usize, RegistryError> {
        let expired = self.expire_rows().await?;
        Ok(expired + self.sweep_stages().await?)
    }

    async fn expire_rows(&self) -> Result<usize, RegistryError> {
        let before = Timestamp::now().minus(self.policy.upload_expiry);
        let mut n_expired = 0;
        loop {
            let rows = self.meta.idle_uploads(before, BATCH).await?;
            let mut n_removed = 0;
            for row in &rows {
                let Ok(id) = row.id.parse::<UploadId>() else { continue };
                // A session in memory that is receiving right now touches its row when the request ends.
                if self.sessions.get(&id).is_none() {
                    self.blobs.discard(id.stage()).await?;
                    self.meta.remove_upload(&row.id).await?;
                    n_removed += 1;
                }
            }
            n_expired += n_removed;
            if rows.len() < BATCH || n_removed == 0 {
                return Ok(n_expired);
            }
        }
    }

    /// Staged files without a row are left by crashes. They go when they are as old as an expired upload.
    async fn sweep_stages(&self) -> Result<usize, RegistryError> {
        let mut seen = HashSet::new();
        for (stage, modified) in self.blobs.list_stages().await? {
            let age = SystemTime::now().duration_since(modified).unwrap_or_default();
            let id = UploadId::from(stage);
            let known = self.sessions.get(&id).is_some() || self.meta.upload_exists(&id.to_string()).await?;
            if age > self.policy.upload_expiry && !known && seen.insert(id) {
                self.blobs.discard(&stage).await?;
            }
        }
        Ok(seen.len())
    }
}
