//! Bytes that can be read again from any place: what an upload needs to go on after a cut.

use std::io;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Bytes in one piece.
const PIECE: usize = 256 * 1024;

/// Bytes on their way, piece by piece.
pub type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// Something of a known length that can be read from any place, as often as needed.
pub trait Content: Send + Sync {
    /// The whole length in bytes.
    fn size(&self) -> u64;

    /// The bytes from `offset` on, to the end.
    fn read_from(&self, offset: u64) -> BoxFuture<'_, io::Result<Pieces>>;
}

impl Content for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_from(&self, offset: u64) -> BoxFuture<'_, io::Result<Pieces>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let mut rest = self.slice(start..);
        let pieces = std::iter::from_fn(move || {
            let piece = rest.split_to(PIECE.min(rest.len()));
            (!piece.is_empty()).then_some(Ok(piece))
        });
        async move { Ok(stream::iter(pieces).boxed()) }.boxed()
    }
}

/// A file, opened anew each time that it is read.
#[derive(Debug, Clone)]
pub struct FileContent {
    path: PathBuf,
    size: u64,
}

impl FileContent {
    /// The file as it is now. If its length changes later, reading it fails.
    ///
    /// # Errors
    /// Those of looking at the file.
    pub async fn new(path: &Path) -> io::Result<FileContent> {
        let size = tokio::fs::metadata(path).await?.len();
        Ok(FileContent { path: path.to_owned(), size })
    }
}

impl Content for FileContent {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_from(&self, offset: u64) -> BoxFuture<'_, io::Result<Pieces>> {
        async move {
            let mut file = tokio::fs::File::open(&self.path).await?;
            file.seek(io::SeekFrom::Start(offset)).await?;
            file.set_max_buf_size(PIECE);
            let pieces = stream::try_unfold(file, |mut file| async move {
                let mut piece = BytesMut::with_capacity(PIECE);
                let read = file.read_buf(&mut piece).await?;
                Ok((read > 0).then(|| (piece.freeze(), file)))
            });
            Ok(pieces.boxed())
        }
        .boxed()
    }
}

/// The first `length` bytes of what comes.
pub(crate) fn first(pieces: Pieces, length: u64) -> Pieces {
    let part = stream::try_unfold((pieces, length), |(mut pieces, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(mut piece) = pieces.next().await.transpose()? else { return Ok(None) };
        let taken = left.min(piece.len() as u64);
        piece.truncate(usize::try_from(taken).unwrap_or(usize::MAX));
        Ok(Some((piece, (pieces, left - taken))))
    });
    part.boxed()
}
