//! Who uses how many bytes, what could go, and what may be used.

use berth_meta::{
    Bytes, Fullness, LargeBlob, NO_NAMESPACE, NamespaceUsage, Page, TagWeight, Timestamp, UnusedTag,
};
use berth_oci::Reference;

use crate::error::{place, size};
use crate::{Access, PatternAccess, Pull, Registry, RegistryError, ServerAccess};

/// What a pusher is told of quotas that are nearly used up.
pub(crate) fn warnings(nearly: &[Fullness]) -> Vec<String> {
    let told = |full: &Fullness| {
        format!(
            "{} uses {} percent of its quota of {}",
            place(&full.namespace),
            full.percent(),
            size(full.quota)
        )
    };
    nearly.iter().map(told).collect()
}

impl Registry {
    /// Bytes of a repository.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`].
    pub async fn repository_usage(&self, access: &Access<Pull>) -> Result<Bytes, RegistryError> {
        Ok(self.meta.repository_usage(access.repository()).await?)
    }

    /// What an image weighs.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`], [`RegistryError::ManifestUnknown`], [`RegistryError::TooMuch`].
    pub async fn weigh(&self, access: &Access<Pull>, at: &Reference) -> Result<TagWeight, RegistryError> {
        let weight = self.meta.weigh(access.repository(), at).await;
        weight.map_err(|error| RegistryError::about_manifest(error, at))
    }

    /// Tags of a repository that nobody used since `before`, and where to go on.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`].
    pub async fn unused_tags(
        &self,
        access: &Access<Pull>,
        before: Timestamp,
        after: &str,
        limit: usize,
    ) -> Result<(Vec<UnusedTag>, Option<String>), RegistryError> {
        Ok(self.meta.unused_tags(access.repository(), before, after, limit).await?)
    }

    /// Bytes in all.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn total_usage(&self, _access: &ServerAccess) -> Result<u64, RegistryError> {
        Ok(self.meta.total_usage().await?)
    }

    /// Namespaces with what they use and may use.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn namespace_usage(
        &self,
        _access: &ServerAccess,
        after: &str,
        limit: usize,
    ) -> Result<Page<NamespaceUsage>, RegistryError> {
        Ok(self.meta.namespace_usage(after, limit).await?)
    }

    /// Repositories of the namespace that a pattern `NAME/**` stands for, with what they use.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn repository_usages(
        &self,
        access: &PatternAccess,
        after: &str,
        limit: usize,
    ) -> Result<Page<(String, Bytes)>, RegistryError> {
        let pattern = access.pattern.as_str();
        let namespace = pattern.split_once('/').map_or(NO_NAMESPACE, |(namespace, _)| namespace);
        Ok(self.meta.repository_usages(namespace, after, limit).await?)
    }

    /// The largest blobs.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn largest_blobs(
        &self,
        _access: &ServerAccess,
        limit: usize,
    ) -> Result<Vec<LargeBlob>, RegistryError> {
        Ok(self.meta.largest_blobs(limit).await?)
    }

    /// The quotas that are set.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn quotas(&self, _access: &ServerAccess) -> Result<Vec<Fullness>, RegistryError> {
        Ok(self.meta.quotas().await?)
    }

    /// Sets the quota of a namespace or of everything, or takes it away.
    ///
    /// # Errors
    /// [`RegistryError::QuotaTooSmall`].
    pub async fn set_quota(
        &self,
        access: &ServerAccess,
        namespace: &str,
        quota: Option<u64>,
    ) -> Result<Fullness, RegistryError> {
        Ok(self.meta.set_quota(namespace, quota, &access.change).await?)
    }
}
