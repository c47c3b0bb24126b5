//! Addresses that are asked: `https` everywhere, `http` on this machine alone.

use std::net::IpAddr;

use http::Uri;

/// Why an address is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It is not a whole address.
    #[error("it is not an address of the form https://host/path; write it in full")]
    Malformed,
    /// What goes there could be read on the way.
    #[error("it is not https, and http is for a provider on this machine alone; use https")]
    Insecure,
    /// It has a name and a password in it.
    #[error("it has credentials in it; take them out")]
    Credentials,
    /// It has a fragment.
    #[error("it has a fragment; take away the # and what follows")]
    Fragment,
}

/// An address that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    text: String,
    uri: Uri,
    host: String,
    port: u16,
    is_secure: bool,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Endpoint, AddressError> {
        // The parser would forget it in silence.
        if text.contains('#') {
            return Err(AddressError::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| AddressError::Malformed)?;
        let authority = uri.authority().ok_or(AddressError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(AddressError::Credentials);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_this_machine(&host) => false,
            Some("http") => return Err(AddressError::Insecure),
            _ => return Err(AddressError::Malformed),
        };
        let default = if is_secure { 443 } else { 80 };
        let port =
            port(&authority.as_str()[authority.host().len()..], default).ok_or(AddressError::Malformed)?;
        if host.is_empty() {
            return Err(AddressError::Malformed);
        }
        Ok(Endpoint { text: text.to_owned(), uri, host, port, is_secure })
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// A name or an address, without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is `https`.
    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }

    pub(crate) fn has_query(&self) -> bool {
        self.text.contains('?')
    }

    /// What the field `host` of a request says.
    pub(crate) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// Path and query, as the first line of a request has it.
    pub(crate) fn target(&self) -> &str {
        self.uri.path_and_query().map_or("/", |target| target.as_str())
    }
}

/// Reads what follows the host: nothing, or a colon and a number. (The parser lets numbers pass that are no port.)
fn port(text: &str, default: u16) -> Option<u16> {
    if text.is_empty() {
        return Some(default);
    }
    text.strip_prefix(':')?.parse().ok().filter(|port| *port > 0)
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{AddressError, Endpoint};

    #[test]
    fn an_address_has_its_parts() {
        let endpoint = Endpoint::parse("https://id.example/realms/a?b=c").unwrap();
        assert_eq!((endpoint.host(), endpoint.port(), endpoint.is_secure()), ("id.example", 443, true));
        assert_eq!((endpoint.authority(), endpoint.target()), ("id.example", "/realms/a?b=c"));
        let endpoint = Endpoint::parse("http://[::1]:8080").unwrap();
        assert_eq!((endpoint.host(), endpoint.port(), endpoint.is_secure()), ("::1", 8080, false));
        assert_eq!((endpoint.authority(), endpoint.target()), ("[::1]:8080", "/"));
    }

    #[test]
    fn what_cannot_be_trusted_is_no_address() {
        for (text, error) in [
            ("", AddressError::Malformed),
            ("id.example", AddressError::Malformed),
            ("/token", AddressError::Malformed),
            ("ftp://id.example/", AddressError::Malformed),
            ("file:///etc/passwd", AddressError::Malformed),
            ("https://id.example:0/", AddressError::Malformed),
            ("https://id.example:/", AddressError::Malformed),
            ("https://id.example:70000/", AddressError::Malformed),
            ("https://id.example/\nx", AddressError::Malformed),
            ("http://id.example/", AddressError::Insecure),
            ("http://127.0.0.1.id.example/", AddressError::Insecure),
            ("http://10.0.0.1/", AddressError::Insecure),
            ("http://localhost.id.example/", AddressError::Insecure),
            ("https://a:b@id.example/", AddressError::Credentials),
            ("http://localhost@id.example/", AddressError::Credentials),
            ("https://id.example/#a", AddressError::Fragment),
        ] {
            assert_eq!(Endpoint::parse(text), Err(error), "{text}");
        }
    }
}
