//! What the mirror does now and then: counts what was had, and makes room.

use std::time::Duration;

use berth_registry::{RegistryError, Room, Timestamp, Traffic};

use crate::Mirror;

impl Mirror {
    /// Writes what was counted and compared since the last time.
    ///
    /// # Errors
    /// Only internal ones; it is then written the next time.
    pub async fn write(&self) -> Result<(), RegistryError> {
        self.shared().freshness.write(self.registry()).await?;
        // One at a time, or two would both add what neither has written.
        let _turn = self.shared().writing.lock().await;
        let upstreams = self.upstreams();
        let unwritten = upstreams.iter().map(|upstream| (upstream, upstream.counters.unwritten()));
        let unwritten: Vec<_> = unwritten.filter(|(_, traffic)| *traffic != Traffic::default()).collect();
        if unwritten.is_empty() {
            return Ok(());
        }
        let rows = unwritten.iter().map(|(upstream, traffic)| (upstream.name.to_string(), *traffic));
        self.registry().add_traffic(rows.collect()).await?;
        unwritten.iter().for_each(|(upstream, traffic)| upstream.counters.wrote(*traffic));
        Ok(())
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
