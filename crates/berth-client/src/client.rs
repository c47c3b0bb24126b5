//! The client: one question at a time, with all that stands between it and the wire.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use berth_egress::{
    Egress, EgressError, EgressOptions, Incoming, Limits, Link, Origin, Outgoing, Proxies, Reach, RootsError,
    bytes, empty, whole,
};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, LOCATION, VIA};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::auth::{self, Authenticator};
use crate::health::{Asked, Breaker};
use crate::scope::Scope;
use crate::upload::Room;
use crate::{ClientError, Credentials, Health, Patience, RateLimit, fault, retry};

/// How long an answer is waited for that somebody could do without.
pub(crate) const QUICK: Duration = Duration::from_secs(5);

/// Redirects that are followed.
pub(crate) const REDIRECTS: usize = 3;

/// What is known of a registry.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Where it is.
    pub origin: Origin,
    /// With whose rights it is asked; nobody's if there are none.
    pub credentials: Option<Credentials>,
    /// Hosts (`host` or `host:port`) that may be sent the credentials to give a token for them.
    pub auth_hosts: Vec<String>,
    /// Who says which hosts these are.
    pub realms: Realms,
    /// Whether it may be on this machine or a private network; so may its hosts for tokens.
    pub reach: Reach,
    /// Certificates of its own authority, PEM.
    pub ca_file: Option<PathBuf>,
    /// Certificates of more authorities, PEM.
    pub more_ca_files: Vec<PathBuf>,
    /// Our own certificate and its key, for a registry that wants to see one, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether any certificate will do.
    pub unverified: bool,
    /// Which proxies stand between.
    pub proxies: Proxies,
    /// How long is waited.
    pub limits: Limits,
    /// What is sent to it with each request, beside what has to be. Values that nobody should see are marked as sensitive.
    pub headers: HeaderMap,
    /// What the asker is called in `Via` (RFC 9110, section 7.6.3), so that one who asks himself in a ring notices.
    pub via: Option<String>,
}

/// Who says which hosts may be sent the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realms {
    /// Whoever runs us: the registry itself, and [`ClientOptions::auth_hosts`].
    Named,
    /// The registry, as docker believes it: GitLab has its tokens on another host, and nobody who signs in knows that. From
    /// a registry with TLS they never go to a realm without.
    OfRegistry,
}

impl ClientOptions {
    /// A registry that everybody can reach and read.
    pub fn new(origin: Origin) -> ClientOptions {
        ClientOptions {
            origin,
            credentials: None,
            auth_hosts: Vec::new(),
            realms: Realms::Named,
            reach: Reach::Public,
            ca_file: None,
            more_ca_files: Vec::new(),
            identity: None,
            unverified: false,
            proxies: Proxies::default(),
            limits: Limits::default(),
            headers: HeaderMap::new(),
            via: None,
        }
    }
}

/// A client of one registry. Clones share connections, tokens, and what is known of its health.
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) origin: Origin,
    headers: HeaderMap,
    via: Option<String>,
    pub(crate) egress: Egress,
    pub(crate) auth: Authenticator,
    breaker: Breaker,
    /// What was learnt of the size of bodies that come through.
    pub(crate) room: Room,
}

/// A question to the registry.
pub(crate) struct Question<'a> {
    pub(crate) method: Method,
    pub(crate) link: Link,
    pub(crate) headers: HeaderMap,
    pub(crate) scope: Scope,
    pub(crate) asked: Asked,
    pub(crate) body: Payload<'a>,
    /// How much longer than usual an answer may take, since there is much to do for it.
    pub(crate) longer: Duration,
}

/// Gives a body, from its beginning each time: who is asked to sign in has to send it again.
pub(crate) type Bodies<'a> = &'a (dyn Fn() -> BoxFuture<'a, Result<Outgoing, ClientError>> + Sync);

/// What goes with a question.
pub(crate) enum Payload<'a> {
    Nothing,
    Whole(Bytes),
    Stream { length: u64, open: Bodies<'a> },
}

impl Payload<'_> {
    async fn open(&self) -> Result<Outgoing, ClientError> {
        match self {
            Payload::Nothing => Ok(empty()),
            Payload::Whole(content) => Ok(bytes(content.clone())),
            Payload::Stream { open, .. } => open().await,
        }
    }

    pub(crate) fn length(&self) -> u64 {
        match self {
            Payload::Nothing => 0,
            Payload::Whole(content) => content.len() as u64,
            Payload::Stream { length, .. } => *length,
        }
    }
}

