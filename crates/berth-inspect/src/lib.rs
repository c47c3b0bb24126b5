//! What is inside of a layer: an index of its files, the merged tree of an image, what differs between two, and the
//! bytes of one file.
//!
//! Layers come from anybody, so nothing here believes what they say of themselves: every count, size, depth and duration
//! has a limit, what was read before a limit or a fault is kept, and nothing is ever unpacked to a path. Decompression
//! happens in a process of its own ([`worker`]) that can write nothing and dies at its own limits.

mod archive;
mod compression;
mod diff;
mod index;
mod limits;
mod stored;
mod text;
mod tree;
pub mod worker;

pub use archive::{Archive, Header};
pub use compression::{Compression, Unpacked, unpack};
pub use diff::{Change, ChangeKind, Difference, difference};
pub use index::{Entry, Kind, LayerIndex, Stop, index, read_file};
pub use limits::Limits;
pub use stored::DamagedIndex;
pub use text::{display_name, text_of};
pub use tree::{Found, Listed, Tree};
pub use worker::{Source, Worker, WorkerError};
