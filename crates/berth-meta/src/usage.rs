//! Who uses how many bytes: sums that change in the transaction of what they count.
//!
//! A blob counts once in a repository, once in a namespace and once in total, however often it is named. *Own* bytes are
//! those that nothing outside has as well: what would go with the repository or the namespace. What is in the trash
//! counts until it is purged, since it is on the disk.

use berth_db::{DbError, Tx, params};
use berth_oci::RepositoryName;

use crate::repositories::RepositoryId;
use crate::rows::size;
use crate::{Meta, MetaError};

/// The name of the namespace of repositories whose name has one part.
pub const NO_NAMESPACE: &str = "-";
/// What stands for everything together, where a namespace is expected.
pub const TOTAL: &str = "*";
/// Rows that the total is spread over.
const SHARDS: i64 = 16;
/// The namespace of a repository: the first part of its name.
pub fn namespace_of(name: &RepositoryName) -> &str {
    name.as_str().split_once('/').map_or(NO_NAMESPACE, |(first, _)| first)
}

/// Bytes of a repository, a namespace, or of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bytes {
    /// All.
    pub all: u64,
    /// Those that nothing else has as well.
    pub own: u64,
}

/// A namespace with what it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceUsage {
    /// Its name; [`NO_NAMESPACE`] for one-part names.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
    /// Its quota, if it has one.
    pub quota: Option<u64>,
}

/// What a sum is kept of.
#[derive(Debug, Clone, Copy)]
enum Sum {
    Repository(i64),
    Namespace(i64),
    Total(i64),
}

async fn add(tx: &mut Tx<'_>, sum: Sum, bytes: i64, own: i64) -> Result<(), DbError> {
    let (kind, id) = match sum {
        Sum::Repository(id) => ("repository", id),
        Sum::Namespace(id) => ("namespace", id),
        Sum::Total(id) => ("total", id.rem_euclid(SHARDS)),
    };
    let sql = "INSERT INTO usage (kind, id, bytes, own_bytes) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (kind, id) DO UPDATE
         SET bytes = usage.bytes + excluded.bytes, own_bytes = usage.own_bytes + excluded.own_bytes";
    tx.execute(sql, params![kind, id, bytes, own]).await.map(|_| ())
}

/// Those among the holders of a blob that matter when one comes or goes: none, the only one, or more.
fn only(rows: &[berth_db::Row]) -> Result<Option<i64>, DbError> {
    if rows.len() == 1 { rows[0].get(0).map(Some) } else { Ok(None) }
}

async fn namespace_id(tx: &mut Tx<'_>, repository: RepositoryId) -> Result<i64, MetaError> {
    let sql = "SELECT namespace_id FROM repositories WHERE id = ?1";
    Ok(tx.query_one(sql, params![repository.0]).await?.get(0)?)
}

/// Counts a membership that was just added (`sign` 1) or just removed (-1).
async fn count(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    blob: i64,
    size: i64,
    sign: i64,
) -> Result<(), MetaError> {
    let sql = "SELECT repository_id FROM repository_blobs WHERE blob_id = ?1 AND repository_id <> ?2 LIMIT 2";
    let others = tx.query(sql, params![blob, repository.0]).await?;
    let own = if others.is_empty() { size } else { 0 };
    add(tx, Sum::Repository(repository.0), sign * size, sign * own).await?;
    if let Some(other) = only(&others)? {
        add(tx, Sum::Repository(other), 0, -sign * size).await?;
    }
    let namespace = namespace_id(tx, repository).await?;
    count_in_namespace(tx, namespace, blob, size, sign).await
}

async fn count_in_namespace(
    tx: &mut Tx<'_>,
    namespace: i64,
    blob: i64,
    size: i64,
    sign: i64,
) -> Result<(), MetaError> {
    let sql = "INSERT INTO namespace_blobs (blob_id, namespace_id, repositories) VALUES (?1, ?2, ?3)
         ON CONFLICT (blob_id, namespace_id)
         DO UPDATE SET repositories = namespace_blobs.repositories + excluded.repositories RETURNING repositories";
    let repositories: i64 = tx.query_one(sql, params![blob, namespace, sign]).await?.get(0)?;
    if repositories == 0 {
        let sql = "DELETE FROM namespace_blobs WHERE blob_id = ?1 AND namespace_id = ?2";
        tx.execute(sql, params![blob, namespace]).await?;
    }
    let first_or_last = if sign > 0 { repositories == 1 } else { repositories == 0 };
    if !first_or_last {
        return Ok(());
    }
    let sql = "SELECT namespace_id FROM namespace_blobs WHERE blob_id = ?1 AND namespace_id <> ?2 LIMIT 2";
    let others = tx.query(sql, params![blob, namespace]).await?;
    let own = if others.is_empty() { size } else { 0 };
    add(tx, Sum::Namespace(namespace), sign * size, sign * own).await?;
    if let Some(other) = only(&others)? {
        add(tx, Sum::Namespace(other), 0, -sign * size).await?;
    }
    Ok(())
}

