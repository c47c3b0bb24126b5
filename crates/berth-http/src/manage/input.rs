//! Bodies of requests.

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::Payload;
use super::problem::Problem;
use crate::body;

/// The longest body, in bytes: a README with its quotes.
const LONGEST: usize = 1024 * 1024;

/// Reads a body.
pub(super) async fn whole(body: Payload) -> Result<Bytes, Problem> {
    Ok(body::bytes(body, LONGEST).await?)
}

/// Reads a JSON body; a field that is not known is an error, so that nobody believes it had an effect.
pub(super) async fn json<T: DeserializeOwned>(head: &Parts, body: Payload) -> Result<T, Problem> {
    let bytes = whole(body).await?;
    if bytes.is_empty() {
        return document(b"{}");
    }
    require_json(head)?;
    document(&bytes)
}

/// Reads a body of text.
pub(super) async fn text(body: Payload) -> Result<String, Problem> {
    let bytes = whole(body).await?;
    String::from_utf8(bytes.into())
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body is not UTF-8"))
}

fn document<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is not as expected: {error}"))
    })
}

/// A body that is said to be something else is not JSON by chance: a form of another site's page could be one.
fn require_json(head: &Parts) -> Result<(), Problem> {
    let Some(value) = head.headers.get(CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "send a JSON document, with the header Content-Type: application/json";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}
