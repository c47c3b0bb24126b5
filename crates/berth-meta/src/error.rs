//! Answers that are not what the caller hoped for.

use berth_audit::AuditError;
use berth_db::DbError;
use berth_oci::Digest;

use crate::Fullness;

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
    /// The manifest is part of an index that is there, and would leave it broken.
    #[error("the manifest is part of the index {index}")]
    ManifestInUse {
        /// One of those indexes.
        index: Digest,
    },
    /// A rule says that the tag never changes.
    #[error("the tag {tag} is immutable by rule {rule}")]
    TagImmutable {
        /// Which.
        tag: String,
        /// The number of the rule.
        rule: i64,
    },
    /// The namespace, or everything, would use more than it may.
    #[error("{} of {} bytes would be used", .0.used, .0.quota)]
    QuotaExceeded(Fullness),
    /// A quota below what is used already.
    #[error("{} bytes are used already, {} would be allowed", .0.used, .0.quota)]
    QuotaTooSmall(Fullness),
    /// The name belongs to another repository.
    #[error("there is a repository {name}")]
    NameTaken {
        /// Which.
        name: String,
    },
    /// The repository got another name, and this one leads to it for a time.
    #[error("the repository is now called {to}")]
    Renamed {
        /// Its name.
        to: String,
    },
    /// Nothing of that is in the trash, or not any more.
    #[error("that is not in the trash")]
    NotInTrash,
    /// It cannot be had back as a whole: bytes are gone.
    #[error("{} blob(s) or manifest(s) of it are gone", missing.len())]
    BytesGone {
        /// Which.
        missing: Vec<Digest>,
    },
    /// The tag named nothing at that time, or nothing before.
    #[error("the tag has no such past")]
    NoHistory,
    /// The rule cannot be.
    #[error("{why}")]
    RuleInvalid {
        /// Why, for the person who sets it.
        why: String,
    },
    /// No rule of that number.
    #[error("there is no rule {id}")]
    RuleUnknown {
        /// The number.
        id: i64,
    },
    /// There is more of it than is done at once.
    #[error("{what}")]
    TooMuch {
        /// What, and the limit.
        what: &'static str,
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
