//! From an answer that is none of success to an error.

use std::ops::RangeInclusive;

use berth_egress::{Incoming, whole};
use http::{Response, StatusCode};
use serde::Deserialize;

use crate::{ClientError, retry};

/// Bytes of an error that are read.
const LONGEST: usize = 64 * 1024;
/// Characters of a message that are told on.
const TOLD: usize = 200;

/// What the specification calls "error codes"; Docker Hub's token server has its own form.
#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Fault>,
    #[serde(default)]
    details: String,
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
            ClientError::Server { status, message: message(response).await }
        }
        status => ClientError::Unexpected { status },
    }
}

/// The message of the first error, if the body has one. What is not printable is left out.
async fn message(response: Response<Incoming>) -> Option<String> {
    let body = whole(response.into_body(), LONGEST).await.ok()?;
    let errors: Errors = serde_json::from_slice(&body).ok()?;
    let first = errors.errors.into_iter().next();
    let texts = first.map(|first| [first.message, first.code]).into_iter().flatten();
    let text = texts.chain([errors.details]).find(|text| !text.is_empty())?;
    let text: String = text.chars().filter(|letter| is_printable(*letter)).take(TOLD).collect();
    Some(text).filter(|text| !text.is_empty())
}

/// Whether a letter only shows itself: it controls no terminal, hides nothing and turns no text around.
fn is_printable(letter: char) -> bool {
    const HIDDEN: [RangeInclusive<char>; 4] =
        ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{feff}'..='\u{feff}'];
    !letter.is_control() && !HIDDEN.iter().any(|some| some.contains(&letter))
}
