//! A repository of a registry, as either end of a copy.

use std::io;
use std::sync::Arc;

use berth_oci::media_type::OCI_INDEX;
use berth_oci::{Descriptor, Digest, IndexBuilder, Manifest, Reference};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use tokio::sync::Mutex;

use super::{EndError, Sink, Source};
use crate::content::{Content, Pieces};
use crate::{Client, ClientError, FetchedManifest, Patience, Progress, Uploaded};

/// A repository of a registry.
#[derive(Clone)]
pub struct Repository {
    client: Client,
    name: String,
    /// Who changes the list of referrers that stands under a tag has it alone, as far as this program goes.
    listing: Arc<Mutex<()>>,
}

impl Client {
    /// One of the registry's repositories. Nothing is asked yet.
    pub fn repository(&self, name: impl Into<String>) -> Repository {
        Repository { client: self.clone(), name: name.into(), listing: Arc::default() }
    }
}

impl Repository {
    /// Its name, without the registry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The registry.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The tag of the list of referrers at registries that keep none (distribution-spec, "Referrers Tag Schema").
    fn list_tag(subject: &Digest) -> Result<Reference, EndError> {
        let tag = format!("{}-{}", subject.algorithm(), subject.hex());
        tag.parse().map_err(|error: berth_oci::ReferenceError| EndError::Other(error.into()))
    }

    async fn listed(&self, subject: &Digest) -> Result<Vec<Descriptor>, EndError> {
        let found =
            self.client.get_manifest(&self.name, &Repository::list_tag(subject)?, Patience::Long).await;
        match found {
            Ok(list) => descriptors(&list.media_type, &list.content),
            Err(ClientError::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds a manifest to the list of its subject's referrers, at a registry that keeps none by itself.
    async fn list(
        &self,
        manifest: &FetchedManifest,
        parsed: Manifest,
        subject: &Digest,
    ) -> Result<(), EndError> {
        let _alone = self.listing.lock().await;
        let mut listed = self.listed(subject).await?;
        if listed.iter().any(|known| known.digest == manifest.digest) {
            return Ok(());
        }
        let size = manifest.content.len() as u64;
        let mut descriptor = Descriptor::new(&manifest.media_type, manifest.digest.clone(), size);
        descriptor.artifact_type = parsed.artifact_type;
        descriptor.annotations = parsed.annotations;
        listed.push(descriptor);
        let index = IndexBuilder::from_iter(listed).finish();
        let tag = Repository::list_tag(subject)?;
        self.client.put_manifest(&self.name, &tag, OCI_INDEX, index.into()).await?;
        Ok(())
    }
}

fn descriptors(media_type: &str, index: &[u8]) -> Result<Vec<Descriptor>, EndError> {
    let index = Manifest::read(media_type, index).map_err(|error| EndError::Other(error.into()))?;
    Ok(index.references.into_iter().map(|reference| reference.descriptor).collect())
}

impl Source for Repository {
    async fn manifest(&self, at: &Reference) -> Result<FetchedManifest, EndError> {
        Ok(self.client.get_manifest(&self.name, at, Patience::Long).await?)
    }

    fn blob(&self, blob: &Descriptor) -> Box<dyn Content> {
        let (client, repository) = (self.client.clone(), self.name.clone());
        Box::new(Remote { client, repository, digest: blob.digest.clone(), size: blob.size })
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, EndError> {
        match self.client.all_referrers(&self.name, subject).await {
            Ok(list) => Ok(list),
            Err(error) if error.is_away() && !matches!(error, ClientError::Unexpected { .. }) => {
                Err(error.into())
            }
            // Registries that have no such lists answer in many ways.
            Err(_) => self.listed(subject).await,
        }
    }

    fn home(&self) -> Option<&Repository> {
        Some(self)
    }
}

impl Sink for Repository {
    async fn has_manifest(&self, at: &Reference, digest: &Digest) -> Result<bool, EndError> {
        match self.client.head_manifest(&self.name, at, Patience::Long).await {
            // Under its digest it is what it is, whether that is said or not.
            Ok(head) => Ok(head.digest.as_ref().or(at.digest()) == Some(digest)),
            Err(ClientError::NotFound) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn put_blob(
        &self,
        blob: &Descriptor,
        content: &dyn Content,
        home: Option<&Repository>,
        progress: Option<Progress>,
    ) -> Result<Uploaded, EndError> {
        let mut upload = self.client.upload(&self.name, &blob.digest);
        if let Some(home) = home.filter(|home| home.client.origin() == self.client.origin()) {
            upload = upload.mounted_from(&home.name);
        }
        if let Some(progress) = progress {
            upload = upload.watched(progress);
        }
        Ok(upload.send(content).await?)
    }

    async fn put_manifest(&self, at: &Reference, manifest: &FetchedManifest) -> Result<(), EndError> {
        let FetchedManifest { media_type, content, .. } = manifest;
        let pushed = self.client.put_manifest(&self.name, at, media_type, content.clone()).await?;
        let Ok(mut parsed) = Manifest::read(media_type, content) else { return Ok(()) };
        match parsed.subject.take() {
            Some(subject) if pushed.subject.is_none() => self.list(manifest, parsed, &subject.digest).await,
            _ => Ok(()),
        }
    }
}

/// A blob at a registry.
struct Remote {
    client: Client,
    repository: String,
    digest: Digest,
    size: u64,
}

impl Content for Remote {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_from(&self, offset: u64) -> BoxFuture<'_, io::Result<Pieces>> {
        async move {
            let asked = self.client.get_blob_from(&self.repository, &self.digest, offset).await;
            let pieces = stream::try_unfold(asked.map_err(io::Error::other)?, |mut download| async move {
                let piece = download.next().await.map_err(io::Error::other)?;
                Ok(piece.map(|piece| (piece, download)))
            });
            Ok(pieces.boxed())
        }
        .boxed()
    }
}
