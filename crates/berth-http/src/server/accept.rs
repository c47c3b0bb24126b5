//! The accept loop: takes connections, gives them a place or turns them away.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SendFlags;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::connection::{Arrival, linger};
use super::handler::Handler;
use super::limits::Limits;
use super::site::Site;

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n\
    Content-Type: application/json\r\nContent-Length: 92\r\n\r\n\
    {\"errors\":[{\"code\":\"UNAVAILABLE\",\"message\":\"too many connections: try again\",\"detail\":{}}]}\n";
/// Refused connections that are kept for a moment, so that their clients can read why.
const REFUSALS: usize = 64;
/// The pause when the process has no file to spare, doubled up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts connections of one listener.
pub(crate) struct Acceptor<H> {
    pub(crate) site: Arc<Site>,
    pub(crate) handler: Arc<H>,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) listener: TcpListener,
}

impl<H: Handler> Acceptor<H> {
    /// Runs until it is dropped; the connections live on.
    pub(crate) async fn run(self) {
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        let mut pause = FIRST_PAUSE;
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    pause = FIRST_PAUSE;
                    self.welcome(stream, peer, &refusals);
                }
                Err(error) if is_exhausted(&error) => {
                    if pause == FIRST_PAUSE {
                        tracing::error!(%error, "no connection can be accepted; waiting for others to end");
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                // The client was gone before we came to it.
                Err(error) => tracing::debug!(%error, "accept"),
            }
        }
    }

    fn welcome(&self, stream: TcpStream, peer: SocketAddr, refusals: &Arc<Semaphore>) {
        let Some(place) = self.site.admission.admit(peer.ip()) else {
            self.turn_away(stream, peer, refusals);
            return;
        };
        let (pulse, under_watch) = self.site.watch.add();
        let arrival = Arrival {
            site: Arc::clone(&self.site),
            handler: Arc::clone(&self.handler),
            tls: self.tls.clone(),
            stream,
            peer,
            pulse,
        };
        tokio::spawn(async move {
            arrival.serve().await;
            drop((under_watch, place));
        });
    }

    fn turn_away(&self, stream: TcpStream, peer: SocketAddr, refusals: &Arc<Semaphore>) {
        tracing::debug!(%peer, open = self.site.admission.open(), "too many connections");
        if self.tls.is_some() {
            // Nothing can be said without a handshake, which is what we cannot afford.
            let _ = stream.set_zero_linger();
            return;
        }
        // The buffer of a new socket has room for this.
        let _ = rustix::net::send(&stream, BUSY, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        if let Ok(permit) = Arc::clone(refusals).try_acquire_owned() {
            tokio::spawn(async move {
                let limits = Limits {
                    linger_timeout: Duration::from_secs(1),
                    linger_bytes: 64 << 10,
                    ..Limits::default()
                };
                linger(stream, &limits).await;
                drop(permit);
            });
        }
    }
}

/// Whether accepting failed for want of something that only time can give.
fn is_exhausted(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| exhausted.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_declares_its_true_length() {
        let text = std::str::from_utf8(BUSY).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a header and a body");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).expect("JSON");
    }
}
