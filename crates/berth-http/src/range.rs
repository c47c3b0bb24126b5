//! Parts of a blob (RFC 9110, sections 14 and 15.3.7): which are wanted, and how they are sent.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use berth_oci::ErrorCode;
use berth_oci::range::{Selection, select};
use berth_registry::{BlobBody, BlobFile, Following};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt, future, stream};
use http::StatusCode;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE};

use serde_json::json;

use crate::answer::{Answer, Describe, full};
use crate::error::ApiError;
use crate::headers;
use crate::identity::Identity;
use crate::server::{Part, PieceError, ResponseBody};

/// What is said of the parts, and of the whole.
pub(crate) const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The part of the content that a GET asks for.
pub(crate) fn wanted(headers: &HeaderMap, identity: &Identity, size: u64) -> Selection {
    match headers.get(RANGE) {
        Some(range) if identity.allows_range(headers) => select(range.to_str().ok(), size),
        _ => Selection::Whole,
    }
}

/// The answer to a GET: 200 with all of it, or 206 with parts.
///
/// # Errors
/// 416 if nothing of what is wanted exists.
pub(crate) fn send(content: &BlobBody, size: u64, selection: Selection) -> Result<Answer, ApiError> {
    match selection {
        Selection::Whole => Ok(full(StatusCode::OK, one(content, 0..size)).with(CONTENT_TYPE, OCTETS)),
        Selection::Parts(parts) => Ok(match <[_; 1]>::try_from(parts) {
            Ok([range]) => full(StatusCode::PARTIAL_CONTENT, one(content, range.clone()))
                .with(CONTENT_TYPE, OCTETS)
                .with(CONTENT_RANGE, headers::value(content_range(&range, size))),
            Err(parts) => multipart(content, size, parts),
        }),
        Selection::Unsatisfiable => {
            let detail = json!({ "reason": "the range lies behind the end of the blob", "size": size });
            let refusal = ApiError::new(ErrorCode::RangeInvalid, detail);
            Err(refusal.with(CONTENT_RANGE, headers::value(format!("bytes */{size}"))))
        }
    }
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

/// One range, bare.
fn one(content: &BlobBody, range: Range<u64>) -> ResponseBody {
    match content {
        BlobBody::Inline(bytes) => of_memory(bytes, range).into(),
        BlobBody::File(file) => of_file(file, range).into(),
        BlobBody::Growing(following) => {
            ResponseBody::stream(Some(range.end - range.start), arriving(following, range))
        }
    }
}

/// Ranges of one blob, each with a header of its own (section 14.6).
fn multipart(content: &BlobBody, size: u64, ranges: Vec<Range<u64>>) -> Answer {
    let boundary = boundary();
    let mut parts = Vec::with_capacity(ranges.len());
    let mut before = "";
    for range in ranges {
        let place = content_range(&range, size);
        let head = format!(
            "{before}--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: {place}\r\n\r\n"
        );
        parts.push((Bytes::from(head), range));
        before = "\r\n";
    }
    let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    let body = match content {
        BlobBody::Inline(bytes) => at_hand(parts, end, |range| of_memory(bytes, range)),
        BlobBody::File(file) => at_hand(parts, end, |range| of_file(file, range)),
        BlobBody::Growing(following) => in_turn(parts, end, following.clone()),
    };
    let kind = headers::value(format!("multipart/byteranges; boundary={boundary}"));
    full(StatusCode::PARTIAL_CONTENT, body).with(CONTENT_TYPE, kind)
}

/// Parts with their headers, of bytes that are here.
fn at_hand(parts: Vec<(Bytes, Range<u64>)>, end: Bytes, part: impl Fn(Range<u64>) -> Part) -> ResponseBody {
    let framed = parts.into_iter().flat_map(|(head, range)| [Part::Bytes(head), part(range)]);
    ResponseBody::Parts(framed.chain([Part::Bytes(end)]).collect())
}

/// Parts with their headers, of bytes that still arrive. Each part waits for the check of the whole blob before its last
/// byte, so those after the first come when the blob is complete.
fn in_turn(parts: Vec<(Bytes, Range<u64>)>, end: Bytes, following: Following) -> ResponseBody {
    let framed = parts.iter().map(|(head, range)| head.len() as u64 + range.end - range.start);
    let len = framed.sum::<u64>() + end.len() as u64;
    let text = |bytes| stream::once(future::ready(Ok(bytes)));
    let pieces = stream::iter(parts)
        .flat_map(move |(head, range)| text(head).chain(arriving(&following, range)))
        .chain(text(end));
    ResponseBody::stream(Some(len), pieces)
}

/// Bytes of a blob as they arrive. If it turns out to be another one, or does not come to its end, the error cuts the
/// answer before its last byte.
///
/// A source that pauses is no fault of the client: then this stream has nothing, so the transport knows that it does not
/// wait for the client, and its limits of progress do not count that time. Nothing here ends such a pause; whoever
/// fetches the bytes limits it, and its giving up is the error.
fn arriving(
    following: &Following,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, PieceError>> + Send + use<> {
    following.read(range).map_err(PieceError::from)
}

/// A line that the content does not hold: nobody can know it beforehand, and by chance it takes 2¹²⁸ tries.
fn boundary() -> String {
    let random = |word: &str| RandomState::new().hash_one(word);
    format!("{:016x}{:016x}", random("first half"), random("second half"))
}

fn of_memory(bytes: &Bytes, range: Range<u64>) -> Part {
    let at = |position| usize::try_from(position).expect("content in memory is addressable");
    Part::Bytes(bytes.slice(at(range.start)..at(range.end)))
}

fn of_file(file: &BlobFile, range: Range<u64>) -> Part {
    Part::File { file: file.file().clone(), offset: range.start, len: range.end - range.start }
}

impl From<Part> for ResponseBody {
    fn from(part: Part) -> ResponseBody {
        match part {
            Part::Bytes(bytes) => bytes.into(),
            Part::File { file, offset, len } => ResponseBody::File { file, offset, len },
        }
    }
}

#[cfg(test)]
mod tests;