/// A blob came into a repository.
pub(crate) async fn joined(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    blob: i64,
    size: i64,
) -> Result<(), MetaError> {
    count(tx, repository, blob, size, 1).await
}

/// A blob left a repository.
pub(crate) async fn left(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    blob: i64,
    size: i64,
) -> Result<(), MetaError> {
    count(tx, repository, blob, size, -1).await
}

/// Bytes came to what is stored in all, or went (negative).
pub(crate) async fn stored(tx: &mut Tx<'_>, blob: i64, size: i64) -> Result<(), MetaError> {
    Ok(add(tx, Sum::Total(blob), size, 0).await?)
}

/// A manifest came into a repository, or went (negative size). Each counts for itself: its bytes are rows of their own.
pub(crate) async fn manifest(tx: &mut Tx<'_>, repository: RepositoryId, size: i64) -> Result<(), MetaError> {
    let namespace = namespace_id(tx, repository).await?;
    add(tx, Sum::Repository(repository.0), size, size).await?;
    add(tx, Sum::Namespace(namespace), size, size).await?;
    Ok(add(tx, Sum::Total(repository.0), size, 0).await?)
}

/// The row of a namespace, made if it is the first time.
pub(crate) async fn find_or_make(tx: &mut Tx<'_>, namespace: &str) -> Result<i64, MetaError> {
    let found = tx.query_opt("SELECT id FROM namespaces WHERE name = ?1", params![namespace]).await?;
    let row = match found {
        Some(row) => row,
        None => {
            tx.query_one("INSERT INTO namespaces (name) VALUES (?1) RETURNING id", params![namespace]).await?
        }
    };
    Ok(row.get(0)?)
}

/// Takes the sums of a repository from one namespace to another. The row of the repository says the new one already.
pub(crate) async fn moved(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    from: i64,
    to: i64,
) -> Result<(), MetaError> {
    let repository_sum = crate::rows::from_size(self::repository(tx, repository).await?.all)?;
    let sql = "SELECT b.id, b.size FROM repository_blobs m JOIN blobs b ON b.id = m.blob_id WHERE m.repository_id = ?1";
    let mut blobs = 0;
    for row in tx.query(sql, params![repository.0]).await? {
        let (blob, size): (i64, i64) = (row.get(0)?, row.get(1)?);
        blobs += size;
        count_in_namespace(tx, from, blob, size, -1).await?;
        count_in_namespace(tx, to, blob, size, 1).await?;
    }
    let manifests = repository_sum - blobs;
    add(tx, Sum::Namespace(from), -manifests, -manifests).await?;
    Ok(add(tx, Sum::Namespace(to), manifests, manifests).await?)
}

async fn manifest_bytes(tx: &mut Tx<'_>, repository: RepositoryId) -> Result<i64, MetaError> {
    let sql = "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM manifests WHERE repository_id = ?1";
    Ok(tx.query_one(sql, params![repository.0]).await?.get(0)?)
}

/// Forgets the sums of a repository that is gone.
pub(crate) async fn forget(tx: &mut Tx<'_>, repository: RepositoryId) -> Result<(), MetaError> {
    let sql = "DELETE FROM usage WHERE kind = 'repository' AND id = ?1";
    tx.execute(sql, params![repository.0]).await?;
    Ok(())
}

/// Counts what was there before there were sums: one repository, which gets its namespace. The total was counted by the
/// step of the schema.
pub(crate) async fn count_all(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    name: &str,
) -> Result<(), MetaError> {
    let namespace = name.split_once('/').map_or(NO_NAMESPACE, |(first, _)| first);
    let namespace = find_or_make(tx, namespace).await?;
    let sql = "UPDATE repositories SET namespace_id = ?1 WHERE id = ?2";
    tx.execute(sql, params![namespace, repository.0]).await?;
    let sql = "SELECT b.id, b.size FROM repository_blobs m JOIN blobs b ON b.id = m.blob_id WHERE m.repository_id = ?1";
    for row in tx.query(sql, params![repository.0]).await? {
        count_first(tx, repository, row.get(0)?, row.get(1)?).await?;
    }
    let manifests = manifest_bytes(tx, repository).await?;
    add(tx, Sum::Repository(repository.0), manifests, manifests).await?;
    Ok(add(tx, Sum::Namespace(namespace), manifests, manifests).await?)
}

/// The same as [`joined`], where the memberships of repositories that are not counted yet must not be seen.
async fn count_first(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    blob: i64,
    size: i64,
) -> Result<(), MetaError> {
    let sql = "SELECT m.repository_id FROM repository_blobs m JOIN repositories r ON r.id = m.repository_id
         WHERE m.blob_id = ?1 AND m.repository_id <> ?2 AND r.namespace_id IS NOT NULL LIMIT 2";
    let others = tx.query(sql, params![blob, repository.0]).await?;
    let own = if others.is_empty() { size } else { 0 };
    add(tx, Sum::Repository(repository.0), size, own).await?;
    if let Some(other) = only(&others)? {
        add(tx, Sum::Repository(other), 0, -size).await?;
    }
    let namespace = namespace_id(tx, repository).await?;
    count_in_namespace(tx, namespace, blob, size, 1).await
}

