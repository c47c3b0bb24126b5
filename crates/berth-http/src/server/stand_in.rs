//! A stand-in for file bytes, so that a file passes through hyper without being read.
//!
//! hyper moves bodies as `Bytes`. A file body hands it slices of one shared buffer that nobody ever touches, and puts
//! the true place (file, offset, length) into the connection's [`FileQueue`]. The [`Socket`](super::socket::Socket)
//! knows the buffer by its address and calls `sendfile` instead.
//!
//! Why the zeros of the buffer can never be sent: hyper's HTTP/1 writer copies no body bytes when the socket reports
//! vectored writes (its queue strategy; only `pipeline_flush` would change that, which we do not use), and keeps them
//! in order behind the header. So each slice of the stand-in that arrives at the socket must be exactly what remains of
//! the queue's front. The socket checks that equality and ends the connection otherwise, and it refuses to write
//! anything after which a queued file would no longer fit.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The longest piece of a file that is handed over at once.
pub(crate) const STAND_IN_LEN: usize = 2 << 20;

/// Zeroed memory straight from the system; no page of it is ever read or written, so it costs addresses only.
static STAND_IN: LazyLock<&'static [u8]> = LazyLock::new(|| Vec::leak(vec![0; STAND_IN_LEN]));

/// Whether a slice is part of the stand-in.
pub(crate) fn stands_in(slice: &[u8]) -> bool {
    STAND_IN.as_ptr_range().contains(&slice.as_ptr())
}

/// The pieces of files that a connection has promised to hyper and not yet sent, oldest first.
#[derive(Debug, Default)]
pub(crate) struct FileQueue(Mutex<VecDeque<Segment>>);

#[derive(Debug)]
struct Segment {
    file: Arc<File>,
    offset: u64,
    len: usize,
}

impl FileQueue {
    /// Promises a piece of a file, and returns what stands for it. `len` is at most [`STAND_IN_LEN`].
    pub(crate) fn promise(&self, file: Arc<File>, offset: u64, len: usize) -> Bytes {
        self.lock().push_back(Segment { file, offset, len });
        Bytes::from_static(&STAND_IN[..len])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Sends from the front piece, of which `expected` bytes must remain. Returns the number of bytes sent, not 0.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when the socket is full, `UnexpectedEof` when the file is shorter than promised, `InvalidData`
    /// when the front piece is not the expected one. After all but the first the connection must be cut.
    pub(crate) fn send(&self, socket: impl AsFd, expected: usize) -> io::Result<usize> {
        let mut queue = self.lock();
        let Some(segment) = queue.front_mut().filter(|segment| segment.len == expected) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a file piece is out of step with its stand-in",
            ));
        };
        let mut offset = segment.offset;
        let sent = rustix::fs::sendfile(socket, &segment.file, Some(&mut offset), expected)?;
        if sent == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than promised"));
        }
        segment.offset += sent as u64;
        segment.len -= sent;
        if segment.len == 0 {
            queue.pop_front();
        }
        Ok(sent)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
