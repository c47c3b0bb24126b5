//! Asking a provider: one request, one bounded answer.
//!
//! No redirect is followed, since a secret or a code would follow it to where nobody sent it. No proxy is used,
//! whatever the environment says. One connection serves one request: a sign-in is rare.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::endpoint::Endpoint;

/// Longest body, in bytes.
const LONGEST_BODY: usize = 256 * 1024;
/// Longest head, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;
/// Time for everything, from the look-up of the name to the last byte.
const LIMIT: Duration = Duration::from_secs(10);

/// Why a provider's answer is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Nobody is there.
    #[error("no connection; see whether the provider runs and can be reached from here")]
    Connect(#[source] io::Error),
    /// The certificate is not believed, or there is no TLS.
    #[error(
        "no secure connection; if the provider's certificate is of an own authority, name it in the ca file"
    )]
    Tls(#[source] io::Error),
    /// The connection ended, or what came is not HTTP.
    #[error("the connection failed; try again")]
    Hyper(#[from] hyper::Error),
    /// The request could not be written.
    #[error("the request cannot be written; look for odd characters in the options")]
    Request(#[from] http::Error),
    /// The body ended too early.
    #[error("the answer is not whole; try again")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The body is longer than 256 KiB.
    #[error("the answer is longer than 256 KiB; see what answers there")]
    TooLong,
    /// It took longer than ten seconds.
    #[error("no answer within ten seconds; try again")]
    TooSlow,
    /// The answer sends elsewhere.
    #[error("it answers with a redirect ({0}), which is never followed; see whether the issuer is right")]
    Redirect(StatusCode),
    /// The answer is not one of success.
    #[error("it answers with status {0}; see the provider's log")]
    Status(StatusCode),
    /// The answer is not the document that was asked for.
    #[error("the answer is not the document that was asked for; see what answers there")]
    NotJson(#[from] serde_json::Error),
}

/// Why there are no certificates to judge a provider by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// The file cannot be read.
    #[error(
        "the ca file {path} cannot be read; it holds certificates in PEM, for who runs this server to read"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// The file holds no certificate, or one that cannot be read.
    #[error("the ca file {path} has to hold certificates in PEM, and nothing that is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The system has none, and no file is named.
    #[error("this system has no root certificates; install ca-certificates, or name a ca file")]
    None,
    /// The TLS library refuses its settings.
    #[error("TLS cannot be set up; this is a fault of the program, please report it")]
    Setup(#[from] rustls::Error),
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The document, if the answer is one of success.
    pub(crate) fn document<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        match self.status {
            StatusCode::OK => self.parsed(),
            status => Err(HttpError::Status(status)),
        }
    }

    /// The document, whatever the status.
    pub(crate) fn parsed<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// Asks; clones share the settings.
#[derive(Clone)]
pub(crate) struct Client {
    tls: TlsConnector,
}

impl Client {
    /// Reads the certificates of the system, and those of the file.
    pub(crate) fn new(ca_file: Option<&Path>, needs_roots: bool) -> Result<Client, RootsError> {
        let mut roots = RootCertStore::empty();
        // A certificate of the system that cannot be read is one that is not believed; the others are of use.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            add_file(&mut roots, path)?;
        }
        if roots.is_empty() && needs_roots {
            return Err(RootsError::None);
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Client { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Asks for a document, with an access token if there is one (RFC 6750, section 2.1).
    pub(crate) async fn get(&self, at: &Endpoint, token: Option<&str>) -> Result<Answer, HttpError> {
        let authorization = token.map(|token| format!("Bearer {token}"));
        self.ask(at, Method::GET, authorization, String::new()).await
    }

    /// Sends a form.
    pub(crate) async fn post(
        &self,
        at: &Endpoint,
        authorization: Option<String>,
        form: String,
    ) -> Result<Answer, HttpError> {
        self.ask(at, Method::POST, authorization, form).await
    }

    async fn ask(
        &self,
        at: &Endpoint,
        method: Method,
        authorization: Option<String>,
        form: String,
    ) -> Result<Answer, HttpError> {
        let mut request = Request::builder()
            .method(&method)
            .uri(at.target())
            .header(HOST, at.authority())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "berth");
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(text) = authorization {
            let mut value = HeaderValue::try_from(text).map_err(http::Error::from)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Full::new(Bytes::from(form)))?;
        let answer = tokio::time::timeout(LIMIT, self.exchange(at, request));
        answer.await.map_err(|_| HttpError::TooSlow)?
    }

    async fn exchange(&self, at: &Endpoint, request: Request<Full<Bytes>>) -> Result<Answer, HttpError> {
        let stream = connect(at).await.map_err(HttpError::Connect)?;
        if !at.is_secure() {
            return speak(stream, request).await;
        }
        let name = ServerName::try_from(at.host().to_owned());
        let name = name.map_err(|error| HttpError::Tls(io::Error::other(error)))?;
        let stream = self.tls.connect(name, stream).await.map_err(HttpError::Tls)?;
        speak(stream, request).await
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), RootsError> {
    let damaged = || RootsError::Damaged { path: path.to_owned() };
    let unread = |source| RootsError::File { path: path.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(path).map_err(unread)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(unread)?;
    if certificates.is_empty() {
        return Err(damaged());
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|_| damaged())?;
    }
    Ok(())
}

/// Tries each address of the host. Without TLS only addresses of this machine: a name can mean any.
async fn connect(at: &Endpoint) -> io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host((at.host(), at.port())).await?;
    let may = |address: &SocketAddr| at.is_secure() || address.ip().is_loopback();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address that may be asked");
    for address in addresses.filter(may) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn speak<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, HttpError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut settings = http1::Builder::new();
    settings.max_buf_size(LONGEST_HEAD);
    let (mut sender, connection) = settings.handshake(TokioIo::new(stream)).await?;
    let answer = async move { read(sender.send_request(request).await?).await };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // What came before the end can still be read; and if the connection failed, so does the answer.
        _ended = connection => answer.await,
    }
}

async fn read(response: Response<Incoming>) -> Result<Answer, HttpError> {
    let status = response.status();
    if status.is_redirection() {
        return Err(HttpError::Redirect(status));
    }
    let body = Limited::new(response.into_body(), LONGEST_BODY).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { HttpError::TooLong } else { HttpError::Body(error) }
    })?;
    Ok(Answer { status, body: body.to_bytes() })
}
