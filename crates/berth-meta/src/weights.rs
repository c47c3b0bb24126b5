//! What weighs how much: one image, the largest blobs, what nobody uses.

use std::collections::BTreeSet;

use berth_db::{Row, Tx, params};
use berth_oci::{Digest, Reference, RepositoryName};

use crate::repositories::{self, RepositoryId};
use crate::rows::{digest, size};
use crate::usage::Bytes;
use crate::{Meta, MetaError, Timestamp, copies, life, tags};

/// Bytes of one image, with its children and referrers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagWeight {
    /// The image.
    pub digest: Digest,
    /// Its bytes; own ones are in no other image of any repository.
    pub bytes: Bytes,
    /// Tags that name it, a hundred at most.
    pub tags: Vec<String>,
    /// Pulls that were counted.
    pub pulls: u64,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
}

/// A blob among the largest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeBlob {
    /// Which.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Repositories that have it; the first ten.
    pub repositories: Vec<String>,
}

/// A tag whose image nobody used for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedTag {
    /// The tag.
    pub tag: String,
    /// What it names.
    pub digest: Digest,
    /// When that was last used or pushed.
    pub used_at: Timestamp,
}

impl Meta {
    /// What an image weighs.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`], [`MetaError::ManifestUnknown`], [`MetaError::TooMuch`].
    pub async fn weigh(&self, repository: &RepositoryName, at: &Reference) -> Result<TagWeight, MetaError> {
        let (repository, at) = (repository.clone(), at.clone());
        self.db
            .read(move |mut tx| {
                let (repository, at) = (repository.clone(), at.clone());
                Box::pin(async move { weigh(&mut tx, &repository, &at).await })
            })
            .await
    }

    /// The largest blobs of all.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn largest_blobs(&self, limit: usize) -> Result<Vec<LargeBlob>, MetaError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.db
            .read(move |mut tx| {
                Box::pin(async move {
                    let sql = "SELECT id, digest, size FROM blobs ORDER BY size DESC, id LIMIT ?1";
                    let mut blobs = Vec::new();
                    for row in tx.query(sql, params![limit]).await? {
                        let sql = "SELECT r.name FROM repository_blobs m JOIN repositories r ON r.id = m.repository_id
                             WHERE m.blob_id = ?1 AND r.name < '~' LIMIT 10";
                        let holders = tx.query(sql, params![row.get::<i64>(0)?]).await?;
                        blobs.push(LargeBlob {
                            digest: digest(&row, 1)?,
                            size: size(&row, 2)?,
                            repositories: repositories::names(&holders)?,
                        });
                    }
                    Ok(blobs)
                })
            })
            .await
    }

    /// Tags of a repository that nobody used since `before`, among `limit` tags after `after` in byte order; and where to
    /// go on.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`].
    pub async fn unused_tags(
        &self,
        repository: &RepositoryName,
        before: Timestamp,
        after: &str,
        limit: usize,
    ) -> Result<(Vec<UnusedTag>, Option<String>), MetaError> {
        let (repository, after) = (repository.clone(), after.to_owned());
        let bound = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT t.name, t.digest, COALESCE(p.used_at, t.began_at) FROM (
                 SELECT name, digest, began_at FROM tags WHERE repository_id = ?1 AND ended_at IS NULL AND name > ?2
                 ORDER BY name LIMIT ?3) AS t
             LEFT JOIN manifests m ON m.repository_id = ?1 AND m.digest = t.digest
             LEFT JOIN pulls p ON p.manifest_id = m.id ORDER BY t.name";
        let rows = self
            .db
            .read(move |mut tx| {
                let (repository, after) = (repository.clone(), after.clone());
                Box::pin(async move {
                    let id = repositories::require(&mut tx, &repository).await?;
                    Ok::<_, MetaError>(tx.query(sql, params![id.0, &after, bound]).await?)
                })
            })
            .await?;
        let next = match rows.last() {
            Some(last) if rows.len() >= limit => Some(last.get(0)?),
            _ => None,
        };
        let read = |row: &Row| {
            Ok(UnusedTag { tag: row.get(0)?, digest: digest(row, 1)?, used_at: Timestamp(row.get(2)?) })
        };
        let mut unused = rows.iter().map(read).collect::<Result<Vec<_>, MetaError>>()?;
        unused.retain(|tag| tag.used_at < before);
        Ok((unused, next))
    }
}

