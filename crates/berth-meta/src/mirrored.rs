//! What is kept of upstreams' images: how fresh, how whole, and what goes first when room is needed.

use std::sync::Arc;

use berth_db::{Row, Tx, params};
use berth_oci::{Digest, RepositoryName, Tag};

use crate::repositories::RepositoryId;
use crate::rows::{digest, probe, size};
use crate::{Meta, MetaError, Page, Timestamp, blobs, cleaning, usage};

/// How much a cache may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes at most; `None` for any number.
    pub bytes: Option<u64>,
    /// What was not used since then goes; `None` for nothing.
    pub unused_since: Option<Timestamp>,
}

/// A manifest that went from a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evicted {
    /// From which repository.
    pub repository: String,
    /// Which.
    pub digest: Digest,
    /// When it was last used.
    pub used_at: Timestamp,
}

/// A tag of an upstream, and whether it could be pulled without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirroredTag {
    /// The number of its row, for the next page.
    pub id: i64,
    /// Its repository.
    pub repository: String,
    /// Its name.
    pub tag: String,
    /// What it names.
    pub digest: Digest,
    /// When that was last used.
    pub used_at: Timestamp,
    /// Manifests of platforms that are here; zero for what is no index.
    pub platforms: u64,
    /// Whether it is an index.
    pub is_index: bool,
    /// Blobs that are missing of it, or of its platforms that are here.
    pub missing: Vec<Digest>,
}

/// Manifests that are pinned, with their platforms and whatever else they list.
const KEPT: &str = "WITH RECURSIVE kept (repository_id, digest) AS (
     SELECT r.id, COALESCE(t.digest, p.reference) FROM pins p JOIN repositories r ON r.name = p.repository
         LEFT JOIN tags t ON t.repository_id = r.id AND t.name = p.reference AND t.ended_at IS NULL
     UNION
     SELECT k.repository_id, e.digest FROM kept k
         JOIN manifests m ON m.repository_id = k.repository_id AND m.digest = k.digest
         JOIN manifest_references e ON e.manifest_id = m.id AND e.role = 'child')
 ";

