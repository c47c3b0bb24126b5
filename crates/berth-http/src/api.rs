//! The handler: what belongs to which part of the API, and what all answers have in common.

use berth_registry::{BodyError, Caller, Registry};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use prometheus_client::metrics::gauge::Gauge;
use serde_json::json;

use crate::answer::{Answer, Describe, json};
use crate::error::ApiError;
use crate::headers::{API_VERSION, DOCKER_API_VERSION, NOSNIFF};
use crate::metrics::Metrics;
use crate::server::{ConnInfo, Handler, RequestBody, ResponseBody, RouteKind};
use crate::v2;

/// What `docker search` reads at `/v1/_ping`.
const STANDALONE: HeaderName = HeaderName::from_static("x-docker-registry-standalone");

/// Answers the distribution API for a registry. Clones share everything.
#[derive(Clone)]
pub struct Api {
    registry: Registry,
    /// There are no accounts yet: whoever reaches the address is the same person.
    anonymous: Caller,
    uploads: Gauge,
}

impl Api {
    /// The API of `registry`.
    pub fn new(registry: Registry) -> Api {
        Api { registry, anonymous: Caller::anonymous(), uploads: Gauge::default() }
    }

    /// Shows the uploads under way in `metrics`.
    pub fn counted(mut self, metrics: &Metrics) -> Api {
        self.uploads = metrics.uploads_active().clone();
        self
    }

    /// Answers one request; its body is any stream of byte pieces. Errors are answers too.
    pub async fn answer<S, E>(&self, request: Request<S>) -> Response<ResponseBody>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        let (head, body) = request.into_parts();
        let body = body.map(|piece| piece.map_err(|error| BodyError(Box::new(error))));
        let answer = match head.uri.path() {
            path if path == "/v2" || path.starts_with("/v2/") => {
                let call = v2::Call::new(&self.registry, &self.anonymous, &self.uploads, &head);
                v2::answer(call, body).await.with(DOCKER_API_VERSION, API_VERSION)
            }
            "/v1/_ping" => ping(&head),
            _ => not_found(),
        };
        finish(&head.method, answer)
    }
}

impl Handler for Api {
    async fn handle(&self, request: Request<RequestBody>, _: ConnInfo) -> Response<ResponseBody> {
        self.answer(request).await
    }
}

/// `GET /v1/_ping`, with which `docker search` begins on plain HTTP.
fn ping(head: &Parts) -> Answer {
    let mut answer = match head.method {
        Method::GET | Method::HEAD => {
            json(StatusCode::OK, &json!({})).with(STANDALONE, HeaderValue::from_static("true"))
        }
        _ => ApiError::method_not_allowed(&head.method, "GET, HEAD").into_answer(),
    };
    answer.extensions_mut().insert(RouteKind("v1"));
    answer
}

fn not_found() -> Answer {
    ApiError::from(berth_oci::RouteError::NotFound).into_answer()
}

/// What holds for every answer: its length is said, and the answer to HEAD is the header of that to GET.
fn finish(method: &Method, mut answer: Answer) -> Answer {
    let bodiless = matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let length = answer.body().len().filter(|_| !bodiless);
    let headers = answer.headers_mut();
    if let Some(length) = length {
        headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if method == Method::HEAD {
        *answer.body_mut() = ResponseBody::Empty;
    }
    answer
}
