//! Connections: looked up, judged by every address, connected, and secured.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper::rt;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::proxy::{Proxies, Proxy};
use crate::{EgressError, Reach, TlsTrouble};

/// Time for one address to answer.
const PER_ADDRESS: Duration = Duration::from_secs(2);
/// Time for the look-up, and for the handshake.
const PER_STEP: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const ADDRESSES: usize = 6;

/// Finds the addresses of a name.
pub(crate) type LookUp =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// As the system does it.
pub(crate) fn look_up() -> LookUp {
    Arc::new(|host, port| Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }))
}

/// A host as [`Origin`](crate::Origin) spells it.
pub(crate) fn spelled(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |address| address.to_string())
}

/// Connects for one destination.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) reach: Reach,
    /// Hosts on a private network, if the reach is private; every other host has to be public.
    pub(crate) private: Arc<[String]>,
    pub(crate) look_up: LookUp,
    pub(crate) proxies: Arc<Proxies>,
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<Wire, EgressError> {
        let host = spelled(uri.host().unwrap_or_default());
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = match self.proxies.of(secure, &host, port) {
            None => self.reach(&host, port).await?,
            Some(proxy) => self.through(proxy, secure, &host, port).await?,
        };
        if !secure {
            let proxied = self.proxies.of(secure, &host, port).is_some();
            return Ok(Wire::Plain(TokioIo::new(stream), proxied));
        }
        let failed = |(trouble, source)| EgressError::Tls { host: host.clone(), trouble, source };
        let name = ServerName::try_from(host.clone())
            .map_err(|error| failed((TlsTrouble::Other, io::Error::other(error))))?;
        let shake = TlsConnector::from(self.tls.clone()).connect(name, stream);
        let stream = timeout(PER_STEP, shake).await.map_err(|_| EgressError::TooSlow(PER_STEP))?;
        Ok(Wire::Tls(Box::new(TokioIo::new(stream.map_err(|error| failed(in_words(error)))?))))
    }

    /// Connects by way of a proxy. It looks names up by itself, so that only an address can be judged here.
    async fn through(
        &self,
        proxy: &Proxy,
        secure: bool,
        host: &str,
        port: u16,
    ) -> Result<TcpStream, EgressError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            let allowed = self.reach_of(host).allows(address);
            allowed.map_err(|what| EgressError::Address { host: host.to_owned(), what })?;
        }
        // Whoever named the proxy said where it is.
        let named = Connector {
            reach: Reach::Private,
            private: [proxy.origin.host().to_owned()].into(),
            ..self.clone()
        };
        let mut stream = named.reach(proxy.origin.host(), proxy.origin.port()).await?;
        if secure {
            let refused = |source| EgressError::Proxy { proxy: proxy.origin.authority(), source };
            let tunnel = timeout(PER_STEP, proxy.tunnel(&mut stream, host, port));
            tunnel.await.map_err(|_| EgressError::TooSlow(PER_STEP))?.map_err(refused)?;
        }
        Ok(stream)
    }

    /// Connects to the first address that answers. The name is looked up once, and if any of its addresses is forbidden
    /// none is used: such a name means harm or a mistake.
    async fn reach(&self, host: &str, port: u16) -> Result<TcpStream, EgressError> {
        let unknown = |source| EgressError::Name { host: host.to_owned(), source };
        let looked_up = timeout(PER_STEP, (self.look_up)(host.to_owned(), port)).await;
        let addresses = looked_up.map_err(|_| EgressError::TooSlow(PER_STEP))?.map_err(unknown)?;
        for address in &addresses {
            let allowed = self.reach_of(host).allows(address.ip());
            allowed.map_err(|what| EgressError::Address { host: host.to_owned(), what })?;
            // It is this machine by definition (RFC 6761, section 6.3), and what goes there may go in the clear.
            if host == "localhost" && !address.ip().is_loopback() {
                return Err(unknown(io::Error::other("localhost is looked up as another machine")));
            }
        }
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses.into_iter().take(ADDRESSES) {
            match timeout(PER_ADDRESS, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(unknown)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = error,
                Err(_) => failure = io::Error::new(io::ErrorKind::TimedOut, "no answer within two seconds"),
            }
        }
        Err(EgressError::Connect { host: host.to_owned(), source: failure })
    }

    fn reach_of(&self, host: &str) -> Reach {
        let known = || self.private.iter().any(|private| private.eq_ignore_ascii_case(host));
        if self.reach == Reach::Everywhere || known() { self.reach } else { Reach::Public }
    }
}

/// What a handshake failed by, for programs and for people.
fn in_words(error: io::Error) -> (TlsTrouble, io::Error) {
    use CertificateError as Certificate;
    use rustls::Error::{InvalidCertificate, InvalidMessage};
    let Some(reason) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return (TlsTrouble::Other, error);
    };
    let (trouble, words) = match reason {
        InvalidMessage(_) => {
            let told = format!("it answers without TLS ({reason})");
            return (TlsTrouble::None, io::Error::new(io::ErrorKind::Unsupported, told));
        }
        InvalidCertificate(Certificate::UnknownIssuer | Certificate::BadSignature) => {
            (TlsTrouble::Authority, "nobody who is trusted here signed its certificate")
        }
        // It is its own authority, as the usual tools make it, and so one that nobody named here.
        InvalidCertificate(Certificate::Other(_)) if reason.to_string().contains("CaUsedAsEndEntity") => {
            (TlsTrouble::Authority, "nobody who is trusted here signed its certificate")
        }
        InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            (TlsTrouble::Expired, "its certificate has expired")
        }
        InvalidCertificate(Certificate::NotValidYet | Certificate::NotValidYetContext { .. }) => {
            (TlsTrouble::NotYetValid, "its certificate is not valid yet; compare the clocks")
        }
        InvalidCertificate(Certificate::NotValidForName | Certificate::NotValidForNameContext { .. }) => {
            (TlsTrouble::OtherName, "its certificate is for another name")
        }
        _ => return (TlsTrouble::Other, error),
    };
    (trouble, io::Error::new(error.kind(), format!("{words} ({reason})")))
}

impl tower_service::Service<Uri> for Connector {
    type Response = Wire;
    type Error = EgressError;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, EgressError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection.
pub(crate) enum Wire {
    /// Whether a proxy is at the other end, which is told the whole address.
    Plain(TokioIo<TcpStream>, bool),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new().proxy(matches!(self, Wire::Plain(_, true)))
    }
}

impl rt::Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream, _) => Pin::new(stream).poll_read(cx, into),
            Wire::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, into),
        }
    }
}

impl rt::Write for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Plain(stream, _) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream, _) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream, _) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Wire::Plain(stream, _) => stream.is_write_vectored(),
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Plain(stream, _) => Pin::new(stream).poll_write_vectored(cx, slices),
            Wire::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, slices),
        }
    }
}
