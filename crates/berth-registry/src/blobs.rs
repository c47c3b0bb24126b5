//! Blobs: look, read, mount, remove.

use berth_blobs::{BlobFile, Following, StoreError, Verified};
use berth_meta::{BlobRow, Change, MetaError, NewBlob, Timestamp};
use berth_oci::{Digest, RepositoryName};
use bytes::Bytes;

use crate::usage::warnings;
use crate::{Access, Delete, Pull, Push, Registry, RegistryError, UploadId};

/// What is known of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobStat {
    /// Its digest.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// A blob about to be sent.
#[derive(Debug)]
pub struct BlobContent {
    /// Its digest.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Where they are.
    pub body: BlobBody,
}

/// Where a blob's bytes are.
#[derive(Debug)]
pub enum BlobBody {
    /// In memory: it is small.
    Inline(Bytes),
    /// In an open file of exactly the blob's size.
    File(BlobFile),
    /// On their way here: they can be read as they arrive, but the last one only when all have the blob's digest.
    ///
    /// The blob's size is the one that was told to those who follow, and not 0: nothing can be held back of an empty
    /// answer, so it would be complete before the check.
    Growing(Following),
}

/// Proof for the client that a blob is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobReceipt {
    /// Its digest.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// What its pusher should know beside: a quota that is nearly used up.
    pub warnings: Vec<String>,
}

impl Registry {
    /// Tells whether a blob is in the repository. A yes holds for the grace time, or at least half of it.
    ///
    /// # Errors
    /// [`RegistryError::BlobUnknown`].
    pub async fn stat_blob(&self, access: &Access<Pull>, digest: &Digest) -> Result<BlobStat, RegistryError> {
        let found = self.meta.blob(access.repository(), digest).await;
        let row = found.map_err(|error| RegistryError::about_blob(error, digest))?;
        self.promise(access.repository(), digest, &row).await?;
        Ok(BlobStat { digest: digest.clone(), size: row.size })
    }

    /// Opens a blob of the repository for reading.
    ///
    /// # Errors
    /// [`RegistryError::BlobUnknown`], also if its file is lost or damaged: a push then brings it back.
    pub async fn open_blob(
        &self,
        access: &Access<Pull>,
        digest: &Digest,
    ) -> Result<BlobContent, RegistryError> {
        let found = self.meta.blob_content(access.repository(), digest).await;
        let row = found.map_err(|error| RegistryError::about_blob(error, digest))?;
        let body = match row.content {
            Some(content) => BlobBody::Inline(content),
            None => BlobBody::File(self.open_file(digest, row.size).await?),
        };
        Ok(BlobContent { digest: digest.clone(), size: row.size, body })
    }

