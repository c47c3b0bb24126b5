//! Tags: their past, and going back to it.

use berth_meta::{Mode, Page, Past, TagMove, TagPast, Timestamp};
use berth_oci::{Digest, Tag};

use crate::{Access, Pull, Push, Registry, RegistryError};

impl Registry {
    /// The history of a repository or of one of its tags, the newest first, before the row `before`.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`].
    pub async fn tag_history(
        &self,
        access: &Access<Pull>,
        tag: Option<&Tag>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<TagPast>, RegistryError> {
        Ok(self.meta.tag_history(access.repository(), tag, before.unwrap_or(i64::MAX), limit).await?)
    }

    /// What a tag named at a time, now if none is given.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`], [`RegistryError::NoHistory`].
    pub async fn tag_at(
        &self,
        access: &Access<Pull>,
        tag: &Tag,
        at: Option<Timestamp>,
    ) -> Result<TagPast, RegistryError> {
        Ok(self.meta.tag_at(access.repository(), tag, at.unwrap_or_else(Timestamp::now)).await?)
    }

    /// Makes a tag name again what it named before.
    ///
    /// # Errors
    /// [`RegistryError::NoHistory`], [`RegistryError::BytesGone`], [`RegistryError::TagImmutable`].
    pub async fn roll_back(
        &self,
        access: &Access<Push>,
        tag: &Tag,
        to: Past,
        mode: Mode,
    ) -> Result<(Digest, Option<TagMove>), RegistryError> {
        Ok(self.meta.roll_back(access.repository(), tag, to, &access.change(), mode).await?)
    }
}
