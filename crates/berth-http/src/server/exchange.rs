//! One request and its answer: from the parsed header to the last byte, and what is recorded about it.

use std::sync::Arc;
use std::time::Instant;

use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, HeaderValue, USER_AGENT};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;

use crate::access_log::{self, RequestId};
use crate::health;

use super::handler::{ConnInfo, Handler, RouteKind};
use super::pulse::Pulse;
use super::request_body::{RequestBody, finish_small};
use super::response_body::ResponseBody;
use super::site::Site;
use super::stand_in::FileQueue;
use super::tally::Tally;
use super::wire_body::WireBody;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is needed of a connection to answer requests on it.
pub(crate) struct Desk<H> {
    pub(crate) site: Arc<Site>,
    pub(crate) handler: Arc<H>,
    pub(crate) info: ConnInfo,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) queue: Option<Arc<FileQueue>>,
}

impl<H: Handler> Desk<H> {
    /// Answers one request. Never fails: what goes wrong is a response, or a body that breaks off.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<WireBody> {
        let mut exchange = Exchange::begin(&self, &request);
        let expects_continue = request.headers().contains_key(EXPECT);
        let refusal = refuse_head(&self.site, &request);
        let info = ConnInfo { version: request.version(), ..self.info };
        let pulse = Arc::clone(&self.pulse);
        let tally = Arc::clone(&exchange.tally);
        let request = request.map(|body| RequestBody::new(body, expects_continue, pulse, tally));
        let response = match refusal {
            Some(response) => response,
            None => match health::answer(&self.site.operations, &request).await {
                Some(response) => response,
                None => self.handler.handle(request, info).await,
            },
        };
        finish_small(&self.pulse, &exchange.tally).await;
        let (mut parts, body) = response.into_parts();
        if info.version == Version::HTTP_2 {
            // Has no meaning there: streams are refused, not connections.
            parts.headers.remove(CONNECTION);
        } else if self.pulse.is_unread() {
            parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        exchange.answered(&mut parts);
        Response::from_parts(parts, WireBody::new(body, self.queue.clone(), exchange))
    }
}

/// The answer to a request whose header is too large for us, though not for the parser.
fn refuse_head(site: &Site, request: &Request<Incoming>) -> Option<Response<ResponseBody>> {
    let uri = request.uri();
    let uri_len = uri.path_and_query().map_or(0, |target| target.as_str().len());
    if uri_len > site.limits.uri_bytes {
        return Some(refusal(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", "the request target is too long"));
    }
    if uri_len + headers_len(request.headers()) > site.limits.header_bytes {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Some(refusal(status, "HEADER_TOO_LARGE", "the request header is too large"));
    }
    None
}

/// The bytes of all header fields, with the four that separate each.
fn headers_len(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// A refusal in the error form of the distribution API.
fn refusal(status: StatusCode, code: &str, message: &str) -> Response<ResponseBody> {
    let body = serde_json::json!({"errors": [{"code": code, "message": message, "detail": {}}]});
    let mut response = Response::new(ResponseBody::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The record of one exchange, written when it is dropped: after the last byte, or when the client went away.
pub(crate) struct Exchange {
    site: Arc<Site>,
    pulse: Arc<Pulse>,
    tally: Arc<Tally>,
    began: Instant,
    method: Method,
    uri: Uri,
    peer: std::net::SocketAddr,
    /// Known when the access log is on.
    logged: Option<Box<Logged>>,
    route: RouteKind,
    status: Option<StatusCode>,
    sent: u64,
    complete: bool,
}

struct Logged {
    id: RequestId,
    agent: Option<HeaderValue>,
    version: Version,
}

impl Exchange {
    fn begin<H>(desk: &Desk<H>, request: &Request<Incoming>) -> Exchange {
        desk.pulse.begin_request();
        let logged = desk.site.access_log.then(|| {
            Box::new(Logged {
                id: RequestId::next(),
                agent: request.headers().get(USER_AGENT).cloned(),
                version: request.version(),
            })
        });
        Exchange {
            site: Arc::clone(&desk.site),
            pulse: Arc::clone(&desk.pulse),
            tally: Arc::default(),
            began: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            peer: desk.info.peer,
            logged,
            route: RouteKind("other"),
            status: None,
            sent: 0,
            complete: false,
        }
    }

    fn answered(&mut self, parts: &mut http::response::Parts) {
        self.status = Some(parts.status);
        if let Some(route) = parts.extensions.remove::<RouteKind>() {
            self.route = route;
        }
        if let Some(logged) = &self.logged {
            parts.headers.insert(REQUEST_ID.clone(), logged.id.to_header());
        }
        // An answer to HEAD is complete with its header.
        self.complete = self.method == Method::HEAD;
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    pub(crate) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let elapsed = self.began.elapsed();
        let received = self.tally.received();
        let metrics = self.site.operations.metrics();
        metrics.record(&self.method, self.route, self.status, elapsed, received, self.sent);
        if let Some(logged) = &self.logged {
            access_log::write(&access_log::Line {
                id: logged.id,
                method: &self.method,
                uri: &self.uri,
                version: logged.version,
                route: self.route.0,
                status: self.status,
                received,
                sent: self.sent,
                complete: self.complete,
                elapsed,
                peer: self.peer,
                agent: logged.agent.as_ref(),
            });
        }
        self.pulse.end_request();
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("method", &self.method)
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}
