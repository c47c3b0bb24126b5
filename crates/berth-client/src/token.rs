//! Tokens of a token server (`distribution`'s "Token Authentication Specification").

use std::time::Duration;

use berth_egress::{Egress, EgressError, Link, empty, whole};
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{ClientError, Credentials, Secret, fault};

/// Bytes of an answer.
const LONGEST: usize = 64 * 1024;
/// Time for everything, until a token is there.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// How long a token is good when nobody says it, and at least (the specification's own minimum).
const MINIMUM: Duration = Duration::from_secs(60);
/// A token is not used in its last seconds: it has to arrive.
const MARGIN: Duration = Duration::from_secs(10);

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

#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Asks for a token, with the credentials if there are some.
pub(crate) async fn fetch(
    egress: &Egress,
    realm: &Link,
    service: Option<&str>,
    scope: &str,
    credentials: Option<&Credentials>,
) -> Result<Token, ClientError> {
    let mut query = vec![("scope", scope)];
    query.extend(service.map(|service| ("service", service)));
    query.extend(credentials.map(|credentials| ("account", credentials.user.as_str())));
    let query: Vec<_> = query
        .into_iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        .collect();
    let joint = if realm.target().contains('?') { '&' } else { '?' };
    let target = format!("{}{joint}{}", realm.target(), query.join("&"));
    let link = Link::new(realm.origin().clone(), &target)?;
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(credentials) = credentials {
        headers.insert(AUTHORIZATION, credentials.basic()?);
    }
    let response = egress.send(Method::GET, &link, headers, empty()).await?;
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
    let Ok(granted) = serde_json::from_slice::<Granted>(&body) else { return Err(useless) };
    let is_one = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let Some(text) = granted.token.filter(is_one).or(granted.access_token.filter(is_one)) else {
        return Err(useless);
    };
    let lasts = granted.expires_in.map_or(MINIMUM, Duration::from_secs).max(MINIMUM);
    // A year at most: an instant cannot be arbitrarily far.
    let lasts = lasts.min(Duration::from_secs(365 * 24 * 60 * 60));
    Ok(Token { text: Secret::new(text), ends: Instant::now() + lasts - MARGIN })
}
