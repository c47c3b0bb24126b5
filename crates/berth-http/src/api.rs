//! The handler: who asks, what belongs to which part of the API, and what all answers have in common.

use std::net::SocketAddr;
use std::sync::Arc;

use berth_auth::Accounts;
use berth_mirror::{Entrance, Mirror};
use berth_registry::{Body, BodyError, Caller, Registry};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use prometheus_client::metrics::gauge::Gauge;
use serde_json::json;

use crate::answer::{Answer, Describe, json};
use crate::error::ApiError;
use crate::headers::{API_VERSION, DOCKER_API_VERSION, NOSNIFF};
use crate::metrics::Metrics;
use crate::origin::{AddressOptions, Origin};
use crate::pages::Pages;
use crate::server::{ConnInfo, Handler, RequestBody, ResponseBody, RouteKind};
use crate::{credentials, manage, mirrored, pages, search, setup, token, v2};

/// What `docker search` reads at `/v1/_ping`.
const STANDALONE: HeaderName = HeaderName::from_static("x-docker-registry-standalone");

/// What is mirrored, and where clients come in who know of nothing else.
#[derive(Clone)]
struct Mirroring {
    mirror: Mirror,
    entrances: Arc<[SocketAddr]>,
}

impl Mirroring {
    fn entrance(&self, connection: Option<&ConnInfo>) -> Entrance {
        let Some(local) = connection.map(|connection| connection.local) else { return Entrance::Main };
        let is_it = |entrance: &SocketAddr| {
            let everywhere = entrance.ip().is_unspecified();
            entrance.port() == local.port() && (everywhere || entrance.ip() == local.ip().to_canonical())
        };
        if self.entrances.iter().any(is_it) { Entrance::Mirror } else { Entrance::Main }
    }
}

/// Answers all requests for a registry. Clones share everything.
#[derive(Clone)]
pub struct Api {
    registry: Registry,
    accounts: Option<Accounts>,
    addresses: Arc<AddressOptions>,
    pages: Option<Arc<dyn Pages>>,
    mirror: Option<Mirroring>,
    /// Everybody, where there are no accounts.
    anonymous: Caller,
    uploads: Gauge,
}

impl Api {
    /// The API of `registry`, for everybody.
    pub fn new(registry: Registry) -> Api {
        Api {
            registry,
            accounts: None,
            addresses: Arc::default(),
            pages: None,
            mirror: None,
            anonymous: Caller::anonymous(None),
            uploads: Gauge::default(),
        }
    }

    /// Asks who is there, as soon as there are accounts.
    pub fn with_accounts(mut self, accounts: Accounts, addresses: AddressOptions) -> Api {
        self.accounts = Some(accounts);
        self.addresses = Arc::new(addresses);
        self
    }

    /// Serves pages for people as well.
    pub fn with_pages(mut self, pages: Arc<dyn Pages>) -> Api {
        self.pages = Some(pages);
        self
    }

    /// Gives images of upstreams as well. Who comes in by one of `entrances` takes this server for Docker Hub: he is
    /// asked for nothing, sees what is public, and changes nothing.
    pub fn with_mirror(mut self, mirror: Mirror, entrances: Vec<SocketAddr>) -> Api {
        self.mirror = Some(Mirroring { mirror, entrances: entrances.into() });
        self
    }

    /// Shows the uploads under way in `metrics`.
    pub fn counted(mut self, metrics: &Metrics) -> Api {
        self.uploads = metrics.uploads_active().clone();
        self
    }

