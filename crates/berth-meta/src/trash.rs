//! The trash: what was deleted and can be had back until its time is over.
//!
//! A deleted repository keeps all its rows under a name that nobody can ask for, so each question about it is answered as
//! if it were not there, and having it back is giving it its name. A deleted manifest keeps its row and its edges.

use berth_db::{Tx, params};
use berth_oci::{Digest, RepositoryName, Tag};

use crate::life::{self, Life};
use crate::preview::{self, Mode, Removal};
use crate::repositories::{self, RepositoryId};
use crate::rows::{digest, probe, size};
use crate::rules::Rules;
use crate::{Change, Meta, MetaError, Page, Timestamp, tags, usage};

/// A repository in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedRepository {
    /// Its number, by which it can be had back.
    pub id: i64,
    /// The name that it had.
    pub name: String,
    /// Since when.
    pub deleted_at: Timestamp,
    /// By whom.
    pub deleted_by: String,
    /// Its bytes, and those of them that will be free.
    pub bytes: usage::Bytes,
}

/// A manifest in the trash, or on its way there because nothing holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedManifest {
    /// Its digest.
    pub digest: Digest,
    /// Since when.
    pub since: Timestamp,
    /// Who deleted it; `None` if nothing holds it any more.
    pub deleted_by: Option<String>,
    /// The tags that named it last.
    pub tags: Vec<String>,
}

impl Meta {
    /// Deletes a manifest: the tags that name it end, and it can be restored until its trash time is over.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`], [`MetaError::ManifestUnknown`], [`MetaError::ManifestInUse`],
    /// [`MetaError::TagImmutable`].
    pub async fn remove_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &Digest,
        change: &Change,
        mode: Mode,
    ) -> Result<Removal, MetaError> {
        let (repository, manifest, change) = (repository.clone(), manifest.to_string(), change.clone());
        preview::run(&self.db, mode, move |mut tx| {
            let (repository, manifest, change) = (repository.clone(), manifest.clone(), change.clone());
            Box::pin(async move { remove_manifest(&mut tx, &repository, &manifest, &change).await })
        })
        .await
    }

    /// Restores a deleted manifest, with the tags that its deletion ended and whose name is free.
    ///
    /// # Errors
    /// [`MetaError::NotInTrash`]; [`MetaError::BytesGone`].
    pub async fn restore_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &Digest,
        change: &Change,
    ) -> Result<Vec<Tag>, MetaError> {
        let (repository, manifest, change) = (repository.clone(), manifest.to_string(), change.clone());
        self.db
            .write(move |mut tx| {
                let (repository, manifest, change) = (repository.clone(), manifest.clone(), change.clone());
                Box::pin(async move { restore_manifest(&mut tx, &repository, &manifest, &change).await })
            })
            .await
    }

    /// Deletes a repository with all that is in it; it can be restored until its trash time is over.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`]; [`MetaError::TagImmutable`] if it has a tag that may not go.
    pub async fn remove_repository(
        &self,
        repository: &RepositoryName,
        change: &Change,
        mode: Mode,
    ) -> Result<Removal, MetaError> {
        let (repository, change) = (repository.clone(), change.clone());
        preview::run(&self.db, mode, move |mut tx| {
            let (repository, change) = (repository.clone(), change.clone());
            Box::pin(async move { remove_repository(&mut tx, &repository, &change).await })
        })
        .await
    }

    /// Repositories in the trash, the last ones first; after the one that was deleted then and has that number.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn deleted_repositories(
        &self,
        after: Option<(Timestamp, i64)>,
        limit: usize,
    ) -> Result<Page<DeletedRepository>, MetaError> {
        let sql = "SELECT r.id, r.former_name, r.deleted_at, r.deleted_by, COALESCE(u.bytes, 0), COALESCE(u.own_bytes, 0)
             FROM repositories r LEFT JOIN usage u ON u.kind = 'repository' AND u.id = r.id
             WHERE r.former_name IS NOT NULL
               AND (r.deleted_at < ?1 OR (r.deleted_at = ?1 AND r.id < ?2))
             ORDER BY r.deleted_at DESC, r.id DESC LIMIT ?3";
        let (at, id) = after.map_or((i64::MAX, i64::MAX), |(at, id)| (at.0, id));
        let probe = probe(limit);
        let rows = self
            .db
            .read(move |mut tx| Box::pin(async move { tx.query(sql, params![at, id, probe]).await }))
            .await?;
        let read = |row: &berth_db::Row| {
            Ok(DeletedRepository {
                id: row.get(0)?,
                name: row.get(1)?,
                deleted_at: Timestamp(row.get(2)?),
                deleted_by: row.get(3)?,
                bytes: usage::Bytes { all: size(row, 4)?, own: size(row, 5)? },
            })
        };
        Ok(Page::cut(rows.iter().map(read).collect::<Result<_, MetaError>>()?, limit))
    }

    /// Restores a repository: the one of that number, under the name that it had or another.
    ///
    /// # Errors
    /// [`MetaError::NotInTrash`]; [`MetaError::NameTaken`].
    pub async fn restore_repository(
        &self,
        id: i64,
        name: &RepositoryName,
        change: &Change,
    ) -> Result<(), MetaError> {
        let (name, change) = (name.clone(), change.clone());
        self.db
            .write(move |mut tx| {
                let (name, change) = (name.clone(), change.clone());
                Box::pin(async move {
                    let sql = "SELECT namespace_id FROM repositories
                         WHERE id = ?1 AND deleted_at IS NOT NULL AND former_name IS NOT NULL";
                    let row = tx.query_opt(sql, params![id]).await?.ok_or(MetaError::NotInTrash)?;
                    repositories::take_name(&mut tx, RepositoryId(id), row.get(0)?, &name).await?;
                    let sql =
                        "UPDATE repositories SET deleted_at = NULL, deleted_by = NULL, former_name = NULL
                         WHERE id = ?1";
                    tx.execute(sql, params![id]).await?;
                    Ok(change.tell(&mut tx, "repository.restore", &name, name.as_str(), "").await?)
                })
            })
            .await
    }

    /// Manifests of a repository that are deleted or loose, the oldest first; after the one that is it since then and has
    /// that digest. What went together has one time.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`].
    pub async fn deleted_manifests(
        &self,
        repository: &RepositoryName,
        after: Option<(Timestamp, Digest)>,
        limit: usize,
    ) -> Result<Page<DeletedManifest>, MetaError> {
        let repository = repository.clone();
        let after = after.map_or((0, String::new()), |(since, digest)| (since.0, digest.to_string()));
        let items = self
            .db
            .read(move |mut tx| {
                let (repository, after) = (repository.clone(), after.clone());
                Box::pin(async move { list(&mut tx, &repository, after, limit).await })
            })
            .await?;
        Ok(Page::cut(items, limit))
    }

    /// Ends the trash time of what is deleted or loose in a repository now, and of deleted repositories of that name; the
    /// next cleaning takes it. Tells what goes, with the bytes of the first thousand manifests.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn empty_trash(
        &self,
        repository: &RepositoryName,
        change: &Change,
        mode: Mode,
    ) -> Result<Removal, MetaError> {
        let (repository, change) = (repository.clone(), change.clone());
        preview::run(&self.db, mode, move |mut tx| {
            let (repository, change) = (repository.clone(), change.clone());
            Box::pin(async move { empty(&mut tx, &repository, &change).await })
        })
        .await
    }
}

