//! Lists: tags, repositories, referrers.

use berth_meta::{Page, Referrer, RepositoryEntry, RepositoryFound};
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

    /// Lists repositories that the caller may see after `after`, `limit` at most, in byte order.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn list_repositories(
        &self,
        access: &CatalogAccess,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, RegistryError> {
        /// Entries that are looked at before others get their turn.
        const BATCH: usize = 1000;
        let mut seen = Vec::new();
        let mut after = after.unwrap_or_default().to_owned();
        let mut batch = limit + 1;
        loop {
            let page = self.meta.repositories(&after, batch.min(BATCH)).await?;
            let last = page.items.last().map(|entry| entry.name.clone());
            let visible = |entry: &RepositoryEntry| {
                entry.name.parse().is_ok_and(|name| self.authorizer.sees(access, &name, entry.is_public))
            };
            seen.extend(page.items.into_iter().filter(visible).map(|entry| entry.name));
            match last {
                Some(last) if page.more && seen.len() <= limit => after = last,
                _ => break,
            }
            // Little is missing where much is visible, and many rows have to be looked at where little is.
            batch = (limit + 1 - seen.len()).max(100);
            tokio::task::yield_now().await;
        }
        let more = seen.len() > limit;
        seen.truncate(limit);
        Ok(Page { items: seen, more })
    }

    /// Repositories that the caller may see and that hold `term` in their name or description, after `after`, `limit` at
    /// most, in byte order of the names.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn find_repositories(
        &self,
        access: &CatalogAccess,
        term: &str,
        after: &str,
        limit: usize,
    ) -> Result<Page<RepositoryFound>, RegistryError> {
        /// Entries that are looked at before others get their turn.
        const BATCH: usize = 500;
        let (mut seen, mut after) = (Vec::new(), after.to_owned());
        loop {
            let page = self.meta.search_repositories(term, &after, BATCH).await?;
            let last = page.items.last().map(|entry| entry.name.clone());
            let visible = |entry: &RepositoryFound| {
                entry.name.parse().is_ok_and(|name| self.authorizer.sees(access, &name, entry.is_public))
            };
            seen.extend(page.items.into_iter().filter(visible));
            match last {
                Some(last) if page.more && seen.len() <= limit => after = last,
                _ => break,
            }
            tokio::task::yield_now().await;
        }
        let more = seen.len() > limit;
        seen.truncate(limit);
        Ok(Page { items: seen, more })
    }

    /// Names of repositories in a namespace that the caller has a right to, among the first `limit`: what removing its
    /// owner would leave behind.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn list_namespace(
        &self,
        access: &CatalogAccess,
        namespace: &str,
        limit: usize,
    ) -> Result<Vec<String>, RegistryError> {
        let mut names = self.meta.repositories_in(namespace, limit).await?;
        names.retain(|name| name.parse().is_ok_and(|name| self.authorizer.sees(access, &name, false)));
        Ok(names)
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
