//! An image at a registry, to be looked at.

use berth_client::{
    ClientError, CopyError, EndError, FetchedManifest, Patience, PlatformName, Repository, Source,
};
use berth_oci::media_type::is_index;
use berth_oci::{Descriptor, Digest, Hasher, ImageReference, Manifest, Reference, Role};

use crate::failure::Failure;
use crate::names;
use crate::registries::Registries;
use crate::trouble::{self, Doing};

/// Bytes of a configuration at most; no real one has a tenth of it.
const DOCUMENT: usize = 8 << 20;

/// An image at a registry.
pub(crate) struct Remote {
    pub(crate) image: ImageReference,
    pub(crate) repository: Repository,
}

impl Remote {
    /// The image of that name.
    ///
    /// # Errors
    /// That it is no name, or that its registry cannot be spoken to.
    pub(crate) async fn named(text: &str, registries: &Registries) -> Result<Remote, Failure> {
        let image = names::image(text)?;
        let repository = registries.repository(&image).await?;
        Ok(Remote { image, repository })
    }

    /// What the name stands for: a manifest or an index.
    pub(crate) async fn top(&self) -> Result<FetchedManifest, Failure> {
        self.at(&names::reference(&self.image)).await
    }

    /// The manifest of one platform: the wanted one, or else that of this machine. What is no index has one alone.
    pub(crate) async fn of_platform(
        &self,
        wanted: Option<&PlatformName>,
    ) -> Result<FetchedManifest, Failure> {
        let top = self.top().await?;
        if !is_index(&top.media_type) {
            return Ok(top);
        }
        let wanted = wanted.cloned().unwrap_or_else(PlatformName::of_this_machine);
        let child =
            wanted.choose(&top).map_err(|error| trouble::of_copy(Doing::Looking, &self.image, error))?;
        self.at(&Reference::Digest(child)).await
    }

    async fn at(&self, at: &Reference) -> Result<FetchedManifest, Failure> {
        let found = self.repository.manifest(at).await;
        found.map_err(|error| match error {
            EndError::NotFound => self.trouble(ClientError::NotFound),
            error => trouble::of_copy(Doing::Looking, &self.image, CopyError::Source(error)),
        })
    }

    /// The digest that a tag stands for.
    pub(crate) async fn digest(&self, at: &Reference) -> Result<Digest, Failure> {
        let (client, name) = (self.repository.client(), self.repository.name());
        let head =
            client.head_manifest(name, at, Patience::Long).await.map_err(|error| self.trouble(error))?;
        match head.digest {
            Some(digest) => Ok(digest),
            // Some registries tell it only with the manifest itself, which is small.
            None => Ok(self.at(at).await?.digest),
        }
    }

    /// The configuration that a manifest names.
    pub(crate) async fn config(&self, manifest: &FetchedManifest) -> Result<Vec<u8>, Failure> {
        let read = Manifest::read(&manifest.media_type, &manifest.content).map_err(Failure::other)?;
        let config = read.references.into_iter().find(|reference| reference.role == Role::Config);
        let Some(config) = config else {
            return Err(Failure::other(format!("{} has no configuration", self.image.familiar()))
                .hint("'berth manifest' shows what it is"));
        };
        self.document(&config.descriptor).await
    }

    /// Reads a short blob and checks it.
    async fn document(&self, blob: &Descriptor) -> Result<Vec<u8>, Failure> {
        let (client, name) = (self.repository.client(), self.repository.name());
        let mut download = client.get_blob(name, &blob.digest).await.map_err(|error| self.trouble(error))?;
        let mut bytes = Vec::new();
        while let Some(piece) = download.next().await.map_err(|error| self.trouble(error))? {
            if bytes.len() + piece.len() > DOCUMENT {
                return Err(Failure::other(format!("{} is too large for a configuration", blob.digest)));
            }
            bytes.extend_from_slice(&piece);
        }
        let mut hasher = Hasher::new(blob.digest.algorithm());
        hasher.update(&bytes);
        match hasher.finish() == blob.digest {
            true => Ok(bytes),
            false => {
                Err(Failure::other(format!("what the registry sent for {} is something else", blob.digest))
                    .hint("try again, and if it stays so tell who runs the registry"))
            }
        }
    }

    /// All tags of the repository, told page by page as they come.
    pub(crate) async fn each_tag(
        &self,
        mut told: impl FnMut(Vec<String>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let unknown = |error| match error {
            ClientError::NotFound => {
                let name = names::repository(&self.image);
                Failure::other(format!("repository {name} not found: name unknown"))
                    .hint(format!("'berth ls {}' lists the repositories there", self.image.registry()))
            }
            error => self.trouble(error),
        };
        let mut pages = self.repository.client().all_tags(self.repository.name()).map_err(unknown)?;
        while let Some(page) = pages.next().await.map_err(unknown)? {
            told(page)?;
        }
        Ok(())
    }

    /// The failure of a question about the image.
    pub(crate) fn trouble(&self, error: ClientError) -> Failure {
        trouble::trouble(Doing::Looking, &self.image, error)
    }
}