async fn empty(tx: &mut Tx<'_>, repository: &RepositoryName, change: &Change) -> Result<Removal, MetaError> {
    let mut removal = Removal::default();
    let sql = "UPDATE repositories SET deleted_at = ?1 WHERE former_name = ?2 AND deleted_at IS NOT NULL RETURNING id";
    for row in tx.query(sql, params![AT_ONCE, repository.as_str()]).await? {
        let id = RepositoryId(row.get(0)?);
        let bytes = usage::repository(tx, id).await?;
        removal.freed += bytes.own;
        removal.shared += bytes.all.saturating_sub(bytes.own);
        let sql = "SELECT COUNT(*) FROM manifests WHERE repository_id = ?1";
        removal.n_manifests += size(&tx.query_one(sql, params![id.0]).await?, 0)?;
    }
    if let Some(id) = repositories::find(tx, repository).await? {
        empty_manifests(tx, id, &mut removal).await?;
    }
    let n = removal.n_manifests.to_string();
    change.tell(tx, "trash.empty", repository, repository.as_str(), &n).await?;
    Ok(removal)
}

async fn empty_manifests(tx: &mut Tx<'_>, id: RepositoryId, removal: &mut Removal) -> Result<(), MetaError> {
    /// Manifests whose bytes are counted.
    const WEIGHED: usize = 1000;
    let deleted = "UPDATE manifests SET deleted_at = ?1 WHERE repository_id = ?2 AND deleted_at IS NOT NULL RETURNING id";
    let loose = "UPDATE manifests SET loose_since = ?1
         WHERE repository_id = ?2 AND loose_since IS NOT NULL AND deleted_at IS NULL RETURNING id";
    let mut going = Vec::new();
    for sql in [deleted, loose] {
        for row in tx.query(sql, params![AT_ONCE, id.0]).await? {
            going.push(row.get(0)?);
        }
    }
    let weighed = going.len().min(WEIGHED);
    removal.count(tx, id, &going[..weighed]).await?;
    removal.n_manifests += (going.len() - weighed) as u64;
    Ok(())
}

