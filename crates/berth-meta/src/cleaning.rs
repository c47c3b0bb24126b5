//! Cleaning while everything goes on: small transactions that each look again before they take anything.
//!
//! The path of a byte to the outside: a manifest's trash time ends → its row goes, and each blob that only it named in
//! the repository is marked for review → the review ends the membership, if no manifest names the blob and no promise
//! holds → the last membership queues the blob → its row becomes a tombstone → the file is unlinked, and the tombstone
//! goes. Every step asks the question again inside of the transaction that acts on the answer; an error leaves all as it
//! was, and the next cycle tries again.

use std::time::{Duration, Instant};

use berth_db::{Row, Tx, params};
use berth_oci::Digest;

use crate::life;
use crate::repositories::RepositoryId;
use crate::rows::{digest, from_size, size};
use crate::{Meta, MetaError, Timestamp, blobs, trash, usage};

/// Manifests purged in one transaction. They have tens of references each.
const MANIFESTS: i64 = 20;
/// Memberships or blobs looked at in one transaction.
const BLOBS: i64 = 100;
/// Rows of a deleted repository's tags removed in one transaction.
const TAGS: i64 = 500;

/// Up to when things may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// Now, and never later than the true time: leases that end after this hold.
    pub now: Timestamp,
    /// What went into the trash before this may be purged.
    pub trash: Timestamp,
}

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Rows looked at. Zero means that nothing is due.
    pub looked_at: u64,
    /// Rows that went.
    pub removed: u64,
    /// Blobs among them whose bytes were rows, so that nothing is left to unlink.
    pub inline: u64,
    /// Bytes that went with rows that hold their bytes.
    pub bytes: u64,
    /// How long the transaction took, without the time that it waited for its turn: so long others may have waited.
    pub took: Duration,
}

/// A file that is to be unlinked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Whose bytes.
    pub digest: Digest,
    /// How many.
    pub size: u64,
}

/// How far the cleaning is, for people and for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleaningState {
    /// Manifests in the trash.
    pub trash: u64,
    /// Blobs that no repository has, waiting.
    pub collectable: u64,
    /// Files waiting to be unlinked.
    pub tombstones: u64,
    /// Manifests purged on the last thirty days.
    pub manifests: u64,
    /// Blobs freed on the last thirty days.
    pub blobs: u64,
    /// Bytes freed on the last thirty days.
    pub bytes: u64,
}

