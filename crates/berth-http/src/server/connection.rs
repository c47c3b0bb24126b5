//! One connection, from its first byte to its close.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use http::{Request, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::exchange::Desk;
use super::handler::{ConnInfo, Handler};
use super::limits::Limits;
use super::pulse::{Pulse, Signal};
use super::site::Site;
use super::socket::Socket;
use super::stand_in::FileQueue;

/// The first byte of a TLS handshake, which no HTTP request begins with.
const TLS_HANDSHAKE: u8 = 0x16;

/// Docker 29 and others try TLS first and fall back when the answer begins with `HTTP/`.
const TLS_ON_PLAIN: &str = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\n\r\nThis port speaks plain HTTP: use http://, or list it as an insecure registry.\n";
const PLAIN_ON_TLS: &str = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\n\r\nClient sent an HTTP request to an HTTPS server: use https://.\n";

/// A connection that has its place and has not said anything yet.
pub(crate) struct Arrival<H> {
    pub(crate) site: Arc<Site>,
    pub(crate) handler: Arc<H>,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) pulse: Arc<Pulse>,
}

/// How serving a connection ended.
enum End {
    /// Both sides are done.
    Closed,
    /// Something went wrong, mostly the client going away.
    Failed,
    /// It was told to end.
    Cut,
}

impl<H: Handler> Arrival<H> {
    /// Serves the connection until it ends; what goes wrong concerns nobody else.
    pub(crate) async fn serve(self) {
        let _ = self.stream.set_nodelay(true);
        let Ok(local) = self.stream.local_addr() else { return };
        let Some(first) = self.first_byte().await else { return };
        match (&self.tls, first == TLS_HANDSHAKE) {
            // Boxed, so that a connection that says nothing does not hold the memory of one that does.
            (None, false) => Box::pin(self.serve_plain(local)).await,
            (Some(acceptor), true) => {
                let acceptor = acceptor.clone();
                Box::pin(self.serve_tls(acceptor, local)).await;
            }
            (None, true) => say_and_close(self.stream, TLS_ON_PLAIN, &self.site.limits).await,
            (Some(_), false) => say_and_close(self.stream, PLAIN_ON_TLS, &self.site.limits).await,
        }
    }

    /// Looks at the first byte without taking it. `None` when none came in time.
    async fn first_byte(&self) -> Option<u8> {
        let mut first = [0];
        let told = poll_fn(|cx| match self.pulse.poll_signal(cx) {
            Signal::None => Poll::Pending,
            Signal::Drain | Signal::Cut => Poll::Ready(()),
        });
        tokio::select! {
            peeked = timeout(self.site.limits.header_timeout, self.stream.peek(&mut first)) => {
                matches!(peeked, Ok(Ok(1))).then_some(first[0])
            }
            () = told => None,
        }
    }

    async fn serve_plain(self, local: SocketAddr) {
        let queue = Arc::new(FileQueue::default());
        let socket = Socket::new(self.stream, Arc::clone(&self.pulse), Arc::clone(&queue));
        let info =
            ConnInfo { peer: self.peer, local, is_tls: false, version: Version::HTTP_11, sends_files: true };
        let pulse = Arc::clone(&self.pulse);
        let desk =
            Desk { site: Arc::clone(&self.site), handler: self.handler, info, pulse, queue: Some(queue) };
        let (end, socket) = serve_http1(socket, Arc::new(desk)).await;
        close(socket.into_stream(), end, &self.pulse, &self.site.limits).await;
    }

    async fn serve_tls(self, acceptor: TlsAcceptor, local: SocketAddr) {
        let limits = &self.site.limits;
        let socket = Socket::new(self.stream, Arc::clone(&self.pulse), Arc::default());
        let handshake = timeout(limits.handshake_timeout, acceptor.accept(socket)).await;
        let Ok(Ok(mut stream)) = handshake else {
            tracing::debug!(peer = %self.peer, timed_out = handshake.is_err(), "TLS handshake failed");
            return;
        };
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let version = if is_h2 { Version::HTTP_2 } else { Version::HTTP_11 };
        let info = ConnInfo { peer: self.peer, local, is_tls: true, version, sends_files: false };
        let pulse = Arc::clone(&self.pulse);
        let site = Arc::clone(&self.site);
        let desk = Arc::new(Desk { site, handler: self.handler, info, pulse, queue: None });
        if is_h2 {
            self.pulse.multiplex();
            serve_http2(stream, desk).await;
            return;
        }
        self.pulse.expect_header();
        let end;
        (end, stream) = serve_http1(stream, desk).await;
        if matches!(end, End::Closed) {
            // Says in TLS that this is the end; a client that does not take it is not waited for.
            let _ = timeout(limits.linger_timeout, stream.shutdown()).await;
        }
        close(stream.into_inner().0.into_stream(), end, &self.pulse, limits).await;
    }
}

