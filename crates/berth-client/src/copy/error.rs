//! Why an image was not copied, and at which end.

use std::error::Error;

use berth_oci::{Digest, ManifestError};

use crate::ClientError;

/// Why a copy broke off. What came over stays, and the next copy goes on with the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// It cannot be read where it is.
    #[error("the image cannot be read: {0}")]
    Source(#[source] EndError),
    /// It cannot be written where it should go.
    #[error("the image cannot be written: {0}")]
    Sink(#[source] EndError),
    /// It cannot be understood.
    #[error("the manifest {digest} cannot be copied: {source}")]
    Manifest {
        /// The manifest.
        digest: Digest,
        /// Why.
        source: ManifestError,
    },
    /// It is for other platforms.
    #[error("the image is not there for {wanted}; it is for {}", .found.join(", "))]
    Platform {
        /// The platform that was asked for.
        wanted: String,
        /// Those that there are.
        found: Vec<String>,
    },
    /// It has indexes within indexes without end.
    #[error("the index {digest} has indexes in it that are too deep; nobody builds such images")]
    TooDeep {
        /// The index.
        digest: Digest,
    },
}

/// Why one end of a copy does not do its part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndError {
    /// It has no such thing.
    #[error("there is no such image or blob")]
    NotFound,
    /// The content that it was given to take cannot be read: that is the other end's trouble.
    #[error("what was to be sent cannot be read")]
    Content(#[source] std::io::Error),
    /// The registry does not.
    #[error(transparent)]
    Registry(ClientError),
    /// Somebody else does not.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}

impl From<ClientError> for EndError {
    fn from(error: ClientError) -> EndError {
        match error {
            ClientError::NotFound => EndError::NotFound,
            ClientError::Content(error) => EndError::Content(error),
            error => EndError::Registry(error),
        }
    }
}

impl CopyError {
    /// The error of whoever it belongs to: a sink also hears when the source has nothing to read.
    pub(super) fn of_sink(error: EndError) -> CopyError {
        let EndError::Content(unread) = error else { return CopyError::Sink(error) };
        let Some(inner) = unread.get_ref() else { return CopyError::Source(EndError::Other(unread.into())) };
        match inner.downcast_ref::<ClientError>() {
            Some(error) => CopyError::Source(error.again().into()),
            None => CopyError::Source(EndError::Other(unread.into())),
        }
    }

    /// Whether it would be the same with any other image: a registry cannot be reached, or wants to be left alone, or a
    /// store cannot be written.
    pub(super) fn is_of_all(&self) -> bool {
        use ClientError::{Egress, Resting, TooMany};
        match self {
            CopyError::Source(EndError::Registry(error)) | CopyError::Sink(EndError::Registry(error)) => {
                matches!(error, Egress(_) | Resting { .. } | TooMany { .. })
            }
            CopyError::Sink(EndError::Other(_)) => true,
            _ => false,
        }
    }

    /// Whether something is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, CopyError::Source(EndError::NotFound) | CopyError::Sink(EndError::NotFound))
    }
}
