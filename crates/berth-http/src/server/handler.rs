//! What a server asks of the code that answers requests, and what it tells it about the connection.

use std::future::Future;
use std::net::SocketAddr;

use http::{Request, Response, Version};

use super::{RequestBody, ResponseBody};

/// Answers requests; cheap to share between all connections.
///
/// Any `Fn(Request<RequestBody>, ConnInfo) -> impl Future<Output = Response<ResponseBody>>` is one.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Errors are responses too, so there is no `Result`.
    ///
    /// The future is dropped when the client goes away or the server stops waiting for it.
    fn handle(
        &self,
        request: Request<RequestBody>,
        connection: ConnInfo,
    ) -> impl Future<Output = Response<ResponseBody>> + Send;
}

impl<F, Answer> Handler for F
where
    F: Fn(Request<RequestBody>, ConnInfo) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Response<ResponseBody>> + Send,
{
    fn handle(
        &self,
        request: Request<RequestBody>,
        connection: ConnInfo,
    ) -> impl Future<Output = Response<ResponseBody>> + Send {
        self(request, connection)
    }
}

/// What is known about the connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub struct ConnInfo {
    /// The other end of the TCP connection: the client, or the proxy before us.
    pub peer: SocketAddr,
    /// Our end of the TCP connection.
    pub local: SocketAddr,
    /// Whether the bytes are encrypted.
    pub is_tls: bool,
    /// The protocol version that this request was made with.
    pub version: Version,
    /// Whether file bodies leave by `sendfile`, without passing through this process.
    pub sends_files: bool,
}

/// The kind of route that answered, put into the extensions of a response by the handler.
///
/// It becomes a metric label and a field of the access log, hence the fixed text: labels must stay few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteKind(pub &'static str);
