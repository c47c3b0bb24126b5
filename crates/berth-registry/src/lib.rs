//! The verbs of a registry: push, pull, mount, tag, delete, list.
//!
//! Every verb takes an [`Access`], the proof that somebody may do it, which only an [`Authorizer`] makes; so there is
//! no way to a repository's bytes around the decision. Bytes are made durable before rows that name them, and rows
//! before the answer: what was acknowledged survives a power cut.

mod access;
mod blobs;
mod error;
mod janitor;
mod lists;
mod manifests;
mod sessions;
mod settings;
mod uploads;

pub use access::{
    Access, Admin, Authorizer, CatalogAccess, Delete, Pull, Push, Refusal, Right, WithoutAccounts,
};
pub use berth_auth::Caller;
pub use berth_blobs::{BlobFile, BlobStore, StoreError};
pub use berth_meta::{
    Meta, MetaError, Page, RepositoryChange, RepositoryFound, RepositoryRow, Sparse, TagMove,
};
pub use blobs::{BlobBody, BlobContent, BlobReceipt, BlobStat};
pub use error::RegistryError;
pub use manifests::{ManifestReceipt, PutManifest, StoredManifest};
pub use settings::{DESCRIPTION_MAX, README_MAX};
pub use uploads::{Body, BodyError, UploadId, UploadStatus};

use std::sync::Arc;
use std::time::Duration;

use sessions::Sessions;

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
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            delete: true,
            sparse: Sparse::Refuse,
            upload_expiry: Duration::from_secs(24 * 60 * 60),
            uploads_at_once: 256,
        }
    }
}

/// How long "this blob is here" is a promise, from the last time that it was said.
pub const LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// The registry. Clones share everything.
#[derive(Clone)]
pub struct Registry {
    meta: Meta,
    blobs: BlobStore,
    authorizer: Authorizer,
    sessions: Arc<Sessions>,
    policy: Arc<Policy>,
}

impl Registry {
    /// Joins rows, bytes and rules.
    pub fn new(meta: Meta, blobs: BlobStore, authorizer: Authorizer, policy: Policy) -> Registry {
        let sessions = Arc::new(Sessions::new(policy.uploads_at_once));
        Registry { meta, blobs, authorizer, sessions, policy: Arc::new(policy) }
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
