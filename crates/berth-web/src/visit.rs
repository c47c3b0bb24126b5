//! A request for a page: where to, what was filled in, and which language and colours its reader likes.

use std::borrow::Cow;
use std::net::IpAddr;

use berth_auth::Secret;
use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, COOKIE, HOST, HeaderName, ORIGIN, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use crate::texts::Language;

/// What a browser says of the page that a request comes from (Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The cookie with the language that somebody chose.
pub(crate) const LANGUAGE: &str = "berth_language";
/// The cookie with the colours that somebody chose.
pub(crate) const THEME: &str = "berth_theme";

/// A request for a page.
#[derive(Debug)]
pub struct Visit {
    /// Its head.
    pub head: Parts,
    /// What was sent with it; at most what the server allows for a form.
    pub body: Bytes,
    /// `scheme://authority` by which the client knows us.
    pub base: String,
    /// Where it came from, if over a network.
    pub client: Option<IpAddr>,
}

/// Light, dark, or as the system is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub(crate) fn named(name: &str) -> Theme {
        match name {
            "light" => Theme::Light,
            "dark" => Theme::Dark,
            _ => Theme::System,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
}

impl Visit {
    /// The path below `root`, which a proxy may have taken away already.
    pub(crate) fn path(&self, root: &str) -> &str {
        let path = self.head.uri.path();
        match path.strip_prefix(root) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
            _ => path,
        }
    }

    pub(crate) fn is_reading(&self) -> bool {
        matches!(self.head.method, Method::GET | Method::HEAD)
    }

    /// Whether the connection that the browser made is encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        self.base.starts_with("https://")
    }

    /// The name and port by which the client knows us: what comes before the name of an image.
    pub(crate) fn host(&self) -> &str {
        self.base.split_once("://").map_or(self.base.as_str(), |(_, host)| host)
    }

    /// The parameters of the path.
    pub(crate) fn query(&self) -> Fields {
        Fields::read(self.head.uri.query().unwrap_or_default().as_bytes())
    }

    /// What was filled in.
    pub(crate) fn form(&self) -> Fields {
        Fields::read(&self.body)
    }

    /// Whether a change comes from one of our own pages.
    pub(crate) fn is_from_here(&self) -> bool {
        is_from_here(&self.head, &self.base)
    }

    /// Whether the name by which we are called could be somebody else's, pointed at this machine so that his page may
    /// read ours (DNS rebinding). Addresses and `localhost` are nobody's.
    pub(crate) fn is_called_by_a_stranger(&self) -> bool {
        let host = self.head.uri.authority().map(|authority| authority.as_str().to_owned());
        let host = host.or_else(|| Some(self.head.headers.get(HOST)?.to_str().ok()?.to_owned()));
        let Some(host) = host else { return false };
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let is_ours = name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok();
        // Who configured another address is called by it, and says so in `base`.
        !is_ours && self.host() == host
    }

    pub(crate) fn agent(&self) -> &str {
        header(&self.head.headers, &USER_AGENT)
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        cookie(&self.head.headers, name)
    }

    /// The session that the browser brings.
    pub(crate) fn session(&self) -> Option<Secret> {
        crate::session::cookie(&self.head.headers)
    }

    /// The language that was chosen, or else the one that the browser likes best.
    pub(crate) fn language(&self) -> Language {
        let chosen = self.cookie(LANGUAGE).and_then(|code| Language::by_code(&code));
        chosen.unwrap_or_else(|| Language::liked(header(&self.head.headers, &ACCEPT_LANGUAGE)))
    }

    pub(crate) fn theme(&self) -> Theme {
        self.cookie(THEME).map(|name| Theme::named(&name)).unwrap_or_default()
    }
}

