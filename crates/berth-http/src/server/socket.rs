//! The TCP socket as hyper sees it: counts what moves, and sends files where a stand-in is written.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::pulse::Pulse;
use super::stand_in::{FileQueue, stands_in};

/// A TCP socket that belongs to one connection, for HTTP/1 directly or below TLS.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    pulse: Arc<Pulse>,
    files: Arc<FileQueue>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, pulse: Arc<Pulse>, files: Arc<FileQueue>) -> Socket {
        Socket { stream, pulse, files }
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let plain = slices.iter().take_while(|slice| !stands_in(slice)).count();
        if plain == slices.len() && !self.files.is_empty() {
            self.pulse.break_off();
            let error = io::Error::new(io::ErrorKind::InvalidData, "a promised file piece has no stand-in");
            return Poll::Ready(Err(error));
        }
        let is_file = plain == 0 && !slices.is_empty();
        loop {
            let Poll::Ready(ready) = self.stream.poll_write_ready(cx) else {
                self.pulse.write_blocks();
                return Poll::Pending;
            };
            ready?;
            let result = self.stream.try_io(Interest::WRITABLE, || {
                if is_file {
                    self.files.send(&self.stream, slices[0].len())
                } else {
                    self.send_bytes(&slices[..plain], plain < slices.len())
                }
            });
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if is_file {
                        self.pulse.break_off();
                    }
                    return Poll::Ready(Err(error));
                }
                Ok(sent) => {
                    self.pulse.wrote(sent);
                    return Poll::Ready(Ok(sent));
                }
            }
        }
    }

    /// Sends bytes from memory. When a file follows, the kernel keeps them back to fill its first packet.
    fn send_bytes(&self, slices: &[IoSlice<'_>], file_follows: bool) -> io::Result<usize> {
        let more = if file_follows { SendFlags::MORE } else { SendFlags::empty() };
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT | more;
        Ok(rustix::net::sendmsg(&self.stream, slices, &mut SendAncillaryBuffer::default(), flags)?)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        if read > 0 {
            self.pulse.read(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, slices)
    }

    /// The promise that lets hyper queue body bytes instead of copying them.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