    /// Answers one request that came over no network; its body is any stream of byte pieces. Errors are answers too.
    pub async fn answer<S, E>(&self, request: Request<S>) -> Response<ResponseBody>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        self.respond(request, None, None).await
    }

    /// Answers one request of a caller who is known already, whatever credentials it brings.
    pub async fn answer_as<S, E>(&self, caller: Caller, request: Request<S>) -> Response<ResponseBody>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        self.respond(request, None, Some(caller)).await
    }

    async fn respond<S, E>(
        &self,
        request: Request<S>,
        connection: Option<&ConnInfo>,
        known: Option<Caller>,
    ) -> Response<ResponseBody>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        let (mut head, body) = request.into_parts();
        if let Some(uri) = self.pages.as_deref().and_then(|pages| pages::without_root(pages, &head.uri)) {
            head.uri = uri;
        }
        if let Some(Mirroring { mirror, .. }) = &self.mirror
            && let Some(uri) = mirrored::without_prefix(mirror, &head.uri)
        {
            head.uri = uri;
        }
        let body = body.map(|piece| piece.map_err(|error| BodyError(Box::new(error))));
        let origin = match connection {
            Some(connection) => Origin::of(&head, connection, &self.addresses),
            None => Origin::local(&head),
        };
        let entrance = self.mirror.as_ref().map_or(Entrance::Main, |mirror| mirror.entrance(connection));
        let answer = match head.uri.path() {
            _ if entrance == Entrance::Mirror => self.open_mirror(&origin, &head, body).await,
            "/v1/_ping" => ping(&head),
            path if manage::is_document(path) => manage::answer_document(&head),
            path if path == "/token" || path == "/setup" || path.starts_with("/setup/") => {
                self.without_caller(&origin, &head, body).await
            }
            path if !is_api(path) => match &self.pages {
                Some(pages) => pages::answer(pages.as_ref(), &origin, &head, body).await,
                None => not_found(),
            },
            path => match self.caller(&origin, &head, known).await {
                Ok(caller) => self.with_caller(&caller, &origin, &head, body).await,
                Err(error) if path.starts_with("/api/") => manage::refused(&head, error),
                Err(error) => error.into_answer().with(DOCKER_API_VERSION, API_VERSION),
            },
        };
        finish(&head.method, answer)
    }

    /// Who asks. Where there are no accounts nobody is asked.
    async fn caller(&self, origin: &Origin, head: &Parts, known: Option<Caller>) -> Result<Caller, ApiError> {
        if let Some(caller) = known {
            return Ok(caller);
        }
        let Some(accounts) = self.accounts.as_ref().filter(|accounts| accounts.any()) else {
            return Ok(self.anonymous.clone());
        };
        // A session counts for the management API and never for images: no page may push or pull in somebody's name.
        if head.uri.path().starts_with("/api/")
            && !head.headers.contains_key(AUTHORIZATION)
            && let Some(pages) = &self.pages
            && let Some(secret) = pages.session(&head.headers)
        {
            let found = accounts.session(&secret, origin.client).await.map_err(ApiError::internal)?;
            if let Some((caller, _)) = found {
                let reads = matches!(head.method, Method::GET | Method::HEAD);
                let counts = reads || pages.is_from_here(head, &origin.base);
                return if counts { Ok(caller) } else { Err(manage::foreign()) };
            }
        }
        let credentials = credentials::read(&head.headers).ok_or_else(|| credentials::malformed(origin))?;
        let identified = accounts.identify(&credentials, origin.client).await;
        identified.map_err(|error| credentials::refused(error, origin))
    }

    /// What clients get that take this server for Docker Hub. Credentials are not looked at: they are those of somebody
    /// at Docker Hub, and sent by accident.
    async fn open_mirror(&self, origin: &Origin, head: &Parts, body: impl Body) -> Answer {
        let reads = matches!(head.method, Method::GET | Method::HEAD);
        match head.uri.path() {
            path if path != "/v2" && !path.starts_with("/v2/") => not_found(),
            _ if !reads => ApiError::method_not_allowed(&head.method, "GET, HEAD").into_answer(),
            _ => {
                let everybody = Caller::anonymous(origin.client);
                let call = self.call(&everybody, origin, Entrance::Mirror, head);
                v2::answer(call, body).await.with(DOCKER_API_VERSION, API_VERSION)
            }
        }
    }

    fn call<'a>(
        &'a self,
        caller: &'a Caller,
        origin: &'a Origin,
        entrance: Entrance,
        head: &'a Parts,
    ) -> v2::Call<'a> {
        let mirror = self.mirror.as_ref().map(|mirroring| &mirroring.mirror);
        v2::Call::new(&self.registry, caller, origin, &self.uploads, head).through(mirror, entrance)
    }

    /// What says itself who is there: the token server, and one-time links.
    async fn without_caller(&self, origin: &Origin, head: &Parts, body: impl Body) -> Answer {
        match &self.accounts {
            None => not_found(),
            Some(accounts) if head.uri.path() == "/token" => {
                token::answer(&self.registry, accounts, origin, head, body).await
            }
            Some(accounts) => setup::answer(accounts, origin, head, body).await,
        }
    }

    async fn with_caller(&self, caller: &Caller, origin: &Origin, head: &Parts, body: impl Body) -> Answer {
        match head.uri.path() {
            path if path == "/v2" || path.starts_with("/v2/") => {
                let call = self.call(caller, origin, Entrance::Main, head);
                v2::answer(call, body).await.with(DOCKER_API_VERSION, API_VERSION)
            }
            "/v1/search" => {
                let found = search::answer(&self.registry, caller, head).await;
                let mut answer = found.unwrap_or_else(ApiError::into_answer);
                answer.extensions_mut().insert(RouteKind("v1"));
                answer
            }
            path if path.starts_with("/api/v1/") => match &self.accounts {
                Some(accounts) => {
                    let mirror = self.mirror.as_ref().map(|mirroring| &mirroring.mirror);
                    manage::answer(&self.registry, accounts, mirror, caller, origin, head, body).await
                }
                None => manage::not_found(head),
            },
            path if path.starts_with("/api/") => manage::not_found(head),
            _ => not_found(),
        }
    }
}

impl Handler for Api {
    async fn handle(&self, request: Request<RequestBody>, connection: ConnInfo) -> Response<ResponseBody> {
        self.respond(request, Some(&connection), None).await
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

/// Whether a path belongs to the distribution API or to the management API, whatever may be there.
fn is_api(path: &str) -> bool {
    let below =
        |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below("/v2") || below("/v1") || path.starts_with("/api/")
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
