//! Reading to the end, in pieces.

use std::io::{self, ErrorKind, Read};

/// Bytes that are read at once.
pub(crate) const CHUNK: usize = 128 * 1024;

/// Hands every piece of what is read to `take`.
pub(crate) fn each_chunk(
    mut reader: impl Read,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => take(&chunk[..read])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
