//! Manifests: look, and read.

use berth_egress::{Incoming, whole};
use berth_oci::media_type::essence;
use berth_oci::{Algorithm, Digest, Reference};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response};

use crate::client::Question;
use crate::health::Asked;
use crate::{Client, ClientError, Patience};

/// Everything that people keep in registries; what a registry has nothing of, it may answer with its own choice.
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.artifact.manifest.v1+json, */*;q=0.1";
/// The largest manifest, in bytes: what the specification asks registries to take at least.
const LONGEST: usize = 4 << 20;

/// What a registry says of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestHead {
    /// Its digest, if the registry tells it.
    pub digest: Option<Digest>,
    /// Its media type, without parameters.
    pub media_type: String,
    /// Bytes, if the registry tells it.
    pub size: Option<u64>,
}

/// A manifest whose bytes have the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedManifest {
    /// The digest, checked.
    pub digest: Digest,
    /// Its media type, without parameters.
    pub media_type: String,
    /// Its bytes.
    pub content: Bytes,
}

impl Client {
    /// Looks what a reference names. Registries do not count it as a pull.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn head_manifest(
        &self,
        repository: &str,
        at: &Reference,
        patience: Patience,
    ) -> Result<ManifestHead, ClientError> {
        let response = self.manifest(Method::HEAD, repository, at, patience).await?;
        Ok(head(&response))
    }

    /// Reads what a reference names, and checks that the bytes are what was asked for and what the registry says.
    ///
    /// # Errors
    /// [`ClientError::Useless`] if they are not.
    pub async fn get_manifest(
        &self,
        repository: &str,
        at: &Reference,
        patience: Patience,
    ) -> Result<FetchedManifest, ClientError> {
        let response = self.manifest(Method::GET, repository, at, patience).await?;
        let head = head(&response);
        if head.size.is_some_and(|size| size > LONGEST as u64) {
            return Err(ClientError::Useless { what: "the manifest is larger than 4 MiB" });
        }
        let content = whole(response.into_body(), LONGEST).await?;
        let algorithm = at.digest().or(head.digest.as_ref()).map_or(Algorithm::Sha256, Digest::algorithm);
        let digest = Digest::of(algorithm, &content);
        if at.digest().is_some_and(|asked| *asked != digest) {
            return Err(ClientError::Useless {
                what: "the manifest does not have the digest that was asked for",
            });
        }
        if head.digest.is_some_and(|said| said != digest) {
            return Err(ClientError::Useless {
                what: "the manifest does not have the digest that its header says",
            });
        }
        Ok(FetchedManifest { digest, media_type: head.media_type, content })
    }

    async fn manifest(
        &self,
        method: Method,
        repository: &str,
        at: &Reference,
        patience: Patience,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        let path = format!("{repository}/manifests/{at}");
        let question = Question { method, path: &path, headers, repository, asked: Asked::Manifest };
        self.ask(&question, patience).await
    }

    /// Reads the list of what refers to a manifest: an image index, as the registry wrote it.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if the registry keeps no such lists.
    pub async fn referrers(&self, repository: &str, subject: &Digest) -> Result<Bytes, ClientError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.oci.image.index.v1+json"));
        let path = format!("{repository}/referrers/{subject}");
        let question =
            Question { method: Method::GET, path: &path, headers, repository, asked: Asked::Manifest };
        let response = self.ask(&question, Patience::Short).await?;
        Ok(whole(response.into_body(), LONGEST).await?)
    }
}

fn head(response: &Response<Incoming>) -> ManifestHead {
    let text = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let digest = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
    ManifestHead {
        digest: digest.and_then(|digest| digest.parse().ok()),
        media_type: text(CONTENT_TYPE).map(essence).unwrap_or_default().to_owned(),
        size: text(CONTENT_LENGTH).and_then(|size| size.parse().ok()),
    }
}
