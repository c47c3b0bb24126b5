//! The client: one request, one answer, on a pool of connections to one destination.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use crate::connect::{Connector, LookUp, look_up, spelled};
use crate::outgoing::{Outgoing, Pulse, watched};
use crate::requests::Told;
use crate::{EgressError, Incoming, Link, Proxies, Reach, RootsError, roots};

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the request, or the last piece of it that could be sent, to the head of the answer.
    pub head: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { head: Duration::from_secs(30), idle: Duration::from_secs(30) }
    }
}

/// What a destination is like.
#[derive(Debug, Clone, Default)]
pub struct EgressOptions {
    /// How far it may be.
    pub reach: Reach,
    /// The hosts that a private reach is meant for, without ports. Others, where it sends us, have to be public.
    pub hosts: Vec<String>,
    /// Certificates of its own authority, PEM.
    pub ca_file: Option<PathBuf>,
    /// Certificates of more authorities, PEM.
    pub more_ca_files: Vec<PathBuf>,
    /// Our own certificate and its key, for servers that want to see one, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether any certificate will do.
    pub unverified: bool,
    /// Which proxies stand between.
    pub proxies: Proxies,
    /// How long is waited.
    pub limits: Limits,
}

/// The way to one destination. Clones share its connections.
#[derive(Clone)]
pub struct Egress {
    client: legacy::Client<Connector, Outgoing>,
    limits: Limits,
    proxies: Arc<Proxies>,
}

impl Egress {
    /// The way to a destination. Nothing is connected yet.
    ///
    /// # Errors
    /// [`RootsError`] if its certificates cannot be used.
    pub fn new(options: &EgressOptions) -> Result<Egress, RootsError> {
        Egress::with(options, look_up())
    }

    /// One that looks names up by `look_up`.
    pub(crate) fn with(options: &EgressOptions, look_up: LookUp) -> Result<Egress, RootsError> {
        let ca_files: Vec<_> =
            options.ca_file.iter().chain(&options.more_ca_files).map(PathBuf::as_path).collect();
        let own = options.identity.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
        let proxies = Arc::new(options.proxies.clone());
        let connector = Connector {
            tls: Arc::new(roots::config(&ca_files, own, options.unverified)?),
            proxies: Arc::clone(&proxies),
            reach: options.reach,
            private: options.hosts.iter().map(|host| spelled(host)).collect(),
            look_up,
        };
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(8)
            .http1_max_buf_size(512 * 1024)
            .set_host(false)
            .build(connector);
        Ok(Egress { client, limits: options.limits, proxies })
    }

    /// Sends one request and waits for the head of its answer, whatever its status. Redirects are answers like others.
    ///
    /// # Errors
    /// [`EgressError`].
    pub async fn send(
        &self,
        method: Method,
        link: &Link,
        headers: HeaderMap,
        body: Outgoing,
    ) -> Result<Response<Incoming>, EgressError> {
        self.send_patiently(method, link, headers, body, Duration::ZERO).await
    }

    /// The same for a request after which the server has more to do than usual, and may take so much longer.
    ///
    /// # Errors
    /// [`EgressError`].
    pub async fn send_patiently(
        &self,
        method: Method,
        link: &Link,
        headers: HeaderMap,
        body: Outgoing,
        longer: Duration,
    ) -> Result<Response<Incoming>, EgressError> {
        let told = Told::new(&method, link);
        let pulse = Pulse::new();
        let body = watched(body, pulse.clone());
        let mut request = Request::builder().method(method).uri(link.uri()?).body(body)?;
        *request.headers_mut() = headers;
        let host = HeaderValue::try_from(link.origin().authority()).map_err(http::Error::from)?;
        request.headers_mut().insert(HOST, host);
        request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static("berth"));
        let origin = link.origin();
        if let Some(proxy) = self.proxies.of(false, origin.host(), origin.port())
            && !origin.is_secure()
            && let Some(authorization) = &proxy.authorization
        {
            // Without TLS there is no tunnel, and the proxy reads each request.
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let limit = self.limits.head + longer;
        let mut sent = std::pin::pin!(self.client.request(request));
        let response = loop {
            // Only what stands still is too slow: a large body takes its time.
            match timeout_at(pulse.last() + limit, &mut sent).await {
                Ok(answer) => break answer.map_err(cause),
                Err(_) if pulse.last() + limit > Instant::now() => (),
                Err(_) => break Err(EgressError::TooSlow(limit)),
            }
        };
        told.answered(&response);
        let response = response?;
        let idle = self.limits.idle;
        Ok(response.map(|body| Incoming::new(body, idle)))
    }
}

/// The error of the connector, if it was that.
fn cause(error: legacy::Error) -> EgressError {
    let told = |error: Box<dyn Error + Send + Sync>| EgressError::Broken(error);
    if !error.is_connect() {
        return told(error.into());
    }
    // The library lends the source of an error and gives it to nobody, so what it says is built again.
    match error.source().and_then(|source| source.downcast_ref::<EgressError>()) {
        Some(source) => source.again(),
        None => told(error.into()),
    }
}
