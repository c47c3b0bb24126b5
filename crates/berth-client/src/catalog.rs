//! What repositories there are: the list of them, and the search of old times, which docker still asks.

use berth_egress::Link;
use http::header::LINK;
use http::{HeaderName, HeaderValue, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::health::Asked;
use crate::pages::LONGEST;
use crate::scope::Scope;
use crate::{Client, ClientError, Patience};

/// A part of the repositories of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogPage {
    /// Their names.
    pub repositories: Vec<String>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// A repository that was found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// Its name, without the registry.
    pub name: String,
    /// What it is, in the words of its owner.
    #[serde(default, deserialize_with = "null_as_default")]
    pub description: String,
    /// How many people marked it.
    #[serde(default, deserialize_with = "null_as_default", rename = "star_count")]
    pub stars: i64,
    /// Whether it is one of the registry's own.
    #[serde(default, deserialize_with = "null_as_default", rename = "is_official")]
    pub official: bool,
}

#[derive(Deserialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Results {
    results: Option<Vec<Found>>,
}

impl Client {
    /// Lists at most `n` repositories that come after `last`, as far as one may see them.
    ///
    /// # Errors
    /// [`ClientError`]; some registries have no such list.
    pub async fn catalog(&self, n: usize, last: &str) -> Result<CatalogPage, ClientError> {
        let mut path = format!("_catalog?n={n}");
        if !last.is_empty() {
            path.push_str(&format!("&last={}", utf8_percent_encode(last, NON_ALPHANUMERIC)));
        }
        let question = self.question(Method::GET, &path, Scope::catalog(), Asked::Manifest)?;
        let response = self.ask_whole(&question, Patience::Long, LONGEST).await?;
        let more = response.headers().contains_key(LINK);
        Ok(CatalogPage { repositories: read(response.body())?, more })
    }

    /// Looks for repositories by a word, as `docker search` does; at most `limit`. Whoever signed in is known before it is
    /// asked: a registry shows everybody else what is public, and wants no credentials for that.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if the registry has no search.
    pub async fn search(&self, word: &str, limit: usize) -> Result<Vec<Found>, ClientError> {
        let mut question = self.question(Method::GET, "", Scope::search(), Asked::Manifest)?;
        let is_somebody = self.0.auth.credentials().is_some();
        if is_somebody
            && let Err(error @ ClientError::Unauthorized { .. }) = self.ask(&question, Patience::Short).await
        {
            return Err(error);
        }
        let word = utf8_percent_encode(word, NON_ALPHANUMERIC);
        question.link = Link::new(self.origin().clone(), &format!("/v1/search?q={word}&n={limit}"))?;
        // Without it, registries that know podman answer as if there were no search.
        let token = HeaderName::from_static("x-docker-token");
        question.headers.insert(token, HeaderValue::from_static("true"));
        let response = self.ask_whole(&question, Patience::Long, LONGEST).await?;
        let results: Results = serde_json::from_slice(response.body())
            .map_err(|_| ClientError::Useless { what: "what it found is no list" })?;
        let mut results = results.results.unwrap_or_default();
        results.truncate(limit);
        Ok(results)
    }
}

/// The repositories of a page.
pub(crate) fn read(page: &[u8]) -> Result<Vec<String>, ClientError> {
    let list: Catalog = serde_json::from_slice(page)
        .map_err(|_| ClientError::Useless { what: "its list of repositories is none" })?;
    Ok(list.repositories.unwrap_or_default())
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
