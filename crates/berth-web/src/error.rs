//! What can be said instead of a page.

use berth_auth::{AuthError, LoginError};
use berth_registry::RegistryError;
use http::StatusCode;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    /// Nothing is there, or nothing for this visitor.
    #[error("there is nothing at this address")]
    NotFound,
    /// Somebody must say who he is first.
    #[error("sign in to see this")]
    SignIn,
    /// A change that another site's page asked for.
    #[error("a change that was not asked for on one of these pages is refused")]
    Foreign,
    /// A name that may be somebody else's.
    #[error(
        "this name is not known to be this server's; open it by its address or as localhost, or set external_url"
    )]
    Stranger,
    /// What was filled in cannot be taken.
    #[error("{0}")]
    Invalid(String),
    /// A verb of the registry said no.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Accounts said no.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The page could not be written.
    #[error("internal error")]
    Render(#[from] askama::Error),
}

impl PageError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            PageError::NotFound => StatusCode::NOT_FOUND,
            PageError::SignIn => StatusCode::UNAUTHORIZED,
            PageError::Foreign | PageError::Stranger => StatusCode::FORBIDDEN,
            PageError::Invalid(_) => StatusCode::BAD_REQUEST,
            PageError::Registry(error) => registry_status(error),
            PageError::Auth(error) => auth_status(error),
            PageError::Render(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What a type says of a text that is none of its own.
    pub(crate) fn invalid(error: impl std::fmt::Display) -> PageError {
        PageError::Invalid(error.to_string())
    }

    /// What a person is told. Nothing of the inside.
    pub(crate) fn sentence(&self) -> String {
        if self.status().is_server_error() && self.status() != StatusCode::SERVICE_UNAVAILABLE {
            return "internal error".to_owned();
        }
        self.to_string()
    }
}

impl From<LoginError> for PageError {
    fn from(error: LoginError) -> PageError {
        match error {
            LoginError::Internal(error) => PageError::Auth(error),
            other => PageError::Invalid(other.to_string()),
        }
    }
}

fn registry_status(error: &RegistryError) -> StatusCode {
    match error {
        RegistryError::RepositoryUnknown
        | RegistryError::ManifestUnknown { .. }
        | RegistryError::BlobUnknown { .. }
        | RegistryError::NotInTrash
        | RegistryError::NoHistory
        | RegistryError::RuleUnknown { .. } => StatusCode::NOT_FOUND,
        RegistryError::Denied(_) => StatusCode::FORBIDDEN,
        RegistryError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn auth_status(error: &AuthError) -> StatusCode {
    match error {
        AuthError::Forbidden { .. } | AuthError::WrongPassword => StatusCode::FORBIDDEN,
        AuthError::UnknownAccount { .. } | AuthError::Unknown { .. } | AuthError::UnknownInvitation => {
            StatusCode::NOT_FOUND
        }
        AuthError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        AuthError::Db(_) | AuthError::Audit(_) | AuthError::Damaged { .. } | AuthError::System(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::BAD_REQUEST,
    }
}
