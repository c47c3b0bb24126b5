//! The distribution API: from a path and a method to the handler, one file per noun.
//!
//! Each handler decodes the request, lets the [`Authorizer`](berth_registry::Authorizer) decide, does one verb of the
//! registry, and describes what came of it.

use berth_mirror::{Entrance, Mirror};
use berth_oci::{ErrorCode, RepositoryName, Route, RouteError};
use berth_registry::{Access, Body, Caller, Registry, Right};
use http::header::{AsHeaderName, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderMap, Method};
use prometheus_client::metrics::gauge::Gauge;

use crate::answer::Answer;
use crate::error::ApiError;
use crate::origin::Origin;
use crate::query::{Query, split};
use crate::server::RouteKind;

mod access;
mod base;
mod blobs;
mod catalog;
mod manifests;
mod place;
mod referrers;
mod tags;
mod uploads;

/// A request without its body, and who makes it.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    registry: &'a Registry,
    caller: &'a Caller,
    origin: &'a Origin,
    uploads: &'a Gauge,
    method: &'a Method,
    headers: &'a HeaderMap,
    path: &'a str,
    query: Query<'a>,
    mirror: Option<&'a Mirror>,
    entrance: Entrance,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        registry: &'a Registry,
        caller: &'a Caller,
        origin: &'a Origin,
        uploads: &'a Gauge,
        head: &'a Parts,
    ) -> Call<'a> {
        let (path, query) = split(&head.uri);
        Call {
            registry,
            caller,
            origin,
            uploads,
            method: &head.method,
            headers: &head.headers,
            path,
            query,
            mirror: None,
            entrance: Entrance::Main,
        }
    }

    /// The same, where upstreams are mirrored.
    pub(crate) fn through(self, mirror: Option<&'a Mirror>, entrance: Entrance) -> Call<'a> {
        Call { mirror, entrance, ..self }
    }

    /// Decides whether the caller may do `R` in a repository.
    async fn access<R: Right>(&self, name: &RepositoryName) -> Result<Access<R>, ApiError> {
        Ok(self.registry.authorizer().authorize(self.caller, name).await?)
    }

    /// Whether only the header of the answer is wanted.
    fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// A header field as text; one that is not text counts as absent.
    fn header(&self, name: impl AsHeaderName) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The length of the body, if the client says it.
    fn content_length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH)?.parse().ok()
    }
}

/// Answers a request below `/v2`.
pub(crate) async fn answer(call: Call<'_>, body: impl Body) -> Answer {
    let route = Route::parse(call.path);
    let kind = route.as_ref().map_or(RouteKind("other"), kind);
    let done = match route {
        Ok(route) => dispatch(call, route, body).await,
        Err(error) => Err(misrouted(call, &error)),
    };
    let mut answer = done.unwrap_or_else(|error| access::explained(call, error).into_answer());
    answer.extensions_mut().insert(kind);
    answer
}

/// The table of the specification ("Endpoints"). HEAD is GET without the body; `api` cuts that off.
async fn dispatch(call: Call<'_>, route: Route, body: impl Body) -> Result<Answer, ApiError> {
    match (route, call.method.as_str()) {
        (Route::Base, "GET" | "HEAD") => base::get(call),
        (Route::Catalog, "GET" | "HEAD") => catalog::get(call).await,
        (Route::Tags { name }, "GET" | "HEAD") => tags::get(call, &name).await,
        (Route::Manifest { name, reference }, "GET" | "HEAD") => {
            manifests::get(call, &name, &reference).await
        }
        (Route::Manifest { name, reference }, "PUT") => manifests::put(call, &name, reference, body).await,
        (Route::Manifest { name, reference }, "DELETE") => manifests::delete(call, &name, &reference).await,
        (Route::Blob { name, digest }, "GET" | "HEAD") => blobs::get(call, &name, &digest).await,
        (Route::Blob { name, digest }, "DELETE") => blobs::delete(call, &name, &digest).await,
        (Route::Uploads { name }, "POST") => uploads::post(call, &name, body).await,
        (Route::Upload { name, id }, "GET" | "HEAD") => uploads::get(call, &name, &id).await,
        (Route::Upload { name, id }, "PATCH") => uploads::patch(call, &name, &id, body).await,
        (Route::Upload { name, id }, "PUT") => uploads::put(call, &name, &id, body).await,
        (Route::Upload { name, id }, "DELETE") => uploads::delete(call, &name, &id).await,
        (Route::Referrers { name, digest }, "GET" | "HEAD") => referrers::get(call, &name, &digest).await,
        (route, _) => Err(ApiError::method_not_allowed(call.method, methods(&route))),
    }
}

/// The methods of a route, for `Allow`.
fn methods(route: &Route) -> &'static str {
    match route {
        Route::Base | Route::Catalog | Route::Tags { .. } | Route::Referrers { .. } => "GET, HEAD",
        Route::Manifest { .. } => "GET, HEAD, PUT, DELETE",
        Route::Blob { .. } => "GET, HEAD, DELETE",
        Route::Uploads { .. } => "POST",
        Route::Upload { .. } => "GET, HEAD, PATCH, PUT, DELETE",
    }
}

/// The word for a route in metrics and logs.
fn kind(route: &Route) -> RouteKind {
    RouteKind(match route {
        Route::Base => "base",
        Route::Catalog => "catalog",
        Route::Tags { .. } => "tags",
        Route::Manifest { .. } => "manifest",
        Route::Blob { .. } => "blob",
        Route::Uploads { .. } => "uploads",
        Route::Upload { .. } => "upload",
        Route::Referrers { .. } => "referrers",
    })
}

/// No manifest can have a malformed tag, so whoever only looks for one is told that it is not there.
fn misrouted(call: Call<'_>, error: &RouteError) -> ApiError {
    match error {
        RouteError::Tag(_) if call.method != Method::PUT => {
            ApiError::because(ErrorCode::ManifestUnknown, error.to_string())
        }
        _ => error.clone().into(),
    }
}
