//! Lists of tags.

use http::Method;
use http::header::LINK;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::health::Asked;
use crate::pages::LONGEST;
use crate::scope::Scope;
use crate::{Client, ClientError, Patience};

/// A part of the tags of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPage {
    /// Their names.
    pub tags: Vec<String>,
    /// Whether there are more behind them.
    pub more: bool,
}

#[derive(Deserialize)]
struct List {
    tags: Option<Vec<String>>,
}

impl Client {
    /// Lists at most `n` tags that come after `last`, in the registry's own order.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn tags(&self, repository: &str, n: usize, last: &str) -> Result<TagPage, ClientError> {
        let mut path = format!("{repository}/tags/list?n={n}");
        if !last.is_empty() {
            path.push_str(&format!("&last={}", utf8_percent_encode(last, NON_ALPHANUMERIC)));
        }
        let question = self.question(Method::GET, &path, Scope::pull(repository), Asked::Manifest)?;
        let response = self.ask_whole(&question, Patience::Short, LONGEST).await?;
        let more = response.headers().contains_key(LINK);
        Ok(TagPage { tags: read(response.body())?, more })
    }
}

/// The tags of a page.
pub(crate) fn read(page: &[u8]) -> Result<Vec<String>, ClientError> {
    let list: List = serde_json::from_slice(page)
        .map_err(|_| ClientError::Useless { what: "its list of tags is none" })?;
    Ok(list.tags.unwrap_or_default())
}
