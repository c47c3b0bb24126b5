//! Blobs in a repository: membership, leases, and the contents of small ones.

use std::sync::Arc;

use berth_db::{Tx, params};
use berth_oci::{Digest, RepositoryName};
use bytes::Bytes;

use crate::recent;
use crate::repositories::{self, RepositoryId};
use crate::rows::{digest, from_size, size};
use crate::{Change, Fullness, Meta, MetaError, Timestamp, quotas, usage};

/// A blob as a repository has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRow {
    /// Bytes.
    pub size: u64,
    /// Until when "exists" is a promise.
    pub lease_until: Timestamp,
    /// The bytes, if the blob is small and they were asked for; else they are in the blob store.
    pub content: Option<Bytes>,
}

/// A blob whose bytes are durable, or are given along.
#[derive(Debug, Clone)]
pub struct NewBlob {
    /// Its digest, checked against the bytes.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// The bytes of a small blob; `None` if the blob store has them, synced.
    pub content: Option<Bytes>,
    /// The upload session that ends with this, if one was open.
    pub upload: Option<String>,
}

impl Meta {
    /// Looks a blob up in a repository, without its content.
    ///
    /// # Errors
    /// [`MetaError::BlobUnknown`].
    pub async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<BlobRow, MetaError> {
        self.find_blob(
            repository,
            digest,
            "head",
            "SELECT b.size, m.lease_until, NULL FROM blobs b
             JOIN repository_blobs m ON m.blob_id = b.id
             JOIN repositories r ON r.id = m.repository_id
             WHERE b.digest = ?1 AND r.name = ?2",
        )
        .await
    }

    /// Looks a blob up in a repository, with its content if the database holds it.
    ///
    /// # Errors
    /// [`MetaError::BlobUnknown`].
    pub async fn blob_content(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<BlobRow, MetaError> {
        self.find_blob(
            repository,
            digest,
            "content",
            "SELECT b.size, m.lease_until, c.content FROM blobs b
             JOIN repository_blobs m ON m.blob_id = b.id
             JOIN repositories r ON r.id = m.repository_id
             LEFT JOIN blob_contents c ON c.blob_id = b.id
             WHERE b.digest = ?1 AND r.name = ?2",
        )
        .await
    }

    async fn find_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        kind: &'static str,
        sql: &'static str,
    ) -> Result<BlobRow, MetaError> {
        let digest = digest.to_string();
        let question = recent::question(&[kind, repository.as_str(), &digest]);
        let epoch = self.db.epoch();
        if let Some(row) = self.recent.blobs.get(epoch, &question) {
            return Ok(row);
        }
        let repository = repository.clone();
        let row = self
            .db
            .read(move |mut tx| {
                let (digest, repository) = (digest.clone(), repository.clone());
                Box::pin(async move { tx.query_opt(sql, params![&digest, repository.as_str()]).await })
            })
            .await?
            .ok_or(MetaError::BlobUnknown)?;
        let row = BlobRow { size: size(&row, 0)?, lease_until: Timestamp(row.get(1)?), content: row.get(2)? };
        if epoch.is_some() && epoch == self.db.epoch() {
            self.recent.blobs.put(epoch, question, &row, row.content.as_ref().map_or(0, Bytes::len));
        }
        Ok(row)
    }

    /// Makes a blob a member of a repository (and the repository, if it is the first thing in it), under a lease.
    ///
    /// The bytes must be durable before, or come along. Doing it twice is doing it once. Gives the quotas that are nearly
    /// used up.
    ///
    /// # Errors
    /// [`MetaError::QuotaExceeded`]; [`MetaError::Renamed`].
    pub async fn add_blob(
        &self,
        repository: &RepositoryName,
        blob: NewBlob,
        change: &Change,
        lease_until: Timestamp,
    ) -> Result<Vec<Fullness>, MetaError> {
        let (repository, blob, change) = (repository.clone(), Arc::new(blob), change.clone());
        self.db
            .write(move |mut tx| {
                let (repository, blob, change) = (repository.clone(), Arc::clone(&blob), change.clone());
                Box::pin(async move {
                    let id = repositories::find_or_make(&mut tx, &repository, &change).await?;
                    let blob_id = find_or_insert(&mut tx, &blob, change.at).await?;
                    let is_new =
                        join(&mut tx, id, blob_id, from_size(blob.size)?, change.at, lease_until).await?;
                    if let Some(upload) = &blob.upload {
                        tx.execute("DELETE FROM uploads WHERE id = ?1", params![upload]).await?;
                    }
                    if is_new { quotas::within_quota(&mut tx, &repository).await } else { Ok(Vec::new()) }
                })
            })
            .await
    }

