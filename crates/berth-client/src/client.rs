//! The client: one question at a time, with all that stands between it and the wire.

use std::path::PathBuf;
use std::sync::Arc;

use berth_egress::{Egress, EgressOptions, Incoming, Limits, Link, Origin, Reach, RootsError, empty};
use http::header::{AUTHORIZATION, LOCATION, VIA};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::auth::Authenticator;
use crate::health::{Asked, Breaker};
use crate::{ClientError, Credentials, Health, Patience, RateLimit, fault, retry};

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
    /// Whether it may be on this machine or a private network; so may its hosts for tokens.
    pub reach: Reach,
    /// Certificates of its own authority, PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether any certificate will do.
    pub unverified: bool,
    /// How long is waited.
    pub limits: Limits,
    /// What the asker is called in `Via` (RFC 9110, section 7.6.3), so that one who asks himself in a ring notices.
    pub via: Option<String>,
}

impl ClientOptions {
    /// A registry that everybody can reach and read.
    pub fn new(origin: Origin) -> ClientOptions {
        ClientOptions {
            origin,
            credentials: None,
            auth_hosts: Vec::new(),
            reach: Reach::Public,
            ca_file: None,
            unverified: false,
            limits: Limits::default(),
            via: None,
        }
    }
}

/// A client of one registry. Clones share connections, tokens, and what is known of its health.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    origin: Origin,
    via: Option<String>,
    egress: Egress,
    auth: Authenticator,
    breaker: Breaker,
}

/// A question to the registry.
pub(crate) struct Question<'a> {
    pub(crate) method: Method,
    /// Below `/v2/`.
    pub(crate) path: &'a str,
    pub(crate) headers: HeaderMap,
    pub(crate) repository: &'a str,
    pub(crate) asked: Asked,
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
            unverified: options.unverified,
            limits: options.limits,
        })?;
        let auth = Authenticator::new(options.origin.clone(), options.credentials, &options.auth_hosts);
        let (origin, via) = (options.origin, options.via);
        Ok(Client(Arc::new(Shared { origin, via, egress, auth, breaker: Breaker::default() })))
    }

    /// Where the registry is.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// How the registry was lately.
    pub fn health(&self) -> Health {
        self.0.breaker.health()
    }

    /// Asks, and tries again what may pass. Gives an answer of success.
    pub(crate) async fn ask(
        &self,
        question: &Question<'_>,
        patience: Patience,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut tried = 1;
        loop {
            self.0.breaker.admit(question.asked).map_err(|left| ClientError::Resting { left })?;
            let error = match self.exchange(question).await {
                Ok(response) => {
                    self.0.breaker.answered(RateLimit::read(response.headers()));
                    return Ok(response);
                }
                Err(error) => error,
            };
            if error.is_away() {
                self.0.breaker.failed(&error);
            } else {
                self.0.breaker.answered(None);
            }
            let again = error.is_passing() && tried < patience.tries();
            let Some(wait) = retry::wait(tried, error.retry_after()).filter(|_| again) else {
                return Err(error);
            };
            tracing::debug!(registry = %self.0.origin, %error, "asking again");
            tokio::time::sleep(wait).await;
            tried += 1;
        }
    }

    /// Asks once: signs in if it has to, follows redirects.
    async fn exchange(&self, question: &Question<'_>) -> Result<Response<Incoming>, ClientError> {
        let Shared { origin, egress, auth, .. } = &*self.0;
        let scope = format!("repository:{}:pull", question.repository);
        let link = Link::new(origin.clone(), &format!("/v2/{}", question.path))?;
        let sent = auth.header(egress, &scope).await?;
        let mut response = self.send(question, &link, sent.as_ref()).await?;
        let mut asked = link.clone();
        if response.status() == StatusCode::UNAUTHORIZED {
            let header = auth.challenged(egress, &scope, &link, response.headers(), sent.as_ref()).await?;
            if header.is_some() {
                response = self.send(question, &link, header.as_ref()).await?;
            }
        }
        for _ in 0..REDIRECTS {
            let Some(next) = redirect(&response, &asked)? else { break };
            // Where it leads to is another server, or the same with the right to read in its address: no credentials.
            response = self.send(question, &next, None).await?;
            asked = next;
        }
        match response.status() {
            status if status.is_success() => Ok(response),
            status if status.is_redirection() => Err(ClientError::Redirects),
            _ => Err(fault::of(response).await),
        }
    }

    async fn send(
        &self,
        question: &Question<'_>,
        link: &Link,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut headers = question.headers.clone();
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(via) = self.0.via.as_ref().filter(|_| *link.origin() == self.0.origin) {
            headers.insert(VIA, HeaderValue::try_from(format!("1.1 {via}")).map_err(http::Error::from)?);
        }
        tracing::trace!(method = %question.method, %link, "asking");
        Ok(self.0.egress.send(question.method.clone(), link, headers, empty()).await?)
    }
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

fn without_port(host: &str) -> &str {
    host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(host, _)| host)
}
