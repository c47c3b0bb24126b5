//! The transport: an accept loop of our own under hyper, with TLS, limits, `sendfile` and an orderly end.
//!
//! A connection is one task. What can end it from outside (time-outs, shutdown) goes through its pulse, which one
//! clock looks at for all connections; nothing else is shared between connections but the handler.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::health::Operations;

mod accept;
mod admission;
mod connection;
mod exchange;
mod file_part;
mod handler;
mod limits;
mod pulse;
mod request_body;
mod response_body;
mod site;
mod socket;
mod stand_in;
mod tally;
mod tls;
mod wire_body;

pub use handler::{ConnInfo, Handler, RouteKind};
pub use limits::{Limits, Progress};
pub use request_body::{RequestBody, RequestBodyError};
pub use response_body::{Part, PieceError, PieceStream, ResponseBody};
pub use tls::{TlsConfig, TlsError};

use accept::Acceptor;
use admission::{Admission, raise_nofile};
use pulse::{Signal, Watch};
use site::Site;
use tls::Tls;

/// Connections that the kernel keeps while we are busy accepting others.
const BACKLOG: u32 = 4096;
/// What connections that were cut get to notice it.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// TLS on all of them, or plain HTTP/1 when absent.
    pub tls: Option<TlsConfig>,
    /// What one client may take.
    pub limits: Limits,
    /// How long a shutdown waits for requests under way. 60 s.
    pub drain: Duration,
    /// How long before a shutdown `/readyz` says no while connections are still accepted, so that a load balancer can
    /// notice. 0 s.
    pub notice: Duration,
    /// Whether every request is logged.
    pub access_log: bool,
}

impl ServerConfig {
    /// Plain HTTP on one address with the limits we ship.
    pub fn new(listen: SocketAddr) -> ServerConfig {
        ServerConfig {
            listen: vec![listen],
            tls: None,
            limits: Limits::default(),
            drain: Duration::from_secs(60),
            notice: Duration::ZERO,
            access_log: false,
        }
    }
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The configuration names no address.
    #[error("no address to listen on")]
    NoAddress,
}

/// A server that listens, and answers as soon as [`Server::serve`] runs.
pub struct Server<H> {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    tls: Option<Tls>,
    site: Arc<Site>,
    handler: Arc<H>,
    drain: Duration,
    notice: Duration,
}

impl<H: Handler> Server<H> {
    /// Listens, reads the certificate, and raises the limit of open files as far as the process may.
    ///
    /// To be called inside a tokio runtime with time and I/O.
    ///
    /// # Errors
    ///
    /// [`ServerError`] when an address or the certificate cannot be used.
    pub fn bind(config: ServerConfig, operations: Operations, handler: H) -> Result<Server<H>, ServerError> {
        let tls = config.tls.map(Tls::load).transpose()?;
        let listeners = config
            .listen
            .iter()
            .map(|&address| listen(address).map_err(|source| ServerError::Listen { address, source }))
            .collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> =
            listeners.iter().zip(config.listen).map(|(l, asked)| l.local_addr().unwrap_or(asked)).collect();
        if addresses.is_empty() {
            return Err(ServerError::NoAddress);
        }
        let gauge = operations.metrics().connections().clone();
        let site = Arc::new(Site {
            admission: Arc::new(Admission::new(&config.limits, raise_nofile(), gauge)),
            watch: Arc::new(Watch::new(&config.limits)),
            limits: config.limits,
            operations,
            access_log: config.access_log,
        });
        let handler = Arc::new(handler);
        Ok(Server { listeners, addresses, tls, site, handler, drain: config.drain, notice: config.notice })
    }

    /// The first address that is listened on, with the port the system chose if none was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All addresses that are listened on, in the order of the configuration.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `shutdown` is ready, then finishes what is under way. `hurry` cuts that short at any time.
    pub async fn serve(self, shutdown: impl Future<Output = ()>, hurry: impl Future<Output = ()>) {
        let site = self.site;
        let mut tasks = JoinSet::new();
        let mut acceptors = JoinSet::new();
        let acceptor = self.tls.as_ref().map(|tls| tls.acceptor.clone());
        for listener in self.listeners {
            let (site, handler) = (Arc::clone(&site), Arc::clone(&self.handler));
            acceptors.spawn(Acceptor { site, handler, tls: acceptor.clone(), listener }.run());
        }
        let watch = Arc::clone(&site.watch);
        tasks.spawn(async move { watch.run().await });
        if let Some(tls) = self.tls {
            tasks.spawn(async move { tls.follow_files().await });
        }
        let mut hurry = pin!(hurry);
        let orderly = async {
            shutdown.await;
            site.operations.drain();
            tokio::time::sleep(self.notice).await;
            acceptors.shutdown().await;
            site.watch.signal_all(Signal::Drain);
            if timeout(self.drain, site.admission.empty()).await.is_err() {
                tracing::warn!(
                    connections = site.admission.open(),
                    "requests were still under way and are cut"
                );
            }
        };
        tokio::select! {
            () = orderly => {}
            () = &mut hurry => {}
        }
        acceptors.shutdown().await;
        site.operations.drain();
        site.watch.signal_all(Signal::Cut);
        // A connection that does not notice in time is dropped with the runtime.
        let _ = timeout(CUT_GRACE, site.admission.empty()).await;
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
