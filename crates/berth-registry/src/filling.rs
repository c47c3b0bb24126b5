//! What a mirror does: stores what it had from an upstream, and lets go of what nobody uses.

use berth_blobs::{Stage, StageId, Verified};
use berth_meta::{Change, Evicted, MetaError, Mode, Room, Sparse, Timestamp};
use berth_oci::{Algorithm, Digest, RepositoryName, Tag};

use crate::{Access, BlobReceipt, ManifestReceipt, Pull, PutManifest, Registry, RegistryError, ServerAccess};

/// Proof that a repository belongs to an upstream, held for somebody who may pull from it: what comes from the upstream
/// may be stored in it. Only [`Registry::filling`] makes one.
#[derive(Debug, Clone)]
pub struct Filling {
    access: Access<Pull>,
    upstream: Box<str>,
}

impl Filling {
    /// The repository.
    pub fn repository(&self) -> &RepositoryName {
        self.access.repository()
    }

    /// The upstream that it belongs to.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// The right for whose sake it is filled.
    pub fn access(&self) -> &Access<Pull> {
        &self.access
    }

    fn change(&self) -> Result<Change, RegistryError> {
        self.access.filling().ok_or(RegistryError::RepositoryUnknown)
    }
}

impl Registry {
    /// The proof that the repository of `access` belongs to an upstream, if it does.
    pub fn filling(access: &Access<Pull>) -> Option<Filling> {
        Some(Filling { access: access.clone(), upstream: access.upstream()?.into() })
    }

    /// Stores a manifest that the upstream has, whatever of it is here.
    ///
    /// # Errors
    /// As [`Registry::put_manifest`], but for absent references.
    pub async fn fill_manifest(
        &self,
        filling: &Filling,
        put: PutManifest,
    ) -> Result<ManifestReceipt, RegistryError> {
        self.put_manifest_in(&filling.access, filling.change()?, Sparse::All, put).await
    }

    /// Begins to store a blob; what an ended program left is tidied up like an upload that nobody finished.
    ///
    /// # Errors
    /// [`RegistryError::StorageFull`].
    pub async fn begin_fill(&self, algorithm: Algorithm) -> Result<Stage, RegistryError> {
        Ok(self.blobs.stage(&StageId::random(), algorithm).await?)
    }

    /// Forgets what came of a blob that will not be whole, so that an upstream that breaks off again and again does not
    /// fill the disk.
    ///
    /// # Errors
    /// Only internal ones; it is then tidied up later.
    pub async fn give_up_fill(&self, stage: Stage) -> Result<(), RegistryError> {
        let id = stage.id();
        drop(stage);
        Ok(self.blobs.discard(&id).await?)
    }

    /// Stores a blob that the upstream has. "It is here" is no promise in a cache: the upstream has it.
    ///
    /// # Errors
    /// [`RegistryError::StorageFull`], [`RegistryError::QuotaExceeded`].
    pub async fn fill_blob(
        &self,
        filling: &Filling,
        verified: Verified,
    ) -> Result<BlobReceipt, RegistryError> {
        let change = filling.change()?;
        self.store_in(&filling.access, &change, change.at, verified, None).await
    }

    /// Takes a blob from another repository of the same upstream that has it. The caller has asked the upstream whether
    /// this repository has it too. Tells whether there was such a repository.
    ///
    /// # Errors
    /// [`RegistryError::QuotaExceeded`].
    pub async fn fill_from_sibling(
        &self,
        filling: &Filling,
        sibling: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let change = filling.change()?;
        let mounted = self.meta.mount_blob(sibling, filling.repository(), digest, &change, change.at).await?;
        Ok(mounted.is_some())
    }

    /// Another repository of the upstream that has a blob, to be given to [`Registry::fill_from_sibling`].
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn sibling_with(
        &self,
        filling: &Filling,
        digest: &Digest,
    ) -> Result<Option<RepositoryName>, RegistryError> {
        Ok(self.meta.mirrored_sibling(&filling.upstream, digest).await?)
    }

    /// Ends a tag that the upstream has no more. What it named can still be pulled by digest.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn forget_tag(&self, filling: &Filling, tag: &Tag) -> Result<(), RegistryError> {
        let ended = self.meta.remove_tag(filling.repository(), tag, &filling.change()?, Mode::Real).await;
        match ended {
            Ok(_)
            | Err(
                MetaError::ManifestUnknown | MetaError::RepositoryUnknown | MetaError::TagImmutable { .. },
            ) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The length of a blob, as the manifests of the repository say it.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn announced_size(
        &self,
        filling: &Filling,
        digest: &Digest,
    ) -> Result<Option<u64>, RegistryError> {
        Ok(self.meta.announced_size(filling.repository(), digest).await?)
    }

    /// When it was last known that a tag names at the upstream what it names here.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn checked_at(&self, filling: &Filling, tag: &Tag) -> Result<Option<Timestamp>, RegistryError> {
        Ok(self.meta.checked_at(filling.repository(), tag).await?)
    }

    /// Notes when tags were last known to be fresh.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn note_checked(
        &self,
        checked: Vec<((RepositoryName, Tag), Timestamp)>,
    ) -> Result<(), RegistryError> {
        Ok(self.meta.note_checked(checked).await?)
    }

    /// Takes from the cache of an upstream what was not used for longest, one manifest after the other, until it holds no
    /// more than it may. The cleaning then frees the disk.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn make_room(&self, upstream: &str, room: Room) -> Result<Vec<Evicted>, RegistryError> {
        /// Manifests that go in one round; the next round takes the rest.
        const MOST: usize = 1000;
        self.write_uses().await?;
        let mut evicted = Vec::new();
        while evicted.len() < MOST {
            let Some(one) = self.meta.evict(upstream, room, self.clock.earliest()).await? else { break };
            evicted.push(one);
            tokio::task::yield_now().await;
        }
        Ok(evicted)
    }

    /// Deletes the repositories that hold images of an upstream, `limit` at most, and all that is in them. Tells how many.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn remove_mirrored(
        &self,
        access: &ServerAccess,
        upstream: &str,
        limit: usize,
    ) -> Result<usize, RegistryError> {
        // They could be had from the upstream again, so nothing of them waits in the trash.
        while !self.make_room(upstream, Room { bytes: Some(0), unused_since: None }).await?.is_empty() {}
        let mut n_removed = 0;
        for name in self.repositories_below(upstream, limit, true).await? {
            match self.meta.remove_repository(&name, &access.change, Mode::Real).await {
                Ok(_) => n_removed += 1,
                // Deleted in the meantime, or kept by a rule that somebody made for it.
                Err(MetaError::RepositoryUnknown | MetaError::TagImmutable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(n_removed)
    }

    /// A repository below an upstream's name that was pushed here, if there is one.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn own_repository_below(
        &self,
        _access: &ServerAccess,
        upstream: &str,
    ) -> Result<Option<String>, RegistryError> {
        /// Names that are looked at; more than that are not all images that somebody cached and forgot.
        const MOST: usize = 100_000;
        let names = self.repositories_below(upstream, MOST, false).await?;
        Ok(names.first().map(ToString::to_string))
    }

    async fn repositories_below(
        &self,
        upstream: &str,
        limit: usize,
        mirrored: bool,
    ) -> Result<Vec<RepositoryName>, RegistryError> {
        let mut found = Vec::new();
        for name in self.meta.repositories_in(upstream, limit).await? {
            let Ok(name) = name.parse::<RepositoryName>() else { continue };
            if self.meta.door(&name).await?.is_some_and(|door| door.is_mirrored == mirrored) {
                found.push(name);
            }
        }
        Ok(found)
    }
}
