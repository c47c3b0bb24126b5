//! Manifests on their way out, and what is to go.

use berth_oci::{Algorithm, Digest, Reference};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};

use crate::client::Payload;
use crate::health::Asked;
use crate::scope::Scope;
use crate::{Client, ClientError, Patience};

/// A manifest that the registry has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedManifest {
    /// Its digest.
    pub digest: Digest,
    /// What the registry lists it for (`OCI-Subject`). `None` for one with a subject means that the registry keeps no
    /// such lists.
    pub subject: Option<Digest>,
}

impl Client {
    /// Puts a manifest under a tag or its digest, byte for byte. What it names has to be there before.
    ///
    /// # Errors
    /// [`ClientError::Digest`] if the content does not have the digest that it is put under; [`ClientError::Refused`] with
    /// what the registry says.
    pub async fn put_manifest(
        &self,
        repository: &str,
        at: &Reference,
        media_type: &str,
        content: Bytes,
    ) -> Result<PushedManifest, ClientError> {
        let algorithm = at.digest().map_or(Algorithm::Sha256, Digest::algorithm);
        let digest = Digest::of(algorithm, &content);
        if let Some(wanted) = at.digest().filter(|wanted| **wanted != digest) {
            return Err(ClientError::Digest { digest: wanted.clone() });
        }
        let path = format!("{repository}/manifests/{at}");
        let mut question = self.question(Method::PUT, &path, Scope::push(repository), Asked::Manifest)?;
        let media_type = HeaderValue::try_from(media_type).map_err(http::Error::from)?;
        question.headers.insert(CONTENT_TYPE, media_type);
        question.body = Payload::Whole(content);
        let response = self.ask(&question, Patience::Long).await?;
        let said = |name: &str| {
            let text = response.headers().get(name).and_then(|value| value.to_str().ok());
            text.and_then(|text| text.parse::<Digest>().ok())
        };
        let stored = said("docker-content-digest").filter(|said| said.algorithm() == algorithm);
        if stored.is_some_and(|stored| stored != digest) {
            return Err(ClientError::Useless { what: "it stored the manifest under another digest" });
        }
        let status = response.status();
        if status != StatusCode::CREATED {
            // What it says is no promise; that it has the manifest is.
            let there = self.head_manifest(repository, at, Patience::Long).await?;
            if there.digest.is_some_and(|there| there != digest) {
                return Err(ClientError::Unexpected { status });
            }
        }
        Ok(PushedManifest { digest, subject: said("oci-subject") })
    }

    /// Takes a tag away, or a manifest with all its tags.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if it is not there; [`ClientError::Refused`] where deleting is switched off.
    pub async fn delete(&self, repository: &str, at: &Reference) -> Result<(), ClientError> {
        let path = format!("{repository}/manifests/{at}");
        let question = self.question(Method::DELETE, &path, Scope::delete(repository), Asked::Manifest)?;
        self.ask(&question, Patience::Long).await.map(drop)
    }
}
