//! A source that is asked for each manifest once, also by its tag: registries count such questions, and a tag may move
//! between two of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use berth_client::{Content, EndError, FetchedManifest, Repository, Source};
use berth_oci::{Descriptor, Digest, Reference};

/// A source whose manifests are remembered.
pub(crate) struct Remembered<S> {
    source: S,
    manifests: Mutex<HashMap<Reference, FetchedManifest>>,
}

impl<S> Remembered<S> {
    pub(crate) fn new(source: S) -> Remembered<S> {
        Remembered { source, manifests: Mutex::default() }
    }
}

impl<S: Source> Source for Remembered<S> {
    async fn manifest(&self, at: &Reference) -> Result<FetchedManifest, EndError> {
        let known = || self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known().get(at).cloned();
        if let Some(manifest) = found {
            return Ok(manifest);
        }
        let manifest = self.source.manifest(at).await?;
        let mut known = known();
        known.insert(Reference::Digest(manifest.digest.clone()), manifest.clone());
        known.insert(at.clone(), manifest.clone());
        Ok(manifest)
    }

    fn blob(&self, blob: &Descriptor) -> Box<dyn Content> {
        self.source.blob(blob)
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, EndError> {
        self.source.referrers(subject).await
    }

    fn home(&self) -> Option<&Repository> {
        self.source.home()
    }
}
