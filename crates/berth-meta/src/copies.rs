//! Images that come from one repository into another without their bytes being moved.

use std::collections::BTreeSet;

use berth_db::{Tx, params};
use berth_oci::{Digest, Reference, RepositoryName, Tag};

use crate::preview::{self, Mode};
use crate::repositories::{self, RepositoryId};
use crate::rules::Rules;
use crate::{Change, Fullness, Meta, MetaError, TagMove, Timestamp, blobs, life, quotas, tags, trash, usage};

/// Manifests that one copy takes along at most.
const MOST: usize = 2000;

/// A copy of one image with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Where it is.
    pub from: RepositoryName,
    /// Which.
    pub at: Reference,
    /// Where it shall be.
    pub into: RepositoryName,
    /// The tags that shall name it there.
    pub tags: Vec<Tag>,
    /// Whether signatures, SBOMs and other referrers come along.
    pub referrers: bool,
}

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The image.
    pub digest: Digest,
    /// Manifests that are new in the target.
    pub manifests: u64,
    /// Blobs that are new in the target.
    pub blobs: u64,
    /// Tags that were asked for and moved.
    pub moves: Vec<TagMove>,
    /// Tags that followed by a rule.
    pub floated: Vec<TagMove>,
    /// The quotas that are nearly used up.
    pub nearly_full: Vec<Fullness>,
}

impl Meta {
    /// Copies an image: its manifest, its children, and what says something about them; all or nothing.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`], [`MetaError::ManifestUnknown`]; [`MetaError::TagImmutable`] and
    /// [`MetaError::QuotaExceeded`] of the target; [`MetaError::TooMuch`].
    pub async fn copy(
        &self,
        copy: Copy,
        change: &Change,
        lease_until: Timestamp,
        mode: Mode,
    ) -> Result<Copied, MetaError> {
        let change = change.clone();
        preview::run(&self.db, mode, move |mut tx| {
            let (copy, change) = (copy.clone(), change.clone());
            Box::pin(async move { run(&mut tx, &copy, &change, lease_until).await })
        })
        .await
    }
}

async fn run(
    tx: &mut Tx<'_>,
    copy: &Copy,
    change: &Change,
    lease_until: Timestamp,
) -> Result<Copied, MetaError> {
    let from = repositories::require(tx, &copy.from).await?;
    let digest = resolve(tx, from, &copy.at).await?;
    let root = life::find(tx, from, &digest).await?.filter(|manifest| manifest.deleted_at.is_none());
    let root = root.ok_or(MetaError::ManifestUnknown)?;
    let family = family(tx, from, root.id, copy.referrers).await?;
    let into = repositories::find_or_make(tx, &copy.into, change).await?;
    let (mut n_manifests, mut n_blobs) = (0, 0);
    let mut copies = Vec::with_capacity(family.len());
    for id in family {
        n_blobs += copy_blobs(tx, id, from, into, change, lease_until).await?;
        let (copied, is_new) = copy_manifest(tx, id, into, change).await?;
        n_manifests += u64::from(is_new);
        copies.push(copied);
    }
    // What the images here say of themselves, the copy says there.
    let sql = "INSERT INTO labels (repository_id, key, value) SELECT ?1, key, value FROM labels WHERE repository_id = ?2
         ON CONFLICT (repository_id, key) DO NOTHING";
    tx.execute(sql, params![into.0, from.0]).await?;
    let rules = Rules::of(tx, &copy.into).await?;
    if copy.referrers {
        copy_attached_tags(tx, from, into, &copies, &rules, change).await?;
    }
    let (moves, floated) = tags::set_all(tx, into, &copy.tags, &digest, &rules, change).await?;
    for copied in copies {
        life::settle_pushed(tx, into, copied, change.at).await?;
    }
    let nearly_full = quotas::within_quota(tx, &copy.into).await?;
    let names = moves.iter().chain(&floated).map(|moved| moved.tag.as_str()).collect::<Vec<_>>().join(", ");
    let detail = format!("from {}: {names}", copy.from);
    change.tell(tx, "manifest.copy", &copy.into, &digest, &detail).await?;
    let digest = digest.parse().map_err(|_| MetaError::Damaged { what: "a digest" })?;
    Ok(Copied { digest, manifests: n_manifests, blobs: n_blobs, moves, floated, nearly_full })
}

async fn resolve(tx: &mut Tx<'_>, repository: RepositoryId, at: &Reference) -> Result<String, MetaError> {
    match at {
        Reference::Digest(digest) => Ok(digest.to_string()),
        Reference::Tag(tag) => {
            let open = tags::find_open(tx, repository, tag).await?.ok_or(MetaError::ManifestUnknown)?;
            Ok(open.digest)
        }
    }
}

