//! A source of which only the words of a person say what it is.

use berth_client::{Content, EndError, FetchedManifest, Repository, Source};
use berth_oci::{Descriptor, Digest, Reference};

use super::LocalImage;

/// Any source.
pub(crate) enum AnySource {
    Registry(Repository),
    Local(Box<LocalImage>),
}

impl Source for AnySource {
    async fn manifest(&self, at: &Reference) -> Result<FetchedManifest, EndError> {
        match self {
            AnySource::Registry(repository) => repository.manifest(at).await,
            AnySource::Local(image) => image.manifest(at).await,
        }
    }

    fn blob(&self, blob: &Descriptor) -> Box<dyn Content> {
        match self {
            AnySource::Registry(repository) => repository.blob(blob),
            AnySource::Local(image) => image.blob(blob),
        }
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, EndError> {
        match self {
            AnySource::Registry(repository) => repository.referrers(subject).await,
            AnySource::Local(image) => image.referrers(subject).await,
        }
    }

    fn home(&self) -> Option<&Repository> {
        match self {
            AnySource::Registry(repository) => repository.home(),
            AnySource::Local(image) => image.home(),
        }
    }
}
