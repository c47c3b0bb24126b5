//! Tags: rows with a lifetime. The open row is the tag; the closed ones are its history.

use berth_db::{Tx, params};
use berth_oci::{Digest, RepositoryName, Tag};

use crate::repositories::{self, RepositoryId, names};
use crate::rows::{digest, probe};
use crate::{Change, Meta, MetaError, Page};

/// What a push did to a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagMove {
    /// The tag.
    pub tag: Tag,
    /// What it named before; `None` if it is new.
    pub from: Option<Digest>,
}

impl Meta {
    /// Lists the tags of a repository after `after` in byte order.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`].
    pub async fn tags(
        &self,
        repository: &RepositoryName,
        after: &str,
        limit: usize,
    ) -> Result<Page<String>, MetaError> {
        let (repository, after) = (repository.clone(), after.to_owned());
        let sql = "SELECT name FROM tags WHERE repository_id = ?1 AND ended_at IS NULL AND name > ?2
             ORDER BY name LIMIT ?3";
        self.db
            .read(move |mut tx| {
                let (repository, after) = (repository.clone(), after.clone());
                Box::pin(async move {
                    let id = repositories::require(&mut tx, &repository).await?;
                    let rows = tx.query(sql, params![id.0, &after, probe(limit)]).await?;
                    Ok(Page::cut(names(&rows)?, limit))
                })
            })
            .await
    }

    /// Ends a tag. The manifest and its other tags stay.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`], [`MetaError::ManifestUnknown`] if there is no such tag.
    pub async fn remove_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        change: &Change,
    ) -> Result<(), MetaError> {
        let (repository, tag, change) = (repository.clone(), tag.clone(), change.clone());
        let sql = "UPDATE tags SET ended_at = ?1, ended_by = ?2
             WHERE repository_id = ?3 AND name = ?4 AND ended_at IS NULL";
        self.db
            .write(move |mut tx| {
                let (repository, tag, change) = (repository.clone(), tag.clone(), change.clone());
                Box::pin(async move {
                    let id = repositories::require(&mut tx, &repository).await?;
                    let values = params![change.at.0, &change.actor.name, id.0, tag.as_str()];
                    if tx.execute(sql, values).await? == 0 {
                        return Err(MetaError::ManifestUnknown);
                    }
                    Ok(change.tell(&mut tx, "tag.delete", &repository, tag.as_str(), "").await?)
                })
            })
            .await
    }
}

/// Makes `tag` name `target`. Naming again what it names already changes nothing.
pub(crate) async fn set(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    tag: &Tag,
    target: &str,
    change: &Change,
) -> Result<Option<TagMove>, MetaError> {
    let (by, now) = (&change.actor.name, change.at);
    let sql = "SELECT id, digest FROM tags WHERE repository_id = ?1 AND name = ?2 AND ended_at IS NULL";
    let open = tx.query_opt(sql, params![repository.0, tag.as_str()]).await?;
    let mut from = None;
    if let Some(row) = open {
        if row.get::<String>(1)? == target {
            return Ok(None);
        }
        from = Some(digest(&row, 1)?);
        let sql = "UPDATE tags SET ended_at = ?1, ended_by = ?2 WHERE id = ?3";
        tx.execute(sql, params![now.0, by, row.get::<i64>(0)?]).await?;
    }
    let sql =
        "INSERT INTO tags (repository_id, name, digest, began_at, began_by) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.execute(sql, params![repository.0, tag.as_str(), target, now.0, by]).await?;
    Ok(Some(TagMove { tag: tag.clone(), from }))
}

/// Ends every tag that names `target`.
pub(crate) async fn end_all(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    target: &str,
    change: &Change,
) -> Result<(), MetaError> {
    let sql = "UPDATE tags SET ended_at = ?1, ended_by = ?2
         WHERE repository_id = ?3 AND digest = ?4 AND ended_at IS NULL";
    tx.execute(sql, params![change.at.0, &change.actor.name, repository.0, target]).await?;
    Ok(())
}