/// Serves HTTP/1.0 and HTTP/1.1 until one side ends it, and gives the transport back.
async fn serve_http1<T, H>(transport: T, desk: Arc<Desk<H>>) -> (End, T)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let limits = &desk.site.limits;
    let pulse = Arc::clone(&desk.pulse);
    let mut builder = http1::Builder::new();
    // The watch times headers: hyper's own time-out would end idle connections as well. Twice the size, so that most
    // headers that are too large get our answer rather than hyper's, which has no body.
    builder
        .header_read_timeout(None)
        .max_buf_size(limits.read_buffer)
        .max_header_size(2 * limits.header_bytes);
    let service = service_fn(move |request: Request<Incoming>| {
        let desk = Arc::clone(&desk);
        // Boxed, so that a connection between two requests does not hold the memory of one.
        Box::pin(async move { Ok::<_, Infallible>(desk.answer(request).await) })
    });
    let mut connection = builder.serve_connection(TokioIo::new(transport), service);
    let mut draining = false;
    let end = poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = connection.poll_without_shutdown(cx) {
                return Poll::Ready(if result.is_ok() { End::Closed } else { End::Failed });
            }
            match pulse.poll_signal(cx) {
                Signal::Cut => return Poll::Ready(End::Cut),
                Signal::Drain if !draining => {
                    draining = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                Signal::Drain | Signal::None => return Poll::Pending,
            }
        }
    })
    .await;
    (end, connection.into_parts().io.into_inner())
}

/// Serves HTTP/2 until one side ends it.
async fn serve_http2<T, H>(transport: T, desk: Arc<Desk<H>>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let limits = &desk.site.limits;
    let pulse = Arc::clone(&desk.pulse);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .initial_stream_window_size(limits.h2_stream_window)
        .initial_connection_window_size(limits.h2_connection_window)
        .max_frame_size(64 << 10)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits.h2_pending_resets)
        .keep_alive_interval(limits.h2_ping_interval)
        .keep_alive_timeout(limits.h2_ping_timeout);
    let service = service_fn(move |request: Request<Incoming>| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(transport), service));
    let mut draining = false;
    poll_fn(|cx| {
        loop {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            match pulse.poll_signal(cx) {
                Signal::Cut => return Poll::Ready(()),
                Signal::Drain if !draining => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                Signal::Drain | Signal::None => return Poll::Pending,
            }
        }
    })
    .await;
}

/// Closes the socket so that the client learns the truth: the whole answer, or that it is broken.
async fn close(stream: TcpStream, end: End, pulse: &Pulse, limits: &Limits) {
    match end {
        // A reset cannot be mistaken for the end of a body without a length, and frees what the kernel still holds.
        _ if pulse.is_broken() => drop(stream.set_zero_linger()),
        End::Cut if pulse.is_write_blocked() => drop(stream.set_zero_linger()),
        End::Closed if !pulse.is_unread() && !pulse.has_partial_header() => {}
        End::Closed | End::Failed => linger(stream, limits).await,
        End::Cut => {}
    }
}

async fn say_and_close(mut stream: TcpStream, text: &str, limits: &Limits) {
    let said = timeout(limits.linger_timeout, stream.write_all(text.as_bytes())).await;
    if matches!(said, Ok(Ok(()))) {
        linger(stream, limits).await;
    }
}

/// Ends our side and reads on for a while: closing a socket with unread bytes resets the connection, and the client
/// would lose our last words.
pub(crate) async fn linger(mut stream: TcpStream, limits: &Limits) {
    let discard = async {
        stream.shutdown().await?;
        let mut buffer = vec![0; 32 << 10];
        let mut discarded = 0;
        while discarded < limits.linger_bytes {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            discarded += read as u64;
        }
        Ok::<_, std::io::Error>(())
    };
    // How it ends makes no difference: the connection is over.
    let _ = timeout(limits.linger_timeout, discard).await;
}
