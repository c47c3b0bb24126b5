//! The two ends of a copy: where an image comes from, and where it goes.

use berth_oci::{Descriptor, Digest, Reference};

use super::{EndError, Repository};
use crate::{Content, FetchedManifest, Progress, Uploaded};

/// Where images are.
pub trait Source: Send + Sync {
    /// Reads a manifest, whose bytes have the digest that it is given with.
    ///
    /// # Errors
    /// [`EndError::NotFound`] if there is none.
    fn manifest(&self, at: &Reference) -> impl Future<Output = Result<FetchedManifest, EndError>> + Send;

    /// A blob, which is read when somebody wants to: from any place, and perhaps not at all. Who takes it checks it.
    fn blob(&self, blob: &Descriptor) -> Box<dyn Content>;

    /// Manifests that name this one as their subject.
    ///
    /// # Errors
    /// None for "no such thing": that is an empty list.
    fn referrers(&self, subject: &Digest) -> impl Future<Output = Result<Vec<Descriptor>, EndError>> + Send;

    /// The repository of a registry that this is, if it is one: a registry takes blobs over from itself.
    fn home(&self) -> Option<&Repository> {
        None
    }
}

/// Where images go.
pub trait Sink: Send + Sync {
    /// Whether `at` names the manifest with this digest, with all that it needs if it is an image.
    ///
    /// # Errors
    /// None for "no such thing": that is a no.
    fn has_manifest(
        &self,
        at: &Reference,
        digest: &Digest,
    ) -> impl Future<Output = Result<bool, EndError>> + Send;

    /// Takes a blob in, unless it is there. It has to be checked against its digest and its size before it counts;
    /// `home` is where it lies already, if that is a registry.
    ///
    /// # Errors
    /// [`EndError`].
    fn put_blob(
        &self,
        blob: &Descriptor,
        content: &dyn Content,
        home: Option<&Repository>,
        progress: Option<Progress>,
    ) -> impl Future<Output = Result<Uploaded, EndError>> + Send;

    /// Takes a manifest in, byte for byte; what it needs was taken in before.
    ///
    /// # Errors
    /// [`EndError`].
    fn put_manifest(
        &self,
        at: &Reference,
        manifest: &FetchedManifest,
    ) -> impl Future<Output = Result<(), EndError>> + Send;
}
