//! What the registry knows: repositories, their blobs and manifests, tags with their history, open uploads.
//!
//! Rows only: no bytes of layers, no HTTP, no rights. Each public function is one transaction (or one lookup), so a
//! caller never sees half a change. The rule that everything else rests on: **a membership row (repository, blob) is
//! the only thing that makes a blob readable, mountable or referable in that repository** — it comes into being by a
//! finished upload or by a mount, and in no other way.

mod blobs;
mod change;
mod error;
mod manifests;
mod recent;
mod referrers;
mod repositories;
mod rows;
mod schema;
mod tags;
mod time;
mod uploads;

pub use berth_audit::Actor;
pub use blobs::{BlobRow, NewBlob};
pub use change::Change;
pub use error::MetaError;
pub use manifests::{Edge, EdgeRole, ManifestRow, NewManifest, PutManifest, Sparse};
pub use referrers::Referrer;
pub use repositories::{RepositoryChange, RepositoryEntry, RepositoryFound, RepositoryRow};
pub use tags::TagMove;
pub use time::Timestamp;
pub use uploads::UploadRow;

use std::sync::Arc;

use berth_audit::AuditLog;
use berth_db::Db;

/// The registry's rows. Clones share the database.
#[derive(Clone)]
pub struct Meta {
    db: Db,
    recent: Arc<Recent>,
}

/// Bytes of small blobs that are remembered: what a fleet of machines pulls at the same time.
const RECENT_BLOBS: usize = 5 * 1024 * 1024;
/// Bytes of manifests that are remembered.
const RECENT_MANIFESTS: usize = 2 * 1024 * 1024;

/// Bytes of answers to "is it public?" that are remembered.
const RECENT_DOORS: usize = 512 * 1024;

/// Lookups whose answer may be known already. What is remembered is never the authority: see [`recent`].
struct Recent {
    blobs: recent::Answers<BlobRow>,
    manifests: recent::Answers<ManifestRow>,
    /// Whether a repository is public, `None` if there is none of that name.
    doors: recent::Answers<Option<bool>>,
}

/// One page of a list that is sorted by its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in order.
    pub items: Vec<T>,
    /// Whether there are entries after these.
    pub more: bool,
}

impl<T> Page<T> {
    /// Cuts `limit` entries from an answer that was asked for one more than that.
    fn cut(mut items: Vec<T>, limit: usize) -> Page<T> {
        let more = items.len() > limit;
        items.truncate(limit);
        Page { items, more }
    }
}

impl Meta {
    /// Takes a database into use and brings its schema up to date.
    ///
    /// # Errors
    /// [`MetaError::Db`], among others if a later version of the program wrote it.
    pub async fn open(db: Db) -> Result<Meta, MetaError> {
        AuditLog::open(db.clone()).await?;
        db.migrate(schema::SCHEMA).await?;
        let recent = Recent {
            blobs: recent::Answers::new(RECENT_BLOBS),
            manifests: recent::Answers::new(RECENT_MANIFESTS),
            doors: recent::Answers::new(RECENT_DOORS),
        };
        Ok(Meta { db, recent: Arc::new(recent) })
    }

    /// Answers if the database can be read and still accepts writes.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn check(&self) -> Result<(), MetaError> {
        Ok(self.db.check().await?)
    }
}
