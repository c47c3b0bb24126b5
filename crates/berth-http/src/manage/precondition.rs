//! Entity tags: answers that need not be sent again, and changes that only happen to what the caller has read.

use berth_oci::Digest;
use futures_util::stream;
use http::header::{CACHE_CONTROL, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use tokio::sync::Mutex;

use super::call::Call;
use super::problem::Problem;
use super::route::{self, Route};
use super::{Done, Payload, input, operations};
use crate::answer::{self, Answer, Describe};
use crate::headers;
use crate::server::ResponseBody;

/// The caller may keep an answer, but asks each time whether it still holds.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache, private");

/// Held from the look at what is there to the end of the change.
///
/// So of two who read the same and then change it, both with `If-Match`, only one succeeds. Against a change without
/// that header, or one by another process on the same database, it is a look and then a leap: a moment remains in which
/// that one is overwritten unseen.
static TURN: Mutex<()> = Mutex::const_new(());

/// Answers a call at `path`; one with `If-Match` only if what GET answers at the same path is what the caller has read.
pub(super) async fn answer(call: Call<'_>, path: &str, body: Payload) -> Done {
    if call.operation.method == Method::GET || !call.head.headers.contains_key(IF_MATCH) {
        return call.operation.answer(call, body).await;
    }
    // A slow body must not make others wait.
    let body = input::whole(body).await?;
    let _turn = TURN.lock().await;
    require_match(call, path).await?;
    call.operation.answer(call, Box::pin(stream::iter([Ok(body)]))).await
}

/// Whoever may not read it, or finds nothing, is told that: what a request would be refused for anyway comes before its
/// condition (RFC 9110, section 13.2.1).
async fn require_match(call: Call<'_>, path: &str) -> Result<(), Problem> {
    let failed = |detail: &str| Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail));
    let Route::Operation(operation, captures) = route::find(operations(), &Method::GET, path) else {
        return failed("there is nothing to read at this path, so If-Match cannot hold");
    };
    let present = Call { operation, captures: &captures, query: "", ..call };
    let present = operation.answer(present, Box::pin(stream::empty())).await?;
    match tag(&present) {
        Some(tag) if names(call.head, &IF_MATCH, &tag) => Ok(()),
        _ => failed("changed since you read it; read again"),
    }
}

/// Adds the tag to an answer to GET, or tells that the caller has it already.
pub(super) fn tagged(head: &Parts, answer: Answer) -> Answer {
    let Some(tag) = tag(&answer) else { return answer };
    let is_known = names(head, &IF_NONE_MATCH, &tag);
    let answer = if is_known { answer::empty(StatusCode::NOT_MODIFIED) } else { answer };
    answer.with(ETAG, headers::value(tag)).with(CACHE_CONTROL, ASK_AGAIN)
}

/// The strong tag of an answer: the first half of its body's SHA-256.
fn tag(answer: &Answer) -> Option<String> {
    let ResponseBody::Full(body) = answer.body() else { return None };
    Some(format!("\"{}\"", &Digest::sha256(body).hex()[..32]))
}

/// Whether a header names the tag, or whatever there is.
fn names(head: &Parts, header: &HeaderName, tag: &str) -> bool {
    let values = head.headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    // A proxy that packs the answer makes the tag weak: enough to save a transfer, not to change something (RFC 9110,
    // sections 8.8.3.2 and 13.1).
    let bare = |text: &str| match text.strip_prefix("W/") {
        Some(bare) if *header == IF_NONE_MATCH => bare == tag,
        _ => text == tag,
    };
    tags.any(|text| text == "*" || bare(text))
}
