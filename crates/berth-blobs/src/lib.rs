#![doc = include_str!("../README.md")]

mod backend;
mod blob_file;
mod disk;
mod error;
mod following;
mod lane;
mod stage;
mod stage_id;
mod store;
mod sync;
mod verified;

pub use blob_file::BlobFile;
pub use error::{FollowError, StoreError, VerifyError};
pub use following::Following;
pub use stage::Stage;
pub use stage_id::{StageId, StageIdError};
pub use store::{BlobStore, Options, Stored};
pub use verified::Verified;

/// The largest blob, in bytes, that is kept in memory and handed back by [`Verified::inline`] instead of in a file.
pub const INLINE_MAX: usize = 64 * 1024;
