//! From an error to its answer: the one place where errors become JSON, and where they are logged.

use std::borrow::Cow;

use berth_mirror::MirrorError;
use berth_oci::{ErrorCode, RouteError};
use berth_registry::{Refusal, RegistryError};
use http::StatusCode;
use http::header::{ALLOW, CACHE_CONTROL, HeaderName, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Describe, json};
use crate::headers::NO_STORE;

/// What clients are told to wait when there is too much at once, in seconds.
const PATIENCE: HeaderValue = HeaderValue::from_static("5");

/// Why a request is not answered with success.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: ErrorCode,
    /// For the client. Never null: docker drops the message otherwise, and repeats a refused push five times.
    detail: Value,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the client, in place of the standard words of the code.
    message: Option<Cow<'static, str>>,
    /// For the log.
    source: Option<Source>,
}

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The body of an error ("Error Codes").
#[derive(Serialize)]
struct Errors<'a> {
    errors: [Entry<'a>; 1],
}

#[derive(Serialize)]
struct Entry<'a> {
    code: &'static str,
    message: &'a str,
    detail: &'a Value,
}

impl ApiError {
    /// An error with particulars; `detail` must not be null.
    pub(crate) fn new(code: ErrorCode, detail: Value) -> ApiError {
        debug_assert!(!detail.is_null());
        ApiError { code, detail, headers: Vec::new(), message: None, source: None }
    }

    /// An error with a sentence that says what to do.
    pub(crate) fn because(code: ErrorCode, reason: impl Into<String>) -> ApiError {
        ApiError::new(code, json!({ "reason": reason.into() }))
    }

    /// Our own failure, of which the client learns nothing but that.
    pub(crate) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> ApiError {
        let error = RegistryError::Internal(Box::new(error));
        error.into()
    }

    /// The sentence that says what to do.
    pub(crate) fn reason(&self) -> String {
        self.detail["reason"].as_str().unwrap_or(self.code.message()).to_owned()
    }

    /// A header field of the answer.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.iter().find(|(present, _)| present == name).map(|(_, value)| value)
    }

    /// The refusal that this error is, if it is one.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self.source.as_deref()?.downcast_ref::<RegistryError>()? {
            RegistryError::Denied(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The same under another code.
    pub(crate) fn coded(mut self, code: ErrorCode) -> ApiError {
        self.code = code;
        self
    }

    /// Says it in other words than those of the code: some clients show the message and nothing else.
    pub(crate) fn saying(mut self, message: impl Into<Cow<'static, str>>) -> ApiError {
        self.message = Some(message.into());
        self
    }

    /// The method is not one of this path.
    pub(crate) fn method_not_allowed(method: &http::Method, allowed: &'static str) -> ApiError {
        let reason = "this path knows other methods";
        let detail = json!({ "reason": reason, "method": method.as_str(), "allowed": allowed });
        ApiError::new(ErrorCode::Unsupported, detail).with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// Adds a header field to the answer.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> ApiError {
        self.headers.push((name, value));
        self
    }

    /// The methods that remain, if the error is that one is not allowed (RFC 9110, section 15.5.6).
    pub(crate) fn allowing(self, methods: &'static str) -> ApiError {
        if self.status() == StatusCode::METHOD_NOT_ALLOWED {
            self.with(ALLOW, HeaderValue::from_static(methods))
        } else {
            self
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).expect("error codes have statuses of HTTP")
    }

    /// Logs the error and describes it to the client.
    pub(crate) fn into_answer(self) -> Answer {
        let status = self.status();
        let cause = self.source.as_ref().map(|error| &**error as &dyn std::error::Error);
        if status.is_server_error() {
            tracing::error!(code = self.code.code(), detail = %self.detail, error = cause, "a request failed");
        } else {
            tracing::debug!(code = self.code.code(), detail = %self.detail, "a request was refused");
        }
        let (code, message) = (self.code.code(), self.message.as_deref().unwrap_or(self.code.message()));
        let document = Errors { errors: [Entry { code, message, detail: &self.detail }] };
        let mut answer = json(status, &document).with(CACHE_CONTROL, NO_STORE);
        if status == StatusCode::TOO_MANY_REQUESTS
            && !self.headers.iter().any(|(name, _)| name == RETRY_AFTER)
        {
            answer = answer.with(RETRY_AFTER, PATIENCE);
        }
        answer.headers_mut().extend(self.headers);
        answer
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> ApiError {
        let (code, detail) = (error.code(), error.detail());
        ApiError { source: Some(Box::new(error)), ..ApiError::new(code, detail) }
    }
}

impl From<MirrorError> for ApiError {
    fn from(error: MirrorError) -> ApiError {
        let later = error.retry_after().map(|wait| HeaderValue::from(wait.as_secs().max(1)));
        // Most clients show the message and nothing else, and this is about a server that they do not know of.
        let new = ApiError::new(error.code(), error.detail()).saying(error.to_string());
        let told = ApiError { source: Some(Box::new(error)), ..new };
        match later {
            Some(later) => told.with(RETRY_AFTER, later),
            None => told,
        }
    }
}

impl From<RouteError> for ApiError {
    fn from(error: RouteError) -> ApiError {
        ApiError::because(error.code(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;
    use crate::server::ResponseBody;

    fn body(answer: &Answer) -> Value {
        let ResponseBody::Full(bytes) = answer.body() else { panic!("errors have a body") };
        serde_json::from_slice(bytes).expect("errors are JSON")
    }

    #[test]
    fn own_failures_tell_nothing_internal() {
        let secret = std::io::Error::other("/var/lib/berth/blobs: permission denied");
        let answer = ApiError::from(RegistryError::Internal(Box::new(secret))).into_answer();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = body(&answer);
        assert_eq!(body["errors"][0]["code"], "UNKNOWN");
        assert_eq!(body["errors"][0]["detail"], json!({ "reason": "internal error" }));
        assert!(!body.to_string().contains("berth/blobs"), "{body}");
    }

    #[test]
    fn every_code_becomes_an_answer_with_its_standard_words() {
        for code in ErrorCode::ALL {
            let answer = ApiError::because(code, "why").into_answer();
            assert_eq!(answer.status().as_u16(), code.status());
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
            let body = body(&answer);
            assert_eq!(body["errors"][0]["message"], code.message());
            assert_eq!(body["errors"][0]["detail"]["reason"], "why");
        }
    }

    #[test]
    fn a_refused_method_names_those_that_remain() {
        let answer = ApiError::from(RegistryError::DeleteDisabled).allowing("GET, HEAD").into_answer();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()[ALLOW]),
            (405, &"GET, HEAD".parse().unwrap())
        );
        let other = ApiError::from(RegistryError::RepositoryUnknown).allowing("GET, HEAD").into_answer();
        assert!(!other.headers().contains_key(ALLOW));
    }

    #[test]
    fn too_much_at_once_says_when_to_come_back() {
        let answer = ApiError::from(RegistryError::TooManyUploads).into_answer();
        assert_eq!((answer.status().as_u16(), &answer.headers()[RETRY_AFTER]), (429, &PATIENCE));
    }
}