impl Question<'_> {
    /// Whether it changes nothing.
    fn only_reads(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

impl Client {
    /// A client. Nothing is asked yet.
    ///
    /// # Errors
    /// [`RootsError`] if the certificates cannot be used.
    pub fn new(options: ClientOptions) -> Result<Client, RootsError> {
        let mut hosts = vec![options.origin.host().to_owned()];
        hosts.extend(options.auth_hosts.iter().map(|host| without_port(host).to_owned()));
        let egress = Egress::new(&EgressOptions {
            reach: options.reach,
            hosts,
            ca_file: options.ca_file,
            more_ca_files: options.more_ca_files,
            identity: options.identity,
            unverified: options.unverified,
            proxies: options.proxies,
            limits: options.limits,
        })?;
        let auth = Authenticator::new(
            options.origin.clone(),
            options.credentials,
            &options.auth_hosts,
            options.realms,
        );
        let (origin, headers, via) = (options.origin, options.headers, options.via);
        let (breaker, room) = (Breaker::default(), Room::default());
        Ok(Client(Arc::new(Shared { origin, headers, via, egress, auth, breaker, room })))
    }

    /// A question about `path` below `/v2/`, with nothing to send.
    pub(crate) fn question<'a>(
        &self,
        method: Method,
        path: &str,
        scope: Scope,
        asked: Asked,
    ) -> Result<Question<'a>, ClientError> {
        let link = Link::new(self.0.origin.clone(), &format!("/v2/{path}"))?;
        let (headers, body, longer) = (HeaderMap::new(), Payload::Nothing, Duration::ZERO);
        Ok(Question { method, link, headers, scope, asked, body, longer })
    }

    /// Where the registry is.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// How the registry was lately.
    pub fn health(&self) -> Health {
        self.0.breaker.health()
    }

    /// Asks, and tries again what may pass. Gives the head of an answer of success, and its body to read.
    pub(crate) async fn ask(
        &self,
        question: &Question<'_>,
        patience: Patience,
    ) -> Result<Response<Incoming>, ClientError> {
        self.tries(question, patience, |response| std::future::ready(Ok(response))).await
    }

    /// Asks for what is read whole, of at most `limit` bytes. A body that is cut is a try as well.
    ///
    /// # Errors
    /// [`EgressError::TooLong`] if it is longer.
    pub(crate) async fn ask_whole(
        &self,
        question: &Question<'_>,
        patience: Patience,
        limit: usize,
    ) -> Result<Response<Bytes>, ClientError> {
        let read = |response: Response<Incoming>| async move {
            if length(response.headers()).is_some_and(|length| length > limit as u64) {
                return Err(EgressError::TooLong { limit }.into());
            }
            let (head, body) = response.into_parts();
            Ok(Response::from_parts(head, whole(body, limit).await?))
        };
        self.tries(question, patience, read).await
    }

    async fn tries<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        question: &Question<'_>,
        patience: Patience,
        read: impl Fn(Response<Incoming>) -> F,
    ) -> Result<T, ClientError> {
        let breaker = &self.0.breaker;
        let mut tried = 1;
        breaker.admit(question.asked).map_err(|left| breaker.refusal(left))?;
        loop {
            let asked = match patience {
                Patience::Long => self.exchange(question).await,
                Patience::Short => within(QUICK, self.exchange(question)).await,
            };
            let error = match asked {
                Ok(response) => match read(response).await {
                    Ok(answer) => {
                        breaker.answered();
                        return Ok(answer);
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if error.is_away() {
                breaker.failed(&error);
            } else {
                breaker.answered();
            }
            // Whoever waited that long does not wait so long again.
            let was_slow = matches!(error, ClientError::Egress(EgressError::TooSlow(_)));
            let again = error.is_passing() && !was_slow && tried < patience.tries();
            let Some(wait) = retry::wait(tried, error.retry_after()).filter(|_| again) else {
                return Err(error);
            };
            tracing::debug!(registry = %self.0.origin, %error, "asking again");
            tokio::time::sleep(wait).await;
            if breaker.admit(question.asked).is_err() {
                // Why it is left alone from now on says more than that it is.
                return Err(error);
            }
            tried += 1;
        }
    }

    /// Asks once, for an answer of success.
    async fn exchange(&self, question: &Question<'_>) -> Result<Response<Incoming>, ClientError> {
        let response = self.exchange_any(question).await?;
        if !response.status().is_success() {
            let error = fault::of_question(question, response).await;
            // With Basic there is no host for tokens to judge them before.
            return Err(if self.0.auth.is_basic() { error.of_credentials() } else { error });
        }
        let encoding = response.headers().get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(ClientError::Useless { what: "it was packed on the way (Content-Encoding)" });
        }
        Ok(response)
    }

    /// Asks once, whatever the answer, and counts for the health of the registry.
    pub(crate) async fn once(&self, question: &Question<'_>) -> Result<Response<Incoming>, ClientError> {
        let breaker = &self.0.breaker;
        breaker.admit(question.asked).map_err(|left| breaker.refusal(left))?;
        let asked = self.exchange_any(question).await;
        match &asked {
            Err(error) if error.is_away() => breaker.failed(error),
            _ => breaker.answered(),
        }
        asked
    }

    /// Asks once: signs in if it has to, and follows redirects if it only reads.
    ///
    /// On the heap, since it is large, and part of everything that anybody waits for.
    fn exchange_any<'q>(
        &'q self,
        question: &'q Question<'_>,
    ) -> BoxFuture<'q, Result<Response<Incoming>, ClientError>> {
        self.exchanged(question).boxed()
    }

    async fn exchanged(&self, question: &Question<'_>) -> Result<Response<Incoming>, ClientError> {
        let Shared { origin, breaker, .. } = &*self.0;
        let link = &question.link;
        if *link.origin() != *origin {
            // The registry sent us there. What it needs is in the address; who we are is not its business.
            let response = self.send(question, link, None).await?;
            return match response.status() {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    Err(ClientError::Unexpected { status: response.status() })
                }
                _ => Ok(response),
            };
        }
        let mut response = self.signed(question).await?;
        breaker.counted(RateLimit::read(response.headers()));
        let mut asked = link.clone();
        let mut redirects = 0;
        while let Some(next) = redirect(&response, &asked)?.filter(|_| question.only_reads()) {
            redirects += 1;
            if redirects > REDIRECTS {
                return Err(ClientError::Redirects);
            }
            // Where it leads to is another server, or the same with the right to read in its address: no credentials.
            response = self.send(question, &next, None).await?;
            asked = next;
        }
        let status = response.status();
        if redirects > 0 && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            // Storage refuses what the registry allowed. Who may read what is the registry's to say.
            return Err(ClientError::Unexpected { status });
        }
        Ok(response)
    }

    /// Asks our own registry, with what it wants to see.
    async fn signed(&self, question: &Question<'_>) -> Result<Response<Incoming>, ClientError> {
        let Shared { egress, auth, .. } = &*self.0;
        let Question { link, scope, .. } = question;
        let known = auth.header(egress, scope).await?;
        let mut sent = known.clone();
        let mut response = self.send(question, link, sent.as_ref()).await?;
        // Once for what was not known or is over, and once more for who then says that he means another scope.
        for round in 0..2 {
            let is_refused = response.status() == StatusCode::UNAUTHORIZED;
            let again = round == 0 || (known.is_none() && auth::names_more(scope, response.headers()));
            if !is_refused || !again {
                break;
            }
            let header = auth.challenged(egress, scope, link, response.headers(), sent.as_ref()).await?;
            if header.is_none() {
                break;
            }
            sent = header;
            response = self.send(question, link, sent.as_ref()).await?;
        }
        Ok(response)
    }

    /// Sends one request with this authorization. Every answer is one.
    pub(crate) async fn send(
        &self,
        question: &Question<'_>,
        link: &Link,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut headers = question.headers.clone();
        if *link.origin() == self.0.origin {
            self.0.headers.iter().for_each(|(name, value)| {
                headers.entry(name).or_insert_with(|| value.clone());
            });
        }
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if !question.only_reads() {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(question.body.length()));
        }
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(via) = self.0.via.as_ref().filter(|_| *link.origin() == self.0.origin) {
            headers.insert(VIA, HeaderValue::try_from(format!("1.1 {via}")).map_err(http::Error::from)?);
        }
        tracing::trace!(method = %question.method, %link, "asking");
        let (method, body) = (question.method.clone(), question.body.open().await?);
        Ok(self.0.egress.send_patiently(method, link, headers, body, question.longer).await?)
    }
}

/// Waits no longer than that for an answer.
pub(crate) async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let answer = tokio::time::timeout(limit, asked).await;
    answer.unwrap_or_else(|_| Err(EgressError::TooSlow(limit).into()))
}

/// Where an answer sends us, if it does.
fn redirect(response: &Response<Incoming>, from: &Link) -> Result<Option<Link>, ClientError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or(ClientError::Useless { what: "it redirects to nowhere" })?;
    let to = from.follow(location)?;
    if from.origin().is_secure() && !to.origin().is_secure() {
        return Err(ClientError::Downgrade { host: to.origin().authority() });
    }
    Ok(Some(to))
}

/// The length that an answer announces.
pub(crate) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A host without its port. Addresses with colons have brackets around them then.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') || host.ends_with(']') => host,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn a_host_is_what_is_left_of_its_port() {
        for (text, host) in [
            ("auth.docker.io", "auth.docker.io"),
            ("auth.docker.io:5001", "auth.docker.io"),
            ("[fd00::1]:5001", "[fd00::1]"),
            ("[fd00::1]", "[fd00::1]"),
            ("fd00::1", "fd00::1"),
        ] {
            assert_eq!(without_port(text), host);
        }
    }
}
