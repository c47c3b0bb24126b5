//! Fetching before somebody asks: an image with all its blobs, for the platforms that are wanted.

use berth_oci::{Manifest, Platform, Reference, Role};
use berth_registry::{Access, Pull};

use crate::traffic::Had;
use crate::{Mirror, MirrorError};

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prefetched {
    /// Manifests that are here now.
    pub manifests: u64,
    /// Blobs that are here now.
    pub blobs: u64,
    /// Blobs among them that were not here before.
    pub fetched: u64,
    /// Bytes of those.
    pub bytes: u64,
}

/// Indexes inside of indexes that are followed.
const DEPTH: usize = 3;

impl Mirror {
    /// Fetches an image; of an index those platforms for which `wants` says so.
    ///
    /// # Errors
    /// The first thing that could not be had. What came before stays.
    pub async fn prefetch(
        &self,
        access: &Access<Pull>,
        at: &Reference,
        wants: &(dyn Fn(Option<&Platform>) -> bool + Send + Sync),
    ) -> Result<Prefetched, MirrorError> {
        let mut done = Prefetched::default();
        let mut waiting = vec![(at.clone(), 0)];
        while let Some((at, depth)) = waiting.pop() {
            let stored = self.get_manifest(access, &at).await?.manifest;
            done.manifests += 1;
            let manifest = Manifest::read(&stored.media_type, &stored.content)
                .map_err(|error| MirrorError::from(berth_registry::RegistryError::from(error)))?;
            for part in &manifest.references {
                match part.role {
                    Role::Child if depth < DEPTH && wants(part.descriptor.platform.as_ref()) => {
                        waiting.push((Reference::Digest(part.descriptor.digest.clone()), depth + 1));
                    }
                    Role::Config | Role::Layer if !part.is_foreign() => {
                        let (size, had) = self.store_blob(access, &part.descriptor.digest).await?;
                        done.blobs += 1;
                        if had == Had::Fetched {
                            done.fetched += 1;
                            done.bytes += size;
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(done)
    }
}