async fn read_sum(tx: &mut Tx<'_>, kind: &str, id: i64) -> Result<Bytes, MetaError> {
    let sql = "SELECT bytes, own_bytes FROM usage WHERE kind = ?1 AND id = ?2";
    let Some(row) = tx.query_opt(sql, params![kind, id]).await? else { return Ok(Bytes::default()) };
    Ok(Bytes { all: size(&row, 0)?, own: size(&row, 1)? })
}

/// Bytes of a repository, whatever its name.
pub(crate) async fn repository(tx: &mut Tx<'_>, repository: RepositoryId) -> Result<Bytes, MetaError> {
    read_sum(tx, "repository", repository.0).await
}

async fn read_total(tx: &mut Tx<'_>) -> Result<u64, MetaError> {
    let sql = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM usage WHERE kind = 'total'";
    size(&tx.query_one(sql, &[]).await?, 0)
}

pub(crate) async fn used(tx: &mut Tx<'_>, namespace: &str) -> Result<u64, MetaError> {
    if namespace == TOTAL {
        return read_total(tx).await;
    }
    let row = tx.query_opt("SELECT id FROM namespaces WHERE name = ?1", params![namespace]).await?;
    match row {
        Some(row) => Ok(read_sum(tx, "namespace", row.get(0)?).await?.all),
        None => Ok(0),
    }
}

impl Meta {
    /// Bytes in all: each blob once, and all manifests.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn total_usage(&self) -> Result<u64, MetaError> {
        self.db.read(|mut tx| Box::pin(async move { read_total(&mut tx).await })).await
    }

    /// Bytes of a namespace; zero if there is none of that name.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn namespace_bytes(&self, name: &str) -> Result<u64, MetaError> {
        let name = name.to_owned();
        self.db
            .read(move |mut tx| {
                let name = name.clone();
                Box::pin(async move { used(&mut tx, &name).await })
            })
            .await
    }

    /// Bytes of a repository.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`].
    pub async fn repository_usage(&self, name: &RepositoryName) -> Result<Bytes, MetaError> {
        let name = name.clone();
        self.db
            .read(move |mut tx| {
                let name = name.clone();
                Box::pin(async move {
                    let id = crate::repositories::require(&mut tx, &name).await?;
                    read_sum(&mut tx, "repository", id.0).await
                })
            })
            .await
    }

    /// Namespaces after `after` in byte order, with what they use and may use.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn namespace_usage(
        &self,
        after: &str,
        limit: usize,
    ) -> Result<crate::Page<NamespaceUsage>, MetaError> {
        let after = after.to_owned();
        let sql = "SELECT n.name, COALESCE(u.bytes, 0), COALESCE(u.own_bytes, 0), q.bytes FROM namespaces n
             LEFT JOIN usage u ON u.kind = 'namespace' AND u.id = n.id
             LEFT JOIN quotas q ON q.namespace = n.name
             WHERE n.name > ?1 ORDER BY n.name LIMIT ?2";
        let probe = crate::rows::probe(limit);
        let rows = self
            .db
            .read(move |mut tx| {
                let after = after.clone();
                Box::pin(async move { tx.query(sql, params![&after, probe]).await })
            })
            .await?;
        let read = |row: &berth_db::Row| {
            let quota: Option<i64> = row.get(3)?;
            Ok(NamespaceUsage {
                name: row.get(0)?,
                bytes: Bytes { all: size(row, 1)?, own: size(row, 2)? },
                quota: quota.and_then(|quota| u64::try_from(quota).ok()),
            })
        };
        Ok(crate::Page::cut(rows.iter().map(read).collect::<Result<_, MetaError>>()?, limit))
    }

    /// Repositories of a namespace after `after` in byte order, with what they use.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn repository_usages(
        &self,
        namespace: &str,
        after: &str,
        limit: usize,
    ) -> Result<crate::Page<(String, Bytes)>, MetaError> {
        let (namespace, after) = (namespace.to_owned(), after.to_owned());
        let sql = "SELECT r.name, COALESCE(u.bytes, 0), COALESCE(u.own_bytes, 0) FROM namespaces n
             JOIN repositories r ON r.namespace_id = n.id AND r.name > ?2 AND r.name < '~'
             LEFT JOIN usage u ON u.kind = 'repository' AND u.id = r.id
             WHERE n.name = ?1 ORDER BY r.name LIMIT ?3";
        let probe = crate::rows::probe(limit);
        let rows = self
            .db
            .read(move |mut tx| {
                let (namespace, after) = (namespace.clone(), after.clone());
                Box::pin(async move { tx.query(sql, params![&namespace, &after, probe]).await })
            })
            .await?;
        let read = |row: &berth_db::Row| Ok((row.get(0)?, Bytes { all: size(row, 1)?, own: size(row, 2)? }));
        Ok(crate::Page::cut(rows.iter().map(read).collect::<Result<_, MetaError>>()?, limit))
    }
}
