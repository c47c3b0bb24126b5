//! Why a mirror has nothing to give.

use std::time::Duration;

use berth_client::{ClientError, EgressError};
use berth_oci::{Digest, ErrorCode};
use berth_registry::RegistryError;
use serde_json::{Value, json};

/// Why something of an upstream cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// The upstream has no such image.
    #[error("{upstream} has no {what}")]
    NotThere {
        /// The upstream.
        upstream: String,
        /// What was asked for.
        what: String,
        /// What it is in the protocol.
        code: ErrorCode,
    },
    /// It is not among what may be had from there.
    #[error(
        "images of that name are not mirrored from {upstream} here; its operator decides which are (mirror set --allow, --deny)"
    )]
    NotMirrored {
        /// The upstream.
        upstream: String,
    },
    /// The upstream refuses us.
    #[error("{upstream} does not give this: {why}")]
    Refused {
        /// The upstream.
        upstream: String,
        /// What it says.
        why: String,
    },
    /// The upstream is away or in trouble, and nothing older is here.
    #[error("{upstream} cannot be asked now, and this is not here yet: {why}")]
    Away {
        /// The upstream.
        upstream: String,
        /// Why.
        why: String,
    },
    /// The upstream wants to be asked less.
    #[error("{upstream} allows no more requests for now, and this is not here yet")]
    Busy {
        /// The upstream.
        upstream: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// What came is not what was asked for. Nothing of it is kept.
    #[error("{upstream} sent something else than {expected}; nothing of it was kept, try again")]
    Wrong {
        /// The upstream.
        upstream: String,
        /// What should have come.
        expected: Digest,
    },
    /// No mirror of that name.
    #[error("no registry {ns:?} is mirrored here")]
    Unknown {
        /// The name.
        ns: String,
    },
    /// The registry could not.
    #[error(transparent)]
    Registry(std::sync::Arc<RegistryError>),
}

impl MirrorError {
    /// What an error of the client means.
    pub(crate) fn of(upstream: &str, what: &str, code: ErrorCode, error: &ClientError) -> MirrorError {
        let upstream = upstream.to_owned();
        match error {
            ClientError::NotFound => MirrorError::NotThere { upstream, what: what.to_owned(), code },
            ClientError::TooMany { retry_after } => {
                MirrorError::Busy { upstream, retry_after: retry_after.unwrap_or(Duration::from_secs(60)) }
            }
            error if error.is_away() => MirrorError::Away { upstream, why: told(error) },
            error => MirrorError::Refused { upstream, why: told(error) },
        }
    }

    /// Whether an older answer is better than this one: the upstream could not say what it has.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, MirrorError::Away { .. } | MirrorError::Busy { .. } | MirrorError::Wrong { .. })
    }

    /// What happened, without what it means for who asked.
    pub(crate) fn why(&self) -> String {
        match self {
            MirrorError::Away { why, .. } | MirrorError::Refused { why, .. } => why.clone(),
            MirrorError::Busy { upstream, .. } => format!("{upstream} allows no more requests for now"),
            error => error.to_string(),
        }
    }

    /// The protocol code, which also decides the status.
    pub fn code(&self) -> ErrorCode {
        match self {
            MirrorError::NotThere { code, .. } => *code,
            MirrorError::NotMirrored { .. } | MirrorError::Unknown { .. } | MirrorError::Refused { .. } => {
                ErrorCode::NameUnknown
            }
            MirrorError::Away { .. } | MirrorError::Wrong { .. } => ErrorCode::Unavailable,
            MirrorError::Busy { .. } => ErrorCode::TooManyRequests,
            MirrorError::Registry(error) => error.code(),
        }
    }

    /// What the client is told beside the code.
    pub fn detail(&self) -> Value {
        match self {
            MirrorError::Registry(error) => error.detail(),
            error => json!({ "reason": error.to_string() }),
        }
    }

    /// When it may help to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            MirrorError::Busy { retry_after, .. } => Some(*retry_after),
            MirrorError::Away { .. } => Some(Duration::from_secs(5)),
            _ => None,
        }
    }
}

impl From<RegistryError> for MirrorError {
    fn from(error: RegistryError) -> MirrorError {
        MirrorError::Registry(std::sync::Arc::new(error))
    }
}

/// What went wrong with an upstream, and which of its settings would mend it if it is meant to be so.
pub(crate) fn told(error: &ClientError) -> String {
    let hint = match error {
        ClientError::Egress(EgressError::Address { .. }) => {
            "; if it is meant to be there, say so (--private)"
        }
        ClientError::ForeignRealm { .. } => "; if that is right, name that host (--auth-host)",
        _ => "",
    };
    format!("{}{hint}", chain(error))
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = error.source();
    }
    text
}
