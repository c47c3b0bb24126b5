//! What serves pages for people: asked about all paths that belong to no part of the API.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use berth_auth::Secret;
use berth_registry::Body;
use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Response, Uri};

use crate::answer::Answer;
use crate::body;
use crate::error::ApiError;
use crate::origin::Origin;
use crate::server::{ResponseBody, RouteKind};

/// Bytes of the longest form: a README, with each byte as three characters.
const LONGEST: usize = 4 * 1024 * 1024;

/// A request for a page, read as a whole.
#[derive(Debug)]
pub struct PageRequest {
    /// Its head.
    pub head: Parts,
    /// Its body.
    pub body: Bytes,
    /// `scheme://authority` by which the client knows us.
    pub base: String,
    /// Where it came from, if over a network.
    pub client: Option<IpAddr>,
}

/// A page that is under way.
pub type Paging<'a> = Pin<Box<dyn Future<Output = Response<Bytes>> + Send + 'a>>;

/// Serves pages for people.
pub trait Pages: Send + Sync {
    /// Answers a request. Errors are pages too.
    fn answer(&self, request: PageRequest) -> Paging<'_>;
    /// The session that a browser brings, which counts for `/api/` as well, and nowhere else.
    fn session(&self, headers: &HeaderMap) -> Option<Secret>;
    /// Whether a request comes from one of these pages: a session counts for no other change.
    fn is_from_here(&self, head: &Parts, base: &str) -> bool;
    /// The path below which a proxy serves everything but the distribution API; empty at the root.
    fn root(&self) -> &str;
}

/// Answers a request that belongs to no part of the API.
pub(crate) async fn answer(pages: &dyn Pages, origin: &Origin, head: &Parts, body: impl Body) -> Answer {
    let body = match body::bytes(body, LONGEST).await {
        Ok(body) => body,
        Err(error) => return ApiError::into_answer(error),
    };
    let request = PageRequest { head: head.clone(), body, base: origin.base.clone(), client: origin.client };
    let mut answer = pages.answer(request).await.map(ResponseBody::from);
    answer.extensions_mut().insert(RouteKind("page"));
    answer
}

/// Takes the root off the path, if it is there: some proxies do, some do not.
pub(crate) fn without_root(pages: &dyn Pages, uri: &Uri) -> Option<Uri> {
    let root = pages.root();
    let rest = uri.path_and_query()?.as_str().strip_prefix(root).filter(|_| !root.is_empty())?;
    let rest = match rest.as_bytes().first() {
        None => "/".to_owned(),
        Some(b'?') => format!("/{rest}"),
        Some(b'/') => rest.to_owned(),
        Some(_) => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
    Uri::from_parts(parts).ok()
}