    /// Makes a blob of the repository `from` a member of `into`. Gives its size, or `None` if `from` lacks it.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn mount_blob(
        &self,
        from: &RepositoryName,
        into: &RepositoryName,
        digest: &Digest,
        change: &Change,
        lease_until: Timestamp,
    ) -> Result<Option<u64>, MetaError> {
        let (from, into, digest, change) = (from.clone(), into.clone(), digest.to_string(), change.clone());
        let sql = "SELECT b.id, b.size FROM blobs b
             JOIN repository_blobs m ON m.blob_id = b.id
             JOIN repositories r ON r.id = m.repository_id
             WHERE b.digest = ?1 AND r.name = ?2";
        self.db
            .write(move |mut tx| {
                let (from, into, digest, change) =
                    (from.clone(), into.clone(), digest.clone(), change.clone());
                Box::pin(async move {
                    let Some(row) = tx.query_opt(sql, params![&digest, from.as_str()]).await? else {
                        return Ok(None);
                    };
                    let id = repositories::find_or_make(&mut tx, &into, &change).await?;
                    if join(&mut tx, id, row.get(0)?, row.get(1)?, change.at, lease_until).await? {
                        quotas::within_quota(&mut tx, &into).await?;
                    }
                    change.tell(&mut tx, "blob.mount", &into, &digest, from.as_str()).await?;
                    Ok(Some(size(&row, 1)?))
                })
            })
            .await
    }

    /// Names repositories that have the blob, for a mount that names no source: `limit` of them in byte order.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn repositories_with_blob(
        &self,
        digest: &Digest,
        limit: usize,
    ) -> Result<Vec<String>, MetaError> {
        let (digest, limit) = (digest.to_string(), i64::try_from(limit).unwrap_or(i64::MAX));
        let sql = "SELECT r.name FROM blobs b
             JOIN repository_blobs m ON m.blob_id = b.id
             JOIN repositories r ON r.id = m.repository_id
             WHERE b.digest = ?1 AND r.name < '~' ORDER BY r.name LIMIT ?2";
        let rows = self
            .db
            .read(move |mut tx| {
                let digest = digest.clone();
                Box::pin(async move { tx.query(sql, params![&digest, limit]).await })
            })
            .await?;
        repositories::names(&rows)
    }

    /// Makes the promise "this blob exists" hold until `lease_until`.
    ///
    /// # Errors
    /// [`MetaError::BlobUnknown`] if it was removed in the meantime.
    pub async fn extend_lease(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        lease_until: Timestamp,
    ) -> Result<(), MetaError> {
        let (repository, digest) = (repository.clone(), digest.to_string());
        let sql = "UPDATE repository_blobs SET lease_until = ?1
             WHERE repository_id = (SELECT id FROM repositories WHERE name = ?2)
               AND blob_id = (SELECT id FROM blobs WHERE digest = ?3)";
        let changed = self
            .db
            .write(move |mut tx| {
                let (repository, digest) = (repository.clone(), digest.clone());
                Box::pin(async move {
                    tx.execute(sql, params![lease_until.0, repository.as_str(), &digest]).await
                })
            })
            .await?;
        if changed == 0 { Err(MetaError::BlobUnknown) } else { Ok(()) }
    }

    /// Ends a blob's membership in a repository; the last one queues it for the collector.
    ///
    /// # Errors
    /// [`MetaError::BlobUnknown`]; [`MetaError::BlobInUse`] while a manifest of the repository names it.
    pub async fn remove_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        change: &Change,
    ) -> Result<(), MetaError> {
        let (repository, digest, change) = (repository.clone(), digest.to_string(), change.clone());
        self.db
            .write(move |mut tx| {
                let (repository, digest, change) = (repository.clone(), digest.clone(), change.clone());
                Box::pin(async move { remove(&mut tx, &repository, &digest, &change).await })
            })
            .await
    }
}