/// A time before all others, for what may go at once.
const AT_ONCE: i64 = i64::MIN / 2;

/// Whether the trash time was ended by hand. What belongs to something that goes at once is put right behind it.
pub(crate) fn goes_at_once(since: i64) -> bool {
    since < AT_ONCE / 2
}

async fn list(
    tx: &mut Tx<'_>,
    repository: &RepositoryName,
    (since, last): (i64, String),
    limit: usize,
) -> Result<Vec<DeletedManifest>, MetaError> {
    let id = repositories::require(tx, repository).await?;
    let loose = "SELECT digest, loose_since, NULL FROM manifests
         WHERE repository_id = ?1 AND loose_since >= ?2 AND (loose_since > ?2 OR digest > ?3)
         ORDER BY loose_since, digest LIMIT ?4";
    let deleted = "SELECT digest, deleted_at, deleted_by FROM manifests
         WHERE repository_id = ?1 AND deleted_at >= ?2 AND (deleted_at > ?2 OR digest > ?3)
         ORDER BY deleted_at, digest LIMIT ?4";
    let mut items = Vec::new();
    for sql in [loose, deleted] {
        for row in tx.query(sql, params![id.0, since, &last, probe(limit)]).await? {
            let (digest, since) = (digest(&row, 0)?, Timestamp(row.get(1)?));
            items.push(DeletedManifest { digest, since, deleted_by: row.get(2)?, tags: Vec::new() });
        }
    }
    items.sort_by_key(|item| (item.since, item.digest.to_string()));
    items.truncate(limit.saturating_add(1));
    for item in &mut items {
        // Sorted here: asked for in order, the database would go through every tag there is.
        let sql = "SELECT name FROM tags WHERE repository_id = ?1 AND digest = ?2 AND ended_at IS NOT NULL LIMIT 20";
        let rows = tx.query(sql, params![id.0, &item.digest.to_string()]).await?;
        item.tags = repositories::names(&rows)?;
        item.tags.sort();
        item.tags.dedup();
        item.tags.truncate(5);
    }
    Ok(items)
}

async fn remove_manifest(
    tx: &mut Tx<'_>,
    repository: &RepositoryName,
    target: &str,
    change: &Change,
) -> Result<Removal, MetaError> {
    let id = repositories::require(tx, repository).await?;
    let found = life::find(tx, id, target).await?.filter(|manifest| manifest.deleted_at.is_none());
    let manifest = found.ok_or(MetaError::ManifestUnknown)?;
    if let Some(index) = life::holding_index(tx, id, target).await? {
        return Err(MetaError::ManifestInUse { index });
    }
    let (rules, open) = (Rules::of(tx, repository).await?, tags::naming(tx, id, target).await?);
    let mut ended = Vec::with_capacity(open.len());
    for tag in open {
        let name: Tag = tag.name.parse().map_err(|_| MetaError::Damaged { what: "a tag" })?;
        rules.require_mutable(&name)?;
        tags::end(tx, tag.id, change, "").await?;
        ended.push(tag.name);
    }
    let sql = "UPDATE manifests SET deleted_at = ?1, deleted_by = ?2, loose_since = NULL WHERE id = ?3";
    tx.execute(sql, params![change.at.0, &change.actor.name, manifest.id]).await?;
    let dependents = life::dependents(tx, id, &manifest).await?;
    let mut gone = life::settle(tx, id, dependents, change.at).await?;
    gone.push(manifest.id);
    let mut removal = Removal::default();
    removal.end(&ended);
    removal.count(tx, id, &gone).await?;
    change.tell(tx, "manifest.delete", repository, target, "").await?;
    Ok(removal)
}

