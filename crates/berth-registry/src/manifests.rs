//! Manifests and tags: push, pull, delete.

use berth_meta::{
    Change, Edge, EdgeRole, ManifestRow, MetaError, Mode, NewManifest, Removal, Sparse, TagMove,
};
use berth_oci::{Digest, ImageConfig, Manifest, Reference, RepositoryName, Role, Tag};
use bytes::Bytes;

use crate::look;
use crate::usage::warnings;
use crate::uses::Seen;
use crate::{Access, Delete, Pull, Push, Registry, RegistryError};

/// A manifest as it was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// Digest of its bytes.
    pub digest: Digest,
    /// Media type, as pushed.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    /// The bytes; empty from [`Registry::stat_manifest`].
    pub content: Bytes,
}

/// A manifest that a client wants to push.
#[derive(Debug, Clone)]
pub struct PutManifest {
    /// The tag or digest in the path.
    pub reference: Reference,
    /// The `Content-Type`, without parameters; empty if there is none.
    pub media_type: String,
    /// The exact bytes.
    pub content: Bytes,
    /// Further tags to set.
    pub tags: Vec<Tag>,
}

/// What came of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestReceipt {
    /// Digest under which it is stored.
    pub digest: Digest,
    /// The manifest that it says something about.
    pub subject: Option<Digest>,
    /// Every tag that the push asked for; each names the manifest now.
    pub tags: Vec<Tag>,
    /// The tags among them that named something else, or nothing, before.
    pub moves: Vec<TagMove>,
    /// Further tags that followed, by a rule.
    pub floated: Vec<TagMove>,
    /// What its pusher should know beside: a quota that is nearly used up.
    pub warnings: Vec<String>,
}

impl Registry {
    /// Tells what a reference names.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`], [`RegistryError::ManifestUnknown`].
    pub async fn stat_manifest(
        &self,
        access: &Access<Pull>,
        at: &Reference,
    ) -> Result<StoredManifest, RegistryError> {
        let found = self.meta.manifest_head(access.repository(), at).await;
        let found = found.map_err(|error| RegistryError::about_manifest(error, at))?;
        self.uses.note(access.repository(), &found.digest, Seen::Looked);
        Ok(stored(found))
    }

    /// Reads the manifest that a reference names.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`], [`RegistryError::ManifestUnknown`].
    pub async fn get_manifest(
        &self,
        access: &Access<Pull>,
        at: &Reference,
    ) -> Result<StoredManifest, RegistryError> {
        let found = self.meta.manifest(access.repository(), at).await;
        let found = found.map_err(|error| RegistryError::about_manifest(error, at))?;
        self.uses.note(access.repository(), &found.digest, Seen::Pulled);
        Ok(stored(found))
    }

    /// Stores a manifest and sets its tags, all or nothing.
    ///
    /// # Errors
    /// [`RegistryError::ManifestInvalid`], [`RegistryError::DigestMismatch`], [`RegistryError::ReferencesMissing`],
    /// [`RegistryError::MediaTypeFixed`], [`RegistryError::TagImmutable`], [`RegistryError::QuotaExceeded`],
    /// [`RegistryError::Renamed`].
    pub async fn put_manifest(
        &self,
        access: &Access<Push>,
        put: PutManifest,
    ) -> Result<ManifestReceipt, RegistryError> {
        self.put_manifest_in(access, access.change(), self.policy.sparse, put).await
    }