async fn weigh(tx: &mut Tx<'_>, repository: &RepositoryName, at: &Reference) -> Result<TagWeight, MetaError> {
    let id = repositories::require(tx, repository).await?;
    let target = match at {
        Reference::Digest(digest) => digest.to_string(),
        Reference::Tag(tag) => tags::find_open(tx, id, tag).await?.ok_or(MetaError::ManifestUnknown)?.digest,
    };
    let root = life::find(tx, id, &target).await?.filter(|manifest| manifest.deleted_at.is_none());
    let root = root.ok_or(MetaError::ManifestUnknown)?;
    let family = copies::family(tx, id, root.id, true).await?;
    let bytes = weigh_family(tx, id, &family).await?;
    let sql = "SELECT name FROM tags WHERE repository_id = ?1 AND digest = ?2 AND ended_at IS NULL LIMIT 100";
    let names = repositories::names(&tx.query(sql, params![id.0, &target]).await?)?;
    let sql = "SELECT pulls, used_at FROM pulls WHERE manifest_id = ?1";
    let used = tx.query_opt(sql, params![root.id]).await?;
    Ok(TagWeight {
        digest: target.parse().map_err(|_| MetaError::Damaged { what: "a digest" })?,
        bytes,
        tags: names,
        pulls: used.as_ref().map(|row| size(row, 0)).transpose()?.unwrap_or_default(),
        used_at: used.map(|row| Ok::<_, MetaError>(Timestamp(row.get(1)?))).transpose()?,
    })
}

async fn weigh_family(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    family: &BTreeSet<i64>,
) -> Result<Bytes, MetaError> {
    let (mut bytes, mut blobs) = (Bytes::default(), BTreeSet::new());
    for id in family {
        let row = tx.query_one("SELECT size FROM manifests WHERE id = ?1", params![*id]).await?;
        bytes.all += size(&row, 0)?;
        bytes.own += size(&row, 0)?;
        let sql = "SELECT DISTINCT digest FROM manifest_references WHERE manifest_id = ?1";
        for row in tx.query(sql, params![*id]).await? {
            blobs.insert(row.get::<String>(0)?);
        }
    }
    // One user more than the family has members is a stranger.
    let enough = i64::try_from(family.len()).unwrap_or(i64::MAX).saturating_add(1);
    for blob in blobs {
        let sql = "SELECT b.id, b.size FROM blobs b JOIN repository_blobs m ON m.blob_id = b.id
             WHERE b.digest = ?1 AND m.repository_id = ?2";
        let Some(row) = tx.query_opt(sql, params![&blob, repository.0]).await? else { continue };
        bytes.all += size(&row, 1)?;
        let sql = "SELECT DISTINCT manifest_id FROM manifest_references WHERE digest = ?1 AND repository_id = ?2 LIMIT ?3";
        let users = tx.query(sql, params![&blob, repository.0, enough]).await?;
        let users = users.iter().map(|row| row.get(0)).collect::<Result<Vec<i64>, _>>()?;
        let sql = "SELECT 1 FROM repository_blobs WHERE blob_id = ?1 AND repository_id <> ?2 LIMIT 1";
        let elsewhere = tx.query_opt(sql, params![row.get::<i64>(0)?, repository.0]).await?;
        if elsewhere.is_none() && users.iter().all(|user| family.contains(user)) {
            bytes.own += size(&row, 1)?;
        }
    }
    Ok(bytes)
}
