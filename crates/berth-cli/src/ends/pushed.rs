//! A repository that is pushed to, whose registry may have layers in other repositories already.

use std::collections::HashMap;

use berth_client::{Content, EndError, FetchedManifest, Progress as Moved, Repository, Sink, Uploaded};
use berth_oci::{Descriptor, Digest, Reference};

use crate::progress::Progress;

/// The repository, and where else its registry may have a layer.
pub(crate) struct Pushed {
    pub(crate) repository: Repository,
    /// Repositories of the same registry, by the layer that they may have.
    pub(crate) elsewhere: HashMap<Digest, String>,
    pub(crate) progress: Progress,
}

impl Sink for Pushed {
    async fn has_manifest(&self, at: &Reference, digest: &Digest) -> Result<bool, EndError> {
        self.repository.has_manifest(at, digest).await
    }

    async fn put_blob(
        &self,
        blob: &Descriptor,
        content: &dyn Content,
        home: Option<&Repository>,
        progress: Option<Moved>,
    ) -> Result<Uploaded, EndError> {
        let Some(from) = self.elsewhere.get(&blob.digest) else {
            return self.repository.put_blob(blob, content, home, progress).await;
        };
        self.progress.mounting(&blob.digest, from);
        let from = self.repository.client().repository(from.clone());
        self.repository.put_blob(blob, content, Some(&from), progress).await
    }

    async fn put_manifest(&self, at: &Reference, manifest: &FetchedManifest) -> Result<(), EndError> {
        self.repository.put_manifest(at, manifest).await
    }
}