    /// Stores a manifest in the repository of an access, under circumstances that the caller vouches for.
    pub(crate) async fn put_manifest_in<R>(
        &self,
        access: &Access<R>,
        change: Change,
        sparse: Sparse,
        put: PutManifest,
    ) -> Result<ManifestReceipt, RegistryError> {
        let digest = digest_of(&put)?;
        let manifest = Manifest::read(&put.media_type, &put.content)?;
        let subject = manifest.subject.as_ref().map(|subject| subject.digest.clone());
        let mut tags = put.tags;
        if let Reference::Tag(tag) = put.reference
            && !tags.contains(&tag)
        {
            tags.insert(0, tag);
        }
        let labels = self.labels(access.repository(), &manifest).await?;
        let done = self
            .meta
            .put_manifest(berth_meta::PutManifest {
                repository: access.repository().clone(),
                manifest: NewManifest {
                    digest: digest.clone(),
                    media_type: manifest.media_type.clone(),
                    content: put.content,
                    references: edges(&manifest),
                    annotations: annotations(&manifest),
                    labels,
                    artifact_type: manifest.artifact_type,
                    subject: subject.clone(),
                },
                tags: tags.clone(),
                change,
                sparse,
            })
            .await;
        let done = match done {
            Err(MetaError::Renamed { to }) => return Err(self.renamed(access, &to).await),
            done => done?,
        };
        let warnings = warnings(&done.nearly_full);
        Ok(ManifestReceipt { digest, subject, tags, moves: done.moves, floated: done.floated, warnings })
    }

    /// What an image says of itself: its annotations, and the labels of its configuration.
    async fn labels(
        &self,
        repository: &RepositoryName,
        manifest: &Manifest,
    ) -> Result<Vec<(String, String)>, RegistryError> {
        let mut labels: Vec<_> = manifest.annotations.clone().into_iter().collect();
        // Labels of a configuration that would be a file are left out: a push shall not wait for the disk for them.
        let config = look::config_of(manifest).filter(|(_, size)| *size <= berth_blobs::INLINE_MAX as u64);
        if let Some((digest, _)) = config {
            match self.meta.blob_content(repository, &digest).await {
                Ok(row) => {
                    let config = row.content.and_then(|content| ImageConfig::read(&content));
                    labels.extend(config.map(|config| config.labels).unwrap_or_default());
                }
                // The manifest is refused for it, or it is a sparse one.
                Err(MetaError::BlobUnknown | MetaError::RepositoryUnknown) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(labels)
    }

    /// Deletes what a reference names: a tag alone, or a manifest with all its tags. Tells what goes with it.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`], [`RegistryError::ManifestUnknown`], [`RegistryError::DeleteDisabled`],
    /// [`RegistryError::TagImmutable`], [`RegistryError::ManifestInUse`].
    pub async fn delete_manifest(
        &self,
        access: &Access<Delete>,
        at: &Reference,
        mode: Mode,
    ) -> Result<Removal, RegistryError> {
        self.require_delete()?;
        let (repository, change) = (access.repository(), access.change());
        let deleted = match at {
            Reference::Tag(tag) => self.meta.remove_tag(repository, tag, &change, mode).await,
            Reference::Digest(digest) => self.meta.remove_manifest(repository, digest, &change, mode).await,
        };
        deleted.map_err(|error| RegistryError::about_manifest(error, at))
    }
}

fn stored(row: ManifestRow) -> StoredManifest {
    StoredManifest { digest: row.digest, media_type: row.media_type, size: row.size, content: row.content }
}

/// The digest to store under: the one in the path, if the bytes have it.
fn digest_of(put: &PutManifest) -> Result<Digest, RegistryError> {
    match &put.reference {
        Reference::Tag(_) => Ok(Digest::sha256(&put.content)),
        Reference::Digest(expected) => {
            let actual = Digest::of(expected.algorithm(), &put.content);
            if actual == *expected {
                Ok(actual)
            } else {
                Err(RegistryError::DigestMismatch { expected: expected.clone(), actual })
            }
        }
    }
}

fn edges(manifest: &Manifest) -> Vec<Edge> {
    let edge = |reference: &berth_oci::ManifestReference| Edge {
        role: match reference.role {
            Role::Child => EdgeRole::Child,
            Role::Mention => EdgeRole::Mention,
            Role::Config | Role::Layer if reference.is_foreign() => EdgeRole::Mention,
            Role::Config | Role::Layer => EdgeRole::Blob,
        },
        digest: reference.descriptor.digest.clone(),
        size: reference.descriptor.size,
    };
    manifest.references.iter().map(edge).collect()
}

/// Annotations are only listed with referrers, so others do not keep them twice.
fn annotations(manifest: &Manifest) -> Option<String> {
    if manifest.subject.is_none() || manifest.annotations.is_empty() {
        return None;
    }
    serde_json::to_string(&manifest.annotations).ok()
}
