//! What the mirror does now and then: counts what was had, and makes room.

use std::time::Duration;

use berth_registry::{RegistryError, Room, Timestamp};

use crate::Mirror;

impl Mirror {
    /// Writes what was counted and compared since the last time.
    ///
    /// # Errors
    /// Only internal ones; it is then written the next time.
    pub async fn write(&self) -> Result<(), RegistryError> {
        self.shared().freshness.write(self.registry()).await?;
        let upstreams = self.upstreams();
        let counted = upstreams.iter().map(|upstream| (upstream.name.to_string(), upstream.counters.take()));
        let counted: Vec<_> = counted.filter(|(_, traffic)| *traffic != Default::default()).collect();
        if counted.is_empty() {
            return Ok(());
        }
        let written = self.registry().add_traffic(counted.clone()).await;
        if written.is_err() {
            for (name, traffic) in counted {
                if let Some(upstream) = upstreams.iter().find(|upstream| *upstream.name == *name) {
                    upstream.counters.put_back(traffic);
                }
            }
        }
        written
    }

    /// Takes from each cache what it may not hold any more: too many bytes, or unused for too long.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn make_room(&self) -> Result<(), RegistryError> {
        for upstream in self.upstreams().iter() {
            let settings = &upstream.settings;
            let unused_since = settings.max_age.map(|age| Timestamp::now().minus(Duration::from_secs(age)));
            let room = Room { bytes: settings.max_bytes, unused_since };
            let evicted = self.registry().make_room(&upstream.name, room).await?;
            if let Some(last) = evicted.last() {
                tracing::info!(
                    upstream = %upstream.name, manifests = evicted.len(), last = %last.digest, repository = last.repository,
                    "made room in a cache"
                );
            }
        }
        Ok(())
    }
}
