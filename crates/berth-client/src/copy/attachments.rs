//! What belongs to an image without being named by it: signatures, attestations, bills of materials.

use std::collections::HashSet;
use std::sync::PoisonError;

use berth_oci::{Digest, Reference};

use super::{CopyError, EndError, Job, Sink, Source};

/// Ends of the tags by which cosign finds what it attached, behind the digest.
const SUFFIXES: [&str; 3] = ["sig", "att", "sbom"];
/// Manifests that may have attachments, in one copy. What is attached may have attachments in turn.
const MOST: usize = 10_000;

impl<S: Source, D: Sink> Job<'_, S, D> {
    /// Copies what belongs to each manifest that was copied, and to what comes along by that.
    pub(super) async fn attachments(&self) -> Result<(), CopyError> {
        let mut seen = HashSet::new();
        while let Some(subject) = self.next(&seen) {
            if seen.len() >= MOST {
                return Err(CopyError::TooDeep { digest: subject });
            }
            for referrer in self.from.referrers(&subject).await.map_err(CopyError::Source)? {
                let at = Reference::Digest(referrer.digest.clone());
                self.attachment(&at, &at).await?;
            }
            for suffix in SUFFIXES {
                let tag = format!("{}-{}.{suffix}", subject.algorithm(), subject.hex());
                // A digest of another algorithm may be too long for a tag; then nobody made one.
                if let Ok(tag) = tag.parse::<Reference>() {
                    self.attachment(&tag, &tag).await?;
                }
            }
            seen.insert(subject);
        }
        Ok(())
    }

    /// A manifest that was copied, and was not asked about yet.
    fn next(&self, seen: &HashSet<Digest>) -> Option<Digest> {
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.iter().find(|digest| !seen.contains(*digest)).cloned()
    }

    /// Copies what may be there.
    async fn attachment(&self, from: &Reference, to: &Reference) -> Result<(), CopyError> {
        match self.from.manifest(from).await {
            Ok(manifest) => self.image(manifest, to, 0).await,
            Err(EndError::NotFound) => Ok(()),
            Err(error) => Err(CopyError::Source(error)),
        }
    }
}