/// What the cleaning took on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanedDay {
    /// The day, counted from 1970.
    pub day: i64,
    /// Manifests.
    pub manifests: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Meta {
    /// What was cleaned on each of the last `days`, as far as anything was, the oldest first.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn cleaned_days(&self, now: Timestamp, days: i64) -> Result<Vec<CleanedDay>, MetaError> {
        let since = now.day() - days;
        let sql = "SELECT day, manifests, blobs, bytes FROM cleaned WHERE day > ?1 ORDER BY day";
        let rows =
            self.db.read(move |mut tx| Box::pin(async move { tx.query(sql, params![since]).await })).await?;
        let read = |row: &berth_db::Row| {
            Ok(CleanedDay {
                day: row.get(0)?,
                manifests: size(row, 1)?,
                blobs: size(row, 2)?,
                bytes: size(row, 3)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Removes a part of a deleted repository whose trash time is over.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn purge_repositories(&self, horizon: Horizon) -> Result<Cleaned, MetaError> {
        self.db
            .write(move |mut tx| Box::pin(async move { timed(purge_repository(&mut tx, horizon)).await }))
            .await
    }

    /// Removes manifests whose trash time is over. One that was pulled since it became loose is in use, and waits.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn purge_manifests(&self, horizon: Horizon) -> Result<Cleaned, MetaError> {
        self.db
            .write(move |mut tx| Box::pin(async move { timed(purge_manifests(&mut tx, horizon)).await }))
            .await
    }

    /// Ends memberships that no manifest needs and no promise holds.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn review_memberships(&self, horizon: Horizon) -> Result<Cleaned, MetaError> {
        self.db.write(move |mut tx| Box::pin(async move { timed(review(&mut tx, horizon.now)).await })).await
    }

    /// Turns blobs that no repository has into tombstones, those whose bytes are rows into nothing.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn doom_blobs(&self, horizon: Horizon) -> Result<Cleaned, MetaError> {
        self.db.write(move |mut tx| Box::pin(async move { timed(doom(&mut tx, horizon.now)).await })).await
    }

    /// Files to be unlinked.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn tombstones(&self, limit: usize) -> Result<Vec<Tombstone>, MetaError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT digest, size FROM tombstones ORDER BY digest LIMIT ?1";
        let rows =
            self.db.read(move |mut tx| Box::pin(async move { tx.query(sql, params![limit]).await })).await?;
        rows.iter().map(|row| Ok(Tombstone { digest: digest(row, 0)?, size: size(row, 1)? })).collect()
    }

    /// Queues a file for removal that was published for a blob whose row was refused, if no row names it after all.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn abandon_file(&self, blob: &Digest, bytes: u64, now: Timestamp) -> Result<(), MetaError> {
        let (blob, bytes) = (blob.to_string(), from_size(bytes)?);
        let sql = "INSERT INTO tombstones (digest, size, since) SELECT ?1, ?2, ?3
             WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE digest = ?1) ON CONFLICT (digest) DO NOTHING";
        self.db
            .write(move |mut tx| {
                let blob = blob.clone();
                Box::pin(async move { Ok(tx.execute(sql, params![&blob, bytes, now.0]).await.map(|_| ())?) })
            })
            .await
    }

    /// Whether the file may still be unlinked: nobody pushed its bytes again. The caller keeps pushes of the digest away
    /// from asking until [`Meta::bury`]. It is a write so that it is ordered after theirs.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn is_doomed(&self, blob: &Digest) -> Result<bool, MetaError> {
        let blob = blob.to_string();
        let row = self
            .db
            .write(move |mut tx| {
                let blob = blob.clone();
                Box::pin(async move {
                    tx.query_opt("SELECT 1 FROM tombstones WHERE digest = ?1", params![&blob]).await
                })
            })
            .await?;
        Ok(row.is_some())
    }

    /// Takes the tombstone of a file that is unlinked for good, and counts what was freed.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn bury(&self, blob: &Digest, now: Timestamp) -> Result<(), MetaError> {
        let blob = blob.to_string();
        self.db
            .write(move |mut tx| {
                let blob = blob.clone();
                Box::pin(async move {
                    let sql = "DELETE FROM tombstones WHERE digest = ?1 RETURNING size";
                    let Some(row) = tx.query_opt(sql, params![&blob]).await? else { return Ok(()) };
                    note(&mut tx, now, 0, 1, row.get(0)?).await
                })
            })
            .await
    }

    /// Forgets former names whose time is over.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn expire_aliases(&self, horizon: Horizon) -> Result<u64, MetaError> {
        let sql = "DELETE FROM aliases WHERE expires_at < ?1";
        self.db
            .write(move |mut tx| Box::pin(async move { Ok(tx.execute(sql, params![horizon.now.0]).await?) }))
            .await
    }

    /// How far the cleaning is. Counts of the queues stop at a thousand.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn cleaning_state(&self, now: Timestamp) -> Result<CleaningState, MetaError> {
        self.db
            .read(move |mut tx| {
                Box::pin(async move {
                    let sql = "SELECT
                         (SELECT COUNT(*) FROM (SELECT 1 FROM manifests WHERE loose_since IS NOT NULL LIMIT 1000) AS l)
                         + (SELECT COUNT(*) FROM (SELECT 1 FROM manifests WHERE deleted_at IS NOT NULL LIMIT 1000) AS d),
                         (SELECT COUNT(*) FROM (SELECT 1 FROM collectable LIMIT 1000) AS c),
                         (SELECT COUNT(*) FROM (SELECT 1 FROM tombstones LIMIT 1000) AS t)";
                    let queues = tx.query_one(sql, &[]).await?;
                    let sql = "SELECT CAST(COALESCE(SUM(manifests), 0) AS BIGINT),
                         CAST(COALESCE(SUM(blobs), 0) AS BIGINT), CAST(COALESCE(SUM(bytes), 0) AS BIGINT)
                         FROM cleaned WHERE day > ?1";
                    let sums = tx.query_one(sql, params![now.day() - 30]).await?;
                    Ok(CleaningState {
                        trash: size(&queues, 0)?,
                        collectable: size(&queues, 1)?,
                        tombstones: size(&queues, 2)?,
                        manifests: size(&sums, 0)?,
                        blobs: size(&sums, 1)?,
                        bytes: size(&sums, 2)?,
                    })
                })
            })
            .await
    }
}

