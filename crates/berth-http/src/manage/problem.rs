//! Problems (RFC 9457): what went wrong, in a form for programs and a sentence for people.

use berth_auth::{AuthError, Caller};
use berth_registry::RegistryError;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;

use crate::answer::{Answer, Describe, json};
use crate::error::ApiError;

/// What a browser or curl is asked for. `/v2/` has a challenge of its own.
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"berth\", charset=\"UTF-8\"");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request of the management API is not answered with success.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    /// A status with a sentence that says what to do.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into() }
    }

    pub(super) fn not_found() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path")
    }

    pub(super) fn method_not_allowed() -> Problem {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path knows other methods")
    }

    /// Somebody without a name is asked for it before he is told that he may not.
    pub(super) fn for_caller(self, caller: &Caller) -> Problem {
        let is_refusal = matches!(self.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
        if caller.is_anonymous() && is_refusal {
            return Problem::new(StatusCode::UNAUTHORIZED, "sign in with name and password, or a token");
        }
        self
    }

    pub(super) fn into_answer(self) -> Answer {
        if self.status.is_server_error() {
            tracing::error!(detail = %self.detail, "a request of the management API failed");
        }
        let title = self.status.canonical_reason().unwrap_or("Error");
        let document = json!({
            "type": "about:blank",
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let answer = json(self.status, &document).with(CONTENT_TYPE, PROBLEM);
        match self.status {
            StatusCode::UNAUTHORIZED => answer.with(WWW_AUTHENTICATE, BASIC),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                answer.with(RETRY_AFTER, HeaderValue::from_static("5"))
            }
            _ => answer,
        }
    }

    fn internal(error: &(dyn std::error::Error + 'static)) -> Problem {
        tracing::error!(error, "accounts failed");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Problem {
        let status = match &error {
            AuthError::Forbidden { .. } | AuthError::WrongPassword => StatusCode::FORBIDDEN,
            AuthError::UnknownAccount { .. } | AuthError::Unknown { .. } | AuthError::UnknownInvitation => {
                StatusCode::NOT_FOUND
            }
            AuthError::Exists { .. } | AuthError::LastAdministrator { .. } => StatusCode::CONFLICT,
            AuthError::Name(_)
            | AuthError::Pattern(_)
            | AuthError::WidePattern { .. }
            | AuthError::WeakPassword
            | AuthError::Invalid(_) => StatusCode::BAD_REQUEST,
            AuthError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            _ => return Problem::internal(&error),
        };
        Problem::new(status, error.to_string())
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Problem {
        match &error {
            RegistryError::SettingInvalid { what } => Problem::new(StatusCode::BAD_REQUEST, *what),
            RegistryError::RuleInvalid { .. } | RegistryError::TooMuch { .. } => {
                Problem::new(StatusCode::BAD_REQUEST, error.to_string())
            }
            RegistryError::RuleUnknown { .. } | RegistryError::NotInTrash | RegistryError::NoHistory => {
                Problem::new(StatusCode::NOT_FOUND, error.to_string())
            }
            RegistryError::NameTaken { .. }
            | RegistryError::BytesGone { .. }
            | RegistryError::QuotaTooSmall(_)
            | RegistryError::ManifestInUse { .. }
            | RegistryError::TagImmutable { .. } => Problem::new(StatusCode::CONFLICT, error.to_string()),
            RegistryError::Internal(source) => Problem::internal(source.as_ref()),
            _ => ApiError::from(error).into(),
        }
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Problem {
        Problem::new(error.status(), error.reason())
    }
}
