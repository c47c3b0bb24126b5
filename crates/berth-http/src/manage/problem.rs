//! Problems (RFC 9457): what went wrong, in a form for programs and a sentence for people.

use berth_auth::{AuthError, Caller};
use berth_mirror::MirrorError;
use berth_registry::RegistryError;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::{Answer, Describe, json};
use crate::error::ApiError;
use crate::headers;

/// What a browser or curl is asked for. `/v2/` has a challenge of its own.
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"berth\", charset=\"UTF-8\"");
/// The media type of a problem.
pub(super) const PROBLEM: &str = "application/problem+json";

/// Why a request of the management API is not answered with success.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

/// Why a request is not answered with success (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Document<'a> {
    /// Always `about:blank`: the status says the kind.
    r#type: &'static str,
    /// The kind in words: those of the status.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What went wrong, and what to do: a sentence for people.
    detail: &'a str,
}

impl Problem {
    /// A status with a sentence that says what to do.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into(), header: None }
    }

    pub(super) fn not_found() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path")
    }

    /// The path is known with `methods` only.
    pub(super) fn method_not_allowed(methods: &[&Method]) -> Problem {
        let mut allowed: Vec<_> = methods.iter().map(|method| method.as_str()).collect();
        if methods.contains(&&Method::GET) {
            allowed.push("HEAD");
        }
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path knows other methods");
        problem.with(ALLOW, headers::value(allowed.join(", ")))
    }

    fn with(self, name: HeaderName, value: HeaderValue) -> Problem {
        Problem { header: Some((name, value)), ..self }
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
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let mut answer = json(self.status, &document).with(CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        match self.status {
            StatusCode::UNAUTHORIZED => answer = answer.with(WWW_AUTHENTICATE, BASIC),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                answer = answer.with(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        match self.header {
            Some((name, value)) => answer.with(name, value),
            None => answer,
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

impl From<MirrorError> for Problem {
    fn from(error: MirrorError) -> Problem {
        ApiError::from(error).into()
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Problem {
        let problem = Problem::new(error.status(), error.reason());
        match error.header(&RETRY_AFTER) {
            Some(value) => problem.with(RETRY_AFTER, value.clone()),
            None => problem,
        }
    }
}
