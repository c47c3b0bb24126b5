//! A stage's file for those who read while it grows.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::ReadWriteFlags;

use crate::StoreError;
use crate::backend::Source;

/// The open file that the writer has as well. Reading moves no cursor, and the writer has given up changing how the file
/// is open (direct or not), so neither notices the other.
pub(super) struct FileSource(pub(super) Arc<File>);

impl Source for FileSource {
    fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        let mut buffer = vec![0; len];
        let read = self.0.read_exact_at(&mut buffer, offset);
        read.map_err(|error| StoreError::io("read a stage", error))?;
        Ok(buffer.into())
    }

    fn read_cached(&self, offset: u64, len: usize) -> Option<Bytes> {
        let mut buffer = vec![0; len];
        let slices = &mut [IoSliceMut::new(&mut buffer)];
        match rustix::io::preadv2(&self.0, slices, offset, ReadWriteFlags::NOWAIT) {
            Ok(read @ 1..) => {
                buffer.truncate(read);
                Some(buffer.into())
            }
            // On the disk, or the file system knows no such reads: `read_at` is for both.
            _ => None,
        }
    }
}
