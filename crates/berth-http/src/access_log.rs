//! The access log: one structured line per request, without secrets.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, Uri, Version};

/// Query parameters whose values may be logged. All others could be secrets: tokens, codes, signatures, states.
const OPEN_PARAMETERS: &[&str] = &[
    "artifactType",
    "digest",
    "digest-algorithm",
    "from",
    "last",
    "mount",
    "n",
    "ns",
    "q",
    "scope",
    "service",
    "tag",
];
/// Paths that go on with a secret.
const SECRET_PATHS: &str = "/setup/";
/// How much of a user agent is worth keeping.
const AGENT_LEN: usize = 200;

/// Names one request in the log and in the `X-Request-Id` header of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(u64);

impl RequestId {
    /// A number that differs from all others of this process, and very likely from those of others.
    pub(crate) fn next() -> RequestId {
        static FIRST: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("request"));
        static COUNT: AtomicU64 = AtomicU64::new(0);
        RequestId(FIRST.wrapping_add(COUNT.fetch_add(1, Relaxed)))
    }

    pub(crate) fn to_header(self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("hexadecimal digits are a header value")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What is logged about a request.
pub(crate) struct Line<'a> {
    pub(crate) id: RequestId,
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) version: Version,
    pub(crate) route: &'static str,
    /// `None` when the client went away before there was an answer.
    pub(crate) status: Option<StatusCode>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Whether the whole answer was handed to the connection.
    pub(crate) complete: bool,
    pub(crate) elapsed: Duration,
    pub(crate) peer: SocketAddr,
    pub(crate) agent: Option<&'a HeaderValue>,
}

/// Writes the line, at level INFO and target `berth::access`.
pub(crate) fn write(line: &Line<'_>) {
    let milliseconds = u64::try_from(line.elapsed.as_micros()).unwrap_or(u64::MAX) as f64 / 1000.0;
    tracing::info!(
        target: "berth::access",
        id = %line.id,
        method = %line.method,
        path = open_path(line.uri.path()),
        query = line.uri.query().map(|query| tracing::field::display(OpenQuery(query))),
        version = ?line.version,
        route = line.route,
        status = line.status.map_or(0, |status| status.as_u16()),
        received = line.received,
        sent = line.sent,
        complete = line.complete,
        ms = milliseconds,
        peer = %line.peer,
        agent = line.agent.map(|agent| tracing::field::display(Agent(agent))),
        "request"
    );
}

/// The path, without the secret of a one-time link.
fn open_path(path: &str) -> &str {
    if path.starts_with(SECRET_PATHS) { SECRET_PATHS } else { path }
}

/// A query without the values of parameters that are not known to be harmless.
struct OpenQuery<'a>(&'a str);

impl fmt::Display for OpenQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, parameter) in self.0.split('&').enumerate() {
            if i > 0 {
                f.write_str("&")?;
            }
            match parameter.split_once('=') {
                Some((name, _)) if !OPEN_PARAMETERS.contains(&name) => write!(f, "{name}=…")?,
                Some(_) => f.write_str(parameter)?,
                // Without a name it is all value.
                None if OPEN_PARAMETERS.contains(&parameter) => f.write_str(parameter)?,
                None => f.write_str("…")?,
            }
        }
        Ok(())
    }
}

/// A user agent as printable ASCII of bounded length.
struct Agent<'a>(&'a HeaderValue);

impl fmt::Display for Agent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.as_bytes();
        write!(f, "{}", bytes[..bytes.len().min(AGENT_LEN)].escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_unknown_parameters_are_not_logged() {
        let query = "digest=sha256:ab&token=s3cret&_state=abc&n=5&bare-secret&n";
        assert_eq!(OpenQuery(query).to_string(), "digest=sha256:ab&token=…&_state=…&n=5&…&n");
    }

    #[test]
    fn the_secret_of_a_link_is_not_logged() {
        assert_eq!(open_path("/setup/berth_abc"), "/setup/");
        assert_eq!(open_path("/v2/setup/x/tags/list"), "/v2/setup/x/tags/list");
    }

    #[test]
    fn agents_are_short_and_printable() {
        let value = HeaderValue::from_bytes(b"docker\xff\t").expect("a header value");
        assert_eq!(Agent(&value).to_string(), "docker\\xff\\t");
        let long = HeaderValue::try_from("a".repeat(1000)).expect("a header value");
        assert_eq!(Agent(&long).to_string().len(), AGENT_LEN);
    }

    #[test]
    fn request_ids_differ() {
        let (a, b) = (RequestId::next(), RequestId::next());
        assert_ne!(a, b);
        assert_eq!(a.to_header().len(), 16);
    }
}
