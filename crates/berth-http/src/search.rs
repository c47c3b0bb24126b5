//! `/v1/search`: what `docker search` and `podman search` ask.

use berth_registry::{Caller, Registry};
use http::header::HeaderName;
use http::request::Parts;
use http::{Method, StatusCode};
use serde::Serialize;

use crate::answer::{Answer, json};
use crate::error::ApiError;
use crate::query::Form;

/// docker sends it with every search, podman never.
const X_DOCKER_TOKEN: HeaderName = HeaderName::from_static("x-docker-token");
/// Results, if the client does not ask for fewer or more.
const USUAL: usize = 25;
/// Results at most.
const MOST: usize = 100;

#[derive(Serialize)]
struct Results<'a> {
    num_results: usize,
    query: &'a str,
    results: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    description: String,
    star_count: u32,
    is_official: bool,
    is_automated: bool,
}

/// Searches among what the caller may see.
///
/// podman asks without its credentials and is content with any 200; a 404 makes it list the catalog with them. So where
/// there are accounts it gets that, and docker, which gives itself away by a header, the public repositories.
pub(crate) async fn answer(registry: &Registry, caller: &Caller, head: &Parts) -> Result<Answer, ApiError> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(ApiError::method_not_allowed(&head.method, "GET, HEAD"));
    }
    let is_docker = head.headers.contains_key(X_DOCKER_TOKEN);
    if registry.authorizer().has_accounts() && caller.is_anonymous() && !caller.has_bearer() && !is_docker {
        return Err(berth_oci::RouteError::NotFound.into());
    }
    let form = Form::new(head.uri.query().unwrap_or_default());
    let term = form.get("q").unwrap_or_default();
    let asked = form.get("n").and_then(|n| n.parse().ok()).unwrap_or(USUAL);
    let access = registry.authorizer().search(caller)?;
    let found = registry.search_repositories(&access, &term, asked.clamp(1, MOST)).await?;
    let results: Vec<_> = found
        .into_iter()
        .map(|entry| Entry {
            name: entry.name,
            description: entry.description,
            star_count: 0,
            is_official: false,
            is_automated: false,
        })
        .collect();
    Ok(json(StatusCode::OK, &Results { num_results: results.len(), query: &term, results }))
}
