//! The verbs of a registry: push, pull, mount, tag, delete, list.
//!
//! Every verb takes an [`Access`], the proof that somebody may do it, which only an [`Authorizer`] makes; so there is
//! no way to a repository's bytes around the decision. Bytes are made durable before rows that name them, and rows
//! before the answer: what was acknowledged survives a power cut.

mod access;
mod blobs;
mod cleaning;
mod clock;
mod copies;
mod error;
mod filling;
mod holds;
mod inside;
mod janitor;
mod lists;
mod look;
mod manifests;
mod refusal;
mod retention;
mod rules;
mod search;
mod sessions;
mod settings;
mod tags;
mod trash;
mod uploads;
mod upstreams;
mod usage;
mod uses;
mod why;

pub use access::{
    Access, Admin, Authorizer, CatalogAccess, Delete, PatternAccess, Pull, Push, Right, ServerAccess,
    WithoutAccounts,
};
pub use berth_auth::{Caller, Visibility};
pub use berth_blobs::{BlobFile, BlobStore, Following, INLINE_MAX, Stage, StoreError, Verified, VerifyError};
pub use berth_meta::{
    Bytes, Choice, CleanedDay, CleaningState, Copied, DeletedManifest, DeletedRepository, Evicted, FoundIn,
    Fullness, Gone, Hold, Keep, LargeBlob, ListedTag, Meta, MetaError, MirroredTag, Mode, NO_NAMESPACE,
    NamespaceUsage, NewRule, Page, Past, Pin, RecentTag, Removal, RepositoryCard, RepositoryChange,
    RepositoryFound, RepositoryRow, Room, Rule, RuleKind, Sparse, Standing, TOTAL, TagMove, TagOrder,
    TagPast, TagPlace, TagWeight, Timestamp, Traffic, UnusedTag, UpstreamRow, Verdict,
};
pub use blobs::{BlobBody, BlobContent, BlobReceipt, BlobStat};
pub use cleaning::{Cleaner, Cycle, Freed};
pub use copies::CopyRequest;
pub use error::RegistryError;
pub use filling::Filling;
pub use inside::{Inside, Looking};
pub use look::{Looked, TagLine};
pub use manifests::{ManifestReceipt, PutManifest, StoredManifest};
pub use refusal::Refusal;
pub use retention::RetentionPreview;
pub use search::SearchHit;
pub use settings::{DESCRIPTION_MAX, README_MAX};
pub use trash::RenameRequest;
pub use uploads::{Body, BodyError, UploadId, UploadStatus};
pub use upstreams::{Upstream, UpstreamNames};
pub use why::WhyKept;

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use holds::Holds;
use sessions::Sessions;
use uses::Uses;

/// What the operator decided.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether tags, manifests and blobs may be deleted through the API.
    pub delete: bool,
    /// What a manifest may name that is not in the repository.
    pub sparse: Sparse,
    /// How long an upload may lie idle before it is forgotten.
    pub upload_expiry: Duration,
    /// Uploads that may receive bytes at the same time; more have to wait, then are refused.
    pub uploads_at_once: usize,
    /// How long "this blob is here" is a promise, from the last time that it was said: nothing that somebody was told of
    /// is cleaned before.
    pub grace: Duration,
    /// How long what was deleted, or what nothing holds any more, can be had back.
    pub trash: Duration,
    /// Time between two cycles of cleaning.
    pub clean_every: Duration,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            delete: true,
            sparse: Sparse::Refuse,
            upload_expiry: Duration::from_secs(24 * 60 * 60),
            uploads_at_once: 256,
            grace: Duration::from_secs(24 * 60 * 60),
            trash: Duration::from_secs(14 * 24 * 60 * 60),
            clean_every: Duration::from_secs(60),
        }
    }
}

/// The registry. Clones share everything.
#[derive(Clone)]
pub struct Registry {
    meta: Meta,
    blobs: BlobStore,
    authorizer: Authorizer,
    sessions: Arc<Sessions>,
    policy: Arc<Policy>,
    clock: Arc<Clock>,
    holds: Arc<Holds>,
    uses: Arc<Uses>,
    cleaning: Arc<Cleaner>,
    inspector: Arc<inside::Inspector>,
}

impl Registry {
    /// Joins rows, bytes and rules.
    pub fn new(meta: Meta, blobs: BlobStore, authorizer: Authorizer, policy: Policy) -> Registry {
        let sessions = Arc::new(Sessions::new(policy.uploads_at_once));
        Registry {
            meta,
            blobs,
            authorizer,
            sessions,
            policy: Arc::new(policy),
            clock: Arc::default(),
            holds: Arc::default(),
            uses: Arc::default(),
            cleaning: Arc::default(),
            inspector: Arc::default(),
        }
    }

    /// The one who decides.
    pub fn authorizer(&self) -> &Authorizer {
        &self.authorizer
    }

    /// Answers if the database and the blob store can serve requests.
    ///
    /// # Errors
    /// The first that cannot.
    pub async fn ready(&self) -> Result<(), RegistryError> {
        self.meta.check().await?;
        match self.blobs.check_room().await {
            // A full disk refuses pushes with a clear error, and serves pulls.
            Ok(()) | Err(StoreError::Full) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn require_delete(&self) -> Result<(), RegistryError> {
        if self.policy.delete { Ok(()) } else { Err(RegistryError::DeleteDisabled) }
    }
}