async fn timed(step: impl Future<Output = Result<Cleaned, MetaError>>) -> Result<Cleaned, MetaError> {
    let began = Instant::now();
    let done = step.await?;
    Ok(Cleaned { took: began.elapsed(), ..done })
}

pub(crate) async fn note(
    tx: &mut Tx<'_>,
    now: Timestamp,
    manifests: u64,
    blobs: u64,
    bytes: i64,
) -> Result<(), MetaError> {
    let sql = "INSERT INTO cleaned (day, manifests, blobs, bytes) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (day) DO UPDATE SET manifests = cleaned.manifests + excluded.manifests,
             blobs = cleaned.blobs + excluded.blobs, bytes = cleaned.bytes + excluded.bytes";
    tx.execute(sql, params![now.day(), from_size(manifests)?, from_size(blobs)?, bytes]).await?;
    Ok(())
}

async fn purge_repository(tx: &mut Tx<'_>, horizon: Horizon) -> Result<Cleaned, MetaError> {
    let sql = "SELECT id FROM repositories WHERE deleted_at IS NOT NULL AND deleted_at < ?1
         ORDER BY deleted_at LIMIT 1";
    let Some(row) = tx.query_opt(sql, params![horizon.trash.0]).await? else {
        return Ok(Cleaned::default());
    };
    let id = RepositoryId(row.get(0)?);
    // From here on it cannot be had back.
    tx.execute("UPDATE repositories SET former_name = NULL WHERE id = ?1", params![id.0]).await?;
    let sql = "SELECT id, digest, size FROM manifests WHERE repository_id = ?1 LIMIT ?2";
    let manifests = tx.query(sql, params![id.0, MANIFESTS]).await?;
    if !manifests.is_empty() {
        let mut bytes = 0;
        for row in &manifests {
            bytes += remove(tx, id, row, horizon.now).await?;
        }
        let n = manifests.len() as u64;
        note(tx, horizon.now, n, 0, bytes).await?;
        return Ok(Cleaned { looked_at: n, removed: n, bytes: bytes.unsigned_abs(), ..Cleaned::default() });
    }
    let sql = "SELECT m.blob_id, b.size FROM repository_blobs m JOIN blobs b ON b.id = m.blob_id
         WHERE m.repository_id = ?1 LIMIT ?2";
    let members = tx.query(sql, params![id.0, BLOBS]).await?;
    if !members.is_empty() {
        for row in &members {
            blobs::leave(tx, id, row.get(0)?, row.get(1)?, horizon.now).await?;
        }
        let n = members.len() as u64;
        return Ok(Cleaned { looked_at: n, ..Cleaned::default() });
    }
    let sql = "DELETE FROM tags WHERE id IN (SELECT id FROM tags WHERE repository_id = ?1 LIMIT ?2)";
    let tags = tx.execute(sql, params![id.0, TAGS]).await?;
    if tags == 0 {
        tx.execute("DELETE FROM aliases WHERE repository_id = ?1", params![id.0]).await?;
        usage::forget(tx, id).await?;
        tx.execute("DELETE FROM repositories WHERE id = ?1", params![id.0]).await?;
    }
    Ok(Cleaned { looked_at: tags.max(1), ..Cleaned::default() })
}

