//! From an answer that is none of success to an error.

use berth_egress::{Incoming, whole};
use http::{Response, StatusCode};
use serde::Deserialize;

use crate::{ClientError, retry};

/// Bytes of an error that are read.
const LONGEST: usize = 64 * 1024;
/// Characters of a message that are told on.
const TOLD: usize = 200;

/// What the specification calls "error codes".
#[derive(Deserialize)]
struct Errors {
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What an answer of failure means.
pub(crate) async fn of(response: Response<Incoming>) -> ClientError {
    let status = response.status();
    match status {
        StatusCode::NOT_FOUND => ClientError::NotFound,
        StatusCode::TOO_MANY_REQUESTS => {
            ClientError::TooMany { retry_after: retry::retry_after(response.headers()) }
        }
        StatusCode::UNAUTHORIZED => ClientError::Unauthorized { message: message(response).await },
        StatusCode::FORBIDDEN => ClientError::Denied { message: message(response).await },
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            ClientError::Server { status }
        }
        status => ClientError::Unexpected { status },
    }
}

/// The message of the first error, if the body has one. What is not printable is left out.
async fn message(response: Response<Incoming>) -> Option<String> {
    let body = whole(response.into_body(), LONGEST).await.ok()?;
    let errors: Errors = serde_json::from_slice(&body).ok()?;
    let first = errors.errors.into_iter().next()?;
    let text = if first.message.is_empty() { first.code } else { first.message };
    let text: String = text.chars().filter(|c| !c.is_control()).take(TOLD).collect();
    Some(text).filter(|text| !text.is_empty())
}
