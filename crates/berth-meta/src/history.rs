//! What tags named before: looking at it, going back to it.

use berth_db::{Row, Tx, params};
use berth_oci::{Digest, RepositoryName, Tag};

use crate::preview::{self, Mode};
use crate::repositories::{self, RepositoryId};
use crate::rows::{digest, probe};
use crate::rules::Rules;
use crate::{Change, Meta, MetaError, Page, TagMove, Timestamp, life, tags, trash};

/// A time during which a tag named a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPast {
    /// The number of the row: pages of a history go on before it.
    pub id: i64,
    /// The tag.
    pub tag: String,
    /// What it named.
    pub digest: Digest,
    /// Since when.
    pub began_at: Timestamp,
    /// By whom.
    pub began_by: String,
    /// Why, if nobody asked for just this: a rule moved it.
    pub began_why: Option<String>,
    /// Until when; `None` is now.
    pub ended_at: Option<Timestamp>,
    /// By whom it ended.
    pub ended_by: Option<String>,
    /// Why, if nobody asked for just this.
    pub ended_why: Option<String>,
    /// Whether the manifest is still there, so that one can go back to it.
    pub is_there: bool,
}

const COLUMNS: &str = "t.id, t.name, t.digest, t.began_at, t.began_by, t.began_why, t.ended_at, t.ended_by,
     t.ended_why, m.id FROM tags t
     LEFT JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest";

fn read(row: &Row) -> Result<TagPast, MetaError> {
    Ok(TagPast {
        id: row.get(0)?,
        tag: row.get(1)?,
        digest: digest(row, 2)?,
        began_at: Timestamp(row.get(3)?),
        began_by: row.get(4)?,
        began_why: row.get(5)?,
        ended_at: row.get::<Option<i64>>(6)?.map(Timestamp),
        ended_by: row.get(7)?,
        ended_why: row.get(8)?,
        is_there: row.get::<Option<i64>>(9)?.is_some(),
    })
}

/// Which past of a tag is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// What it named before what it names now, or before it ended.
    Previous,
    /// What it named at that time.
    At(Timestamp),
    /// This.
    Digest(Digest),
}

impl Meta {
    /// The history of a repository or of one of its tags, the newest first, before the row `before`.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`].
    pub async fn tag_history(
        &self,
        repository: &RepositoryName,
        tag: Option<&Tag>,
        before: i64,
        limit: usize,
    ) -> Result<Page<TagPast>, MetaError> {
        let (repository, tag) = (repository.clone(), tag.cloned());
        let narrow = if tag.is_some() { " AND t.name = ?4" } else { " AND ?4 = ''" };
        let sql = format!(
            "SELECT {COLUMNS} WHERE t.repository_id = ?1 AND t.id < ?2{narrow} ORDER BY t.id DESC LIMIT ?3"
        );
        let rows = self
            .db
            .read(move |mut tx| {
                let (repository, tag, sql) = (repository.clone(), tag.clone(), sql.clone());
                Box::pin(async move {
                    let id = repositories::require(&mut tx, &repository).await?;
                    let tag = tag.as_ref().map_or("", Tag::as_str);
                    Ok::<_, MetaError>(tx.query(&sql, params![id.0, before, probe(limit), tag]).await?)
                })
            })
            .await?;
        Ok(Page::cut(rows.iter().map(read).collect::<Result<_, MetaError>>()?, limit))
    }

    /// What a tag named at a time.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`]; [`MetaError::NoHistory`] if it named nothing then.
    pub async fn tag_at(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        at: Timestamp,
    ) -> Result<TagPast, MetaError> {
        let (repository, tag) = (repository.clone(), tag.clone());
        self.db
            .read(move |mut tx| {
                let (repository, tag) = (repository.clone(), tag.clone());
                Box::pin(async move {
                    let id = repositories::require(&mut tx, &repository).await?;
                    past(&mut tx, id, &tag, &Past::At(at)).await?.ok_or(MetaError::NoHistory)
                })
            })
            .await
    }

    /// Makes a tag name again what it named before. A manifest that was deleted is restored for it.
    ///
    /// # Errors
    /// [`MetaError::NoHistory`]; [`MetaError::BytesGone`] if its trash time was over; [`MetaError::TagImmutable`].
    pub async fn roll_back(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        to: Past,
        change: &Change,
        mode: Mode,
    ) -> Result<(Digest, Option<TagMove>), MetaError> {
        let (repository, tag, change) = (repository.clone(), tag.clone(), change.clone());
        preview::run(&self.db, mode, move |mut tx| {
            let (repository, tag, to, change) = (repository.clone(), tag.clone(), to.clone(), change.clone());
            Box::pin(async move {
                let id = repositories::require(&mut tx, &repository).await?;
                let target = match &to {
                    Past::Digest(digest) => digest.clone(),
                    to => past(&mut tx, id, &tag, to).await?.ok_or(MetaError::NoHistory)?.digest,
                };
                let rules = Rules::of(&mut tx, &repository).await?;
                let moved = point(&mut tx, id, &tag, &target, &rules, &change).await?;
                change.tell(&mut tx, "tag.rollback", &repository, tag.as_str(), &target.to_string()).await?;
                Ok((target, moved))
            })
        })
        .await
    }
}

async fn past(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    tag: &Tag,
    to: &Past,
) -> Result<Option<TagPast>, MetaError> {
    let row = match to {
        Past::At(at) => {
            let sql = format!(
                "SELECT {COLUMNS} WHERE t.repository_id = ?1 AND t.name = ?2 AND t.began_at <= ?3
                 AND (t.ended_at IS NULL OR t.ended_at > ?3) ORDER BY t.id DESC LIMIT 1"
            );
            tx.query_opt(&sql, params![repository.0, tag.as_str(), at.0]).await?
        }
        _ => {
            let sql = format!(
                "SELECT {COLUMNS} WHERE t.repository_id = ?1 AND t.name = ?2 AND t.ended_at IS NOT NULL
                 ORDER BY t.id DESC LIMIT 1"
            );
            tx.query_opt(&sql, params![repository.0, tag.as_str()]).await?
        }
    };
    row.map(|row| read(&row)).transpose()
}

/// Makes `tag` name `target`, which may have to be fetched from the trash. No other tag follows.
async fn point(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    tag: &Tag,
    target: &Digest,
    rules: &Rules,
    change: &Change,
) -> Result<Option<TagMove>, MetaError> {
    let digest = target.to_string();
    let Some(manifest) = life::find(tx, repository, &digest).await? else {
        return Err(MetaError::BytesGone { missing: vec![target.clone()] });
    };
    trash::require_whole(tx, repository, manifest.id).await?;
    trash::undelete(tx, manifest.id).await?;
    let setting = tags::Setting { tag, target: &digest, why: "" };
    let moved = tags::set(tx, repository, &setting, rules, change).await?;
    let mut touched = vec![manifest.id];
    if let Some(from) = moved.as_ref().and_then(|moved| moved.from.as_ref()) {
        touched.extend(life::find(tx, repository, &from.to_string()).await?.map(|manifest| manifest.id));
    }
    // A manifest that comes from the trash brings back what depends on it, though its own state may not change.
    touched.extend(life::dependents(tx, repository, &manifest).await?);
    life::settle(tx, repository, touched, change.at).await?;
    Ok(moved)
}
