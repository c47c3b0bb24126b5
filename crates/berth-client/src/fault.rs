//! From an answer that is none of success to an error.

use std::ops::RangeInclusive;

use berth_egress::{Incoming, whole};
use http::{Method, Response, StatusCode};
use serde::Deserialize;

use crate::client::Question;
use crate::{ClientError, retry};

/// Bytes of an error that are read.
const LONGEST: usize = 64 * 1024;
/// Characters of a message that are told on.
const TOLD: usize = 200;

/// What the specification calls "error codes"; token servers have forms of their own.
#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Fault>,
    /// Docker Hub's.
    #[serde(default)]
    details: String,
    /// OAuth2's.
    #[serde(default)]
    error_description: String,
    /// That of a problem (RFC 9457).
    #[serde(default)]
    detail: serde_json::Value,
}

#[derive(Default, Deserialize)]
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
        StatusCode::UNAUTHORIZED => {
            ClientError::Unauthorized { message: message(response).await, is_wrong: false }
        }
        StatusCode::FORBIDDEN => ClientError::Denied { message: message(response).await },
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            ClientError::Server { status, message: message(response).await }
        }
        status => ClientError::Unexpected { status },
    }
}

/// What an answer of failure means to this question.
pub(crate) async fn of_question(question: &Question<'_>, response: Response<Incoming>) -> ClientError {
    match question.method {
        Method::GET | Method::HEAD => of(response).await,
        _ => of_change(&question.method, question.body.length(), response).await,
    }
}

/// The same for who wants to change something, with a body of `sent` bytes: he hears why that is refused.
pub(crate) async fn of_change(method: &Method, sent: u64, response: Response<Incoming>) -> ClientError {
    use StatusCode as S;
    match response.status() {
        S::PAYLOAD_TOO_LARGE => ClientError::TooLarge { sent },
        S::UNAUTHORIZED | S::FORBIDDEN | S::REQUEST_TIMEOUT | S::TOO_MANY_REQUESTS => of(response).await,
        S::NOT_FOUND if *method == Method::DELETE => ClientError::NotFound,
        status if status.is_client_error() => {
            let (code, message) = told(response).await;
            ClientError::Refused { status, code, message }
        }
        _ => of(response).await,
    }
}

/// The message of the first error, if the body has one.
pub(crate) async fn message(response: Response<Incoming>) -> Option<String> {
    told(response).await.1
}

/// Code and message of the first error. What is not printable is left out.
async fn told(response: Response<Incoming>) -> (String, Option<String>) {
    let Ok(body) = whole(response.into_body(), LONGEST).await else { return Default::default() };
    let Ok(errors) = serde_json::from_slice::<Errors>(&body) else { return Default::default() };
    let first = errors.errors.into_iter().next().unwrap_or_default();
    let code = printable(&first.code);
    let detail = errors.detail.as_str().unwrap_or_default();
    let texts = [&first.message, &first.code, &errors.details, &errors.error_description, detail];
    (code, texts.into_iter().map(printable).find(|text| !text.is_empty()))
}

fn printable(text: &str) -> String {
    text.chars().filter(|letter| is_printable(*letter)).take(TOLD).collect()
}

/// Whether a letter only shows itself: it controls no terminal, hides nothing and turns no text around.
fn is_printable(letter: char) -> bool {
    const HIDDEN: [RangeInclusive<char>; 4] =
        ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{feff}'..='\u{feff}'];
    !letter.is_control() && !HIDDEN.iter().any(|some| some.contains(&letter))
}
