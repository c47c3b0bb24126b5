//! Looking at images: what a reference names, with its configuration. Looking is no pull, and keeps nothing alive.

use berth_meta::{ListedTag, Page, RecentTag, RepositoryCard, TagOrder, TagPlace};
use berth_oci::{Digest, ImageConfig, Manifest, ManifestKind, Platform, Reference, Role};
use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::{Access, BlobBody, CatalogAccess, Pull, Registry, RegistryError};

/// Bytes of the largest configuration that is read.
const CONFIG_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of the largest configuration that is read for a line of a list.
const CONFIG_IN_LIST: u64 = 64 * 1024;
/// Platforms that a line of a list names.
const PLATFORMS_IN_LIST: usize = 100;

/// An image, or whatever a reference names.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// The bytes of the manifest.
    pub content: Bytes,
    /// What the manifest says; `None` if it cannot be read.
    pub manifest: Option<Manifest>,
    /// The configuration of an image; `None` if there is none, or it cannot be read.
    pub config: Option<ImageConfig>,
}

/// A tag of a list, with the platforms of what it names.
#[derive(Debug, Clone)]
pub struct TagLine {
    /// The tag.
    pub tag: ListedTag,
    /// `linux/amd64` and so on; a hundred at most.
    pub platforms: Vec<String>,
}

impl Registry {
    /// Looks at what a reference names.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`], [`RegistryError::ManifestUnknown`].
    pub async fn look(&self, access: &Access<Pull>, at: &Reference) -> Result<Looked, RegistryError> {
        let found = self.meta.manifest(access.repository(), at).await;
        let found = found.map_err(|error| RegistryError::about_manifest(error, at))?;
        let manifest = Manifest::read(&found.media_type, &found.content).ok();
        let config = match manifest.as_ref().and_then(config_of) {
            Some((digest, size)) if size <= CONFIG_MAX => self.config(access, &digest).await?,
            _ => None,
        };
        Ok(Looked {
            digest: found.digest,
            media_type: found.media_type,
            content: found.content,
            manifest,
            config,
        })
    }

    /// Bytes of a blob of the repository, if it has one of at most `most` bytes.
    ///
    /// # Errors
    /// Only internal ones: a blob that is not there, or too large, is `None`.
    pub async fn small_blob(
        &self,
        access: &Access<Pull>,
        digest: &Digest,
        most: u64,
    ) -> Result<Option<Bytes>, RegistryError> {
        let content = match self.open_blob(access, digest).await {
            Ok(content) if content.size <= most => content,
            Ok(_) | Err(RegistryError::BlobUnknown { .. } | RegistryError::RepositoryUnknown) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match content.body {
            BlobBody::Inline(bytes) => Ok(Some(bytes)),
            BlobBody::File(file) => {
                let length = usize::try_from(content.size).unwrap_or(usize::MAX);
                let read = tokio::task::spawn_blocking(move || file.read_at(0, length)).await;
                let read = read.map_err(|error| RegistryError::Internal(Box::new(error)))?;
                Ok(Some(read.map_err(|error| RegistryError::Internal(Box::new(error)))?))
            }
            BlobBody::Growing(following) => {
                let pieces: Result<Vec<Bytes>, _> = following.read(0..content.size).try_collect().await;
                let pieces = pieces.map_err(|error| RegistryError::Internal(Box::new(error)))?;
                Ok(Some(pieces.concat().into()))
            }
        }
    }

    /// The configuration that has this digest, as far as it can be read.
    pub(crate) async fn config(
        &self,
        access: &Access<Pull>,
        digest: &Digest,
    ) -> Result<Option<ImageConfig>, RegistryError> {
        let bytes = self.small_blob(access, digest, CONFIG_MAX).await?;
        Ok(bytes.and_then(|bytes| ImageConfig::read(&bytes)))
    }

    /// A page of the tags of a repository whose name holds `filter`.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`].
    pub async fn tag_lines(
        &self,
        access: &Access<Pull>,
        order: TagOrder,
        filter: &str,
        after: Option<TagPlace>,
        limit: usize,
    ) -> Result<Page<TagLine>, RegistryError> {
        let page = self.meta.list_tags(access.repository(), order, filter, after, limit).await?;
        let mut lines = Vec::with_capacity(page.items.len());
        for tag in page.items {
            let platforms = self.platforms(access, &tag).await?;
            lines.push(TagLine { tag, platforms });
        }
        Ok(Page { items: lines, more: page.more })
    }

    async fn platforms(&self, access: &Access<Pull>, tag: &ListedTag) -> Result<Vec<String>, RegistryError> {
        let content = tag.content.as_deref().unwrap_or_default();
        let Ok(manifest) = Manifest::read(&tag.media_type, content) else { return Ok(Vec::new()) };
        if manifest.kind == ManifestKind::Index {
            let children =
                manifest.references.iter().filter_map(|reference| reference.descriptor.platform.as_ref());
            let words = children.map(Platform::word).filter(|word| !word.is_empty());
            return Ok(words.take(PLATFORMS_IN_LIST).collect());
        }
        let Some((digest, _)) = config_of(&manifest).filter(|(_, size)| *size <= CONFIG_IN_LIST) else {
            return Ok(Vec::new());
        };
        let config = self.config(access, &digest).await?;
        Ok(config
            .map(|config| config.platform())
            .filter(|platform| !platform.is_empty())
            .into_iter()
            .collect())
    }

    /// Tags that were set lately in repositories that the caller may see, one of each repository, `limit` at most.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn recent_tags(
        &self,
        access: &CatalogAccess,
        limit: usize,
    ) -> Result<Vec<RecentTag>, RegistryError> {
        /// Rows that are read at once.
        const BATCH: usize = 200;
        /// Rows that are looked at; who may see none of them sees nothing new.
        const MOST: usize = 2000;
        let (mut seen, mut after) = (Vec::<RecentTag>::new(), None);
        for _ in 0..MOST / BATCH {
            let batch = self.meta.recent_tags(after, BATCH).await?;
            after = batch.last().map(|tag| tag.place.clone());
            let is_last = batch.len() < BATCH;
            for tag in batch {
                let is_new = seen.iter().all(|seen| seen.repository != tag.repository);
                let name = tag.repository.parse();
                if is_new && name.is_ok_and(|name| self.authorizer.sees(access, &name, tag.is_public)) {
                    seen.push(tag);
                }
            }
            if is_last || seen.len() >= limit {
                break;
            }
            tokio::task::yield_now().await;
        }
        seen.truncate(limit);
        Ok(seen)
    }

    /// Repositories as a list shows them: those among `names` that the caller may see.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn cards(
        &self,
        access: &CatalogAccess,
        names: Vec<String>,
    ) -> Result<Vec<RepositoryCard>, RegistryError> {
        let mut cards = self.meta.cards(names).await?;
        cards.retain(|card| {
            card.name.parse().is_ok_and(|name| self.authorizer.sees(access, &name, card.is_public))
        });
        Ok(cards)
    }
}

/// The configuration that an image names, if its media type is one of an image that runs, and its size.
pub(crate) fn config_of(manifest: &Manifest) -> Option<(Digest, u64)> {
    let config = manifest.references.iter().find(|reference| reference.role == Role::Config)?;
    config
        .descriptor
        .media_type
        .contains("image")
        .then(|| (config.descriptor.digest.clone(), config.descriptor.size))
}
