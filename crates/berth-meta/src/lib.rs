//! What the registry knows: repositories, their blobs and manifests, tags with their history, open uploads.
//!
//! Rows only: no bytes of layers, no HTTP, no rights. Each public function is one transaction (or one lookup), so a
//! caller never sees half a change. The rule that everything else rests on: **a membership row (repository, blob) is
//! the only thing that makes a blob readable, mountable or referable in that repository** — it comes into being by a
//! finished upload or by a mount, and in no other way.

mod blobs;
mod change;
mod cleaning;
mod copies;
mod error;
mod history;
mod labels;
mod layer_indexes;
mod life;
mod manifests;
mod mirrored;
mod preview;
mod pulls;
mod quotas;
mod recent;
mod referrers;
mod renames;
mod repositories;
mod retention;
mod rows;
mod rules;
mod schema;
mod search;
mod tag_list;
mod tags;
mod time;
mod trash;
mod uploads;
mod upstreams;
mod usage;
mod weights;
mod why;

pub use berth_audit::Actor;
pub use blobs::{BlobRow, NewBlob};
pub use change::Change;
pub use cleaning::{Cleaned, CleanedDay, CleaningState, Horizon, Tombstone};
pub use copies::{Copied, Copy};
pub use error::MetaError;
pub use history::{Past, TagPast};
pub use life::Hold;
pub use manifests::{Edge, EdgeRole, ManifestRow, NewManifest, PutDone, PutManifest, Sparse};
pub use mirrored::{Evicted, MirroredTag, Room};
pub use preview::{Mode, Removal};
pub use pulls::{Use, UsedManifest};
pub use quotas::Fullness;
pub use referrers::Referrer;
pub use renames::Rename;
pub use repositories::{Door, RepositoryChange, RepositoryEntry, RepositoryRow};
pub use retention::{Choice, ChoicePage, Cursor, Verdict};
pub use rules::{Keep, NewRule, Rule, RuleKind};
pub use search::{FoundIn, RepositoryFound, WordFound};
pub use tag_list::{ListedTag, RecentTag, RepositoryCard, TagOrder, TagPlace};
pub use tags::TagMove;
pub use time::Timestamp;
pub use trash::{DeletedManifest, DeletedRepository};
pub use uploads::UploadRow;
pub use upstreams::{Pin, Traffic, UpstreamRow};
pub use usage::{Bytes, NO_NAMESPACE, NamespaceUsage, TOTAL, namespace_of};
pub use weights::{LargeBlob, TagWeight, UnusedTag};
pub use why::{Gone, Standing};

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
    /// Who may enter a repository, `None` if there is none of that name.
    doors: recent::Answers<Option<Door>>,
    /// Where a former name leads to, and until when.
    aliases: recent::Answers<Option<(String, Timestamp)>>,
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
            aliases: recent::Answers::new(RECENT_DOORS),
        };
        repositories::count_uncounted(&db).await?;
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
