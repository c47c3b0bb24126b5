//! The first words of an answer: a status, perhaps a body, and then header by header.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use crate::server::ResponseBody;

/// What a handler gives back.
pub(crate) type Answer = Response<ResponseBody>;

/// Header fields that most answers have room for without growing their table.
const USUAL_FIELDS: usize = 12;

/// An answer with a body and no header yet.
pub(crate) fn full(status: StatusCode, body: impl Into<ResponseBody>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    *answer.headers_mut() = HeaderMap::with_capacity(USUAL_FIELDS);
    answer
}

/// An answer that says all in its header.
pub(crate) fn empty(status: StatusCode) -> Answer {
    full(status, Bytes::new())
}

/// A document of our own making.
pub(crate) fn json(status: StatusCode, document: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(document).expect("our documents have text keys and always serialise");
    full(status, text).with(CONTENT_TYPE, HeaderValue::from_static("application/json"))
}

/// Adds to an answer, in the order in which a reader sees it.
pub(crate) trait Describe {
    /// Sets a header field.
    fn with(self, name: HeaderName, value: HeaderValue) -> Self;
    /// Sets a header field if there is something to say.
    fn with_some(self, name: HeaderName, value: Option<HeaderValue>) -> Self;
    /// Adds a header field for each value.
    fn with_all(self, name: HeaderName, values: impl Iterator<Item = HeaderValue>) -> Self;
}

impl Describe for Answer {
    fn with(mut self, name: HeaderName, value: HeaderValue) -> Answer {
        self.headers_mut().insert(name, value);
        self
    }

    fn with_some(self, name: HeaderName, value: Option<HeaderValue>) -> Answer {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn with_all(mut self, name: HeaderName, values: impl Iterator<Item = HeaderValue>) -> Answer {
        for value in values {
            self.headers_mut().append(&name, value);
        }
        self
    }
}