/// The manifests that a manifest stands for: its children at any depth, and their referrers if those are wanted. What is
/// attached by a tag's name comes with the referrers.
pub(crate) async fn family(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    root: i64,
    referrers: bool,
) -> Result<BTreeSet<i64>, MetaError> {
    let children = "SELECT c.id FROM manifest_references e
         JOIN manifests c ON c.repository_id = e.repository_id AND c.digest = e.digest AND c.deleted_at IS NULL
         WHERE e.manifest_id = ?1 AND e.role <> 'blob'";
    let about = "SELECT r.id FROM manifests m
         JOIN manifests r ON r.repository_id = m.repository_id AND r.subject = m.digest AND r.deleted_at IS NULL
         WHERE m.id = ?1";
    let mut found = BTreeSet::from([root]);
    let mut queue = vec![root];
    while let Some(id) = queue.pop() {
        let mut next = tx.query(children, params![id]).await?;
        if referrers {
            next.extend(tx.query(about, params![id]).await?);
            let digest: String =
                tx.query_one("SELECT digest FROM manifests WHERE id = ?1", params![id]).await?.get(0)?;
            let sql = "SELECT m.id FROM tags t
                 JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest
                 WHERE t.repository_id = ?1 AND t.name = ?2 AND t.ended_at IS NULL";
            for name in life::attached_names(&digest) {
                next.extend(tx.query(sql, params![repository.0, &name]).await?);
            }
        }
        for row in next {
            let id: i64 = row.get(0)?;
            if found.insert(id) {
                queue.push(id);
            }
        }
        if found.len() > MOST {
            return Err(MetaError::TooMuch {
                what: "more than 2000 manifests belong to this image; copy its parts",
            });
        }
    }
    Ok(found)
}

async fn copy_blobs(
    tx: &mut Tx<'_>,
    manifest: i64,
    from: RepositoryId,
    into: RepositoryId,
    change: &Change,
    lease_until: Timestamp,
) -> Result<u64, MetaError> {
    let sql = "SELECT DISTINCT b.id, b.size FROM manifest_references e JOIN blobs b ON b.digest = e.digest
         JOIN repository_blobs m ON m.blob_id = b.id AND m.repository_id = ?2 WHERE e.manifest_id = ?1";
    let mut n_new = 0;
    for row in tx.query(sql, params![manifest, from.0]).await? {
        let is_new = blobs::join(tx, into, row.get(0)?, row.get(1)?, change.at, lease_until).await?;
        n_new += u64::from(is_new);
    }
    Ok(n_new)
}

/// Gives the row in the target, and whether it is new there.
async fn copy_manifest(
    tx: &mut Tx<'_>,
    id: i64,
    into: RepositoryId,
    change: &Change,
) -> Result<(i64, bool), MetaError> {
    let sql = "SELECT c.id, c.media_type, m.media_type FROM manifests m
         JOIN manifests c ON c.digest = m.digest AND c.repository_id = ?2 WHERE m.id = ?1";
    if let Some(row) = tx.query_opt(sql, params![id, into.0]).await? {
        let (copied, stored, wanted): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if stored != wanted {
            return Err(MetaError::MediaTypeFixed { stored });
        }
        trash::undelete(tx, copied).await?;
        return Ok((copied, false));
    }
    let sql = "INSERT INTO manifests
             (repository_id, digest, media_type, size, content, subject, artifact_type, annotations, pushed_at, pushed_by)
         SELECT ?1, digest, media_type, size, content, subject, artifact_type, annotations, ?2, ?3
         FROM manifests WHERE id = ?4 RETURNING id, size";
    let row = tx.query_one(sql, params![into.0, change.at.0, &change.actor.name, id]).await?;
    let (copied, size): (i64, i64) = (row.get(0)?, row.get(1)?);
    let sql = "INSERT INTO manifest_references (manifest_id, position, repository_id, role, digest, size)
         SELECT ?1, position, ?2, role, digest, size FROM manifest_references WHERE manifest_id = ?3";
    tx.execute(sql, params![copied, into.0, id]).await?;
    let sql = "INSERT INTO pulls (manifest_id, pulls, used_at) VALUES (?1, 0, ?2)";
    tx.execute(sql, params![copied, change.at.0]).await?;
    usage::manifest(tx, into, size).await?;
    Ok((copied, true))
}

/// The tags by which signatures of older clients are found.
async fn copy_attached_tags(
    tx: &mut Tx<'_>,
    from: RepositoryId,
    into: RepositoryId,
    copies: &[i64],
    rules: &Rules,
    change: &Change,
) -> Result<(), MetaError> {
    for copied in copies {
        let sql = "SELECT digest FROM manifests WHERE id = ?1";
        let digest: String = tx.query_one(sql, params![*copied]).await?.get(0)?;
        for name in life::attached_names(&digest) {
            let tag: Tag = name.parse().map_err(|_| MetaError::Damaged { what: "a digest" })?;
            if let Some(open) = tags::find_open(tx, from, &tag).await? {
                let setting = tags::Setting { tag: &tag, target: &open.digest, why: "" };
                tags::set(tx, into, &setting, rules, change).await?;
            }
        }
    }
    Ok(())
}
