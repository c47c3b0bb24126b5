//! Manifests of a repository, with their edges.

use std::sync::Arc;

use berth_db::{Row, Tx, params};
use berth_oci::{Digest, Reference, RepositoryName, Tag};
use bytes::Bytes;

use crate::recent;
use crate::repositories::{self, RepositoryId};
use crate::rows::{digest, from_size, size};
use crate::rules::Rules;
use crate::{Change, Fullness, Meta, MetaError, TagMove, labels, life, quotas, tags, trash, usage};

/// A stored manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRow {
    /// Digest of its bytes.
    pub digest: Digest,
    /// Media type, as it was pushed.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    /// The bytes, if they were asked for; else empty.
    pub content: Bytes,
}

/// A manifest that was read and checked.
#[derive(Debug, Clone)]
pub struct NewManifest {
    /// Digest of `content`.
    pub digest: Digest,
    /// Media type, as pushed.
    pub media_type: String,
    /// The exact bytes.
    pub content: Bytes,
    /// Everything that it refers to, in order.
    pub references: Vec<Edge>,
    /// The manifest that this one says something about; it need not exist.
    pub subject: Option<Digest>,
    /// Artifact type, or the config's media type.
    pub artifact_type: Option<String>,
    /// Annotations as JSON, kept for the list of referrers.
    pub annotations: Option<String>,
    /// What the image says of itself, for search: labels of its config, and annotations.
    pub labels: Vec<(String, String)>,
}

/// A reference from a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// What is expected there.
    pub role: EdgeRole,
    /// Its digest.
    pub digest: Digest,
    /// Its size, as the manifest states it.
    pub size: u64,
}

/// What a manifest expects at the other end of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeRole {
    /// A blob that must be in the repository.
    Blob,
    /// Something that may be absent and is kept if it is there: a foreign layer, a descriptor of unknown meaning.
    Mention,
    /// A manifest, or for old build caches a blob.
    Child,
}

impl EdgeRole {
    fn as_str(self) -> &'static str {
        match self {
            EdgeRole::Blob => "blob",
            EdgeRole::Mention => "mention",
            EdgeRole::Child => "child",
        }
    }
}

/// What a manifest may name that is not in the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sparse {
    /// Nothing.
    Refuse,
    /// Children of an index: people copy the platforms that they need, and keep the digest of the whole.
    Indexes,
    /// Blobs of an image too: their client has them from elsewhere, or brings them later.
    All,
}

/// A push of one manifest.
#[derive(Debug, Clone)]
pub struct PutManifest {
    /// Where to.
    pub repository: RepositoryName,
    /// What.
    pub manifest: NewManifest,
    /// Tags that shall name it.
    pub tags: Vec<Tag>,
    /// Who pushes, and when.
    pub change: Change,
    /// The policy for what is absent.
    pub sparse: Sparse,
}

/// What a push did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutDone {
    /// The tags that were asked for and named something else, or nothing, before.
    pub moves: Vec<TagMove>,
    /// The tags that followed by a rule.
    pub floated: Vec<TagMove>,
    /// The quotas that are nearly used up.
    pub nearly_full: Vec<Fullness>,
}

impl Meta {
    /// Looks a manifest up by tag or digest, without its content.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`], [`MetaError::ManifestUnknown`].
    pub async fn manifest_head(
        &self,
        repository: &RepositoryName,
        at: &Reference,
    ) -> Result<ManifestRow, MetaError> {
        self.find_manifest(repository, at, false).await
    }

