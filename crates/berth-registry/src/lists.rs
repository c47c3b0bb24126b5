//! Lists: tags, repositories, referrers.

use berth_meta::{Page, Referrer};
use berth_oci::{Descriptor, Digest};

use crate::{Access, CatalogAccess, Pull, Registry, RegistryError};

impl Registry {
    /// Lists tags after `after`, `limit` at most, in byte order.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`].
    pub async fn list_tags(
        &self,
        access: &Access<Pull>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, RegistryError> {
        Ok(self.meta.tags(access.repository(), after.unwrap_or_default(), limit).await?)
    }

    /// Lists repositories after `after`, `limit` at most, in byte order.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn list_repositories(
        &self,
        _access: &CatalogAccess,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, RegistryError> {
        Ok(self.meta.repositories(after.unwrap_or_default(), limit).await?)
    }

    /// Lists manifests whose subject is `digest`, after the digest `after`. Nothing there is an empty list.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn list_referrers(
        &self,
        access: &Access<Pull>,
        digest: &Digest,
        artifact_type: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Descriptor>, RegistryError> {
        let after = after.unwrap_or_default();
        let page = self.meta.referrers(access.repository(), digest, artifact_type, after, limit).await?;
        Ok(Page { items: page.items.into_iter().map(descriptor).collect(), more: page.more })
    }
}

fn descriptor(referrer: Referrer) -> Descriptor {
    let annotations =
        referrer.annotations.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Descriptor {
        artifact_type: referrer.artifact_type,
        annotations,
        ..Descriptor::new(referrer.media_type, referrer.digest, referrer.size)
    }
}
