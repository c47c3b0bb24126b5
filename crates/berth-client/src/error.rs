//! Why a registry gave nothing.

use std::time::Duration;

use berth_egress::{EgressError, OriginError};
use http::StatusCode;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nothing came back, or not all of it.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// It is left alone for now: it was away just before, or asked for it.
    #[error("it was away or asked to wait, and is asked again in {} s", .left.as_secs().max(1))]
    Resting {
        /// How long yet.
        left: Duration,
    },
    /// It has no such thing.
    #[error("it has no such image or blob")]
    NotFound,
    /// It wants to know who asks, and what it was told will not do.
    #[error("it refuses the credentials, or wants some{}", said(.message))]
    Unauthorized {
        /// What it said.
        message: Option<String>,
        /// Whether it looked at credentials, which are wrong then. Else it wants some, or others.
        is_wrong: bool,
    },
    /// It knows who asks, and does not let him.
    #[error("it does not allow this{}", said(.message))]
    Denied {
        /// What it said.
        message: Option<String>,
    },
    /// It does not take what was sent, or does not do what was asked.
    #[error("it refuses this with status {}{}", .status.as_u16(), said(.message))]
    Refused {
        /// Its status.
        status: StatusCode,
        /// The code of its error, such as `MANIFEST_INVALID`; empty if it gave none.
        code: String,
        /// What it said.
        message: Option<String>,
    },
    /// Something on the way takes no bodies of that size.
    #[error(
        "it, or a proxy before it, refuses a body of {sent} bytes (413); raise its limit for the size of bodies (client_max_body_size in nginx)"
    )]
    TooLarge {
        /// Bytes of the smallest body that was refused.
        sent: u64,
    },
    /// What was to be sent cannot be read.
    #[error("what was to be sent cannot be read")]
    Content(#[source] std::io::Error),
    /// What was to be sent is not what it was said to be.
    #[error("the content of {digest} has another digest; nothing of it counts, look where it comes from")]
    Digest {
        /// The digest that it should have.
        digest: berth_oci::Digest,
    },
    /// It wants to be asked less.
    #[error("it says that there were too many requests (429)")]
    TooMany {
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It is in trouble.
    #[error("it is in trouble and answers with status {}{}", .status.as_u16(), said(.message))]
    Server {
        /// Its status.
        status: StatusCode,
        /// What it said.
        message: Option<String>,
    },
    /// It answers something that belongs to no registry.
    #[error("it answers with status {}, which no registry does here; see whether it is one", .status.as_u16())]
    Unexpected {
        /// Its status.
        status: StatusCode,
    },
    /// Its answer is not what was asked for.
    #[error("its answer is of no use: {what}")]
    Useless {
        /// Why.
        what: &'static str,
    },
    /// It wants the password to be sent elsewhere.
    #[error("it wants the password to be sent to {host}, which nobody named as its host for tokens")]
    ForeignRealm {
        /// Where.
        host: String,
    },
    /// It wants the password to be sent without TLS, though it is itself reached by TLS.
    #[error("it wants its password or its answer to go over plain http to {host}, which is never done")]
    Downgrade {
        /// Where.
        host: String,
    },
    /// It sends from one place to the next without end.
    #[error("it redirects more than {} times", crate::client::REDIRECTS)]
    Redirects,
    /// What it points to is no address.
    #[error("it points to an address that is none: {0}")]
    Pointer(#[from] OriginError),
}

fn said(message: &Option<String>) -> String {
    message.as_ref().map(|message| format!(" (it says: {message})")).unwrap_or_default()
}

impl ClientError {
    /// Whether the registry is away, busy or broken: an older answer is better than this one.
    pub fn is_away(&self) -> bool {
        match self {
            ClientError::Egress(error) => !matches!(error, EgressError::Request(_) | EgressError::Origin(_)),
            ClientError::Resting { .. } | ClientError::TooMany { .. } | ClientError::Server { .. } => true,
            ClientError::Useless { .. } | ClientError::Unexpected { .. } | ClientError::Redirects => true,
            _ => false,
        }
    }

    /// The same of somebody who showed credentials: a refusal is about them then.
    pub(crate) fn of_credentials(self) -> ClientError {
        match self {
            ClientError::Unauthorized { message, .. } => {
                ClientError::Unauthorized { message, is_wrong: true }
            }
            error => error,
        }
    }

    /// Whether the same question may have an answer in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            ClientError::Egress(error) => error.is_passing(),
            ClientError::TooMany { .. } | ClientError::Server { .. } => true,
            _ => false,
        }
    }

    /// The same once more, for those who waited for one answer together. Sources keep their text.
    pub(crate) fn again(&self) -> ClientError {
        use ClientError::{
            Content, Denied, Digest, Downgrade, Egress, ForeignRealm, NotFound, Pointer, Redirects, Refused,
            Resting, Server, TooLarge, TooMany, Unauthorized, Unexpected, Useless,
        };
        match self {
            Egress(error) => Egress(error.again()),
            Resting { left } => Resting { left: *left },
            NotFound => NotFound,
            Unauthorized { message, is_wrong } => {
                Unauthorized { message: message.clone(), is_wrong: *is_wrong }
            }
            Denied { message } => Denied { message: message.clone() },
            Refused { status, code, message } => {
                Refused { status: *status, code: code.clone(), message: message.clone() }
            }
            TooLarge { sent } => TooLarge { sent: *sent },
            Content(error) => Content(std::io::Error::new(error.kind(), error.to_string())),
            Digest { digest } => Digest { digest: digest.clone() },
            TooMany { retry_after } => TooMany { retry_after: *retry_after },
            Server { status, message } => Server { status: *status, message: message.clone() },
            Unexpected { status } => Unexpected { status: *status },
            Useless { what } => Useless { what },
            ForeignRealm { host } => ForeignRealm { host: host.clone() },
            Downgrade { host } => Downgrade { host: host.clone() },
            Redirects => Redirects,
            Pointer(error) => Pointer(*error),
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            ClientError::TooMany { retry_after } => *retry_after,
            _ => None,
        }
    }
}

impl From<http::Error> for ClientError {
    fn from(error: http::Error) -> ClientError {
        EgressError::from(error).into()
    }
}