impl Meta {
    /// When it was last known that a tag names at its upstream what it names here.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn checked_at(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Timestamp>, MetaError> {
        let (repository, tag) = (repository.clone(), tag.clone());
        let sql = "SELECT c.checked_at FROM upstream_tags c JOIN repositories r ON r.id = c.repository_id
             WHERE r.name = ?1 AND c.name = ?2";
        let row = self
            .db
            .read(move |mut tx| {
                let (repository, tag) = (repository.clone(), tag.clone());
                Box::pin(async move { tx.query_opt(sql, params![repository.as_str(), tag.as_str()]).await })
            })
            .await?;
        row.map(|row| Ok(Timestamp(row.get(0)?))).transpose()
    }

    /// Notes when tags were last known to be fresh. A repository that is gone is passed over.
    ///
    /// # Errors
    /// [`MetaError::Db`]; nothing is noted then.
    pub async fn note_checked(
        &self,
        checked: Vec<((RepositoryName, Tag), Timestamp)>,
    ) -> Result<(), MetaError> {
        let checked = Arc::new(checked);
        let sql = "INSERT INTO upstream_tags (repository_id, name, checked_at)
             SELECT id, ?2, ?3 FROM repositories WHERE name = ?1
             ON CONFLICT (repository_id, name) DO UPDATE SET checked_at = excluded.checked_at";
        self.db
            .write(move |mut tx| {
                let checked = Arc::clone(&checked);
                Box::pin(async move {
                    for ((repository, tag), at) in checked.iter() {
                        tx.execute(sql, params![repository.as_str(), tag.as_str(), at.0]).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The length of a blob, as the manifests of a repository say it.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn announced_size(
        &self,
        repository: &RepositoryName,
        blob: &Digest,
    ) -> Result<Option<u64>, MetaError> {
        let (repository, blob) = (repository.clone(), blob.to_string());
        let sql = "SELECT e.size FROM manifest_references e JOIN repositories r ON r.id = e.repository_id
             WHERE e.digest = ?1 AND r.name = ?2 LIMIT 1";
        let row = self
            .db
            .read(move |mut tx| {
                let (repository, blob) = (repository.clone(), blob.clone());
                Box::pin(async move { tx.query_opt(sql, params![&blob, repository.as_str()]).await })
            })
            .await?;
        row.map(|row| size(&row, 0)).transpose()
    }

    /// Another repository of the same upstream that has a blob.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn mirrored_sibling(
        &self,
        upstream: &str,
        blob: &Digest,
    ) -> Result<Option<RepositoryName>, MetaError> {
        let (upstream, blob) = (upstream.to_owned(), blob.to_string());
        let sql = "SELECT r.name FROM blobs b JOIN repository_blobs m ON m.blob_id = b.id
             JOIN repositories r ON r.id = m.repository_id
             WHERE b.digest = ?1 AND r.upstream = ?2 AND r.deleted_at IS NULL LIMIT 1";
        let row = self
            .db
            .read(move |mut tx| {
                let (upstream, blob) = (upstream.clone(), blob.clone());
                Box::pin(async move { tx.query_opt(sql, params![&blob, &upstream]).await })
            })
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(row.get::<String>(0)?.parse().ok())
    }

    /// Takes the manifest that was not used for longest from a cache, with its tags and all blobs that only it needed,
    /// if the cache holds more than it may. What is pinned stays.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn evict(
        &self,
        upstream: &str,
        room: Room,
        now: Timestamp,
    ) -> Result<Option<Evicted>, MetaError> {
        let upstream = upstream.to_owned();
        self.db
            .write(move |mut tx| {
                let upstream = upstream.clone();
                Box::pin(async move { evict(&mut tx, &upstream, room, now).await })
            })
            .await
    }

    /// Tags of an upstream whose manifests were used since then, in the order of their rows after `after`, each with
    /// what is missing of it.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn mirrored_tags(
        &self,
        upstream: &str,
        used_since: Timestamp,
        after: i64,
        limit: usize,
    ) -> Result<Page<MirroredTag>, MetaError> {
        let upstream = upstream.to_owned();
        let tags = self
            .db
            .read(move |mut tx| {
                let upstream = upstream.clone();
                Box::pin(async move { list(&mut tx, &upstream, used_since, after, limit).await })
            })
            .await?;
        Ok(Page::cut(tags, limit))
    }
}

async fn evict(
    tx: &mut Tx<'_>,
    upstream: &str,
    room: Room,
    now: Timestamp,
) -> Result<Option<Evicted>, MetaError> {
    let used = usage::used(tx, upstream).await?;
    let is_too_much = room.bytes.is_some_and(|bytes| used > bytes);
    let before = if is_too_much { i64::MAX } else { room.unused_since.map_or(i64::MIN, |since| since.0) };
    let sql = format!(
        "{KEPT} SELECT m.id, m.digest, m.size, m.repository_id, r.name, p.used_at FROM manifests m
         JOIN repositories r ON r.id = m.repository_id JOIN pulls p ON p.manifest_id = m.id
         WHERE r.upstream = ?1 AND r.deleted_at IS NULL AND p.used_at < ?2 AND NOT EXISTS
             (SELECT 1 FROM kept k WHERE k.repository_id = m.repository_id AND k.digest = m.digest)
         ORDER BY p.used_at, m.id LIMIT 1"
    );
    let Some(row) = tx.query_opt(&sql, params![upstream, before]).await? else { return Ok(None) };
    let (text, repository): (String, i64) = (row.get(1)?, row.get(3)?);
    let why = match room.bytes.filter(|_| is_too_much) {
        Some(bytes) => {
            format!("the cache of {upstream} may hold {bytes} bytes, and this was not used for longest")
        }
        None => format!("the cache of {upstream} does not keep what is not used for so long"),
    };
    let sql = "UPDATE tags SET ended_at = ?1, ended_by = 'berth', ended_why = ?2
         WHERE repository_id = ?3 AND digest = ?4 AND ended_at IS NULL";
    tx.execute(sql, params![now.0, &why, repository, &text]).await?;
    let sql = "INSERT INTO purged (repository, digest, purged_at, why) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(sql, params![&row.get::<String>(4)?, &text, now.0, &why]).await?;
    let blobs = unneeded_with(tx, repository, row.get(0)?).await?;
    let bytes = cleaning::remove(tx, RepositoryId(repository), &row, now).await?;
    cleaning::note(tx, now, 1, 0, bytes).await?;
    for blob in &blobs {
        // No promise holds here: whoever was told that it is here can have it from the upstream again.
        blobs::leave(tx, RepositoryId(repository), blob.get(0)?, blob.get(1)?, now).await?;
    }
    Ok(Some(Evicted { repository: row.get(4)?, digest: digest(&row, 1)?, used_at: Timestamp(row.get(5)?) }))
}

/// Blobs of a repository that only this manifest names there: id and size.
async fn unneeded_with(tx: &mut Tx<'_>, repository: i64, manifest: i64) -> Result<Vec<Row>, MetaError> {
    let sql = "SELECT DISTINCT b.id, b.size FROM manifest_references e JOIN blobs b ON b.digest = e.digest
         JOIN repository_blobs m ON m.blob_id = b.id AND m.repository_id = ?1
         WHERE e.manifest_id = ?2 AND NOT EXISTS (SELECT 1 FROM manifest_references o
             WHERE o.digest = e.digest AND o.repository_id = ?1 AND o.manifest_id <> ?2)";
    Ok(tx.query(sql, params![repository, manifest]).await?)
}

async fn list(
    tx: &mut Tx<'_>,
    upstream: &str,
    used_since: Timestamp,
    after: i64,
    limit: usize,
) -> Result<Vec<MirroredTag>, MetaError> {
    let sql = "SELECT t.id, r.name, t.name, t.digest, p.used_at, m.id FROM tags t
         JOIN repositories r ON r.id = t.repository_id
         JOIN manifests m ON m.repository_id = r.id AND m.digest = t.digest AND m.deleted_at IS NULL
         JOIN pulls p ON p.manifest_id = m.id
         WHERE r.upstream = ?1 AND r.deleted_at IS NULL AND t.ended_at IS NULL AND p.used_at >= ?2 AND t.id > ?3
         ORDER BY t.id LIMIT ?4";
    let rows = tx.query(sql, params![upstream, used_since.0, after, probe(limit)]).await?;
    let mut tags = Vec::with_capacity(rows.len());
    for row in &rows {
        let manifest: i64 = row.get(5)?;
        let sql = "SELECT c.id FROM manifest_references e JOIN manifests c
                 ON c.repository_id = e.repository_id AND c.digest = e.digest AND c.deleted_at IS NULL
             WHERE e.manifest_id = ?1 AND e.role = 'child'";
        let children = tx.query(sql, params![manifest]).await?;
        let sql = "SELECT 1 FROM manifest_references WHERE manifest_id = ?1 AND role = 'child' LIMIT 1";
        let is_index = tx.query_opt(sql, params![manifest]).await?.is_some();
        let mut missing = missing(tx, manifest).await?;
        for child in &children {
            missing.extend(self::missing(tx, child.get(0)?).await?);
        }
        tags.push(MirroredTag {
            id: row.get(0)?,
            repository: row.get(1)?,
            tag: row.get(2)?,
            digest: digest(row, 3)?,
            used_at: Timestamp(row.get(4)?),
            platforms: children.len() as u64,
            is_index,
            missing,
        });
    }
    Ok(tags)
}

/// Blobs that a manifest names and its repository lacks.
async fn missing(tx: &mut Tx<'_>, manifest: i64) -> Result<Vec<Digest>, MetaError> {
    let sql = "SELECT e.digest FROM manifest_references e WHERE e.manifest_id = ?1 AND e.role = 'blob'
         AND NOT EXISTS (SELECT 1 FROM blobs b JOIN repository_blobs m ON m.blob_id = b.id
             WHERE b.digest = e.digest AND m.repository_id = e.repository_id)";
    tx.query(sql, params![manifest]).await?.iter().map(|row| digest(row, 0)).collect()
}
