//! Where a request came from, and by which address the client knows us.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HOST, HeaderName};
use http::request::Parts;
use ipnet::IpNet;

use crate::server::ConnInfo;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What the operator said about addresses.
#[derive(Debug, Clone, Default)]
pub struct AddressOptions {
    /// The address that clients use, `https://registry.example.com`, when it is not the one that they send.
    pub external_url: Option<String>,
    /// Networks of proxies whose word about the client and its address counts.
    pub trusted_proxies: Vec<IpNet>,
}

/// Where a request came from, and by which address the client knows us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `scheme://authority`, without a slash at the end.
    pub(crate) base: String,
    /// The client's address; `None` on this machine without a network.
    pub(crate) client: Option<IpAddr>,
}

impl Origin {
    /// The origin of a request that came over no network.
    pub(crate) fn local(head: &Parts) -> Origin {
        Origin { base: base("http", authority(head)), client: None }
    }

    /// The origin of a request on a connection. What a header says of it counts only from a proxy that is trusted.
    pub(crate) fn of(head: &Parts, connection: &ConnInfo, options: &AddressOptions) -> Origin {
        let peer = connection.peer.ip().to_canonical();
        let is_trusted =
            |address: &IpAddr| options.trusted_proxies.iter().any(|network| network.contains(address));
        let mut scheme = if connection.is_tls { "https" } else { "http" };
        let mut host = authority(head).map(str::to_owned);
        let mut client = peer;
        if is_trusted(&peer) {
            let told = Told::read(&head.headers);
            scheme = told.scheme.unwrap_or(scheme);
            host = told.host.or(host);
            // Each proxy adds the one before it: the last that is none of ours is the client.
            client = told.hops.iter().rev().copied().find(|hop| !is_trusted(hop)).unwrap_or(peer);
        }
        let base = options.external_url.clone().unwrap_or_else(|| base(scheme, host.as_deref()));
        Origin { base, client: Some(client) }
    }
}

/// What proxies said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    scheme: Option<&'static str>,
    host: Option<String>,
    hops: Vec<IpAddr>,
}

impl Told {
    /// Reads `Forwarded` (RFC 7239), or the headers that came before it. What is malformed is not there.
    fn read(headers: &HeaderMap) -> Told {
        if headers.contains_key(FORWARDED) {
            return Told::forwarded(&joined(headers, &FORWARDED));
        }
        let last =
            |name| joined(headers, name).rsplit(',').next().map(str::trim).unwrap_or_default().to_owned();
        Told {
            scheme: scheme(&last(&X_FORWARDED_PROTO)),
            host: host(&last(&X_FORWARDED_HOST)),
            hops: joined(headers, &X_FORWARDED_FOR)
                .split(',')
                .filter_map(|hop| address(hop.trim()))
                .collect(),
        }
    }

    fn forwarded(text: &str) -> Told {
        let mut told = Told::default();
        for element in text.split(',') {
            for pair in element.split(';') {
                let Some((name, value)) = pair.split_once('=') else { continue };
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => told.hops.extend(address(value)),
                    "proto" => told.scheme = scheme(value).or(told.scheme),
                    "host" => told.host = host(value).or(told.host.take()),
                    _ => {}
                }
            }
        }
        told
    }
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

fn scheme(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "http" => Some("http"),
        "https" => Some("https"),
        _ => None,
    }
}

/// An address, perhaps with a port or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare =
        text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(inside, _)| inside);
    let parsed =
        bare.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<std::net::SocketAddr>().ok()?.ip()));
    parsed.map(|address| address.to_canonical())
}

/// The name that the client called us by: of the request line (HTTP/2), or of `Host`.
fn authority(head: &Parts) -> Option<&str> {
    let named = head.uri.authority().map(http::uri::Authority::as_str);
    named.or_else(|| head.headers.get(HOST)?.to_str().ok())
}

/// A host with or without a port, if it is nothing else: it is written into an answer.
fn host(text: &str) -> Option<String> {
    let is_host =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    let is_good = (1..=255).contains(&text.len()) && text.bytes().all(is_host);
    is_good.then(|| text.to_owned())
}

fn base(scheme: &str, authority: Option<&str>) -> String {
    let host = authority.and_then(host).unwrap_or_else(|| "localhost".to_owned());
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use http::{Request, Version};

    use super::*;

    fn origin(headers: &[(&str, &str)], peer: &str, is_tls: bool, options: &AddressOptions) -> Origin {
        let mut request = Request::get("/v2/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let info = ConnInfo {
            peer: format!("{peer}:1234").parse().unwrap(),
            local: "127.0.0.1:5000".parse().unwrap(),
            is_tls,
            version: Version::HTTP_11,
            sends_files: false,
        };
        Origin::of(&head, &info, options)
    }

    fn trusting() -> AddressOptions {
        AddressOptions { external_url: None, trusted_proxies: vec!["10.0.0.0/24".parse().unwrap()] }
    }

    #[test]
    fn the_address_is_the_one_that_the_client_used() {
        let none = AddressOptions::default();
        let here = origin(&[("host", "localhost:5000")], "127.0.0.1", false, &none);
        assert_eq!((here.base.as_str(), here.client), ("http://localhost:5000", "127.0.0.1".parse().ok()));
        assert_eq!(
            origin(&[("host", "10.0.1.70:5000")], "10.1.1.1", true, &none).base,
            "https://10.0.1.70:5000"
        );
        for odd in ["a\"b", "a b", "", "evil/path", "a@b", "a\\b"] {
            assert_eq!(origin(&[("host", odd)], "10.1.1.1", false, &none).base, "http://localhost", "{odd}");
        }
    }

    #[test]
    fn what_a_stranger_says_of_himself_does_not_count() {
        let lies = [
            ("host", "r:5000"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "for=1.2.3.4;host=evil.example;proto=https"),
            ("x-forwarded-user", "root"),
        ];
        let seen = origin(&lies, "192.0.2.9", false, &trusting());
        assert_eq!(seen, Origin { base: "http://r:5000".to_owned(), client: "192.0.2.9".parse().ok() });
    }

    #[test]
    fn a_trusted_proxy_tells_who_came_and_the_last_stranger_counts() {
        let told = [
            ("host", "inside:5000"),
            ("x-forwarded-for", "6.6.6.6, 192.0.2.9, 10.0.0.8"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "registry.example.com"),
        ];
        let seen = origin(&told, "10.0.0.7", false, &trusting());
        assert_eq!(seen.base, "https://registry.example.com");
        assert_eq!(seen.client, "192.0.2.9".parse().ok(), "6.6.6.6 is what the client made up");
        let told = [
            ("host", "inside:5000"),
            ("forwarded", "for=\"[2001:db8::1]:99\";proto=https;host=r.example:8443"),
        ];
        let seen = origin(&told, "10.0.0.7", false, &trusting());
        assert_eq!((seen.base.as_str(), seen.client), ("https://r.example:8443", "2001:db8::1".parse().ok()));
        let broken = [
            ("host", "inside:5000"),
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-host", "a b"),
            ("x-forwarded-for", "me"),
        ];
        let seen = origin(&broken, "10.0.0.7", false, &trusting());
        assert_eq!((seen.base.as_str(), seen.client), ("http://inside:5000", "10.0.0.7".parse().ok()));
    }

    #[test]
    fn what_the_operator_says_wins() {
        let options = AddressOptions { external_url: Some("https://r.example".to_owned()), ..trusting() };
        assert_eq!(origin(&[("host", "inside:5000")], "10.9.9.9", false, &options).base, "https://r.example");
    }
}
