//! What a handler answers with: bytes, pieces of files, or a stream.

use std::fmt;
use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;

/// The body of a response.
///
/// The transport sets `Content-Length` where the handler did not and the length is known.
#[derive(Default)]
pub enum ResponseBody {
    /// No bytes.
    #[default]
    Empty,
    /// Bytes from memory.
    Full(Bytes),
    /// Bytes `offset..offset + len` of a file that does not change while it is sent.
    ///
    /// A file that turns out to be shorter ends the connection, never the response.
    File {
        /// The open file; its cursor is neither used nor moved.
        file: Arc<File>,
        /// The first byte to send.
        offset: u64,
        /// The number of bytes to send.
        len: u64,
    },
    /// Several parts, one after the other: multipart ranges.
    Parts(Vec<Part>),
    /// Pieces as they come. An error ends the connection.
    Stream {
        /// The number of bytes, when it is known.
        len: Option<u64>,
        /// The pieces.
        pieces: PieceStream,
    },
}

/// The pieces of [`ResponseBody::Stream`].
pub type PieceStream = Pin<Box<dyn Stream<Item = Result<Bytes, PieceError>> + Send>>;

/// Why a stream of pieces broke off; logged, never sent.
pub type PieceError = Box<dyn std::error::Error + Send + Sync>;

/// One part of [`ResponseBody::Parts`].
#[derive(Clone, Debug)]
pub enum Part {
    /// Bytes from memory.
    Bytes(Bytes),
    /// A piece of a file, as in [`ResponseBody::File`].
    File {
        /// The open file.
        file: Arc<File>,
        /// The first byte to send.
        offset: u64,
        /// The number of bytes to send.
        len: u64,
    },
}

impl Part {
    /// The number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::File { len, .. } => *len,
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ResponseBody {
    /// A body of pieces as they come.
    pub fn stream<S>(len: Option<u64>, pieces: S) -> ResponseBody
    where
        S: Stream<Item = Result<Bytes, PieceError>> + Send + 'static,
    {
        ResponseBody::Stream { len, pieces: Box::pin(pieces) }
    }

    /// The number of bytes, when it is known.
    pub fn len(&self) -> Option<u64> {
        match self {
            ResponseBody::Empty => Some(0),
            ResponseBody::Full(bytes) => Some(bytes.len() as u64),
            ResponseBody::File { len, .. } => Some(*len),
            ResponseBody::Parts(parts) => Some(parts.iter().map(Part::len).sum()),
            ResponseBody::Stream { len, .. } => *len,
        }
    }

    /// Whether there are certainly no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

impl<B: Into<Bytes>> From<B> for ResponseBody {
    fn from(bytes: B) -> ResponseBody {
        let bytes = bytes.into();
        if bytes.is_empty() { ResponseBody::Empty } else { ResponseBody::Full(bytes) }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            ResponseBody::Empty => "Empty",
            ResponseBody::Full(_) => "Full",
            ResponseBody::File { .. } => "File",
            ResponseBody::Parts(_) => "Parts",
            ResponseBody::Stream { .. } => "Stream",
        };
        f.debug_struct(kind).field("len", &self.len()).finish_non_exhaustive()
    }
}
