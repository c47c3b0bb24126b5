//! Proxies on the way out: which one a request takes, and how it is asked for a tunnel.

use std::fmt;
use std::io;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use ipnet::IpNet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Origin, OriginError};

/// Bytes of the answer to `CONNECT`.
const LONGEST: usize = 8 * 1024;

/// Which proxy a request takes, if any. Nothing goes through one unless somebody says so.
#[derive(Clone, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    direct: Vec<Direct>,
}

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) origin: Origin,
    /// `Proxy-Authorization`, if its address has credentials.
    pub(crate) authorization: Option<HeaderValue>,
}

/// What no proxy is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Direct {
    Everything,
    /// A domain with all below it, or only what is below it; at any port or one.
    Domain {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
    Network(IpNet),
    Address(IpAddr, Option<u16>),
}

/// Why a variable names no proxy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It is no address.
    #[error("the proxy in {variable} cannot be used: {source}")]
    Address {
        /// The variable.
        variable: &'static str,
        /// Why.
        source: OriginError,
    },
    /// It is spoken to in another way.
    #[error(
        "the proxy in {variable} has to be one that is spoken to by http, such as http://proxy.example:3128"
    )]
    Scheme {
        /// The variable.
        variable: &'static str,
    },
}

impl Proxies {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in upper case or lower, as most programs understand them.
    ///
    /// # Errors
    /// [`ProxyError`] rather than going out without the proxy that somebody meant.
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Proxies, ProxyError> {
        let value = |name: &str| {
            let text = get(name).or_else(|| get(&name.to_ascii_lowercase()));
            text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let proxy =
            |variable: &'static str| value(variable).map(|text| Proxy::read(variable, &text)).transpose();
        let direct = value("NO_PROXY").unwrap_or_default();
        Ok(Proxies {
            http: proxy("HTTP_PROXY")?,
            https: proxy("HTTPS_PROXY")?,
            direct: direct.split([',', ' ']).filter_map(Direct::read).collect(),
        })
    }

    /// The proxy for a destination. This machine is always reached without one.
    pub(crate) fn of(&self, secure: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if secure { &self.https } else { &self.http }.as_ref()?;
        let address = host.parse::<IpAddr>().ok();
        let is_here = host == "localhost"
            || host.ends_with(".localhost")
            || address.is_some_and(|address| address.is_loopback());
        let is_direct = is_here || self.direct.iter().any(|direct| direct.fits(host, address, port));
        Some(proxy).filter(|_| !is_direct)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |proxy: &Option<Proxy>| proxy.as_ref().map(|proxy| proxy.origin.to_string());
        f.debug_struct("Proxies")
            .field("http", &shown(&self.http))
            .field("https", &shown(&self.https))
            .field("direct", &self.direct)
            .finish()
    }
}

impl Proxy {
    fn read(variable: &'static str, text: &str) -> Result<Proxy, ProxyError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(ProxyError::Scheme { variable });
        }
        let rest = rest.trim_end_matches('/');
        let (credentials, authority) = match rest.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials), authority),
            None => (None, rest),
        };
        let origin = format!("http://{authority}").parse();
        let origin = origin.map_err(|source| ProxyError::Address { variable, source })?;
        let malformed = |_| ProxyError::Address { variable, source: OriginError::Malformed };
        let authorization = credentials.map(basic).transpose().map_err(malformed)?;
        Ok(Proxy { origin, authorization })
    }

    /// Asks for a tunnel to a host.
    pub(crate) async fn tunnel(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        let authority =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut head = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            head.extend_from_slice(b"proxy-authorization: ");
            head.extend_from_slice(authorization.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        stream.write_all(&head).await?;
        let mut answer = Vec::new();
        // Byte by byte: what comes behind the head belongs to the tunnel.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= LONGEST {
                return Err(io::Error::other("it answers with something else than HTTP"));
            }
            answer.push(stream.read_u8().await?);
        }
        let text = String::from_utf8_lossy(&answer);
        let status = text.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        match status.filter(|_| text.starts_with("HTTP/1.")) {
            Some(200..300) => Ok(()),
            Some(407) => Err(io::Error::other("it wants a name and a password, or others (407)")),
            Some(status) => Err(io::Error::other(format!("it refuses with status {status}"))),
            None => Err(io::Error::other("it answers with something else than HTTP")),
        }
    }
}

