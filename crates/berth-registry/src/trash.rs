//! Repositories that are deleted, restored and renamed; manifests that come back.

use std::time::Duration;

use berth_meta::{DeletedManifest, DeletedRepository, Mode, Page, Removal, Rename, Timestamp};
use berth_oci::{Digest, Tag};

use crate::{Access, Admin, CatalogAccess, Delete, Push, Refusal, Registry, RegistryError};

/// How long the old name of a repository leads to the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenameRequest {
    /// Zero if not at all.
    pub redirect: Duration,
    /// Whether it is only tried.
    pub mode: Mode,
}

impl Registry {
    /// Deletes a repository with all that is in it.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`], [`RegistryError::DeleteDisabled`], [`RegistryError::TagImmutable`].
    pub async fn delete_repository(
        &self,
        access: &Access<Admin>,
        mode: Mode,
    ) -> Result<Removal, RegistryError> {
        self.require_delete()?;
        Ok(self.meta.remove_repository(access.repository(), &access.change(), mode).await?)
    }

    /// Deleted repositories that the caller administers, the last ones first; after the one that was deleted then and has
    /// that number.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn deleted_repositories(
        &self,
        access: &CatalogAccess,
        mut after: Option<(Timestamp, i64)>,
        limit: usize,
    ) -> Result<Page<DeletedRepository>, RegistryError> {
        /// Entries that are looked at before others get their turn.
        const BATCH: usize = 500;
        let (mut seen, horizon) = (Vec::new(), self.trash_horizon());
        loop {
            let page = self.meta.deleted_repositories(after, BATCH).await?;
            after = page.items.last().map(|repository| (repository.deleted_at, repository.id));
            seen.extend(page.items.into_iter().filter(|repository| {
                repository.deleted_at > horizon
                    && repository
                        .name
                        .parse()
                        .is_ok_and(|name| self.authorizer.administers_name(access, &name))
            }));
            if !page.more || seen.len() > limit {
                break;
            }
            tokio::task::yield_now().await;
        }
        let more = seen.len() > limit;
        seen.truncate(limit);
        Ok(Page { items: seen, more })
    }

    /// Restores the deleted repository that had the name of `access`, or the one of the number `id`, which must have had
    /// a name that the caller administers; under the name of `access`.
    ///
    /// # Errors
    /// [`RegistryError::NotInTrash`], [`RegistryError::NameTaken`], [`RegistryError::Denied`] for an upstream's name.
    pub async fn restore_repository(
        &self,
        access: &Access<Admin>,
        catalog: &CatalogAccess,
        id: Option<i64>,
    ) -> Result<(), RegistryError> {
        /// Deleted repositories that are looked through.
        const MOST: usize = 10_000;
        require_own(access)?;
        let deleted = self.deleted_repositories(catalog, None, MOST).await?.items;
        let wanted = |found: &&DeletedRepository| match id {
            Some(id) => found.id == id,
            None => found.name == access.repository().as_str(),
        };
        let found = deleted.iter().find(wanted).ok_or(RegistryError::NotInTrash)?;
        Ok(self.meta.restore_repository(found.id, access.repository(), &access.change()).await?)
    }

    /// Manifests of a repository in the trash, or on their way there.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`].
    pub async fn deleted_manifests(
        &self,
        access: &Access<Delete>,
        after: Option<(Timestamp, Digest)>,
        limit: usize,
    ) -> Result<Page<DeletedManifest>, RegistryError> {
        Ok(self.meta.deleted_manifests(access.repository(), after, limit).await?)
    }

    /// Restores a manifest with the tags that its deletion ended. Gives those.
    ///
    /// # Errors
    /// [`RegistryError::NotInTrash`], [`RegistryError::BytesGone`].
    pub async fn restore_manifest(
        &self,
        access: &Access<Push>,
        digest: &Digest,
    ) -> Result<Vec<Tag>, RegistryError> {
        Ok(self.meta.restore_manifest(access.repository(), digest, &access.change()).await?)
    }

    /// Ends the trash time of everything of a repository now. Tells what goes.
    ///
    /// # Errors
    /// [`RegistryError::DeleteDisabled`].
    pub async fn empty_trash(&self, access: &Access<Admin>, mode: Mode) -> Result<Removal, RegistryError> {
        self.require_delete()?;
        Ok(self.meta.empty_trash(access.repository(), &access.change(), mode).await?)
    }

    /// Until when what was deleted at `since` can be had back.
    pub fn trashed_until(&self, since: Timestamp) -> Timestamp {
        since.plus(self.policy.trash)
    }

    fn trash_horizon(&self) -> Timestamp {
        self.clock.earliest().minus(self.policy.trash)
    }

    /// Gives a repository another name. The caller administers both.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`], [`RegistryError::NameTaken`], [`RegistryError::QuotaExceeded`],
    /// [`RegistryError::TagImmutable`], [`RegistryError::Denied`] for an upstream's name.
    pub async fn rename_repository(
        &self,
        from: &Access<Admin>,
        to: &Access<Admin>,
        request: RenameRequest,
    ) -> Result<(), RegistryError> {
        require_own(from)?;
        require_own(to)?;
        let change = from.change();
        let redirect_until = (request.redirect > Duration::ZERO).then(|| change.at.plus(request.redirect));
        let rename = Rename { from: from.repository().clone(), to: to.repository().clone(), redirect_until };
        Ok(self.meta.rename_repository(rename, &change, request.mode).await?)
    }
}

/// Nothing gets or loses a name that belongs to an upstream: it comes from there alone.
fn require_own(access: &Access<Admin>) -> Result<(), RegistryError> {
    match access.upstream() {
        Some(upstream) => Err(Refusal::Mirrored { upstream: upstream.into() }.into()),
        None => Ok(()),
    }
}
