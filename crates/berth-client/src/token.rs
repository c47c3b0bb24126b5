//! Tokens of a token server (`distribution`'s "Token Authentication Specification" and "OAuth2 Token Authentication").

use std::time::Duration;

use berth_egress::{Egress, EgressError, Incoming, Link, empty, form, whole};
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use crate::scope::Scope;
use crate::{ClientError, Credentials, Secret, fault};

/// Bytes of an answer.
const LONGEST: usize = 64 * 1024;
/// Time for everything, until a token is there.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a token is good when nobody says it, and at least (the specification's own minimum).
const MINIMUM: Duration = Duration::from_secs(60);
/// A token is not used in its last seconds: it has to arrive.
const MARGIN: Duration = Duration::from_secs(10);
/// What we are called there.
const CLIENT: &str = "berth";

/// A token, until it ends.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) text: Secret,
    ends: Instant,
}

impl Token {
    pub(crate) fn is_good(&self) -> bool {
        Instant::now() < self.ends
    }
}

/// What a token server gives.
pub(crate) struct Granted {
    pub(crate) token: Token,
    /// What stands for the password from now on.
    pub(crate) identity: Option<Secret>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) realm: &'a Link,
    pub(crate) service: Option<&'a str>,
    pub(crate) scope: &'a Scope,
    /// Whether an identity token is wanted as well.
    pub(crate) identity: bool,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
}

/// Waits no longer for a token than that.
pub(crate) async fn in_time<T>(
    asked: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    timeout(LIMIT, asked).await.map_err(|_| EgressError::TooSlow(LIMIT))?
}

/// Asks for a token, with the credentials if there are some.
pub(crate) async fn fetch(
    egress: &Egress,
    wanted: Wanted<'_>,
    credentials: Option<&Credentials>,
) -> Result<Granted, ClientError> {
    let response = match credentials {
        Some(Credentials::IdentityToken(token)) => {
            let proof = [("grant_type", "refresh_token"), ("refresh_token", token.reveal())];
            post(egress, wanted, &proof).await?
        }
        Some(Credentials::Password { user, password }) => {
            let response = get(egress, wanted, credentials, Some(user)).await?;
            match response.status() {
                // Some know the newer form only. What says anything else has judged the password.
                StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                    let proof = [
                        ("grant_type", "password"),
                        ("username", user.as_str()),
                        ("password", password.reveal()),
                    ];
                    post(egress, wanted, &proof).await?
                }
                _ => response,
            }
        }
        None => get(egress, wanted, None, None).await?,
    };
    let granted = read(response).await;
    granted.map_err(|error| if credentials.is_some() { error.of_credentials() } else { error })
}

async fn get(
    egress: &Egress,
    wanted: Wanted<'_>,
    credentials: Option<&Credentials>,
    user: Option<&String>,
) -> Result<Response<Incoming>, ClientError> {
    let mut query: Vec<_> = wanted.scope.parts().map(|scope| ("scope", scope)).collect();
    query.extend(wanted.service.map(|service| ("service", service)));
    query.extend(user.map(|user| ("account", user.as_str())));
    if wanted.identity {
        query.extend([("client_id", CLIENT), ("offline_token", "true")]);
    }
    let realm = wanted.realm;
    let joint = if realm.target().contains('?') { '&' } else { '?' };
    let target = match query.is_empty() {
        true => realm.target().to_owned(),
        false => format!("{}{joint}{}", realm.target(), encoded(&query)),
    };
    let link = Link::new(realm.origin().clone(), &target)?;
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(basic) = credentials.map(Credentials::basic).transpose()?.flatten() {
        headers.insert(AUTHORIZATION, basic);
    }
    Ok(egress.send(Method::GET, &link, headers, empty()).await?)
}

async fn post(
    egress: &Egress,
    wanted: Wanted<'_>,
    proof: &[(&str, &str)],
) -> Result<Response<Incoming>, ClientError> {
    let mut fields = proof.to_vec();
    fields.extend(wanted.service.map(|service| ("service", service)));
    fields.push(("client_id", CLIENT));
    if wanted.identity {
        fields.push(("access_type", "offline"));
    }
    if wanted.scope.parts().next().is_some() {
        fields.push(("scope", wanted.scope.as_str()));
    }
    let (body, mut headers) = form(encoded(&fields));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let response = egress.send(Method::POST, wanted.realm, headers, body).await?;
    if response.status() == StatusCode::BAD_REQUEST {
        // So OAuth2 says that a token or a password is not good (RFC 6749, section 5.2).
        return Err(ClientError::Unauthorized { message: fault::message(response).await, is_wrong: true });
    }
    Ok(response)
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        format!("{name}={value}")
    };
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}

async fn read(response: Response<Incoming>) -> Result<Granted, ClientError> {
    let useless = ClientError::Useless { what: "its token server gives no token" };
    if !response.status().is_success() {
        return Err(match fault::of(response).await {
            // It is the token server that has no such thing, which says nothing of the image.
            ClientError::NotFound | ClientError::Unexpected { .. } => useless,
            error => error,
        });
    }
    let body = match whole(response.into_body(), LONGEST).await {
        Err(EgressError::TooLong { .. }) => return Err(useless),
        body => body?,
    };
    let Ok(answer) = serde_json::from_slice::<Answer>(&body) else { return Err(useless) };
    let is_one = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let Some(text) = answer.token.filter(is_one).or(answer.access_token.filter(is_one)) else {
        return Err(useless);
    };
    let lasts = answer.expires_in.map_or(MINIMUM, Duration::from_secs).max(MINIMUM);
    // A year at most: an instant cannot be arbitrarily far.
    let lasts = lasts.min(Duration::from_secs(365 * 24 * 60 * 60));
    let token = Token { text: Secret::new(text), ends: Instant::now() + lasts - MARGIN };
    Ok(Granted { token, identity: answer.refresh_token.filter(is_one).map(Secret::new) })
}
