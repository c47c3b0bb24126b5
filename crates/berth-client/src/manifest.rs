//! Manifests: look, and read.

use berth_egress::EgressError;
use berth_oci::media_type::{OCI_INDEX, essence};
use berth_oci::{Algorithm, Descriptor, Digest, Manifest, Reference};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};

use crate::client::{Question, length};
use crate::health::Asked;
use crate::scope::Scope;
use crate::{Client, ClientError, Patience, pages};

/// Everything that people keep in registries; what a registry has nothing of, it may answer with its own choice.
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.artifact.manifest.v1+json, */*;q=0.1";
/// The largest manifest, in bytes: what the specification asks registries to take at least.
const LONGEST: usize = 4 << 20;
/// Pages of one list that are read.
const PAGES: usize = 100;

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
        let path = format!("{repository}/manifests/{at}");
        let question = self.about(Method::HEAD, repository, &path, ACCEPTED)?;
        let response = self.ask(&question, patience).await?;
        head(response.headers())
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
        let path = format!("{repository}/manifests/{at}");
        let question = self.about(Method::GET, repository, &path, ACCEPTED)?;
        let response = match self.ask_whole(&question, patience, LONGEST).await {
            Err(ClientError::Egress(EgressError::TooLong { .. })) => {
                return Err(ClientError::Useless { what: "the manifest is larger than 4 MiB" });
            }
            response => response?,
        };
        let (head, content) = (head(response.headers())?, response.into_body());
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

    /// Reads the list of what refers to a manifest: an image index, as the registry wrote it.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if the registry keeps no such lists.
    pub async fn referrers(&self, repository: &str, subject: &Digest) -> Result<Bytes, ClientError> {
        let path = format!("{repository}/referrers/{subject}");
        let question = self.about(Method::GET, repository, &path, OCI_INDEX)?;
        Ok(self.ask_whole(&question, Patience::Short, LONGEST).await?.into_body())
    }

    /// Everything that refers to a manifest, page by page.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if the registry keeps no such lists.
    pub async fn all_referrers(
        &self,
        repository: &str,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, ClientError> {
        let path = format!("{repository}/referrers/{subject}");
        let mut question = self.about(Method::GET, repository, &path, OCI_INDEX)?;
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let page = self.ask_whole(&question, Patience::Long, LONGEST).await?;
            let index = Manifest::read(OCI_INDEX, page.body())
                .map_err(|_| ClientError::Useless { what: "its list of referrers is no index" })?;
            all.extend(index.references.into_iter().map(|reference| reference.descriptor));
            match pages::next(page.headers(), &question.link) {
                Some(next) => question.link = next,
                None => return Ok(all),
            }
        }
        Err(ClientError::Useless { what: "its list of referrers has no end" })
    }

    fn about<'a>(
        &self,
        method: Method,
        repository: &str,
        path: &str,
        accept: &'static str,
    ) -> Result<Question<'a>, ClientError> {
        let mut question = self.question(method, path, Scope::pull(repository), Asked::Manifest)?;
        question.headers.insert(ACCEPT, HeaderValue::from_static(accept));
        Ok(question)
    }
}

/// What the head of an answer says.
///
/// # Errors
/// [`ClientError::Useless`] for a page for people: its digest would be one, and of nothing that anybody wants.
fn head(headers: &HeaderMap) -> Result<ManifestHead, ClientError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let media_type = text(CONTENT_TYPE.as_str()).map(essence).unwrap_or_default().to_owned();
    if media_type.eq_ignore_ascii_case("text/html") {
        return Err(ClientError::Useless { what: "it is a web page, and no manifest" });
    }
    let digest = text("docker-content-digest").and_then(|digest| digest.parse().ok());
    Ok(ManifestHead { digest, media_type, size: length(headers) })
}