async fn restore_manifest(
    tx: &mut Tx<'_>,
    repository: &RepositoryName,
    target: &str,
    change: &Change,
) -> Result<Vec<Tag>, MetaError> {
    let id = repositories::require(tx, repository).await?;
    let found: Option<Life> = life::find(tx, id, target).await?;
    let manifest = found.filter(|manifest| !manifest.is_living()).ok_or(MetaError::NotInTrash)?;
    require_whole(tx, id, manifest.id).await?;
    let mut restored = Vec::new();
    if let Some(deleted_at) = manifest.deleted_at {
        let rules = Rules::of(tx, repository).await?;
        let sql = "SELECT name FROM tags WHERE repository_id = ?1 AND digest = ?2 AND ended_at = ?3";
        for row in tx.query(sql, params![id.0, target, deleted_at]).await? {
            let tag: Tag = row.get::<String>(0)?.parse().map_err(|_| MetaError::Damaged { what: "a tag" })?;
            if tags::find_open(tx, id, &tag).await?.is_none() {
                let setting = tags::Setting { tag: &tag, target, why: "" };
                tags::set(tx, id, &setting, &rules, change).await?;
                restored.push(tag);
            }
        }
    }
    undelete(tx, manifest.id).await?;
    // Somebody wants it, whether or not anything holds it.
    tx.execute("UPDATE manifests SET loose_since = NULL WHERE id = ?1", params![manifest.id]).await?;
    let dependents = life::dependents(tx, id, &manifest).await?;
    life::settle(tx, id, dependents, change.at).await?;
    change.tell(tx, "manifest.restore", repository, target, "").await?;
    Ok(restored)
}

/// Takes the mark of deletion away; whoever does it settles.
pub(crate) async fn undelete(tx: &mut Tx<'_>, manifest: i64) -> Result<(), MetaError> {
    let sql = "UPDATE manifests SET deleted_at = NULL, deleted_by = NULL WHERE id = ?1";
    tx.execute(sql, params![manifest]).await?;
    Ok(())
}

/// Refuses what lacks a blob that it needs: somebody deleted it while the manifest was in the trash.
pub(crate) async fn require_whole(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    manifest: i64,
) -> Result<(), MetaError> {
    let sql = "SELECT DISTINCT e.digest FROM manifest_references e
         WHERE e.manifest_id = ?1 AND e.role = 'blob' AND NOT EXISTS (
             SELECT 1 FROM blobs b JOIN repository_blobs m ON m.blob_id = b.id
             WHERE b.digest = e.digest AND m.repository_id = ?2)";
    let rows = tx.query(sql, params![manifest, repository.0]).await?;
    let missing = rows.iter().map(|row| digest(row, 0)).collect::<Result<Vec<_>, _>>()?;
    if missing.is_empty() { Ok(()) } else { Err(MetaError::BytesGone { missing }) }
}

async fn remove_repository(
    tx: &mut Tx<'_>,
    repository: &RepositoryName,
    change: &Change,
) -> Result<Removal, MetaError> {
    /// Tags whose names are told.
    const TOLD: i64 = 100;
    let id = repositories::require(tx, repository).await?;
    let rules = Rules::of(tx, repository).await?;
    repositories::require_no_immutable(tx, id, &rules).await?;
    let sql = "SELECT name FROM tags WHERE repository_id = ?1 AND ended_at IS NULL ORDER BY name LIMIT ?2";
    let told = repositories::names(&tx.query(sql, params![id.0, TOLD]).await?)?;
    let count = async |tx: &mut Tx<'_>, sql: &str| size(&tx.query_one(sql, params![id.0]).await?, 0);
    let n_tags = count(tx, "SELECT COUNT(*) FROM tags WHERE repository_id = ?1 AND ended_at IS NULL").await?;
    let n_manifests = count(tx, "SELECT COUNT(*) FROM manifests WHERE repository_id = ?1").await?;
    let bytes = usage::repository(tx, id).await?;
    let sql = "UPDATE repositories SET name = ?1, former_name = name, deleted_at = ?2, deleted_by = ?3 WHERE id = ?4";
    // No repository can be called that.
    let hidden = format!("~{}", id.0);
    tx.execute(sql, params![&hidden, change.at.0, &change.actor.name, id.0]).await?;
    change.tell(tx, "repository.delete", repository, repository.as_str(), "").await?;
    Ok(Removal {
        tags: told,
        n_tags,
        manifests: Vec::new(),
        n_manifests,
        freed: bytes.own,
        shared: bytes.all.saturating_sub(bytes.own),
    })
}
