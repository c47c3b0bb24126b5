//! Tags as people look at them: sorted and filtered, each with what it names and how that is used.

use berth_db::{Row, Tx, Value, params};
use berth_oci::{Digest, RepositoryName};
use bytes::Bytes;

use crate::repositories::{self, RepositoryId, is_public};
use crate::rows::{digest, probe, size};
use crate::search::holding;
use crate::{Meta, MetaError, Page, Timestamp};

/// Bytes of the longest manifest that a list brings along.
const SMALL: i64 = 128 * 1024;
/// Tags that are counted at most.
const COUNTED: i64 = 10_000;

/// How a list of tags is sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TagOrder {
    /// The last one that was set comes first.
    #[default]
    Newest,
    /// The first one that was set comes first.
    Oldest,
    /// By bytes of the name.
    Name,
    /// The same backwards.
    NameDown,
}

/// A place between two tags of a list, for the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPlace {
    /// When the tag before it was set.
    pub began_at: i64,
    /// The number of its row.
    pub id: i64,
    /// Its name.
    pub name: String,
}

/// A tag with what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTag {
    /// Where the list goes on after it.
    pub place: TagPlace,
    /// What it names.
    pub digest: Digest,
    /// When it was set.
    pub began_at: Timestamp,
    /// By whom.
    pub began_by: String,
    /// The media type of the manifest.
    pub media_type: String,
    /// Its artifact type, or its config's media type.
    pub artifact_type: Option<String>,
    /// Bytes of the manifest and of all that it names, and of what its platforms name.
    pub size: u64,
    /// Pulls that were counted.
    pub pulls: u64,
    /// When it was last used, or pushed.
    pub used_at: Option<Timestamp>,
    /// The manifest, if it is small.
    pub content: Option<Bytes>,
}

/// A tag that was set lately, anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentTag {
    /// Where the list goes on after it.
    pub place: TagPlace,
    /// The repository.
    pub repository: String,
    /// Whether everybody may pull from it.
    pub is_public: bool,
    /// By whom it was set.
    pub began_by: String,
}

/// A repository as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryCard {
    /// Its name.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// Whether everybody may pull from it.
    pub is_public: bool,
    /// When a tag was last set in it.
    pub pushed_at: Option<Timestamp>,
    /// Tags, ten thousand at most.
    pub tags: u64,
}

impl Meta {
    /// Tags of a repository whose name holds `filter`, in any case of letters, after `after`.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`].
    pub async fn list_tags(
        &self,
        repository: &RepositoryName,
        order: TagOrder,
        filter: &str,
        after: Option<TagPlace>,
        limit: usize,
    ) -> Result<Page<ListedTag>, MetaError> {
        let (repository, filter) = (repository.clone(), holding(filter));
        self.db
            .read(move |mut tx| {
                let (repository, filter, after) = (repository.clone(), filter.clone(), after.clone());
                Box::pin(async move {
                    let id = repositories::require(&mut tx, &repository).await?;
                    let mut tags = Vec::new();
                    for row in select(&mut tx, id, order, &filter, after, limit).await? {
                        tags.push(listed(&mut tx, id, &row).await?);
                    }
                    Ok(Page::cut(tags, limit))
                })
            })
            .await
    }

