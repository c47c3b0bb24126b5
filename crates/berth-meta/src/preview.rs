//! Deletions that are only looked at: the same transaction, undone at its end.

use std::collections::BTreeSet;

use berth_db::{Db, DbError, Tx, params};
use berth_oci::Digest;

use crate::MetaError;
use crate::repositories::RepositoryId;
use crate::rows::{digest, size};

/// Names listed at most; the numbers count all.
const NAMES: usize = 100;

/// What a deletion takes, or took, when its trash time is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// Tags that end; the first hundred.
    pub tags: Vec<String>,
    /// Their number.
    pub n_tags: u64,
    /// Manifests that nothing holds any more; the first hundred.
    pub manifests: Vec<Digest>,
    /// Their number.
    pub n_manifests: u64,
    /// Bytes that will be free: nothing else has them.
    pub freed: u64,
    /// Bytes that stay, since other images have them as well.
    pub shared: u64,
}

impl Removal {
    /// Notes tags that ended.
    pub(crate) fn end(&mut self, tags: &[String]) {
        self.n_tags += tags.len() as u64;
        let room = NAMES.saturating_sub(self.tags.len());
        self.tags.extend(tags.iter().take(room).cloned());
    }

    /// Counts what goes with manifests that are loose or deleted by now.
    pub(crate) async fn count(
        &mut self,
        tx: &mut Tx<'_>,
        repository: RepositoryId,
        manifests: &[i64],
    ) -> Result<(), MetaError> {
        let mut blobs = BTreeSet::new();
        for id in manifests {
            let sql = "SELECT digest, size FROM manifests WHERE id = ?1";
            let row = tx.query_one(sql, params![*id]).await?;
            if self.manifests.len() < NAMES {
                self.manifests.push(digest(&row, 0)?);
            }
            self.n_manifests += 1;
            self.freed += size(&row, 1)?;
            let sql = "SELECT digest FROM manifest_references WHERE manifest_id = ?1";
            for row in tx.query(sql, params![*id]).await? {
                blobs.insert(row.get::<String>(0)?);
            }
        }
        for blob in blobs {
            self.count_blob(tx, repository, &blob).await?;
        }
        Ok(())
    }

    async fn count_blob(
        &mut self,
        tx: &mut Tx<'_>,
        repository: RepositoryId,
        blob: &str,
    ) -> Result<(), MetaError> {
        let sql = "SELECT b.id, b.size FROM blobs b JOIN repository_blobs m ON m.blob_id = b.id
             WHERE b.digest = ?1 AND m.repository_id = ?2";
        let Some(row) = tx.query_opt(sql, params![blob, repository.0]).await? else { return Ok(()) };
        let (id, bytes): (i64, u64) = (row.get(0)?, size(&row, 1)?);
        let sql = "SELECT 1 FROM manifest_references e JOIN manifests m ON m.id = e.manifest_id
             WHERE e.digest = ?1 AND e.repository_id = ?2 AND m.loose_since IS NULL AND m.deleted_at IS NULL LIMIT 1";
        let is_used = tx.query_opt(sql, params![blob, repository.0]).await?.is_some();
        let sql = "SELECT 1 FROM repository_blobs WHERE blob_id = ?1 AND repository_id <> ?2 LIMIT 1";
        let is_elsewhere = tx.query_opt(sql, params![id, repository.0]).await?.is_some();
        if is_used || is_elsewhere {
            self.shared += bytes;
        } else {
            self.freed += bytes;
        }
        Ok(())
    }
}

/// Whether a change is made, or only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is made.
    Real,
    /// Everything is tried and told, and nothing is changed.
    DryRun,
}

/// How a transaction that may be a dry run ends without a commit.
enum Undone<T> {
    Tried(T),
    Failed(MetaError),
}

impl<T> From<DbError> for Undone<T> {
    fn from(error: DbError) -> Undone<T> {
        Undone::Failed(error.into())
    }
}

/// Runs `work` as a transaction; as a dry run it is undone, and its result given all the same.
pub(crate) async fn run<T, F>(db: &Db, mode: Mode, work: F) -> Result<T, MetaError>
where
    T: Send + 'static,
    F: for<'t> Fn(Tx<'t>) -> berth_db::BoxFuture<'t, Result<T, MetaError>> + Send + Sync + 'static,
{
    let work = std::sync::Arc::new(work);
    let outcome = db
        .write(move |tx| {
            let work = std::sync::Arc::clone(&work);
            Box::pin(async move {
                match work(tx).await {
                    Ok(done) if mode == Mode::DryRun => Err(Undone::Tried(done)),
                    Ok(done) => Ok(done),
                    Err(error) => Err(Undone::Failed(error)),
                }
            })
        })
        .await;
    match outcome {
        Ok(done) | Err(Undone::Tried(done)) => Ok(done),
        Err(Undone::Failed(error)) => Err(error),
    }
}
