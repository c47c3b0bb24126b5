//! Images that go from one repository into another on the server: copy, and promote.

use berth_meta::{Copied, Copy, Mode};
use berth_oci::{Reference, Tag};

use crate::{Access, Pull, Push, Registry, RegistryError};

/// What is to be copied, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRequest {
    /// The image.
    pub at: Reference,
    /// The tags that shall name it in the target; none if it shall only be there by digest.
    pub tags: Vec<Tag>,
    /// Whether signatures, SBOMs and other referrers come along.
    pub referrers: bool,
    /// Whether it is only tried.
    pub mode: Mode,
}

impl Registry {
    /// Copies an image with all that belongs to it, in one transaction; no bytes are moved.
    ///
    /// # Errors
    /// [`RegistryError::ManifestUnknown`], [`RegistryError::TagImmutable`], [`RegistryError::QuotaExceeded`],
    /// [`RegistryError::TooMuch`].
    pub async fn copy_image(
        &self,
        from: &Access<Pull>,
        into: &Access<Push>,
        request: CopyRequest,
    ) -> Result<Copied, RegistryError> {
        let CopyRequest { at, tags, referrers, mode } = request;
        let copy = Copy {
            from: from.repository().clone(),
            at: at.clone(),
            into: into.repository().clone(),
            tags,
            referrers,
        };
        let copied = self.meta.copy(copy, &into.change(), self.lease(), mode).await;
        copied.map_err(|error| RegistryError::about_manifest(error, &at))
    }
}
