//! Everything that a verb can answer instead of success, and the protocol code of each.

use berth_blobs::{StoreError, VerifyError};
use berth_meta::MetaError;
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
            RegistryError::BlobInUse { .. } | RegistryError::Denied(_) => ErrorCode::Denied,
            RegistryError::SettingInvalid { .. } => ErrorCode::Unsupported,
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
