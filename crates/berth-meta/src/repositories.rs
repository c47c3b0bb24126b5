//! Repositories: named, made by the first push.

use berth_db::{Row, Tx, params};
use berth_oci::RepositoryName;

use crate::rows::probe;
use crate::{Meta, MetaError, Page, Timestamp};

/// Row number of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RepositoryId(pub(crate) i64);

impl Meta {
    /// Lists repository names after `after` in byte order.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn repositories(&self, after: &str, limit: usize) -> Result<Page<String>, MetaError> {
        let after = after.to_owned();
        let sql = "SELECT name FROM repositories WHERE name > ?1 ORDER BY name LIMIT ?2";
        let rows = self
            .db
            .read(move |mut tx| {
                let after = after.clone();
                Box::pin(async move { tx.query(sql, params![&after, probe(limit)]).await })
            })
            .await?;
        Ok(Page::cut(names(&rows)?, limit))
    }

    /// Whether there is such a repository.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn repository_exists(&self, name: &RepositoryName) -> Result<bool, MetaError> {
        let name = name.clone();
        self.db
            .read(move |mut tx| {
                let name = name.clone();
                Box::pin(async move { Ok(find(&mut tx, &name).await?.is_some()) })
            })
            .await
    }
}

/// First column of each row, as text.
pub(crate) fn names(rows: &[Row]) -> Result<Vec<String>, MetaError> {
    rows.iter().map(|row| Ok(row.get(0)?)).collect()
}

pub(crate) async fn find(tx: &mut Tx<'_>, name: &RepositoryName) -> Result<Option<RepositoryId>, MetaError> {
    let row = tx.query_opt("SELECT id FROM repositories WHERE name = ?1", params![name.as_str()]).await?;
    row.map(|row| Ok(RepositoryId(row.get(0)?))).transpose()
}

pub(crate) async fn require(tx: &mut Tx<'_>, name: &RepositoryName) -> Result<RepositoryId, MetaError> {
    find(tx, name).await?.ok_or(MetaError::RepositoryUnknown)
}

pub(crate) async fn find_or_make(
    tx: &mut Tx<'_>,
    name: &RepositoryName,
    now: Timestamp,
) -> Result<RepositoryId, MetaError> {
    if let Some(id) = find(tx, name).await? {
        return Ok(id);
    }
    let sql = "INSERT INTO repositories (name, created_at) VALUES (?1, ?2) RETURNING id";
    Ok(RepositoryId(tx.query_one(sql, params![name.as_str(), now.0]).await?.get(0)?))
}
