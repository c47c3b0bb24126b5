//! Everything that a verb can answer instead of success, and the protocol code of each.

use berth_blobs::{StoreError, VerifyError};
use berth_meta::{Fullness, MetaError, NO_NAMESPACE, TOTAL};
use berth_oci::{Digest, ErrorCode, ManifestError};
use serde_json::{Value, json};

use crate::{BodyError, Refusal, UploadStatus};

/// Why a verb did nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The repository does not exist, or not for this caller.
    #[error("this repository does not exist; push an image to make it")]
    RepositoryUnknown,
    /// The blob is not in the repository.
    #[error("this blob is not in the repository; upload it, or mount it from a repository that has it")]
    BlobUnknown {
        /// Which.
        digest: Digest,
    },
    /// The manifest or tag is not in the repository.
    #[error("the repository has no manifest {reference}; list its tags to see what there is")]
    ManifestUnknown {
        /// What was asked for.
        reference: String,
    },
    /// A manifest names things that are not in the repository.
    #[error("push what the manifest refers to before the manifest itself")]
    ReferencesMissing {
        /// All that are missing.
        missing: Vec<Digest>,
    },
    /// The manifest cannot be read.
    #[error("{0}")]
    ManifestInvalid(#[from] ManifestError),
    /// The same bytes are stored under another media type.
    #[error(
        "these bytes are already stored as {stored}, and a digest has one meaning; push them with that Content-Type"
    )]
    MediaTypeFixed {
        /// Its media type.
        stored: String,
    },
    /// The bytes do not have the digest that was announced.
    #[error(
        "the bytes received have the digest {actual}, not {expected}; nothing was stored, send them again"
    )]
    DigestMismatch {
        /// Announced.
        expected: Digest,
        /// Computed.
        actual: Digest,
    },
    /// No such upload session here.
    #[error("this upload does not exist here or has expired; start a new one")]
    UploadUnknown,
    /// The chunk does not begin where the received bytes end.
    #[error("the next chunk must begin at byte {}", status.length)]
    RangeMismatch {
        /// Where the upload stands.
        status: UploadStatus,
    },
    /// The body does not have the length that its range announces.
    #[error("the body has {received} bytes, but the range announces {announced}")]
    SizeMismatch {
        /// Bytes that came.
        received: u64,
        /// Bytes that the range announces.
        announced: u64,
    },
    /// Another request writes to the same upload.
    #[error("another request is still writing to this upload; ask for its status, then go on")]
    UploadBusy,
    /// Too many uploads at once.
    #[error("too many uploads at once; try again in some seconds")]
    TooManyUploads,
    /// The client went away, or sent too slowly.
    #[error("the body ended early: {0}")]
    BodyCut(BodyError),
    /// The blob belongs to a manifest of the repository.
    #[error("the blob is part of the manifest {manifest}; delete that first")]
    BlobInUse {
        /// One of those manifests.
        manifest: Digest,
    },
    /// The manifest is part of an index of the repository.
    #[error("the manifest is part of the index {index}; delete that, and this goes with it")]
    ManifestInUse {
        /// One of those indexes.
        index: Digest,
    },
    /// A rule says that the tag never changes.
    #[error(
        "the tag {tag} is immutable here (rule {rule}): it keeps naming what it names; push under another tag"
    )]
    TagImmutable {
        /// Which.
        tag: String,
        /// The number of the rule.
        rule: i64,
    },
    /// A quota would be exceeded.
    #[error("{}", told(.0))]
    QuotaExceeded(Fullness),
    /// A quota below what is used.
    #[error("{} uses {} already; a quota of {} would be below that", place(&.0.namespace), size(.0.used), size(.0.quota))]
    QuotaTooSmall(Fullness),
    /// The name belongs to another repository.
    #[error("there is already a repository {name}; choose another name, or delete that one first")]
    NameTaken {
        /// Which.
        name: String,
    },
    /// The repository got another name.
    #[error("{}", match .to {
        Some(to) => format!("this repository is called {to} now; push to that name"),
        None => "this name is kept for a repository that was renamed; push to another name".to_owned(),
    })]
    Renamed {
        /// Its name, for those who may know.
        to: Option<String>,
    },
    /// Nothing of that is in the trash, or not any more.
    #[error("there is nothing of that in the trash; berth trash list shows what there is")]
    NotInTrash,
    /// It cannot be had back as a whole.
    #[error("it cannot be restored: {} of its parts are gone for good; push it again", missing.len())]
    BytesGone {
        /// Which.
        missing: Vec<Digest>,
    },
    /// The tag has no such past.
    #[error("the tag named nothing then; berth repo tag history shows what it named")]
    NoHistory,
    /// A rule that cannot be.
    #[error("{why}")]
    RuleInvalid {
        /// Why.
        why: String,
    },
    /// No rule of that number, or not for this caller.
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
    /// Deleting is switched off.
    #[error("deleting is switched off in the configuration of this registry (delete.enabled)")]
    DeleteDisabled,
    /// A setting of a repository cannot be that.
    #[error("{what}")]
    SettingInvalid {
        /// What it may be.
        what: &'static str,
    },
    /// The caller lacks a right.
    #[error(transparent)]
    Denied(#[from] Refusal),
    /// The disk is full, or nearly.
    #[error("the disk of the registry is full; free space, or ask its operator to")]
    StorageFull,
    /// Something broke that the caller cannot mend.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a client is told when a quota is used up.
fn told(full: &Fullness) -> String {
    format!(
        "{} may use {}, and would use {} with this; delete images and empty the trash (berth trash empty), or ask an administrator for more",
        place(&full.namespace),
        size(full.quota),
        size(full.used)
    )
}

/// A namespace in a sentence.
pub(crate) fn place(namespace: &str) -> String {
    match namespace {
        TOTAL => "this registry".to_owned(),
        NO_NAMESPACE => "the repositories without a namespace together".to_owned(),
        name => format!("the namespace {name}"),
    }
}

/// Bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let unit = (0..UNITS.len() - 1).take_while(|unit| bytes >> (10 * (unit + 1)) > 0).count();
    if unit == 0 {
        return format!("{bytes} bytes");
    }
    let tenths = (u128::from(bytes) * 10) >> (10 * unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

impl RegistryError {
    /// The protocol code, which also decides the status.
    pub fn code(&self) -> ErrorCode {
        match self {
            RegistryError::RepositoryUnknown => ErrorCode::NameUnknown,
            RegistryError::BlobUnknown { .. } => ErrorCode::BlobUnknown,
            RegistryError::ManifestUnknown { .. } => ErrorCode::ManifestUnknown,
            RegistryError::ReferencesMissing { .. } => ErrorCode::ManifestBlobUnknown,
            RegistryError::ManifestInvalid(_) | RegistryError::MediaTypeFixed { .. } => {
                ErrorCode::ManifestInvalid
            }
            RegistryError::DigestMismatch { .. } => ErrorCode::DigestInvalid,
            RegistryError::UploadUnknown => ErrorCode::BlobUploadUnknown,
            RegistryError::RangeMismatch { .. } => ErrorCode::RangeInvalid,
            RegistryError::SizeMismatch { .. } => ErrorCode::SizeInvalid,
            RegistryError::UploadBusy | RegistryError::BodyCut(_) => ErrorCode::BlobUploadInvalid,
            RegistryError::TooManyUploads => ErrorCode::TooManyRequests,
            RegistryError::Denied(Refusal::NotSetUp) => ErrorCode::Unavailable,
            RegistryError::BlobInUse { .. }
            | RegistryError::ManifestInUse { .. }
            | RegistryError::TagImmutable { .. }
            | RegistryError::QuotaExceeded(_)
            | RegistryError::QuotaTooSmall(_)
            | RegistryError::NameTaken { .. }
            | RegistryError::Renamed { .. }
            | RegistryError::Denied(_) => ErrorCode::Denied,
            RegistryError::NotInTrash | RegistryError::NoHistory | RegistryError::BytesGone { .. } => {
                ErrorCode::ManifestUnknown
            }
            RegistryError::SettingInvalid { .. }
            | RegistryError::RuleInvalid { .. }
            | RegistryError::RuleUnknown { .. }
            | RegistryError::TooMuch { .. } => ErrorCode::Unsupported,
            RegistryError::DeleteDisabled => ErrorCode::Unsupported,
            RegistryError::StorageFull => ErrorCode::Unavailable,
            RegistryError::Internal(_) => ErrorCode::InternalError,
        }
    }

    /// What the client is told beside the code: never null, and nothing internal.
    pub fn detail(&self) -> Value {
        let reason = self.to_string();
        match self {
            RegistryError::BlobUnknown { digest } => {
                json!({ "reason": reason, "digest": digest.to_string() })
            }
            RegistryError::ManifestUnknown { reference } => {
                json!({ "reason": reason, "reference": reference })
            }
            RegistryError::ReferencesMissing { missing } => {
                let missing: Vec<String> = missing.iter().map(Digest::to_string).collect();
                json!({ "reason": reason, "missing": missing })
            }
            RegistryError::Denied(refusal) => refusal.detail(),
            RegistryError::TagImmutable { tag, rule } => {
                json!({ "reason": reason, "tag": tag, "rule": rule })
            }
            RegistryError::QuotaExceeded(full) => {
                json!({ "reason": reason, "namespace": full.namespace, "needed": full.used, "quota": full.quota })
            }
            RegistryError::RangeMismatch { status } => json!({ "reason": reason, "received": status.length }),
            _ => json!({ "reason": reason }),
        }
    }

    fn internal(error: impl std::error::Error + Send + Sync + 'static) -> RegistryError {
        RegistryError::Internal(Box::new(error))
    }

    /// Gives an error of the rows its meaning for a request about `reference`.
    pub(crate) fn about_manifest(error: MetaError, reference: &impl ToString) -> RegistryError {
        match error {
            MetaError::ManifestUnknown => RegistryError::ManifestUnknown { reference: reference.to_string() },
            other => other.into(),
        }
    }

    /// Gives an error of the rows its meaning for a request about the blob `digest`.
    pub(crate) fn about_blob(error: MetaError, digest: &Digest) -> RegistryError {
        match error {
            MetaError::BlobUnknown | MetaError::RepositoryUnknown => {
                RegistryError::BlobUnknown { digest: digest.clone() }
            }
            other => other.into(),
        }
    }
}

impl From<MetaError> for RegistryError {
    fn from(error: MetaError) -> RegistryError {
        match error {
            MetaError::RepositoryUnknown => RegistryError::RepositoryUnknown,
            MetaError::UploadUnknown => RegistryError::UploadUnknown,
            MetaError::ReferencesMissing { missing } => RegistryError::ReferencesMissing { missing },
            MetaError::MediaTypeFixed { stored } => RegistryError::MediaTypeFixed { stored },
            MetaError::BlobInUse { manifest } => RegistryError::BlobInUse { manifest },
            MetaError::ManifestInUse { index } => RegistryError::ManifestInUse { index },
            MetaError::TagImmutable { tag, rule } => RegistryError::TagImmutable { tag, rule },
            MetaError::QuotaExceeded(full) => RegistryError::QuotaExceeded(full),
            MetaError::QuotaTooSmall(full) => RegistryError::QuotaTooSmall(full),
            MetaError::NameTaken { name } => RegistryError::NameTaken { name },
            // The name is told where it is known that the caller may know it.
            MetaError::Renamed { .. } => RegistryError::Renamed { to: None },
            MetaError::NotInTrash => RegistryError::NotInTrash,
            MetaError::BytesGone { missing } => RegistryError::BytesGone { missing },
            MetaError::NoHistory => RegistryError::NoHistory,
            MetaError::RuleInvalid { why } => RegistryError::RuleInvalid { why },
            MetaError::RuleUnknown { id } => RegistryError::RuleUnknown { id },
            MetaError::TooMuch { what } => RegistryError::TooMuch { what },
            MetaError::Db(berth_db::DbError::Full) => RegistryError::StorageFull,
            other => RegistryError::internal(other),
        }
    }
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> RegistryError {
        match error {
            StoreError::Full => RegistryError::StorageFull,
            StoreError::Busy { .. } => RegistryError::UploadBusy,
            other => RegistryError::internal(other),
        }
    }
}

impl From<VerifyError> for RegistryError {
    fn from(error: VerifyError) -> RegistryError {
        match error {
            VerifyError::Mismatch { expected, actual } => RegistryError::DigestMismatch { expected, actual },
            VerifyError::Store(error) => error.into(),
        }
    }
}