/// Whether a request comes from one of our own pages, at `base`. A browser says so itself; one that says nothing is not
/// believed.
pub fn is_from_here(head: &Parts, base: &str) -> bool {
    match head.headers.get(&SEC_FETCH_SITE) {
        Some(site) => site == "same-origin",
        None => head.headers.get(ORIGIN).is_some_and(|origin| origin == base),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A cookie by its name.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// Named values, of a query or of a form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    fn read(bytes: &[u8]) -> Fields {
        let text = String::from_utf8_lossy(bytes);
        let decoded = |part: &str| {
            let part = part.replace('+', " ");
            match percent_decode_str(&part).decode_utf8_lossy() {
                Cow::Borrowed(text) => text.to_owned(),
                Cow::Owned(text) => text,
            }
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Fields(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(k, v)| (decoded(k), decoded(v)))
                .collect(),
        )
    }

    /// The first value of that name, without the space around it; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The same with its space: passwords may have some.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// All values of that name that are not empty.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use bytes::Bytes;
    use http::Request;

    use super::{Fields, Visit};
    use crate::texts::Language;

    /// A request as a browser at `localhost:5000` makes it.
    pub(crate) fn visit(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Visit {
        let mut request = Request::builder().method(method).uri(target).header("host", "localhost:5000");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        Visit {
            head,
            body: Bytes::copy_from_slice(body.as_bytes()),
            base: "http://localhost:5000".to_owned(),
            client: None,
        }
    }

    #[test]
    fn fields_are_read_as_browsers_send_them() {
        let fields = Fields::read(b"a=1&b=x+y%2B%C3%A4&a=2&c&=&d=%ff%zz");
        assert_eq!(fields.get("a"), "1");
        assert_eq!(fields.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(fields.get("b"), "x y+ä");
        assert!(fields.has("c") && !fields.has("e"));
        assert_eq!(fields.get("d"), "\u{fffd}%zz");
    }

    #[test]
    fn only_our_own_pages_change_something() {
        let from = |headers: &[(&str, &str)]| visit("POST", "/account", headers, "").is_from_here();
        assert!(from(&[("sec-fetch-site", "same-origin")]));
        assert!(from(&[("origin", "http://localhost:5000")]));
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "http://localhost:5000")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://evil.example")],
            &[("origin", "null")],
            &[("origin", "http://localhost:5000.evil.example")],
            &[],
        ] {
            assert!(!from(foreign), "{foreign:?}");
        }
    }

    #[test]
    fn a_name_that_somebody_else_may_own_is_a_strangers() {
        let called = |host: &str, base: &str| {
            let mut visit = visit("GET", "/", &[], "");
            visit.head.headers.insert("host", host.parse().unwrap());
            visit.base = base.to_owned();
            visit.is_called_by_a_stranger()
        };
        assert!(called("evil.example:5000", "http://evil.example:5000"));
        for ours in
            ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "app.localhost:5000", "10.0.0.3"]
        {
            assert!(!called(ours, &format!("http://{ours}")), "{ours}");
        }
        assert!(!called("inside:5000", "https://registry.example.com"), "a configured address is ours");
    }

    #[test]
    fn the_path_may_come_with_or_without_the_root() {
        for (target, path) in
            [("/berth/r/a", "/r/a"), ("/r/a", "/r/a"), ("/berth", ""), ("/berthing", "/berthing")]
        {
            assert_eq!(visit("GET", target, &[], "").path("/berth"), path);
        }
    }

    #[test]
    fn the_language_is_chosen_or_liked() {
        let of = |headers: &[(&str, &str)]| visit("GET", "/", headers, "").language();
        assert_eq!(of(&[]), Language::English);
        assert_eq!(of(&[("accept-language", "zh-CN,zh;q=0.9,en;q=0.8")]), Language::Chinese);
        assert_eq!(of(&[("accept-language", "fr, de;q=0.9")]), Language::English);
        assert_eq!(
            of(&[("accept-language", "zh-CN"), ("cookie", "a=b; berth_language=en")]),
            Language::English
        );
    }
}