/// Removes a manifest's row (id, digest, size) with its references; gives its size.
pub(crate) async fn remove(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    row: &Row,
    now: Timestamp,
) -> Result<i64, MetaError> {
    let (id, size): (i64, i64) = (row.get(0)?, row.get(2)?);
    let sql = "UPDATE repository_blobs SET review_at = ?1 WHERE repository_id = ?2 AND review_at IS NULL
         AND blob_id IN (SELECT b.id FROM manifest_references e JOIN blobs b ON b.digest = e.digest
                         WHERE e.manifest_id = ?3)";
    tx.execute(sql, params![now.0, repository.0, id]).await?;
    tx.execute("DELETE FROM manifests WHERE id = ?1", params![id]).await?;
    usage::manifest(tx, repository, -size).await?;
    Ok(size)
}

async fn purge_manifests(tx: &mut Tx<'_>, horizon: Horizon) -> Result<Cleaned, MetaError> {
    let deleted = "SELECT id, digest, size, repository_id, deleted_at, deleted_by, subject FROM manifests
         WHERE deleted_at IS NOT NULL AND deleted_at < ?1 ORDER BY deleted_at LIMIT ?2";
    let loose = "SELECT id, digest, size, repository_id, loose_since, NULL, subject FROM manifests
         WHERE loose_since IS NOT NULL AND loose_since < ?1 AND deleted_at IS NULL ORDER BY loose_since LIMIT ?2";
    let mut cleaned = Cleaned::default();
    for sql in [deleted, loose] {
        let rows = tx.query(sql, params![horizon.trash.0, MANIFESTS]).await?;
        cleaned.looked_at += rows.len() as u64;
        for row in &rows {
            let is_loose = row.get::<Option<String>>(5)?.is_none();
            if is_loose && waits(tx, row, horizon).await? {
                continue;
            }
            cleaned.bytes += purge(tx, row, horizon.now).await?.unsigned_abs();
            cleaned.removed += 1;
        }
        if !rows.is_empty() {
            break;
        }
    }
    if cleaned.removed > 0 {
        note(tx, horizon.now, cleaned.removed, 0, from_size(cleaned.bytes)?).await?;
    }
    Ok(cleaned)
}

/// Whether a loose manifest has to wait, and until when: it is in use, or what it belongs to is still there. Its time
/// begins anew then, so it is not looked at in each cycle.
async fn waits(tx: &mut Tx<'_>, row: &Row, horizon: Horizon) -> Result<bool, MetaError> {
    let (id, digest): (i64, String) = (row.get(0)?, row.get(1)?);
    let (repository, since, subject): (i64, i64, Option<String>) = (row.get(3)?, row.get(4)?, row.get(6)?);
    let mut later: Option<i64> = None;
    if !trash::goes_at_once(since) {
        let sql = "SELECT used_at FROM pulls WHERE manifest_id = ?1 AND used_at > ?2 AND used_at >= ?3";
        let used = tx.query_opt(sql, params![id, since, horizon.trash.0]).await?;
        later = used.map(|row| row.get(0)).transpose()?;
    }
    let sql = "SELECT COALESCE(p.deleted_at, p.loose_since) FROM manifest_references e
         JOIN manifests p ON p.id = e.manifest_id
         WHERE e.digest = ?1 AND e.repository_id = ?2 AND e.role <> 'blob' LIMIT 1";
    let parent = tx.query_opt(sql, params![&digest, repository]).await?;
    let sql =
        "SELECT COALESCE(deleted_at, loose_since) FROM manifests WHERE repository_id = ?1 AND digest = ?2";
    let about = match &subject {
        Some(subject) => tx.query_opt(sql, params![repository, subject]).await?,
        None => None,
    };
    for owner in [parent, about].into_iter().flatten() {
        let owner: i64 = owner.get::<Option<i64>>(0)?.unwrap_or(horizon.now.0);
        // An owner that is due itself goes first, and this one right after it.
        later = later.max(Some(owner.max(since) + 1));
    }
    let Some(later) = later else { return Ok(false) };
    tx.execute("UPDATE manifests SET loose_since = ?1 WHERE id = ?2", params![later, id]).await?;
    Ok(true)
}

