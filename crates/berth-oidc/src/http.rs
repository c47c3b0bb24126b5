//! Asking a provider: one request, one bounded answer.
//!
//! No redirect is followed, since a secret or a code would follow it to where nobody sent it. No proxy is used,
//! whatever the environment says. The issuer may be on a private network; what it points to elsewhere may not.

use std::path::Path;
use std::time::Duration;

use berth_egress::{Egress, EgressError, EgressOptions, Forbidden, Outgoing, Reach, RootsError};
use berth_egress::{empty, form, whole};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::endpoint::Endpoint;

/// Longest body, in bytes.
const LONGEST_BODY: usize = 256 * 1024;
/// Time for everything, from the look-up of the name to the last byte.
const LIMIT: Duration = Duration::from_secs(10);

/// Why a provider's answer is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Nothing came back, or too much.
    #[error(transparent)]
    Egress(EgressError),
    /// It is where a provider must not send us.
    #[error("{host} is {what}; only the host of the issuer itself may be on a private network")]
    Forbidden {
        /// The host that the provider names.
        host: String,
        /// What its address is.
        what: Forbidden,
    },
    /// It took longer than ten seconds.
    #[error("no answer within ten seconds; try again")]
    TooSlow,
    /// The answer sends elsewhere.
    #[error("it answers with a redirect ({0}), which is never followed; see whether the issuer is right")]
    Redirect(StatusCode),
    /// The answer is not one of success.
    #[error("it answers with status {0}; see the provider's log")]
    Status(StatusCode),
    /// The answer is not the document that was asked for.
    #[error("the answer is not the document that was asked for; see what answers there")]
    NotJson(#[from] serde_json::Error),
}

impl From<EgressError> for HttpError {
    fn from(error: EgressError) -> HttpError {
        match error {
            EgressError::Address { host, what } => HttpError::Forbidden { host, what },
            error => HttpError::Egress(error),
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The document, if the answer is one of success.
    pub(crate) fn document<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        match self.status {
            StatusCode::OK => self.parsed(),
            status => Err(HttpError::Status(status)),
        }
    }

    /// The document, whatever the status.
    pub(crate) fn parsed<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// Asks; clones share the connections.
#[derive(Clone)]
pub(crate) struct Client {
    egress: Egress,
}

impl Client {
    /// The way to a provider. Reads the certificates of the system, and those of the file.
    pub(crate) fn new(issuer: &Endpoint, ca_file: Option<&Path>) -> Result<Client, RootsError> {
        let mut hosts = vec![issuer.host().to_owned()];
        if !issuer.is_secure() {
            // It is on this machine, which has several names.
            hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        }
        let egress = Egress::new(&EgressOptions {
            reach: Reach::Private,
            hosts,
            ca_file: ca_file.map(Path::to_owned),
            ..EgressOptions::default()
        })?;
        Ok(Client { egress })
    }

    /// Asks for a document, with an access token if there is one (RFC 6750, section 2.1).
    pub(crate) async fn get(&self, at: &Endpoint, token: Option<&str>) -> Result<Answer, HttpError> {
        let authorization = token.map(|token| format!("Bearer {token}"));
        self.ask(Method::GET, at, authorization, (empty(), HeaderMap::new())).await
    }

    /// Sends a form.
    pub(crate) async fn post(
        &self,
        at: &Endpoint,
        authorization: Option<String>,
        text: String,
    ) -> Result<Answer, HttpError> {
        self.ask(Method::POST, at, authorization, form(text)).await
    }

    async fn ask(
        &self,
        method: Method,
        at: &Endpoint,
        authorization: Option<String>,
        (body, mut headers): (Outgoing, HeaderMap),
    ) -> Result<Answer, HttpError> {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(text) = authorization {
            let value = HeaderValue::try_from(text).map_err(http::Error::from);
            let mut value = value.map_err(EgressError::from)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let answer = tokio::time::timeout(LIMIT, self.exchange(method, at, headers, body));
        answer.await.map_err(|_| HttpError::TooSlow)?
    }

    async fn exchange(
        &self,
        method: Method,
        at: &Endpoint,
        headers: HeaderMap,
        body: Outgoing,
    ) -> Result<Answer, HttpError> {
        let response = self.egress.send(method, at.link(), headers, body).await?;
        let status = response.status();
        if status.is_redirection() {
            return Err(HttpError::Redirect(status));
        }
        Ok(Answer { status, body: whole(response.into_body(), LONGEST_BODY).await? })
    }
}
