//! The cookie of a session. Its name binds it to this very host where the connection is encrypted (RFC 6265bis).

use berth_auth::Secret;
use http::{HeaderMap, HeaderValue};

use crate::visit::{self, Visit};

/// On an encrypted connection a browser takes it only from this host, and only for all paths.
const SECURE: &str = "__Host-berth";
/// On a plain one no prefix is allowed.
const PLAIN: &str = "berth";

/// The session that a browser brings.
pub fn cookie(headers: &HeaderMap) -> Option<Secret> {
    let value = visit::cookie(headers, SECURE).or_else(|| visit::cookie(headers, PLAIN))?;
    (!value.is_empty()).then(|| Secret::new(value))
}

/// What makes a browser keep a session until it is closed; what makes it forget it if there is none.
pub(crate) fn set(visit: &Visit, secret: Option<&Secret>) -> HeaderValue {
    let (name, secure) = if visit.is_secure() { (SECURE, "; Secure") } else { (PLAIN, "") };
    let (value, end) = match secret {
        Some(secret) => (secret.reveal(), ""),
        None => ("", "; Max-Age=0"),
    };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{end}");
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Keeps a choice for a year. It is no secret and grants nothing.
pub(crate) fn choice(visit: &Visit, name: &str, value: &str) -> HeaderValue {
    let secure = if visit.is_secure() { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000{secure}");
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
