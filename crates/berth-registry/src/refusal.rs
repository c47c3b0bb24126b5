//! Rights that are missing, and what is told of them.

use std::sync::Arc;

use berth_auth::{Action, Missing};
use berth_oci::RepositoryName;
use serde_json::{Value, json};

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An action in a repository.
    #[error("{}", if *.may_know { .missing.to_string() } else { HIDDEN.to_owned() })]
    Repository {
        /// The repository that was asked for, whether or not it exists.
        repository: RepositoryName,
        /// The action.
        action: Action,
        /// What is missing.
        missing: Missing,
        /// Whether the caller may know more than that he may not: he can see the repository, or nobody knows him yet.
        may_know: bool,
    },
    /// The list of repositories.
    #[error("listing repositories needs a token for it")]
    Catalog,
    /// A push to a name that belongs to an upstream.
    #[error(
        "names that begin with {upstream}/ are images of {upstream} here, and come from there alone; push to another name"
    )]
    Mirrored {
        /// The upstream.
        upstream: Arc<str>,
    },
    /// Something that concerns the whole server.
    #[error("only administrators may do this")]
    Administrators,
    /// Something that concerns all repositories of a pattern.
    #[error("only the owner of the namespace and administrators may do this")]
    Owners,
    /// There is no account yet, and the server is not open without one.
    #[error(
        "this registry has no account yet; its operator makes the first one with the link that the server printed"
    )]
    NotSetUp,
}

/// What is said about a repository that may or may not exist.
const HIDDEN: &str = "the repository does not exist, or you may not do this there";

impl Refusal {
    /// What the client is told. Who may not see a repository is told the same whether or not it exists.
    pub(crate) fn detail(&self) -> Value {
        let reason = self.to_string();
        match self {
            Refusal::Repository { repository, action, may_know: true, .. } => {
                json!({ "reason": reason, "repository": repository.as_str(), "missing": action.as_str() })
            }
            _ => json!({ "reason": reason }),
        }
    }
}
