//! What a removal would take, which Berth tells before anything goes.

use berth_egress::Link;
use berth_oci::Reference;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::health::Asked;
use crate::scope::Scope;
use crate::{Client, ClientError, Patience};

/// Bytes of one answer.
const LONGEST: usize = 1 << 20;
/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What goes, or would go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Removal {
    /// Tags that end; the first hundred.
    pub tags: Vec<String>,
    /// Their number.
    pub tag_count: u64,
    /// Images that nothing holds any more, by digest; the first hundred.
    pub manifests: Vec<String>,
    /// Their number.
    pub manifest_count: u64,
    /// Bytes that will be free.
    pub freed_bytes: u64,
    /// Bytes that stay, since other images have them as well.
    pub shared_bytes: u64,
}

/// What Berth says of an image.
#[derive(Deserialize)]
struct Kept {
    #[serde(rename = "reasons")]
    _reasons: Vec<String>,
}

impl Client {
    /// Asks what would go with a tag, or with an image and all its tags. Nothing goes. `None` if the registry does not
    /// tell such things, or has no such image.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the reason why it would be refused.
    pub async fn preview_delete(
        &self,
        repository: &str,
        at: &Reference,
    ) -> Result<Option<Removal>, ClientError> {
        // A preview that somebody takes for a removal would be the worst: so it is seen first who answers there.
        match self.read_of_berth::<Kept>(Method::GET, repository, &format!("why-kept/{}", word(at))).await {
            Ok(Some(_)) => (),
            Ok(None) => return Ok(None),
            Err(error @ ClientError::Egress(_)) => return Err(error),
            Err(_) => return Ok(None),
        }
        let kind = if at.digest().is_some() { "manifests" } else { "tags" };
        let path = format!("{kind}/{}?dry_run=true", word(at));
        self.read_of_berth(Method::DELETE, repository, &path).await
    }

    /// Reads a document of Berth's management API; `None` if it is another one.
    async fn read_of_berth<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        repository: &str,
        path: &str,
    ) -> Result<Option<T>, ClientError> {
        let mut question = self.question(method, "", Scope::preview(repository), Asked::Manifest)?;
        let target = format!("/api/v1/repositories/{repository}/-/{path}");
        question.link = Link::new(self.origin().clone(), &target)?;
        let answer = self.ask_whole(&question, Patience::Short, LONGEST).await?;
        Ok(serde_json::from_slice(answer.body()).ok())
    }
}

fn word(at: &Reference) -> String {
    utf8_percent_encode(&at.to_string(), RESERVED).to_string()
}
