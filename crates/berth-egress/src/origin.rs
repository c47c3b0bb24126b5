//! Addresses of servers: scheme, host and port, to which credentials are bound; and links that lead to one.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::Uri;
use http::uri::PathAndQuery;

/// Why a text is no address of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// It is not a whole address.
    #[error("it is not an address of the form https://host[:port]; write it in full")]
    Malformed,
    /// It is neither `http` nor `https`.
    #[error("only http and https are spoken here; begin it with https://")]
    Scheme,
    /// It has a name and a password in it.
    #[error("it has credentials in it; take them out")]
    Credentials,
    /// It has a fragment or a query that it may not have.
    #[error("it has a query or a fragment; take it away")]
    Query,
    /// Its host is neither a name nor an address as people write them.
    #[error(
        "its host is neither a name of letters, digits, dots and hyphens, nor an address like 192.0.2.1 or [2001:db8::1]"
    )]
    Host,
}

/// A server: what a browser calls an origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    /// Lower case, without brackets.
    host: Box<str>,
    port: u16,
}

impl Origin {
    /// Whether it is spoken to over TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host, in lower case and without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as the field `host` and image names have them: the usual port is left out.
    pub fn authority(&self) -> String {
        let host: &dyn fmt::Display =
            if self.host.contains(':') { &format_args!("[{}]", self.host) } else { &self.host };
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => host.to_string(),
            (_, port) => format!("{host}:{port}"),
        }
    }

    fn of(uri: &Uri) -> Result<Origin, OriginError> {
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(OriginError::Scheme),
            None => return Err(OriginError::Malformed),
        };
        let authority = uri.authority().ok_or(OriginError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(OriginError::Credentials);
        }
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            None => {
                if secure {
                    443
                } else {
                    80
                }
            }
            // The parser of numbers takes a sign.
            Some(text) if text.starts_with('+') => return Err(OriginError::Malformed),
            Some(text) => text.parse().ok().filter(|port| *port > 0).ok_or(OriginError::Malformed)?,
        };
        Ok(Origin { secure, host: host(authority.host())?, port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.authority())
    }
}

/// Reads a host strictly. What resolvers take for an address in other notations (`0x7f.1`, `2130706433`) is none here.
fn host(text: &str) -> Result<Box<str>, OriginError> {
    if let Some(six) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let six: Ipv6Addr = six.parse().map_err(|_| OriginError::Host)?;
        return Ok(six.to_string().into());
    }
    let text = text.to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if text.len() > 253 || !text.split('.').all(label) {
        return Err(OriginError::Host);
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    if numeric && text.parse::<Ipv4Addr>().is_err() {
        return Err(OriginError::Host);
    }
    Ok(text.into())
}

impl FromStr for Origin {
    type Err = OriginError;

    /// Reads `https://host[:port]`, with nothing but a slash behind it.
    fn from_str(text: &str) -> Result<Origin, OriginError> {
        let link: Link = text.parse()?;
        if link.target.as_str() == "/" { Ok(link.origin) } else { Err(OriginError::Query) }
    }
}

/// A whole address: a server, and what is asked of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    origin: Origin,
    target: PathAndQuery,
}

impl Link {
    /// What is asked for at `origin`: a path with or without a query.
    ///
    /// # Errors
    /// [`OriginError::Malformed`] if it does not begin with a slash or has odd characters.
    pub fn new(origin: Origin, target: &str) -> Result<Link, OriginError> {
        if !target.starts_with('/') {
            return Err(OriginError::Malformed);
        }
        let target = target.parse().map_err(|_| OriginError::Malformed)?;
        Ok(Link { origin, target })
    }

    /// The server.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        self.target.as_str()
    }

    /// The path alone.
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// Where a `Location` leads from here: a whole address, or a path on the same server.
    ///
    /// # Errors
    /// As for reading an address.
    pub fn follow(&self, location: &str) -> Result<Link, OriginError> {
        match location.strip_prefix('/') {
            // A second slash would make the next part a host.
            Some(rest) if !rest.starts_with('/') => Link::new(self.origin.clone(), location),
            _ => location.parse(),
        }
    }

    pub(crate) fn uri(&self) -> Result<Uri, http::Error> {
        let scheme = if self.origin.secure { "https" } else { "http" };
        Uri::builder()
            .scheme(scheme)
            .authority(self.origin.authority())
            .path_and_query(self.target.clone())
            .build()
    }
}

/// Without the query, where addresses of storage have their signatures.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.target.path())
    }
}

/// Without the query, where addresses of storage have their signatures.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Link {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Link, OriginError> {
        // The parser would forget it in silence.
        if text.contains('#') {
            return Err(OriginError::Query);
        }
        let uri: Uri = text.parse().map_err(|_| OriginError::Malformed)?;
        let target = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        Ok(Link { origin: Origin::of(&uri)?, target })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (text, shown, authority) in [
            ("https://Quay.IO", "https://quay.io", "quay.io"),
            ("https://quay.io:443/", "https://quay.io", "quay.io"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000", "127.0.0.1:5000"),
            ("http://[::1]:80", "http://[::1]", "[::1]"),
            ("https://[2001:DB8::1]:5000", "https://[2001:db8::1]:5000", "[2001:db8::1]:5000"),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!((origin.to_string().as_str(), origin.authority().as_str()), (shown, authority));
        }
    }

    #[test]
    fn what_hides_a_host_is_refused() {
        for text in [
            "https://2130706433",
            "https://0x7f000001",
            "https://0177.0.0.1",
            "https://127.1",
            "https://127.0.0.0x1",
            "https://localhost.",
            "https://user@quay.io",
            "https://quay.io#good",
            "https://quay.io@evil.example",
            "gopher://quay.io",
            "file:///etc/passwd",
            "quay.io",
            "//quay.io",
            "https://",
            "https:///x",
            "https://quay..io",
            "https://-quay.io",
            "https://qu\u{430}y.io",
            "https://quay.io:0",
            "https://quay.io:99999",
            "https://quay.io:port",
            "https://quay.io:+443",
            "https://quay.io:",
            "https://quay.io/path",
            "https://quay.io?q",
            "https://quay.io\\@evil.example",
            "https://[::1",
            "https://[fe80::1%25eth0]",
            "https://exa mple.com",
            "https://%31%32%37.0.0.1",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_location_leads_somewhere() {
        let here: Link = "https://quay.io/v2/a/blobs/x?ns=y".parse().unwrap();
        for (location, to) in [
            ("/elsewhere?sig=1", "https://quay.io/elsewhere"),
            ("https://cdn.example/x?sig=2", "https://cdn.example/x"),
        ] {
            assert_eq!(here.follow(location).unwrap().to_string(), to);
        }
        for location in ["//evil.example/x", "x/y", "", "javascript:1", "https://a@b/"] {
            assert!(here.follow(location).is_err(), "{location}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(text in "https?://[a-z0-9.:\\[\\]x-]{1,20}") {
            if let Ok(origin) = text.parse::<Origin>() {
                prop_assert_eq!(origin.to_string().parse::<Origin>(), Ok(origin));
            }
        }
    }
}