    /// Looks a manifest up by tag or digest, with its content.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`], [`MetaError::ManifestUnknown`].
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        at: &Reference,
    ) -> Result<ManifestRow, MetaError> {
        self.find_manifest(repository, at, true).await
    }

    async fn find_manifest(
        &self,
        repository: &RepositoryName,
        at: &Reference,
        content: bool,
    ) -> Result<ManifestRow, MetaError> {
        let sql = match (at, content) {
            (Reference::Tag(_), true) => BY_TAG,
            (Reference::Tag(_), false) => BY_TAG_HEAD,
            (Reference::Digest(_), true) => BY_DIGEST,
            (Reference::Digest(_), false) => BY_DIGEST_HEAD,
        };
        let key = at.to_string();
        let question =
            recent::question(&[if content { "content" } else { "head" }, repository.as_str(), &key]);
        let epoch = self.db.epoch();
        if let Some(row) = self.recent.manifests.get(epoch, &question) {
            return Ok(row);
        }
        let name = repository.clone();
        let row = self
            .db
            .read(move |mut tx| {
                let (name, key) = (name.clone(), key.clone());
                Box::pin(async move { tx.query_opt(sql, params![name.as_str(), &key]).await })
            })
            .await?;
        match row {
            Some(row) => {
                let row = read(&row)?;
                if epoch.is_some() && epoch == self.db.epoch() {
                    self.recent.manifests.put(epoch, question, &row, row.content.len());
                }
                Ok(row)
            }
            None if self.repository_exists(repository).await? => Err(MetaError::ManifestUnknown),
            None => Err(MetaError::RepositoryUnknown),
        }
    }

    /// Stores a manifest with its edges and sets tags to it, with those that float after them, all or nothing.
    ///
    /// # Errors
    /// [`MetaError::ReferencesMissing`] with every absent reference; [`MetaError::MediaTypeFixed`];
    /// [`MetaError::TagImmutable`]; [`MetaError::QuotaExceeded`]; [`MetaError::Renamed`].
    pub async fn put_manifest(&self, put: PutManifest) -> Result<PutDone, MetaError> {
        let put = Arc::new(put);
        self.db
            .write(move |mut tx| {
                let put = Arc::clone(&put);
                Box::pin(async move { store(&mut tx, &put).await })
            })
            .await
    }
}

const BY_TAG: &str = "SELECT m.digest, m.media_type, m.size, m.content FROM repositories r
     JOIN tags t ON t.repository_id = r.id AND t.name = ?2 AND t.ended_at IS NULL
     JOIN manifests m ON m.repository_id = r.id AND m.digest = t.digest AND m.deleted_at IS NULL
     WHERE r.name = ?1";
const BY_TAG_HEAD: &str = "SELECT m.digest, m.media_type, m.size, NULL FROM repositories r
     JOIN tags t ON t.repository_id = r.id AND t.name = ?2 AND t.ended_at IS NULL
     JOIN manifests m ON m.repository_id = r.id AND m.digest = t.digest AND m.deleted_at IS NULL
     WHERE r.name = ?1";
const BY_DIGEST: &str = "SELECT m.digest, m.media_type, m.size, m.content FROM repositories r
     JOIN manifests m ON m.repository_id = r.id AND m.digest = ?2 AND m.deleted_at IS NULL
     WHERE r.name = ?1";
const BY_DIGEST_HEAD: &str = "SELECT m.digest, m.media_type, m.size, NULL FROM repositories r
     JOIN manifests m ON m.repository_id = r.id AND m.digest = ?2 AND m.deleted_at IS NULL
     WHERE r.name = ?1";

fn read(row: &Row) -> Result<ManifestRow, MetaError> {
    Ok(ManifestRow {
        digest: digest(row, 0)?,
        media_type: row.get(1)?,
        size: size(row, 2)?,
        content: row.get::<Option<Bytes>>(3)?.unwrap_or_default(),
    })
}

async fn store(tx: &mut Tx<'_>, put: &PutManifest) -> Result<PutDone, MetaError> {
    let manifest = &put.manifest;
    let repository = repositories::find_or_make(tx, &put.repository, &put.change).await?;
    let digest = manifest.digest.to_string();
    let sql = "SELECT id, media_type, deleted_at, loose_since FROM manifests WHERE repository_id = ?1 AND digest = ?2";
    let known = tx.query_opt(sql, params![repository.0, &digest]).await?;
    let (id, is_new) = match &known {
        Some(row) => {
            let stored: String = row.get(1)?;
            if stored != manifest.media_type {
                return Err(MetaError::MediaTypeFixed { stored });
            }
            let id: i64 = row.get(0)?;
            let is_deleted = row.get::<Option<i64>>(2)?.is_some();
            if is_deleted {
                require_references(tx, repository, put).await?;
                trash::undelete(tx, id).await?;
            }
            (id, is_deleted || row.get::<Option<i64>>(3)?.is_some())
        }
        None => (insert(tx, repository, put, &digest).await?, true),
    };
    if is_new || !put.tags.is_empty() {
        labels::note(tx, repository, &manifest.labels).await?;
    }
    let rules = Rules::of(tx, &put.repository).await?;
    let (moves, floated) = tags::set_all(tx, repository, &put.tags, &digest, &rules, &put.change).await?;
    if is_new {
        life::settle_pushed(tx, repository, id, put.change.at).await?;
    }
    let nearly_full =
        if known.is_none() { quotas::within_quota(tx, &put.repository).await? } else { Vec::new() };
    if known.is_none() || !moves.is_empty() {
        let tags =
            moves.iter().chain(&floated).map(|moved| moved.tag.as_str()).collect::<Vec<_>>().join(", ");
        put.change.tell(tx, "manifest.push", &put.repository, &digest, &tags).await?;
    }
    Ok(PutDone { moves, floated, nearly_full })
}

