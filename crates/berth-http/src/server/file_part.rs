//! A piece of a file on its way out, without ever waiting for the disk on an async thread.

use std::fs::File;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::JoinHandle;

use super::stand_in::{FileQueue, STAND_IN_LEN};

/// Files up to this length are read into memory: one write with the header is cheaper than `sendfile` after it.
const SMALL: u64 = 32 << 10;
/// The piece of a file that is read at once for TLS and HTTP/2: large beside the cost of a call, and copied in a few
/// microseconds when it is in the page cache.
const READ_LEN: u64 = 128 << 10;
/// How far ahead the kernel is asked to read when a piece was not in the page cache.
const READ_AHEAD: u64 = 4 << 20;
/// How far apart the pages are that answer for their neighbours when residency is asked.
const PROBE_STRIDE: u64 = 128 << 10;

/// A piece of a file that is still to be sent.
#[derive(Debug)]
pub(crate) struct FilePart {
    file: Arc<File>,
    offset: u64,
    len: u64,
    way: Way,
}

/// How the bytes travel.
#[derive(Debug)]
enum Way {
    /// The socket sends them; `warming` waits until they are in the page cache.
    Send { queue: Arc<FileQueue>, warming: Option<JoinHandle<io::Result<()>>> },
    /// They are read into memory, by `reading` when that has to wait for the disk.
    Read { reading: Option<JoinHandle<io::Result<Bytes>>> },
}

impl FilePart {
    pub(crate) fn new(file: Arc<File>, offset: u64, len: u64, queue: Option<&Arc<FileQueue>>) -> FilePart {
        let way = match queue {
            Some(queue) if len > SMALL => Way::Send { queue: Arc::clone(queue), warming: None },
            _ => Way::Read { reading: None },
        };
        FilePart { file, offset, len, way }
    }

    /// The number of bytes still to be handed over.
    pub(crate) fn remaining(&self) -> u64 {
        self.len
    }

    /// The next piece, not empty; not to be called when nothing remains.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let piece = match &mut self.way {
            Way::Send { queue, warming } => {
                let len = self.len.min(STAND_IN_LEN as u64);
                ready!(poll_warm(warming, &self.file, self.offset, len, cx))?;
                queue.promise(Arc::clone(&self.file), self.offset, len as usize)
            }
            Way::Read { reading } => {
                ready!(poll_read(reading, &self.file, self.offset, self.len.min(READ_LEN), cx))?
            }
        };
        self.offset += piece.len() as u64;
        self.len -= piece.len() as u64;
        Poll::Ready(Ok(piece))
    }
}

fn poll_warm(
    warming: &mut Option<JoinHandle<io::Result<()>>>,
    file: &Arc<File>,
    offset: u64,
    len: u64,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let job = match warming {
        Some(job) => job,
        None if is_resident(file, offset, len) => return Poll::Ready(Ok(())),
        None => {
            let file = Arc::clone(file);
            warming.insert(tokio::task::spawn_blocking(move || warm(&file, offset, len)))
        }
    };
    let result = ready!(Pin::new(job).poll(cx));
    *warming = None;
    Poll::Ready(result.map_err(io::Error::other)?)
}

fn poll_read(
    reading: &mut Option<JoinHandle<io::Result<Bytes>>>,
    file: &Arc<File>,
    offset: u64,
    len: u64,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Bytes>> {
    let len = len as usize;
    let job = match reading {
        Some(job) => job,
        None => {
            if let Some(bytes) = read_resident(file, offset, len) {
                return Poll::Ready(Ok(bytes));
            }
            let file = Arc::clone(file);
            reading.insert(tokio::task::spawn_blocking(move || read(&file, offset, len)))
        }
    };
    let result = ready!(Pin::new(job).poll(cx));
    *reading = None;
    Poll::Ready(result.map_err(io::Error::other)?)
}

/// Whether a range is in the page cache, as far as a few of its pages tell. Doubt means no.
///
/// A page may be dropped between this look and the send. Then one send waits for the disk: slow, not wrong.
fn is_resident(file: &File, offset: u64, len: u64) -> bool {
    probes(offset, len).all(|at| {
        let mut byte = [0];
        let slices = &mut [IoSliceMut::new(&mut byte)];
        matches!(rustix::io::preadv2(file, slices, at, ReadWriteFlags::NOWAIT), Ok(1))
    })
}

/// The offsets that answer for a range: one per stride, and the last.
fn probes(offset: u64, len: u64) -> impl Iterator<Item = u64> {
    let last = offset + len.max(1) - 1;
    (offset..last).step_by(PROBE_STRIDE as usize).chain([last])
}

/// Brings a range into the page cache, and asks for as much behind it. Blocks.
fn warm(file: &File, offset: u64, len: u64) -> io::Result<()> {
    // Advice that the file system does not take costs speed only; the reads below do the work then.
    let _ = rustix::fs::fadvise(file, offset, NonZeroU64::new(len * 2), Advice::WillNeed);
    for at in probes(offset, len) {
        let mut byte = [0];
        if rustix::io::pread(file, &mut byte, at)? == 0 {
            return Err(shorter());
        }
    }
    Ok(())
}

/// Reads as much of a range as needs no waiting, if any.
fn read_resident(file: &File, offset: u64, len: usize) -> Option<Bytes> {
    let mut bytes = vec![0; len];
    let slices = &mut [IoSliceMut::new(&mut bytes)];
    match rustix::io::preadv2(file, slices, offset, ReadWriteFlags::NOWAIT) {
        Ok(read @ 1..) => {
            bytes.truncate(read);
            Some(bytes.into())
        }
        // On the disk, beyond the end, or the file system knows no NOWAIT: the blocking read tells which.
        _ => None,
    }
}

/// Reads exactly a range. Blocks.
fn read(file: &File, mut offset: u64, len: usize) -> io::Result<Bytes> {
    // Advice that is not taken costs speed only.
    let _ = rustix::fs::fadvise(file, offset, NonZeroU64::new(READ_AHEAD), Advice::WillNeed);
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), offset) {
            Ok(0) => return Err(shorter()),
            Ok(read) => offset += read as u64,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(len);
    Ok(bytes.into())
}

fn shorter() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than promised")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn probes_cover_both_ends_of_a_range() {
        assert_eq!(probes(10, 1).collect::<Vec<_>>(), [10]);
        assert_eq!(probes(0, PROBE_STRIDE + 1).collect::<Vec<_>>(), [0, PROBE_STRIDE]);
        assert_eq!(probes(5, PROBE_STRIDE + 9).collect::<Vec<_>>(), [5, 5 + PROBE_STRIDE, 13 + PROBE_STRIDE]);
    }

    #[test]
    fn a_range_beyond_the_end_is_an_error_and_not_a_short_read() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(b"0123456789").expect("written");
        assert_eq!(read(&file, 2, 8).expect("within the file"), "23456789");
        assert_eq!(read(&file, 2, 9).expect_err("too long").kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(read_resident(&file, 2, 9).expect("just written"), "23456789");
        assert!(read_resident(&file, 10, 1).is_none());
        assert!(warm(&file, 2, 8).is_ok());
        assert!(warm(&file, 2, 9).is_err());
        assert!(!is_resident(&file, 2, 9));
    }
}