async fn remove(
    tx: &mut Tx<'_>,
    repository: &RepositoryName,
    blob: &str,
    change: &Change,
) -> Result<(), MetaError> {
    let id = repositories::find(tx, repository).await?.ok_or(MetaError::BlobUnknown)?;
    // What is deleted may lose its blobs; having it back is refused then, with the reason.
    let sql = "SELECT m.digest FROM manifest_references e JOIN manifests m ON m.id = e.manifest_id
         WHERE e.digest = ?1 AND e.repository_id = ?2 AND m.deleted_at IS NULL LIMIT 1";
    let user = tx.query_opt(sql, params![blob, id.0]).await?;
    let sql = "SELECT b.id, b.size FROM blobs b JOIN repository_blobs m ON m.blob_id = b.id
         WHERE b.digest = ?1 AND m.repository_id = ?2";
    let member = tx.query_opt(sql, params![blob, id.0]).await?.ok_or(MetaError::BlobUnknown)?;
    if let Some(user) = user {
        return Err(MetaError::BlobInUse { manifest: digest(&user, 0)? });
    }
    leave(tx, id, member.get(0)?, member.get(1)?, change.at).await?;
    Ok(change.tell(tx, "blob.delete", repository, blob, "").await?)
}

/// Ends a membership; the last one queues the blob, to be looked at again from `due` on.
pub(crate) async fn leave(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    blob: i64,
    size: i64,
    due: Timestamp,
) -> Result<(), MetaError> {
    let sql = "DELETE FROM repository_blobs WHERE repository_id = ?1 AND blob_id = ?2";
    tx.execute(sql, params![repository.0, blob]).await?;
    usage::left(tx, repository, blob, size).await?;
    let sql = "SELECT 1 FROM repository_blobs WHERE blob_id = ?1 LIMIT 1";
    if tx.query_opt(sql, params![blob]).await?.is_none() {
        let sql =
            "INSERT INTO collectable (blob_id, due_at) VALUES (?1, ?2) ON CONFLICT (blob_id) DO NOTHING";
        tx.execute(sql, params![blob, due.0]).await?;
    }
    Ok(())
}

async fn find_or_insert(tx: &mut Tx<'_>, blob: &NewBlob, now: Timestamp) -> Result<i64, MetaError> {
    let digest = blob.digest.to_string();
    if let Some(row) = tx.query_opt("SELECT id FROM blobs WHERE digest = ?1", params![&digest]).await? {
        return Ok(row.get(0)?);
    }
    let size = from_size(blob.size)?;
    let sql = "INSERT INTO blobs (digest, size, created_at) VALUES (?1, ?2, ?3) RETURNING id";
    let id: i64 = tx.query_one(sql, params![&digest, size, now.0]).await?.get(0)?;
    if let Some(content) = &blob.content {
        let sql = "INSERT INTO blob_contents (blob_id, content) VALUES (?1, ?2)";
        tx.execute(sql, params![id, content]).await?;
    }
    // Its file was just published again, so nobody may unlink it any more.
    tx.execute("DELETE FROM tombstones WHERE digest = ?1", params![&digest]).await?;
    usage::stored(tx, id, size).await?;
    Ok(id)
}

/// Adds the membership, or renews its lease; a blob that was waiting to be cleaned no longer does. Tells whether the
/// blob is new in the repository.
pub(crate) async fn join(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    blob: i64,
    size: i64,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<bool, MetaError> {
    let sql = "INSERT INTO repository_blobs (blob_id, repository_id, added_at, lease_until, review_at)
         VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (blob_id, repository_id) DO NOTHING";
    let is_new = tx.execute(sql, params![blob, repository.0, now.0, lease_until.0]).await? > 0;
    if is_new {
        usage::joined(tx, repository, blob, size).await?;
        tx.execute("DELETE FROM collectable WHERE blob_id = ?1", params![blob]).await?;
    } else {
        let sql = "UPDATE repository_blobs SET lease_until = ?1
             WHERE blob_id = ?2 AND repository_id = ?3 AND lease_until < ?1";
        tx.execute(sql, params![lease_until.0, blob, repository.0]).await?;
    }
    Ok(is_new)
}