    async fn open_file(&self, digest: &Digest, size: u64) -> Result<BlobFile, RegistryError> {
        match self.blobs.open_blob(digest, size).await {
            Ok(file) => Ok(file),
            Err(error @ (StoreError::NotFound { .. } | StoreError::Corrupt { .. })) => {
                tracing::error!(%digest, error = &error as &dyn std::error::Error, "a blob of the database is not in the store");
                Err(RegistryError::BlobUnknown { digest: digest.clone() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a blob of another repository a blob of this one, without its bytes being sent.
    ///
    /// Without `from`, any repository that the caller may read will do. `None` means that no such repository has it,
    /// and the client should upload: a mount is never an error (the wire contract's rule 10).
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn mount_blob(
        &self,
        access: &Access<Push>,
        digest: &Digest,
        from: Option<&Access<Pull>>,
    ) -> Result<Option<BlobReceipt>, RegistryError> {
        let source = match from {
            Some(from) => Some(from.repository().clone()),
            None => self.readable_source(access, digest).await?,
        };
        let Some(source) = source else { return Ok(None) };
        let change = access.change();
        let mounted = self.meta.mount_blob(&source, access.repository(), digest, &change, self.lease()).await;
        let mounted = match mounted {
            // The upload that the client then opens is refused, with the reason.
            Err(MetaError::Renamed { .. } | MetaError::QuotaExceeded(_)) => None,
            mounted => mounted?,
        };
        Ok(mounted.map(|size| BlobReceipt { digest: digest.clone(), size, warnings: Vec::new() }))
    }

    async fn readable_source(
        &self,
        access: &Access<Push>,
        digest: &Digest,
    ) -> Result<Option<RepositoryName>, RegistryError> {
        /// Repositories that are looked at: enough in practice, and bounded.
        const CANDIDATES: usize = 100;
        let names = self.meta.repositories_with_blob(digest, CANDIDATES).await?;
        for name in names.iter().filter_map(|name| name.parse::<RepositoryName>().ok()) {
            if self.authorizer().source(access.caller(), &name).await?.is_some() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Removes a blob from the repository. Other repositories keep it.
    ///
    /// # Errors
    /// [`RegistryError::BlobUnknown`], [`RegistryError::BlobInUse`], [`RegistryError::DeleteDisabled`].
    pub async fn delete_blob(&self, access: &Access<Delete>, digest: &Digest) -> Result<(), RegistryError> {
        self.require_delete()?;
        let removed = self.meta.remove_blob(access.repository(), digest, &access.change()).await;
        removed.map_err(|error| RegistryError::about_blob(error, digest))
    }

    /// Until when a promise holds that is made now.
    pub(crate) fn lease(&self) -> Timestamp {
        self.clock.latest().plus(self.policy.grace)
    }

    /// The refusal of a push to a name that leads elsewhere. Who may not see the repository is not told its name.
    pub(crate) async fn renamed<R>(&self, access: &Access<R>, to: &str) -> RegistryError {
        let Ok(name) = to.parse::<RepositoryName>() else { return RegistryError::Renamed { to: None } };
        match self.authorizer().source(access.caller(), &name).await {
            Ok(seen) => RegistryError::Renamed { to: seen.map(|_| to.to_owned()) },
            Err(error) => error,
        }
    }

    /// Stores a checked blob: the file first, synced, then the row. Small blobs are only a row.
    pub(crate) async fn store(
        &self,
        access: &Access<Push>,
        verified: Verified,
        upload: Option<&UploadId>,
    ) -> Result<BlobReceipt, RegistryError> {
        self.store_in(access, &access.change(), self.lease(), verified, upload).await
    }

    /// Stores a checked blob in the repository of an access, under circumstances that the caller vouches for.
    pub(crate) async fn store_in<R>(
        &self,
        access: &Access<R>,
        change: &Change,
        lease: Timestamp,
        verified: Verified,
        upload: Option<&UploadId>,
    ) -> Result<BlobReceipt, RegistryError> {
        let (digest, size) = (verified.digest().clone(), verified.size());
        let content = verified.inline().cloned();
        // From the moment that the file may be one that was there before, nobody may unlink it until its row is there.
        let _hold = self.holds.take(&digest).await;
        let is_file = content.is_none();
        if is_file {
            self.blobs.commit(verified).await?;
        }
        let upload = upload.map(ToString::to_string);
        let blob = NewBlob { digest: digest.clone(), size, content, upload };
        let added = self.meta.add_blob(access.repository(), blob, change, lease).await;
        if added.is_err() && is_file {
            self.abandon(&digest, size).await;
        }
        match added {
            Ok(nearly) => Ok(BlobReceipt { digest, size, warnings: warnings(&nearly) }),
            Err(MetaError::Renamed { to }) => Err(self.renamed(access, &to).await),
            Err(error) => Err(error.into()),
        }
    }

    /// Leaves a file to the cleaning that no row names, since its row was refused.
    async fn abandon(&self, digest: &Digest, size: u64) {
        if let Err(error) = self.meta.abandon_file(digest, size, self.clock.earliest()).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%digest, error, "a refused blob's file could not be queued for removal; it stays");
        }
    }

    /// Renews the lease when less than half of it is left, so that most looks cost no write.
    async fn promise(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        row: &BlobRow,
    ) -> Result<(), RegistryError> {
        let lease = self.lease();
        if row.lease_until >= lease.minus(self.policy.grace / 2) {
            return Ok(());
        }
        let extended = self.meta.extend_lease(repository, digest, lease).await;
        extended.map_err(|error| RegistryError::about_blob(error, digest))
    }
}