    /// Tags in all repositories, the last one that was set first, after `after`.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn recent_tags(
        &self,
        after: Option<TagPlace>,
        limit: usize,
    ) -> Result<Vec<RecentTag>, MetaError> {
        let (began, id) = after.map_or((i64::MAX, i64::MAX), |place| (place.began_at, place.id));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT t.began_at, t.id, t.name, r.name, r.visibility, t.began_by
             FROM tags t JOIN repositories r ON r.id = t.repository_id
             WHERE t.ended_at IS NULL AND (t.began_at, t.id) < (?1, ?2) AND r.name < '~'
             ORDER BY t.began_at DESC, t.id DESC LIMIT ?3";
        let rows = self
            .db
            .read(move |mut tx| Box::pin(async move { tx.query(sql, params![began, id, limit]).await }))
            .await?;
        let read = |row: &Row| {
            Ok(RecentTag {
                place: place(row)?,
                repository: row.get(3)?,
                is_public: is_public(row, 4)?,
                began_by: row.get(5)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// The repositories of these names, as a list shows them, in the order of the names; those that are gone are left
    /// out.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn cards(&self, names: Vec<String>) -> Result<Vec<RepositoryCard>, MetaError> {
        self.db
            .read(move |mut tx| {
                let names = names.clone();
                Box::pin(async move {
                    let mut cards = Vec::new();
                    for name in &names {
                        cards.extend(card(&mut tx, name).await?);
                    }
                    Ok(cards)
                })
            })
            .await
    }
}

async fn select(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    order: TagOrder,
    filter: &str,
    after: Option<TagPlace>,
    limit: usize,
) -> Result<Vec<Row>, MetaError> {
    let (test, sort) = match order {
        TagOrder::Newest => ("(t.began_at, t.id) < (?4, ?5)", "t.began_at DESC, t.id DESC"),
        TagOrder::Oldest => ("(t.began_at, t.id) > (?4, ?5)", "t.began_at, t.id"),
        TagOrder::Name => ("t.name > ?4", "t.name"),
        TagOrder::NameDown => ("t.name < ?4", "t.name DESC"),
    };
    let after = after.unwrap_or_else(|| beginning(order));
    // An index finds the page; asking it to compare every name with a pattern that fits all would be in the way.
    let fits = if filter == "%%" { "?2 = '%%'" } else { "LOWER(t.name) LIKE ?2 ESCAPE '!'" };
    let sql = format!(
        "SELECT t.began_at, t.id, t.name, t.digest, t.began_by, m.id, m.media_type, m.size, m.artifact_type,
             p.pulls, p.used_at, CASE WHEN m.size <= {SMALL} THEN m.content END
         FROM tags t
         LEFT JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest
         LEFT JOIN pulls p ON p.manifest_id = m.id
         WHERE t.repository_id = ?1 AND t.ended_at IS NULL AND {fits} AND {test} ORDER BY {sort} LIMIT ?3"
    );
    let mut values: Vec<Value<'_>> = vec![repository.0.into(), filter.into(), probe(limit).into()];
    match order {
        TagOrder::Newest | TagOrder::Oldest => {
            values.extend(params![after.began_at, after.id].iter().copied());
        }
        TagOrder::Name | TagOrder::NameDown => values.push((&after.name).into()),
    }
    Ok(tx.query(&sql, &values).await?)
}

/// The place before all tags.
fn beginning(order: TagOrder) -> TagPlace {
    match order {
        TagOrder::Newest => TagPlace { began_at: i64::MAX, id: i64::MAX, name: String::new() },
        TagOrder::Oldest | TagOrder::Name => {
            TagPlace { began_at: i64::MIN, id: i64::MIN, name: String::new() }
        }
        // Sorts after everything that a tag may hold.
        TagOrder::NameDown => TagPlace { began_at: 0, id: 0, name: "~".to_owned() },
    }
}

async fn listed(tx: &mut Tx<'_>, repository: RepositoryId, row: &Row) -> Result<ListedTag, MetaError> {
    let manifest: Option<i64> = row.get(5)?;
    let own = if manifest.is_some() { size(row, 7)? } else { 0 };
    let below = match manifest {
        Some(id) => size_below(tx, repository, id).await?,
        None => 0,
    };
    Ok(ListedTag {
        place: place(row)?,
        digest: digest(row, 3)?,
        began_at: Timestamp(row.get(0)?),
        began_by: row.get(4)?,
        media_type: row.get::<Option<String>>(6)?.unwrap_or_default(),
        artifact_type: row.get(8)?,
        size: own + below,
        pulls: row.get::<Option<i64>>(9)?.and_then(|pulls| u64::try_from(pulls).ok()).unwrap_or_default(),
        used_at: row.get::<Option<i64>>(10)?.map(Timestamp),
        content: row.get(11)?,
    })
}

/// What a manifest says of the sizes of all that it names, and its children of what they name.
async fn size_below(tx: &mut Tx<'_>, repository: RepositoryId, manifest: i64) -> Result<u64, MetaError> {
    let sql = "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM (
             SELECT e.size FROM manifest_references e WHERE e.manifest_id = ?2
             UNION ALL
             SELECT b.size FROM manifest_references e
             JOIN manifests c ON c.repository_id = ?1 AND c.digest = e.digest
             JOIN manifest_references b ON b.manifest_id = c.id
             WHERE e.manifest_id = ?2 AND e.role = 'child') AS sizes";
    size(&tx.query_one(sql, params![repository.0, manifest]).await?, 0)
}

async fn card(tx: &mut Tx<'_>, name: &str) -> Result<Option<RepositoryCard>, MetaError> {
    let sql = "SELECT r.description, r.visibility,
             (SELECT MAX(began_at) FROM tags WHERE repository_id = r.id AND ended_at IS NULL),
             (SELECT COUNT(*) FROM (SELECT 1 FROM tags WHERE repository_id = r.id AND ended_at IS NULL LIMIT ?2) AS t)
         FROM repositories r WHERE r.name = ?1";
    let Some(row) = tx.query_opt(sql, params![name, COUNTED]).await? else { return Ok(None) };
    Ok(Some(RepositoryCard {
        name: name.to_owned(),
        description: row.get(0)?,
        is_public: is_public(&row, 1)?,
        pushed_at: row.get::<Option<i64>>(2)?.map(Timestamp),
        tags: size(&row, 3)?,
    }))
}

fn place(row: &Row) -> Result<TagPlace, MetaError> {
    Ok(TagPlace { began_at: row.get(0)?, id: row.get(1)?, name: row.get(2)? })
}
