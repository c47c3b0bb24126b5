//! What a log tells of each request: where it went, what came back, and nothing that is secret.

use std::fmt;
use std::time::Instant;

use http::{Method, Response};

use crate::{EgressError, Link};

/// Parameters that hold no secret, whoever made the address. Of others the value is left out: addresses of storage are
/// signed there, and uploads have their state there.
const PLAIN: [&str; 13] = [
    "account",
    "artifactType",
    "client_id",
    "digest",
    "from",
    "last",
    "mount",
    "n",
    "ns",
    "offline_token",
    "q",
    "scope",
    "service",
];

/// A request that is told of.
pub(crate) struct Told {
    method: Method,
    /// Made only for a log that wants it.
    link: Option<String>,
    since: Instant,
}

impl Told {
    pub(crate) fn new(method: &Method, link: &Link) -> Told {
        let is_wanted = tracing::enabled!(target: "berth_egress::requests", tracing::Level::DEBUG);
        let link = is_wanted.then(|| Shown(link).to_string());
        Told { method: method.clone(), link, since: Instant::now() }
    }

    pub(crate) fn answered<B>(&self, answer: &Result<Response<B>, EgressError>) {
        let (Some(link), method) = (&self.link, &self.method) else { return };
        let after = self.since.elapsed().as_millis();
        match answer {
            Ok(response) => {
                let status = response.status().as_u16();
                tracing::debug!(target: "berth_egress::requests", "{method} {link} -> {status} after {after} ms");
            }
            Err(error) => {
                tracing::debug!(target: "berth_egress::requests", "{method} {link} -> failed after {after} ms: {error}");
            }
        }
    }
}

/// An address without what is secret in it.
struct Shown<'a>(&'a Link);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.origin(), self.0.path())?;
        let query = self.0.target().split_once('?').map(|(_, query)| query).unwrap_or_default();
        for (place, parameter) in query.split('&').filter(|parameter| !parameter.is_empty()).enumerate() {
            let mark = if place == 0 { '?' } else { '&' };
            let name = parameter.split('=').next().unwrap_or_default();
            let value = if PLAIN.contains(&name) { &parameter[name.len()..] } else { "=…" };
            write!(f, "{mark}{name}{value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_and_states_are_not_shown() {
        for (link, shown) in [
            ("https://r.example/v2/", "https://r.example/v2/"),
            (
                "https://r.example/token?service=r&scope=repository:a:pull&password=x",
                "https://r.example/token?service=r&scope=repository:a:pull&password=…",
            ),
            ("https://s3.example/b?X-Amz-Signature=abc&n", "https://s3.example/b?X-Amz-Signature=…&n"),
        ] {
            assert_eq!(Shown(&link.parse().expect("an address")).to_string(), shown);
        }
    }
}