/// `name:password`, with what is written as `%40` and the like, as the field `proxy-authorization`.
fn basic(credentials: &str) -> Result<HeaderValue, http::Error> {
    let mut pair = Vec::new();
    let mut rest = credentials.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        pair.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(&pair)))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Direct {
    fn read(text: &str) -> Option<Direct> {
        let text = text.trim().to_ascii_lowercase();
        if text == "*" {
            return Some(Direct::Everything);
        }
        if let Ok(network) = text.parse() {
            return Some(Direct::Network(network));
        }
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Some(Direct::Address(address, None));
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (text.as_str(), None),
        };
        if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(Direct::Address(address, port));
        }
        let below = name.strip_prefix('*').unwrap_or(name);
        let name = below.trim_start_matches('.');
        let itself = !below.starts_with('.');
        (!name.is_empty()).then(|| Direct::Domain { name: name.to_owned(), itself, port })
    }

    fn fits(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let at = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Direct::Everything => true,
            Direct::Network(network) => address.is_some_and(|address| network.contains(&address)),
            Direct::Address(own, wanted) => address == Some(*own) && at(wanted),
            Direct::Domain { name, itself, port } => {
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                at(port) && (below || (*itself && host == name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(https: &str, no_proxy: &str) -> Result<Proxies, ProxyError> {
        Proxies::from_variables(|name| match name {
            "https_proxy" => Some(https.to_owned()),
            "NO_PROXY" => Some(no_proxy.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn what_no_proxy_is_asked_for_goes_straight() {
        let proxies = proxies(
            "proxy:3128",
            "quay.io, .corp.example,*.lan,10.0.0.0/8,192.168.0.7,r.example:5000,[fd00::1]",
        )
        .unwrap();
        for (host, port, direct) in [
            ("quay.io", 443, true),
            ("cdn.quay.io", 443, true),
            ("notquay.io", 443, false),
            ("corp.example", 443, false),
            ("a.corp.example", 443, true),
            ("nas.lan", 5000, true),
            ("10.1.2.3", 5000, true),
            ("11.1.2.3", 5000, false),
            ("192.168.0.7", 5000, true),
            ("192.168.0.8", 5000, false),
            ("r.example", 5000, true),
            ("r.example", 443, false),
            ("fd00::1", 443, true),
            ("localhost", 5000, true),
            ("127.0.0.9", 5000, true),
            ("::1", 443, true),
            ("registry-1.docker.io", 443, false),
        ] {
            assert_eq!(proxies.of(true, host, port).is_none(), direct, "{host}:{port}");
            assert!(proxies.of(false, host, port).is_none(), "there is none for http");
        }
        assert!(self::proxies("proxy:3128", "*").unwrap().of(true, "quay.io", 443).is_none());
    }

    #[test]
    fn a_proxy_may_have_credentials_which_are_not_shown() {
        let proxies = proxies("http://me:p%40ss@proxy.example:3128/", "").unwrap();
        let proxy = proxies.of(true, "quay.io", 443).unwrap();
        assert_eq!(proxy.origin.to_string(), "http://proxy.example:3128");
        assert_eq!(proxy.authorization.as_ref().unwrap(), "Basic bWU6cEBzcw==");
        assert!(!format!("{proxies:?} {:?}", proxy.authorization).contains("bWU6"));
    }

    #[test]
    fn what_is_no_proxy_is_told() {
        for text in ["socks5://proxy:1080", "https://proxy"] {
            assert!(matches!(proxies(text, ""), Err(ProxyError::Scheme { .. })), "{text}");
        }
        for text in ["http://", "a b", "proxy:port", "http://proxy/path"] {
            let error = proxies(text, "").unwrap_err();
            assert!(error.to_string().contains("HTTPS_PROXY"), "{text}: {error}");
        }
        assert!(proxies("", "").unwrap().of(true, "quay.io", 443).is_none());
    }
}
