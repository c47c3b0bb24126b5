//! Ranges of bytes: the chunk of an upload, and the part of a blob that a client asks for.

mod chunk;
mod http;

pub use chunk::{ChunkRange, ChunkRangeError};
pub use http::{MAX_PARTS, Selection, select};
