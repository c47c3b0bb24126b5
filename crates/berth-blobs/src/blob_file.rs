//! A stored blob, open for reading.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::Advice;
use rustix::io::ReadWriteFlags;

/// Bytes read at once by [`BlobFile::read_ahead`].
const READ_AHEAD_STEP: usize = 256 * 1024;

/// An open blob. It stays readable even if the blob is deleted meanwhile.
///
/// All methods but the getters and [`is_cached`](BlobFile::is_cached) may block: call them on a blocking thread.
#[derive(Clone, Debug)]
pub struct BlobFile {
    file: Arc<File>,
    size: u64,
}

impl BlobFile {
    pub(crate) fn new(file: File, size: u64) -> BlobFile {
        BlobFile { file: Arc::new(file), size }
    }

    /// The file itself, for `sendfile` and for memory maps. It is never truncated.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads `len` bytes from `offset`, fewer only at the end of the blob. Blocks.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the file is shorter than the blob, otherwise the error of the read.
    pub fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; self.clamp(offset, len as u64) as usize];
        self.file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.into())
    }

    /// Guesses, without blocking, whether the range can be read without waiting for the disk.
    ///
    /// It probes the first and the last byte. `false` if the file system cannot tell.
    pub fn is_cached(&self, offset: u64, len: u64) -> bool {
        let len = self.clamp(offset, len);
        len == 0 || (self.probe(offset) && self.probe(offset + len - 1))
    }

    /// Brings the range into the page cache. Blocks until it is there.
    ///
    /// # Errors
    ///
    /// As for [`read_at`](BlobFile::read_at).
    pub fn read_ahead(&self, offset: u64, len: u64) -> io::Result<()> {
        let end = offset + self.clamp(offset, len);
        // Only a hint: it starts the disk on the whole range. The reads below do the waiting.
        let _ = rustix::fs::fadvise(
            &self.file,
            offset,
            std::num::NonZeroU64::new(end - offset),
            Advice::WillNeed,
        );
        let mut scratch = vec![0; READ_AHEAD_STEP];
        let mut at = offset;
        while at < end {
            let step = (end - at).min(READ_AHEAD_STEP as u64) as usize;
            self.file.read_exact_at(&mut scratch[..step], at)?;
            at += step as u64;
        }
        Ok(())
    }

    /// How much of `len` bytes from `offset` lies inside the blob.
    fn clamp(&self, offset: u64, len: u64) -> u64 {
        len.min(self.size.saturating_sub(offset))
    }

    fn probe(&self, offset: u64) -> bool {
        let mut byte = [0];
        let mut buffers = [IoSliceMut::new(&mut byte)];
        rustix::io::preadv2(&self.file, &mut buffers, offset, ReadWriteFlags::NOWAIT).is_ok_and(|n| n == 1)
    }
}
