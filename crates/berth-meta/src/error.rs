//! Answers that are not what the caller hoped for.

use berth_audit::AuditError;
use berth_db::DbError;
use berth_oci::Digest;

/// Why an operation on rows was not done. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetaError {
    /// No such repository.
    #[error("the repository does not exist")]
    RepositoryUnknown,
    /// The blob is not in this repository.
    #[error("the blob is not in this repository")]
    BlobUnknown,
    /// The manifest or tag is not in this repository.
    #[error("the manifest is not in this repository")]
    ManifestUnknown,
    /// No such upload in this repository for this principal.
    #[error("the upload does not exist")]
    UploadUnknown,
    /// A manifest names things that are not in the repository.
    #[error("{} referenced blob(s) or manifest(s) are not in this repository", missing.len())]
    ReferencesMissing {
        /// All that are missing.
        missing: Vec<Digest>,
    },
    /// The same bytes are stored under another media type (a digest has one meaning).
    #[error("this manifest is already stored as {stored}")]
    MediaTypeFixed {
        /// Its media type.
        stored: String,
    },
    /// The blob belongs to a manifest of this repository.
    #[error("the blob is part of the manifest {manifest}")]
    BlobInUse {
        /// One of those manifests.
        manifest: Digest,
    },
    /// A row holds what no version of the program writes.
    #[error("a row of the database is damaged: {what}")]
    Damaged {
        /// Which, for the log.
        what: &'static str,
    },
    /// The audit log failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database failed; nothing is known.
    #[error(transparent)]
    Db(#[from] DbError),
}
