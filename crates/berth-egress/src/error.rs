//! Why nothing came back.

use std::io;
use std::time::Duration;

use crate::{Forbidden, OriginError};

/// What is wrong with the secure connection to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsTrouble {
    /// It answers without TLS.
    None,
    /// Nobody who is believed signed its certificate.
    Authority,
    /// Its certificate is over.
    Expired,
    /// Its certificate will be good some time, by the clock of this machine.
    NotYetValid,
    /// Its certificate is for another name.
    OtherName,
    /// Anything else.
    Other,
}

/// Why a request had no answer, or not a whole one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// The name could not be looked up.
    #[error("the name {host} cannot be looked up; see whether it is right, and the DNS works")]
    Name {
        /// The name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The address is one that must not be connected to.
    #[error("{host} is {what}, and nobody said that the server is on this machine or a private network")]
    Address {
        /// The host that has it.
        host: String,
        /// What it is.
        what: Forbidden,
    },
    /// Nobody answered there.
    #[error("no connection to {host}; see whether the server runs and can be reached from here")]
    Connect {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// Its certificate is not believed, or it speaks no TLS.
    #[error(
        "no secure connection to {host}: {source}; see whether it is the right server, and name its authority's certificate if it has an own"
    )]
    Tls {
        /// The host.
        host: String,
        /// What is wrong.
        trouble: TlsTrouble,
        /// The same in words.
        source: io::Error,
    },
    /// The proxy on the way does not connect.
    #[error("the proxy {proxy} gives no connection: {source}; see HTTPS_PROXY and NO_PROXY")]
    Proxy {
        /// The proxy.
        proxy: String,
        /// Why.
        source: io::Error,
    },
    /// It speaks something else, or stopped in the middle.
    #[error("the connection broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("nothing, or not enough, came within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// More came than is wanted.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// Bytes that are taken at most.
        limit: usize,
    },
    /// The request cannot be written.
    #[error("the request cannot be written; look for odd characters in the options")]
    Request(#[from] http::Error),
    /// The address is none.
    #[error("the address cannot be used")]
    Origin(#[from] OriginError),
}

impl EgressError {
    /// Whether it may help to try again, with the same request: nothing says that the server does not want it.
    pub fn is_passing(&self) -> bool {
        match self {
            EgressError::Name { .. }
            | EgressError::Connect { .. }
            | EgressError::Broken(_)
            | EgressError::TooSlow(_) => true,
            // What TLS refuses, it refuses again. Anything else is a connection that ended.
            EgressError::Tls { source, .. } => {
                !matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Unsupported)
            }
            _ => false,
        }
    }

    /// Whether the server was asked for TLS and answered without.
    pub fn is_without_tls(&self) -> bool {
        matches!(self, EgressError::Tls { trouble: TlsTrouble::None, .. })
    }

    /// The same once more, for who only has it lent: what has a source keeps its text.
    pub fn again(&self) -> EgressError {
        let copy = |source: &io::Error| io::Error::new(source.kind(), source.to_string());
        match self {
            EgressError::Name { host, source } => {
                EgressError::Name { host: host.clone(), source: copy(source) }
            }
            EgressError::Address { host, what } => EgressError::Address { host: host.clone(), what: *what },
            EgressError::Connect { host, source } => {
                EgressError::Connect { host: host.clone(), source: copy(source) }
            }
            EgressError::Tls { host, trouble, source } => {
                EgressError::Tls { host: host.clone(), trouble: *trouble, source: copy(source) }
            }
            EgressError::Proxy { proxy, source } => {
                EgressError::Proxy { proxy: proxy.clone(), source: copy(source) }
            }
            EgressError::TooSlow(limit) => EgressError::TooSlow(*limit),
            EgressError::TooLong { limit } => EgressError::TooLong { limit: *limit },
            EgressError::Origin(error) => EgressError::Origin(*error),
            other => EgressError::Broken(other.to_string().into()),
        }
    }
}
