//! What operators ask a server: is it alive, is it ready, what are its numbers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};

use crate::metrics::Metrics;
use crate::server::{ResponseBody, RouteKind};

/// How long a readiness check may take before the answer is no.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// The content type that Prometheus expects of the OpenMetrics text format.
const METRICS_TYPE: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Answers `/healthz`, `/readyz` and `/metrics`; a cheap handle, shared by all servers of a process.
#[derive(Clone)]
pub struct Operations(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    check: Check,
    draining: AtomicBool,
}

type Check = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

impl Operations {
    /// `check` says whether requests can be served at the moment, or why not; it is asked at each `/readyz`.
    pub fn new<F, Answer>(metrics: Metrics, check: F) -> Operations
    where
        F: Fn() -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Box::new(move || Box::pin(check()));
        Operations(Arc::new(Inner { metrics, check, draining: AtomicBool::new(false) }))
    }

    /// The metrics that `/metrics` shows.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// From now on the process is not ready, for good. A server says so when it begins to shut down.
    pub fn drain(&self) {
        self.0.draining.store(true, Relaxed);
    }

    async fn readiness(&self) -> Result<(), String> {
        if self.0.draining.load(Relaxed) {
            return Err("shutting down".to_owned());
        }
        tokio::time::timeout(CHECK_TIMEOUT, (self.0.check)())
            .await
            .unwrap_or_else(|_| Err("the readiness check takes too long".to_owned()))
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations").finish_non_exhaustive()
    }
}

/// The answer to a request of an operator, `None` for all others.
pub(crate) async fn answer<B>(
    operations: &Operations,
    request: &Request<B>,
) -> Option<Response<ResponseBody>> {
    let path = request.uri().path();
    // Most requests are for `/v2/…` and leave here.
    if !matches!(path, "/healthz" | "/readyz" | "/metrics") {
        return None;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Some(text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n"));
    }
    Some(match path {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match operations.readiness().await {
            Ok(()) => text(StatusCode::OK, "ready\n"),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
        },
        _ => {
            let mut response = text(StatusCode::OK, operations.metrics().encode());
            response.headers_mut().insert(CONTENT_TYPE, METRICS_TYPE);
            response
        }
    })
}

fn text(status: StatusCode, text: impl Into<bytes::Bytes>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(RouteKind("operations"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status(operations: &Operations, path: &str) -> Option<StatusCode> {
        let request = Request::get(path).body(()).expect("a request");
        answer(operations, &request).await.map(|response| response.status())
    }

    #[tokio::test]
    async fn readiness_follows_the_check_and_ends_with_draining() {
        let good = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&good);
        let operations = Operations::new(Metrics::new("0"), move || {
            let good = asked.load(Relaxed);
            async move { if good { Ok(()) } else { Err("the database is away".to_owned()) } }
        });
        assert_eq!(status(&operations, "/readyz").await, Some(StatusCode::OK));
        good.store(false, Relaxed);
        assert_eq!(status(&operations, "/readyz").await, Some(StatusCode::SERVICE_UNAVAILABLE));
        good.store(true, Relaxed);
        operations.drain();
        assert_eq!(status(&operations, "/readyz").await, Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(status(&operations, "/healthz").await, Some(StatusCode::OK));
        assert_eq!(status(&operations, "/metrics").await, Some(StatusCode::OK));
        assert_eq!(status(&operations, "/v2/").await, None);
    }
}