async fn require_references(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    put: &PutManifest,
) -> Result<(), MetaError> {
    let missing = missing(tx, repository, &put.manifest.references, put.sparse).await?;
    if missing.is_empty() { Ok(()) } else { Err(MetaError::ReferencesMissing { missing }) }
}

async fn insert(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    put: &PutManifest,
    digest: &str,
) -> Result<i64, MetaError> {
    let manifest = &put.manifest;
    require_references(tx, repository, put).await?;
    let size = from_size(manifest.content.len() as u64)?;
    let sql = "INSERT INTO manifests
             (repository_id, digest, media_type, size, content, subject, artifact_type, annotations, pushed_at, pushed_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING id";
    let subject = manifest.subject.as_ref().map(Digest::to_string);
    let values = params![
        repository.0,
        digest,
        &manifest.media_type,
        size,
        &manifest.content,
        subject.as_ref(),
        manifest.artifact_type.as_ref(),
        manifest.annotations.as_ref(),
        put.change.at.0,
        &put.change.actor.name,
    ];
    let id: i64 = tx.query_one(sql, values).await?.get(0)?;
    let sql = "INSERT INTO manifest_references (manifest_id, position, repository_id, role, digest, size)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    for (position, edge) in manifest.references.iter().enumerate() {
        let target = edge.digest.to_string();
        let position = from_size(position as u64)?;
        let values = params![id, position, repository.0, edge.role.as_str(), &target, from_size(edge.size)?];
        tx.execute(sql, values).await?;
    }
    let sql = "INSERT INTO pulls (manifest_id, pulls, used_at) VALUES (?1, 0, ?2)";
    tx.execute(sql, params![id, put.change.at.0]).await?;
    usage::manifest(tx, repository, size).await?;
    Ok(id)
}

/// The references that must be in the repository and are not, each once.
async fn missing(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    references: &[Edge],
    sparse: Sparse,
) -> Result<Vec<Digest>, MetaError> {
    let mut missing = Vec::new();
    for edge in references {
        let there = match edge.role {
            EdgeRole::Mention => true,
            EdgeRole::Blob => sparse == Sparse::All || has_blob(tx, repository, &edge.digest).await?,
            EdgeRole::Child => {
                sparse != Sparse::Refuse
                    || has_manifest(tx, repository, &edge.digest).await?
                    || has_blob(tx, repository, &edge.digest).await?
            }
        };
        if !there && !missing.contains(&edge.digest) {
            missing.push(edge.digest.clone());
        }
    }
    Ok(missing)
}

async fn has_blob(tx: &mut Tx<'_>, repository: RepositoryId, digest: &Digest) -> Result<bool, MetaError> {
    let sql = "SELECT 1 FROM blobs b JOIN repository_blobs m ON m.blob_id = b.id
         WHERE b.digest = ?1 AND m.repository_id = ?2";
    Ok(tx.query_opt(sql, params![&digest.to_string(), repository.0]).await?.is_some())
}

async fn has_manifest(tx: &mut Tx<'_>, repository: RepositoryId, digest: &Digest) -> Result<bool, MetaError> {
    let sql = "SELECT 1 FROM manifests WHERE repository_id = ?1 AND digest = ?2 AND deleted_at IS NULL";
    Ok(tx.query_opt(sql, params![repository.0, &digest.to_string()]).await?.is_some())
}