/// Removes a manifest for good, with the tags attached to its digest, and remembers why.
async fn purge(tx: &mut Tx<'_>, row: &Row, now: Timestamp) -> Result<i64, MetaError> {
    let (digest, repository): (String, i64) = (row.get(1)?, row.get(3)?);
    for name in life::attached_names(&digest) {
        let sql = "UPDATE tags SET ended_at = ?1, ended_by = 'berth', ended_why = ?2
             WHERE repository_id = ?3 AND name = ?4 AND ended_at IS NULL";
        let why = format!("the image {digest} is gone");
        tx.execute(sql, params![now.0, &why, repository, &name]).await?;
    }
    let why = match row.get::<Option<String>>(5)? {
        Some(by) => format!("deleted by {by}, and its trash time is over"),
        None => "nothing held it any more, and its trash time is over".to_owned(),
    };
    let sql = "INSERT INTO purged (repository, digest, purged_at, why)
         SELECT name, ?1, ?2, ?3 FROM repositories WHERE id = ?4";
    tx.execute(sql, params![&digest, now.0, &why, repository]).await?;
    remove(tx, RepositoryId(repository), row, now).await
}

async fn review(tx: &mut Tx<'_>, now: Timestamp) -> Result<Cleaned, MetaError> {
    let sql = "SELECT m.blob_id, m.repository_id, m.lease_until, b.size, b.digest FROM repository_blobs m
         JOIN blobs b ON b.id = m.blob_id
         WHERE m.review_at IS NOT NULL AND m.review_at <= ?1 ORDER BY m.review_at LIMIT ?2";
    let due = tx.query(sql, params![now.0, BLOBS]).await?;
    let mut cleaned = Cleaned { looked_at: due.len() as u64, ..Cleaned::default() };
    for row in &due {
        let (blob, repository): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (lease_until, size, digest): (i64, i64, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let sql = "SELECT 1 FROM manifest_references WHERE digest = ?1 AND repository_id = ?2 LIMIT 1";
        let is_needed = tx.query_opt(sql, params![&digest, repository]).await?.is_some();
        if !is_needed && lease_until <= now.0 {
            blobs::leave(tx, RepositoryId(repository), blob, size, now).await?;
            cleaned.removed += 1;
            continue;
        }
        // Whoever drops the last reference asks for a review again.
        let next = (!is_needed).then_some(lease_until);
        let sql = "UPDATE repository_blobs SET review_at = ?1 WHERE blob_id = ?2 AND repository_id = ?3";
        tx.execute(sql, params![next, blob, repository]).await?;
    }
    Ok(cleaned)
}

async fn doom(tx: &mut Tx<'_>, now: Timestamp) -> Result<Cleaned, MetaError> {
    let sql = "SELECT b.id, b.digest, b.size, c.blob_id FROM collectable q JOIN blobs b ON b.id = q.blob_id
         LEFT JOIN blob_contents c ON c.blob_id = b.id
         WHERE q.due_at <= ?1 ORDER BY q.due_at LIMIT ?2";
    let due = tx.query(sql, params![now.0, BLOBS]).await?;
    let mut cleaned = Cleaned { looked_at: due.len() as u64, ..Cleaned::default() };
    for row in &due {
        let (id, digest, size): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        tx.execute("DELETE FROM collectable WHERE blob_id = ?1", params![id]).await?;
        let sql = "SELECT 1 FROM repository_blobs WHERE blob_id = ?1 LIMIT 1";
        if tx.query_opt(sql, params![id]).await?.is_some() {
            continue;
        }
        if row.get::<Option<i64>>(3)?.is_none() {
            let sql = "INSERT INTO tombstones (digest, size, since) VALUES (?1, ?2, ?3)";
            tx.execute(sql, params![&digest, size, now.0]).await?;
        } else {
            note(tx, now, 0, 1, size).await?;
            cleaned.inline += 1;
            cleaned.bytes += size.unsigned_abs();
        }
        tx.execute("DELETE FROM blobs WHERE id = ?1", params![id]).await?;
        usage::stored(tx, id, -size).await?;
        cleaned.removed += 1;
    }
    Ok(cleaned)
}
