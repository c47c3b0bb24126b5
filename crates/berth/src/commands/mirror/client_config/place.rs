//! By which addresses clients reach this server.

use crate::config::{Config, ListenAddress};
use berth_cli::failure::Failure;

/// An address of this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) is_tls: bool,
    /// Host and port, as they stand in names of images.
    pub(super) authority: String,
}

impl Place {
    /// Whether it is this machine, which clients take to be safe without TLS.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host == "[::1]" || host.starts_with("127.")
    }

    fn host(&self) -> &str {
        let end = self.authority.rfind(']').map_or(0, |end| end + 1);
        match self.authority[end..].find(':') {
            Some(colon) => &self.authority[..end + colon],
            None => &self.authority,
        }
    }
}

/// The addresses of this server, as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) main: Place,
    /// Where bare names are images of Docker Hub.
    pub(super) entrance: Option<Place>,
    /// What somebody should know about the addresses.
    pub(super) remark: Option<String>,
}

impl Server {
    /// What the configuration says, or whoever asks (`given`).
    pub(super) fn of(config: &Config, given: Option<&str>) -> Result<Server, Failure> {
        let has_cert = config.tls.cert.is_some();
        let (main, remark) = match (given, &config.external_url.0) {
            (Some(given), _) => (named(given, has_cert)?, None),
            (None, Some(url)) => (named(url, has_cert)?, None),
            (None, None) => listening(&config.listen, has_cert),
        };
        // No proxy is before that listener, whatever is before the other.
        let entrance = config.mirror_listen.0.as_ref().map(|listen| {
            let host =
                if is_everywhere(&listen.host) { main.host().to_owned() } else { bracketed(&listen.host) };
            Place { is_tls: has_cert, authority: format!("{host}:{}", listen.port) }
        });
        Ok(Server { main, entrance, remark })
    }
}

/// `host:port`, or a URL, which also says whether there is TLS.
fn named(text: &str, has_cert: bool) -> Result<Place, Failure> {
    let (is_tls, authority) = match text.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => (has_cert, text),
    };
    let authority = authority.trim_end_matches('/');
    let is_host = |c: char| c.is_ascii_alphanumeric() || "._-:[]".contains(c);
    if authority.is_empty() || !authority.chars().all(is_host) {
        return Err(Failure::usage(format!("{text:?} is no address of a server"))
            .hint("write registry.example.com:5000, or https://registry.example.com"));
    }
    Ok(Place { is_tls, authority: authority.to_owned() })
}

fn listening(listen: &ListenAddress, is_tls: bool) -> (Place, Option<String>) {
    let (host, remark) = if is_everywhere(&listen.host) {
        let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let remark =
            format!("If clients know this server by another name than {own}, say --server HOST:PORT.");
        (own, Some(remark))
    } else if is_loopback(&listen.host) {
        let remark = format!("This server listens on {listen}: only clients on this machine reach it.");
        ("localhost".to_owned(), Some(remark))
    } else {
        (bracketed(&listen.host), None)
    };
    (Place { is_tls, authority: format!("{host}:{}", listen.port) }, remark)
}

fn is_everywhere(host: &str) -> bool {
    matches!(host, "0.0.0.0" | "::")
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "::1") || host.starts_with("127.")
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}
